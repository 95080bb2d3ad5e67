//! Sessions: who is signed in, and until when.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::trail::note;
use super::tries::succeeded;
use super::{By, Desk, DeskError, Result};
use crate::digest::Digest;
use crate::domain::Permission;

/// A click is written down once a minute: each write is a sync of the disk.
const SEEN_SECONDS: i64 = 60;

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Without a click.
    pub idle: Duration,
    /// Whatever is done.
    pub whole: Duration,
}

/// What a browser shows to be known: 32 random bytes in hexadecimal. Only its digest is
/// kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`DeskError::Failed`] where the machine gives no random bytes.
    pub fn random() -> Result<Token> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|err| DeskError::Failed(err.to_string()))?;
        Ok(Token(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Takes what a browser showed, if it looks like one.
    pub fn shown(text: &str) -> Option<Token> {
        let good = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(good)).then(|| Token(text.to_string()))
    }

    /// Returns it as the browser gets it.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Returns the token that every form of this session carries: a page of another site
    /// can send a form, and cannot read this.
    pub fn for_forms(&self) -> String {
        Digest::of(format!("form {}", self.0).as_bytes()).to_string()
    }

    fn kept(&self) -> String {
        Digest::of(self.0.as_bytes()).to_string()
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: String,
    /// What they may do, as it is now.
    pub permissions: Vec<Permission>,
}

impl Session {
    /// True if the user has this permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}

impl Desk {
    /// Signs somebody in whose password was right: see [`Desk::attempt`].
    ///
    /// # Errors
    /// [`DeskError::Unknown`] if they were removed meanwhile.
    pub fn sign_in(&mut self, by: &By, limits: &Limits) -> Result<Token> {
        let token = Token::random()?;
        let signing = self.conn.transaction()?;
        let sql = "UPDATE person SET seen_at = $1 WHERE name = $2";
        if signing.execute(sql, params![by.at, by.name])? == 0 {
            return Err(DeskError::Unknown(by.name.clone()));
        }
        let sql = "DELETE FROM session WHERE made_at <= $1 OR seen_at <= $2";
        signing
            .execute(sql, params![by.at - seconds(limits.whole), by.at - seconds(limits.idle)])?;
        let sql = "INSERT INTO session (token, person, address, made_at, seen_at) \
                   VALUES ($1, $2, $3, $4, $4)";
        signing.execute(sql, params![token.kept(), by.name, by.address, by.at])?;
        succeeded(&signing, &by.name, &by.address)?;
        note(&signing, by, "sign in", "")?;
        signing.commit()?;
        Ok(token)
    }

    /// Returns whose session it is, if it has not ended. With `clicked` it goes on from
    /// now.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn session(
        &mut self,
        token: &Token,
        limits: &Limits,
        now: i64,
        clicked: bool,
    ) -> Result<Option<Session>> {
        let sql = "SELECT person, made_at, seen_at FROM session WHERE token = $1";
        let found = self.conn.query_row(sql, [token.kept()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        let Some((user, made_at, seen_at)) = found.optional()? else { return Ok(None) };
        let over = now - made_at >= seconds(limits.whole) || now - seen_at >= seconds(limits.idle);
        if over {
            self.conn.execute("DELETE FROM session WHERE token = $1", [token.kept()])?;
            return Ok(None);
        }
        if clicked && now - seen_at >= SEEN_SECONDS.min(seconds(limits.idle) / 2) {
            let sql = "UPDATE session SET seen_at = $1 WHERE token = $2";
            self.conn.execute(sql, params![now, token.kept()])?;
        }
        let permissions = self.permissions(&user)?;
        Ok(Some(Session { user, permissions }))
    }

    /// Ends one session.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn sign_out(&mut self, token: &Token, by: &By) -> Result<()> {
        let leaving = self.conn.transaction()?;
        if leaving.execute("DELETE FROM session WHERE token = $1", [token.kept()])? > 0 {
            note(&leaving, by, "sign out", "")?;
        }
        Ok(leaving.commit()?)
    }

    /// Ends every session of a user; returns how many there were.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn sign_out_everywhere(&mut self, user: &str, by: &By) -> Result<u64> {
        let leaving = self.conn.transaction()?;
        let ended = leaving.execute("DELETE FROM session WHERE person = $1", [user])?;
        note(&leaving, by, "sign out everywhere", user)?;
        leaving.commit()?;
        Ok(ended as u64)
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { idle: Duration::from_secs(900), whole: Duration::from_secs(3600) };

    fn desk() -> (tempfile::TempDir, Desk) {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(&place.path().join("desk.db")).unwrap();
        let shell = By { name: "root".into(), address: String::new(), at: 0 };
        desk.add("anna", "kept", &[Permission::FileUpload], &shell).unwrap();
        (place, desk)
    }

    fn anna(at: i64) -> By {
        By { name: "anna".into(), address: "::1".into(), at }
    }

    #[test]
    fn a_session_ends_without_clicks_and_in_any_case() {
        let (_place, mut desk) = desk();
        let token = desk.sign_in(&anna(0), &LIMITS).unwrap();
        let mut lives = |now, clicked| desk.session(&token, &LIMITS, now, clicked).unwrap();
        assert_eq!(lives(10, true).unwrap().permissions, [Permission::FileUpload]);
        for now in [800, 1600, 2400, 3200] {
            assert!(lives(now, true).is_some(), "{now}: a click every while keeps it");
        }
        assert!(lives(3600, true).is_none(), "and no longer than the whole");
        assert!(lives(3300, true).is_none(), "what ended stays ended");
        let token = desk.sign_in(&anna(5000), &LIMITS).unwrap();
        assert!(desk.session(&token, &LIMITS, 5800, false).unwrap().is_some());
        assert!(desk.session(&token, &LIMITS, 5900, true).unwrap().is_none(), "no click: idle");
    }

    #[test]
    fn the_file_knows_no_token_and_a_token_no_other() {
        let (place, mut desk) = desk();
        let token = desk.sign_in(&anna(0), &LIMITS).unwrap();
        drop(desk);
        for name in ["desk.db", "desk.db-wal"] {
            let bytes = std::fs::read(place.path().join(name)).unwrap_or_default();
            let found = bytes.windows(64).any(|at| at == token.secret().as_bytes());
            assert!(!found, "{name} holds the token");
        }
        assert_ne!(token.for_forms(), token.kept());
        assert!(Token::shown("' OR 1=1").is_none() && Token::shown(token.secret()).is_some());
    }

    #[test]
    fn who_signs_out_everywhere_or_gets_a_new_password_is_out() {
        let (_place, mut desk) = desk();
        let ends = |desk: &mut Desk| {
            let tokens = [(); 2].map(|()| desk.sign_in(&anna(0), &LIMITS).unwrap());
            assert_eq!(desk.users().unwrap()[0].sessions, 2);
            tokens
        };
        let tokens = ends(&mut desk);
        desk.sign_out(&tokens[0], &anna(1)).unwrap();
        assert!(desk.session(&tokens[0], &LIMITS, 2, true).unwrap().is_none());
        assert!(desk.session(&tokens[1], &LIMITS, 2, true).unwrap().is_some());
        assert_eq!(desk.sign_out_everywhere("anna", &anna(2)).unwrap(), 1);
        let tokens = ends(&mut desk);
        desk.passwd("anna", "new", &anna(3)).unwrap();
        assert!(desk.session(&tokens[1], &LIMITS, 4, true).unwrap().is_none());
        let token = desk.sign_in(&anna(0), &LIMITS).unwrap();
        desk.remove("anna", &By { address: String::new(), ..anna(5) }).unwrap();
        assert!(desk.session(&token, &LIMITS, 6, true).unwrap().is_none());
        assert!(desk.sign_in(&anna(7), &LIMITS).is_err());
    }
}
