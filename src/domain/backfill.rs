//! `[backfill]`: how all patients and all appointments to come are told at once.

use super::contact::Quiet;
use super::event::{Event, Kind};

/// What was agreed about backfills (`interface.md` 7, 8.20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillRules {
    /// What a patient is told as: A28, or A31 where the vendor has most of them already.
    pub patients: Event,
    /// Messages a minute, at most; 0: as many as the vendor's end takes.
    pub per_minute: u64,
    /// Messages of a batch file, at most; never more than are allowed in a minute.
    pub per_file: u64,
    /// The parts of the day in which it may go on, in the practice's time zone; none: all day.
    pub windows: Vec<Quiet>,
}

/// How far a backfill is that was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackfillStage {
    /// It goes on.
    Released,
    /// It waits for a person.
    Paused,
    /// All of it was taken in.
    Done,
    /// A person gave up what was left of it.
    Cancelled,
}

impl BackfillStage {
    /// Returns the word for people and machines.
    pub const fn word(self) -> &'static str {
        match self {
            BackfillStage::Released => "released",
            BackfillStage::Paused => "paused",
            BackfillStage::Done => "done",
            BackfillStage::Cancelled => "cancelled",
        }
    }

    /// True where nothing is to come any more.
    pub const fn is_over(self) -> bool {
        matches!(self, BackfillStage::Done | BackfillStage::Cancelled)
    }
}

impl BackfillRules {
    /// Returns what a record of this kind is told as.
    pub fn event(&self, kind: Kind) -> Event {
        match kind {
            Kind::Patient => self.patients,
            Kind::Appointment => Event::AppointmentScheduled,
        }
    }
}
