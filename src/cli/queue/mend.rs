//! `queue resubmit`, `resend`, `rebuild`, `hold`, `release`, `delete`, `mark-delivered`:
//! each asks the engine, and says what came of it.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::mend_args::{Chosen, Hold, Release, Resubmit, Whole};
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::next::Typed;
use crate::cli::output::{count, number};
use crate::cli::setup::{one, setup};
use crate::cli::sign::Asking;
use crate::cli::{Failure, Outcome};
use crate::engine::mend::{Example, Preview, Previewed, Reason};
use crate::engine::{Asked, Engine, EngineError, Mended, Selection, Task};
use crate::hl7::Path;
use crate::ledger::{Ledger, Sqlite};

/// How many records a preview shows one by one.
pub const ROWS: usize = 10;

/// Converts records that wait again.
pub fn resubmit(cli: &Cli, args: &Resubmit) -> Outcome {
    let (setup, path) = one(cli, &args.interface)?;
    let engine = setup.open(&path)?;
    let which = selection(&args.chosen)?;
    if args.preview {
        let seen = engine.preview(&which, args.changed_id, &[], ROWS)?;
        return write_preview(&which.about(), &seen, args.asking.json, &mut io::stdout().lock());
    }
    ask(cli, &engine, &Task::Resubmit { which, changed_id: args.changed_id }, &args.asking)
}

/// Reads which records are meant.
fn selection(chosen: &Chosen) -> Result<Selection, Failure> {
    let Chosen { records, code, column, value, file } = chosen.clone();
    let mut which = Selection { code, column, value, file, ..Selection::default() };
    if records == ["ALL"] {
        which.all = true;
        return Ok(which);
    }
    for record in &records {
        which.ids.push(record.parse().map_err(|_| {
            let what = "no number of a record; all of them are ALL, in capitals";
            Failure::usage(format!("`{record}` is {what}"))
        })?);
    }
    if which.is_empty() {
        let text = "say which records: their numbers, --code, --column, --file, or ALL";
        return Err(Failure::usage(text));
    }
    Ok(which)
}

/// Asks for something about one batch file, wherever it is.
pub fn of_batch(
    cli: &Cli,
    batch: &str,
    interface: Option<&str>,
    asking: &Asking,
    task: &Task,
) -> Outcome {
    let engine = owner_of(cli, batch, interface)?;
    ask(cli, &engine, task, asking)
}

/// Sets aside.
pub fn hold(cli: &Cli, args: &Hold) -> Outcome {
    let engine = whole(cli, &args.whole)?;
    let zone = &engine.agreement.scope.timezone;
    let until = args.until.map(|at| zone.to_ambiguous_zoned(at).compatible());
    let until = until.transpose().map_err(|err| Failure::usage(format!("--until: {err}")))?;
    let until = until.map(|at| at.timestamp().as_second());
    let task = Task::Hold { batch: args.whole.batch.clone(), until };
    ask(cli, &engine, &task, &args.whole.asking)
}

/// Lets go.
pub fn release(cli: &Cli, args: &Release) -> Outcome {
    let engine = whole(cli, &args.whole)?;
    ask(cli, &engine, &Task::Release { batch: args.whole.batch.clone() }, &args.whole.asking)
}

fn whole(cli: &Cli, whole: &Whole) -> Result<Engine, Failure> {
    match (&whole.batch, &whole.interface) {
        (Some(batch), interface) => owner_of(cli, batch, interface.as_deref()),
        (None, Some(interface)) => {
            let (setup, path) = one(cli, interface)?;
            setup.open(&path)
        }
        (None, None) => Err(Failure::usage("name a batch file, or an interface")),
    }
}

/// Returns the interface that made a batch file.
fn owner_of(cli: &Cli, batch: &str, interface: Option<&str>) -> Result<Engine, Failure> {
    let names: Vec<String> = interface.iter().map(|name| (*name).to_string()).collect();
    let setup = setup(cli, &names)?;
    let mut found: Vec<Engine> = Vec::new();
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let ledger = Sqlite::peek(&engine.spool.ledger(), &engine.owner());
        let ledger = ledger.map_err(EngineError::Ledger)?;
        let has = match ledger {
            Some(ledger) => ledger.batch(batch).map_err(EngineError::Ledger)?.is_some(),
            None => false,
        };
        if has {
            found.push(engine);
        }
    }
    let name = |engine: &Engine| engine.agreement.scope.interface.as_str().to_string();
    let names: Vec<String> = found.iter().map(name).collect();
    match found.pop() {
        None => Err(Failure::usage(format!("no interface made a batch file {batch}"))),
        Some(engine) if found.is_empty() => Ok(engine),
        Some(_) => {
            let names = names.join(", ");
            let text = format!("{batch} is one of {names}; say which with --interface");
            Err(Failure::usage(text))
        }
    }
}

/// Asks, and says what came of it.
fn ask(cli: &Cli, engine: &Engine, task: &Task, asking: &Asking) -> Outcome {
    // That something goes on claims nothing.
    let claims = !matches!(task, Task::Release { .. } | Task::Hold { .. });
    let asked = asking.ask(engine, task, claims)?;
    let mut out = io::stdout().lock();
    match asked {
        Asked::Left(id) => {
            if asking.json {
                writeln!(out, "{}", json!({ "left": id, "done": null }))?;
            } else {
                return left(cli, engine, task.verb(), &mut out);
            }
            Ok(Exit::DONE)
        }
        Asked::Done(mended) => {
            if asking.json {
                writeln!(out, "{}", json!({ "left": null, "done": mended }))?;
            } else {
                write!(out, "{}: ", engine.owner())?;
                write_mended(&Typed::new(cli, engine), &mended, &mut out)?;
            }
            let left = mended.counts.is_some_and(|counts| counts.error > 0);
            let waits = left || !mended.skipped.is_empty();
            Ok(if waits { Exit::WAITING } else { Exit::DONE })
        }
    }
}

/// Says that a pass which is at work was asked.
pub fn left(cli: &Cli, engine: &Engine, verb: &str, out: &mut dyn Write) -> Outcome {
    writeln!(out, "{}: a pass is at work; it is asked to {verb} next", engine.owner())?;
    writeln!(out, "  what came of it: {}", Typed::new(cli, engine).status())?;
    Ok(Exit::DONE)
}

/// Says what was done for somebody; the line was begun.
pub fn write_mended(typed: &Typed, mended: &Mended, out: &mut dyn Write) -> io::Result<()> {
    let Mended { verb, about, records, batch, counts, skipped, note } = mended;
    let messages = count(*records, "message", "messages");
    let name = batch.as_deref().unwrap_or("nothing");
    let said = match *verb {
        "resubmit" => format!("{} converted again", count(*records, "record", "records")),
        "rebuild" => format!("{messages} of {about} are {name} now"),
        "resend" => format!("{name} goes out again as it was"),
        "hold" => format!("{about} is held ({messages})"),
        "release" => format!("{about} is released ({messages})"),
        "delete" => format!("{name} is deleted, {messages}; what it told is news again"),
        "mark-delivered" => format!("{name} counts as delivered"),
        _ => format!("{verb} {about}"),
    };
    writeln!(out, "{said}")?;
    if let Some(counts) = counts {
        writeln!(
            out,
            "  {} sent, {} nothing to tell, {} at fault again, {} that newer ones stand for",
            number(counts.sent),
            number(counts.filtered),
            number(counts.error),
            number(counts.duplicate)
        )?;
        if counts.error > 0 {
            writeln!(out, "  their reasons: {}", typed.group())?;
        }
    }
    write_skipped(skipped, out)?;
    if let Some(note) = note {
        writeln!(out, "  note: {note}")?;
    }
    if matches!(*verb, "resubmit" | "rebuild" | "resend" | "release") && batch.is_some() {
        writeln!(out, "  the next run sends it: {}", typed.run(""))?;
    }
    Ok(())
}

fn write_skipped(skipped: &[(String, u64)], out: &mut dyn Write) -> io::Result<()> {
    for (why, records) in skipped {
        writeln!(out, "  {} left as they are: {why}", count(*records, "record", "records"))?;
    }
    Ok(())
}

/// Says what would come of records; returns what that ends with.
pub fn write_preview(
    about: &str,
    seen: &Preview,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let exit = match seen.counts.error > 0 || !seen.skipped.is_empty() {
        true => Exit::WAITING,
        false => Exit::DONE,
    };
    if as_json {
        writeln!(out, "{}", preview_json(about, seen))?;
        return Ok(exit);
    }
    let counts = &seen.counts;
    writeln!(
        out,
        "{about}: {} would go out, {} would have nothing to tell, {} would wait again",
        number(counts.sent),
        number(counts.filtered + counts.duplicate),
        number(counts.error)
    )?;
    write_difference(seen, out)?;
    for row in &seen.rows {
        match &row.then {
            Err(why) => writeln!(out, "  {}: {}: {why}", row.id, row.at)?,
            Ok(messages) => {
                for (event, fields) in messages {
                    writeln!(out, "  {}: {}: {}", row.id, row.at, event.telling().trigger)?;
                    for (field, value) in fields {
                        writeln!(out, "      {:<7} {value}", field.to_string())?;
                    }
                }
            }
        }
    }
    write_skipped(&seen.skipped, out)?;
    writeln!(out, "  nothing was changed")?;
    Ok(exit)
}

/// Says why records would wait again, and what of one that goes out would be different.
fn write_difference(seen: &Preview, out: &mut dyn Write) -> io::Result<()> {
    for Reason { code, column, records } in seen.reasons() {
        let wait = count(records, "record", "records");
        let (id, text) = (code.id(), code.text());
        writeln!(out, "  {wait} would wait again: {}: {text}", format!("{id} {column}").trim())?;
    }
    let Some(example) = &seen.example else { return Ok(()) };
    let Example { id, code, column, value, fields } = example;
    writeln!(out, "  for example record {id} of the queue")?;
    writeln!(out, "      now     {column} {value}: waits ({code})")?;
    for (field, value) in fields {
        writeln!(out, "      then    {field} {value}")?;
    }
    Ok(())
}

fn fields_json(fields: &[(Path, String)]) -> Value {
    let field =
        |(field, value): &(Path, String)| json!({ "field": field.to_string(), "value": value });
    fields.iter().map(field).collect()
}

fn row_json(row: &Previewed) -> Value {
    let messages = row.then.as_ref().ok().map(|messages| {
        let messages = messages.iter().map(|(event, fields)| {
            json!({ "event": event.telling().trigger, "fields": fields_json(fields) })
        });
        messages.collect::<Vec<_>>()
    });
    json!({
        "id": row.id, "file": &*row.at.extract, "record": row.at.record,
        "line": row.at.line, "messages": messages, "why_not": row.then.as_ref().err(),
    })
}

fn preview_json(about: &str, seen: &Preview) -> Value {
    let reason = |reason: &Reason| {
        let Reason { code, column, records } = reason;
        json!({ "code": code.id(), "column": column, "records": records, "what": code.text() })
    };
    let example = seen.example.as_ref().map(|one| {
        json!({
            "id": one.id, "code": one.code, "column": one.column, "value": one.value,
            "fields": fields_json(&one.fields),
        })
    });
    json!({
        "about": about, "counts": seen.counts,
        "faults": seen.faults.iter().map(super::to_json).collect::<Vec<_>>(),
        "reasons": seen.reasons().iter().map(reason).collect::<Vec<_>>(), "example": example,
        "skipped": seen.skipped, "records": seen.rows.iter().map(row_json).collect::<Vec<_>>(),
    })
}
