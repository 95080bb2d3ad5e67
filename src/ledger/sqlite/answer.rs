//! What receivers answered, as SQLite keeps it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params_from_iter};

use super::error::wrong_value;
use super::query::{all, at_most, deliveries, delivery, one};
use super::row::{self, big, check_seal, counter, number, parsed, sealed, set_counter};
use super::{GIVEN_UP, MADE, Sqlite, action};
use crate::digest::Digest;
use crate::domain::{AckCode, Answer, QueueState};
use crate::ledger::actions::about;
use crate::ledger::rows::OwnStates;
use crate::ledger::steps::no_delivery;
use crate::ledger::{
    Act, AnswerRow, Answers, BatchRow, DeliveryRow, Failure, LedgerError, LookRow, ResponseRow,
    Result, Sign, Totals,
};

/// The counter of messages that were refused and closed.
pub(super) const CLOSED_ANSWERS: &str = "closed_answers";

const ANSWER: &str = "control, endpoint, batch, code, what, said, at, rejected, seal, action";
const ANSWER_END: usize = 8;
const RESPONSE: &str = "digest, name, endpoint, accepted, rejected, at, seal";
const RESPONSE_END: usize = 6;
const LOOK: &str = "endpoint, failures, failure, failure_stopped, again_at, failure_at, seal";
const LOOK_END: usize = 6;

/// Those that are done and await their acknowledgement; as the index `delivery_awaits`.
pub(super) const AWAITS: &str = "WHERE d.stage = 'delivered' AND d.answer_within IS NOT NULL \
     AND d.answered_at IS NULL ORDER BY d.batch, d.endpoint";

/// All deliveries of the batches that have one which is not done, or not acknowledged.
pub(super) const IN_OPEN: &str = "WHERE d.batch IN \
     (SELECT o.batch FROM delivery o WHERE o.stage NOT IN ('delivered', 'deleted') \
     UNION SELECT a.batch FROM delivery a WHERE a.stage = 'delivered' \
     AND a.answer_within IS NOT NULL AND a.answered_at IS NULL) ORDER BY d.batch";

/// Those that wait; the index `answer_rejected` has the same words.
const WAITS: &str = "rejected = 1 AND action IS NULL";

impl Answers for Sqlite {
    fn await_answer(&mut self, batch: u64, endpoint: &str, within_s: i64) -> Result<()> {
        self.step("await_answer", batch, endpoint, |row| row.await_answer(within_s))
    }

    fn awaited(&self) -> Result<Vec<DeliveryRow>> {
        deliveries(&self.conn, AWAITS)
    }

    fn batch_of(&self, control: u64) -> Result<Option<BatchRow>> {
        batch_of(&self.conn, control)
    }

    fn response(&self, digest: &Digest) -> Result<Option<ResponseRow>> {
        response(&self.conn, digest)
    }

    fn respond(
        &mut self,
        response: &ResponseRow,
        whole: &[u64],
        answers: &mut dyn Iterator<Item = Answer>,
    ) -> Result<()> {
        self.write("respond", |conn| respond(conn, response, whole, answers))
    }

    fn answers(&self, first: u64, last: u64) -> Result<Vec<AnswerRow>> {
        answers(&self.conn, first, last)
    }

    fn rejected(&self, limit: u64) -> Result<Vec<AnswerRow>> {
        rejected(&self.conn, at_most(limit))
    }

    fn close_rejected(&mut self, controls: &[u64], sign: &Sign) -> Result<u64> {
        self.write("close_rejected", |conn| close(conn, controls, sign))
    }

    fn end_wait(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()> {
        self.write("end_wait", |conn| end_wait(conn, batch, endpoint, sign))
    }

    fn look(&self, endpoint: &str) -> Result<Option<LookRow>> {
        look(&self.conn, endpoint)
    }

    fn looked(&mut self, endpoint: &str, failure: Option<&Failure>) -> Result<()> {
        self.write("looked", |conn| looked(conn, endpoint, failure))
    }
}

/// Adds all messages that became some.
pub(super) fn add_to(totals: &mut Totals, conn: &Connection) -> Result<()> {
    // Only batches that are not done are looked at; the rest is subtraction.
    let open = deliveries(conn, IN_OPEN)?;
    let own = own_states(conn, &open)?;
    totals.add_batches(&open, &own);
    let (mut looked_at, mut elsewhere, mut closed) = (totals.states.values().sum(), 0, 0);
    for (batch, states) in &own {
        match open.iter().any(|row| row.batch.number == *batch) {
            true => closed += states.closed,
            false => elsewhere += states.rejected,
        }
    }
    totals.add(QueueState::Error, elsewhere);
    let closed = counter(conn, CLOSED_ANSWERS)?.saturating_sub(closed);
    let given_up = counter(conn, GIVEN_UP)?;
    totals.add(QueueState::Deleted, closed + given_up);
    looked_at += elsewhere + closed + given_up;
    let made = counter(conn, MADE)?;
    totals.add(QueueState::Processed, made.saturating_sub(looked_at));
    Ok(())
}

/// Returns the batch that holds a message.
fn batch_of(conn: &Connection, control: u64) -> Result<Option<BatchRow>> {
    // The numbers of batches and those of their messages grow together.
    let sql = format!(
        "SELECT {} FROM batch b WHERE b.first_control <= $1 AND b.messages > 0 \
         ORDER BY b.first_control DESC LIMIT 1",
        row::BATCH
    );
    let found = one(conn, &sql, [big(control)?], row::batch)?;
    Ok(found.filter(|batch| control - batch.first_control < batch.messages))
}

/// Returns the response of these bytes.
fn response(conn: &Connection, digest: &Digest) -> Result<Option<ResponseRow>> {
    let sql = format!("SELECT {RESPONSE} FROM response WHERE digest = $1");
    one(conn, &sql, [digest.to_string()], |row| {
        check_seal(row, 0, RESPONSE_END)?;
        Ok(ResponseRow {
            digest: parsed(row, 0)?,
            name: row.get(1)?,
            endpoint: row.get(2)?,
            accepted: number(row, 3)?,
            rejected: number(row, 4)?,
            at: row.get(5)?,
        })
    })
}

/// Keeps what a response file says.
fn respond(
    conn: &Connection,
    response: &ResponseRow,
    whole: &[u64],
    answers: &mut dyn Iterator<Item = Answer>,
) -> Result<()> {
    insert_response(conn, response)?;
    let mut deliveries: BTreeMap<u64, DeliveryRow> = BTreeMap::new();
    let mut last: Option<BatchRow> = None;
    for number in whole {
        let row = answering(conn, *number, &response.endpoint)?;
        deliveries.insert(*number, row);
    }
    for answer in answers {
        let holds = |batch: &BatchRow| {
            answer.control.checked_sub(batch.first_control).is_some_and(|at| at < batch.messages)
        };
        if !last.as_ref().is_some_and(holds) {
            last = batch_of(conn, answer.control)?;
        }
        let batch = last.as_ref().ok_or_else(|| {
            LedgerError::Failed(format!("no message has the control number {}", answer.control))
        })?;
        if let Entry::Vacant(free) = deliveries.entry(batch.number) {
            free.insert(answering(conn, batch.number, &response.endpoint)?);
        }
        let known = whole.contains(&batch.number);
        put_answer(conn, response, batch.number, &answer, known)?;
    }
    for (number, row) in deliveries {
        let whole = whole.contains(&number) || all_answered(conn, &row)?;
        if whole {
            settle(conn, row, response.at)?;
        }
    }
    Ok(())
}

/// Ends a wait: those that were accepted stand where their batch stands now.
fn settle(conn: &Connection, delivery: DeliveryRow, at: i64) -> Result<()> {
    let (number, endpoint) = (big(delivery.batch.number)?, delivery.endpoint.clone());
    let sql = "DELETE FROM answer WHERE batch = $1 AND endpoint = $2 AND control >= $3 \
               AND control < $4 AND rejected = 0";
    let first = big(delivery.batch.first_control)?;
    let end = first + big(delivery.batch.messages)?;
    conn.prepare_cached(sql)?.execute((number, &endpoint, first, end))?;
    row::put_delivery(conn, &delivery.answered(at)?)
}

/// Ends the wait of a batch by the word of a person.
fn end_wait(conn: &Connection, batch: u64, endpoint: &str, sign: &Sign) -> Result<()> {
    let row = answering(conn, batch, endpoint)?;
    if !row.awaits_answer() {
        return Err(LedgerError::Failed(format!("batch {batch} to {endpoint} awaits no answer")));
    }
    let about = about(&row.batch.name, endpoint);
    settle(conn, row, sign.at)?;
    let was = QueueState::Pending.to_string();
    let act = Act { verb: "acknowledged", about, was, now: QueueState::Processed.to_string() };
    action::insert(conn, &act, sign)?;
    Ok(())
}

/// Returns a delivery that can be answered.
fn answering(conn: &Connection, batch: u64, endpoint: &str) -> Result<DeliveryRow> {
    let row = delivery(conn, batch, endpoint)?.ok_or_else(|| no_delivery(batch, endpoint))?;
    match row.receipt {
        Some(_) => Ok(row),
        None => Err(LedgerError::Failed(format!("batch {batch} is not delivered to {endpoint}"))),
    }
}

fn all_answered(conn: &Connection, delivery: &DeliveryRow) -> Result<bool> {
    if !delivery.awaits_answer() {
        return Ok(true);
    }
    let sql = "SELECT count(*) FROM answer WHERE endpoint = $1 AND control >= $2 AND control < $3";
    let first = big(delivery.batch.first_control)?;
    let end = first + big(delivery.batch.messages)?;
    let count: i64 =
        conn.prepare_cached(sql)?.query_row((&delivery.endpoint, first, end), |row| row.get(0))?;
    Ok(count.unsigned_abs() >= delivery.batch.messages)
}

fn insert_response(conn: &Connection, response: &ResponseRow) -> Result<()> {
    if self::response(conn, &response.digest)?.is_some() {
        return Err(LedgerError::Failed(format!("{} was read before", response.name)));
    }
    let values = sealed(vec![
        response.digest.to_string().into(),
        response.name.clone().into(),
        response.endpoint.clone().into(),
        big(response.accepted)?.into(),
        big(response.rejected)?.into(),
        response.at.into(),
    ]);
    conn.prepare_cached(&format!(
        "INSERT INTO response ({RESPONSE}) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    ))?
    .execute(params_from_iter(values))?;
    Ok(())
}

/// Keeps one answer; `settled` if an acceptance needs no row of its own.
fn put_answer(
    conn: &Connection,
    response: &ResponseRow,
    batch: u64,
    answer: &Answer,
    settled: bool,
) -> Result<()> {
    let control = big(answer.control)?;
    if answer.code.accepts() {
        let sql = "DELETE FROM answer WHERE control = $1 AND endpoint = $2 AND action IS NULL";
        conn.prepare_cached(sql)?.execute((control, &response.endpoint))?;
        if settled {
            return Ok(());
        }
    } else {
        let sql = "UPDATE answer SET action = NULL WHERE control = $1 AND action IS NOT NULL";
        if conn.prepare_cached(sql)?.execute([control])? > 0 {
            set_counter(conn, CLOSED_ANSWERS, counter(conn, CLOSED_ANSWERS)?.saturating_sub(1))?;
        }
    }
    let mut values = sealed(vec![
        control.into(),
        response.endpoint.clone().into(),
        big(batch)?.into(),
        answer.code.word().to_string().into(),
        answer.what.clone().into(),
        answer.said.clone().into(),
        response.at.into(),
        i64::from(!answer.code.accepts()).into(),
    ]);
    values.push(rusqlite::types::Value::Null);
    // What somebody closed is not opened by an acceptance.
    conn.prepare_cached(&format!(
        "INSERT INTO answer ({ANSWER}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (control, endpoint) DO UPDATE SET code = excluded.code, \
         what = excluded.what, said = excluded.said, at = excluded.at, \
         rejected = excluded.rejected, seal = excluded.seal WHERE action IS NULL"
    ))?
    .execute(params_from_iter(values))?;
    Ok(())
}

/// Returns the messages of a range that have a row.
fn answers(conn: &Connection, first: u64, last: u64) -> Result<Vec<AnswerRow>> {
    let sql = format!(
        "SELECT {ANSWER} FROM answer WHERE control BETWEEN $1 AND $2 ORDER BY control, endpoint"
    );
    all(conn, &sql, (at_most(first), at_most(last)), read)
}

/// Returns those that wait, newest first.
fn rejected(conn: &Connection, limit: i64) -> Result<Vec<AnswerRow>> {
    let sql = format!(
        "SELECT {ANSWER} FROM answer WHERE {WAITS} ORDER BY batch DESC, control DESC, endpoint \
         LIMIT $1"
    );
    all(conn, &sql, [limit], read)
}

fn read(row: &Row<'_>) -> Result<AnswerRow> {
    check_seal(row, 0, ANSWER_END)?;
    let code: String = row.get(3)?;
    Ok(AnswerRow {
        batch: number(row, 2)?,
        endpoint: row.get(1)?,
        answer: Answer {
            control: number(row, 0)?,
            code: AckCode::of(code.as_bytes()).ok_or_else(|| wrong_value("code"))?,
            what: row.get(4)?,
            said: row.get(5)?,
        },
        at: row.get(6)?,
        closed: row.get::<_, Option<i64>>(9)?.is_some(),
    })
}

/// Closes messages that wait; returns how many, or 0 without a change.
fn close(conn: &Connection, controls: &[u64], sign: &Sign) -> Result<u64> {
    let controls: BTreeSet<u64> = controls.iter().copied().collect();
    let sql = format!("SELECT count(*) FROM answer WHERE control = $1 AND {WAITS}");
    for control in &controls {
        let waits: i64 =
            conn.prepare_cached(&sql)?.query_row([big(*control)?], |row| row.get(0))?;
        if waits == 0 {
            return Ok(0);
        }
    }
    if controls.is_empty() {
        return Ok(0);
    }
    let words: Vec<String> = controls.iter().map(u64::to_string).collect();
    let (was, now) = (QueueState::Error.to_string(), QueueState::Deleted.to_string());
    let about = format!("messages {}", words.join(", "));
    let action = action::insert(conn, &Act { verb: "close", about, was, now }, sign)?;
    let sql = format!("UPDATE answer SET action = $1 WHERE control = $2 AND {WAITS}");
    for control in &controls {
        conn.prepare_cached(&sql)?.execute((action, big(*control)?))?;
    }
    let closed = controls.len() as u64;
    set_counter(conn, CLOSED_ANSWERS, counter(conn, CLOSED_ANSWERS)? + closed)?;
    Ok(closed)
}

/// Returns the messages that stand elsewhere than their batch: of each batch those that
/// wait, and all of the batches `open`.
fn own_states(conn: &Connection, open: &[DeliveryRow]) -> Result<BTreeMap<u64, OwnStates>> {
    let mut own: BTreeMap<u64, OwnStates> = BTreeMap::new();
    let sql =
        format!("SELECT batch, count(DISTINCT control) FROM answer WHERE {WAITS} GROUP BY batch");
    for (batch, rejected) in all(conn, &sql, [], |row| Ok((number(row, 0)?, number(row, 1)?)))? {
        own.entry(batch).or_default().rejected = rejected;
    }
    for same in open.chunk_by(|one, next| one.batch.number == next.batch.number) {
        let Some(DeliveryRow { batch, .. }) = same.first() else { continue };
        let (first, end) = (big(batch.first_control)?, big(batch.first_control + batch.messages)?);
        let between = "control >= $1 AND control < $2";
        let sql = format!(
            "SELECT count(DISTINCT control) FROM answer WHERE {between} AND action IS NOT NULL"
        );
        let closed = one(conn, &sql, (first, end), |row| number(row, 0))?.unwrap_or(0);
        let awaiting = same.iter().filter(|row| row.awaits_answer()).count() as u64;
        let there = same.iter().all(|row| row.receipt.is_some());
        let accepted = if there && awaiting > 0 {
            let sql = format!(
                "SELECT count(*) FROM (SELECT control FROM answer WHERE {between} \
                 GROUP BY control HAVING sum(rejected) = 0 AND count(*) >= $3)"
            );
            let found = one(conn, &sql, (first, end, big(awaiting)?), |row| number(row, 0))?;
            found.unwrap_or(0)
        } else {
            0
        };
        let states = own.entry(batch.number).or_default();
        (states.closed, states.accepted) = (closed, accepted);
    }
    Ok(own)
}

/// Says which answers do not fit.
pub(super) fn problems(conn: &Connection) -> Result<Vec<String>> {
    let sql = "SELECT a.control FROM answer a JOIN batch b ON b.number = a.batch \
               WHERE a.control < b.first_control OR a.control >= b.first_control + b.messages \
               LIMIT 10";
    let strays: Vec<u64> = all(conn, sql, [], |row| number(row, 0))?;
    let mut problems: Vec<String> =
        strays.iter().map(|control| format!("the answer to {control} is in no batch")).collect();
    let sql = "SELECT count(DISTINCT control) FROM answer WHERE action IS NOT NULL";
    let real = one(conn, sql, [], |row| number(row, 0))?.unwrap_or(0);
    let kept = counter(conn, CLOSED_ANSWERS)?;
    if kept != real {
        problems.push(format!("the counter {CLOSED_ANSWERS} says {kept} and there are {real}"));
    }
    Ok(problems)
}

/// Returns how the last look at an endpoint failed.
fn look(conn: &Connection, endpoint: &str) -> Result<Option<LookRow>> {
    one(conn, &format!("SELECT {LOOK} FROM look WHERE endpoint = $1"), [endpoint], |row| {
        check_seal(row, 0, LOOK_END)?;
        let (stopped, at) = (row.get::<_, i64>(3)? != 0, row.get(5)?);
        let failure =
            Failure { what: row.get(2)?, stopped, again_at: row.get(4)?, stage: None, at };
        Ok(LookRow { endpoint: row.get(0)?, failure, failures: number(row, 1)? })
    })
}

/// Keeps how a look ended.
fn looked(conn: &Connection, endpoint: &str, failure: Option<&Failure>) -> Result<()> {
    let before = look(conn, endpoint)?.map_or(0, |look| look.failures);
    conn.prepare_cached("DELETE FROM look WHERE endpoint = $1")?.execute([endpoint])?;
    let Some(failure) = failure else { return Ok(()) };
    let values = sealed(vec![
        endpoint.to_string().into(),
        big(before + 1)?.into(),
        failure.what.clone().into(),
        i64::from(failure.stopped).into(),
        failure.again_at.into(),
        failure.at.into(),
    ]);
    conn.prepare_cached(&format!("INSERT INTO look ({LOOK}) VALUES ($1, $2, $3, $4, $5, $6, $7)"))?
        .execute(params_from_iter(values))?;
    Ok(())
}
