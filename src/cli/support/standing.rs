//! Where an interface stands: numbers, states, codes, times, and our own names.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::status::{delivery_json, states};
use crate::engine::check::{folders, state};
use crate::engine::incidents::{Incident, open_in};
use crate::engine::{Engine, EngineError, Hold, overdue};
use crate::ledger::{ActionRow, Answers, ExtractRow, Ledger, Sqlite};

/// How many extracts, receipts and decisions are shown.
const SHOWN: u64 = 100;

/// Returns what `status --json` says, without any text that is not ours.
pub(super) fn standing(engine: &Engine) -> Value {
    let mut value = json!({
        "interface": engine.agreement.scope.interface.as_str(),
        "environment": engine.agreement.scope.environment.word(),
        "approved": engine.standing.allows(),
        "incidents": open_in(&engine.spool.root).iter().map(incident).collect::<Vec<_>>(),
        "held": Hold::look(engine).map(|held| held.map(|held| json!({
            "at": held.at,
            "files": held.files.len(),
            "faults": held.faults.iter().map(|fault| json!({
                "code": fault.code, "column": fault.column, "rows": fault.rows,
            })).collect::<Vec<_>>(),
        }))).unwrap_or_else(|err| Some(json!({ "error": err.to_string() }))),
    });
    match of_ledger(engine) {
        Ok(ledger) => value["ledger"] = ledger,
        Err(err) => value["ledger"] = json!({ "error": err.to_string() }),
    }
    value
}

fn of_ledger(engine: &Engine) -> Result<Value, EngineError> {
    let Some(ledger) = Sqlite::peek(&engine.spool.ledger(), &engine.owner())? else {
        return Ok(Value::Null);
    };
    let totals = ledger.totals()?;
    let numbers = ledger.numbers()?;
    let mut waiting: BTreeMap<(String, String), u64> = BTreeMap::new();
    ledger.each_fault(&mut |row| {
        let key = (row.fault.code.id().to_string(), row.fault.column.to_string());
        *waiting.entry(key).or_default() += 1;
        Ok(())
    })?;
    let waiting: Vec<Value> = waiting
        .into_iter()
        .map(|((code, column), rows)| json!({ "code": code, "column": column, "rows": rows }))
        .collect();
    Ok(json!({
        "schema": Sqlite::SCHEMA,
        "next_control": numbers.control,
        "next_file": numbers.file,
        "states": states(&totals),
        "last_drop": totals.last_drop,
        "oldest_waiting": totals.oldest_waiting,
        "waiting": waiting,
        "undelivered": ledger.undelivered()?.iter().map(delivery_json).collect::<Value>(),
        "awaited": ledger.awaited()?.len(),
        "overdue": overdue(engine, &ledger)?.len(),
        "delivered": ledger.receipts(SHOWN)?.iter().map(delivery_json).collect::<Value>(),
        "extracts": ledger.extracts(SHOWN)?.iter().map(extract).collect::<Value>(),
        "actions": ledger.actions(SHOWN)?.iter().map(action).collect::<Value>(),
    }))
}

/// An extract by its number: its name is that of whoever exported it.
fn extract(row: &ExtractRow) -> Value {
    json!({
        "number": row.id.0,
        "drop": row.drop.0,
        "kind": row.extract.kind.word(),
        "bytes": row.extract.bytes,
        "taken_at": row.extract.taken_at,
        "counts": row.counts,
        "notes": row.notes.0,
        "batch_number": row.batch,
    })
}

/// A decision without what people wrote about it.
fn action(row: &ActionRow) -> Value {
    json!({ "verb": row.verb, "from": row.was, "to": row.now, "at": row.sign.at })
}

/// An incident without its sentences, which name files.
fn incident(one: &Incident) -> Value {
    let trouble = &one.trouble;
    json!({
        "number": one.number,
        "cause": trouble.cause,
        "severity": trouble.cause.severity(),
        "count": trouble.count,
        "opened_at": one.opened_at,
        "calm_since": one.calm_since,
        "told": one.told.values().map(|told| json!({
            "at": told.at, "failures": told.failures,
        })).collect::<Vec<_>>(),
    })
}

/// Returns what `check` finds of the folders and the ledger.
pub(super) fn checked(engine: &Engine) -> Value {
    let mut all = folders(engine);
    match state(engine) {
        Ok(state) => all.extend(state),
        Err(err) => return json!({ "error": err.to_string() }),
    }
    all.iter().map(|one| json!({ "what": one.what, "wrong": one.wrong })).collect()
}
