//! Making and opening the file.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{DeskError, Result};
use crate::crashpoint::crashpoint;
use crate::disk;

/// The schema this program reads and writes.
const SCHEMA: &str = "1";

const TABLES: &str = include_str!("schema.sql");

/// How long a write waits for another process.
const WAIT: Duration = Duration::from_secs(5);

pub(super) fn open(path: &Path) -> Result<Connection> {
    if !path.exists() {
        make(path)?;
    }
    let conn = connect(path)?;
    let sql = "SELECT value FROM meta WHERE name = 'schema'";
    let found: Option<String> = conn.query_row(sql, [], |row| row.get(0)).optional()?;
    if found.as_deref() != Some(SCHEMA) {
        let found = found.unwrap_or_else(|| "none".to_string());
        return Err(DeskError::Failed(format!(
            "it has schema {found} and this program knows {SCHEMA}; use the hl7drop that wrote it"
        )));
    }
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(DeskError::Failed(format!("no write-ahead log here, only {mode}")));
    }
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    Ok(conn)
}

/// Makes a whole file under a temporary name, so that one which is there is never half
/// of one.
fn make(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        disk::folder(folder)?;
    }
    let new = path.with_extension("db.new");
    disk::remove(&new)?;
    disk::create(&new)?.finish()?;
    let mut conn = connect(&new)?;
    conn.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "full")?;
    let making = conn.transaction()?;
    making.execute_batch(TABLES)?;
    making.execute("INSERT INTO meta (name, value) VALUES ('schema', $1)", [SCHEMA])?;
    making.commit()?;
    conn.close().map_err(|(_, err)| err)?;
    crashpoint("desk.make").map_err(|err| DeskError::Failed(err.to_string()))?;
    match disk::shift_new(&new, path) {
        // Two made one at the same time.
        Err(err) if err.is_exists() => Ok(disk::remove(&new)?),
        other => Ok(other?),
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(WAIT)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    Ok(conn)
}
