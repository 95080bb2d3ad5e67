//! Which events a record tells (`interface.md` section 7).
//!
//! With an `event` column the record says so. Without one it is held against what the
//! register knows of it (`change.rs`); where there is no register, it counts as never
//! seen.

use super::change;
use super::column::{Blank, Column};
use super::compile::Bound;
use super::lookup::{Lookup, Unmapped};
use super::map::Map;
use super::outside::Gone;
use super::program::{Input, Refusal};
use crate::domain::{
    Code, DeletedPatients, Environment, Event, EventRules, Fingerprint, Kind, Known, Scope, Status,
};

/// Reads the events of the records under one header.
#[derive(Clone, Debug)]
pub struct Detector {
    kind: Kind,
    enabled: Vec<Event>,
    production: bool,
    rules: EventRules,
    event: Option<Column>,
    status: Column,
    statuses: Option<Lookup>,
    patient: Column,
    test_patient: Column,
    /// Of patients who are told as updates when they are gone.
    gone: Option<Gone>,
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It says these events itself, in this order, and leaves the appointment so.
    Told(&'static [Event], Option<Status>),
    /// It says how things are: see [`Detector::change`].
    State(Option<Status>),
    /// A patient who was deleted or merged, and is told as an update.
    Gone,
    /// An open slot, or an appointment of nobody.
    Slot,
    /// A test patient, in production.
    TestPatient,
}

impl Detector {
    /// Binds a header.
    pub fn new(map: &Map, scope: &Scope, bound: Bound<'_>) -> Detector {
        let at = |row, cells: &[usize], name: &'static str| Column {
            row,
            cells: cells.to_vec(),
            blank: Blank::of(map.blank.get("*").cloned().unwrap_or_default()),
            name: name.into(),
            translating: None,
        };
        let test = "testpatientyn";
        let (kind, layout, test_patient) = match bound {
            Bound::Patient(own) => (Kind::Patient, own, at(0, own.cells(test), test)),
            Bound::Appointment(own, Some(patient)) => {
                (Kind::Appointment, own, at(1, patient.cells(test), test))
            }
            Bound::Appointment(own, None) => {
                (Kind::Appointment, own, at(0, own.patient_cells(test), test))
            }
        };
        let column = |name: &'static str| at(0, layout.cells(name), name);
        let update = scope.deleted_patients == DeletedPatients::Update;
        let gone = kind == Kind::Patient && update;
        Detector {
            kind,
            enabled: scope.enabled.clone(),
            production: scope.environment == Environment::Production,
            rules: scope.events,
            event: layout.has("event").then(|| column("event")),
            status: column("appointmentstatus"),
            statuses: map.tables.lookup("status", Some(Code::E002), None, Blank::default()),
            patient: column("patientid"),
            test_patient,
            gone: gone.then(|| Gone {
                id: column("patientid"),
                status: column("status"),
                merged_into: column("newpatientid"),
                deleted_at: column("deleteddatetime"),
            }),
        }
    }

    /// True if the header has an `event` column, so that every row is an event.
    pub fn has_event_column(&self) -> bool {
        self.event.is_some()
    }

    /// True of an event whose switch is on.
    pub fn is_enabled(&self, event: Event) -> bool {
        self.enabled.contains(&event)
    }

    /// True of a test patient in production, who never leaves (`interface.md` 5.3). Of
    /// an appointment it is asked once its patient is found.
    pub fn is_test_patient(&self, input: Input<'_>) -> bool {
        let said = self.test_patient.value(&input);
        self.production
            && [&b"y"[..], b"yes", b"true", b"1"].iter().any(|yes| said.eq_ignore_ascii_case(yes))
    }

    /// Returns what a record tells.
    ///
    /// # Errors
    /// [`Refusal`] of a word that is no event or status of ours.
    pub fn find(&self, input: Input<'_>) -> Result<Finding, Refusal> {
        if self.kind == Kind::Patient && self.is_test_patient(input) {
            return Ok(Finding::TestPatient);
        }
        if self.gone.as_ref().is_some_and(|gone| gone.column(input).is_some()) {
            return Ok(Finding::Gone);
        }
        let status = self.status(input)?;
        if self.kind == Kind::Appointment
            && (status == Some(Status::Open) || self.patient.value(&input).is_empty())
        {
            return Ok(Finding::Slot);
        }
        if let Some(column) = &self.event {
            let events = event(self.kind, column, input)?;
            return Ok(Finding::Told(
                events,
                events.last().and_then(|event| after(*event, status)),
            ));
        }
        match (self.kind, status) {
            (Kind::Patient, _) => Ok(Finding::State(None)),
            (Kind::Appointment, Some(status)) => Ok(Finding::State(Some(status))),
            (Kind::Appointment, None) => Err(refusal(Code::M001, &self.status)),
        }
    }

    /// Returns what a record tells that says only how things are: against what was
    /// known `before`. Events that are switched off are among it.
    pub fn change(
        &self,
        status: Option<Status>,
        now: &Fingerprint,
        before: Option<&Known>,
    ) -> &'static [Event] {
        match status {
            None => change::of_patient(now, before),
            Some(status) => change::of_appointment(&self.rules, status, now, before),
        }
    }

    /// True if events that a record names itself contradict what was known `before`; in
    /// their place then stands what is to be told, by `on_contradiction`.
    pub fn contradicts(&self, events: &mut &'static [Event], before: Option<&Known>) -> bool {
        let named = if self.has_event_column() { events.first() } else { None };
        let right = named.and_then(|event| change::contradiction(&self.rules, *event, before));
        if let Some(right) = right.filter(|_| self.rules.correct) {
            *events = right;
        }
        right.is_some()
    }

    /// Returns the status, also from `f - Filled` and words.
    fn status(&self, input: Input<'_>) -> Result<Option<Status>, Refusal> {
        let value = self.status.value(&input);
        let value = match value {
            [] => return Ok(None),
            [_, b' ', b'-', b' ', ..] => &value[..1],
            _ => value,
        };
        let found = self.statuses.as_ref().and_then(|statuses| statuses.table.find(value));
        let code = found.and_then(|(row, _)| row.code.bytes().next());
        match code.and_then(Status::of_code) {
            Some(code) => Ok(Some(code)),
            // With an event column the status is not needed.
            None if self.event.is_some() => Ok(None),
            None => {
                let code = match self.statuses.as_ref().map(|statuses| &statuses.unmapped) {
                    Some(Unmapped::Refuse(code)) => *code,
                    _ => Code::E002,
                };
                Err(refusal(code, &self.status))
            }
        }
    }
}

fn refusal(code: Code, column: &Column) -> Refusal {
    Refusal { code, column: column.name.clone(), field: None }
}

fn event(kind: Kind, column: &Column, input: Input<'_>) -> Result<&'static [Event], Refusal> {
    let value = column.value(&input);
    if value.is_empty() {
        return Err(refusal(Code::M001, column));
    }
    let word = std::str::from_utf8(value).unwrap_or_default();
    let event = Event::of_word(kind, word).ok_or_else(|| refusal(Code::E001, column))?;
    let at = Event::ALL.iter().position(|known| *known == event).unwrap_or_default();
    Ok(&Event::ALL[at..=at])
}

/// Returns where an event leaves its appointment; `told` is what the record says.
fn after(event: Event, told: Option<Status>) -> Option<Status> {
    Some(match event {
        Event::PatientAdded | Event::PatientUpdated => return None,
        Event::AppointmentScheduled => Status::Booked,
        Event::AppointmentUpdated => told.unwrap_or(Status::Booked),
        Event::AppointmentCancelled => Status::Cancelled,
        Event::AppointmentCheckedIn => Status::CheckedIn,
        Event::AppointmentCheckedOut => Status::CheckedOut,
    })
}
