//! One alert, as people and as machines read it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::domain::{Cause, Severity};

/// Why a contact is told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// The incident began.
    New,
    /// It is open, and there is more of it.
    Grown,
    /// It is still open.
    Still,
    /// All is well again.
    Recovered,
    /// Somebody tries whether alerts arrive.
    Test,
}

/// One alert. It names interfaces, files, places and counts, never a patient. The keys of
/// its JSON are a promise (docs/alerts.md).
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    /// Why now.
    pub occasion: Occasion,
    /// The incident: the same in all its alerts, in no other.
    pub incident: String,
    /// The interface; empty where it is about the program.
    pub interface: String,
    /// `test` or `production`; empty as the above.
    pub environment: String,
    /// The machine.
    pub host: String,
    /// What it is grouped by.
    pub cause: Cause,
    /// How much it matters.
    pub severity: Severity,
    /// The endpoint, or the kind of extract; empty for the whole interface.
    pub about: String,
    /// A few words.
    pub title: String,
    /// What is wrong, in plain words.
    pub what: String,
    /// How many batches, files or rows.
    pub count: u64,
    /// What to do, the command to type among it; empty after a recovery.
    pub next: Vec<String>,
    /// When it began, unix seconds.
    pub opened_at: i64,
    /// When it was over, unix seconds.
    pub closed_at: Option<i64>,
    /// When this alert was made, unix seconds.
    pub at: i64,
    /// `opened_at` and `closed_at` for people, in the practice's time zone.
    pub times: String,
}

impl Alert {
    /// Returns the line that a pager shows.
    pub fn subject(&self) -> String {
        let whose = match self.interface.as_str() {
            "" => self.host.clone(),
            interface => format!("{interface}/{}", self.environment),
        };
        let about = match self.about.as_str() {
            "" => String::new(),
            about => format!(" ({about})"),
        };
        let title = &self.title;
        match self.occasion {
            Occasion::New => format!("[hl7drop] {whose}: {title}{about}"),
            Occasion::Grown => format!("[hl7drop] {whose}: more of it: {title}{about}"),
            Occasion::Still => format!("[hl7drop] {whose}: still: {title}{about}"),
            Occasion::Recovered => format!("[hl7drop] {whose}: recovered: {title}{about}"),
            Occasion::Test => format!("[hl7drop] {whose}: a test, nothing is wrong"),
        }
    }

    /// Returns the text of a mail.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.what);
        if !self.next.is_empty() {
            text.push_str("\nWhat to do:\n");
        }
        for step in &self.next {
            let _ = writeln!(text, "  {step}");
        }
        let _ = write!(text, "\n{}\n", self.times);
        let _ = writeln!(
            text,
            "{} {} on {}, cause {}",
            self.severity.word(),
            self.incident,
            self.host,
            self.cause.word()
        );
        text
    }

    /// Returns what stands for this very alert, if it is told twice: so that the other end
    /// can leave out the second one.
    pub fn key(&self) -> String {
        let word = match self.occasion {
            Occasion::New => "new",
            Occasion::Grown => "grown",
            Occasion::Still => "still",
            Occasion::Recovered => "recovered",
            Occasion::Test => "test",
        };
        let incident = self.incident.replace(['/', '#'], ".");
        format!("{incident}.{word}.{}", self.at)
    }
}

#[cfg(test)]
pub(super) fn example() -> Alert {
    Alert {
        occasion: Occasion::New,
        incident: "ridge/test#7".into(),
        interface: "ridge".into(),
        environment: "test".into(),
        host: "box".into(),
        cause: Cause::DeliveryStopped,
        severity: Severity::Grave,
        about: "test".into(),
        title: Cause::DeliveryStopped.title().into(),
        what: "the server refused the login".into(),
        count: 2,
        next: vec!["once that is mended: hl7drop run ridge --retry".into()],
        opened_at: 100,
        closed_at: None,
        at: 160,
        times: "since 1970-01-01 00:01:40".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_says_whose_what_and_what_to_do() {
        let mut alert = example();
        assert_eq!(alert.subject(), "[hl7drop] ridge/test: delivery stopped (test)");
        let text = alert.text();
        assert!(text.starts_with("the server refused the login\n\nWhat to do:\n  once"), "{text}");
        assert!(text.contains("since 1970") && text.contains("grave ridge/test#7 on box"));
        alert.occasion = Occasion::Recovered;
        assert_eq!(alert.subject(), "[hl7drop] ridge/test: recovered: delivery stopped (test)");
        assert_eq!(alert.key(), "ridge.test.7.recovered.160");
    }
}
