//! `delivery`: the batch files that are not delivered, and what a person decides about
//! one of them.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::{Cli, Decided, Delivery};
use super::exit::Exit;
use super::next::{Typed, next_steps};
use super::output::{count, time};
use super::queue::left;
use super::setup::{Setup, setup};
use super::sign::reason;
use super::status::delivery_json;
use super::{Failure, Outcome};
use crate::engine::{Asked, Engine, EngineError, Task};
use crate::ledger::{Decision, DeliveryRow, Ledger, Sqlite, Stage};

/// Lists, or decides.
pub fn delivery(cli: &Cli, args: &Delivery) -> Outcome {
    let names: Vec<String> = args.interface.iter().cloned().collect();
    let setup = setup(cli, &names)?;
    match (&args.batch, decision(&args.decided)) {
        (Some(batch), Some(decision)) => decide(cli, &setup, args, batch, decision),
        (batch, _) => list(cli, &setup, args, batch.as_deref()),
    }
}

fn decision(decided: &Decided) -> Option<Decision> {
    let Decided { delivered, resend, retry } = decided;
    [(delivered, Decision::Delivered), (resend, Decision::Resend), (retry, Decision::Retry)]
        .into_iter()
        .find_map(|(given, decision)| given.then_some(decision))
}

/// Returns what is not delivered; looks and waits for nobody.
fn undelivered(engine: &Engine) -> Result<Vec<DeliveryRow>, Failure> {
    let ledger = Sqlite::peek(&engine.spool.ledger(), &engine.owner());
    let rows = match ledger.map_err(EngineError::Ledger)? {
        Some(ledger) => ledger.undelivered().map_err(EngineError::Ledger)?,
        None => Vec::new(),
    };
    Ok(rows)
}

fn decide(cli: &Cli, setup: &Setup, args: &Delivery, batch: &str, decision: Decision) -> Outcome {
    let why = match decision {
        // That something is tried again claims nothing.
        Decision::Retry => reason(args.why.as_deref().or(Some("delivery --retry")))?,
        Decision::Delivered | Decision::Resend => reason(args.why.as_deref())?,
    };
    let engine = only_one(setup, batch)?;
    let (name, endpoint) = (batch.to_string(), args.endpoint.clone());
    let task = Task::Decide { batch: name, endpoint, decision };
    if let Asked::Left(_) = args.patience.ask(&engine, &task, why)? {
        let what = format!("{} {batch}", task.verb());
        return left(cli, &engine, &what, &mut io::stdout().lock());
    }
    let typed = Typed::new(cli, &engine);
    let said = match decision {
        Decision::Delivered => {
            format!("counts as delivered; what waits behind it: {}", typed.run(""))
        }
        Decision::Resend => format!("is sent again by the next run: {}", typed.run("")),
        Decision::Retry => format!("is tried again by the next run: {}", typed.run("")),
    };
    writeln!(io::stdout().lock(), "{}: {batch} {said}", engine.owner())?;
    Ok(Exit::DONE)
}

/// Returns the interface that a batch waits in: its name alone may be that of more.
fn only_one(setup: &Setup, batch: &str) -> Result<Engine, Failure> {
    let mut found = Vec::new();
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        if undelivered(&engine)?.iter().any(|row| row.batch.name == batch) {
            found.push(engine);
        }
    }
    match found.pop() {
        None => Err(EngineError::NothingWaits { what: format!("batch {batch}") }.into()),
        Some(engine) if found.is_empty() => Ok(engine),
        Some(engine) => {
            found.push(engine);
            let name = |engine: &Engine| engine.agreement.scope.interface.as_str().to_string();
            let names: Vec<String> = found.iter().map(name).collect();
            let names = names.join(", ");
            let text = format!("{batch} waits in {names}; say which with --interface");
            Err(Failure::usage(text))
        }
    }
}

fn list(cli: &Cli, setup: &Setup, args: &Delivery, batch: Option<&str>) -> Outcome {
    let (mut all, mut exit, mut known) = (Vec::new(), Exit::DONE, batch.is_none());
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let mut rows = undelivered(&engine)?;
        rows.retain(|row| batch.is_none_or(|batch| row.batch.name == batch));
        known |= !rows.is_empty();
        if rows.iter().any(|row| row.failure.is_some()) {
            exit = exit.graver(Exit::DELIVERY);
        }
        if args.json {
            all.extend(rows.iter().map(|row| {
                let mut value = delivery_json(row);
                value["interface"] = json!(engine.agreement.scope.interface.as_str());
                value
            }));
        } else if batch.is_none() || !rows.is_empty() {
            write(&Typed::new(cli, &engine), &engine, &rows, &mut io::stdout().lock())?;
        }
    }
    if let (Some(batch), false) = (batch, known) {
        return Err(EngineError::NothingWaits { what: format!("batch {batch}") }.into());
    }
    if args.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

fn write(
    typed: &Typed,
    engine: &Engine,
    rows: &[DeliveryRow],
    out: &mut dyn Write,
) -> io::Result<()> {
    let files = count(rows.len() as u64, "batch file", "batch files");
    writeln!(out, "{}: {files} not delivered", engine.owner())?;
    rows.iter().try_for_each(|row| write_undelivered(typed, engine, row, out))
}

/// Shows a batch that is not delivered, why, and what to do.
pub fn write_undelivered(
    typed: &Typed,
    engine: &Engine,
    row: &DeliveryRow,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (batch, zone) = (&row.batch, &engine.agreement.scope.timezone);
    let messages = count(batch.messages, "message", "messages");
    let since = time(batch.made_at, zone);
    let (name, to) = (&batch.name, &row.endpoint);
    writeln!(out, "  not delivered: {name} to {to} ({messages}, since {since})")?;
    if row.stage == Stage::Held {
        let until = row.held_until.map(|at| time(at, zone));
        let until = until.unwrap_or_else(|| "somebody releases it".to_string());
        writeln!(out, "    held until {until}")?;
    }
    let Some(failure) = &row.failure else { return Ok(()) };
    let at = time(failure.at, zone);
    writeln!(out, "    {}, try {} at {at}: {}", row.stage, row.tries, failure.what)?;
    next_steps(typed, (&batch.name, &row.endpoint), row.stage, failure)
        .iter()
        .try_for_each(|step| writeln!(out, "    {step}"))
}
