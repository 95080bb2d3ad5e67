//! Every column that an extract may have is used, or there is a reason why not: a
//! column that nobody reads would be accepted and silently lost. Every field that the
//! specification has us send is in the map, and every code that it lists in a table.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use hl7drop::codes::standard;
use hl7drop::config::{interface, template};
use hl7drop::convert::{Bound, Compiler, Map};
use hl7drop::domain::{CHOICES, Event, ExtractKind, Kind, Layout};

/// Columns that code reads by name, not the map: kind, column, where.
const BY_NAME: &[(&str, &str, &str)] = &[
    ("patients", "event", "src/convert/detect.rs"),
    ("patients", "testpatientyn", "src/convert/detect.rs"),
    ("patients", "status", "src/convert/outside.rs"),
    ("patients", "newpatientid", "src/convert/outside.rs"),
    ("patients", "deleteddatetime", "src/convert/outside.rs"),
    ("patients", "contextid", "src/convert/outside.rs"),
    ("appointments", "event", "src/convert/detect.rs"),
    ("appointments", "patientid", "src/convert/detect.rs"),
    ("appointments", "appointmentstatus", "src/convert/detect.rs"),
    ("appointments", "date", "src/convert/compile.rs"),
    ("appointments", "starttime", "src/convert/compile.rs"),
    ("appointments", "appointmentdatetime", "src/convert/compile.rs"),
    ("appointments", "lastmodified", "src/engine/key.rs"),
    ("providers", "providerid", "src/engine/reference.rs"),
    ("providers", "hl7providerid", "src/engine/reference.rs"),
    ("providers", "npi", "src/engine/reference.rs"),
    ("providers", "lastname", "src/engine/reference.rs"),
    ("providers", "firstname", "src/engine/reference.rs"),
    ("providers", "schedulingname", "src/engine/reference.rs"),
    ("providers", "entitytype", "src/engine/reference.rs"),
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

/// Where the specification stands; read in place.
const SPEC: &str = "../shared/spec";

/// Reads a file of the specification; without it CI fails.
fn specified(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SPEC).join(name);
    let text = fs::read_to_string(&path).ok();
    assert!(text.is_some() || std::env::var_os("CI").is_none(), "{} is missing", path.display());
    text
}

/// Fields that the specification lists, and that are not the map's, with the reason.
const NOT_MAPPED: &[(&str, &str)] = &[
    ("MSH-1", "the separator itself"),
    ("MSH-2", "written with the segment's name"),
    ("EVN-6", "reserved: `no`"),
    ("PID-18", "a target of [[external_ids.patient]] only"),
    ("RGS-3", "`no`"),
];

/// Returns the fields of the tables of 3.2, without those of the envelope.
fn fields_of_the_tables(text: &str) -> BTreeSet<String> {
    let tables = text.split("### 3.2 Field tables").nth(1).unwrap();
    let tables = tables.split("### 3.3").next().unwrap();
    let mut fields = BTreeSet::new();
    for table in tables.split("\n#### ").skip(1) {
        let segment = table.lines().next().unwrap().trim();
        let numbers = table.lines().filter_map(|line| line.strip_prefix("| "));
        let numbers = numbers.filter_map(|line| line.split(' ').next()?.parse::<u8>().ok());
        if !["FHS", "BHS", "BTS", "FTS"].contains(&segment) {
            fields.extend(numbers.map(|number| format!("{segment}-{number}")));
        }
    }
    fields
}

#[test]
fn every_field_of_the_specification_is_in_the_map_and_no_other() {
    let Some(text) = specified("interface.md") else { return };
    let specified = fields_of_the_tables(&text);
    assert!(specified.len() > 120, "{} fields", specified.len());
    let mut scope = interface::read(&template::interface_file("spec"), Path::new("/")).unwrap();
    let mut mapped = BTreeSet::new();
    for (key, words) in CHOICES {
        for word in words {
            scope.fields = [format!("{key}={word}")].into();
            for segment in Map::agreed(&scope).unwrap().segments {
                let fields = segment.only.values().flatten().chain(&segment.fields);
                mapped.extend(fields.map(|(number, _)| format!("{}-{number}", segment.name())));
            }
        }
    }
    let not_mapped: BTreeSet<String> =
        NOT_MAPPED.iter().map(|(field, _)| field.to_string()).collect();
    let both: Vec<_> = not_mapped.intersection(&mapped).collect();
    assert!(both.is_empty(), "in the map after all: {both:?}");
    let ours: BTreeSet<String> = mapped.union(&not_mapped).cloned().collect();
    let missing: Vec<_> = specified.difference(&ours).collect();
    assert!(missing.is_empty(), "not in the map: {missing:?}");
    let more: Vec<_> = ours.difference(&specified).collect();
    assert!(more.is_empty(), "not in the specification: {more:?}");
}

#[test]
fn every_code_of_the_specification_is_in_its_table() {
    let (Some(cdc), Some(iso)) = (specified("codes/cdcrec.csv"), specified("codes/iso639_2.csv"))
    else {
        return;
    };
    let rows = |text: &str| -> Vec<Vec<String>> {
        let reader = csv::Reader::from_reader(text.as_bytes()).into_records();
        reader.map(|row| row.unwrap().iter().map(str::to_string).collect()).collect()
    };
    let code = |table: &str, input: &str| {
        let found = standard(table).unwrap().find(input.as_bytes());
        found.map(|(row, _)| (row.code.clone(), row.text.clone()))
    };
    let cdc = rows(&cdc);
    assert_eq!(cdc.len(), 964);
    for row in cdc {
        let wanted = Some((row[1].clone(), row[2].clone()));
        assert_eq!(code(&row[0], &row[1]), wanted);
        let other = if row[0] == "race" { "ethnicity" } else { "race" };
        assert_eq!(code(other, &row[1]), None, "{row:?}");
    }
    let iso = rows(&iso);
    assert_eq!(iso.len(), 487);
    for row in iso.iter().filter(|row| row[0] != "qaa-qtz") {
        for (table, form) in [("language", 0), ("language_b", 1)] {
            for input in row[..3].iter().filter(|input| !input.is_empty()) {
                let found = code(table, input).map(|(code, _)| code);
                assert_eq!(found.as_ref(), Some(&row[form]), "{input} in {table}");
            }
        }
    }
}
