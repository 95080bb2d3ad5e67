//! What leaves with its time, as SQLite lets it go.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::answer::CLOSED_ANSWERS;
use super::query::{all, at_most, deliveries_of, delivery, one};
use super::row::{self, BATCH, big, check_seal, counter, sealed, set_counter, value};
use super::{GIVEN_UP, MADE, Sqlite, action, wrong_time};
use crate::crashpoint::crashpoint;
use crate::digest::Digest;
use crate::ledger::actions::about;
use crate::ledger::retention::{left_messages, must_stay, rest_of};
use crate::ledger::steps::no_delivery;
use crate::ledger::{
    Act, BatchRow, DropRow, ExtractId, Leaving, Result, Retention, Room, Sign, Stage,
};

/// The counter of messages that left.
pub(super) const LEFT: &str = "left";

/// The counter that has the highest number of a fault that left.
pub(super) const LAST_FAULT: &str = "last_fault";

/// The counter that has the day on which all that was due left last.
pub(super) const SWEPT: &str = "swept";

/// Answers to the messages of a batch, found by its control numbers; see [`range`].
const ANSWERS: &str = "w.batch = $1 AND w.control >= $2 AND w.control < $3";

impl Retention for Sqlite {
    fn newest(&self) -> Result<(u64, u64)> {
        Ok((newest_drop(&self.conn)?, newest_batch(&self.conn)?))
    }

    fn drops_before(&self, at: i64, after: u64, limit: u64) -> Result<Vec<DropRow>> {
        let sql = "SELECT DISTINCT drop_id FROM extract \
                   WHERE drop_id > $1 AND taken_at < $2 AND left_at IS NULL \
                   ORDER BY drop_id LIMIT $3";
        let numbers = all(&self.conn, sql, (big(after)?, at, at_most(limit)), |row| {
            Ok(row.get::<_, i64>(0)?)
        })?;
        let rows = numbers.into_iter().filter_map(|number| self.whole_drop(number).transpose());
        rows.collect()
    }

    fn rebuilt_before(&self, at: i64) -> Result<Vec<BatchRow>> {
        let sql = format!(
            "SELECT {BATCH} FROM batch b WHERE b.made_at < $1 AND {} ORDER BY b.number DESC",
            of_no_drop()
        );
        all(&self.conn, &sql, [at], row::batch)
    }

    fn at_rest(&self, batch: &BatchRow) -> Result<Option<i64>> {
        at_rest(&self.conn, batch)
    }

    fn is_aged(&self, batch: u64) -> Result<bool> {
        is_aged(&self.conn, batch)
    }

    fn waiting_of(&self, extract: ExtractId) -> Result<u64> {
        let sql = "SELECT count(*) FROM fault WHERE extract = $1 AND action IS NULL";
        let count = one(&self.conn, sql, [extract.0], |row| Ok(row.get::<_, i64>(0)?))?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }

    fn age(&mut self, batches: &[u64], at: i64) -> Result<()> {
        self.write("age", |conn| batches.iter().try_for_each(|batch| age(conn, *batch, at)))
    }

    fn leave(&mut self, leaving: &Leaving, sign: &Sign) -> Result<u64> {
        let mut drops = Vec::new();
        for number in &leaving.drops {
            drops.extend(self.whole_drop(big(*number)?)?);
        }
        self.write("leave", |conn| leave(conn, leaving, drops, sign))
    }

    fn clear_faults(&mut self, before: i64, limit: u64) -> Result<u64> {
        self.write("clear_faults", |conn| clear_faults(conn, before, limit))
    }

    fn clear_drops(&mut self, limit: u64) -> Result<u64> {
        self.write("clear_drops", |conn| clear_drops(conn, limit))
    }

    fn clear_responses(&mut self, before: i64) -> Result<u64> {
        self.write("clear_responses", |conn| {
            let gone = conn.execute("DELETE FROM response WHERE at < $1", [before])?;
            Ok(gone as u64)
        })
    }

    fn clear_actions(&mut self, before: i64, limit: u64, sign: &Sign) -> Result<u64> {
        self.write("clear_actions", |conn| action::clear(conn, before, limit, sign))
    }

    fn drop_numbers(&self) -> Result<BTreeSet<u64>> {
        let sql = "SELECT DISTINCT drop_id FROM extract";
        let found = all(&self.conn, sql, [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))?;
        Ok(found.into_iter().collect())
    }

    fn saw(&self, digest: &Digest) -> Result<bool> {
        if super::extract(&self.conn, digest)?.is_some() {
            return Ok(true);
        }
        let sql = "SELECT digest, at, seal FROM seen WHERE digest = $1";
        let found = one(&self.conn, sql, [digest.to_string()], |row| check_seal(row, 0, 2))?;
        Ok(found.is_some())
    }

    fn swept(&self) -> Result<u64> {
        counter(&self.conn, SWEPT)
    }

    fn set_swept(&mut self, day: u64) -> Result<()> {
        self.write("swept", |conn| set_counter(conn, SWEPT, day))
    }

    fn room(&self) -> Result<Room> {
        let page = pragma(&self.conn, "page_size")?;
        let pages = pragma(&self.conn, "page_count")?;
        let free = pragma(&self.conn, "freelist_count")?;
        Ok(Room { bytes: pages * page, free: free * page })
    }

    fn give_back(&mut self, bytes: u64) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let page = pragma(&self.conn, "page_size")?;
        crashpoint("ledger.give_back.before")?;
        {
            // Each row that is asked for gives one page back.
            let sql = format!("PRAGMA incremental_vacuum({})", (bytes / page).max(1));
            let mut vacuum = self.conn.prepare(&sql)?;
            let mut pages = vacuum.query([])?;
            while pages.next()?.is_some() {}
        }
        // The file gets shorter with its next checkpoint, which a small ledger may not see
        // for days.
        self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        crashpoint("ledger.give_back.after")?;
        Ok(())
    }

    fn compact_register(&mut self, least: u64) -> Result<u64> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        self.register.compact(&self.conn, least)
    }
}

fn pragma(conn: &Connection, name: &str) -> Result<u64> {
    Ok(value::<i64>(conn, &format!("PRAGMA {name}"))?.unwrap_or(0).unsigned_abs())
}

fn newest_drop(conn: &Connection) -> Result<u64> {
    Ok(value::<i64>(conn, "SELECT max(drop_id) FROM extract")?.unwrap_or(0).unsigned_abs())
}

/// Asks for batches that were made of others, and manifests but for the newest.
fn of_no_drop() -> String {
    let first = BatchRow::manifest_number(0);
    format!(
        "(b.number IN (SELECT batch FROM rebuilt) OR b.number >= {first} \
         AND b.number < (SELECT max(number) FROM batch))"
    )
}

/// Returns the number of a batch and between which control numbers its messages are: an
/// answer is found by these, and by its batch alone only among all that ever came.
fn range(batch: &BatchRow) -> Result<(i64, i64, i64)> {
    let first = big(batch.first_control)?;
    Ok((big(batch.number)?, first, first + big(batch.messages)?))
}

fn newest_batch(conn: &Connection) -> Result<u64> {
    // The numbers of manifests are those of days, above these.
    let first = BatchRow::manifest_number(0);
    let sql = format!("SELECT max(number) FROM batch WHERE number < {first}");
    Ok(value::<i64>(conn, &sql)?.unwrap_or(0).unsigned_abs())
}

fn is_aged(conn: &Connection, batch: u64) -> Result<bool> {
    let sql = "SELECT batch, at, seal FROM aged WHERE batch = $1";
    Ok(one(conn, sql, [big(batch)?], |row| check_seal(row, 0, 2))?.is_some())
}

fn at_rest(conn: &Connection, batch: &BatchRow) -> Result<Option<i64>> {
    let rows = deliveries_of(conn, batch.number)?;
    let Some(mut since) = rest_of(batch, &rows) else { return Ok(None) };
    let made_of_it = "SELECT 1 FROM rebuilt WHERE of = $1 LIMIT 1";
    if one(conn, made_of_it, [big(batch.number)?], |_| Ok(()))?.is_some() {
        return Ok(None);
    }
    let waits = format!(
        "SELECT 1 FROM answer w WHERE {ANSWERS} AND w.rejected = 1 AND w.action IS NULL LIMIT 1"
    );
    if one(conn, &waits, range(batch)?, |_| Ok(()))?.is_some() {
        return Ok(None);
    }
    let closed =
        format!("SELECT max(a.at) FROM answer w JOIN action a ON a.id = w.action WHERE {ANSWERS}");
    let at = one(conn, &closed, range(batch)?, |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    since = at.flatten().map_or(since, |at| since.max(at));
    for row in rows.iter().filter(|row| row.stage == Stage::Deleted) {
        let sql = "SELECT max(at) FROM action WHERE verb = 'delete' AND about = $1";
        let about = about(&batch.name, &row.endpoint);
        let at = one(conn, sql, [about], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
        since = at.flatten().map_or(since, |at| since.max(at));
    }
    Ok(Some(since))
}

/// Refuses a batch that must stay.
fn may_leave(conn: &Connection, batch: &BatchRow) -> Result<()> {
    let what = format!("batch {}", batch.number);
    if batch.number == newest_batch(conn)? {
        return Err(must_stay(&what, "it is the newest"));
    }
    match at_rest(conn, batch)? {
        Some(_) => Ok(()),
        None => Err(must_stay(&what, "something of it waits")),
    }
}

fn age(conn: &Connection, number: u64, at: i64) -> Result<()> {
    let sql = format!("SELECT {BATCH} FROM batch b WHERE b.number = $1");
    let Some(batch) = one(conn, &sql, [big(number)?], row::batch)? else {
        return Err(must_stay(&format!("batch {number}"), "there is none"));
    };
    may_leave(conn, &batch)?;
    let values = sealed(vec![big(number)?.into(), at.into()]);
    conn.prepare_cached("INSERT OR REPLACE INTO aged (batch, at, seal) VALUES ($1, $2, $3)")?
        .execute(params_from_iter(values))?;
    Ok(())
}

/// Lets the same bytes go out again; their file must not leave now.
pub(super) fn resend(conn: &Connection, batch: u64, endpoint: &str, sign: &Sign) -> Result<()> {
    let was = delivery(conn, batch, endpoint)?;
    let was = was.ok_or_else(|| no_delivery(batch, endpoint))?;
    let now = was.clone().resend()?;
    row::put_delivery(conn, &now)?;
    conn.prepare_cached("DELETE FROM aged WHERE batch = $1")?.execute([big(batch)?])?;
    action::insert(conn, &Act::on("resend", &was, &now), sign).map(|_| ())
}

fn leave(conn: &Connection, leaving: &Leaving, drops: Vec<DropRow>, sign: &Sign) -> Result<u64> {
    let newest = newest_drop(conn)?;
    let mut batches: Vec<BatchRow> = Vec::new();
    let made_of = format!("SELECT {BATCH} FROM batch b WHERE b.number = $1 AND {}", of_no_drop());
    for number in &leaving.rebuilt {
        batches.extend(one(conn, &made_of, [big(*number)?], row::batch)?);
    }
    let mut messages = 0;
    for drop in drops {
        if drop.number == newest {
            return Err(must_stay(&format!("drop {}", drop.number), "it is the newest"));
        }
        for row in drop.extracts.into_iter().filter(|row| row.left_at.is_none()) {
            remember(conn, &row.extract.digest, row.extract.taken_at)?;
            row::leave_extract(conn, row, sign.at)?;
        }
        batches.extend(drop.batches);
    }
    for batch in &batches {
        may_leave(conn, batch)?;
        if !is_aged(conn, batch.number)? {
            let what = format!("batch {}", batch.number);
            return Err(must_stay(&what, "its file was not aged"));
        }
        messages += batch.messages;
        forget(conn, batch)?;
    }
    set_counter(conn, LEFT, counter(conn, LEFT)? + messages)?;
    let about = left_messages(leaving, batches.len() as u64, messages);
    let (was, now) = (String::new(), String::new());
    action::insert(conn, &Act { verb: "leave", about, was, now }, sign)?;
    Ok(messages)
}

/// Keeps that these bytes were taken in.
fn remember(conn: &Connection, digest: &Digest, at: i64) -> Result<()> {
    let values = sealed(vec![digest.to_string().into(), at.into()]);
    conn.prepare_cached("INSERT OR REPLACE INTO seen (digest, at, seal) VALUES ($1, $2, $3)")?
        .execute(params_from_iter(values))?;
    Ok(())
}

/// Takes a batch out, and what is known of it.
fn forget(conn: &Connection, batch: &BatchRow) -> Result<()> {
    let rows = deliveries_of(conn, batch.number)?;
    if rows.iter().all(|row| row.stage == Stage::Deleted) {
        lower(conn, GIVEN_UP, batch.messages)?;
    }
    let sql = format!(
        "SELECT count(DISTINCT w.control) FROM answer w WHERE {ANSWERS} AND w.action IS NOT NULL"
    );
    let closed = one(conn, &sql, range(batch)?, |row| row::number(row, 0))?;
    lower(conn, CLOSED_ANSWERS, closed.unwrap_or(0))?;
    lower(conn, MADE, batch.messages)?;
    conn.prepare_cached(&format!("DELETE FROM answer AS w WHERE {ANSWERS}"))?
        .execute(range(batch)?)?;
    for sql in [
        "DELETE FROM delivery WHERE batch = $1",
        "DELETE FROM rebuilt WHERE batch = $1",
        "DELETE FROM aged WHERE batch = $1",
        "DELETE FROM batch WHERE number = $1",
    ] {
        conn.prepare_cached(sql)?.execute([big(batch.number)?])?;
    }
    Ok(())
}

fn lower(conn: &Connection, name: &str, by: u64) -> Result<()> {
    match by {
        0 => Ok(()),
        by => set_counter(conn, name, counter(conn, name)?.saturating_sub(by)),
    }
}

fn clear_faults(conn: &Connection, before: i64, limit: u64) -> Result<u64> {
    // An action that left before says that it was long ago. The few extracts that left are
    // asked for their faults, not all faults for their extracts: hence CROSS.
    let sql = "SELECT f.id, f.state FROM extract e CROSS JOIN fault f ON f.extract = e.id \
               LEFT JOIN action a ON a.id = f.action \
               WHERE e.left_at IS NOT NULL AND f.action IS NOT NULL \
               AND coalesce(a.at, 0) < $1 LIMIT $2";
    let found = all(conn, sql, (before, at_most(limit)), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let Some(highest) = found.iter().map(|(id, _)| *id).max() else { return Ok(0) };
    let kept = counter(conn, LAST_FAULT)?;
    set_counter(conn, LAST_FAULT, kept.max(highest.unsigned_abs()))?;
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    let mut delete = conn.prepare_cached("DELETE FROM fault WHERE id = $1")?;
    for (id, state) in &found {
        delete.execute([id])?;
        *states.entry(state).or_default() += 1;
    }
    states.into_iter().try_for_each(|(state, count)| lower(conn, state, count))?;
    Ok(found.len() as u64)
}

fn clear_drops(conn: &Connection, limit: u64) -> Result<u64> {
    let sql = "SELECT DISTINCT e.drop_id FROM extract e WHERE e.left_at IS NOT NULL \
               AND NOT EXISTS (SELECT 1 FROM extract o JOIN fault f ON f.extract = o.id \
               WHERE o.drop_id = e.drop_id) LIMIT $1";
    let drops: Vec<Value> = all(conn, sql, [at_most(limit)], |row| Ok(row.get(0)?))?;
    let ends = "DELETE FROM register_end WHERE extract IN \
                (SELECT id FROM extract WHERE drop_id = $1)";
    for drop in &drops {
        conn.prepare_cached(ends)?.execute([drop])?;
        conn.prepare_cached("DELETE FROM extract WHERE drop_id = $1")?.execute([drop])?;
    }
    Ok(drops.len() as u64)
}
