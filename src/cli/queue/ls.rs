//! `queue ls`: the records that wait for a person, each with its reason and what to do;
//! and the closing of those that need no mending.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::args::{Closed, List};
use super::mend::left;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::next::Typed;
use crate::cli::output::{count, number, time};
use crate::cli::setup::{Setup, name, setup};
use crate::cli::sign::reason;
use crate::cli::{Failure, Outcome};
use crate::domain::{Code, Fault};
use crate::engine::{Asked, Engine, EngineError, Selection, Task};
use crate::ledger::{FaultRow, Ledger, LedgerError, Sqlite};

/// What waits in one interface.
struct Waiting {
    /// The newest of them.
    rows: Vec<FaultRow>,
    /// How many there are.
    total: u64,
}

/// Lists the queue of every interface that was asked for, or closes some of one.
pub fn ls(cli: &Cli, args: &List) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    if let Some(which) = closing(&args.closed)? {
        return close(cli, &setup, which, args);
    }
    let mut all = Vec::new();
    let mut exit = Exit::DONE;
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let waiting = waiting(&engine, args.limit)?;
        if waiting.total > 0 {
            exit = exit.graver(Exit::WAITING);
        }
        if args.named.json {
            let interface = engine.agreement.scope.interface.as_str();
            all.extend(waiting.rows.iter().map(|row| with(interface, row)));
        } else {
            let zone = &engine.agreement.scope.timezone;
            write(&engine.owner(), &waiting, zone, &mut io::stdout().lock())?;
        }
    }
    if args.named.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

/// Returns what the command line closes, if it does.
fn closing(args: &Closed) -> Result<Option<Selection>, Failure> {
    if let Some(id) = &args.close_all {
        let code = Code::of_id(id).ok_or_else(|| {
            let text = format!("there is no code `{id}`; `hl7drop explain` lists them all");
            Failure::usage(text)
        })?;
        let code = Some(code.id().to_string());
        return Ok(Some(Selection { code, ..Selection::default() }));
    }
    if let Some(file) = &args.close_file {
        return Ok(Some(Selection { file: Some(file.clone()), ..Selection::default() }));
    }
    let ids: BTreeSet<i64> = args.close.iter().copied().collect();
    Ok((!ids.is_empty()).then(|| Selection::of_ids(ids.into_iter().collect())))
}

fn close(cli: &Cli, setup: &Setup, which: Selection, args: &List) -> Outcome {
    let why = reason(args.why.as_deref())?;
    // Each interface counts its records from 1.
    let [path] = setup.interfaces.as_slice() else {
        let names: Vec<String> = setup.interfaces.iter().map(|path| name(path)).collect();
        let text = format!("name one interface to close records of: {}", names.join(", "));
        return Err(Failure::usage(text));
    };
    let engine = setup.open(path)?;
    let asked = args.patience.ask(&engine, &Task::Close(which), why)?;
    let mut out = io::stdout().lock();
    let Asked::Done(done) = asked else { return left(cli, &engine, "close", &mut out) };
    let left = waiting(&engine, 0)?.total;
    let closed = count(done.records, "record", "records");
    writeln!(out, "{}: {closed} closed, now DELETED; {}", engine.owner(), waits(left))?;
    if left > 0 {
        writeln!(out, "  {}", Typed::new(cli, &engine).queue())?;
    }
    Ok(Exit::DONE)
}

fn waiting(engine: &Engine, limit: u64) -> Result<Waiting, Failure> {
    let wrap = |err: LedgerError| Failure::from(EngineError::Ledger(err));
    let ledger = Sqlite::peek(&engine.spool.ledger(), &engine.owner()).map_err(wrap)?;
    let Some(ledger) = ledger else { return Ok(Waiting { rows: Vec::new(), total: 0 }) };
    let rows = ledger.faults(limit).map_err(wrap)?;
    let states = ledger.totals().map_err(wrap)?.states;
    let total = states.iter().filter(|(state, _)| state.is_error()).map(|(_, count)| count).sum();
    Ok(Waiting { rows, total })
}

fn waits(total: u64) -> String {
    count(total, "record waits", "records wait")
}

fn write(owner: &str, waiting: &Waiting, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let Waiting { rows, total } = waiting;
    let shown = rows.len() as u64;
    let only = if shown < *total {
        format!("; the newest {} are shown (--limit)", number(shown))
    } else {
        String::new()
    };
    writeln!(out, "{owner}: {}{only}", waits(*total))?;
    let mut groups: BTreeMap<(Code, String), Vec<&FaultRow>> = BTreeMap::new();
    for row in rows {
        let fault = &row.fault;
        groups.entry((fault.code, fault.column.to_string())).or_default().push(row);
    }
    for ((code, column), rows) in groups {
        let state = code.owner().queue_state();
        let column = if column.is_empty() { "row" } else { &column };
        let records = count(rows.len() as u64, "record", "records");
        writeln!(out, "  {} {state}: {column}: {} ({records})", code.id(), code.text())?;
        writeln!(out, "    what to do: {}", code.hint())?;
        for FaultRow { id, fault, since, times, .. } in rows {
            let field = fault.field.map_or(String::new(), |field| format!(", {field}"));
            let often = match times {
                1 => String::new(),
                times => format!("; {} rows since {}", number(*times), time(*since, zone)),
            };
            writeln!(out, "      {id}: {}{field}{often}", fault.at)?;
        }
    }
    Ok(())
}

fn with(interface: &str, row: &FaultRow) -> Value {
    let mut value = to_json(&row.fault);
    value["interface"] = interface.into();
    value["id"] = row.id.into();
    value["at"] = row.at.into();
    value["since"] = row.since.into();
    value["times"] = row.times.into();
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
