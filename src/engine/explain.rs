//! What one record becomes, and why: the answer behind `convert --explain`.

use super::drop::Explanation;
use super::joined::{no_patient, no_program};
use super::key::first_value;
use super::render::{Renderer, Stop, shaped};
use crate::convert::{Finding, Refusal};
use crate::domain::{Event, Fingerprint, Note};
use crate::extract::Row;

impl Renderer<'_> {
    /// Says which rule makes which field of a record, message by message, as if it
    /// were new; or why nothing is told of it.
    ///
    /// # Errors
    /// [`Refusal`] where the record is at fault.
    pub fn explain(&self, row: &Row<'_>) -> Result<Explanation, Refusal> {
        let input = shaped(row)?;
        let detector = &self.programs.detector;
        let events = match detector.find(input)? {
            Finding::Slot => return Ok(Explanation::Nothing(Note::OpenSlot)),
            Finding::TestPatient => return Ok(Explanation::Nothing(Note::TestPatient)),
            Finding::Told(events, _) => events,
            Finding::Gone => &[Event::PatientUpdated],
            Finding::State(status) => detector.change(status, &Fingerprint::NONE, None),
        };
        if let Some(why) = self.sieve.keeps_out(input) {
            return Ok(Explanation::Nothing(why));
        }
        if events.is_empty() {
            return Ok(Explanation::Nothing(Note::NeverAnnounced));
        }
        let mut enabled = events.iter().filter(|event| detector.is_enabled(**event)).peekable();
        if enabled.peek().is_none() {
            return Ok(Explanation::Nothing(Note::SwitchedOff));
        }
        let mut worker = self.worker();
        let explained = |&event: &Event| {
            let id = first_value(self.layout.cells("patientid"), input.own);
            self.with_patient(id, input, &mut worker, |programs, input| {
                if programs.detector.is_test_patient(input) {
                    return Ok(None);
                }
                let program = programs.of(event).ok_or_else(no_program)?;
                Ok(Some((event, program.explain(input, self.references)?)))
            })
        };
        let messages = enabled.map(explained).filter_map(Result::transpose);
        match messages.collect::<Result<Vec<_>, Stop>>() {
            Ok(messages) if messages.is_empty() => Ok(Explanation::Nothing(Note::TestPatient)),
            Ok(messages) => Ok(Explanation::Messages(messages)),
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(Stop::Broken(_)) => Err(no_patient()),
        }
    }
}
