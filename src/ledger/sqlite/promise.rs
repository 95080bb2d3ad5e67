//! The commit of a drop: everything it promises, at once.

use rusqlite::Connection;

use super::{MADE, mend, row};
use crate::crashpoint::crashpoint;
use crate::ledger::open_drop::OpenDrop;
use crate::ledger::{BatchRow, Numbers, Result};

/// Commits the open transaction, if the drop adds up.
pub(super) fn commit(
    conn: &Connection,
    rules: OpenDrop,
    batches: &[BatchRow],
    endpoints: &[&str],
    next: Numbers,
) -> Result<()> {
    let closed = rules.close(batches, endpoints, numbers(conn)?, next)?;
    for batch in batches {
        row::insert_batch(conn, batch)?;
        let made = row::counter(conn, MADE)?;
        row::set_counter(conn, MADE, made + batch.messages)?;
        mend::put_deliveries(conn, batch, endpoints)?;
    }
    closed.extracts.iter().try_for_each(|extract| row::insert_extract(conn, extract))?;
    for (state, count) in &closed.faults {
        let name = state.to_string();
        row::set_counter(conn, &name, row::counter(conn, &name)? + count)?;
    }
    row::set_counter(conn, "control", next.control)?;
    row::set_counter(conn, "file", next.file)?;
    crashpoint("ledger.commit_drop.before")?;
    conn.execute_batch("COMMIT")?;
    crashpoint("ledger.commit_drop.after")?;
    Ok(())
}

/// Returns the next free numbers.
pub(super) fn numbers(conn: &Connection) -> Result<Numbers> {
    Ok(Numbers { control: row::counter(conn, "control")?, file: row::counter(conn, "file")? })
}
