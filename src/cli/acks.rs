//! `acks`: what receivers acknowledged: the answers that are awaited, the messages that
//! were refused, and what a person decides about them.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::{Acks, Cli};
use super::exit::Exit;
use super::output::{count, time};
use super::queue::left;
use super::setup::{Setup, setup};
use super::sign::reason;
use super::{Failure, Outcome};
use crate::engine::{Asked, Engine, EngineError, Task, overdue};
use crate::ledger::{AnswerRow, Answers, DeliveryRow, Sqlite};

/// Lists, or decides.
pub fn acks(cli: &Cli, args: &Acks) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    match &args.acknowledged {
        Some(batch) => end_wait(cli, &setup, args, batch),
        None if !args.close.is_empty() => close(cli, &setup, args),
        None => list(&setup, args),
    }
}

/// Returns the one interface that a decision is about.
fn only_one(setup: &Setup) -> Result<Engine, Failure> {
    match setup.interfaces.as_slice() {
        [path] => setup.open(path),
        _ => Err(Failure::usage("say which interface: its name behind `acks`")),
    }
}

fn close(cli: &Cli, setup: &Setup, args: &Acks) -> Outcome {
    let why = reason(args.why.as_deref())?;
    let engine = only_one(setup)?;
    let task = Task::CloseRejected(args.close.clone());
    let Asked::Done(done) = args.patience.ask(&engine, &task, why)? else {
        return left(cli, &engine, task.verb(), &mut io::stdout().lock());
    };
    let messages = count(done.records, "message counts", "messages count");
    writeln!(io::stdout().lock(), "{}: {messages} as DELETED", engine.owner())?;
    Ok(Exit::DONE)
}

fn end_wait(cli: &Cli, setup: &Setup, args: &Acks, batch: &str) -> Outcome {
    let why = reason(args.why.as_deref())?;
    let engine = only_one(setup)?;
    let task = Task::EndWait { batch: batch.to_string(), endpoint: args.endpoint.clone() };
    if let Asked::Left(_) = args.patience.ask(&engine, &task, why)? {
        let what = format!("await no answer about {batch}");
        return left(cli, &engine, &what, &mut io::stdout().lock());
    }
    let owner = engine.owner();
    writeln!(io::stdout().lock(), "{owner}: {batch} awaits no answer any more")?;
    Ok(Exit::DONE)
}

/// What stands in one interface.
#[derive(Default)]
struct Standing {
    awaited: Vec<DeliveryRow>,
    overdue: usize,
    rejected: Vec<AnswerRow>,
}

fn look(engine: &Engine, limit: u64) -> Result<Standing, EngineError> {
    let Some(ledger) = Sqlite::peek(&engine.spool.ledger(), &engine.owner())? else {
        return Ok(Standing::default());
    };
    Ok(Standing {
        awaited: ledger.awaited()?,
        overdue: overdue(engine, &ledger)?.len(),
        rejected: ledger.rejected(limit)?,
    })
}

fn list(setup: &Setup, args: &Acks) -> Outcome {
    let (mut all, mut exit) = (Vec::new(), Exit::DONE);
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let standing = look(&engine, args.limit)?;
        if !standing.rejected.is_empty() {
            exit = exit.graver(Exit::WAITING);
        }
        if standing.overdue > 0 {
            exit = exit.graver(Exit::DELIVERY);
        }
        if args.named.json {
            all.push(to_json(&engine, &standing, args.texts));
        } else {
            write(&engine, &standing, args.texts, &mut io::stdout().lock())?;
        }
    }
    if args.named.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

fn write(engine: &Engine, standing: &Standing, texts: bool, out: &mut dyn Write) -> io::Result<()> {
    let (awaited, rejected) = (standing.awaited.len() as u64, standing.rejected.len() as u64);
    let awaited = count(awaited, "batch file awaits its answer", "batch files await their answer");
    let refused = count(rejected, "message was refused", "messages were refused");
    writeln!(out, "{}: {awaited}, {refused}", engine.owner())?;
    standing.awaited.iter().try_for_each(|row| write_awaited(engine, row, out))?;
    for row in &standing.rejected {
        let AnswerRow { endpoint, answer, .. } = row;
        let (id, code) = (control_id(engine, row), answer.code.word());
        writeln!(
            out,
            "  {}: {id} refused by {endpoint} ({code}): {}",
            answer.control, answer.what
        )?;
        if texts && !answer.said.is_empty() {
            writeln!(out, "    they say: {}", answer.said)?;
        }
    }
    if rejected > 0 {
        let todo =
            "    what to do: mend the cause and drop the record again, then --close its number";
        writeln!(out, "{todo}")?;
    }
    Ok(())
}

/// Shows a batch whose acknowledgement is awaited.
pub fn write_awaited(engine: &Engine, row: &DeliveryRow, out: &mut dyn Write) -> io::Result<()> {
    let zone = &engine.agreement.scope.timezone;
    let due = row.answer_due().unwrap_or(0);
    let late = if due < engine.clock.unix() { "OVERDUE since" } else { "due" };
    let messages = count(row.batch.messages, "message", "messages");
    let (batch, endpoint, due) = (&row.batch.name, &row.endpoint, time(due, zone));
    writeln!(out, "  not acknowledged: {batch} by {endpoint} ({messages}), {late} {due}")
}

fn control_id(engine: &Engine, row: &AnswerRow) -> String {
    format!("{}M{}", row.answer.control, engine.agreement.scope.context_id)
}

/// Returns a batch that is awaited as machines read it.
pub fn awaited_json(engine: &Engine, row: &DeliveryRow) -> Value {
    let due = row.answer_due();
    json!({
        "batch": row.batch.name,
        "endpoint": row.endpoint,
        "messages": row.batch.messages,
        "delivered_at": row.receipt.as_ref().map(|receipt| receipt.at),
        "due_at": due,
        "overdue": due.is_some_and(|due| due < engine.clock.unix()),
    })
}

fn to_json(engine: &Engine, standing: &Standing, texts: bool) -> Value {
    let rejected = |row: &AnswerRow| {
        let mut value = json!({
            "message": row.answer.control,
            "control_id": control_id(engine, row),
            "batch_number": row.batch,
            "endpoint": row.endpoint,
            "code": row.answer.code.word(),
            "what": row.answer.what,
            "at": row.at,
        });
        if texts {
            value["text"] = json!(row.answer.said);
        }
        value
    };
    let awaited = standing.awaited.iter().map(|row| awaited_json(engine, row));
    json!({
        "interface": engine.agreement.scope.interface.as_str(),
        "environment": engine.agreement.scope.environment.word(),
        "awaited": awaited.collect::<Vec<_>>(),
        "rejected": standing.rejected.iter().map(rejected).collect::<Vec<_>>(),
    })
}
