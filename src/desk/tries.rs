//! Who tries passwords waits: per user and per address, twice as long each time.

use rusqlite::{Connection, OptionalExtension, params};

use super::{By, Desk, Result, good_name};

/// Failures of one user that cost no time: people mistype.
const USER_FREE: i64 = 5;

/// ... and of one address, which may be a whole practice's.
const ADDRESS_FREE: i64 = 30;

/// The first wait, seconds.
const WAIT_FIRST: i64 = 15;

/// The longest wait, seconds: who sits at the keyboard is not locked out for ever.
const WAIT_MAX: i64 = 15 * 60;

/// After so many seconds without a failure all are forgotten.
const FORGOTTEN: i64 = 24 * 60 * 60;

/// A try to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The password is to be held against this; none where there is no such user.
    /// The try counts as failed until [`Desk::sign_in`] says otherwise.
    Hold(Option<String>),
    /// So many seconds from now nobody may try.
    Wait(i64),
}

/// Returns how many seconds after the last failure the next try may be, `free` failures
/// being free.
pub fn wait_of(failed: i64, free: i64) -> i64 {
    match failed - free {
        ..0 => 0,
        over => WAIT_FIRST.saturating_mul(1 << over.min(20)).min(WAIT_MAX),
    }
}

impl Desk {
    /// Begins a try to sign in: counts it as failed beforehand, so that tries at the same
    /// time do not count as one.
    ///
    /// # Errors
    /// [`super::DeskError`].
    pub fn attempt(&mut self, by: &By) -> Result<Attempt> {
        let trying = self.conn.transaction()?;
        let user = good_name(&by.name).ok();
        let mut wait = 0;
        for (subject, free) in subjects(user.as_deref(), &by.address) {
            let (failed, at) = failures(&trying, &subject, by.at)?;
            wait = wait.max(at + wait_of(failed, free) - by.at);
        }
        if wait > 0 {
            return Ok(Attempt::Wait(wait));
        }
        for (subject, _) in subjects(user.as_deref(), &by.address) {
            let (failed, _) = failures(&trying, &subject, by.at)?;
            let sql = "INSERT INTO tries (subject, failed, at) VALUES ($1, $2, $3) \
                       ON CONFLICT (subject) DO UPDATE SET failed = $2, at = $3";
            trying.execute(sql, params![subject, failed + 1, by.at])?;
        }
        trying.execute("DELETE FROM tries WHERE at < $1", [by.at - FORGOTTEN])?;
        let sql = "SELECT password FROM person WHERE name = $1";
        let kept = trying.query_row(sql, [user], |row| row.get(0)).optional()?;
        trying.commit()?;
        Ok(Attempt::Hold(kept))
    }
}

/// What is counted: names of nobody too, since the answer must not tell them apart.
fn subjects(user: Option<&str>, address: &str) -> Vec<(String, i64)> {
    let mut subjects = vec![(format!("address {address}"), ADDRESS_FREE)];
    subjects.extend(user.map(|user| (format!("user {user}"), USER_FREE)));
    subjects
}

fn failures(conn: &Connection, subject: &str, now: i64) -> Result<(i64, i64)> {
    let sql = "SELECT failed, at FROM tries WHERE subject = $1";
    let found = conn.query_row(sql, [subject], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (failed, at): (i64, i64) = found.unwrap_or((0, now));
    // A clock that was set back must not lock anybody out.
    Ok(if now - at > FORGOTTEN { (0, now) } else { (failed, at.min(now)) })
}

/// Takes back the failures of a user who got in; of the address the one that was counted
/// beforehand, since others may still try passwords from there.
pub(super) fn succeeded(conn: &Connection, user: &str, address: &str) -> Result<()> {
    conn.execute("DELETE FROM tries WHERE subject = $1", [format!("user {user}")])?;
    let sql = "UPDATE tries SET failed = failed - 1 WHERE subject = $1";
    conn.execute(sql, [format!("address {address}")])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk() -> (tempfile::TempDir, Desk) {
        let place = tempfile::tempdir().unwrap();
        let mut desk = Desk::open(&place.path().join("desk.db")).unwrap();
        let shell = By { name: "root".into(), address: String::new(), at: 0 };
        desk.add("anna", "kept", &[], &shell).unwrap();
        (place, desk)
    }

    fn by(name: &str, address: &str, at: i64) -> By {
        By { name: name.into(), address: address.into(), at }
    }

    #[test]
    fn five_mistakes_are_free_and_then_each_costs_twice_as_much() {
        assert_eq!([4, 5, 6, 7, 60].map(|failed| wait_of(failed, 5)), [0, 15, 30, 60, 900]);
        let (_place, mut desk) = desk();
        for _ in 0..5 {
            let held = desk.attempt(&by("anna", "::1", 100)).unwrap();
            assert_eq!(held, Attempt::Hold(Some("kept".into())));
        }
        assert_eq!(desk.attempt(&by("Anna ", "::2", 101)).unwrap(), Attempt::Wait(14));
        assert!(matches!(desk.attempt(&by("bert", "::2", 101)).unwrap(), Attempt::Hold(None)));
        assert!(matches!(desk.attempt(&by("anna", "::2", 115)).unwrap(), Attempt::Hold(Some(_))));
        assert_eq!(desk.attempt(&by("anna", "::2", 115)).unwrap(), Attempt::Wait(30));
        let tomorrow = 115 + FORGOTTEN + 1;
        for _ in 0..5 {
            assert!(matches!(desk.attempt(&by("anna", "::1", tomorrow)), Ok(Attempt::Hold(_))));
        }
    }

    #[test]
    fn an_address_that_tries_every_name_waits_too() {
        let (_place, mut desk) = desk();
        for at in 0..ADDRESS_FREE {
            let name = format!("user{at}");
            assert!(matches!(desk.attempt(&by(&name, "::9", 5)), Ok(Attempt::Hold(None))));
        }
        assert_eq!(desk.attempt(&by("anna", "::9", 5)).unwrap(), Attempt::Wait(15));
        assert!(matches!(desk.attempt(&by("anna", "::1", 5)), Ok(Attempt::Hold(Some(_)))));
    }

    #[test]
    fn a_clock_that_went_back_locks_nobody_out() {
        let (_place, mut desk) = desk();
        for _ in 0..5 {
            desk.attempt(&by("anna", "::1", 1_000_000)).unwrap();
        }
        assert_eq!(desk.attempt(&by("anna", "::1", 10)).unwrap(), Attempt::Wait(15));
    }
}
