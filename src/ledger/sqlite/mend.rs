//! What people do to what waits, as SQLite keeps it: records converted again, batches
//! held, rebuilt, given up.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::query::{all, deliveries_of};
use super::row::{big, check_seal, counter, insert_batch, put_delivery, sealed, set_counter};
use super::{
    FAULT_STATES, GIVEN_UP, MADE, RESUBMITTED, SUPERSEDED, Sqlite, action, numbers, wrong_time,
};
use crate::crashpoint::crashpoint;
use crate::ledger::open_drop::check_rebuilt;
use crate::ledger::steps::no_batch;
use crate::ledger::{
    Act, BatchRow, DeliveryRow, Holding, LedgerError, Resubmitted, Result, Sign, Stage,
};

/// The counter that says whether new batches are held.
const HOLD: &str = "hold";

/// Closes faults that are records of the open drop now, in the state `now`.
pub(super) fn again(
    conn: &Connection,
    now: &str,
    rows: &[Resubmitted],
    act: &Act,
    sign: &Sign,
) -> Result<()> {
    let action = action::insert(conn, act, sign)?;
    let mut waited: BTreeMap<String, u64> = BTreeMap::new();
    let mut state = conn.prepare("SELECT state FROM fault WHERE id = $1 AND action IS NULL")?;
    let mut close = conn.prepare(
        "UPDATE fault SET state = $1, action = $2, next_extract = $3, next_record = $4 \
         WHERE id = $5",
    )?;
    for row in rows {
        let mut found = state.query_map([row.fault], |row| row.get::<_, String>(0))?;
        let Some(was) = found.next().transpose()? else {
            return Err(LedgerError::Failed(format!("record {} does not wait", row.fault)));
        };
        drop(found);
        *waited.entry(was).or_default() += 1;
        close.execute((now, action, row.extract.0, big(row.record)?, row.fault))?;
    }
    for (state, count) in waited {
        set_counter(conn, &state, counter(conn, &state)?.saturating_sub(count))?;
    }
    set_counter(conn, now, counter(conn, now)? + rows.len() as u64)
}

/// Writes the deliveries of a new batch: held, where the interface is.
pub(super) fn put_deliveries(
    conn: &Connection,
    batch: &BatchRow,
    endpoints: &[&str],
) -> Result<()> {
    let holding = holding(conn)?;
    endpoints.iter().try_for_each(|endpoint| {
        put_delivery(conn, &DeliveryRow::waiting(batch, endpoint).under(holding)?)
    })
}

/// Writes a batch that holds messages of another again.
pub(super) fn rebuilt(
    conn: &Connection,
    batch: &BatchRow,
    (of, request): (u64, &str),
    endpoints: &[&str],
    sign: &Sign,
) -> Result<()> {
    let next = check_rebuilt(batch, of, endpoints, numbers(conn)?)?;
    let whose = deliveries_of(conn, of)?;
    let first = whose.first().ok_or_else(|| no_batch(of))?;
    insert_batch(conn, batch)?;
    set_counter(conn, MADE, counter(conn, MADE)? + batch.messages)?;
    put_deliveries(conn, batch, endpoints)?;
    let values =
        sealed(vec![big(batch.number)?.into(), big(of)?.into(), Value::from(request.to_string())]);
    conn.prepare_cached("INSERT INTO rebuilt (batch, of, request, seal) VALUES ($1, $2, $3, $4)")?
        .execute(params_from_iter(values))?;
    set_counter(conn, "control", next.control)?;
    set_counter(conn, "file", next.file)?;
    let act = Act::rebuilt(batch, first);
    action::insert(conn, &act, sign).map(|_| ())
}

/// Returns every batch that holds messages of another, with that one and the request.
pub(super) fn all_rebuilt(conn: &Connection) -> Result<Vec<(u64, u64, String)>> {
    let sql = "SELECT batch, of, request, seal FROM rebuilt ORDER BY batch";
    all(conn, sql, [], |row| {
        check_seal(row, 0, 3)?;
        let (batch, of): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((batch.unsigned_abs(), of.unsigned_abs(), row.get(2)?))
    })
}

/// Counts the messages of deleted batches.
pub(super) fn given_up(deliveries: &[DeliveryRow]) -> u64 {
    let batches = deliveries.chunk_by(|one, next| one.batch.number == next.batch.number);
    let deleted = batches.filter(|same| same.iter().all(|row| row.stage == Stage::Deleted));
    deleted.filter_map(|same| same.first()).map(|row| row.batch.messages).sum()
}

/// Reads whether new batches are held.
pub(super) fn holding(conn: &Connection) -> Result<Holding> {
    Ok(match counter(conn, HOLD)? {
        0 => Holding::No,
        1 => Holding::Open,
        until => Holding::Until(big(until)?),
    })
}

/// Says whether new batches are held.
pub(super) fn set_holding(
    conn: &Connection,
    holding: Holding,
    act: &Act,
    sign: &Sign,
) -> Result<()> {
    let value = match holding {
        Holding::No => 0,
        Holding::Open => 1,
        Holding::Until(at) => at.unsigned_abs().max(2),
    };
    set_counter(conn, HOLD, value)?;
    action::insert(conn, act, sign).map(|_| ())
}

impl Sqlite {
    /// Returns which counters are not what they count.
    pub(super) fn wrong_counters(&self, mut real: BTreeMap<String, u64>) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let others = [MADE, GIVEN_UP, RESUBMITTED, SUPERSEDED].map(String::from);
        for name in FAULT_STATES.map(|state| state.to_string()).into_iter().chain(others) {
            let kept = counter(&self.conn, &name)?;
            let real = real.remove(&name).unwrap_or(0);
            if kept != real {
                problems.push(format!("the counter {name} says {kept} and there are {real}"));
            }
        }
        problems.extend(real.keys().map(|state| format!("faults are in the state {state}")));
        Ok(problems)
    }

    /// Gives a batch up, and tells the register: in one commit.
    pub(super) fn delete(&mut self, batch: u64, entries: &[u8], sign: &Sign) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        self.conn.execute_batch("BEGIN IMMEDIATE")?;
        let done = self.deleted(batch, entries, sign).and_then(|()| {
            crashpoint("ledger.delete_batch.before")?;
            self.conn.execute_batch("COMMIT")?;
            Ok(())
        });
        match &done {
            Ok(()) => self.register.commit(),
            Err(_) => {
                self.register.abandon();
                // The step's own error is the one to tell.
                let _ = self.conn.execute_batch("ROLLBACK");
            }
        }
        done?;
        crashpoint("ledger.delete_batch.after")?;
        Ok(())
    }

    fn deleted(&mut self, batch: u64, entries: &[u8], sign: &Sign) -> Result<()> {
        let conn = &self.conn;
        let rows = deliveries_of(conn, batch)?;
        let messages = rows.first().ok_or_else(|| no_batch(batch))?.batch.messages;
        for was in rows {
            let now = was.clone().delete()?;
            put_delivery(conn, &now)?;
            action::insert(conn, &Act::on("delete", &was, &now), sign)?;
        }
        set_counter(conn, GIVEN_UP, counter(conn, GIVEN_UP)? + messages)?;
        self.register.begin_extract();
        self.register.add(entries)?;
        self.register.index(&self.conn)
    }
}
