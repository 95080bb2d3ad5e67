//! A made-up patient and appointment (`config/samples.toml`) under one interface's settings:
//! its custom fields have values too.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::domain::{Event, ExternalId, Scope};

/// Values by column.
pub type Columns = BTreeMap<String, String>;

/// All that `config/samples.toml` has, by its section.
pub fn samples() -> &'static BTreeMap<String, Columns> {
    static SAMPLES: LazyLock<BTreeMap<String, Columns>> = LazyLock::new(|| {
        // A test reads every section of it, so nothing is lost here.
        toml::from_str(include_str!("../../config/samples.toml")).unwrap_or_default()
    });
    &SAMPLES
}

fn section(name: &str) -> Columns {
    samples().get(name).cloned().unwrap_or_default()
}

/// Returns a value that an external ID may have; `salt` makes others.
pub fn id_value(id: &ExternalId, salt: u64) -> String {
    let digits = (4471 + salt).to_string();
    let width = id.width.unwrap_or(if id.leading_zeros { digits.len() + 3 } else { 0 });
    format!("{digits:0>width$}")
}

fn with_ids(mut record: Columns, ids: &[ExternalId]) -> Columns {
    for (at, id) in ids.iter().enumerate() {
        let value = id_value(id, 100 * at as u64);
        record.insert(format!("customfield_{}", id.custom_field_id), value);
    }
    record
}

/// Returns the patient.
pub fn patient(scope: &Scope) -> Columns {
    with_ids(section("patient"), &scope.patient_ids)
}

/// Returns the appointment as it stands when an event is told.
pub fn appointment(scope: &Scope, event: Event) -> Columns {
    let mut record = with_ids(section("appointment"), &scope.appointment_ids);
    let mut set = |pairs: &[(&str, &str)]| {
        for (column, value) in pairs {
            record.insert((*column).to_string(), (*value).to_string());
        }
    };
    match event {
        Event::AppointmentUpdated => set(&[("duration", "30")]),
        Event::AppointmentCancelled => set(&[
            ("appointmentstatus", "x"),
            ("cancelreasonid", "5"),
            ("cancelreasonname", "PATIENT CANCELLED"),
            ("cancelreasonnoshow", "false"),
            ("cancelledby", "jsmith"),
        ]),
        Event::AppointmentCheckedIn => {
            set(&[("appointmentstatus", "2"), ("checkindatetime", "05/27/2026 09:52:00")]);
        }
        Event::AppointmentCheckedOut => set(&[
            ("appointmentstatus", "3"),
            ("checkindatetime", "05/27/2026 09:52:00"),
            ("checkoutdatetime", "05/27/2026 10:21:00"),
        ]),
        _ => {}
    }
    record
}

/// Returns the provider.
pub fn provider() -> Columns {
    section("provider")
}

/// Returns the department.
pub fn department() -> Columns {
    section("department")
}
