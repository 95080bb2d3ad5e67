//! What is tried: one scene for every event, filter, external ID, code-table edge and the
//! reschedule pair, of this interface's own settings.
//!
//! What must come of a scene is said here by the rules of `interface.md`, without the
//! converter.

use super::super::sample::{self, Columns};
use super::Point;
use super::cast::{Actors, Cast};
use super::{codes, ids};
use crate::domain::{Event, ExtractKind, Scope};

/// One thing that is tried, before it has files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// Its name in file names.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// The part of the scope that it is about.
    pub about: String,
    /// What the point of it is.
    pub purpose: String,
    /// What is dropped.
    pub drops: Vec<Dropped>,
    /// What a person of the practice does in the end-user phase.
    pub does: String,
    /// What a person at the vendor's must see then.
    pub sees: String,
}

/// One drop of a scene.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// What happens in the practice.
    pub say: String,
    /// The rows, by extract.
    pub rows: Vec<(ExtractKind, Vec<Columns>)>,
    /// The columns that matter: extract, column, value.
    pub focus: Vec<(String, String, String)>,
    /// What is told, in order.
    pub told: Vec<Event>,
    /// The codes of the records that wait.
    pub waits: Vec<String>,
    /// How many records are filtered, where that is the point.
    pub filtered: Option<u64>,
    /// What must stand in the messages.
    pub points: Vec<Point>,
}

impl Dropped {
    /// Begins a drop.
    pub fn new(say: &str) -> Dropped {
        Dropped { say: say.to_string(), ..Dropped::default() }
    }

    /// Adds the rows of an extract; `focus` names the columns that matter.
    pub fn with(mut self, kind: ExtractKind, rows: &[&Columns], focus: &[&str]) -> Dropped {
        for row in rows {
            for column in focus {
                let value = row.get(*column).cloned().unwrap_or_default();
                self.focus.push((kind.word().to_string(), (*column).to_string(), value));
            }
        }
        self.rows.push((kind, rows.iter().map(|row| (*row).clone()).collect()));
        self
    }

    /// Says what is told.
    pub fn told(mut self, events: Vec<Event>) -> Dropped {
        self.told = events;
        self
    }
}

/// Puts scenes together.
pub struct Stage<'a> {
    /// Makes the people.
    pub actors: Actors<'a>,
    /// The settings.
    pub scope: &'a Scope,
    /// What stands on it so far.
    pub scenes: Vec<Scene>,
}

/// Returns every scene of an interface; `token` are the digits in each ID.
pub fn scenes(scope: &Scope, cast: &Cast, token: &str) -> Vec<Scene> {
    let actors = Actors::new(scope, cast, token);
    let mut stage = Stage { actors, scope, scenes: Vec::new() };
    for event in Event::ALL {
        stage.event(event);
    }
    stage.no_show();
    stage.moved();
    for filter in &cast.filters {
        stage.filter(filter);
    }
    ids::add(&mut stage);
    codes::add(&mut stage);
    stage.scenes
}

/// The rows of patients.
pub const PATIENTS: ExtractKind = ExtractKind::Patients;
/// The rows of appointments.
pub const APPOINTMENTS: ExtractKind = ExtractKind::Appointments;

impl Stage<'_> {
    /// True of an event whose switch is on.
    pub fn on(&self, event: Event) -> bool {
        self.scope.enabled.contains(&event)
    }

    /// Returns those of the events that are told.
    pub fn told(&self, events: &[Event]) -> Vec<Event> {
        events.iter().copied().filter(|event| self.on(*event)).collect()
    }

    /// Adds a point, unless this interface fills the field by a rule of its own.
    pub fn point(&self, points: &mut Vec<Point>, message: usize, what: (&str, &str, &str)) {
        let (field, value, say) = what;
        let whole = field.split(['[', '.']).next().unwrap_or(field);
        let mapped = self.scope.mapping.iter().any(|row| row.field.to_string() == whole);
        let ids = self.scope.patient_ids.iter().chain(&self.scope.appointment_ids);
        let taken = ids.into_iter().any(|id| {
            let target = id.target;
            let of = format!("{}-{}", target.field.segment(), target.field.field());
            of == whole && target.replaces
        });
        if !mapped && !taken {
            let [field, value, say] = [field, value, say].map(str::to_string);
            points.push(Point { message, field, value, say });
        }
    }

    /// Adds the point that a message is of its type.
    pub fn typed(&self, points: &mut Vec<Point>, message: usize, event: Event) {
        let telling = event.telling();
        let say = format!("the message is {}^{}", telling.message, telling.trigger);
        self.point(points, message, ("MSH-9.2", telling.trigger, &say));
    }

    /// Returns SCH-25 of an event.
    fn status(&self, event: Event) -> String {
        let own = self.scope.status.get(&event).map(String::as_str);
        own.unwrap_or(event.telling().status).to_string()
    }

    /// Returns a row as it stands at an event, told at minute `at` of the plan's day.
    fn at(&self, booked: &Columns, event: Event, minute: u32) -> Columns {
        let (before, now) = (
            sample::appointment(self.scope, Event::AppointmentScheduled),
            sample::appointment(self.scope, event),
        );
        let mut row = booked.clone();
        for (column, value) in
            now.iter().filter(|(column, value)| before.get(*column) != Some(value))
        {
            // With times in PV1 they would be news of their own.
            if !column.starts_with("check") {
                row.insert(column.clone(), value.clone());
            }
        }
        row.insert("lastmodified".into(), later(minute));
        row
    }

    /// A patient and a booked appointment become known.
    fn known(&self, patient: &Columns, appointments: &[&Columns]) -> Dropped {
        let mut events = vec![Event::PatientAdded];
        events.extend(appointments.iter().map(|_| Event::AppointmentScheduled));
        Dropped::new("A patient is registered, and an appointment is booked.")
            .with(PATIENTS, &[patient], &["patientid"])
            .with(APPOINTMENTS, appointments, &["appointmentid", "appointmentstatus"])
            .told(self.told(&events))
    }

    fn event(&mut self, event: Event) {
        let telling = event.telling();
        let words = telling.key.replace('_', " ");
        let on = self.on(event);
        let drops = match event {
            Event::PatientAdded => self.added(),
            Event::PatientUpdated => self.updated(),
            Event::AppointmentScheduled => self.scheduled(),
            _ => self.changed(event),
        };
        let (does, sees) = super::words::of_event(event);
        let purpose = match on {
            true => {
                format!("{} is told as {}^{}.", capital(&words), telling.message, telling.trigger)
            }
            false => format!("{} is switched off: nothing is sent of it.", capital(&words)),
        };
        let sees = if on { sees.to_string() } else { "Nothing new is there.".to_string() };
        let switch = if on { "" } else { " (off)" };
        self.scenes.push(Scene {
            name: telling.key.replace('_', "-"),
            title: format!("{}{switch}", capital(&words)),
            about: "Table 3: Interface enablement".to_string(),
            purpose,
            drops,
            does: does.to_string(),
            sees,
        });
    }

    fn added(&mut self) -> Vec<Dropped> {
        let patient = self.actors.patient();
        let mut drop = Dropped::new("A patient is registered.")
            .with(PATIENTS, &[&patient], &["patientid", "lastname", "firstname", "dob"])
            .told(self.told(&[Event::PatientAdded]));
        if self.on(Event::PatientAdded) {
            self.typed(&mut drop.points, 1, Event::PatientAdded);
            let id = patient.get("patientid").map_or("", String::as_str);
            for what in [
                ("PID-3.1", id, "the patient has athenaNet's ID, all digits of it"),
                ("PID-5.1", "TESTPATIENT", "the family name is the first part of the name"),
                ("PID-5.2", "JANELLE", "the given name is the second part of the name"),
                ("PID-7", "19870214", "the date of birth is written as HL7 does"),
                ("PID-8", "F", "the sex is a code of table 0001"),
                ("PID-13[1].1", "(617)555-0101", "the telephone number has the form of TN"),
                ("IN1-36", "00123456789", "the insurance number keeps its zeros"),
            ] {
                self.point(&mut drop.points, 1, what);
            }
        }
        vec![drop]
    }

    fn updated(&mut self) -> Vec<Dropped> {
        let patient = self.actors.patient();
        let mut moved = patient.clone();
        moved.insert("city".into(), "Springfield".into());
        moved.insert("lastmodified".into(), later(10));
        let first = Dropped::new("A patient is registered.")
            .with(PATIENTS, &[&patient], &["patientid", "city"])
            .told(self.told(&[Event::PatientAdded]));
        let mut second = Dropped::new("The patient moves to another city.")
            .with(PATIENTS, &[&moved], &["patientid", "city"])
            .told(self.told(&[Event::PatientUpdated]));
        if self.on(Event::PatientUpdated) {
            self.typed(&mut second.points, 1, Event::PatientUpdated);
            let say = "the address has the new city";
            self.point(&mut second.points, 1, ("PID-11.3", "Springfield", say));
        }
        vec![first, second]
    }

    fn scheduled(&mut self) -> Vec<Dropped> {
        let patient = self.actors.patient();
        let booked = self.actors.appointment(&patient);
        let mut drop = self.known(&patient, &[&booked]);
        if self.on(Event::AppointmentScheduled) {
            let at = drop.told.len();
            let status = self.status(Event::AppointmentScheduled);
            let get = |column: &str| booked.get(column).cloned().unwrap_or_default();
            let (id, department, provider) =
                (get("appointmentid"), get("departmentid"), get("providerid"));
            self.typed(&mut drop.points, at, Event::AppointmentScheduled);
            for what in [
                ("SCH-2.1", id.as_str(), "the appointment has athenaNet's ID"),
                ("SCH-9", "15", "the duration is in minutes"),
                ("SCH-11.4", "202605271000", "the appointment begins when it was booked for"),
                ("SCH-11.5", "202605271015", "it ends after its duration"),
                ("SCH-25.1", &status, "the status is the one of table 7"),
                ("PV1-3.1", &department, "the department is that of the appointment"),
                ("NTE-3", "Bring forms \\T\\ glasses", "a separator in a text is escaped"),
            ] {
                self.point(&mut drop.points, at, what);
            }
            if let Some(sent) = self.actors.cast.sent(&provider) {
                let say = "the provider has the ID of table 8";
                self.point(&mut drop.points, at, ("PV1-7.1", sent, say));
            }
        }
        vec![drop]
    }

    /// An appointment that was booked is changed, cancelled, checked in or out.
    fn changed(&mut self, event: Event) -> Vec<Dropped> {
        let patient = self.actors.patient();
        let booked = self.actors.appointment(&patient);
        let mut drops = vec![self.known(&patient, &[&booked])];
        if event == Event::AppointmentCheckedOut {
            let arrived = self.at(&booked, Event::AppointmentCheckedIn, 10);
            let told = self.told(&[Event::AppointmentCheckedIn]);
            drops.push(
                Dropped::new("The patient arrives.")
                    .with(APPOINTMENTS, &[&arrived], &["appointmentid", "appointmentstatus"])
                    .told(told),
            );
        }
        let now = self.at(&booked, event, 20);
        // Of what was never announced there is nothing to take back.
        let announced =
            event != Event::AppointmentCancelled || self.on(Event::AppointmentScheduled);
        let told = if announced { self.told(&[event]) } else { Vec::new() };
        let (say, column) = match event {
            Event::AppointmentUpdated => ("The appointment takes longer.", "duration"),
            Event::AppointmentCancelled => ("The appointment is cancelled.", "cancelreasonname"),
            Event::AppointmentCheckedIn => ("The patient arrives.", "patientid"),
            _ => ("The visit is over.", "patientid"),
        };
        let focus = ["appointmentid", "appointmentstatus", column];
        let mut drop = Dropped::new(say).with(APPOINTMENTS, &[&now], &focus).told(told);
        if !drop.told.is_empty() {
            let status = self.status(event);
            let id = booked.get("appointmentid").cloned().unwrap_or_default();
            self.typed(&mut drop.points, 1, event);
            for what in [
                ("SCH-2.1", id.as_str(), "it is the appointment that was booked"),
                ("SCH-25.1", &status, "the status is the one of table 7"),
            ] {
                self.point(&mut drop.points, 1, what);
            }
            match event {
                Event::AppointmentUpdated => {
                    self.point(&mut drop.points, 1, ("SCH-9", "30", "the duration is the new one"));
                }
                Event::AppointmentCancelled => {
                    let say = "the reason is the practice's";
                    self.point(&mut drop.points, 1, ("SCH-6.2", "PATIENT CANCELLED", say));
                }
                _ => {}
            }
        }
        drops.push(drop);
        drops
    }

    /// A cancellation of a patient who did not come, where that has a status of its own.
    fn no_show(&mut self) {
        let status = self.scope.no_show_status.clone();
        let both = [Event::AppointmentScheduled, Event::AppointmentCancelled];
        if status.is_empty() || self.told(&both).len() < 2 {
            return;
        }
        let patient = self.actors.patient();
        let booked = self.actors.appointment(&patient);
        let mut gone = self.at(&booked, Event::AppointmentCancelled, 20);
        gone.insert("cancelreasonnoshow".into(), "true".into());
        gone.insert("cancelreasonname".into(), "NO SHOW".into());
        let focus = ["appointmentid", "appointmentstatus", "cancelreasonnoshow"];
        let mut drop = Dropped::new("The patient did not come.")
            .with(APPOINTMENTS, &[&gone], &focus)
            .told(vec![Event::AppointmentCancelled]);
        let say = "the status says that the patient did not come";
        self.typed(&mut drop.points, 1, Event::AppointmentCancelled);
        self.point(&mut drop.points, 1, ("SCH-25.1", &status, say));
        let drops = vec![self.known(&patient, &[&booked]), drop];
        self.scenes.push(Scene {
            name: "no-show".into(),
            title: "Appointment of a patient who did not come".into(),
            about: "Table 7: SCH-25".into(),
            purpose: format!("A no-show is told as S15 with {status} in SCH-25."),
            drops,
            does: "Book an appointment, and mark it as a no-show.".into(),
            sees: "The appointment is cancelled, and says that the patient did not come.".into(),
        });
    }

    /// An appointment that is moved: S15 of the old one, then S12 of the new one.
    fn moved(&mut self) {
        let both = [Event::AppointmentCancelled, Event::AppointmentScheduled];
        if !self.on(Event::AppointmentScheduled) {
            return;
        }
        let patient = self.actors.patient();
        let old = self.actors.appointment(&patient);
        let mut new = self.actors.appointment(&patient);
        new.insert("date".into(), "05/28/2026".into());
        new.insert("lastmodified".into(), later(20));
        let id = |row: &Columns| row.get("appointmentid").cloned().unwrap_or_default();
        let (old_id, new_id) = (id(&old), id(&new));
        let mut gone = self.at(&old, Event::AppointmentCancelled, 20);
        gone.insert("cancelreasonname".into(), "PATIENT RESCHEDULED".into());
        gone.insert("rescheduledappointmentid".into(), new_id.clone());
        let focus = ["appointmentid", "appointmentstatus", "rescheduledappointmentid", "date"];
        // The new one stands first: the order of the rows must not decide.
        let mut drop = Dropped::new("The appointment is moved to another day.")
            .with(APPOINTMENTS, &[&new, &gone], &focus)
            .told(self.told(&both));
        for (at, event) in drop.told.iter().enumerate() {
            let cancelled = *event == Event::AppointmentCancelled;
            let (id, say) = match cancelled {
                true => (&old_id, "first the old appointment is cancelled"),
                false => (&new_id, "right after it the new one is booked"),
            };
            self.typed(&mut drop.points, at + 1, *event);
            self.point(&mut drop.points, at + 1, ("SCH-2.1", id, say));
        }
        let drops = vec![self.known(&patient, &[&old]), drop];
        self.scenes.push(Scene {
            name: "rescheduled".into(),
            title: "Appointment that is moved".into(),
            about: "Table 3: S15 and S12 instead of S13".into(),
            purpose: "A moved appointment is cancelled (S15, its ID) and, right after that, \
                      booked under the ID of the new one (S12). S13 is never sent."
                .into(),
            drops,
            does: "Book an appointment, and reschedule it to another day.".into(),
            sees: "The old appointment is cancelled, and one on the new day is there.".into(),
        });
    }
}

/// Returns a row with one other value.
pub fn changed(row: &Columns, column: &str, value: &str) -> Columns {
    let mut row = row.clone();
    row.insert(column.to_string(), value.to_string());
    row
}

/// Returns a time on the plan's day after that of its first rows.
pub fn later(minute: u32) -> String {
    format!("05/20/2026 10:{minute:02}:00")
}

/// Returns words with a capital first.
pub fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
