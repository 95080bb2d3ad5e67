//! What people decided, as SQLite keeps it: a chain that shows every change in it.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use super::FAULT_STATES;
use super::query::{all, at_most, one};
use super::row::{big, check_seal, counter, sealed, set_counter, value};
use crate::domain::QueueState;
use crate::ledger::retention::left_chain;
use crate::ledger::{Act, ActionRow, Closing, Result, Sign};

/// The counter of all actions.
pub(super) const ACTIONS: &str = "actions";

const ACTION: &str = "id, verb, about, was, now, actor, why, at, before, seal";
const ACTION_END: usize = 9;

/// The verb of what leaves with its time.
const LEAVE: &str = "leave";

/// The column `seal` of an action.
const NEWEST: &str = "SELECT seal FROM action ORDER BY id DESC LIMIT 1";

/// Writes an action behind the others; returns its number.
pub(super) fn insert(conn: &Connection, act: &Act, sign: &Sign) -> Result<i64> {
    let before: Option<String> = value(conn, NEWEST)?;
    insert_after(conn, before.unwrap_or_default(), act, sign)
}

/// Writes an action behind the one with this seal.
fn insert_after(conn: &Connection, before: String, act: &Act, sign: &Sign) -> Result<i64> {
    let id = big(counter(conn, ACTIONS)? + 1)?;
    let values = sealed(vec![
        id.into(),
        act.verb.to_string().into(),
        act.about.clone().into(),
        act.was.clone().into(),
        act.now.clone().into(),
        sign.by.clone().into(),
        sign.why.clone().into(),
        sign.at.into(),
        before.into(),
    ]);
    conn.prepare_cached(
        "INSERT INTO action (id, verb, about, was, now, actor, why, at, before, seal) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )?
    .execute(params_from_iter(values))?;
    set_counter(conn, ACTIONS, id.unsigned_abs())?;
    Ok(id)
}

/// Returns actions, newest first.
pub(super) fn newest(conn: &Connection, limit: i64) -> Result<Vec<ActionRow>> {
    let sql = format!("SELECT {ACTION} FROM action ORDER BY id DESC LIMIT $1");
    all(conn, &sql, [limit], |row| Ok(read(row)?.0))
}

/// Says where the chain is broken. `anchor` is where it begins, if its oldest part left:
/// an action of it must say so too.
pub(super) fn broken_links(conn: &Connection, anchor: Option<Anchor>) -> Result<Vec<String>> {
    let sql = format!("SELECT {ACTION} FROM action ORDER BY id");
    let (mut problems, mut last, mut next) = (Vec::new(), String::new(), 1);
    let mut said = anchor.as_ref().map(|anchor| left_chain(anchor.last, &anchor.link));
    if let Some(anchor) = anchor {
        (last, next) = (anchor.link, anchor.last + 1);
    }
    for (row, before, seal) in all(conn, &sql, [], read)? {
        said = said.filter(|said| row.verb != LEAVE || row.about != *said);
        if row.id != next || before != last {
            problems.push(format!("action {next} was taken out or put in from outside"));
        }
        (last, next) = (seal, row.id + 1);
    }
    let (kept, real) = (counter(conn, ACTIONS)?, next - 1);
    if big(kept)? != real {
        problems.push(format!("the counter {ACTIONS} says {kept} and there are {real}"));
    }
    if said.is_some() {
        problems.push("no action says that the oldest ones left".to_string());
    }
    Ok(problems)
}

/// Where the chain begins, once its oldest part left.
pub(super) struct Anchor {
    /// The number of the last action that left.
    last: i64,
    /// Its seal.
    link: String,
}

/// Reads where the chain of a ledger begins.
pub(super) fn anchor(conn: &Connection) -> Result<Option<Anchor>> {
    one(conn, "SELECT id, link, seal FROM anchor ORDER BY id DESC LIMIT 1", [], |row| {
        check_seal(row, 0, 2)?;
        Ok(Anchor { last: row.get(0)?, link: row.get(1)? })
    })
}

/// Lets the oldest actions go, as far as they were done before a time; returns how many.
pub(super) fn clear(conn: &Connection, before: i64, limit: u64, sign: &Sign) -> Result<u64> {
    let sql = format!("SELECT {ACTION} FROM action ORDER BY id LIMIT $1");
    // One that is younger keeps all that follow: a clock may have been set back.
    let old = all(conn, &sql, [at_most(limit)], read)?;
    let mut old = old.into_iter().take_while(|(row, ..)| row.sign.at < before).peekable();
    let first = old.peek().map_or(0, |(row, ..)| row.id);
    let Some((row, _, link)) = old.last() else { return Ok(0) };
    let about = left_chain(row.id, &link);
    conn.execute("DELETE FROM action WHERE id <= $1", [row.id])?;
    conn.execute("DELETE FROM anchor", [])?;
    let values = sealed(vec![row.id.into(), link.clone().into()]);
    conn.execute(
        "INSERT INTO anchor (id, link, seal) VALUES ($1, $2, $3)",
        params_from_iter(values),
    )?;
    let (was, now) = (String::new(), String::new());
    let before: Option<String> = value(conn, NEWEST)?;
    insert_after(conn, before.unwrap_or(link), &Act { verb: LEAVE, about, was, now }, sign)?;
    Ok((row.id - first + 1).unsigned_abs())
}

/// Reads an action, the seal of the one before, and its own.
fn read(row: &Row<'_>) -> Result<(ActionRow, String, String)> {
    check_seal(row, 0, ACTION_END)?;
    let sign = Sign { by: row.get(5)?, why: row.get(6)?, at: row.get(7)? };
    let (was, now) = (row.get(3)?, row.get(4)?);
    let action =
        ActionRow { id: row.get(0)?, verb: row.get(1)?, about: row.get(2)?, was, now, sign };
    Ok((action, row.get(8)?, row.get(9)?))
}

/// Closes the faults that wait; returns how many, or 0 without a change.
pub(super) fn close_faults(conn: &Connection, which: &Closing, sign: &Sign) -> Result<u64> {
    let (wanted, params) = condition(which);
    let open = format!("action IS NULL AND {wanted}");
    let params: Vec<&dyn ToSql> = params.iter().map(|value| value as &dyn ToSql).collect();
    let count = format!("SELECT state, count(*) FROM fault WHERE {open} GROUP BY state");
    let counts: BTreeMap<String, i64> =
        all(conn, &count, params.as_slice(), |row| Ok((row.get(0)?, row.get(1)?)))?
            .into_iter()
            .collect();
    let closed = counts.values().sum::<i64>().unsigned_abs();
    let missed = matches!(which, Closing::Ids(ids) if ids.len() as u64 != closed);
    if closed == 0 || missed {
        return Ok(0);
    }
    let state = QueueState::Deleted.to_string();
    let was = counts.keys().cloned().collect::<Vec<_>>().join(", ");
    let act = Act { verb: "close", about: which.about(), was, now: state.clone() };
    let action = insert(conn, &act, sign)?;
    let update = format!("UPDATE fault SET state = '{state}', action = {action} WHERE {open}");
    conn.execute(&update, params.as_slice())?;
    for state in FAULT_STATES.map(|state| state.to_string()) {
        if let Some(less) = counts.get(&state) {
            let now = counter(conn, &state)?.saturating_sub(less.unsigned_abs());
            set_counter(conn, &state, now)?;
        }
    }
    set_counter(conn, &state, counter(conn, &state)? + closed)?;
    Ok(closed)
}

fn condition(which: &Closing) -> (String, Vec<Value>) {
    match which {
        Closing::Ids(ids) => {
            let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
            (format!("id IN ({})", ids.join(", ")), Vec::new())
        }
        Closing::File(name) => {
            let of_file = "extract IN (SELECT e.id FROM extract e WHERE e.name = $1)";
            (of_file.to_string(), vec![name.clone().into()])
        }
        Closing::Code(code) => ("code = $1".to_string(), vec![code.id().to_string().into()]),
    }
}
