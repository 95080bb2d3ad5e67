//! `testplan`: what is tried before go-live, by whom, and what came of it.

pub mod args;
mod record;
mod report;

use std::io::{self, Write as _};
use std::path::PathBuf;

use serde_json::json;

use args::{Run, Testplan, TestplanVerb, Which, Write};

use super::args::Cli;
use super::exit::Exit;
use super::output::count;
use super::setup::{self, Setup};
use super::sign::sign;
use super::{Failure, Outcome};
use crate::engine::Engine;
use crate::engine::testplan::folder::{Folder, usual};
use crate::engine::testplan::{self};
use crate::papers::testplan::{self as papers, Scenario};

/// Does what was asked with a test plan.
pub fn testplan(cli: &Cli, args: &Testplan) -> Outcome {
    match &args.verb {
        TestplanVerb::Write(args) => write(cli, args),
        TestplanVerb::Review(args) => record::review(cli, args),
        TestplanVerb::Run(args) => run(cli, args),
        TestplanVerb::Record(args) => record::record(cli, args),
        TestplanVerb::Report(args) => report::report(cli, args),
    }
}

/// An interface that was opened, and where its plan is.
struct Opened {
    setup: Setup,
    path: PathBuf,
    text: String,
    engine: Engine,
    folder: PathBuf,
}

fn opened(cli: &Cli, which: &Which) -> Result<Opened, Failure> {
    let (setup, path) = setup::one(cli, &which.interface)?;
    let (text, folder_of) = setup::own_text(&path)?;
    let order = (setup.program.spool.as_path(), setup.program.workers);
    let silent = std::sync::Arc::new(crate::engine::Silent);
    let engine = setup::open(&path, &text, &folder_of, order, silent)?;
    let folder = which.dir.clone().unwrap_or_else(|| usual(&path));
    Ok(Opened { setup, path, text, engine, folder })
}

fn write(cli: &Cli, args: &Write) -> Outcome {
    let Opened { text, engine, folder, .. } = opened(cli, &args.which)?;
    let sign = sign(&engine, "testplan write");
    let progress = super::output::progress();
    let mut begun = false;
    let mut each = |at: usize, of: usize| {
        if !std::mem::replace(&mut begun, true) {
            progress.begin("rehearsing", of as u64);
        } else {
            progress.advance(1);
        }
        if at == of {
            progress.end();
        }
    };
    let written = testplan::write(&engine, &text, &folder, args.replace, &sign, &mut each)?;
    let plan = written.plan;
    let mut out = io::stdout().lock();
    let scenarios = count(plan.scenarios.len() as u64, "scenario", "scenarios");
    writeln!(out, "{}: {scenarios} in {}", plan.interface, folder.display())?;
    if let Some(aside) = written.aside {
        writeln!(out, "  the plan before, with its results: {}", aside.display())?;
    }
    for doubt in &plan.doubts {
        writeln!(out, "  look first: {doubt}")?;
    }
    let name = &plan.interface;
    writeln!(out, "  read plan.html, or plan.md, and expected/; then")?;
    writeln!(out, "    hl7drop testplan review {name} --by \"WHO\"")?;
    writeln!(out, "    hl7drop testplan run {name}")?;
    Ok(if plan.doubts.is_empty() { Exit::DONE } else { Exit::WAITING })
}

fn run(cli: &Cli, args: &Run) -> Outcome {
    let Opened { text, mut engine, folder, .. } = opened(cli, &args.which)?;
    let folder = Folder::open(&folder)?;
    let sign = sign(&engine, "testplan run");
    let mut told = Ok(());
    let mut each = |scenario: &Scenario, outcome: &papers::Outcome| {
        if !args.json && told.is_ok() {
            told = say(scenario, outcome);
        }
    };
    let tried = testplan::run(&mut engine, &text, &folder, &args.only, &sign, &mut each)?;
    told?;
    let mut out = io::stdout().lock();
    let failed = tried.outcomes.iter().filter(|one| !one.passed).count();
    if args.json {
        writeln!(out, "{}", json!(tried.outcomes))?;
    } else {
        let passed = tried.outcomes.len() - failed;
        writeln!(out, "{passed} passed, {failed} failed")?;
    }
    if let Some(what) = tried.stuck {
        return Err(Failure { exit: Exit::DELIVERY, text: format!("not gone on: {what}") });
    }
    Ok(if failed > 0 { Exit::WAITING } else { Exit::DONE })
}

fn say(scenario: &Scenario, outcome: &papers::Outcome) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let word = if outcome.passed { "passed" } else { "FAILED" };
    let batches = outcome.batches.join(", ");
    writeln!(out, "{} {word}  {}  {batches}", scenario.id, scenario.title)?;
    outcome.differences.iter().try_for_each(|line| writeln!(out, "     {line}"))?;
    out.flush()
}
