//! What a person has to be told: a *trouble* that was seen, and the *incident* that it is
//! part of.

use serde::{Deserialize, Serialize};

/// How much an incident matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody should act today.
    Warning,
    /// Nothing goes on until somebody acts.
    Grave,
}

impl Severity {
    /// Returns the word of the settings.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Grave => "grave",
        }
    }
}

/// What incidents are grouped by: one cause, at one place, is one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A delivery waits until somebody mends its cause.
    DeliveryStopped,
    /// A delivery failed three times, or for a quarter of an hour.
    DeliveryFailing,
    /// Nobody can tell whether a file arrived.
    Uncertain,
    /// The final name is taken by other bytes.
    Conflict,
    /// A response of the vendor is overdue.
    AcknowledgementOverdue,
    /// The disk is full, nearly full, or broken.
    Disk,
    /// The ledger, or what it promised, is not as it was.
    Ledger,
    /// A pass ended with an error.
    PassFailed,
    /// A pass broke down, or got nowhere and was ended.
    PassKilled,
    /// The settings cannot be used.
    Settings,
    /// A guard held a drop.
    Held,
    /// A backfill paused itself.
    Backfill,
    /// Files lie in `error/`.
    FilesRefused,
    /// A large share of an extract's rows waits.
    RowsWaiting,
    /// An expected extract did not come in time.
    Late,
    /// Nothing came for a long time.
    Silent,
    /// Far more or far fewer rows came than usual.
    Volume,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 17] = [
        Cause::DeliveryStopped,
        Cause::DeliveryFailing,
        Cause::Uncertain,
        Cause::Conflict,
        Cause::AcknowledgementOverdue,
        Cause::Disk,
        Cause::Ledger,
        Cause::PassFailed,
        Cause::PassKilled,
        Cause::Settings,
        Cause::Held,
        Cause::Backfill,
        Cause::FilesRefused,
        Cause::RowsWaiting,
        Cause::Late,
        Cause::Silent,
        Cause::Volume,
    ];

    /// Returns the word of the settings, the JSON and the metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Cause::DeliveryStopped => "delivery_stopped",
            Cause::DeliveryFailing => "delivery_failing",
            Cause::Uncertain => "uncertain",
            Cause::Conflict => "conflict",
            Cause::AcknowledgementOverdue => "acknowledgement_overdue",
            Cause::Disk => "disk",
            Cause::Ledger => "ledger",
            Cause::PassFailed => "pass_failed",
            Cause::PassKilled => "pass_killed",
            Cause::Settings => "settings",
            Cause::Held => "held",
            Cause::Backfill => "backfill",
            Cause::FilesRefused => "files_refused",
            Cause::RowsWaiting => "rows_waiting",
            Cause::Late => "late",
            Cause::Silent => "silent",
            Cause::Volume => "volume",
        }
    }

    /// Returns a few words for a subject line.
    pub const fn title(self) -> &'static str {
        match self {
            Cause::DeliveryStopped => "delivery stopped",
            Cause::DeliveryFailing => "delivery keeps failing",
            Cause::Uncertain => "delivery uncertain",
            Cause::Conflict => "a file name is taken at the vendor's end",
            Cause::AcknowledgementOverdue => "acknowledgement overdue",
            Cause::Disk => "no room, or a broken disk",
            Cause::Ledger => "the ledger is not as it was",
            Cause::PassFailed => "passes fail",
            Cause::PassKilled => "a pass broke down",
            Cause::Settings => "the settings cannot be used",
            Cause::Held => "a drop is held",
            Cause::Backfill => "a backfill is paused",
            Cause::FilesRefused => "files could not be read",
            Cause::RowsWaiting => "many rows wait",
            Cause::Late => "an extract is late",
            Cause::Silent => "no data",
            Cause::Volume => "unusual volume",
        }
    }

    /// Returns how much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Cause::DeliveryStopped
            | Cause::Uncertain
            | Cause::Conflict
            | Cause::Disk
            | Cause::Ledger
            | Cause::PassFailed
            | Cause::PassKilled
            | Cause::Settings
            | Cause::Held => Severity::Grave,
            Cause::DeliveryFailing
            | Cause::AcknowledgementOverdue
            | Cause::Backfill
            | Cause::FilesRefused
            | Cause::RowsWaiting
            | Cause::Late
            | Cause::Silent
            | Cause::Volume => Severity::Warning,
        }
    }
}

/// Something that is wrong now. Its texts name files, places and codes, never a patient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Why.
    pub cause: Cause,
    /// Where: an endpoint or a kind of extract; empty for the whole interface.
    pub about: String,
    /// What is wrong, in plain words.
    pub what: String,
    /// What to do next, the command to type among it, a line each.
    pub next: Vec<String>,
    /// How many: batches, files or rows.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_has_one_word_everywhere() {
        for cause in Cause::ALL {
            let json = serde_json::to_value(cause).unwrap();
            assert_eq!(json, cause.word());
            assert!(Cause::ALL.iter().filter(|one| one.word() == cause.word()).count() == 1);
        }
        assert!(Severity::Grave > Severity::Warning);
    }
}
