//! What people decide: actions of one time, each kept with who, when and why.
//!
//! An action is committed together with what it changes, so there is no change
//! without its author and no author without a change.

use serde::{Deserialize, Serialize};

use super::{BatchRow, DeliveryRow};
use crate::domain::{Code, QueueState};

/// What is decided about a delivery that cannot decide itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The vendor has the file: nothing more is sent.
    Delivered,
    /// The vendor does not have it: the same bytes go out again.
    Resend,
    /// The cause is mended, or the server answers again: look, and go on from there.
    Retry,
}

impl Decision {
    /// Returns the word that the ledger keeps.
    pub const fn word(self) -> &'static str {
        match self {
            Decision::Delivered => "delivered",
            Decision::Resend => "resend",
            Decision::Retry => "retry",
        }
    }
}

/// The faults that are closed: they count as DELETED and wait for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// These, by their number in the queue, none twice; each of them must wait.
    Ids(Vec<i64>),
    /// All that wait of the extracts of this name.
    File(String),
    /// All that wait with this code.
    Code(Code),
}

impl Closing {
    /// Returns what is closed, in the words that the ledger keeps.
    pub fn about(&self) -> String {
        match self {
            Closing::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                format!("records {}", ids.join(", "))
            }
            Closing::File(name) => format!("records of {name}"),
            Closing::Code(code) => format!("records with {}", code.id()),
        }
    }
}

/// Who acts, why and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// A person, `anna (uid 1000)`, or `hl7drop` where a setting decides.
    pub by: String,
    /// The reason, in their words.
    pub why: String,
    /// Unix seconds.
    pub at: i64,
}

/// An action that is to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// What is done, in a word.
    pub verb: &'static str,
    /// What it is done to; never a patient.
    pub about: String,
    /// Where that stood, in the words of the queue.
    pub was: String,
    /// Where it stands now.
    pub now: String,
}

/// An action that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionRow {
    /// Its number; they have no gaps.
    pub id: i64,
    /// `delivered`, `resend`, `retry`, `close`, `resubmit`, `rebuild`, `hold`, `release`,
    /// `delete` or `refused`.
    pub verb: String,
    /// The batch and the endpoint, or the records; never a patient.
    pub about: String,
    /// Where that stood before, in the words of the queue; empty where that is one of many.
    pub was: String,
    /// Where it stands since then.
    pub now: String,
    /// Who, why and when.
    pub sign: Sign,
}

impl Act {
    /// An action on one delivery, between two stages of it.
    pub(super) fn on(verb: &'static str, was: &DeliveryRow, now: &DeliveryRow) -> Act {
        Act {
            verb,
            about: about(&was.batch.name, &was.endpoint),
            was: was.stage.queue_state().to_string(),
            now: now.stage.queue_state().to_string(),
        }
    }

    /// A batch was made of another, of which `first` is a delivery.
    pub(super) fn rebuilt(batch: &BatchRow, first: &DeliveryRow) -> Act {
        Act {
            verb: "rebuild",
            about: format!("{} as {}", first.batch.name, batch.name),
            was: first.stage.queue_state().to_string(),
            now: QueueState::New.to_string(),
        }
    }
}

/// Returns the words for one delivery.
pub(super) fn about(batch: &str, endpoint: &str) -> String {
    format!("{batch} to {endpoint}")
}
