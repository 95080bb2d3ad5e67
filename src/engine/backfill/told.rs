//! What a record tells in a backfill: that it is there, whatever was told of it before. Who
//! was told of by the day's traffic since the extract was read is passed over, so that
//! nothing newer is overtaken.

use jiff::civil::Date;

use crate::convert::{Finding, Input};
use crate::domain::{Event, ExtractKind, Kind, Note, Status};
use crate::engine::error::EngineError;
use crate::engine::patients::PatientIndex;
use crate::engine::render::Renderer;

/// What holds for the records of a backfill.
#[derive(Clone, Copy)]
pub struct Backfilling<'a> {
    /// What a patient is told as.
    pub patients_as: Event,
    /// Where the register ended when the extract was read.
    pub mark: u64,
    /// The day of the run: an appointment is to come if it is not before it.
    pub today: Date,
    /// Where patients are found who are not in the register yet: in a rehearsal.
    pub patients: Option<&'a PatientIndex>,
}

impl Backfilling<'_> {
    /// Returns what a record of this kind is told as.
    pub(in crate::engine) fn events(&self, kind: Kind) -> &'static [Event] {
        match (kind, self.patients_as) {
            (Kind::Appointment, _) => &[Event::AppointmentScheduled],
            (Kind::Patient, Event::PatientUpdated) => &[Event::PatientUpdated],
            (Kind::Patient, _) => &[Event::PatientAdded],
        }
    }
}

impl Renderer<'_> {
    /// Returns why a backfill leaves a record alone, with what the register has of it.
    pub(in crate::engine) fn passed_over(
        &self,
        found: Finding,
        outside: Option<Note>,
        input: Input<'_>,
    ) -> Result<Option<Note>, EngineError> {
        let Some((backfill, memory)) = self.backfill.as_ref().zip(self.memory.as_ref()) else {
            return Ok(None);
        };
        if memory.entered(input.own)?.is_some_and(|entered| entered >= backfill.mark) {
            return Ok(Some(Note::ToldSince));
        }
        Ok(match found {
            Finding::Slot => Some(Note::OpenSlot),
            Finding::Gone => Some(Note::Gone),
            _ if self.layout.kind == ExtractKind::Patients => None,
            _ if outside.is_some() => outside,
            Finding::State(Some(Status::Booked)) => {
                let program = self.programs.of(Event::AppointmentScheduled);
                let starts = program.and_then(|program| program.starts(input));
                // One whose time cannot be read is refused for it.
                starts.is_some_and(|at| at.date() < backfill.today).then_some(Note::NotToCome)
            }
            _ => Some(Note::NotToCome),
        })
    }
}
