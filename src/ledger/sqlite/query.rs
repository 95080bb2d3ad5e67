//! The questions that more than one verb asks.

use std::collections::BTreeMap;

use rusqlite::{Connection, Params, Row};

use super::error;
use super::row::{self, BATCH, DELIVERY, EXTRACT, FAULT};
use crate::digest::Digest;
use crate::ledger::{DeliveryRow, ExtractId, ExtractRow, FaultRow, Result, WaitingRow};

pub(super) fn extract(conn: &Connection, digest: &Digest) -> Result<Option<ExtractRow>> {
    let sql =
        format!("SELECT {EXTRACT} FROM extract e WHERE e.digest = $1 ORDER BY e.id DESC LIMIT 1");
    one(conn, &sql, [digest.to_string()], row::extract)
}

/// Returns the name of the extract that this very file was taken as.
pub(super) fn took(conn: &Connection, digest: &Digest, inode: u64) -> Result<Option<String>> {
    let sql = "SELECT name FROM extract WHERE digest = $1 AND inode = $2";
    one(conn, sql, (digest.to_string(), inode.cast_signed()), |row| Ok(row.get(0)?))
}

pub(super) fn delivery(
    conn: &Connection,
    batch: u64,
    endpoint: &str,
) -> Result<Option<DeliveryRow>> {
    let sql = format!(
        "SELECT {BATCH}, {DELIVERY} FROM delivery d JOIN batch b ON b.number = d.batch \
         WHERE d.batch = $1 AND d.endpoint = $2"
    );
    one(conn, &sql, (row::big(batch)?, endpoint), row::delivery)
}

pub(super) fn deliveries(conn: &Connection, which: &str) -> Result<Vec<DeliveryRow>> {
    let sql = format!(
        "SELECT {BATCH}, {DELIVERY} FROM delivery d JOIN batch b ON b.number = d.batch {which}"
    );
    all(conn, &sql, [], row::delivery)
}

/// Returns the deliveries of a batch, by endpoint.
pub(super) fn deliveries_of(conn: &Connection, batch: u64) -> Result<Vec<DeliveryRow>> {
    let sql = format!(
        "SELECT {BATCH}, {DELIVERY} FROM delivery d JOIN batch b ON b.number = d.batch \
         WHERE d.batch = $1 ORDER BY d.endpoint"
    );
    all(conn, &sql, [row::big(batch)?], row::delivery)
}

/// Counts the faults of each extract and in each state, row by row: SQLite would
/// sort them all in memory.
pub(super) fn count_faults(
    conn: &Connection,
) -> Result<(BTreeMap<ExtractId, u64>, BTreeMap<String, u64>)> {
    let (mut extracts, mut states) = (BTreeMap::new(), BTreeMap::<String, u64>::new());
    let mut query = conn.prepare("SELECT extract, state FROM fault ORDER BY id")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        *extracts.entry(ExtractId(row.get(0)?)).or_default() += 1;
        let state = row.get_ref(1)?.as_str().map_err(|_| error::wrong_value("state"))?;
        match states.get_mut(state) {
            Some(count) => *count += 1,
            None => {
                states.insert(state.to_string(), 1);
            }
        }
    }
    Ok((extracts, states))
}

pub(super) fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    conn.prepare_cached(sql)?.query_and_then(params, read)?.collect()
}

pub(super) fn one<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    conn.prepare_cached(sql)?.query_and_then(params, read)?.next().transpose()
}

/// SQL counts up to a signed number.
pub(super) fn at_most(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Shows which record each fault is of that waits, oldest first.
pub(super) fn each_waiting(conn: &Connection, see: &mut dyn FnMut(WaitingRow)) -> Result<()> {
    let sql = "SELECT f.id, f.whose, f.modified, coalesce(f.since, e.taken_at), f.times \
               FROM fault f JOIN extract e ON e.id = f.extract \
               WHERE f.action IS NULL ORDER BY f.id";
    let mut query = conn.prepare_cached(sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (whose, times) = (row::whose(row, 1)?, row::number(row, 4)?);
        see(WaitingRow { id: row.get(0)?, whose, since: row.get(3)?, times });
    }
    Ok(())
}

/// Shows each fault that waits, oldest first.
pub(super) fn each_fault(
    conn: &Connection,
    see: &mut dyn FnMut(FaultRow) -> Result<()>,
) -> Result<()> {
    let sql = format!(
        "SELECT {FAULT} FROM fault f JOIN extract e ON e.id = f.extract \
         WHERE f.action IS NULL ORDER BY f.id"
    );
    let mut query = conn.prepare_cached(&sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        see(row::fault(row)?)?;
    }
    Ok(())
}

/// Returns the extract of a row.
pub(super) fn extract_row(conn: &Connection, id: ExtractId) -> Result<Option<ExtractRow>> {
    let sql = format!("SELECT {EXTRACT} FROM extract e WHERE e.id = $1");
    one(conn, &sql, [id.0], row::extract)
}
