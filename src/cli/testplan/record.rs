//! `testplan review` and `testplan record`: what people read and saw.

use std::io::{self, Write};

use jiff::civil::Date;

use super::args::{Record, Review};
use super::{Opened, opened};
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::output::count;
use crate::cli::sign::{NAME_CHARS_MAX, day, line, person};
use crate::cli::{Failure, Outcome};
use crate::engine::Engine;
use crate::engine::testplan::folder::Folder;
use crate::papers::testplan as papers;

/// As much as a few sentences need.
const NOTE_CHARS_MAX: usize = 1000;

/// Notes down who read the plan.
pub fn review(cli: &Cli, args: &Review) -> Outcome {
    let Opened { engine, folder, .. } = opened(cli, &args.which)?;
    let folder = Folder::open(&folder)?;
    let name = line("--by", &args.by, NAME_CHARS_MAX)?;
    let date = date_of(&engine, args.date)?;
    let before = folder.altered(&folder.results()?)?;
    let files = folder.files()?;
    if let Some(gone) = files.iter().find(|(_, digest)| digest.is_empty()) {
        let text = format!("{} of the plan is not there any more; write the plan anew", gone.0);
        return Err(Failure::usage(text));
    }
    let review = papers::Review {
        name: name.clone(),
        date: date.to_string(),
        at: engine.clock.unix(),
        by: person(),
        files,
    };
    folder.note(|results| results.review = Some(review))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: reviewed by {name} on {date}", folder.plan.interface)?;
    for file in before {
        writeln!(out, "  with changes: {file}")?;
    }
    Ok(Exit::DONE)
}

/// Notes down what people saw.
pub fn record(cli: &Cli, args: &Record) -> Outcome {
    let Opened { engine, folder, .. } = opened(cli, &args.which)?;
    let folder = Folder::open(&folder)?;
    let by = line("--by", &args.by, NAME_CHARS_MAX)?;
    let note = match &args.note {
        Some(note) => line("--note", note, NOTE_CHARS_MAX)?,
        None if args.came.failed => {
            return Err(Failure::usage("say with --note what was not as it must be"));
        }
        None => String::new(),
    };
    let date = date_of(&engine, args.date)?;
    let all = args.scenarios.iter().any(|one| one == "all");
    let known = || folder.plan.scenarios.iter().map(|one| one.id.clone());
    let chosen: Vec<String> = if all { known().collect() } else { args.scenarios.clone() };
    if let Some(strange) = chosen.iter().find(|id| !known().any(|one| one == **id)) {
        let last = known().next_back().unwrap_or_default();
        let text = format!("the plan has no scenario {strange}; it has 01 to {last}");
        return Err(Failure::usage(text));
    }
    let outcome = |scenario: &String| papers::Outcome {
        scenario: scenario.clone(),
        phase: args.phase.phase(),
        passed: args.came.passed,
        by: by.clone(),
        date: date.to_string(),
        at: engine.clock.unix(),
        note: note.clone(),
        differences: Vec::new(),
        batches: Vec::new(),
        token: String::new(),
    };
    let outcomes: Vec<papers::Outcome> = chosen.iter().map(outcome).collect();
    folder.note(|results| results.outcomes.extend(outcomes))?;
    let word = if args.came.passed { "passed" } else { "failed" };
    let scenarios = count(chosen.len() as u64, "scenario", "scenarios");
    let phase = args.phase.phase().word();
    writeln!(io::stdout().lock(), "{scenarios} {word} in the {phase} phase, says {by}")?;
    Ok(Exit::DONE)
}

fn date_of(engine: &Engine, given: Option<Date>) -> Result<Date, Failure> {
    let today = engine.clock.civil(&engine.agreement.scope.timezone).date();
    day("--date", given, today)
}
