//! The store of the approvals: one small SQLite file for each interface, beside its
//! folders, with the chain of actions of a ledger.
//!
//! An approval that is changed, put in or taken out breaks the chain, the last one too: the
//! count of all stands beside them under a seal. Whoever may write the file may also approve;
//! what it proves is that nobody did so unnoticed afterwards.

use std::path::Path;

use rusqlite::{Connection, Row, TransactionBehavior, params_from_iter};

use super::action;
use super::open::{APPROVALS, open_beside, peek_beside};
use super::query::all;
use super::row::{check_seal, sealed};
use crate::crashpoint::crashpoint;
use crate::digest::Digest;
use crate::domain::Approval;
use crate::ledger::{Act, LedgerError, Result, Sign};

/// The approvals of one interface.
pub struct Approvals {
    conn: Connection,
}

const ROW: &str = "number, name, date, actor, at, digest, scope, seal";
const ROW_END: usize = 7;

impl Approvals {
    /// Opens the file, and makes it if there is none; its folder must be there.
    ///
    /// # Errors
    /// [`LedgerError`], each variant.
    pub fn open(path: &Path) -> Result<Approvals> {
        Ok(Approvals { conn: open_beside(path, &APPROVALS)? })
    }

    /// Opens the file to read it, if there is one.
    ///
    /// # Errors
    /// As [`Approvals::open`].
    pub fn peek(path: &Path) -> Result<Option<Approvals>> {
        Ok(peek_beside(path, &APPROVALS)?.map(|conn| Approvals { conn }))
    }

    /// Returns all approvals, oldest first, once all of them are found as they were written.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`], and those of the store.
    pub fn all(&self) -> Result<Vec<Approval>> {
        read_all(&self.conn)
    }

    /// Puts an approval behind the others, at one instant; returns the one before. Whoever
    /// else approves meanwhile waits.
    ///
    /// # Errors
    /// As [`Approvals::all`]: behind a broken chain nothing is put.
    pub fn add(&mut self, approval: &Approval) -> Result<Option<Approval>> {
        let change = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = read_all(&change)?.into_iter().next_back();
        let Approval { name, date, at, by, digest, scope } = approval;
        let act = Act {
            verb: "approve",
            about: format!("{name} on {date}"),
            was: before.as_ref().map(|before| before.digest.clone()).unwrap_or_default(),
            now: digest.clone(),
        };
        let sign = Sign { by: by.clone(), why: String::new(), at: *at };
        let number = action::insert(&change, &act, &sign)?;
        let texts = [name, date, by].map(|text| text.clone().into());
        let mut values = vec![number.into()];
        values.extend(texts);
        values.extend([(*at).into(), digest.clone().into(), scope.clone().into()]);
        let sql = format!("INSERT INTO approval ({ROW}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        change.prepare_cached(&sql)?.execute(params_from_iter(sealed(values)))?;
        crashpoint("approval.add.before")?;
        change.commit()?;
        crashpoint("approval.add.after")?;
        Ok(before)
    }
}

fn read_all(conn: &Connection) -> Result<Vec<Approval>> {
    let damaged = |what: String| {
        LedgerError::Damaged(format!("the approvals: {what}; restore approvals.db from a backup"))
    };
    if let Some(broken) = action::broken_links(conn)?.into_iter().next() {
        return Err(damaged(broken));
    }
    let sql = format!("SELECT {ROW} FROM approval ORDER BY number");
    let rows = all(conn, &sql, [], read)?;
    let mut actions = action::newest(conn, -1)?;
    actions.reverse();
    let is_one = |((number, approval), action): (&(i64, Approval), &crate::ledger::ActionRow)| {
        *number == action.id
            && approval.digest == action.now
            && approval.digest == Digest::of(approval.scope.as_bytes()).to_string()
    };
    if rows.len() != actions.len() || !rows.iter().zip(&actions).all(is_one) {
        return Err(damaged("one was taken out or put in from outside".to_string()));
    }
    Ok(rows.into_iter().map(|(_, approval)| approval).collect())
}

fn read(row: &Row<'_>) -> Result<(i64, Approval)> {
    check_seal(row, 0, ROW_END)?;
    let approval = Approval {
        name: row.get(1)?,
        date: row.get(2)?,
        by: row.get(3)?,
        at: row.get(4)?,
        digest: row.get(5)?,
        scope: row.get(6)?,
    };
    Ok((row.get(0)?, approval))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval(name: &str, scope: &str) -> Approval {
        Approval {
            name: name.to_string(),
            date: "2026-05-20".to_string(),
            at: 7,
            by: "ann (uid 1)".to_string(),
            digest: Digest::of(scope.as_bytes()).to_string(),
            scope: scope.to_string(),
        }
    }

    #[test]
    fn approvals_come_back_in_order_and_each_is_told_of_the_one_before() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("approvals.db");
        assert!(Approvals::peek(&path).unwrap().is_none());
        let (one, two) = (approval("Ann", "a = 1\n"), approval("Bob", "a = 2\n"));
        let mut approvals = Approvals::open(&path).unwrap();
        assert_eq!(approvals.add(&one).unwrap(), None);
        assert_eq!(approvals.add(&two).unwrap(), Some(one.clone()));
        assert_eq!(Approvals::peek(&path).unwrap().unwrap().all().unwrap(), [one, two]);
    }

    #[test]
    fn whatever_is_done_to_an_approval_from_outside_is_noticed_the_last_one_too() {
        for spoil in [
            "UPDATE approval SET scope = 'a = 9\n' WHERE number = 1",
            "UPDATE approval SET name = 'Eve' WHERE number = 2",
            "DELETE FROM approval WHERE number = 1",
            "DELETE FROM approval WHERE number = 2",
            "DELETE FROM approval WHERE number = 2; DELETE FROM action WHERE id = 2",
            "DELETE FROM approval; DELETE FROM action",
            "INSERT INTO approval SELECT 3, name, date, actor, at, digest, scope, seal \
             FROM approval WHERE number = 1",
        ] {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("approvals.db");
            let mut approvals = Approvals::open(&path).unwrap();
            approvals.add(&approval("Ann", "a = 1\n")).unwrap();
            approvals.add(&approval("Bob", "a = 2\n")).unwrap();
            approvals.conn.execute_batch(spoil).unwrap();
            let read = Approvals::peek(&path).unwrap().unwrap().all();
            assert!(matches!(read, Err(LedgerError::Damaged(_))), "{spoil}: {read:?}");
            let added = approvals.add(&approval("Cid", "a = 3\n"));
            assert!(matches!(added, Err(LedgerError::Damaged(_))), "{spoil}: {added:?}");
        }
    }
}
