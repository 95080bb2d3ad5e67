//! Readers that are not ours read our batches: hl7apy (strict), python-hl7 and
//! node-hl7-client, installed by `scripts/judges.sh`. Whatever stands in a cell must
//! come out of each of them as it went in, but for what the README says is trimmed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hl7drop::hl7::read::BatchFile;
use serde_json::{Value, json};

use crate::site::ended;

const DATA: &str = "../shared/data";
const GOLDEN: &str = "../shared/spec/golden";

/// Where a cell goes: its column, segment, field, component.
type Place = (&'static str, &'static str, usize, usize);

/// Text columns of patients, and where they must come out.
const PATIENT: [Place; 9] = [
    ("lastname", "PID", 5, 1),
    ("firstname", "PID", 5, 2),
    ("middlename", "PID", 5, 3),
    ("preferredname", "PID", 9, 1),
    ("address1", "PID", 11, 1),
    ("address2", "PID", 11, 2),
    ("city", "PID", 11, 3),
    ("guarantorlastname", "GT1", 3, 1),
    ("insurance1_insuranceplanname", "IN1", 2, 2),
];

/// ... and of appointments.
const APPOINTMENT: [Place; 3] = [
    ("appointmentreason", "SCH", 7, 1),
    ("appointmenttype", "SCH", 8, 2),
    ("appointmentnotes", "NTE", 3, 1),
];

/// A batch, and what must be read from it.
struct Corpus {
    place: tempfile::TempDir,
    batch: PathBuf,
    expected: PathBuf,
}

/// Returns where the judges are; none if they are not installed. In CI they must be.
fn judges() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("judges");
    if !place.join("installed").is_file() {
        assert!(std::env::var_os("CI").is_none(), "no judges: scripts/judges.sh installs them");
        println!("not judged: scripts/judges.sh installs the judges");
        return None;
    }
    Some(place)
}

/// What a cell becomes: blanks and control characters around it go, line breaks and
/// tabs inside are blanks, other control characters are left out, and `""`, which would
/// ask the receiver to delete, is nothing.
fn meant(cell: &str) -> String {
    let cell = cell.trim_matches(|char: char| char <= ' ' || char == '\u{7f}');
    let cell = cell.replace("\r\n", "\n");
    let blank = |char: char| if "\r\n\t".contains(char) { ' ' } else { char };
    let cell: String = cell.chars().map(blank).filter(|char| !char.is_ascii_control()).collect();
    if cell == "\"\"" { String::new() } else { cell }
}

impl Corpus {
    /// Converts extracts in a version.
    fn of(version: &str, extracts: &[PathBuf], values: &[Value], every: usize) -> Corpus {
        let place = tempfile::Builder::new().prefix("hl7drop-judges-").tempdir().unwrap();
        let interface = place.path().join("interface.toml");
        let settings = format!(
            "[project]\ninterface = \"judged\"\ncontext_id = \"99999\"\npractice = \"Riverbend\"\n\
             environment = \"test\"\n[wire]\nhl7_version = \"{version}\"\n\
             receiving_application = \"CARESYNC\"\n\
             [extract.patients]\nfiles = [\"*patients*\"]\n\
             [extract.appointments]\nfiles = [\"*appointments*\"]\n\
             [extract.providers]\nfiles = [\"*providers*\"]\n\
             [extract.departments]\nfiles = [\"*departments*\"]\n\
             [connectivity.test]\nmethod = \"folder\"\nfolder = \"x\"\n[provider_id]\nuse = \"athena\"\n"
        );
        fs::write(&interface, settings).unwrap();
        let batch = place.path().join("batch.hl7");
        let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
        command.args(["convert", "--clock", "2026-05-20T11:00:00", "--interface"]);
        command.arg(&interface).arg("--output").arg(&batch).args(extracts);
        let said = ended(&mut command);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{version}");
        let expected = place.path().join("expected.json");
        let all = json!({ "version": version, "every": every, "values": values });
        fs::write(&expected, all.to_string()).unwrap();
        Corpus { place, batch, expected }
    }

    /// Has every judge read it; returns what each finds wrong.
    fn judged(&self, judges: &Path) -> Vec<(&'static str, Value)> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/judges");
        let mut verdicts = Vec::new();
        for judge in ["hl7apy", "python-hl7", "node-hl7-client"] {
            let mut command = if judge == "node-hl7-client" {
                let mut node = Command::new("node");
                node.arg(scripts.join("judge.cjs")).arg(judges.join("npm"));
                node
            } else {
                let mut python = Command::new(judges.join("venv/bin/python"));
                python.arg(scripts.join("judge.py")).arg(judge);
                python
            };
            let said = ended(command.arg(&self.batch).arg(&self.expected));
            assert_eq!(said.code, Some(0), "{judge}: {said:?}");
            verdicts.push((judge, said.json()));
        }
        verdicts
    }

    fn is_read_as_meant(&self, judges: &Path) {
        for (judge, wrong) in self.judged(judges) {
            assert_eq!(wrong, json!([]), "{judge} {}", self.place.path().display());
        }
    }
}

/// Puts values into the cells of patients and appointments, as many to a row as there
/// are columns; returns the extracts and what must be read of each message.
fn spread(folder: &Path, values: &[String], quotes: csv::QuoteStyle) -> (Vec<PathBuf>, Vec<Value>) {
    let writer = |name: &str| {
        let path = folder.join(name);
        (csv::WriterBuilder::new().quote_style(quotes).from_path(&path).unwrap(), path)
    };
    let (mut patients, patients_path) = writer("patients.csv");
    let mut header = vec!["event", "patientid", "dob", "sex", "insurance1_insurancepackageid"];
    header.extend(PATIENT.iter().map(|place| place.0));
    patients.write_record(&header).unwrap();
    let mut expected = Vec::new();
    let mut message = 0;
    for row in values.chunks(PATIENT.len()) {
        let mut cells = vec!["add".to_string(), (message + 1).to_string()];
        cells.extend(["02/14/1987", "F", "9"].map(str::to_string));
        for (at, (column, segment, field, component)) in PATIENT.iter().enumerate() {
            let mut cell = row.get(at).cloned().unwrap_or_default();
            // These three are required.
            if meant(&cell).is_empty() && ["lastname", "firstname", "guarantorlastname"].contains(column) {
                cell = "X".to_string();
            }
            expected.push(json!([message, segment, field, component, meant(&cell)]));
            cells.push(cell);
        }
        patients.write_record(&cells).unwrap();
        message += 1;
    }
    patients.flush().unwrap();
    let (mut appointments, appointments_path) = writer("appointments.csv");
    let mut header = vec!["event", "appointmentid", "patientid", "date", "starttime", "duration"];
    header.extend(["appointmenttypeshortname", "scheduledby"]);
    header.extend(APPOINTMENT.iter().map(|place| place.0));
    appointments.write_record(&header).unwrap();
    for (row, chunk) in values.chunks(APPOINTMENT.len()).enumerate() {
        let mut cells = vec!["schedule".to_string(), (row + 1).to_string(), "1".to_string()];
        cells.extend(["05/26/2026", "10:00", "15", "T", "js"].map(str::to_string));
        for (at, (_, segment, field, component)) in APPOINTMENT.iter().enumerate() {
            let mut cell = chunk.get(at).cloned().unwrap_or_default();
            // Of a note each line is kept apart: a break, which each judge writes its way.
            if *segment == "NTE" {
                cell = cell.replace(['\r', '\n'], " ");
            }
            if !(meant(&cell).is_empty() && *segment == "SCH" && *field == 7) {
                expected.push(json!([message, segment, field, component, meant(&cell)]));
            }
            cells.push(cell);
        }
        // No note, no NTE to read.
        if meant(cells.last().unwrap()).is_empty() {
            expected.pop();
        }
        appointments.write_record(&cells).unwrap();
        message += 1;
    }
    appointments.flush().unwrap();
    (vec![patients_path, appointments_path], expected)
}

fn lines(path: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path);
    fs::read_to_string(path).unwrap().split('\n').map(str::to_string).collect()
}

#[test]
fn names_of_every_script_and_every_delimiter_come_out_as_they_went_in() {
    let Some(judges) = judges() else { return };
    let names = lines("names.txt");
    assert!(names.len() > 30);
    for version in ["2.3.1", "2.5.1"] {
        let place = tempfile::tempdir().unwrap();
        let (extracts, values) = spread(place.path(), &names, csv::QuoteStyle::Necessary);
        Corpus::of(version, &extracts, &values, 1).is_read_as_meant(&judges);
    }
}

#[test]
fn naughty_strings_come_out_as_they_went_in() {
    let Some(judges) = judges() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/blns/blns.json");
    let strings: Vec<String> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(strings.len() > 450);
    let place = tempfile::tempdir().unwrap();
    let (extracts, values) = spread(place.path(), &strings, csv::QuoteStyle::Always);
    Corpus::of("2.5.1", &extracts, &values, 2).is_read_as_meant(&judges);
}
