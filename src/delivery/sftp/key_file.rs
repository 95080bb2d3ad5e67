//! Private key files, and what people put in their place.
//!
//! libssh2 has one text for every file that it cannot use, so the usual ones
//! are looked at here first.

use std::path::Path;

use crate::delivery::Result;
use crate::secret::{self, unusable};

/// How the base64 of every OpenSSH private key without a passphrase begins:
/// `openssh-key-v1`, then the name of the cipher, `none`.
const OPENSSH_PLAIN: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbm";

/// A private key as text.
pub(super) struct Key {
    pub(super) text: String,
    pub(super) is_encrypted: bool,
}

/// Reads a private key file.
///
/// # Errors
/// [`DeliveryError::Credentials`](crate::delivery::DeliveryError::Credentials), saying
/// what the file is instead and what to do.
pub(super) fn read(path: &Path, has_passphrase: bool) -> Result<Key> {
    let file = secret::File::read(path)?;
    // Windows editors leave a byte order mark and CRLF.
    let text = file.text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let key = recognise(&text).map_err(|what| unusable(path, &what))?;
    file.check_private()?;
    if key.is_encrypted && !has_passphrase {
        return Err(unusable(path, "this key has a passphrase; say where the passphrase is").into());
    }
    Ok(key)
}

fn recognise(text: &str) -> std::result::Result<Key, String> {
    let text = text.trim_start();
    if text.starts_with("PuTTY-User-Key-File") {
        return Err("this is a PuTTY key; turn it into one of OpenSSH: puttygen FILE.ppk -O \
                    private-openssh -o FILE"
            .to_string());
    }
    let is_public = ["ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC KEY", "-----BEGIN PUBLIC"]
        .iter()
        .any(|start| text.starts_with(start));
    if is_public {
        return Err("this is a public key; give the private one, which has no .pub".to_string());
    }
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if !first.starts_with("-----BEGIN ") || !first.trim_end().ends_with("PRIVATE KEY-----") {
        return Err("this is no private key; it would begin with -----BEGIN".to_string());
    }
    let is_encrypted = match first.contains("OPENSSH") {
        true => !rest.trim_start().starts_with(OPENSSH_PLAIN),
        false => first.contains("ENCRYPTED") || rest.starts_with("Proc-Type: 4,ENCRYPTED"),
    };
    Ok(Key { text: text.to_string(), is_encrypted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_encrypted(text: &str) -> bool {
        recognise(text).map(|key| key.is_encrypted).unwrap()
    }

    #[test]
    fn a_key_with_a_passphrase_is_recognised() {
        let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA";
        assert!(!is_encrypted(&format!("{openssh}BG5vbmUAAAAEbm9uZQ")));
        assert!(is_encrypted(&format!("{openssh}CmFlczI1Ni1jdHIAAAAGYmNyeXB0")));
        assert!(!is_encrypted("-----BEGIN RSA PRIVATE KEY-----\nMIIEow"));
        assert!(is_encrypted("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"));
        assert!(!is_encrypted("-----BEGIN PRIVATE KEY-----\nMIIEow"));
        assert!(is_encrypted("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIFHD"));
    }

    #[test]
    fn what_is_no_private_key_is_told_apart() {
        let said = |text| recognise(text).err().unwrap();
        assert!(said("PuTTY-User-Key-File-3: ssh-ed25519\n").contains("puttygen"));
        assert!(said("ssh-ed25519 AAAA practice\n").contains("public key"));
        assert!(said("---- BEGIN SSH2 PUBLIC KEY ----\n").contains("public key"));
        assert!(said("-----BEGIN CERTIFICATE-----\n").contains("no private key"));
        assert!(said("").contains("no private key"));
    }
}
