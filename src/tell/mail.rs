//! An alert as a mail.

use std::time::Duration;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, SmtpTransport, Transport};

use super::{Alert, Result, TellError, ca_pem};
use crate::domain::{Mail, Security};
use crate::secret;

/// RFC 3834: no holiday note is to answer it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> std::result::Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_string())
    }
}

/// Returns the sender and the receivers.
///
/// # Errors
/// [`TellError::Address`].
pub fn mailboxes(to: &Mail) -> Result<(Mailbox, Vec<Mailbox>)> {
    let mailbox = |text: &String| {
        let address = text.parse::<Address>();
        let address = address.map_err(|_| TellError::Address(text.clone()))?;
        Ok(Mailbox::new(None, address))
    };
    Ok((mailbox(&to.sender)?, to.to.iter().map(mailbox).collect::<Result<_>>()?))
}

/// Sends it.
///
/// # Errors
/// [`TellError`].
pub fn send(to: &Mail, alert: &Alert, limit: Duration) -> Result<()> {
    let place = format!("mail server {}:{}", to.host, to.port);
    let failed = |what: String| TellError::There { place: place.clone(), what };
    let (sender, receivers) = mailboxes(to)?;
    let mut message = Message::builder()
        .from(Mailbox::new(Some("hl7drop".to_string()), sender.email))
        .subject(alert.subject())
        .message_id(Some(format!("<{}@hl7drop.invalid>", alert.key())))
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    for receiver in receivers {
        message = message.to(receiver);
    }
    let message = message.body(alert.text()).map_err(|err| failed(err.to_string()))?;
    let tls = match to.security {
        Security::None => Tls::None,
        Security::StartTls => Tls::Required(parameters(to, &failed)?),
        Security::Tls => Tls::Wrapper(parameters(to, &failed)?),
    };
    let mut server = SmtpTransport::builder_dangerous(&to.host)
        .port(to.port)
        .tls(tls)
        .timeout(Some(limit.min(Duration::from_secs(30))));
    if let Some((user, password)) = &to.login {
        server = server.credentials(Credentials::new(user.clone(), secret::read(password)?));
    }
    server.build().send(&message).map(drop).map_err(|err| failed(words(&err)))
}

fn parameters(to: &Mail, failed: &dyn Fn(String) -> TellError) -> Result<TlsParameters> {
    let mut parameters = TlsParameters::builder(to.host.clone());
    if let Some(pem) = ca_pem(to.ca_file.as_deref())? {
        let authority = Certificate::from_pem(pem.as_bytes());
        let authority = authority.map_err(|err| failed(words(&err)))?;
        parameters = parameters.add_root_certificate(authority);
    }
    parameters.build().map_err(|err| failed(words(&err)))
}

/// Returns an error with what is behind it; the library's first text says little.
fn words(err: &lettre::transport::smtp::Error) -> String {
    let mut text = err.to_string();
    let mut behind = std::error::Error::source(err);
    while let Some(err) = behind {
        let more = err.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        behind = err.source();
    }
    text
}
