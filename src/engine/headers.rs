//! What the headers of one drop compile to, each once: a night's ten thousand small extracts
//! have one header, and to compile it cost four times what their rows did.

use std::sync::{Arc, Mutex};

use jiff::civil::DateTime;

use super::agreement::{Agreement, Programs, empty};
use super::error::EngineError;
use crate::convert::{Bound, Deletes, Fingerprinter, Keeper};
use crate::domain::{Event, ExtractKind, Layout, MissingRows};

/// How many programs are kept. A drop has a handful of headers; one of ten thousand
/// different ones is not to fill the memory.
const KEPT: usize = 16;

/// Compiles the headers of a drop under one agreement, for a run at one time.
pub struct Headers<'a> {
    /// The interface.
    pub agreement: &'a Agreement,
    /// Civil time of the run.
    pub clock: DateTime,
    /// The newest last.
    known: Mutex<Vec<Known>>,
}

/// A header, that of the patients beside it, and their programs.
struct Known {
    own: Layout,
    patient: Option<Layout>,
    programs: Arc<Programs>,
}

impl<'a> Headers<'a> {
    /// Knows none yet.
    pub fn new(agreement: &'a Agreement, clock: DateTime) -> Headers<'a> {
        Headers { agreement, clock, known: Mutex::default() }
    }

    /// Returns the programs of a header.
    ///
    /// # Errors
    /// [`EngineError::Map`], which a header cannot cause.
    pub fn programs(&self, bound: Bound<'_>) -> Result<Arc<Programs>, EngineError> {
        // The kind of the first tells patients from appointments.
        let (own, patient) = match bound {
            Bound::Patient(own) => (own, None),
            Bound::Appointment(own, patient) => (own, patient),
        };
        let mut known = self.known.lock().map_err(|_| EngineError::Worker)?;
        let is = |one: &&Known| one.own == *own && one.patient.as_ref() == patient;
        if let Some(found) = known.iter().rfind(is) {
            return Ok(found.programs.clone());
        }
        let programs = Arc::new(self.agreement.programs(bound, self.clock)?);
        if known.len() == KEPT {
            known.remove(0);
        }
        let (own, patient) = (own.clone(), patient.cloned());
        known.push(Known { own, patient, programs: programs.clone() });
        Ok(programs)
    }

    /// Returns what takes fingerprints of the records under a header. What an
    /// appointment says of its patient does not count: the patient's own record does.
    ///
    /// # Errors
    /// As [`Headers::programs`].
    pub fn fingerprinter(&self, layout: &Layout) -> Result<Fingerprinter, EngineError> {
        let nobody = empty(ExtractKind::Patients);
        let bound = match layout.kind {
            ExtractKind::Appointments => Bound::Appointment(layout, Some(&nobody)),
            _ => Bound::Patient(layout),
        };
        Ok(Fingerprinter::of(self.programs(bound)?.all(), layout.cells("patientid")))
    }

    /// Returns what keeps of the records under a header all that later ones will need: of
    /// patients what their appointments do, of appointments what it takes to cancel them;
    /// `None` if that is nothing.
    ///
    /// # Errors
    /// As [`Headers::programs`].
    pub fn keeper(&self, layout: &Layout) -> Result<Option<Keeper>, EngineError> {
        let scope = &self.agreement.scope;
        if layout.kind == ExtractKind::Appointments {
            let events = &scope.events;
            // The record of a slot that is open again lacks but the patient.
            return Ok(match (events.missing_rows, events.freed_slots) {
                (MissingRows::Cancel, _) => Some(Keeper::whole(layout)),
                (_, true) => Some(Keeper::only("patientid", layout.cells("patientid"))),
                _ => None,
            });
        }
        let nothing = empty(ExtractKind::Appointments);
        let programs = self.programs(Bound::Appointment(&nothing, Some(layout)))?;
        let mut besides = vec!["patientid", "testpatientyn"];
        let whole = scope.filters.patients_first;
        if whole {
            besides.extend(["status", "newpatientid", "deleteddatetime", "contextid"]);
        }
        let besides = besides.into_iter().map(|name| (name, layout.cells(name)));
        let keeper = Keeper::of(programs.all(), besides);
        if !whole {
            return Ok(Some(keeper));
        }
        // Who is outside the filter now may have to be told whole.
        let own = self.programs(Bound::Patient(layout))?;
        Ok(Some(match own.of(Event::PatientAdded) {
            Some(added) => keeper.and(added),
            None => keeper,
        }))
    }

    /// Returns the fields of the patients under a header that an update can delete.
    ///
    /// # Errors
    /// As [`Headers::programs`].
    pub fn deletes(&self, layout: &Layout) -> Result<Option<Deletes>, EngineError> {
        let programs = self.programs(Bound::Patient(layout))?;
        Ok(programs.of(Event::PatientUpdated).and_then(Deletes::of))
    }
}
