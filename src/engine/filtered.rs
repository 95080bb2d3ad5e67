//! Records outside the filter: a patient is held for the appointments, an appointment
//! that leaves is told once more (`interface.md` 8.10, 8.11).

use super::claims::Settled;
use super::error::EngineError;
use super::key::id_of;
use super::missing::Freed;
use super::render::{Renderer, Telling, Worker};
use crate::convert::{Finding, Input};
use crate::domain::{Event, ExtractKind, Fingerprint, Known, Note, OnLeave, Status};

/// What is to become of a record.
pub(super) enum Decided {
    /// It tells something; with the patient's ID, where the record does not have it.
    Told(Telling, Option<Vec<u8>>),
    /// Nothing, and why; the patient is kept.
    Held(Note),
    /// Nothing, and why.
    Nothing(Note),
}

impl Renderer<'_> {
    /// Decides about a record by what it is and by the filter.
    pub(super) fn decide(
        &self,
        found: Finding,
        outside: Option<Note>,
        before: Option<Known>,
        input: Input<'_>,
        worker: &mut Worker<'_>,
    ) -> Result<Decided, EngineError> {
        if let Some(why) = self.passed_over(found, outside, input)? {
            return Ok(Decided::Nothing(why));
        }
        let patients = self.layout.kind == ExtractKind::Patients;
        Ok(match (found, outside) {
            // An open slot is nobody's; who had it says the register.
            (Finding::Slot, _) => match self.freed(before, input, worker)? {
                Freed::Told(telling, id) => Decided::Told(telling, Some(id)),
                Freed::Nothing(why) => Decided::Nothing(why),
            },
            (Finding::TestPatient, _) => Decided::Held(Note::TestPatient),
            (_, Some(why)) if patients => Decided::Held(why),
            (_, Some(why)) => match self.leaving(found, before, input, worker)? {
                Some(telling) => Decided::Told(telling, None),
                None => Decided::Nothing(why),
            },
            (_, None) => Decided::Told(self.telling(found, before, input, worker)?, None),
        })
    }

    /// Returns what is told of an appointment outside the filter: of one that was
    /// announced and not cancelled, that it leaves, once. Its fingerprint then is
    /// [`Fingerprint::NONE`], so that it is news when it comes back.
    pub(super) fn leaving(
        &self,
        found: Finding,
        before: Option<Known>,
        input: Input<'_>,
        worker: &mut Worker<'_>,
    ) -> Result<Option<Telling>, EngineError> {
        let Some(memory) = &self.memory else { return Ok(None) };
        let before = before.filter(|known| {
            let gone = known.status == Some(Status::Cancelled);
            known.announced && !gone && known.fingerprint != Fingerprint::NONE
        });
        let Some(before) = before else { return Ok(None) };
        let (told, status) = match found {
            Finding::Told(events, status) => (events, status),
            Finding::State(status) => {
                let now = memory.fingerprint(input, &mut worker.scratch);
                (self.programs.detector.change(status, &now, Some(&before)), status)
            }
            _ => (&[][..], None),
        };
        let (events, status) = match self.filters.on_leave {
            OnLeave::Silent => return Ok(None),
            OnLeave::Cancel => (&[Event::AppointmentCancelled][..], Some(Status::Cancelled)),
            // The filter changed, not the appointment.
            OnLeave::Update if told.is_empty() => (&[Event::AppointmentUpdated][..], status),
            OnLeave::Update => (told, status),
        };
        let status = status.or(before.status);
        let after = Some(Known {
            fingerprint: Fingerprint::NONE,
            status,
            announced: true,
            columns: memory.columns(),
            modified: worker.modified.max(before.modified),
        });
        Ok(Some(Telling { events, before: Some(before), after, note: None }))
    }

    /// Keeps a patient of whom nothing is told, so that the appointments find out too.
    pub(super) fn hold(
        &self,
        before: Option<Known>,
        settled: Option<&Settled>,
        input: Input<'_>,
        worker: &mut Worker<'_>,
        entries: &mut Vec<u8>,
    ) -> Result<(), EngineError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        if id_of(self.layout, input.own).is_empty() {
            return Ok(());
        }
        // Whom the vendor has been told of is no new patient on coming back, and no news
        // either if he is as he was told.
        let told = before.filter(|known| known.announced);
        let known = Known {
            fingerprint: told.map_or(Fingerprint::NONE, |known| known.fingerprint),
            status: None,
            announced: told.is_some(),
            columns: memory.columns(),
            modified: worker.modified.max(before.map_or(0, |known| known.modified)),
        };
        worker.known = Some(known);
        // Most of them are as they were in the last drop.
        let same = before.is_some_and(|before| before.says(&known)) && !worker.chained;
        let renewed = settled.is_some_and(|settled| settled.renewed);
        if !same || renewed || !memory.is_kept(input.own, worker.sent, &mut worker.scratch)? {
            let claims = settled.map_or(&[][..], |settled| &settled.claims);
            memory.enter(input.own, known, (claims, worker.sent), &mut worker.scratch, entries);
        }
        Ok(())
    }
}
