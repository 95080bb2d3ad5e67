//! Bars on a terminal, numbers and times for people.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};

pub use crate::clock::shown as time;
use crate::domain::Counts;
use crate::engine::{Progress, Silent};
use crate::tame;
use indicatif::{ProgressBar, ProgressStyle};

// Numbers look alike in the shell and in the browser.
pub use crate::web::{count, number};

/// Returns the account of an extract for people.
pub fn account(counts: &Counts) -> String {
    format!(
        "{} = {} sent + {} filtered + {} error + {} duplicate",
        count(counts.rows, "row", "rows"),
        number(counts.sent),
        number(counts.filtered),
        number(counts.error),
        number(counts.duplicate)
    )
}

/// A bar for the work at hand.
struct Bar(Mutex<Option<ProgressBar>>);

/// Returns what shows progress: a bar where standard error is a terminal.
pub fn progress() -> Arc<dyn Progress + Send> {
    if std::io::stderr().is_terminal() { Arc::new(Bar(Mutex::new(None))) } else { Arc::new(Silent) }
}

impl Progress for Bar {
    fn begin(&self, what: &str, total: u64) {
        let style = "{msg:30!} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let bar = ProgressBar::new(total).with_message(what.to_string());
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        if let Ok(mut current) = self.0.lock() {
            *current = Some(bar);
        }
    }

    fn advance(&self, bytes: u64) {
        if let Ok(current) = self.0.lock()
            && let Some(bar) = current.as_ref()
        {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        if let Ok(mut current) = self.0.lock()
            && let Some(bar) = current.take()
        {
            bar.finish_and_clear();
        }
    }
}

/// Tells people what went wrong. Nobody reading it is no reason to fail: `eprintln`
/// would panic, and the interfaces behind this one would not be run.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "hl7drop: {}", tame::lines(text));
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn numbers_and_times_are_for_people() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "record", "records"), "1 record");
        let zone = TimeZone::get("America/New_York").unwrap();
        assert_eq!(time(1_779_274_800, &zone), "2026-05-20 07:00:00");
    }
}
