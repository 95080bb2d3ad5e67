//! Scenes of external IDs: each goes where it was agreed, and one that lost its zeros waits.

use super::cast::{core_of, id_value};
use super::scenes::{APPOINTMENTS, Dropped, PATIENTS, Scene, Stage, changed};
use super::{Point, scenes};
use crate::domain::{Code, Event, ExternalId, Kind};

/// Adds them.
pub fn add(stage: &mut Stage<'_>) {
    let scope = stage.scope;
    for (kind, ids) in
        [(Kind::Patient, &scope.patient_ids), (Kind::Appointment, &scope.appointment_ids)]
    {
        for id in ids {
            sent(stage, kind, id);
            lost_zeros(stage, kind, id);
        }
    }
}

fn about(kind: Kind) -> String {
    match kind {
        Kind::Patient => "Table 4: External IDs of patients".to_string(),
        Kind::Appointment => "Table 5: External IDs of appointments".to_string(),
    }
}

fn file_name(id: &ExternalId) -> String {
    format!("id-{}", id.custom_field_id.to_ascii_lowercase())
}

/// The ID of a record stands in each of its messages where it was agreed.
fn sent(stage: &mut Stage<'_>, kind: Kind, id: &ExternalId) {
    let column = format!("customfield_{}", id.custom_field_id);
    let patient = stage.actors.patient();
    let booked = stage.actors.appointment(&patient);
    let told = stage.told(&[Event::PatientAdded, Event::AppointmentScheduled]);
    let mut drop = Dropped::new("A patient is registered, and an appointment is booked.")
        .with(PATIENTS, &[&patient], &focus("patientid", &column, kind == Kind::Patient))
        .with(APPOINTMENTS, &[&booked], &focus("appointmentid", &column, kind != Kind::Patient))
        .told(told);
    let record = if kind == Kind::Patient { &patient } else { &booked };
    let value = record.get(&column).cloned().unwrap_or_default();
    for (at, event) in drop.told.clone().into_iter().enumerate() {
        // Patients' IDs stand in the messages of appointments, too.
        if kind == Kind::Patient || event.kind() == Kind::Appointment {
            drop.points.extend(points(id, at + 1, &value));
        }
    }
    if drop.points.is_empty() {
        return;
    }
    stage.scenes.push(Scene {
        name: file_name(id),
        title: format!("External ID: {}", id.name),
        about: about(kind),
        purpose: format!("{} stands in {}, with all its digits.", id.name, id.target.field),
        drops: vec![drop],
        does: format!("Give a record a value for {} that begins with a zero.", id.name),
        sees: format!("{} is found by that value, zeros and all.", scenes::capital(noun(kind))),
    });
}

fn focus<'a>(key: &'a str, column: &'a str, is_its: bool) -> Vec<&'a str> {
    if is_its { vec![key, column] } else { vec![key] }
}

fn noun(kind: Kind) -> &'static str {
    if kind == Kind::Patient { "the patient" } else { "the appointment" }
}

fn points(id: &ExternalId, message: usize, value: &str) -> Vec<Point> {
    let target = id.target;
    let (field, any) = (target.field, if target.replaces { "" } else { "[*]" });
    let whole = format!("{}-{}{any}", field.segment(), field.field());
    let at = field.component().unwrap_or(1);
    let point = |place: String, value: &str, say: String| Point {
        message,
        field: place,
        value: value.to_string(),
        say,
    };
    let mut points =
        vec![point(format!("{whole}.{at}"), value, format!("{} stands there", id.name))];
    let is_list = field.segment() == "PID" && matches!(field.field(), 2..=4 | 18);
    if is_list && field.component().is_none() && !id.authority.is_empty() {
        let say = "the authority is the one that was agreed".to_string();
        points.push(point(format!("{whole}.4"), &id.authority, say));
    }
    points
}

/// A value that a spreadsheet took the zeros from waits, or gets them back.
fn lost_zeros(stage: &mut Stage<'_>, kind: Kind, id: &ExternalId) {
    let Some(width) = id.width.filter(|width| *width > 1) else { return };
    let (first, key) = match kind {
        Kind::Patient => (Event::PatientAdded, "patientid"),
        Kind::Appointment => (Event::AppointmentScheduled, "appointmentid"),
    };
    let patient = stage.actors.patient();
    let booked = stage.actors.appointment(&patient);
    let record = if kind == Kind::Patient { &patient } else { &booked };
    let core = core_of(record, key);
    // One that is padded must be nobody else's.
    if !stage.on(first) || id.zero_pad && core.len() >= width {
        return;
    }
    let short = core.get(core.len().saturating_sub(width - 1)..).unwrap_or(&core).to_string();
    let column = format!("customfield_{}", id.custom_field_id);
    let short_one = changed(record, &column, &short);
    let mut drop = Dropped::new("A spreadsheet took the zeros away from an ID.");
    if kind == Kind::Patient {
        drop = drop.with(PATIENTS, &[&short_one], &[key, &column]);
    } else {
        drop = drop.with(PATIENTS, &[&patient], &["patientid"]);
        drop = drop.with(APPOINTMENTS, &[&short_one], &[key, &column]);
        drop = drop.told(stage.told(&[Event::PatientAdded]));
    }
    let purpose = if id.zero_pad {
        drop.told.push(first);
        let at = drop.told.len();
        drop.points.extend(points(id, at, &id_value(id, &core)));
        "A value that is too short gets its zeros back.".to_string()
    } else {
        drop.waits = vec![Code::X003.id().to_string()];
        format!("A value of fewer than {width} characters waits as X003, and is not sent.")
    };
    stage.scenes.push(Scene {
        name: format!("{}-zeros", file_name(id)),
        title: format!("External ID without its zeros: {}", id.name),
        about: about(kind),
        purpose,
        drops: vec![drop],
        does: format!("Nothing: {} is never typed without its zeros.", id.name),
        sees: "Nothing wrong is there.".to_string(),
    });
}
