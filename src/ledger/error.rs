//! What a ledger can fail with, and what to do about it.

use crate::disk::DiskError;

/// A ledger operation that did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another process keeps it locked.
    #[error("the ledger is locked by another program; end it, or wait and run again")]
    Locked,
    /// The disk below it is full.
    #[error("the disk under the ledger is full; free some space and run again")]
    Full,
    /// Its contents cannot be trusted.
    #[error(
        "S004 the ledger is damaged ({0}); nothing is sent until it is restored from a backup: hl7drop restore"
    )]
    Damaged(String),
    /// It was written by another version of this program, or for another interface.
    #[error("the ledger does not fit: {0}")]
    Foreign(String),
    /// It lies on a file system that cannot lock or share memory.
    #[error("the ledger must not lie on a network file system ({0}); use a local folder")]
    Network(String),
    /// Nothing can be said about what is on the disk.
    #[error(transparent)]
    NotDurable(DiskError),
    /// Anything else.
    #[error("the ledger failed: {0}")]
    Failed(String),
}
