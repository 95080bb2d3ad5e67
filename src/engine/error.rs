//! What ends a pass: everything that is not about one record or one file.

use crate::convert::MapError;
use crate::disk::DiskError;
use crate::extract::ExtractError;
use crate::ledger::LedgerError;

/// Why a pass, or a part of it, could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Another process works on the interface.
    #[error("another hl7drop is at work on {interface} (lock {lock}); let it finish")]
    Busy {
        /// Interface and environment.
        interface: String,
        /// The lock file.
        lock: String,
    },
    /// The disk of this machine.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The map of the interface.
    #[error(transparent)]
    Map(#[from] MapError),
    /// One extract; it goes to `error/` and the others go on.
    #[error(transparent)]
    Extract(ExtractError),
    /// A worker did not come back.
    #[error("a worker ended without a result; this is a bug, report it")]
    Worker,
    /// Bytes on the disk are not those that were promised.
    #[error("{file} does not have the digest that the ledger promised; it is not sent. Restore it from a backup, or ask for help before anything is changed")]
    Altered {
        /// The file.
        file: String,
    },
    /// A batch that was promised is in no folder.
    #[error("batch file {file} is promised in the ledger and in no folder; restore it from a backup")]
    Lost {
        /// The file's name.
        file: String,
    },
}
