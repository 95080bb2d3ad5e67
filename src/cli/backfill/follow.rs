//! A bar of the whole backfill, on a terminal.

use std::io::IsTerminal;
use std::thread::sleep;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::show::is_waiting;
use crate::cli::output::time;
use crate::engine::{BackfillState, Engine, EngineError};

/// Fits into 80 columns with millions and an hour; what is cut off first is why it waits.
const BAR: &str = "{human_pos}/{human_len} messages [{bar:8}] {msg}";
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Shows the bar until nothing goes on any more, or `stop` says so. Elsewhere than on a
/// terminal it only waits.
///
/// # Errors
/// Those of looking.
pub fn follow(engine: &Engine, stop: &dyn Fn() -> bool) -> Result<(), EngineError> {
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
    if let Some(bar) = &bar
        && let Ok(style) = ProgressStyle::with_template(BAR)
    {
        bar.set_style(style);
    }
    loop {
        let state = BackfillState::look(engine)?;
        let over = state.row.as_ref().is_none_or(|row| row.stage.is_over());
        if let (Some(bar), Some(row)) = (&bar, &state.row) {
            let sent = row.counts().messages;
            bar.set_length(sent + state.left().unwrap_or(0));
            bar.set_position(sent);
            bar.set_message(message(engine, &state));
        }
        if over || is_waiting(&state) || stop() {
            break;
        }
        sleep(PAUSE);
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(())
}

/// Returns what the bar says beside how far it is.
fn message(engine: &Engine, state: &BackfillState) -> String {
    let zone = &engine.agreement.scope.timezone;
    if let Some(why) = &state.in_the_way {
        return format!("waits: {why}");
    }
    match state.ends {
        Some(at) => format!("not done before {}", time(at, zone)),
        None => "how long it takes is not known yet".to_string(),
    }
}
