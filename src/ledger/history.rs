//! Looking back: drops, and what became of single records. Nothing here changes anything.

use super::{DropRow, ExtractId, FaultFound, FaultsLike, Result};
use crate::domain::QueueState;

/// What a drop is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Having {
    /// Nothing in particular.
    Any,
    /// An extract of this name.
    File(String),
    /// Rows that tell nothing and are at no fault.
    Untold,
    /// Faults in this state.
    Fault(QueueState),
    /// Faults that were converted again.
    Resubmitted,
    /// Faults whose records came in newer rows.
    Superseded,
}

/// What a search asks a ledger.
pub trait History {
    /// Returns drops with a number below `before`, newest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    fn drops(&self, before: Option<u64>, limit: u64) -> Result<Vec<DropRow>>;

    /// Returns the number of the newest drop below `below` that has something.
    ///
    /// # Errors
    /// Those of the store.
    fn drop_having(&self, having: &Having, below: u64) -> Result<Option<u64>>;

    /// Returns the batches that have messages in ERROR for what their receiver answered, or in
    /// DELETED: given up, or closed after they were refused.
    ///
    /// # Errors
    /// Those of the store.
    fn batches_with(&self, state: QueueState) -> Result<Vec<u64>>;

    /// Returns the numbers of the drops that had rows of patients or appointments, oldest
    /// first, and then those of rebuilt batches.
    ///
    /// # Errors
    /// Those of the store.
    fn drops_with_rows(&self) -> Result<Vec<u64>>;

    /// Returns the drop of this number.
    ///
    /// # Errors
    /// Those of the store.
    fn drop_row(&self, number: u64) -> Result<Option<DropRow>>;

    /// Returns the number of the drop that made a batch; of a rebuilt one, its own.
    ///
    /// # Errors
    /// Those of the store.
    fn drop_of(&self, batch: u64) -> Result<Option<u64>>;

    /// Returns the fault of a record, if it has one.
    ///
    /// # Errors
    /// Those of the store.
    fn fault_at(&self, extract: ExtractId, record: u64) -> Result<Option<FaultFound>>;

    /// Returns the fault of this number.
    ///
    /// # Errors
    /// Those of the store.
    fn fault(&self, id: i64) -> Result<Option<FaultFound>>;

    /// Returns faults, newest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    fn faults_like(&self, like: &FaultsLike, limit: u64) -> Result<Vec<FaultFound>>;
}
