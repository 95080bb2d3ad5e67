//! What was promised and what was kept.
//!
//! Folders own files; the ledger owns numbers, messages and deliveries. Two
//! commits matter (`ARCHITECTURE.md`, the commit points): [`Ledger::commit_drop`],
//! after which a drop is promised, and [`Ledger::verified`] with
//! [`Ledger::delivered`], between which a batch file gets its final name.
//!
//! The rules are written once and every store obeys them: what a drop must add
//! up to in `open_drop.rs`, the way of a delivery in `steps.rs`, what must fit
//! together at rest in `integrity.rs`. A store only keeps; to add one, write a
//! file beside `memory`, and call [`conform`] from `tests/suite/ledger.rs`.
//!
//! A ledger that returned an error is dropped and opened again; it is never
//! asked a second time, and a drop that was open in it is gone.

mod actions;
mod answers;
mod backfills;
pub mod conform;
mod error;
mod faults;
mod history;
mod integrity;
mod manifest;
mod memory;
mod open_drop;
mod register;
mod retention;
mod rows;
mod sqlite;
mod steps;

pub use actions::{Act, ActionRow, Closing, Decision, Sign};
pub use answers::{AnswerRow, Answers, LookRow, ResponseRow, message_state};
pub use backfills::{BackfillRow, Backfills};
pub use error::LedgerError;
pub use faults::{FaultFound, FaultRow, FaultsLike, NewFault, Resubmitted, WaitingRow};
pub use history::{Having, History};
pub use manifest::Manifests;
pub use memory::Memory;
pub use register::{Entry, Kept, Register};
pub use retention::{Leaving, Retention, Room};
pub use rows::{
    BatchRow, DeliveryRow, DropRow, Encrypted, ExtractId, ExtractRow, Failure, Holding, NewExtract,
    Numbers, Receipt, Stage, Temp, Totals, Wait, batch_state,
};
pub use sqlite::Sqlite;
pub use sqlite::approvals::Approvals;
pub use sqlite::copy::{PutBack, copy_database};
pub use sqlite::maps::{MapRow, Maps, Put};

use crate::digest::Digest;
use crate::domain::{Counts, Notes};

/// The result of a ledger operation.
pub type Result<T> = std::result::Result<T, LedgerError>;

/// A store of one interface in one environment.
pub trait Ledger: Register + Answers + Backfills + History + Manifests + Retention + Send {
    /// Returns the next free numbers.
    fn numbers(&self) -> Result<Numbers>;

    /// Returns the newest extract with these bytes, if one was committed.
    fn extract(&self, digest: &Digest) -> Result<Option<ExtractRow>>;

    /// True if this very file was committed as an extract: these bytes, in this file.
    fn took(&self, digest: &Digest, inode: u64) -> Result<bool>;

    /// Opens the transaction of one drop. Nothing of it is seen or kept before
    /// [`Ledger::commit_drop`]; one that is open is abandoned first. Until it is
    /// committed or abandoned, no delivery can be moved on.
    fn begin_drop(&mut self) -> Result<()>;

    /// Puts an extract into the open drop; what follows belongs to it. The one
    /// before must have been ended, and the file must be new to the ledger, its bytes to the
    /// drop.
    fn begin_extract(&mut self, extract: &NewExtract) -> Result<ExtractId>;

    /// Queues a record of the extract that did not become a message: one call
    /// for each record. The fault is read back with the name of its extract.
    fn queue_fault(&mut self, extract: ExtractId, fault: &NewFault<'_>) -> Result<()>;

    /// Ends an extract with its account, which must balance and count as many
    /// errors as were queued.
    fn end_extract(&mut self, extract: ExtractId, counts: &Counts, notes: &Notes) -> Result<()>;

    /// Takes the extract begun last out of the drop again, with its faults.
    fn undo_extract(&mut self, extract: ExtractId) -> Result<()>;

    /// Says that waiting faults became records of extracts of the open drop: they wait no
    /// more once it is committed, and count as what they became. Each must wait, and its
    /// extract have ended; the [`ActionRow`] is kept with it.
    fn resubmitted(&mut self, rows: &[Resubmitted], act: &Act, sign: &Sign) -> Result<()>;

    /// As [`Ledger::resubmitted`], of faults whose records came again by themselves, in
    /// newer rows.
    fn superseded(&mut self, rows: &[Resubmitted], act: &Act, sign: &Sign) -> Result<()>;

    /// **The commit point of intake**: the extracts, their faults, the batches (if
    /// there were messages), each with one waiting delivery to each endpoint, and the
    /// next free numbers, all at once and durable. The batches, in order, must hold
    /// exactly the messages that the extracts count, in theirs, and numbers that were
    /// never given.
    fn commit_drop(
        &mut self,
        batches: &[BatchRow],
        endpoints: &[&str],
        next: Numbers,
    ) -> Result<()>;

    /// Commits a batch that holds messages of batch `of` again under numbers that were
    /// never given, with a delivery to each endpoint and its [`ActionRow`]. `request` is
    /// what asked for it: it is carried out once.
    fn commit_rebuilt(
        &mut self,
        batch: &BatchRow,
        of: u64,
        endpoints: &[&str],
        request: &str,
        sign: &Sign,
    ) -> Result<()>;

    /// Returns the batches that were made of others, each with that one and the request.
    fn rebuilt(&self) -> Result<Vec<(u64, u64, String)>>;

    /// Forgets the open drop.
    fn abandon_drop(&mut self) -> Result<()>;

    /// Returns the batch of this file name.
    fn batch(&self, name: &str) -> Result<Option<BatchRow>>;

    /// Returns all batches whose file must still be in a folder, in number order.
    fn batches(&self) -> Result<Vec<BatchRow>>;

    /// Returns how far a batch is on its way to an endpoint.
    fn delivery(&self, batch: u64, endpoint: &str) -> Result<Option<DeliveryRow>>;

    /// Returns how far a batch is on its way to each of its endpoints.
    fn deliveries(&self, batch: u64) -> Result<Vec<DeliveryRow>>;

    /// Returns every delivery that is not done, in batch number order.
    fn undelivered(&self) -> Result<Vec<DeliveryRow>>;

    /// Commits the file that goes out instead of the batch file, before any byte of it does.
    /// It is frozen: refused where there is one, or where a rename may have been asked for.
    fn encrypted(&mut self, batch: u64, endpoint: &str, file: &Encrypted) -> Result<()>;

    /// Commits that a try begins, and where its temporary file will lie; counts the
    /// try. Refused once a rename may have been asked for: that is decided first, by
    /// [`Ledger::delivered`], by [`Ledger::failed`] with another stage, or by a person.
    fn sending(&mut self, batch: u64, endpoint: &str, temp: &Temp) -> Result<()>;

    /// **Commits that the temporary file was verified** and that its rename
    /// begins now (`at`: unix seconds), durable before the first rename.
    fn verified(&mut self, batch: u64, endpoint: &str, at: i64) -> Result<()>;

    /// **Commits that the endpoint has the batch**, with the evidence.
    fn delivered(&mut self, batch: u64, endpoint: &str, receipt: &Receipt) -> Result<()>;

    /// Commits that a try failed, and whether trying again can help. The failure
    /// stays to be read until the batch is delivered.
    fn failed(&mut self, batch: u64, endpoint: &str, failure: &Failure) -> Result<()>;

    /// Lets every delivery that stopped or waits for its time be tried again: an
    /// operator asked for it. One that stopped in [`Stage::Uncertain`] is left alone. Looks
    /// for response files that failed are forgotten too. Returns how many deliveries there
    /// were; each has its [`ActionRow`].
    fn retry_stopped(&mut self, sign: &Sign) -> Result<u64>;

    /// Commits what was decided about a delivery that is not done, with its
    /// [`ActionRow`].
    fn decide(&mut self, batch: u64, endpoint: &str, decision: Decision, sign: &Sign)
    -> Result<()>;

    /// Sets a delivery that waits aside, until a time (unix seconds) if there is one, with
    /// its [`ActionRow`].
    fn hold(&mut self, batch: u64, endpoint: &str, until: Option<i64>, sign: &Sign) -> Result<()>;

    /// Lets a held delivery go, with its [`ActionRow`].
    fn release(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()>;

    /// Lets the same bytes go out once more to an endpoint that has them, with its
    /// [`ActionRow`].
    fn resend(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()>;

    /// Gives a batch up of which no try was made, with its [`ActionRow`]: all its
    /// deliveries, which must be held. `entries` are what the register knows of its
    /// records from now on, as of [`Register::remember`].
    fn delete_batch(&mut self, batch: u64, entries: &[u8], sign: &Sign) -> Result<()>;

    /// Returns whether new batches are held.
    fn holding(&self) -> Result<Holding>;

    /// Says whether new batches are held, with its [`ActionRow`]; `act` says how.
    fn set_holding(&mut self, holding: Holding, act: &Act, sign: &Sign) -> Result<()>;

    /// Commits an action that changes nothing here.
    fn act(&mut self, act: &Act, sign: &Sign) -> Result<()>;

    /// Closes faults that wait, with an [`ActionRow`], and returns how many. If there
    /// is none, or one of [`Closing::Ids`] does not wait, nothing is closed and it
    /// returns 0.
    fn close_faults(&mut self, which: &Closing, sign: &Sign) -> Result<u64>;

    /// Returns messages by queue state, and the oldest that waits.
    fn totals(&self) -> Result<Totals>;

    /// Returns the faults that wait, newest first, at most `limit` of them.
    fn faults(&self, limit: u64) -> Result<Vec<FaultRow>>;

    /// Shows which record each fault is of that waits, oldest first.
    fn each_waiting(&self, see: &mut dyn FnMut(WaitingRow)) -> Result<()>;

    /// Shows each fault that waits, oldest first.
    fn each_fault(&self, see: &mut dyn FnMut(FaultRow) -> Result<()>) -> Result<()>;

    /// Returns the extract of this row.
    fn extract_row(&self, id: ExtractId) -> Result<Option<ExtractRow>>;

    /// Returns committed extracts, newest first, at most `limit` of them.
    fn extracts(&self, limit: u64) -> Result<Vec<ExtractRow>>;

    /// Returns what was decided, newest first, at most `limit` of them.
    fn actions(&self, limit: u64) -> Result<Vec<ActionRow>>;

    /// Returns delivered batches with their receipts, newest first, at most `limit`; no
    /// manifests.
    fn receipts(&self, limit: u64) -> Result<Vec<DeliveryRow>>;

    /// Returns what does not fit together, a sentence each; nothing if all is
    /// well. Reads everything, changes nothing.
    fn integrity(&self) -> Result<Vec<String>>;
}
