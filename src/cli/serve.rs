//! `serve`: the page of the message queue.

use std::io::Write;

use super::args::{Cli, Serve};
use super::exit::Exit;
use super::setup::program_of;
use super::{Failure, Outcome};
use crate::web::{self, ServeError, Settings};

/// Serves the page until a signal ends it.
pub fn serve(cli: &Cli, _: &Serve) -> Outcome {
    let program = program_of(cli)?;
    let settings = Settings {
        spool: program.spool,
        interfaces: program.interfaces,
        workers: program.workers,
        serve: program.serve,
    };
    web::serve(settings, |address| {
        // Whoever started it may read where it listens; nobody reading is no reason to stop.
        let _ = writeln!(std::io::stdout().lock(), "listening on http://{address}");
        log::info!("the page listens on http://{address}");
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    })
    .map_err(failure)?;
    Ok(Exit::DONE)
}

fn failure(err: ServeError) -> Failure {
    Failure { exit: Exit::LOCAL, text: err.to_string() }
}
