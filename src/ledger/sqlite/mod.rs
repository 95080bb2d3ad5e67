//! The durable ledger: one SQLite file, its log beside it.
//!
//! Each verb that commits is one transaction, durable when it returns. Between
//! transactions the connection holds nothing; a drop is one long transaction, so
//! that its faults go to disk as they come.

mod action;
mod answer;
pub(super) mod approvals;
mod backfill;
mod compact;
pub(super) mod copy;
mod error;
mod from_3;
mod history;
mod manifest;
pub(super) mod maps;
mod mend;
mod open;
mod promise;
mod query;
mod register;
mod retention;
mod row;
mod upgrade;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::actions::about;
use super::integrity::Contents;
use super::open_drop::{OpenDrop, seen_before, wrong_time};
use super::steps::no_delivery;
use super::{
    Act, ActionRow, Backfills, BatchRow, Closing, Decision, DeliveryRow, Encrypted, ExtractId,
    ExtractRow, Failure, FaultRow, Holding, Ledger, NewExtract, NewFault, Numbers, Receipt,
    Resubmitted, Result, Sign, Temp, Totals, WaitingRow,
};
use crate::crashpoint::crashpoint;
use crate::digest::Digest;
use crate::domain::{Counts, Notes, QueueState};
use promise::{commit, numbers};
use query::{all, at_most, count_faults, deliveries, deliveries_of, delivery, extract, one, took};
use register::Log;
use retention::{LAST_FAULT, LEFT};
use row::{BATCH, EXTRACT, FAULT};

/// A ledger in a file.
pub struct Sqlite {
    conn: Connection,
    register: Log,
    open: Option<Open>,
}

struct Open {
    rules: OpenDrop,
    next_fault: i64,
}

/// Deliveries that are not done, in order; the index `delivery_open` has the same words.
const OPEN: &str = "WHERE d.stage NOT IN ('delivered', 'deleted') ORDER BY d.batch, d.endpoint";

/// The counter of all messages that were ever made.
const MADE: &str = "messages";

/// The counter of the messages of deleted batches.
const GIVEN_UP: &str = "given_up";

/// The word of a fault that was converted again: it counts as what it became.
const RESUBMITTED: &str = "RESUBMITTED";

/// The word of a fault whose record came in a newer row: it counts as what that became.
const SUPERSEDED: &str = "SUPERSEDED";

/// The states a fault can be in; the names of their counters.
const FAULT_STATES: [QueueState; 4] =
    [QueueState::Error, QueueState::CboError, QueueState::AthenaError, QueueState::Deleted];

impl Sqlite {
    /// The schema that this program reads and writes.
    pub const SCHEMA: i64 = open::SCHEMA;

    /// How long a lock of another program is waited for.
    pub const WAIT: Duration = Duration::from_secs(5);

    /// Opens the ledger of `owner` (`interface/environment`), and makes it if
    /// there is none. Its folder must be there and be private (0700); the file
    /// is 0600, and what SQLite puts beside it takes the same mode.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError), each variant.
    pub fn open(path: &Path, owner: &str) -> Result<Sqlite> {
        Sqlite::open_within(path, owner, Sqlite::WAIT)
    }

    /// As [`Sqlite::open`]; `wait` is how long a lock is waited for, then and later.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError), each variant.
    pub fn open_within(path: &Path, owner: &str, wait: Duration) -> Result<Sqlite> {
        let conn = open::open(path, owner, wait)?;
        let register = Log::open(path, &conn, true)?;
        Ok(Sqlite { conn, register, open: None })
    }

    /// Opens the ledger to read only, even while another process writes; `None`
    /// if there is none. Nothing in it changes, but SQLite may put its empty log
    /// files beside it, which the next writer takes away.
    ///
    /// # Errors
    /// [`LedgerError`](super::LedgerError), each variant but `Full`.
    pub fn peek(path: &Path, owner: &str) -> Result<Option<Sqlite>> {
        let Some(conn) = open::peek(path, owner, Sqlite::WAIT)? else { return Ok(None) };
        let register = Log::open(path, &conn, false)?;
        Ok(Some(Sqlite { conn, register, open: None }))
    }

    /// Does a verb that commits, outside a drop.
    fn write<T>(&mut self, verb: &str, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let change = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&change)?;
        crashpoint(&format!("ledger.{verb}.before"))?;
        change.commit()?;
        crashpoint(&format!("ledger.{verb}.after"))?;
        Ok(done)
    }

    /// Does a step of the open drop; a step that fails ends the drop.
    fn in_drop<T>(
        &mut self,
        step: impl FnOnce(&Connection, &mut Open, &mut Log) -> Result<T>,
    ) -> Result<T> {
        let open = self.open.as_mut().ok_or_else(|| wrong_time(false))?;
        let done = step(&self.conn, open, &mut self.register);
        if done.is_err() {
            // The step's own error is the one to tell.
            let _ = self.abandon_drop();
        }
        done
    }

    fn step(
        &mut self,
        verb: &str,
        batch: u64,
        endpoint: &str,
        step: impl FnOnce(DeliveryRow) -> Result<DeliveryRow>,
    ) -> Result<()> {
        self.write(verb, |conn| {
            let row = delivery(conn, batch, endpoint)?;
            let row = row.ok_or_else(|| no_delivery(batch, endpoint))?;
            row::put_delivery(conn, &step(row)?)
        })
    }

    /// A step of a delivery that a person asked for.
    fn signed(
        &mut self,
        verb: &'static str,
        batch: u64,
        endpoint: &str,
        sign: &Sign,
        step: impl FnOnce(DeliveryRow) -> Result<DeliveryRow>,
    ) -> Result<()> {
        self.write(verb, |conn| {
            let was = delivery(conn, batch, endpoint)?;
            let was = was.ok_or_else(|| no_delivery(batch, endpoint))?;
            let now = step(was.clone())?;
            row::put_delivery(conn, &now)?;
            action::insert(conn, &Act::on(verb, &was, &now), sign).map(|_| ())
        })
    }
}

impl Ledger for Sqlite {
    fn numbers(&self) -> Result<Numbers> {
        numbers(&self.conn)
    }

    fn extract(&self, digest: &Digest) -> Result<Option<ExtractRow>> {
        extract(&self.conn, digest)
    }

    fn took(&self, digest: &Digest, inode: u64) -> Result<bool> {
        Ok(took(&self.conn, digest, inode)?.is_some())
    }

    fn begin_drop(&mut self) -> Result<()> {
        self.abandon_drop()?;
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let begin = || -> Result<Open> {
            let extract = row::value(&self.conn, "SELECT max(id) FROM extract")?.unwrap_or(0);
            let fault = row::value(&self.conn, "SELECT max(id) FROM fault")?.unwrap_or(0);
            // The newest faults may have left, and a number is given once.
            let fault = fault.max(row::big(row::counter(&self.conn, LAST_FAULT)?)?);
            Ok(Open { rules: OpenDrop::new(extract + 1), next_fault: fault + 1 })
        };
        match begin() {
            Ok(open) => {
                self.open = Some(open);
                Ok(())
            }
            Err(err) => {
                let _ = self.abandon_drop();
                Err(err)
            }
        }
    }

    fn begin_extract(&mut self, extract: &NewExtract) -> Result<ExtractId> {
        self.in_drop(|conn, open, log| match took(conn, &extract.digest, extract.inode)? {
            Some(before) => Err(seen_before(&extract.name, &before)),
            None => {
                log.begin_extract();
                open.rules.begin(extract)
            }
        })
    }

    fn queue_fault(&mut self, extract: ExtractId, new: &NewFault<'_>) -> Result<()> {
        self.in_drop(|conn, open, _| {
            open.rules.fault(extract, new.fault)?;
            row::insert_fault(conn, open.next_fault, extract, new)?;
            open.next_fault += 1;
            Ok(())
        })
    }

    fn end_extract(&mut self, extract: ExtractId, counts: &Counts, notes: &Notes) -> Result<()> {
        self.in_drop(|conn, open, log| {
            open.rules.end(extract, counts, notes)?;
            log.index(conn)?;
            if counts.error > 0 { log.ends(conn, extract) } else { Ok(()) }
        })
    }

    fn undo_extract(&mut self, extract: ExtractId) -> Result<()> {
        self.in_drop(|conn, open, log| {
            log.undo()?;
            // Faults are numbered as they come, so the last extract's are the last.
            // A savepoint would do too, but keeps a copy of pages in a file of /tmp.
            let first = row::big(open.rules.undo(extract)?).map(|count| open.next_fault - count)?;
            conn.execute("DELETE FROM fault WHERE id >= $1", [first])?;
            open.next_fault = first;
            Ok(())
        })
    }

    fn commit_drop(
        &mut self,
        batches: &[BatchRow],
        endpoints: &[&str],
        next: Numbers,
    ) -> Result<()> {
        let open = self.open.take().ok_or_else(|| wrong_time(false))?;
        let done = commit(&self.conn, open.rules, batches, endpoints, next);
        match done {
            Ok(()) => self.register.commit(),
            // The commit's own error is the one to tell.
            Err(_) => drop(self.abandon_drop()),
        }
        done
    }

    fn abandon_drop(&mut self) -> Result<()> {
        self.open = None;
        self.register.abandon();
        if !self.conn.is_autocommit() {
            self.conn.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }

    fn batch(&self, name: &str) -> Result<Option<BatchRow>> {
        let sql = format!("SELECT {BATCH} FROM batch b WHERE b.name = $1");
        one(&self.conn, &sql, [name], row::batch)
    }

    fn batches(&self) -> Result<Vec<BatchRow>> {
        all(&self.conn, &format!("SELECT {BATCH} FROM batch b ORDER BY b.number"), [], row::batch)
    }

    fn delivery(&self, batch: u64, endpoint: &str) -> Result<Option<DeliveryRow>> {
        delivery(&self.conn, batch, endpoint)
    }

    fn deliveries(&self, batch: u64) -> Result<Vec<DeliveryRow>> {
        deliveries_of(&self.conn, batch)
    }

    fn undelivered(&self) -> Result<Vec<DeliveryRow>> {
        deliveries(&self.conn, OPEN)
    }

    fn encrypted(&mut self, batch: u64, endpoint: &str, file: &Encrypted) -> Result<()> {
        self.step("encrypted", batch, endpoint, |row| row.encrypted(file))
    }

    fn sending(&mut self, batch: u64, endpoint: &str, temp: &Temp) -> Result<()> {
        self.step("sending", batch, endpoint, |row| row.sending(temp))
    }

    fn verified(&mut self, batch: u64, endpoint: &str, at: i64) -> Result<()> {
        self.step("verified", batch, endpoint, |row| row.verified(at))
    }

    fn delivered(&mut self, batch: u64, endpoint: &str, receipt: &Receipt) -> Result<()> {
        self.step("delivered", batch, endpoint, |row| row.delivered(receipt))
    }

    fn failed(&mut self, batch: u64, endpoint: &str, failure: &Failure) -> Result<()> {
        self.step("failed", batch, endpoint, |row| row.failed(failure))
    }

    fn retry_stopped(&mut self, sign: &Sign) -> Result<u64> {
        self.write("retry_stopped", |conn| {
            let rows = deliveries(conn, OPEN)?.into_iter().filter_map(DeliveryRow::retry);
            let mut count = 0;
            for row in rows {
                row::put_delivery(conn, &row)?;
                let about = about(&row.batch.name, &row.endpoint);
                let state = row.stage.queue_state().to_string();
                let (was, now) = (state.clone(), state);
                action::insert(conn, &Act { verb: Decision::Retry.word(), about, was, now }, sign)?;
                count += 1;
            }
            conn.execute("DELETE FROM look", [])?;
            Ok(count)
        })
    }

    fn decide(
        &mut self,
        batch: u64,
        endpoint: &str,
        decision: Decision,
        sign: &Sign,
    ) -> Result<()> {
        self.write("decide", |conn| {
            let row = delivery(conn, batch, endpoint)?;
            let was = row.ok_or_else(|| no_delivery(batch, endpoint))?;
            let now = was.clone().decide(decision, sign)?;
            row::put_delivery(conn, &now)?;
            action::insert(conn, &Act::on(decision.word(), &was, &now), sign).map(|_| ())
        })
    }

    fn hold(&mut self, batch: u64, endpoint: &str, until: Option<i64>, sign: &Sign) -> Result<()> {
        self.signed("hold", batch, endpoint, sign, |row| row.hold(until))
    }

    fn release(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()> {
        self.signed("release", batch, endpoint, sign, DeliveryRow::release)
    }

    fn resend(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()> {
        self.write("resend", |conn| retention::resend(conn, batch, endpoint, sign))
    }

    fn delete_batch(&mut self, batch: u64, entries: &[u8], sign: &Sign) -> Result<()> {
        self.delete(batch, entries, sign)
    }

    fn commit_rebuilt(
        &mut self,
        batch: &BatchRow,
        of: u64,
        endpoints: &[&str],
        request: &str,
        sign: &Sign,
    ) -> Result<()> {
        self.write("commit_rebuilt", |conn| {
            mend::rebuilt(conn, batch, (of, request), endpoints, sign)
        })
    }

    fn rebuilt(&self) -> Result<Vec<(u64, u64, String)>> {
        mend::all_rebuilt(&self.conn)
    }

    fn resubmitted(&mut self, rows: &[Resubmitted], act: &Act, sign: &Sign) -> Result<()> {
        self.in_drop(|conn, open, _| {
            open.rules.resubmitted(rows)?;
            mend::again(conn, RESUBMITTED, rows, act, sign)
        })
    }

    fn superseded(&mut self, rows: &[Resubmitted], act: &Act, sign: &Sign) -> Result<()> {
        self.in_drop(|conn, open, _| {
            open.rules.resubmitted(rows)?;
            mend::again(conn, SUPERSEDED, rows, act, sign)
        })
    }

    fn holding(&self) -> Result<Holding> {
        mend::holding(&self.conn)
    }

    fn set_holding(&mut self, holding: Holding, act: &Act, sign: &Sign) -> Result<()> {
        self.write("set_holding", |conn| mend::set_holding(conn, holding, act, sign))
    }

    fn act(&mut self, act: &Act, sign: &Sign) -> Result<()> {
        self.write("act", |conn| action::insert(conn, act, sign).map(|_| ()))
    }

    fn close_faults(&mut self, which: &Closing, sign: &Sign) -> Result<u64> {
        self.write("close_faults", |conn| action::close_faults(conn, which, sign))
    }

    fn totals(&self) -> Result<Totals> {
        let last = "SELECT taken_at FROM extract ORDER BY id DESC LIMIT 1";
        let left = row::counter(&self.conn, LEFT)?;
        let last_drop = row::value(&self.conn, last)?;
        let mut totals = Totals { last_drop, left, ..Totals::default() };
        answer::add_to(&mut totals, &self.conn)?;
        for state in FAULT_STATES {
            totals.add(state, row::counter(&self.conn, &state.to_string())?);
        }
        Ok(totals)
    }

    fn faults(&self, limit: u64) -> Result<Vec<FaultRow>> {
        let sql = format!(
            "SELECT {FAULT} FROM fault f JOIN extract e ON e.id = f.extract \
             WHERE f.action IS NULL ORDER BY f.id DESC LIMIT $1"
        );
        all(&self.conn, &sql, [at_most(limit)], row::fault)
    }

    fn actions(&self, limit: u64) -> Result<Vec<ActionRow>> {
        action::newest(&self.conn, at_most(limit))
    }

    fn each_waiting(&self, see: &mut dyn FnMut(WaitingRow)) -> Result<()> {
        query::each_waiting(&self.conn, see)
    }

    fn each_fault(&self, see: &mut dyn FnMut(FaultRow) -> Result<()>) -> Result<()> {
        query::each_fault(&self.conn, see)
    }

    fn extract_row(&self, id: ExtractId) -> Result<Option<ExtractRow>> {
        query::extract_row(&self.conn, id)
    }

    fn extracts(&self, limit: u64) -> Result<Vec<ExtractRow>> {
        let sql = format!("SELECT {EXTRACT} FROM extract e ORDER BY e.id DESC LIMIT $1");
        all(&self.conn, &sql, [at_most(limit)], row::extract)
    }

    fn receipts(&self, limit: u64) -> Result<Vec<DeliveryRow>> {
        let limit = at_most(limit);
        let first = BatchRow::manifest_number(0);
        let done = format!(
            "WHERE d.stage = 'delivered' AND d.batch < {first} ORDER BY d.batch DESC, \
             d.endpoint DESC LIMIT {limit}"
        );
        deliveries(&self.conn, &done)
    }

    fn integrity(&self) -> Result<Vec<String>> {
        // Ten are enough to know that a backup is needed.
        let sql = "PRAGMA integrity_check(10)";
        let mut problems: Vec<String> = all(&self.conn, sql, [], |row| Ok(row.get(0)?))?;
        problems.retain(|problem| problem != "ok");
        problems.extend(all(&self.conn, "PRAGMA foreign_key_check", [], |row| {
            Ok(format!("a row of {} names one that is not there", row.get::<_, String>(0)?))
        })?);
        let (faults, mut counts) = count_faults(&self.conn)?;
        let mut extracts = self.extracts(u64::MAX)?;
        extracts.reverse();
        let contents = Contents {
            numbers: self.numbers()?,
            extracts,
            batches: self.batches()?,
            deliveries: deliveries(&self.conn, "ORDER BY d.batch, d.endpoint")?,
            faults,
            rebuilt: self.rebuilt()?.into_iter().map(|(batch, of, _)| (batch, of)).collect(),
        };
        problems.extend(contents.problems());
        let made = contents.batches.iter().map(|batch| batch.messages).sum();
        let counted = [(MADE, made), (GIVEN_UP, mend::given_up(&contents.deliveries))];
        counts.extend(
            counted.into_iter().filter(|(_, count)| *count > 0).map(|(name, n)| (name.into(), n)),
        );
        problems.extend(self.wrong_counters(counts)?);
        problems.extend(self.register.check(&self.conn)?);
        problems.extend(action::broken_links(&self.conn, action::anchor(&self.conn)?)?);
        problems.extend(answer::problems(&self.conn)?);
        self.backfills(u64::MAX)?;
        Ok(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Code, ExtractKind, Fault, Position};
    use crate::ledger::LedgerError;

    fn open(place: &tempfile::TempDir) -> Sqlite {
        Sqlite::open(&place.path().join("ledger.db"), "ridge-hie/test").unwrap()
    }

    #[test]
    fn a_full_disk_ends_the_drop_and_keeps_the_rest() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = open(&place);
        ledger.conn.pragma_update_and_check(None, "max_page_count", 40, |_| Ok(())).unwrap();
        let extract = NewExtract {
            digest: Digest::of(b"a"),
            name: "a.csv".into(),
            kind: ExtractKind::Patients,
            bytes: 1,
            inode: 1,
            header: String::new(),
            taken_at: 1,
        };
        let at = Position { extract: "a.csv".into(), record: 1, line: 2 };
        let fault = Fault { at, code: Code::M001, column: "".into(), field: None };
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        let source = "x".repeat(1000);
        let full = (0..1000)
            .find_map(|_| ledger.queue_fault(id, &NewFault::first(&fault, &source)).err())
            .unwrap();
        assert!(matches!(full, LedgerError::Full), "{full}");
        let gone = ledger.commit_drop(&[], &[], Numbers::default()).unwrap_err();
        assert_eq!(gone.to_string(), "the ledger failed: no drop is open");
        drop(ledger);
        let ledger = open(&place);
        assert_eq!(ledger.faults(9).unwrap(), []);
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
    }

    #[test]
    fn no_question_of_a_pass_reads_what_is_done() {
        let place = tempfile::tempdir().unwrap();
        let ledger = open(&place);
        let plan = |sql: &str| -> String {
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let steps = all(&ledger.conn, &sql, [], |row| Ok(row.get::<_, String>(3)?));
            steps.unwrap().join("; ")
        };
        let join = "SELECT b.name, d.temp FROM delivery d JOIN batch b ON b.number = d.batch";
        let open = plan(&format!("{join} {OPEN}"));
        assert!(open.contains("delivery_open") && !open.contains("SCAN b"), "{open}");
        let totals = plan(&format!("{join} {}", answer::IN_OPEN));
        assert!(totals.contains("delivery_open") && !totals.contains("SCAN b"), "{totals}");
        let awaits = plan(&format!("{join} {}", answer::AWAITS));
        assert!(awaits.contains("delivery_awaits") && !awaits.contains("SCAN b"), "{awaits}");
        let faults = plan(&format!(
            "SELECT {FAULT} FROM fault f JOIN extract e ON e.id = f.extract \
             ORDER BY f.id DESC LIMIT 9"
        ));
        assert_eq!(faults, "SCAN f; SEARCH e USING INTEGER PRIMARY KEY (rowid=?)");
    }
}
