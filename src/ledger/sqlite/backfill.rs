//! Backfills, as SQLite keeps them: a row each, changed as they go on.

use rusqlite::Connection;

use super::query::{all, at_most};
use super::row::{big, check_seal, sealed};
use super::{Sqlite, action};
use crate::ledger::{Act, BackfillRow, Backfills, Result, Sign};

fn newest(conn: &Connection, limit: u64) -> Result<Vec<BackfillRow>> {
    let sql = "SELECT id, state, seal FROM backfill ORDER BY id DESC LIMIT $1";
    all(conn, sql, [at_most(limit)], |row| {
        check_seal(row, 0, 2)?;
        BackfillRow::of_text(&row.get::<_, String>(1)?)
    })
}

fn put(conn: &Connection, row: &BackfillRow) -> Result<()> {
    let values = sealed(vec![big(row.id)?.into(), row.to_text()?.into()]);
    conn.prepare_cached(
        "INSERT INTO backfill (id, state, seal) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, seal = excluded.seal",
    )?
    .execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

impl Backfills for Sqlite {
    fn backfills(&self, limit: u64) -> Result<Vec<BackfillRow>> {
        newest(&self.conn, limit)
    }

    fn put_backfill(&mut self, row: &BackfillRow, act: &Act, sign: &Sign) -> Result<()> {
        self.write("put_backfill", |conn| {
            row.follows(newest(conn, 1)?.first())?;
            put(conn, row)?;
            action::insert(conn, act, sign).map(|_| ())
        })
    }

    fn advance_backfill(&mut self, row: &BackfillRow) -> Result<()> {
        self.in_drop(|conn, _, _| {
            row.advances(newest(conn, 1)?.first())?;
            put(conn, row)
        })
    }
}
