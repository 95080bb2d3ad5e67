//! Backfills that were released: how far each is. What is still to come of one lies in
//! the folder `backfill/`; that it is cut into slices, and that slice `taken` is in the
//! ledger, moves with the commit of the drop that took it in.

use serde::{Deserialize, Serialize};

use super::{Act, LedgerError, Result, Sign};
use crate::domain::{BackfillStage, Counts};

/// One backfill, from its release on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillRow {
    /// Its number, from 1; they have no gaps.
    pub id: u64,
    /// SHA-256 of the digests of its extracts: the same extracts are released once.
    pub digest: String,
    /// The names of its extracts.
    pub files: Vec<String>,
    /// MSH-9.2 of its patients: `A28` or `A31`.
    pub patients_as: String,
    /// Where the register ended when its extracts were read ([`Register::end`]): what was
    /// entered since is newer than they are.
    ///
    /// [`Register::end`]: super::Register::end
    pub mark: u64,
    /// How far it is.
    pub stage: BackfillStage,
    /// Why it is paused, where the program paused it itself; else empty.
    pub why: String,
    /// The slices that it was cut into.
    pub slices: u64,
    /// Those that were taken in.
    pub taken: u64,
    /// The rows of its extracts.
    pub rows: u64,
    /// The messages that the preview foresaw.
    pub foreseen_messages: u64,
    /// The bad rows that the preview foresaw.
    pub foreseen_errors: u64,
    /// What became of the rows of patients so far.
    pub patients: Counts,
    /// What became of the rows of appointments so far.
    pub appointments: Counts,
    /// When its extracts were read, unix seconds.
    pub begun_at: i64,
    /// When it was released.
    pub released_at: i64,
    /// By whom.
    pub released_by: String,
    /// When the last slice was taken in.
    pub last_at: Option<i64>,
    /// How many messages that had.
    pub last_messages: u64,
    /// When it was released, or resumed last: from then on its speed is measured.
    pub since: i64,
    /// The messages that there were by then.
    pub since_messages: u64,
    /// When it was done, or given up.
    pub ended_at: Option<i64>,
}

impl BackfillRow {
    /// Returns what became of all rows so far.
    pub fn counts(&self) -> Counts {
        let mut counts = self.patients;
        counts.add(&self.appointments);
        counts
    }

    /// Checks that this may follow `before`, the newest there is, outside of a drop.
    pub(super) fn follows(&self, before: Option<&BackfillRow>) -> Result<()> {
        let Some(before) = before.filter(|before| before.id == self.id) else {
            let next = before.map_or(1, |before| before.id + 1);
            if before.is_some_and(|before| !before.stage.is_over()) {
                return refused("one is under way".to_string());
            }
            return match self.id == next && self.taken == 0 {
                true => Ok(()),
                false => refused(format!("{} is not the next number", self.id)),
            };
        };
        if before.stage.is_over() {
            return refused(format!("it is {}", before.stage.word()));
        }
        let moved = (self.taken, self.counts()) != (before.taken, before.counts());
        if moved || self.stage == BackfillStage::Done && self.taken != self.slices {
            return refused("its rows move with a drop only".to_string());
        }
        Ok(())
    }

    /// Checks that this follows `before` by the commit of one slice.
    pub(super) fn advances(&self, before: Option<&BackfillRow>) -> Result<()> {
        let Some(before) = before.filter(|before| before.id == self.id) else {
            return refused("there is none of its number".to_string());
        };
        if before.stage != BackfillStage::Released || self.taken != before.taken + 1 {
            let (stage, taken) = (before.stage.word(), before.taken);
            return refused(format!("it is {stage}, and {taken} slices were taken"));
        }
        match self.counts().balanced() && self.taken <= self.slices {
            true => Ok(()),
            false => refused("its account does not balance".to_string()),
        }
    }

    /// Returns it as the ledger keeps it.
    pub(super) fn to_text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|err| LedgerError::Failed(err.to_string()))
    }

    /// Reads it as the ledger keeps it.
    pub(super) fn of_text(text: &str) -> Result<BackfillRow> {
        let read = serde_json::from_str(text);
        read.map_err(|_| LedgerError::Damaged("a backfill cannot be read".to_string()))
    }
}

/// The part of a ledger that knows of backfills.
pub trait Backfills {
    /// Returns backfills, newest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    fn backfills(&self, limit: u64) -> Result<Vec<BackfillRow>>;

    /// Commits a new backfill, or a step of the newest, with its
    /// [`ActionRow`](super::ActionRow).
    ///
    /// # Errors
    /// A step that may not follow, and those of the store.
    fn put_backfill(&mut self, row: &BackfillRow, act: &Act, sign: &Sign) -> Result<()>;

    /// Says in the open drop that it is one slice of the newest backfill.
    ///
    /// # Errors
    /// A step that may not follow, no open drop, and those of the store.
    fn advance_backfill(&mut self, row: &BackfillRow) -> Result<()>;
}

fn refused<T>(why: String) -> Result<T> {
    Err(LedgerError::Failed(format!("a backfill cannot be moved on so: {why}")))
}
