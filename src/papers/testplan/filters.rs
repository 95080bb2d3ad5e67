//! Scenes of filters, and how a record becomes seen at all: by the first event of its kind
//! that is told.

use super::super::sample::Columns;
use super::cast::FilterCast;
use super::scenes::{APPOINTMENTS, Dropped, PATIENTS, Scene, Stage, capital, changed, later};
use crate::domain::{Event, FilterBy, Kind};

impl Stage<'_> {
    /// Adds the scenes of a filter: records inside, and one outside.
    pub(super) fn filter(&mut self, filter: &FilterCast) {
        let of = if filter.kind == Kind::Patient { "patients" } else { "appointments" };
        let by = filter.by.word();
        let names: Vec<&str> = filter.names.iter().map(|(name, _)| name.as_str()).collect();
        let about = "Table 6: Filters".to_string();
        let inside: Vec<Columns> =
            filter.names.iter().map(|(_, id)| self.record(filter, id)).collect();
        if let Some(drops) = self.seen(filter.kind, inside, column(filter)) {
            self.scenes.push(Scene {
                name: format!("filter-{of}-{by}-inside"),
                title: format!("{} of the {by}s that were agreed", capital(of)),
                about: about.clone(),
                purpose: format!("{} by {by} {} are told.", capital(of), names.join(", ")),
                drops,
                does: format!("Register or book one record for each of: {}.", names.join(", ")),
                sees: "All of them are there.".into(),
            });
        }
        let outside = self.record(filter, &filter.outside);
        let kind = if filter.kind == Kind::Patient { PATIENTS } else { APPOINTMENTS };
        let say = format!("A record of another {by}.");
        let mut drop = Dropped::new(&say);
        if filter.kind == Kind::Appointment {
            let patient = self.actors.patient();
            let mut of_patient = outside.clone();
            let id = patient.get("patientid").cloned().unwrap_or_default();
            of_patient.insert("patientid".into(), id);
            drop = drop.with(PATIENTS, &[&patient], &["patientid"]);
            drop = drop.with(kind, &[&of_patient], &["appointmentid", column(filter)]);
            drop = drop.told(self.told(&[Event::PatientAdded]));
        } else {
            drop = drop.with(kind, &[&outside], &["patientid", column(filter)]);
        }
        drop.filtered = Some(1);
        self.scenes.push(Scene {
            name: format!("filter-{of}-{by}-outside"),
            title: format!("{} of another {by}", capital(of)),
            about,
            purpose: format!("{} of any other {by} are not told.", capital(of)),
            drops: vec![drop],
            does: format!("Register or book one record of a {by} that was not agreed."),
            sees: "Nothing of it is there.".into(),
        });
    }

    /// Makes a record with this ID in the column that a filter looks at.
    fn record(&mut self, filter: &FilterCast, id: &str) -> Columns {
        let patient = self.actors.patient();
        let mut record = match filter.kind {
            Kind::Patient => patient,
            Kind::Appointment => self.actors.appointment(&patient),
        };
        record.insert(column(filter).into(), id.to_string());
        if filter.by == FilterBy::Department {
            // Of patients it is the second one that is looked at.
            record.insert("departmentid".into(), id.to_string());
        }
        record
    }

    /// Returns drops after which each record was told, in order, the last drop telling it;
    /// none where no event of its kind is.
    pub fn seen(&mut self, kind: Kind, rows: Vec<Columns>, focus: &str) -> Option<Vec<Dropped>> {
        match kind {
            Kind::Patient => self.seen_patients(&rows, focus),
            Kind::Appointment => self.seen_appointments(rows, focus),
        }
    }

    fn seen_patients(&self, rows: &[Columns], focus: &str) -> Option<Vec<Dropped>> {
        let all: Vec<&Columns> = rows.iter().collect();
        let drop = |say: &str, rows: &[&Columns], event: Event| {
            let told = self.told(&vec![event; rows.len()]);
            let mut drop = Dropped::new(say).with(PATIENTS, rows, &["patientid", focus]).told(told);
            for (at, row) in rows.iter().enumerate().take(drop.told.len()) {
                let id = row.get("patientid").map_or("", String::as_str);
                self.typed(&mut drop.points, at + 1, event);
                self.point(&mut drop.points, at + 1, ("PID-3.1", id, "it is this patient"));
            }
            drop
        };
        if self.on(Event::PatientAdded) {
            let say = "Patients are registered.";
            return Some(vec![drop(say, &all, Event::PatientAdded)]);
        }
        self.on(Event::PatientUpdated).then(|| {
            let before: Vec<Columns> =
                rows.iter().map(|row| changed(row, "city", "Worcester")).collect();
            let before: Vec<&Columns> = before.iter().collect();
            let after: Vec<Columns> =
                rows.iter().map(|row| changed(row, "lastmodified", &later(10))).collect();
            let after: Vec<&Columns> = after.iter().collect();
            let first = drop("Patients are registered.", &before, Event::PatientAdded);
            vec![first, drop("They move.", &after, Event::PatientUpdated)]
        })
    }

    fn seen_appointments(&mut self, rows: Vec<Columns>, focus: &str) -> Option<Vec<Dropped>> {
        if !self.on(Event::AppointmentScheduled) {
            return None;
        }
        let patient = self.actors.patient();
        let id = patient.get("patientid").cloned().unwrap_or_default();
        let rows: Vec<Columns> = rows.iter().map(|row| changed(row, "patientid", &id)).collect();
        let all: Vec<&Columns> = rows.iter().collect();
        let mut events = vec![Event::PatientAdded];
        events.extend(rows.iter().map(|_| Event::AppointmentScheduled));
        let mut drop = Dropped::new("A patient is registered, and appointments are booked.")
            .with(PATIENTS, &[&patient], &["patientid"])
            .with(APPOINTMENTS, &all, &["appointmentid", focus])
            .told(self.told(&events));
        let first = drop.told.len() - rows.len();
        for (at, row) in rows.iter().enumerate() {
            let id = row.get("appointmentid").map_or("", String::as_str);
            self.typed(&mut drop.points, first + at + 1, Event::AppointmentScheduled);
            let say = "it is this appointment";
            self.point(&mut drop.points, first + at + 1, ("SCH-2.1", id, say));
        }
        Some(vec![drop])
    }
}

/// Returns the column that a filter looks at first.
fn column(filter: &FilterCast) -> &'static str {
    match (filter.kind, filter.by) {
        (Kind::Patient, FilterBy::Provider) => "primaryproviderid",
        (Kind::Patient, FilterBy::Department) => "primarydepartmentid",
        (Kind::Appointment, FilterBy::Provider) => "providerid",
        (Kind::Appointment, FilterBy::Department) => "departmentid",
    }
}
