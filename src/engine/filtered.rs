//! Records outside the filter: a patient is held for the appointments, an appointment
//! that leaves is told once more (`interface.md` 8.10, 8.11).

use super::error::EngineError;
use super::key::id_of;
use super::render::{Renderer, Telling, Worker};
use crate::convert::{Finding, Input};
use crate::domain::{Event, Fingerprint, Known, OnLeave, Status};

impl Renderer<'_> {
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
        let (events, status) = match self.on_leave {
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
        input: Input<'_>,
        worker: &mut Worker<'_>,
        entries: &mut Vec<u8>,
    ) -> Result<(), EngineError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        if id_of(self.layout, input.own).is_empty() {
            return Ok(());
        }
        // Whom the vendor has been told of is no new patient on coming back.
        let announced = before.is_some_and(|known| known.announced);
        let known = Known {
            fingerprint: Fingerprint::NONE,
            status: None,
            announced,
            columns: memory.columns(),
            modified: worker.modified.max(before.map_or(0, |known| known.modified)),
        };
        worker.known = Some(known);
        // Most of them are as they were in the last drop.
        let same = before.is_some_and(|before| before.says(&known)) && !worker.chained;
        if !same || !memory.is_kept(input.own, &mut worker.scratch)? {
            memory.enter(input.own, known, &[], &mut worker.scratch, entries);
        }
        Ok(())
    }
}
