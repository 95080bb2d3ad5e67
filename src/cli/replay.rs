//! `replay`: what archived extracts would be under other settings, against what was sent.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::args::Cli;
use super::exit::{self, Exit};
use super::output::{count, number};
use super::setup;
use super::sign::sign;
use super::{Failure, Outcome};
use crate::engine::{Engine, FieldChange, Replay};
use crate::hl7::field_name;

/// `replay`.
///
/// Extracts of archive/ are converted under the settings of another interface file and held
/// against the messages that were sent of them: what a change will do before it does it.
/// Nothing is sent, and nothing is kept.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct ReplayArgs {
    /// The interface file with the new settings
    #[arg(long, value_name = "FILE")]
    pub interface: PathBuf,
    /// Show so many values of each field, before and after; patient data: that you looked is
    /// kept with your name
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub examples: usize,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
    /// Extracts of patients or appointments, as they lie in archive/
    #[arg(required = true, value_name = "EXTRACT")]
    pub extracts: Vec<PathBuf>,
}

/// Converts again, and compares.
pub fn replay(cli: &Cli, args: &ReplayArgs) -> Outcome {
    let program = setup::program_of(cli)?;
    let scope = setup::scope(&args.interface)?;
    let progress = super::output::progress();
    let engine = Engine::open(scope, &program.spool, program.workers, progress)?;
    if !engine.spool.ledger().exists() {
        let text = format!(
            "{} never took anything in below {}; is [project] interface of the new file the name \
             of the old one?",
            engine.owner(),
            engine.spool.root.display()
        );
        return Err(Failure::usage(text));
    }
    if args.examples > 0 {
        // It is patient data: who looks is written down before anything is shown.
        let files: Vec<String> =
            args.extracts.iter().map(|path| setup::name(path)).take(5).collect();
        let look = sign(&engine, "replay --examples");
        engine.viewed(&format!("a replay of {}", files.join(", ")), &look)?;
    }
    let replay = engine.replay(&args.extracts, args.examples)?;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", to_json(&engine, &replay))?,
        false => write(&engine, &replay, &mut out)?,
    }
    Ok(Exit::DONE)
}

fn write(engine: &Engine, replay: &Replay, out: &mut dyn Write) -> io::Result<()> {
    let Replay { messages, same, changed, not_made, others, fields } = replay;
    writeln!(out, "{}: {} were sent", engine.owner(), count(*messages, "message", "messages"))?;
    writeln!(out, "  {} would be the same, {} others", number(*same), number(*changed))?;
    for (why, messages) in not_made {
        writeln!(out, "  {} would not be sent: {why}", number(*messages))?;
    }
    for (what, rows) in others {
        writeln!(out, "  of rows that made none, {}: {what}", number(*rows))?;
    }
    for (place, change) in fields {
        let FieldChange { changed, added, removed, examples } = change;
        let (changed, added, removed) = (number(*changed), number(*added), number(*removed));
        let name = name_of(engine, place);
        writeln!(out, "  {place:<7} {name}: {changed} changed, {added} new, {removed} gone")?;
        for (was, is) in examples {
            writeln!(out, "    {was:?} -> {is:?}")?;
        }
    }
    Ok(())
}

fn name_of(engine: &Engine, place: &str) -> &'static str {
    let version = &engine.agreement.scope.wire.hl7_version;
    let (segment, field) = place.split_once('-').unwrap_or((place, ""));
    field_name(version, segment, field.parse().unwrap_or(0))
}

fn to_json(engine: &Engine, replay: &Replay) -> Value {
    let fields = replay.fields.iter().map(|(place, change)| {
        let mut value = json!({
            "field": place,
            "name": name_of(engine, place),
            "changed": change.changed,
            "added": change.added,
            "removed": change.removed,
        });
        if !change.examples.is_empty() {
            let example = |(was, is): &(String, String)| json!({ "before": was, "after": is });
            value["examples"] = change.examples.iter().map(example).collect();
        }
        value
    });
    json!({
        "interface": engine.agreement.scope.interface.as_str(),
        "environment": engine.agreement.scope.environment.word(),
        "messages": replay.messages,
        "same": replay.same,
        "changed": replay.changed,
        "not_made": replay.not_made,
        "other_rows": replay.others,
        "fields": fields.collect::<Vec<_>>(),
    })
}
