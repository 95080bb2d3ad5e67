//! `prune`: what is done and kept long enough leaves now; or what leaves when.

use std::io::{self, Write};

use clap::Args;
use serde_json::{Value, json};

use super::args::{Cli, Named};
use super::exit::{self, Exit};
use super::output::{complain, count, number};
use super::setup::{name, setup};
use super::sign::sign;
use super::{Failure, Outcome};
use crate::engine::retention::usage::{Forecast, bytes};
use crate::engine::{Amount, Engine, Leaves, Pruned};

/// `prune`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Prune {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
    /// Change nothing: say what would go now, and what goes on which day
    #[arg(long)]
    pub dry_run: bool,
}

/// Days that are shown, the next ones.
const DAYS: usize = 10;

/// Lets go, or says what would go, of every interface that was asked for.
pub fn prune(cli: &Cli, args: &Prune) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let (mut exit, mut all) = (Exit::DONE, Vec::new());
    let mut out = io::stdout().lock();
    for path in &setup.interfaces {
        let done = setup.open(path).and_then(|engine| {
            if args.dry_run {
                let plan = engine.plan()?;
                return Ok((None, Some(plan), engine));
            }
            let pruned = engine.prune(&sign(&engine, "prune"))?;
            Ok((Some(pruned), None, engine))
        });
        match done {
            Ok((pruned, plan, engine)) if args.named.json => {
                all.push(to_json(&engine, pruned.as_ref(), plan.as_ref()));
            }
            Ok((pruned, plan, engine)) => {
                writeln!(out, "{}", engine.owner())?;
                pruned.iter().try_for_each(|pruned| write_pruned(pruned, &mut out))?;
                plan.iter().try_for_each(|plan| write_plan(plan, &mut out))?;
                if let Some(forecast) = engine.forecast() {
                    writeln!(out, "  room: {}", forecast.text())?;
                }
            }
            Err(Failure { exit: failed, text }) => {
                exit = exit.graver(failed);
                complain(&format!("{}: {text}", name(path)));
                all.push(json!({ "interface": name(path), "error": text }));
            }
        }
    }
    if args.named.json {
        writeln!(out, "{}", Value::Array(all))?;
    }
    Ok(exit)
}

/// Says what left, if anything did.
pub fn write_pruned(pruned: &Pruned, out: &mut dyn Write) -> io::Result<()> {
    let Pruned { messages, records, files, actions, .. } = *pruned;
    if *pruned == Pruned::default() {
        return writeln!(out, "  nothing leaves now");
    }
    writeln!(
        out,
        "  left with their time: {}, {}, {} ({}), {}; the ledger gave {} back",
        count(messages, "message", "messages"),
        count(records, "record", "records"),
        count(files, "file", "files"),
        bytes(pruned.bytes),
        count(actions, "decision", "decisions"),
        bytes(pruned.given_back),
    )
}

fn write_plan(plan: &Leaves, out: &mut dyn Write) -> io::Result<()> {
    if !plan.ever {
        writeln!(out, "  messages stay for ever (queue_days = 0)")?;
    }
    let amount = |amount: &Amount| {
        let waiting = match amount.waiting {
            0 => String::new(),
            more => format!("; {} stay, since they wait", count(more, "record", "records")),
        };
        format!(
            "{} in {}, {} of extracts and batch files{waiting}",
            count(amount.messages, "message", "messages"),
            count(amount.drops, "drop", "drops"),
            bytes(amount.bytes)
        )
    };
    match plan.now {
        none if none == Amount::default() => writeln!(out, "  now: nothing")?,
        now => writeln!(out, "  now: {}", amount(&now))?,
    }
    for (day, one) in plan.days.iter().take(DAYS) {
        writeln!(out, "  {day}: {}", amount(one))?;
    }
    if plan.days.len() > DAYS {
        writeln!(out, "  and on {} more days", number((plan.days.len() - DAYS) as u64))?;
    }
    writeln!(out, "  not at rest, or the newest: {}", amount(&plan.open))
}

fn to_json(engine: &Engine, pruned: Option<&Pruned>, plan: Option<&Leaves>) -> Value {
    let amount = |one: &Amount| {
        json!({
            "drops": one.drops, "messages": one.messages, "waiting": one.waiting,
            "bytes": one.bytes,
        })
    };
    let day = |(day, one): (&jiff::civil::Date, &Amount)| {
        let mut value = amount(one);
        value["day"] = Value::from(day.to_string());
        value
    };
    json!({
        "interface": engine.agreement.scope.interface.as_str(),
        "environment": engine.agreement.scope.environment.word(),
        "left": pruned.map(|one| json!({
            "messages": one.messages, "records": one.records, "files": one.files,
            "bytes": one.bytes, "actions": one.actions, "given_back": one.given_back,
        })),
        "now": plan.map(|plan| amount(&plan.now)),
        "days": plan.map(|plan| plan.days.iter().map(day).collect::<Vec<_>>()),
        "open": plan.map(|plan| amount(&plan.open)),
        "room": engine.forecast().as_ref().map(room_json),
    })
}

/// Returns how it stands with room as machines read it.
pub fn room_json(forecast: &Forecast) -> Value {
    json!({
        "measured_at": forecast.measured_at,
        "used_bytes": forecast.used,
        "left_bytes": forecast.room,
        "limit": forecast.limit,
        "bytes_per_day": forecast.per_day,
        "full_in_days": forecast.full_in,
    })
}
