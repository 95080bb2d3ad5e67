//! `backfill`: all patients, then all appointments to come.

pub mod args;
mod follow;
mod run;
mod show;

use std::io::{self, Write};

use serde_json::{Value, json};

use args::{BackfillArgs, BackfillVerb, Preview, Start, Status};

use super::args::Cli;
use super::exit::Exit;
use super::setup::{one, setup};
use super::sign::{Asking, sign};
use super::{Failure, Outcome};
use crate::engine::{Asked, BackfillState, BackfillTask, Engine, Task};

pub use show::{is_waiting, line, to_json};

/// Does what was asked with a backfill.
pub fn backfill(cli: &Cli, args: &BackfillArgs) -> Outcome {
    match &args.verb {
        BackfillVerb::Start(args) => start(cli, args),
        BackfillVerb::Preview(args) => preview(cli, args),
        BackfillVerb::Release(args) => {
            let task = BackfillTask::Release { anyway: args.anyway };
            decide(cli, &args.interface, task, &args.asking)
        }
        BackfillVerb::Pause(args) => {
            decide(cli, &args.interface, BackfillTask::Pause, &args.asking)
        }
        BackfillVerb::Resume(args) => {
            decide(cli, &args.interface, BackfillTask::Resume, &args.asking)
        }
        BackfillVerb::Cancel(args) => {
            decide(cli, &args.interface, BackfillTask::Cancel, &args.asking)
        }
        BackfillVerb::Status(args) => status(cli, args),
        BackfillVerb::Run(args) => run::run(cli, args),
    }
}

/// Opens the interface of a name.
fn open(cli: &Cli, interface: &str) -> Result<Engine, Failure> {
    let (setup, path) = one(cli, interface)?;
    setup.open(&path)
}

fn start(cli: &Cli, args: &Start) -> Outcome {
    let engine = open(cli, &args.interface)?;
    engine.start_backfill(&args.extracts)?;
    let state = BackfillState::look(&engine)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", to_json(&engine, &state))?;
    } else {
        show::preview(cli, &engine, &state, &mut out)?;
    }
    Ok(Exit::WAITING)
}

fn preview(cli: &Cli, args: &Preview) -> Outcome {
    let engine = open(cli, &args.interface)?;
    let state = BackfillState::look(&engine)?;
    if !state.waits_for_release() {
        let text = "no backfill waits for its release; `hl7drop backfill start` makes one, \
                    `hl7drop backfill status` shows one that is under way";
        return Err(Failure::usage(text));
    }
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", to_json(&engine, &state))?;
        return Ok(Exit::WAITING);
    }
    show::preview(cli, &engine, &state, &mut out)?;
    if args.messages {
        // It is patient data: who looks is written down before anything is shown.
        let look = sign(&engine, "backfill preview --messages");
        engine.viewed("the first messages of a backfill", &look)?;
        show::messages(&engine, &mut out)?;
    }
    Ok(Exit::WAITING)
}

fn decide(cli: &Cli, interface: &str, task: BackfillTask, asking: &Asking) -> Outcome {
    let engine = open(cli, interface)?;
    // That something waits or goes on by its preview claims nothing.
    let claims = task == BackfillTask::Cancel;
    let asked = asking.ask(&engine, &Task::Backfill(task), claims)?;
    let state = BackfillState::look(&engine)?;
    let mut out = io::stdout().lock();
    match asked {
        Asked::Left(id) if asking.json => {
            writeln!(out, "{}", json!({ "left": id, "done": false }))?;
        }
        Asked::Left(id) => {
            writeln!(out, "{}: a pass is at work, and does this at its end: {id}", engine.owner())?;
        }
        Asked::Done(_) if asking.json => writeln!(out, "{}", to_json(&engine, &state))?,
        Asked::Done(mended) => {
            if let Some(note) = &mended.note {
                writeln!(out, "{}: {}: {note}", engine.owner(), task.verb())?;
            }
            show::status(cli, &engine, &state, &mut out)?;
        }
    }
    Ok(Exit::DONE)
}

fn status(cli: &Cli, args: &Status) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    if args.follow {
        let [path] = setup.interfaces.as_slice() else {
            return Err(Failure::usage("--follow takes one interface"));
        };
        follow::follow(&setup.open(path)?, &|| false)?;
    }
    let (mut exit, mut all) = (Exit::DONE, Vec::new());
    let mut out = io::stdout().lock();
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let state = BackfillState::look(&engine)?;
        if is_waiting(&state) {
            exit = exit.graver(Exit::WAITING);
        }
        if args.named.json {
            all.push(to_json(&engine, &state));
        } else {
            show::status(cli, &engine, &state, &mut out)?;
        }
    }
    if args.named.json {
        writeln!(out, "{}", Value::Array(all))?;
    }
    Ok(exit)
}
