//! Who is told of incidents, how and when; and what is watched for.

use std::fmt;
use std::path::PathBuf;

use jiff::civil::{Time, Weekday};

use super::incident::{Cause, Severity};
use super::scope::ExtractKind;
use crate::secret::Secret;

/// Somebody who is told (`[[contact]]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Letters, digits and `-`; once in a file.
    pub name: String,
    /// How.
    pub way: Way,
    /// From which severity on.
    pub from: Severity,
    /// Of which causes; empty: of all.
    pub causes: Vec<Cause>,
    /// When only grave incidents are told.
    pub quiet: Option<Quiet>,
    /// Told only of what is still open after so many seconds: escalation.
    pub after_s: i64,
    /// How long one try may take, seconds.
    pub timeout_s: u64,
}

impl Contact {
    /// True if this contact is told of such incidents.
    pub fn wants(&self, cause: Cause) -> bool {
        cause.severity() >= self.from && (self.causes.is_empty() || self.causes.contains(&cause))
    }

    /// True if a message about such an incident waits at this time of day.
    pub fn is_quiet(&self, cause: Cause, time: Time) -> bool {
        cause.severity() < Severity::Grave && self.quiet.is_some_and(|quiet| quiet.covers(time))
    }
}

/// How a contact is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A mail.
    Mail(Mail),
    /// An HTTP POST.
    Webhook(Webhook),
    /// A program of ours, which gets the alert on standard input; never through a shell.
    Command(Vec<String>),
}

/// A mail server, and who gets the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the line is protected.
    pub security: Security,
    /// User and password, where the server wants them.
    pub login: Option<(String, Secret)>,
    /// The sender's address.
    pub sender: String,
    /// The receivers' addresses; never empty.
    pub to: Vec<String>,
    /// A PEM file with the authority that the server's certificate is of; none: the system's.
    pub ca_file: Option<PathBuf>,
}

/// How the line to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Upgraded before anything is said; never without.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: a mail server on this machine.
    None,
}

/// Where an HTTP POST goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `https://...`; `http://` on this machine only.
    pub url: String,
    /// How the other end knows that it is us.
    pub proof: Option<Proof>,
    /// A PEM file with the authority that the server's certificate is of; none: the system's.
    pub ca_file: Option<PathBuf>,
}

/// How the receiver of a webhook knows that it is us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// `Authorization: Bearer <secret>`.
    Bearer(Secret),
    /// `X-Hl7drop-Signature: sha256=<HMAC-SHA256 of the body, hex>`.
    Hmac(Secret),
}

/// A part of the day, in the practice's time zone; it may go over midnight: quiet hours, or
/// the hours in which files go out, or a backfill goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Its first minute.
    pub from: Time,
    /// The first minute after it.
    pub to: Time,
}

impl Quiet {
    /// Reads `22:00-06:30`; one that has no length is none.
    pub fn read(text: &str) -> Option<Quiet> {
        let (from, to) = text.split_once('-')?;
        let quiet = Quiet { from: time_of_day(from)?, to: time_of_day(to)? };
        (quiet.from != quiet.to).then_some(quiet)
    }

    /// True of a time within it.
    pub fn covers(self, time: Time) -> bool {
        match self.from <= self.to {
            true => self.from <= time && time < self.to,
            false => self.from <= time || time < self.to,
        }
    }
}

/// As it is read: `22:00-06:30`.
impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

/// Reads `06:30`.
pub fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

/// What is watched for, and how patient the alerts are (`[alerts]`, `[[expect]]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerts {
    /// Share of an extract's rows, in percent, from which on their waiting is told; 0 never.
    pub rows_waiting_percent: u64,
    /// Hours without any extract after which that is told; 0 never.
    pub silent_hours: i64,
    /// How far a day's rows may be from the usual of that weekday, in percent; 0: any.
    pub volume_percent: u64,
    /// Seconds that all must be well before a recovery is told.
    pub calm_s: i64,
    /// Seconds after which an open incident is told again; 0 never.
    pub repeat_s: i64,
    /// Extracts that must be there by a time.
    pub expects: Vec<Expect>,
}

/// An extract that must be there by a time (`[[expect]]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// Of which kind.
    pub kind: ExtractKind,
    /// By when, in the practice's time zone.
    pub by: Time,
    /// On which days.
    pub days: Vec<Weekday>,
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;

    #[test]
    fn quiet_hours_go_over_midnight() {
        let quiet = Quiet { from: time(22, 0, 0, 0), to: time(6, 30, 0, 0) };
        let covers = |hour, minute| quiet.covers(time(hour, minute, 0, 0));
        assert!(covers(22, 0) && covers(23, 59) && covers(0, 0) && covers(6, 29));
        assert!(!covers(6, 30) && !covers(12, 0) && !covers(21, 59));
        let noon = Quiet { from: time(12, 0, 0, 0), to: time(13, 0, 0, 0) };
        assert!(noon.covers(time(12, 0, 0, 0)) && !noon.covers(time(13, 0, 0, 0)));
    }
}
