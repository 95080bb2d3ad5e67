//! Proving who we are: by key, by password, or by both where the server asks for both.
//!
//! Each proof is given once. A server that refuses it is not asked again by
//! itself: accounts get locked and addresses banned that way.

use std::path::Path;

use libssh2_sys as raw;
use ssh2::{Error, ErrorCode, KeyboardInteractivePrompt, Prompt};

use super::line::Line;

use super::key_file;
use crate::delivery::{DeliveryError, Result};
use crate::domain::Login;
use crate::secret::{self, unusable};

const STEP: &str = "log in";
/// The second is said of a key that is refused, and of a line that breaks meanwhile.
const REFUSED: [ErrorCode; 2] = [
    ErrorCode::Session(raw::LIBSSH2_ERROR_AUTHENTICATION_FAILED),
    ErrorCode::Session(raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED),
];
const BROKEN: [ErrorCode; 4] = [
    ErrorCode::Session(raw::LIBSSH2_ERROR_SOCKET_SEND),
    ErrorCode::Session(raw::LIBSSH2_ERROR_SOCKET_RECV),
    ErrorCode::Session(raw::LIBSSH2_ERROR_TIMEOUT),
    HUNG_UP,
];
const PASSWORD_EXPIRED: ErrorCode = ErrorCode::Session(raw::LIBSSH2_ERROR_PASSWORD_EXPIRED);
/// A server that hangs up in so many words; a line that breaks says nothing.
const HUNG_UP: ErrorCode = ErrorCode::Session(raw::LIBSSH2_ERROR_SOCKET_DISCONNECT);

/// Logs in.
///
/// # Errors
/// [`DeliveryError::Credentials`] where a file of ours is no good,
/// [`DeliveryError::LoginRefused`], [`DeliveryError::Lost`].
pub(super) fn log_in(line: &Line, user: &str, with: &Login) -> Result<()> {
    // Files of ours come first: a login that cannot succeed is not begun.
    let passphrase = with.passphrase.as_ref().map(secret::read).transpose()?;
    let mut key = match &with.key_file {
        Some(path) => Some((path, key_file::read(path, passphrase.is_some())?)),
        None => None,
    };
    let mut password = with.password.as_ref().map(secret::read).transpose()?;

    line.limit(line.limits.login);
    let attempt = Attempt { line, user };
    let mut asked = attempt.methods()?;
    let mut refusals = Vec::new();
    while !line.session.authenticated() {
        if let Some((path, key)) = key.take_if(|_| offers(&asked, "publickey")) {
            attempt.by_key(path, &key, passphrase.as_deref())?;
            // Also tells a line that broke from a refusal, which libssh2 does not.
            asked = attempt.methods()?;
            if offers(&asked, "publickey") {
                refusals.push(format!("the key {} is not accepted", path.display()));
            }
        } else if let Some(password) = password.take_if(|_| asks_for_password(&asked)) {
            refusals.extend(attempt.by_password(&asked, &password)?);
            // Every question counts as a try at some servers.
            if key.is_some() {
                asked = attempt.methods()?;
            }
        } else {
            return Err(attempt.refused_for(refusals, &asked));
        }
    }
    line.limit(line.limits.request);
    Ok(())
}

/// The methods that a server asks for, by comma; `None` when it asks for no more.
type Methods = Option<String>;

fn offers(methods: &Methods, method: &str) -> bool {
    methods.as_ref().is_some_and(|methods| methods.split(',').any(|one| one == method))
}

fn asks_for_password(methods: &Methods) -> bool {
    offers(methods, "password") || offers(methods, "keyboard-interactive")
}

struct Attempt<'a> {
    line: &'a Line,
    user: &'a str,
}

impl Attempt<'_> {
    fn refused_for(&self, mut reasons: Vec<String>, asked: &Methods) -> DeliveryError {
        let asked = asked.as_deref().unwrap_or_default().replace(',', " or ");
        reasons.push(format!("it asks for {asked}"));
        reasons.push("check the user name and what the vendor has on file".to_string());
        self.refused(reasons.join("; "))
    }

    fn refused(&self, what: String) -> DeliveryError {
        let (server, user) = (self.line.server.clone(), self.user.to_string());
        DeliveryError::LoginRefused { server, user, what }
    }

    /// Gives an error its class. A server that hangs up in so many words has
    /// had enough of us; trying again would make it worse.
    fn failed(&self, err: &Error) -> DeliveryError {
        if err.code() == HUNG_UP {
            return self.refused("it ended the session; is the account locked?".to_string());
        }
        self.line.lost(STEP, err.message())
    }

    fn methods(&self) -> Result<Methods> {
        // A server that is content does not answer the question any more.
        if self.line.session.authenticated() {
            return Ok(None);
        }
        match self.line.session.auth_methods(self.user) {
            _ if self.line.session.authenticated() => Ok(None),
            Ok(methods) => Ok(Some(methods.to_string())),
            Err(err) => Err(self.failed(&err)),
        }
    }

    /// Shows the key; the server's methods tell what it made of it.
    fn by_key(&self, path: &Path, key: &key_file::Key, passphrase: Option<&str>) -> Result<()> {
        let session = &self.line.session;
        let Err(err) = session.userauth_pubkey_memory(self.user, None, &key.text, passphrase)
        else {
            return Ok(());
        };
        match err.code() {
            code if REFUSED.contains(&code) => Ok(()),
            code if BROKEN.contains(&code) => Err(self.failed(&err)),
            _ if key.is_encrypted => {
                Err(unusable(path, "the passphrase does not open this key").into())
            }
            _ => {
                let what = format!("this key is damaged or of an unknown kind ({})", err.message());
                Err(unusable(path, &what).into())
            }
        }
    }

    /// Returns why the password was not enough.
    fn by_password(&self, asked: &Methods, password: &str) -> Result<Option<String>> {
        let session = &self.line.session;
        let mut answers = Answers { password, asked_more: false };
        let tried = if offers(asked, "password") {
            session.userauth_password(self.user, password)
        } else if offers(asked, "keyboard-interactive") {
            session.userauth_keyboard_interactive(self.user, &mut answers)
        } else {
            return Ok(None);
        };
        let Err(err) = tried else { return Ok(None) };
        Ok(Some(match err.code() {
            code if BROKEN.contains(&code) => return Err(self.failed(&err)),
            _ if answers.asked_more => "it asks for more than a password".to_string(),
            code if REFUSED.contains(&code) => "the password is not accepted".to_string(),
            PASSWORD_EXPIRED => "the password has expired".to_string(),
            _ => return Err(self.failed(&err)),
        }))
    }
}

/// Answers the one question that a password is the answer to.
struct Answers<'a> {
    password: &'a str,
    asked_more: bool,
}

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt(&mut self, _: &str, _: &str, prompts: &[Prompt<'_>]) -> Vec<String> {
        let mut answers = Vec::new();
        for _ in prompts {
            let answer = std::mem::take(&mut self.password);
            self.asked_more |= answer.is_empty();
            answers.push(answer.to_string());
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn the_password_is_given_once_and_nothing_else() {
        let prompt = |text| Prompt { text: Cow::Borrowed(text), echo: false };
        let mut answers = Answers { password: "secret", asked_more: false };
        assert_eq!(answers.prompt("", "", &[]), [""; 0]);
        assert_eq!(answers.prompt("", "", &[prompt("Password: ")]), ["secret"]);
        assert!(!answers.asked_more);
        assert_eq!(answers.prompt("", "", &[prompt("One-time code: ")]), [""]);
        assert!(answers.asked_more);
    }
}
