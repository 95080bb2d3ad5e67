//! How a line of the log is written: one for each event, whatever its text holds.

use std::io::{self, Write};

use env_logger::fmt::Formatter;
use log::Record;

use crate::tame;

/// Writes an event as `env_logger` does by itself, its text tame: names and answers of
/// others stand in it.
pub fn write(to: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level) = (to.timestamp(), record.level());
    let style = to.default_level_style(level);
    let text = record.args().to_string();
    let (target, text) = (record.target(), tame::line(&text));
    writeln!(to, "[{time} {style}{level:<5}{style:#} {target}] {text}")
}
