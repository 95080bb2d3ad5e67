//! `queue`: the records that wait for a person, each with its reason and what to do.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::{Cli, Queue};
use super::exit::Exit;
use super::output::count;
use super::setup::setup;
use super::{Failure, Outcome};
use crate::domain::{Code, Fault};
use crate::engine::EngineError;
use crate::ledger::{FaultRow, Ledger, LedgerError, Sqlite};

/// Lists the queue of every interface that was asked for.
pub fn queue(cli: &Cli, args: &Queue) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let mut all = Vec::new();
    let mut exit = Exit::DONE;
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let rows = rows(&engine.spool.ledger(), &engine.owner(), args.limit)?;
        if !rows.is_empty() {
            exit = exit.graver(Exit::WAITING);
        }
        if args.named.json {
            let interface = engine.agreement.scope.interface.as_str();
            all.extend(rows.iter().map(|row| with(interface, row)));
        } else {
            write(&engine.owner(), &rows, &mut io::stdout().lock())?;
        }
    }
    if args.named.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

fn rows(path: &std::path::Path, owner: &str, limit: u64) -> Result<Vec<FaultRow>, Failure> {
    let wrap = |err: LedgerError| Failure::from(EngineError::Ledger(err));
    match Sqlite::peek(path, owner).map_err(wrap)? {
        Some(ledger) => ledger.faults(limit).map_err(wrap),
        None => Ok(Vec::new()),
    }
}

fn write(owner: &str, rows: &[FaultRow], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{owner}: {}", count(rows.len() as u64, "record waits", "records wait"))?;
    let mut groups: BTreeMap<(Code, String), Vec<&Fault>> = BTreeMap::new();
    for row in rows {
        let fault = &row.fault;
        groups.entry((fault.code, fault.column.to_string())).or_default().push(fault);
    }
    for ((code, column), faults) in groups {
        let state = code.owner().queue_state();
        let column = if column.is_empty() { "row" } else { &column };
        let records = count(faults.len() as u64, "record", "records");
        writeln!(out, "  {} {state}: {column}: {} ({records})", code.id(), code.text())?;
        writeln!(out, "    what to do: {}", code.hint())?;
        for fault in faults {
            let field = fault.field.map_or(String::new(), |field| format!(", {field}"));
            writeln!(out, "      {}{field}", fault.at)?;
        }
    }
    Ok(())
}

fn with(interface: &str, row: &FaultRow) -> Value {
    let mut value = to_json(&row.fault);
    value["interface"] = interface.into();
    value["id"] = row.id.into();
    value["at"] = row.at.into();
    value
}

/// Returns a fault as machines read it; the same shape in `queue` and in `convert`.
pub fn to_json(fault: &Fault) -> Value {
    json!({
        "file": &*fault.at.extract,
        "record": fault.at.record,
        "line": fault.at.line,
        "code": fault.code.id(),
        "state": fault.code.owner().queue_state().to_string(),
        "column": fault.column,
        "field": fault.field.map(|field| field.to_string()),
        "what": fault.code.text(),
        "what_to_do": fault.code.hint(),
    })
}
