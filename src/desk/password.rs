//! Passwords: what is taken for one, and how it is kept.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

use super::{DeskError, Result};

/// The fewest characters of a password (NIST SP 800-63B asks for 8, and for 15 where
/// nothing else is asked).
pub const PASSWORD_CHARS_MIN: usize = 12;

/// More is no password, and would take time to hash.
const BYTES_MAX: usize = 256;

/// What a password is held against where there is no user of that name, so that both
/// take the same time. Of 32 random bytes that nobody kept.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                      Tn0G6SJtVYRXlgkRRxtMEbIUxVMbFNGKk5tSKwPuOUQ";

/// A password that was typed. It is shown nowhere.
pub struct Secret(String);

impl Secret {
    /// Takes what somebody typed to sign in.
    pub fn typed(text: &str) -> Secret {
        Secret(text.to_string())
    }

    /// Takes a new password of a user.
    ///
    /// # Errors
    /// [`DeskError::Weak`].
    pub fn new(text: &str, user: &str) -> Result<Secret> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.chars().count() < PASSWORD_CHARS_MIN {
            return Err(DeskError::Weak(
                "a password needs at least 12 characters; take a sentence",
            ));
        }
        if text.len() > BYTES_MAX {
            return Err(DeskError::Weak("a password has at most 256 bytes"));
        }
        let mut letters = text.chars();
        let first = letters.next();
        let lower = text.to_lowercase();
        if letters.all(|letter| Some(letter) == first) || lower.contains(user) && user.len() > 3 {
            return Err(DeskError::Weak(
                "a password that is one letter, or holds the user's name, is guessed first",
            ));
        }
        Ok(Secret(text.to_string()))
    }

    /// Returns what is kept of it: argon2id, with a salt of its own.
    ///
    /// # Errors
    /// [`DeskError::Failed`] where the machine gives no random bytes.
    pub fn hash(&self) -> Result<String> {
        let hash = Argon2::default().hash_password(self.0.as_bytes());
        hash.map(|hash| hash.to_string()).map_err(|err| DeskError::Failed(err.to_string()))
    }

    /// True if this is the password of which `kept` was kept; takes as long if there is
    /// none.
    pub fn is(&self, kept: Option<&str>) -> bool {
        let given = self.0.as_bytes();
        let parsed = PasswordHash::new(kept.unwrap_or(NOBODY));
        let good = given.len() <= BYTES_MAX
            && parsed.is_ok_and(|hash| Argon2::default().verify_password(given, &hash).is_ok());
        good && kept.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_password_is_argon2id_and_knows_it_again() {
        let secret = Secret::new("a sentence of mine", "anna").unwrap();
        let (one, two) = (secret.hash().unwrap(), secret.hash().unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, two, "each has its salt");
        assert!(secret.is(Some(&one)) && secret.is(Some(&two)));
        assert!(!Secret::typed("another sentence").is(Some(&one)));
        assert!(!secret.is(None) && !secret.is(Some("rubbish")));
    }

    #[test]
    fn nobody_is_hashed_with_the_same_effort() {
        let hash = PasswordHash::new(NOBODY).unwrap();
        let of = PasswordHash::new(&Secret::typed("x").hash().unwrap()).unwrap();
        assert_eq!((hash.algorithm, hash.params), (of.algorithm, of.params));
    }

    #[test]
    fn what_is_guessed_first_is_no_password() {
        for bad in ["short", "aaaaaaaaaaaaaa", "annabel is my name", &"x".repeat(300)] {
            assert!(Secret::new(bad, "annabel").is_err(), "{bad}");
        }
        assert!(Secret::new("twelve chars", "annabel").is_ok());
    }
}
