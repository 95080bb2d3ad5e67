//! A ledger of an earlier schema becomes one of this: step by step, each one commit.
//!
//! Before the first step the file is copied beside itself (`ledger.db.schema-3`), for
//! whoever has to go back to the program that wrote it. A step says what became of the
//! tables that changed; tables, indexes and counters that are merely new are made from
//! `schema.sql`. A crash leaves the schema before or the one after a step, and opening the
//! ledger again goes on.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::copy::copy;
use super::from_3;
use super::open::{FROM_NOTHING, SCHEMA, TABLES, with_suffix};
use super::query::all;
use super::row::{set_counter, value};
use crate::crashpoint::crashpoint;
use crate::disk;
use crate::ledger::{LedgerError, Result};

/// Brings a ledger one schema further; the path is that of the ledger.
type Step = fn(&Connection, &Path) -> Result<()>;

/// The schema that each step begins at. The last one ends at [`SCHEMA`]; a step that was
/// released never changes again.
const STEPS: &[(i64, Step)] = &[(3, from_3::step)];

/// True of an earlier schema that this program can bring up to its own.
pub(super) fn can_upgrade(schema: i64) -> bool {
    STEPS.iter().any(|(from, _)| *from == schema)
}

/// Brings the ledger at `path` to today's schema.
pub(super) fn upgrade(conn: &mut Connection, path: &Path, schema: i64) -> Result<()> {
    let kept = with_suffix(path, &format!(".schema-{schema}"));
    let half = with_suffix(&kept, ".new");
    copy(conn, &half, &mut |_, _| {})?;
    disk::shift(&half, &kept)?;
    // A table that is made anew is away for a moment; the check below looks instead.
    conn.pragma_update(None, "foreign_keys", false)?;
    for (from, step) in STEPS.iter().filter(|(from, _)| *from >= schema) {
        let to = from + 1;
        let change = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step(&change, path)?;
        if to == SCHEMA {
            add_missing(&change)?;
        }
        let broken =
            all(&change, "PRAGMA foreign_key_check", [], |row| Ok(row.get::<_, String>(0)?))?;
        if let Some(table) = broken.first() {
            let text = format!("a row of {table} names one that is not there");
            return Err(LedgerError::Damaged(text));
        }
        change.execute("UPDATE meta SET value = $1 WHERE name = 'schema'", [to.to_string()])?;
        crashpoint("ledger.upgrade.before")?;
        change.commit()?;
        crashpoint("ledger.upgrade.after")?;
        log::info!("the ledger has schema {to} now; {} is as it was", kept.display());
    }
    Ok(())
}

/// Makes what a new ledger has and this one has not: tables and indexes, and counters that
/// start at nothing.
pub(super) fn add_missing(conn: &Connection) -> Result<()> {
    let new = Connection::open_in_memory()?;
    new.execute_batch(TABLES)?;
    let sql = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name";
    let of = |conn: &Connection| all(conn, sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let there: Vec<(String, String)> = of(conn)?;
    let wanted: Vec<(String, String)> = of(&new)?;
    for (name, sql) in wanted {
        if !there.iter().any(|(old, _)| *old == name) {
            conn.execute_batch(&sql)?;
        }
    }
    for name in FROM_NOTHING {
        let sql = format!("SELECT value FROM counter WHERE name = '{name}'");
        if value::<i64>(conn, &sql)?.is_none() {
            set_counter(conn, name, 0)?;
        }
    }
    Ok(())
}
