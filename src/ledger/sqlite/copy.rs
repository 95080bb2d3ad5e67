//! A ledger as it stands now, in a file of its own; and one of earlier put in force again.
//!
//! A copy is taken in one read transaction, so it is of one moment even while a pass
//! writes, and keeps no pass from writing.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::promise::numbers;
use super::query::deliveries;
use super::register::BYTES;
use super::row::{counter, put_delivery, set_counter};
use super::{OPEN, Sqlite, action, mend};
use crate::crashpoint::crashpoint;
use crate::disk;
use crate::ledger::{Act, DeliveryRow, Holding, LedgerError, Numbers, Result, Sign};

/// Pages that are copied between two looks at how far it is: 4 MiB.
const PAGES: i32 = 1024;

/// What became of an older ledger that was put in force.
#[derive(Clone, Debug, Default)]
pub struct PutBack {
    /// The numbers that are given next.
    pub next: Numbers,
    /// Deliveries that may have been made since: a person decides about each.
    pub doubted: Vec<DeliveryRow>,
    /// Deliveries that were made since, by the file in `sent/`.
    pub told: Vec<DeliveryRow>,
}

/// Copies a database of ours into a new file, whoever writes to it meanwhile; `step` is
/// told how many of its bytes there are and how many were copied.
///
/// # Errors
/// [`LedgerError`]; half of the copy may then be there.
pub fn copy_database(from: &Path, to: &Path, step: &mut dyn FnMut(u64, u64)) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(from, flags)?;
    conn.busy_timeout(Sqlite::WAIT)?;
    copy(&conn, to, step)
}

/// Copies what a connection sees.
pub(super) fn copy(conn: &Connection, to: &Path, step: &mut dyn FnMut(u64, u64)) -> Result<()> {
    disk::remove(to)?;
    disk::create(to)?.finish()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(to, flags)?;
    copy.pragma_update(None, "synchronous", "full")?;
    let page: u32 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    {
        let backup = Backup::new(conn, &mut copy)?;
        loop {
            crashpoint("ledger.copy")?;
            let done = backup.step(PAGES)?;
            let progress = backup.progress();
            let bytes = |pages: i32| u64::from(pages.unsigned_abs()) * u64::from(page);
            let all = bytes(progress.pagecount);
            step(all, all - bytes(progress.remaining));
            match done {
                StepResult::Done => break,
                StepResult::More => {}
                _ => return Err(LedgerError::Locked),
            }
        }
    }
    // One file without a log beside it, so that whoever copies it on has all of it.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    copy.close().map_err(|(_, err)| err)?;
    disk::sync(to)?;
    Ok(())
}

impl Sqlite {
    /// Copies the ledger as it stands now into a new file; returns how many bytes of the
    /// register's log belong to it.
    ///
    /// # Errors
    /// [`LedgerError`]; half of the copy may then be there.
    pub fn copy_to(&self, to: &Path, step: &mut dyn FnMut(u64, u64)) -> Result<u64> {
        // From the first read on, until it ends, this connection sees one moment.
        let moment = self.conn.unchecked_transaction()?;
        let register = counter(&moment, BYTES)?;
        copy(&moment, to, step)?;
        drop(moment);
        Ok(register)
    }

    /// Puts a ledger of earlier in force, which knows nothing of what was done since: the
    /// numbers jump to `next`, nothing leaves by itself, and whatever was not delivered
    /// then waits for a person, but for the batches `went`, of which is known that they
    /// did go out. One commit.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing was changed then.
    pub fn put_back(
        &mut self,
        next: Numbers,
        went: &dyn Fn(&DeliveryRow) -> bool,
        doubt: &str,
        sign: &Sign,
    ) -> Result<PutBack> {
        self.write("put_back", |conn| {
            let now = numbers(conn)?;
            if next.control < now.control || next.file < now.file {
                return Err(LedgerError::Failed("numbers would be given twice".to_string()));
            }
            set_counter(conn, "control", next.control)?;
            set_counter(conn, "file", next.file)?;
            let was = format!("next file {}, next message {}", now.file, now.control);
            let is = format!("next file {}, next message {}", next.file, next.control);
            let act = Act { verb: "restore", about: "the ledger".to_string(), was, now: is };
            mend::set_holding(conn, Holding::Open, &act, sign)?;
            let mut done = PutBack { next, ..PutBack::default() };
            for was in deliveries(conn, OPEN)? {
                let (verb, now) = match went(&was) {
                    true => ("delivered", was.clone().went(sign)),
                    false => ("restore", was.clone().doubted(doubt, sign)),
                };
                put_delivery(conn, &now)?;
                action::insert(conn, &Act::on(verb, &was, &now), sign)?;
                let list = if verb == "restore" { &mut done.doubted } else { &mut done.told };
                list.push(now);
            }
            Ok(done)
        })
    }
}
