//! The next step after a delivery that did not come to its end: the exact command, for
//! somebody who is woken up by it.

use std::path::Path;

use jiff::tz::TimeZone;

use super::pass::Engine;
use crate::clock::shown as time;
use crate::ledger::{Failure, Stage};

/// How this program was called, so that what it says can be typed.
pub struct Typed {
    program: String,
    interface: String,
    zone: TimeZone,
    /// Whether the name of a batch leaves the endpoint open.
    several: bool,
}

impl Typed {
    /// Commands for this interface; with the program's file, where it was named.
    pub fn at(config: Option<&Path>, engine: &Engine) -> Typed {
        let config = config.map(|path| path.display().to_string());
        let program = config.map_or_else(
            || "hl7drop".to_string(),
            |path| format!("hl7drop --config {}", quoted(&path)),
        );
        let scope = &engine.agreement.scope;
        let (interface, zone) = (scope.interface.as_str().to_string(), scope.timezone.clone());
        Typed { program, interface, zone, several: scope.endpoints.len() > 1 }
    }

    #[cfg(test)]
    pub(super) fn plain(program: &str, interface: &str) -> Typed {
        let (program, interface) = (program.to_string(), interface.to_string());
        Typed { program, interface, zone: TimeZone::UTC, several: false }
    }

    /// Returns the command that lists the queue.
    pub fn queue(&self) -> String {
        format!("{} queue {}", self.program, self.interface)
    }

    /// Returns the command that decides about the drop that is held.
    pub fn held(&self, decision: &str) -> String {
        format!("{} held {} {decision}", self.program, self.interface)
    }

    /// Returns the command that does something with the backfill.
    pub fn backfill(&self, verb: &str, more: &str) -> String {
        format!("{} backfill {verb} {}{more}", self.program, self.interface)
    }

    /// Returns the command that lists what was not acknowledged.
    pub fn acks(&self) -> String {
        format!("{} acks {}", self.program, self.interface)
    }

    /// Returns the command that shows where everything stands.
    pub fn status(&self) -> String {
        format!("{} status {}", self.program, self.interface)
    }

    /// Returns the command that looks at settings, folders and ledger.
    pub fn check(&self) -> String {
        format!("{} check {}", self.program, self.interface)
    }

    /// Returns the command that groups the queue.
    pub fn group(&self) -> String {
        format!("{} queue group {}", self.program, self.interface)
    }

    /// Returns the command that maps a value, as far as it is known.
    pub fn map(&self, kind: &str, value: &str) -> String {
        let value = quoted(value);
        format!("{} queue map {kind} {value} BECOMES --note \"TEXT\"", self.program)
    }

    /// Returns the command that converts a group of records again.
    pub fn resubmit(&self, code: &str, column: &str, value: Option<&str>) -> String {
        let column = match column {
            "row" => String::new(),
            column => format!(" --column {}", quoted(column)),
        };
        let value = value.map_or(String::new(), |value| format!(" --value {}", quoted(value)));
        let (program, interface) = (&self.program, &self.interface);
        let which = format!("--code {code}{column}{value}");
        format!("{program} queue resubmit {interface} {which} --why \"TEXT\"")
    }

    /// Returns the command that runs the interface.
    pub fn run(&self, more: &str) -> String {
        format!("{} run {}{more}", self.program, self.interface)
    }

    /// Returns the command that shows and pins host keys.
    pub fn trust(&self, endpoint: &str) -> String {
        format!("{} endpoint trust {}{}", self.program, self.interface, self.named(endpoint))
    }

    /// The endpoint, where the interface leaves it open.
    fn named(&self, endpoint: &str) -> String {
        if self.several { format!(" --endpoint {endpoint}") } else { String::new() }
    }

    fn delivery(&self, batch: &str, endpoint: &str, decision: &str) -> String {
        let (program, interface) = (&self.program, &self.interface);
        let endpoint = if self.several { format!(" --endpoint {endpoint}") } else { String::new() };
        let batch = quoted(batch);
        format!("{program} delivery {batch} --interface {interface}{endpoint} --{decision}")
    }
}

/// Returns what to do about a delivery, a line each.
pub fn next_steps(
    typed: &Typed,
    (batch, endpoint): (&str, &str),
    stage: Stage,
    failure: &Failure,
) -> Vec<String> {
    let delivery = |decision| typed.delivery(batch, endpoint, decision);
    let with_why = |decision| delivery(decision) + " --why \"TEXT\"";
    if !failure.stopped {
        let when = failure.again_at.map(|at| format!(" from {} on", time(at, &typed.zone)));
        let when = when.unwrap_or_default();
        return vec![format!("a run tries again{when}; at once: {}", typed.run(" --retry"))];
    }
    match stage {
        Stage::Uncertain => vec![
            format!("if they have it:       {}", with_why("delivered")),
            format!("if they do not:        {}", with_why("resend")),
            format!("to look there again:   {}", delivery("retry")),
        ],
        Stage::Conflict => vec![
            format!("once it is gone there: {}", delivery("retry")),
            format!("if that is this batch: {}", with_why("delivered")),
        ],
        _ => vec![format!("once that is mended: {}", typed.run(" --retry"))],
    }
}

/// Puts in quotes what a shell would take apart.
fn quoted(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:@%+=,".contains(char);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_its_own_next_step() {
        let typed = Typed::plain("hl7drop", "ridge");
        let steps = |stage, stopped| {
            let failure = Failure { what: "x".into(), stopped, again_at: None, stage: None, at: 1 };
            next_steps(&typed, ("1.hl7", "test"), stage, &failure)
        };
        assert_eq!(
            steps(Stage::Uncertain, true),
            [
                "if they have it:       hl7drop delivery 1.hl7 --interface ridge --delivered --why \"TEXT\"",
                "if they do not:        hl7drop delivery 1.hl7 --interface ridge --resend --why \"TEXT\"",
                "to look there again:   hl7drop delivery 1.hl7 --interface ridge --retry",
            ]
        );
        assert_eq!(steps(Stage::Conflict, true).len(), 2);
        assert_eq!(
            steps(Stage::Verified, true),
            ["once that is mended: hl7drop run ridge --retry"]
        );
        assert_eq!(
            steps(Stage::Uncertain, false),
            ["a run tries again; at once: hl7drop run ridge --retry"]
        );
    }

    #[test]
    fn what_is_to_be_typed_survives_the_shell() {
        assert_eq!(quoted("/etc/hl7drop.toml"), "/etc/hl7drop.toml");
        assert_eq!(quoted("Bob's file.toml"), "'Bob'\\''s file.toml'");
    }
}
