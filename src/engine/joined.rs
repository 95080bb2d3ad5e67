//! Whose an appointment is: the patient of the same drop, of the register, or of the
//! appointment's own columns.

use super::agreement::Programs;
use super::key::first_value;
use super::render::{Renderer, Stop, Worker};
use crate::convert::{Input, Refusal};
use crate::domain::{Code, ExtractKind, Layout, Values};
use crate::hl7::Path;

impl Renderer<'_> {
    /// Finds the patient `id` of an appointment: in the drop, in the register, or in its own
    /// columns.
    pub(super) fn with_patient<T>(
        &self,
        id: &[u8],
        input: Input<'_>,
        worker: &mut Worker<'_>,
        then: impl FnOnce(&Programs, Input<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Stop> {
        if self.layout.kind != ExtractKind::Appointments {
            return Ok(then(self.programs, input)?);
        }
        if let Some((_, programs)) = self.patients
            && let Some(finder) = &mut worker.finder
            && let Some((patient, file)) = finder.find(id)?
            && let Some(programs) = programs.get(file)
        {
            return Ok(then(programs, Input { own: input.own, patient: Some(patient) })?);
        }
        if let Some(memory) = &self.memory
            && let Some((patient, programs)) = memory.patient(id)?
        {
            return Ok(then(programs, Input { own: input.own, patient: Some(patient.values()) })?);
        }
        match is_named(self.layout, input.own) {
            true => Ok(then(self.programs, input)?),
            false => Err(no_patient().into()),
        }
    }
}

/// True if an appointment's own columns say whose it is.
pub(super) fn is_named(layout: &Layout, own: Values<'_>) -> bool {
    layout.names_patients()
        && ["lastname", "firstname"]
            .iter()
            .all(|column| !first_value(layout.patient_cells(column), own).is_empty())
}

pub(super) fn no_patient() -> Refusal {
    let field = Some(Path::of_field(*b"PID", 3));
    Refusal { code: Code::A001, column: "patientid".into(), field }
}

/// A kind of extract has a program for each of its events.
pub(super) fn no_program() -> Refusal {
    Refusal { code: Code::E001, column: "event".into(), field: None }
}
