//! Telling people: one alert to one contact, in one try.
//!
//! | file | holds |
//! |---|---|
//! | `alert` | what is told, as text and as JSON |
//! | `mail` | SMTP |
//! | `webhook` | HTTP POST |
//! | `command` | a program of the site's own |
//!
//! Nothing here decides what is told, to whom or when, and nothing is tried twice: that is
//! `engine/incidents`. Every step has a time limit, and no error holds a secret.

mod alert;
mod command;
mod mail;
mod webhook;

use std::path::Path;
use std::time::Duration;

pub use alert::{Alert, Occasion};

use crate::domain::{Contact, Proof, Way};
use crate::secret::{self, SecretError};

/// More than any file of certificates has.
const CA_BYTES_MAX: u64 = 4 << 20;

/// Why a contact could not be told. Names servers and files, never a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TellError {
    /// A secret, a certificate or a program of ours cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An address that is none.
    #[error("{0} is no address that mail can be sent to or from")]
    Address(String),
    /// The other end, or the way to it.
    #[error("{place}: {what}")]
    There {
        /// Host and port, or the program.
        place: String,
        /// What happened.
        what: String,
    },
}

type Result<T> = std::result::Result<T, TellError>;

/// Tells a contact.
///
/// # Errors
/// [`TellError`]; the contact may have been told all the same.
pub fn tell(contact: &Contact, alert: &Alert) -> Result<()> {
    let limit = Duration::from_secs(contact.timeout_s);
    match &contact.way {
        Way::Mail(to) => mail::send(to, alert, limit),
        Way::Webhook(to) => webhook::post(to, alert, limit),
        Way::Command(command) => command::run(command, alert, limit),
    }
}

/// Looks whether a contact can be told, as far as this machine knows: goes nowhere.
///
/// # Errors
/// [`TellError`].
pub fn ready(contact: &Contact) -> Result<()> {
    match &contact.way {
        Way::Mail(to) => {
            if let Some((_, password)) = &to.login {
                secret::read(password)?;
            }
            ca_pem(to.ca_file.as_deref())?;
            mail::mailboxes(to).map(drop)
        }
        Way::Webhook(to) => {
            if let Some(Proof::Bearer(secret) | Proof::Hmac(secret)) = &to.proof {
                secret::read(secret)?;
            }
            ca_pem(to.ca_file.as_deref()).map(drop)
        }
        Way::Command(command) => command::find(command),
    }
}

/// Returns the text of a file of certificates; whoever can read it may.
fn ca_pem(path: Option<&Path>) -> Result<Option<String>> {
    let Some(path) = path else { return Ok(None) };
    let wrong = |what: &str| TellError::from(secret::unusable(path, what));
    let found = std::fs::metadata(path).map_err(|err| wrong(&err.to_string()))?;
    if !found.is_file() || found.len() > CA_BYTES_MAX {
        return Err(wrong("it is no file of certificates"));
    }
    let text = std::fs::read_to_string(path).map_err(|err| wrong(&err.to_string()))?;
    match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(Some(text)),
        false => Err(wrong("it holds no certificate in PEM form")),
    }
}
