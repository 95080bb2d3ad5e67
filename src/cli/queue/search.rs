//! `queue search`: messages and rows by what is known of them. What it prints names no
//! patient.

use std::io::{self, BufRead, Write};

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::args::Search;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::output::{complain, count, time};
use crate::cli::setup::setup;
use crate::cli::{Failure, Outcome};
use crate::engine::{Engine, Found, Hit, Query};

/// Searches every interface that was asked for.
pub fn search(cli: &Cli, args: &Search) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    if args.after.is_some() && setup.interfaces.len() != 1 {
        return Err(Failure::usage("name one interface to go on in: each counts its own drops"));
    }
    let patient = match args.patient.as_deref() {
        Some("-") => {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            Some(line.trim().to_string())
        }
        other => other.map(str::to_string),
    };
    let (mut exit, mut all) = (Exit::DONE, Vec::new());
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let found = engine.find(&query(args, patient.clone(), &engine)?, args.after, args.limit)?;
        if !found.unsearchable.is_empty() {
            exit = exit.graver(Exit::LOCAL);
            let drops = count(found.unsearchable.len() as u64, "drop", "drops");
            complain(&format!(
                "{}: {drops} could not be searched: the index is not there or damaged; \
                 `hl7drop check` names it, and the next run makes a missing one anew",
                engine.owner()
            ));
        }
        if args.named.json {
            all.push(page(&engine, &found));
        } else {
            write(&engine, &found, &mut io::stdout().lock())?;
        }
    }
    if args.named.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

fn query(args: &Search, patient: Option<String>, engine: &Engine) -> Result<Query, Failure> {
    let zone = &engine.agreement.scope.timezone;
    let day_after = |day: Date| {
        day.checked_add(1.day()).map_err(|err| Failure::usage(format!("--to {day}: {err}")))
    };
    Ok(Query {
        patient,
        appointment: args.appointment.clone(),
        control: args.control.clone(),
        external: args.external.clone(),
        file: args.file.clone(),
        batch: args.batch.clone(),
        state: args.state,
        reason: args.reason.clone(),
        event: args.event,
        from: args.from.map(|day| begin(day, zone)).transpose()?,
        to: args.to.map(|day| begin(day_after(day)?, zone)).transpose()?,
    })
}

/// Returns when a day begins at the practice, unix seconds.
fn begin(day: Date, zone: &TimeZone) -> Result<i64, Failure> {
    let stamp = zone.to_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
    let stamp = stamp.map_err(|err| Failure::usage(format!("{day}: {err}")))?;
    Ok(stamp.as_second())
}

fn write(engine: &Engine, found: &Found, out: &mut dyn Write) -> io::Result<()> {
    let zone = &engine.agreement.scope.timezone;
    let more = if found.next.is_some() { ", and more" } else { "" };
    writeln!(out, "{}: {}{more}", engine.owner(), count(found.hits.len() as u64, "hit", "hits"))?;
    found.hits.iter().try_for_each(|hit| writeln!(out, "  {}", line(hit, zone)))?;
    if let Some(next) = found.next {
        writeln!(out, "  the next page: --after {next}")?;
    }
    Ok(())
}

/// Returns a hit as a line for people.
pub fn line(hit: &Hit, zone: &TimeZone) -> String {
    let mut text = format!("{:<10} {}  {}", hit.locator.to_string(), time(hit.at, zone), hit.state);
    if let Some(event) = hit.event {
        let telling = event.telling();
        text += &format!("  {}^{} {}", telling.message, telling.trigger, telling.key);
    }
    if let (Some(control), Some(batch)) = (&hit.control, &hit.batch) {
        text += &format!("  {control} in {batch}");
    }
    if let Some(file) = &hit.file {
        text += &format!("  {file}, record {}, line {}", hit.record, hit.line);
    }
    if let Some((word, reason)) = &hit.reason {
        text += &format!("  {word}: {reason}");
    }
    text
}

fn page(engine: &Engine, found: &Found) -> Value {
    json!({
        "interface": engine.agreement.scope.interface.as_str(),
        "hits": found.hits.iter().map(to_json).collect::<Vec<_>>(),
        "next": found.next.map(|next| next.to_string()),
        "unsearchable_drops": found.unsearchable,
    })
}

/// Returns a hit as machines read it.
pub fn to_json(hit: &Hit) -> Value {
    let (reason, reason_text) = hit.reason.clone().unzip();
    json!({
        "message": hit.locator.to_string(),
        "at": hit.at,
        "state": hit.state.to_string(),
        "reason": reason,
        "reason_text": reason_text,
        "event": hit.event.map(|event| event.telling().key),
        "control_id": hit.control,
        "batch": hit.batch,
        "file": hit.file,
        "record": hit.record,
        "line": hit.line,
        "queue_id": hit.fault,
    })
}
