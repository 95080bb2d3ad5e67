//! What SQLite's errors mean to us.

use std::io;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::ledger::LedgerError;

/// No value of a row gets into an error's text: SQLite's own texts name tables
/// and columns, and ours for a row that cannot be read name the column.
impl From<rusqlite::Error> for LedgerError {
    fn from(err: rusqlite::Error) -> LedgerError {
        use rusqlite::Error::*;
        match &err {
            SqliteFailure(code, _) => match code.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => LedgerError::Locked,
                ErrorCode::DiskFull => LedgerError::Full,
                // The index of the log could not grow: no other call of SQLite
                // hides a full disk.
                _ if code.extended_code == SQLITE_IOERR_SHMSIZE => LedgerError::Full,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                    LedgerError::Damaged(err.to_string())
                }
                _ => LedgerError::Failed(err.to_string()),
            },
            InvalidColumnType(_, column, _) => wrong_value(column),
            FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | Utf8Error(..) => {
                wrong_value("a column")
            }
            _ => LedgerError::Failed(err.to_string()),
        }
    }
}

impl From<io::Error> for LedgerError {
    fn from(err: io::Error) -> LedgerError {
        match err.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LedgerError::Full,
            _ => LedgerError::Failed(err.to_string()),
        }
    }
}

/// Returns the error for a value that this program never wrote.
pub(super) fn wrong_value(column: &str) -> LedgerError {
    LedgerError::Damaged(format!("a value of {column} cannot be read"))
}
