//! `backfill run`: passes of one interface, as long as its backfill goes on; where there is no
//! daemon. It may be broken off at any time: the next one goes on.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use super::args::Run;
use super::follow::follow;
use super::show;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::run::exit_of;
use crate::cli::setup::one;
use crate::cli::{Failure, Outcome};
use crate::engine::{BackfillState, Engine, Silent};

/// The day's traffic is looked for so often.
const PAUSE_MAX_S: i64 = 5;

/// Runs until the backfill is done, waits for a person, or cannot go on.
pub fn run(cli: &Cli, args: &Run) -> Outcome {
    let (setup, path) = one(cli, &args.interface)?;
    let mut engine = setup.open(&path)?;
    engine.progress = Arc::new(Silent);
    let state = BackfillState::look(&engine)?;
    if state.row.as_ref().is_none_or(|row| row.stage.is_over()) {
        let text = "no backfill was released; `hl7drop backfill status` shows how it stands";
        return Err(Failure::usage(text));
    }
    let watched = setup.open(&path)?;
    let ended = AtomicBool::new(false);
    let exit = scope(|scope| {
        let ended = &ended;
        // A bar that cannot look is no reason to stop.
        scope.spawn(move || follow(&watched, &|| ended.load(Ordering::Relaxed)));
        let exit = passes(&engine);
        ended.store(true, Ordering::Relaxed);
        exit
    })?;
    let state = BackfillState::look(&engine)?;
    let mut out = io::stdout().lock();
    show::status(cli, &engine, &state, &mut out)?;
    out.flush()?;
    Ok(if show::is_waiting(&state) { exit.graver(Exit::WAITING) } else { exit })
}

fn passes(engine: &Engine) -> Outcome {
    loop {
        let summary = engine.run(None)?;
        let stopped = summary
            .deliveries
            .iter()
            .filter_map(|delivered| delivered.outcome.as_ref().err())
            .any(|failure| failure.stopped);
        let state = BackfillState::look(engine)?;
        let Some(due) = state.due.filter(|_| !stopped && !summary.guarded) else {
            return Ok(exit_of(&summary));
        };
        let pause = (due - engine.clock.unix()).clamp(1, PAUSE_MAX_S);
        sleep(Duration::from_secs(pause.unsigned_abs()));
    }
}
