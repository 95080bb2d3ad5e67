//! Making, finding and refusing ledger files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::Sqlite;
use super::action::ACTIONS;
use super::answer::CLOSED_ANSWERS;
use super::error::wrong_value;
use super::register::BYTES;
use super::row::set_counter;
use super::upgrade::{can_upgrade, upgrade};
use crate::crashpoint::crashpoint;
use crate::disk::{self, DiskError};
use crate::ledger::{LedgerError, Numbers, Result};

/// The schema this program reads and writes.
pub(super) const SCHEMA: i64 = 4;

pub(super) const TABLES: &str = include_str!("schema.sql");

/// A small file that people keep beside the ledgers, with a chain of actions of its own.
pub(super) struct Beside {
    /// What it is called, also by its `meta` row.
    name: &'static str,
    schema: i64,
    tables: &'static str,
}

/// What values are meant by.
pub(super) const MAPS: Beside =
    Beside { name: "maps", schema: 1, tables: include_str!("maps.sql") };

/// Who approved which scope.
pub(super) const APPROVALS: Beside =
    Beside { name: "approvals", schema: 1, tables: include_str!("approvals.sql") };

/// Counters that start at nothing.
pub(super) const FROM_NOTHING: [&str; 12] = [
    "messages",
    "ERROR",
    "CBOERROR",
    "ATHENAERROR",
    "DELETED",
    "RESUBMITTED",
    "SUPERSEDED",
    "given_up",
    CLOSED_ANSWERS,
    "hold",
    "actions",
    BYTES,
];

/// File systems that share files between machines, by the magic number of
/// statfs(2): there SQLite's locks lie, or its shared memory is not shared.
/// FUSE may be anything, sshfs among it, and does not tell.
const NETWORK: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
];

/// Opens the ledger at `path` to write, and makes it first if there is none.
pub(super) fn open(path: &Path, owner: &str, wait: Duration) -> Result<Connection> {
    refuse_network(path)?;
    let new = with_suffix(path, ".new");
    // What a crash in the middle of making one left behind.
    disk::remove(&new)?;
    if !is_there(path)? {
        make(&new, owner)?;
        disk::shift_new(&new, path)?;
    }
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, wait)?;
    let schema = check_identity(&conn, owner)?;
    if schema != SCHEMA {
        upgrade(&mut conn, path, schema)?;
    }
    make_durable(&conn)?;
    Ok(conn)
}

/// Makes every commit durable when it returns.
fn make_durable(conn: &Connection) -> Result<()> {
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(LedgerError::Failed(format!("no write-ahead log here, only {mode}")));
    }
    // In the log's mode only FULL makes a commit durable when it returns.
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // One drop with a million faults must not leave its log behind for ever.
    conn.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    Ok(())
}

/// Opens a file beside the ledgers to write, and makes it first if there is none. No
/// lock is held, so two may make it at once: the first one's counts.
pub(super) fn open_beside(path: &Path, beside: &Beside) -> Result<Connection> {
    refuse_network(path)?;
    if !is_there(path)? {
        let new = with_suffix(path, &format!(".{}.new", std::process::id()));
        let identity = [(beside.name, beside.schema.to_string())];
        make_file(&new, beside.tables, beside.name, &identity, &[ACTIONS])?;
        match disk::shift_new(&new, path) {
            Err(err) if err.is_exists() => disk::remove(&new)?,
            made => made?,
        }
    }
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, Sqlite::WAIT)?;
    check_beside(&conn, beside)?;
    make_durable(&conn)?;
    Ok(conn)
}

/// Opens a file beside the ledgers to read only, if it is there.
pub(super) fn peek_beside(path: &Path, beside: &Beside) -> Result<Option<Connection>> {
    if !is_there(path)? {
        return Ok(None);
    }
    refuse_network(path)?;
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, Sqlite::WAIT)?;
    check_beside(&conn, beside)?;
    Ok(Some(conn))
}

fn check_beside(conn: &Connection, beside: &Beside) -> Result<()> {
    let sql = "SELECT value FROM meta WHERE name = $1";
    let found: Option<String> = conn.query_row(sql, [beside.name], |row| row.get(0)).optional()?;
    match found.and_then(|found| found.parse::<i64>().ok()) {
        Some(schema) if schema == beside.schema => Ok(()),
        _ => Err(LedgerError::Foreign(format!(
            "{}.db has not the schema {} that this program knows; use the hl7drop that wrote it",
            beside.name, beside.schema
        ))),
    }
}

/// Opens the ledger at `path` to read only, if there is one.
pub(super) fn peek(path: &Path, owner: &str, wait: Duration) -> Result<Option<Connection>> {
    if !is_there(path)? {
        return Ok(None);
    }
    refuse_network(path)?;
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, wait)?;
    let schema = check_identity(&conn, owner)?;
    if schema != SCHEMA {
        return Err(LedgerError::Foreign(format!(
            "it has schema {schema}, of an earlier hl7drop; the next `hl7drop run` brings it to \
             {SCHEMA} and keeps a copy"
        )));
    }
    Ok(Some(conn))
}

/// Makes a whole ledger under a temporary name, so that one which is there is
/// never half of one, and an empty file is known to be damaged.
fn make(path: &Path, owner: &str) -> Result<()> {
    let identity = [("schema", SCHEMA.to_string()), ("owner", owner.to_string())];
    make_file(path, TABLES, "ledger", &identity, &FROM_NOTHING)
}

fn make_file(
    path: &Path,
    tables: &str,
    what: &str,
    identity: &[(&str, String)],
    counters: &[&str],
) -> Result<()> {
    for suffix in ["-wal", "-shm"] {
        disk::remove(&with_suffix(path, suffix))?;
    }
    disk::create(path)?.finish()?;
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, Duration::ZERO)?;
    // A crash throws the file away: it needs no journal beside it.
    conn.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "full")?;
    let making = conn.transaction()?;
    making.execute_batch(tables)?;
    for (name, value) in identity {
        making.execute("INSERT INTO meta (name, value) VALUES ($1, $2)", (name, value))?;
    }
    for name in counters {
        set_counter(&making, name, 0)?;
    }
    if what == "ledger" {
        let first = Numbers::default();
        set_counter(&making, "control", first.control)?;
        set_counter(&making, "file", first.file)?;
    }
    crashpoint(&format!("{what}.make.before"))?;
    making.commit()?;
    // Now already: under its own name the switch would pass through a journal,
    // and one that a crash left there stands in the way of who may only read.
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    crashpoint(&format!("{what}.make.after"))?;
    conn.close().map_err(|(_, err)| err.into())
}

fn connect(path: &Path, flags: OpenFlags, wait: Duration) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(wait)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    // Sorting must not put patients into a file somewhere else.
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Sees that it is a ledger, whose it is, and that its schema is known; returns that.
fn check_identity(conn: &Connection, owner: &str) -> Result<i64> {
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if tables == 0 {
        return Err(LedgerError::Damaged("it is empty".to_string()));
    }
    let sql = "SELECT count(*) FROM sqlite_master WHERE name IN ('meta', 'counter', 'batch')";
    let ours: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    if ours != 3 {
        let text = "it is a database of another program; give its file another name";
        return Err(LedgerError::Foreign(text.to_string()));
    }
    let meta = |name: &str| -> Result<String> {
        let sql = "SELECT value FROM meta WHERE name = $1";
        let found = conn.query_row(sql, [name], |row| row.get(0)).optional()?;
        found.ok_or_else(|| wrong_value(name))
    };
    let schema = meta("schema")?;
    let known = schema.parse().ok().filter(|found| *found == SCHEMA || can_upgrade(*found));
    let Some(known) = known else {
        return Err(LedgerError::Foreign(format!(
            "it has schema {schema} and this program knows {SCHEMA}; use the hl7drop that wrote it"
        )));
    };
    let found = meta("owner")?;
    if found != owner {
        return Err(LedgerError::Foreign(format!("it belongs to {found}, not to {owner}")));
    }
    Ok(known)
}

fn refuse_network(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let stat = rustix::fs::statfs(folder).map_err(|err| {
        LedgerError::Failed(format!("look at {}: {}", folder.display(), std::io::Error::from(err)))
    })?;
    // The type of the number differs from machine to machine; 32 bits of it count.
    let magic = stat.f_type as u64 & 0xFFFF_FFFF;
    match network(magic) {
        Some(name) => Err(LedgerError::Network(name.to_string())),
        None => Ok(()),
    }
}

fn network(magic: u64) -> Option<&'static str> {
    NETWORK.into_iter().find_map(|(number, name)| (number == magic).then_some(name))
}

fn is_there(path: &Path) -> Result<bool> {
    let look = path.try_exists();
    look.map_err(|err| LedgerError::Failed(format!("look at {}: {err}", path.display())))
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl From<DiskError> for LedgerError {
    fn from(err: DiskError) -> LedgerError {
        match err {
            DiskError::NotDurable { .. } => LedgerError::NotDurable(err),
            _ if err.is_full() => LedgerError::Full,
            _ => LedgerError::Failed(err.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_of_many_machines_is_refused_and_a_local_one_is_not() {
        assert_eq!(network(0xFF53_4D42), Some("CIFS"));
        assert_eq!(network(0xEF53), None);
        let place = tempfile::tempdir().unwrap();
        refuse_network(&place.path().join("ledger.db")).unwrap();
        let proc = refuse_network(Path::new("/proc/none/ledger.db")).unwrap_err();
        assert!(proc.to_string().contains("look at /proc/none: No such file"), "{proc}");
    }
}
