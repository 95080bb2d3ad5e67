//! Who stands behind a decision, since when, and why.

use std::time::Duration;

use clap::Args;
use jiff::civil::Date;

use super::Failure;
use crate::engine::{Asked, Engine, Task};
use crate::ledger::Sign;

/// As much as a sentence or two need.
const WHY_CHARS_MAX: usize = 500;
/// As much as a name, a title and a company need.
pub const NAME_CHARS_MAX: usize = 120;

/// How something is asked for.
#[derive(Debug, Args)]
pub struct Asking {
    /// Why; kept in the ledger with your name and the time, so name no patient
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// How long it waits
    #[command(flatten)]
    pub patience: Patience,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

impl Asking {
    /// Asks the engine; what `claims` something must say why.
    ///
    /// # Errors
    /// No reason where one is needed, and what the engine refuses.
    pub(super) fn ask(&self, engine: &Engine, task: &Task, claims: bool) -> Result<Asked, Failure> {
        let given = self.why.as_deref().or((!claims).then_some("from the shell"));
        self.patience.ask(engine, task, reason(given)?)
    }
}

/// How long a decision waits for a pass that is at work.
#[derive(Debug, Args)]
pub struct Patience {
    /// How long a pass that is at work is waited for, before this is left for it to do
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub wait: u64,
}

impl Patience {
    /// Asks the engine.
    ///
    /// # Errors
    /// What the engine refuses.
    pub(super) fn ask(&self, engine: &Engine, task: &Task, why: &str) -> Result<Asked, Failure> {
        Ok(engine.ask(task, &sign(engine, why), Duration::from_secs(self.wait))?)
    }
}

/// Signs what the caller of this program decides now.
pub fn sign(engine: &Engine, why: &str) -> Sign {
    Sign { by: person(), why: why.to_string(), at: engine.clock.unix() }
}

/// Returns who calls this program.
pub fn person() -> String {
    let name = |variable| std::env::var(variable).ok().filter(|name| is_name(name));
    // Under sudo the person is who called it.
    let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(name);
    let uid = rustix::process::getuid().as_raw();
    match user {
        Some(user) => format!("{user} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

/// Returns the reason that was given.
///
/// # Errors
/// That it is missing, or no short line of text.
pub fn reason(why: Option<&str>) -> Result<&str, Failure> {
    let why = why.map(str::trim).filter(|why| !why.is_empty()).ok_or_else(|| {
        Failure::usage("say why with --why \"TEXT\": it is kept in the ledger, with your name")
    })?;
    if why.chars().any(char::is_control) || why.chars().count() > WHY_CHARS_MAX {
        let text = format!("--why takes one line of at most {WHY_CHARS_MAX} characters");
        return Err(Failure::usage(text));
    }
    Ok(why)
}

/// Returns what was given behind an option, without what is blank around it.
///
/// # Errors
/// That it is no line of text, or too long.
pub fn line(option: &str, text: &str, max: usize) -> Result<String, Failure> {
    let text = text.trim();
    let length = text.chars().count();
    if text.chars().any(char::is_control) || length == 0 || length > max {
        let text = format!("{option} takes one line of at most {max} characters");
        return Err(Failure::usage(text));
    }
    Ok(text.to_string())
}

/// Returns the day that was given behind an option; today where none was.
///
/// # Errors
/// That it is to come.
pub fn day(option: &str, given: Option<Date>, today: Date) -> Result<Date, Failure> {
    let date = given.unwrap_or(today);
    if date > today {
        let text = format!("{option} {date} is not there yet; today is {today}");
        return Err(Failure::usage(text));
    }
    Ok(date)
}

/// The environment says what it likes; only what looks like a name is kept.
fn is_name(text: &str) -> bool {
    let good = |char: char| char.is_ascii_alphanumeric() || "._-@\\".contains(char);
    !text.is_empty() && text.len() <= 64 && text.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_and_not_empty() {
        assert_eq!(reason(Some(" the vendor has it ")).unwrap(), "the vendor has it");
        for bad in [None, Some(""), Some("  "), Some("a\nb"), Some("\u{1b}[2J")] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
        assert!(reason(Some(&"x".repeat(501))).is_err());
    }

    #[test]
    fn a_name_is_a_name() {
        assert!(is_name("anna") && is_name("DOMAIN\\anna.b-c@x"));
        assert!(!is_name("") && !is_name("a b") && !is_name("a\nb") && !is_name(&"x".repeat(65)));
    }
}
