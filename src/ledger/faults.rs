//! Records that wait, as a ledger keeps them.

use super::ExtractId;
use crate::domain::{Code, ExtractKind, Fault, QueueState, RecordKey, Whose};

/// A record that waits in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRow {
    /// Its row.
    pub id: i64,
    /// The extract it stands in.
    pub extract: ExtractId,
    /// Where and what.
    pub fault: Fault,
    /// The record's text as it was dropped: patient data.
    pub source: String,
    /// When its extract was taken, unix seconds.
    pub at: i64,
    /// Which record it is of.
    pub whose: Whose,
    /// When that record was at fault first, without a good row since; unix seconds.
    pub since: i64,
    /// In how many rows it was, one after the other.
    pub times: u64,
}

/// A record that is to wait in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFault<'a> {
    /// Where and what.
    pub fault: &'a Fault,
    /// The record's text as it was dropped: patient data.
    pub source: &'a str,
    /// Which record it is of.
    pub whose: Whose,
    /// Since when, unix seconds, and in how many rows the record was at fault before.
    pub before: Option<(i64, u64)>,
}

impl<'a> NewFault<'a> {
    /// Returns one of a record that is known by its text, and was never at fault before.
    pub fn first(fault: &'a Fault, source: &'a str) -> NewFault<'a> {
        let key = RecordKey::of_text(ExtractKind::Patients, source.as_bytes());
        NewFault { fault, source, whose: Whose { key, modified: 0 }, before: None }
    }

    pub(super) fn times(&self) -> u64 {
        self.before.map_or(1, |(_, times)| times.saturating_add(1))
    }
}

/// A record that waits, without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingRow {
    /// Its row.
    pub id: i64,
    /// Which record it is of.
    pub whose: Whose,
    /// As of [`FaultRow`].
    pub since: i64,
    /// As of [`FaultRow`].
    pub times: u64,
}

/// A record of the queue that was converted again, or that a newer row took the place of,
/// and the record it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resubmitted {
    /// The fault that waited.
    pub fault: i64,
    /// The extract that its text was taken in with again.
    pub extract: ExtractId,
    /// The record there, counted from 1.
    pub record: u64,
}

/// A fault, whether it waits or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultFound {
    /// The fault.
    pub row: FaultRow,
    /// Where it stands: the state of its code's owner, or DELETED; none of one that was
    /// converted again and counts as what it became.
    pub state: Option<QueueState>,
    /// True of one without a state if a newer row of the same record took its place.
    pub superseded: bool,
    /// The record that stands in its place then.
    pub again: Option<(ExtractId, u64)>,
}

/// Which faults are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultsLike {
    /// In this state.
    pub state: Option<QueueState>,
    /// With this code.
    pub code: Option<Code>,
    /// Of extracts of this name.
    pub file: Option<String>,
    /// Of extracts taken at or after this time, unix seconds.
    pub from: Option<i64>,
    /// Of extracts taken before this time, unix seconds.
    pub to: Option<i64>,
    /// With a lower number than this.
    pub before: Option<i64>,
}
