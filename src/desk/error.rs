//! What the desk can refuse or fail with, and what to do about it.

use rusqlite::ErrorCode;

use crate::disk::DiskError;

/// An operation that did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// Another process keeps it locked.
    #[error("the users' file desk.db is locked by another program; try again")]
    Locked,
    /// The disk below it is full.
    #[error("the disk under the users' file desk.db is full; free some space and try again")]
    Full,
    /// Its contents cannot be trusted.
    #[error("the users' file desk.db is damaged ({0}); restore it from a backup")]
    Damaged(String),
    /// A name that is none.
    #[error(
        "`{0}` is no user name; write 1 to 64 letters, digits, `.`, `_`, `-` or `@`, a letter or digit first"
    )]
    Name(String),
    /// There is one already.
    #[error("there is a user {0} already; `hl7drop user passwd` gives a new password")]
    Exists(String),
    /// There is none.
    #[error("there is no user {0}; `hl7drop user list` shows all")]
    Unknown(String),
    /// The last one who can manage users would be gone.
    #[error(
        "{0} is the last who has User Administration; give it to somebody else first, or do it in the shell with `hl7drop user`"
    )]
    LastAdministrator(String),
    /// A password that is easily guessed.
    #[error("{0}")]
    Weak(&'static str),
    /// Anything else.
    #[error("the users' file desk.db failed: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for DeskError {
    fn from(err: rusqlite::Error) -> DeskError {
        match err.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DeskError::Locked,
            Some(ErrorCode::DiskFull) => DeskError::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                DeskError::Damaged(err.to_string())
            }
            _ => DeskError::Failed(err.to_string()),
        }
    }
}

impl From<DiskError> for DeskError {
    fn from(err: DiskError) -> DeskError {
        if err.is_full() { DeskError::Full } else { DeskError::Failed(err.to_string()) }
    }
}
