//! Every column that an extract may have is used, or there is a reason why not: a
//! column that nobody reads would be accepted and silently lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use hl7drop::config::{interface, template};
use hl7drop::convert::{Bound, Compiler, Map};
use hl7drop::domain::{CHOICES, Event, ExtractKind, Kind, Layout};

/// Columns that code reads by name, not the map: kind, column, where.
const BY_NAME: &[(&str, &str, &str)] = &[
    ("patients", "event", "src/convert/detect.rs"),
    ("patients", "testpatientyn", "src/convert/detect.rs"),
    ("patients", "status", "src/convert/compile.rs"),
    ("patients", "newpatientid", "src/convert/compile.rs"),
    ("patients", "deleteddatetime", "src/convert/compile.rs"),
    ("patients", "contextid", "src/convert/compile.rs"),
    ("appointments", "event", "src/convert/detect.rs"),
    ("appointments", "patientid", "src/convert/detect.rs"),
    ("appointments", "appointmentstatus", "src/convert/detect.rs"),
    ("appointments", "date", "src/convert/compile.rs"),
    ("appointments", "starttime", "src/convert/compile.rs"),
    ("appointments", "appointmentdatetime", "src/convert/compile.rs"),
    ("appointments", "lastmodified", "src/engine/render.rs"),
    ("providers", "providerid", "src/engine/reference.rs"),
    ("providers", "hl7providerid", "src/engine/reference.rs"),
    ("providers", "npi", "src/engine/reference.rs"),
    ("providers", "lastname", "src/engine/reference.rs"),
    ("providers", "firstname", "src/engine/reference.rs"),
    ("providers", "schedulingname", "src/engine/reference.rs"),
    ("departments", "departmentid", "src/engine/reference.rs"),
    ("departments", "name", "src/engine/reference.rs"),
];

/// Columns that are known and not used: kind, column, because.
const NOT_USED: &[(&str, &str, &str)] = &[
    ("patients", "insurance#_insurancetype", "IN1-15 takes three characters: insurancetypecode"),
    ("appointments", "scheduleddatetime", "no field of SCH holds when it was booked"),
    ("appointments", "scheduleddate", "no field of SCH holds when it was booked"),
    ("appointments", "scheduledtime", "no field of SCH holds when it was booked"),
    ("appointments", "cancelleddatetime", "no field of SCH holds when it was cancelled"),
    ("appointments", "cancelleddate", "no field of SCH holds when it was cancelled"),
    ("appointments", "parentappointmentid", "group visits: SCH-23 and SCH-24 mean another thing"),
    ("appointments", "frozenyn", "a frozen slot has no patient, and that is what is looked at"),
    ("providers", "providerusername", "PV1 and AIG take the ID that was agreed (table 8)"),
    ("providers", "displayname", "the parts of the name and the scheduling name say it"),
    ("providers", "entitytype", "table 8 knows no other ID for what is no person"),
    ("departments", "timezonename", "appointment times go out as the department's own (8.25)"),
];

/// What the compiler asked for.
static ASKED: Mutex<BTreeSet<(&str, String)>> = Mutex::new(BTreeSet::new());

fn project(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn asked(kind: Kind, column: &str) -> bool {
    let kind = match kind {
        Kind::Patient => "patients",
        Kind::Appointment => "appointments",
    };
    ASKED.lock().unwrap().insert((kind, column.to_string()));
    true
}

/// Compiles every event in every version, with each word of each choice.
fn by_the_map() -> BTreeSet<(&'static str, String)> {
    let mut scope =
        interface::read(&template::interface_file("vocabulary"), Path::new("/")).unwrap();
    let empty = |kind| Layout::new(kind, b',', String::new(), Vec::new());
    let (patients, appointments) = (empty(ExtractKind::Patients), empty(ExtractKind::Appointments));
    for version in ["2.3.1", "2.4", "2.5", "2.5.1"] {
        scope.wire.hl7_version = version.to_string();
        let words =
            CHOICES.iter().flat_map(|(key, words)| words.iter().map(move |word| (key, word)));
        for (key, word) in words {
            scope.fields = [format!("{key}={word}")].into();
            let map = Map::agreed(&scope).unwrap();
            let compiler = Compiler::new(&map, &scope, "2026-05-20T11:00".parse().unwrap(), asked);
            for event in Event::ALL {
                let bound = match event.kind() {
                    Kind::Patient => Bound::Patient(&patients),
                    Kind::Appointment => Bound::Appointment(&appointments, None),
                };
                compiler.program(event, bound).unwrap();
            }
        }
    }
    std::mem::take(&mut *ASKED.lock().unwrap())
}

/// Returns every column of the vocabulary; the three insurances are one.
fn vocabulary() -> BTreeSet<(String, String)> {
    let table: toml::Table = project("config/columns.toml").parse().unwrap();
    let columns = table.iter().flat_map(|(kind, table)| {
        let columns = table["columns"].as_table().unwrap();
        columns.keys().map(move |column| (kind.clone(), one_insurance(column)))
    });
    columns.collect()
}

fn one_insurance(column: &str) -> String {
    match column.strip_prefix("insurance").and_then(|rest| rest.split_once('_')) {
        Some(("1" | "2" | "3", rest)) => format!("insurance#_{rest}"),
        _ => column.to_string(),
    }
}

#[test]
fn every_column_is_used_or_has_its_reason() {
    for (_, column, file) in BY_NAME {
        assert!(project(file).contains(&format!("\"{column}\"")), "{file} does not read {column}");
    }
    let own = |(kind, column, _): &(&str, &str, &str)| (kind.to_string(), column.to_string());
    let idle: BTreeSet<(String, String)> = NOT_USED.iter().map(own).collect();
    let mut used: BTreeSet<(String, String)> = BY_NAME.iter().map(own).collect();
    used.extend(by_the_map().into_iter().map(|(kind, name)| (kind.into(), one_insurance(&name))));
    let both: Vec<_> = idle.intersection(&used).collect();
    assert!(both.is_empty(), "used after all: {both:?}");
    let known = vocabulary();
    let missing: Vec<_> = idle.iter().filter(|column| !known.contains(*column)).collect();
    assert!(missing.is_empty(), "no such column: {missing:?}");
    let read: BTreeSet<_> = used.union(&idle).cloned().collect();
    let lost: Vec<_> = known.difference(&read).collect();
    assert!(lost.is_empty(), "read by nobody: {lost:?}");
}
