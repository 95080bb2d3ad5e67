//! What leaves a ledger with its time: messages whose drop is at rest, and what is known of
//! them; never what waits, and never the newest.
//!
//! A drop leaves in steps, each a commit, so that a crash leaves a ledger that fits together
//! and none of them takes long:
//!
//! | step | then |
//! |---|---|
//! | [`age`](Retention::age) | its batch files may be gone: nobody misses them |
//! | (the files are removed) | |
//! | [`leave`](Retention::leave) | its batches, deliveries and answers are gone; its extracts stay for their faults |
//! | [`clear_faults`](Retention::clear_faults) | so are its faults that wait for nobody, some at a time |
//! | [`clear_drops`](Retention::clear_drops) | so are its extracts, where no fault waits |
//!
//! What stays of it for ever are its numbers, the digests of its extracts, so that events
//! which were told are not told again, and what the register knows.

use std::collections::BTreeSet;

use super::{BatchRow, DeliveryRow, DropRow, ExtractId, LedgerError, Result, Sign};

/// What goes in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Drops, by number.
    pub drops: Vec<u64>,
    /// Batches that were made of others, by number.
    pub rebuilt: Vec<u64>,
}

/// How much room a ledger has that nothing stands in, and may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of it that are free.
    pub free: u64,
}

/// The part of a ledger that forgets.
pub trait Retention {
    /// Returns the numbers of the newest drop and the newest batch, which never leave; 0
    /// where there is none.
    ///
    /// # Errors
    /// Those of the store.
    fn newest(&self) -> Result<(u64, u64)>;

    /// Returns drops that were taken in before a time and have not left, oldest first, at
    /// most `limit`, with a number above `after`.
    ///
    /// # Errors
    /// Those of the store.
    fn drops_before(&self, at: i64, after: u64, limit: u64) -> Result<Vec<DropRow>>;

    /// Returns batches that were made of others, made before a time.
    ///
    /// # Errors
    /// Those of the store.
    fn rebuilt_before(&self, at: i64) -> Result<Vec<BatchRow>>;

    /// Returns since when all messages of a batch are in a final state; none while one
    /// waits, or while a batch that was made of it is there.
    ///
    /// # Errors
    /// Those of the store.
    fn at_rest(&self, batch: &BatchRow) -> Result<Option<i64>>;

    /// True if the file of a batch left, or is about to.
    ///
    /// # Errors
    /// Those of the store.
    fn is_aged(&self, batch: u64) -> Result<bool>;

    /// Returns how many faults of an extract wait.
    ///
    /// # Errors
    /// Those of the store.
    fn waiting_of(&self, extract: ExtractId) -> Result<u64>;

    /// Commits that the files of these batches leave. Each must be at rest.
    ///
    /// # Errors
    /// Those of the store, and a batch that waits or is the newest.
    fn age(&mut self, batches: &[u64], at: i64) -> Result<()>;

    /// Commits that messages leave, with their [`ActionRow`](super::ActionRow); returns how
    /// many. The files of their batches must have been aged.
    ///
    /// # Errors
    /// Those of the store, and a batch that waits or is the newest, or a drop that is.
    fn leave(&mut self, leaving: &Leaving, sign: &Sign) -> Result<u64>;

    /// Commits that faults leave whose extract did, and that were closed or converted again
    /// before a time: at most `limit` of them. Returns how many.
    ///
    /// # Errors
    /// Those of the store.
    fn clear_faults(&mut self, before: i64, limit: u64) -> Result<u64>;

    /// Commits that the extracts of drops leave that left and have no fault any more: at
    /// most `limit` drops. Returns how many.
    ///
    /// # Errors
    /// Those of the store.
    fn clear_drops(&mut self, limit: u64) -> Result<u64>;

    /// Commits that response files are forgotten that were read before a time.
    ///
    /// # Errors
    /// Those of the store.
    fn clear_responses(&mut self, before: i64) -> Result<u64>;

    /// Commits that the oldest actions leave that were done before a time, at most `limit`;
    /// the chain then begins behind them, and an action says so. Returns how many.
    ///
    /// # Errors
    /// Those of the store.
    fn clear_actions(&mut self, before: i64, limit: u64, sign: &Sign) -> Result<u64>;

    /// Returns the numbers of all drops.
    ///
    /// # Errors
    /// Those of the store.
    fn drop_numbers(&self) -> Result<BTreeSet<u64>>;

    /// True if an extract of these bytes was ever committed, whether it left or not.
    ///
    /// # Errors
    /// Those of the store.
    fn saw(&self, digest: &crate::digest::Digest) -> Result<bool>;

    /// Returns the day on which all that was due left last; 0 before there was one.
    ///
    /// # Errors
    /// Those of the store.
    fn swept(&self) -> Result<u64>;

    /// Commits that day.
    ///
    /// # Errors
    /// Those of the store.
    fn set_swept(&mut self, day: u64) -> Result<()>;

    /// Returns how much room the ledger has.
    ///
    /// # Errors
    /// Those of the store.
    fn room(&self) -> Result<Room>;

    /// Gives free room back to the disk, so many bytes of it at most.
    ///
    /// # Errors
    /// Those of the store.
    fn give_back(&mut self, bytes: u64) -> Result<()>;

    /// Writes the register anew without entries that newer ones stand for, if they are at
    /// least half of it and it has so many bytes. Returns how many bytes it has less.
    ///
    /// # Errors
    /// Those of the store.
    fn compact_register(&mut self, least: u64) -> Result<u64>;
}

/// Returns since when a batch is at rest, as far as its deliveries say.
pub(super) fn rest_of(batch: &BatchRow, deliveries: &[DeliveryRow]) -> Option<i64> {
    let mut since = batch.made_at;
    for row in deliveries {
        if !row.stage.is_done() || row.awaits_answer() {
            return None;
        }
        let answered = row.wait.as_ref().and_then(|wait| wait.answered_at);
        let times = row.receipt.iter().map(|receipt| receipt.at).chain(answered);
        since = times.fold(since, i64::max);
    }
    Some(since)
}

/// Returns the error for a batch or a drop that must stay.
pub(super) fn must_stay(what: &str, why: &str) -> LedgerError {
    LedgerError::Failed(format!("{what} cannot leave: {why}"))
}

/// The words of the action that says where the chain begins now.
pub(super) fn left_chain(last: i64, link: &str) -> String {
    format!("actions up to {last}, whose seal was {link}")
}

/// The words of the action that messages left.
pub(super) fn left_messages(leaving: &Leaving, batches: u64, messages: u64) -> String {
    let drops = leaving.drops.len();
    format!("{messages} messages of {drops} drops and {batches} batch files")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::ledger::{Receipt, Stage, Wait};

    #[test]
    fn a_batch_is_at_rest_since_the_last_thing_that_happened_to_it() {
        let batch = BatchRow {
            number: 1,
            name: "1.hl7".into(),
            digest: Digest::of(b"1"),
            bytes: 1,
            first_control: 1,
            messages: 1,
            made_at: 5,
        };
        let delivered = |at| DeliveryRow {
            stage: Stage::Delivered,
            receipt: Some(Receipt {
                path: String::new(),
                bytes: 1,
                evidence: "seen".into(),
                server: String::new(),
                host_key: String::new(),
                at,
            }),
            ..DeliveryRow::waiting(&batch, "test")
        };
        let waiting = DeliveryRow::waiting(&batch, "second");
        assert_eq!(rest_of(&batch, &[delivered(9), waiting]), None);
        assert_eq!(rest_of(&batch, &[delivered(9), delivered(7)]), Some(9));
        let awaits = |answered_at| DeliveryRow {
            wait: Some(Wait { within_s: 60, answered_at }),
            ..delivered(9)
        };
        assert_eq!(rest_of(&batch, &[awaits(None)]), None);
        assert_eq!(rest_of(&batch, &[awaits(Some(12))]), Some(12));
        let deleted = DeliveryRow { stage: Stage::Deleted, ..DeliveryRow::waiting(&batch, "test") };
        assert_eq!(rest_of(&batch, &[deleted]), Some(5));
    }
}
