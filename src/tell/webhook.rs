//! An alert as an HTTP POST.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::{Alert, Result, TellError, ca_pem};
use crate::domain::{Proof, Webhook};
use crate::secret;

const CONNECT: Duration = Duration::from_secs(10);

/// Posts it; any answer but 2xx is an error, a redirect too.
///
/// # Errors
/// [`TellError`].
pub fn post(to: &Webhook, alert: &Alert, limit: Duration) -> Result<()> {
    // A path may hold a token; the host says enough.
    let host = to.url.split('/').nth(2).unwrap_or_default();
    let failed = |what: String| TellError::There { place: format!("webhook at {host}"), what };
    let body = serde_json::to_string(alert).map_err(|err| failed(err.to_string()))?;
    let roots = match ca_pem(to.ca_file.as_deref())? {
        None => RootCerts::PlatformVerifier,
        Some(pem) => RootCerts::from(certificates(&pem)),
    };
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(limit))
        .timeout_connect(Some(CONNECT.min(limit)))
        .max_redirects(0)
        .max_redirects_will_error(true)
        .user_agent(concat!("hl7drop/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let mut request = agent
        .post(&to.url)
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", alert.key());
    match &to.proof {
        None => {}
        Some(Proof::Bearer(secret)) => {
            let token = secret::read(secret)?;
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        Some(Proof::Hmac(secret)) => {
            let signed = signature(secret::read(secret)?.as_bytes(), body.as_bytes());
            let signed = signed.ok_or_else(|| failed("the key cannot sign".to_string()))?;
            request = request.header("X-Hl7drop-Signature", format!("sha256={signed}"));
        }
    }
    request.send(&body).map(drop).map_err(|err| failed(words(&err)))
}

/// Returns the HMAC-SHA256 of a body, in hexadecimal.
fn signature(key: &[u8], body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(body);
    Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn certificates(pem: &str) -> Vec<Certificate<'static>> {
    let items = parse_pem(pem.as_bytes()).filter_map(std::result::Result::ok);
    items
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect()
}

/// The library's text may hold the whole address.
fn words(err: &ureq::Error) -> String {
    match err {
        ureq::Error::StatusCode(code) => format!("it answered {code}"),
        ureq::Error::TooManyRedirects => {
            "it answered with a redirect; write the address it leads to".to_string()
        }
        ureq::Error::Timeout(_) => "it did not answer in time".to_string(),
        ureq::Error::BadUri(_) => "`url` is no address".to_string(),
        err => err.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_rfc() {
        // RFC 4231, test case 2.
        let signed = signature(b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(signed, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
