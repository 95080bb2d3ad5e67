//! Readers that are not ours read our batches: hl7apy (strict), python-hl7 and
//! node-hl7-client, installed by `scripts/judges.sh`. Whatever stands in a cell must
//! come out of each of them as it went in, but for what the README says is trimmed.

use std::collections::HashSet;
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
            if meant(&cell).is_empty()
                && ["lastname", "firstname", "guarantorlastname"].contains(column)
            {
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
    header.extend(["appointmenttypeshortname", "scheduledby", "departmentid", "providerid"]);
    header.extend(APPOINTMENT.iter().map(|place| place.0));
    appointments.write_record(&header).unwrap();
    for (row, chunk) in values.chunks(APPOINTMENT.len()).enumerate() {
        let mut cells = vec!["schedule".to_string(), (row + 1).to_string(), "1".to_string()];
        cells.extend(["05/26/2026", "10:00", "15", "T", "js", "12", "27"].map(str::to_string));
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

/// A patients extract with every form that a value can have in CSV.
const EDGES: &str = "event,patientid,lastname,firstname,dob,sex,address1,city\r\n\
add,1,\"Quoted\",\"with, comma\",02/14/1987,F,\"two\r\nlines\",\"and \"\"quotes\"\"\"\n\
add,2, blanks around ,\"  and inside quotes  \",02/14/1987,F,\"\",\"\"\"\"\"\"\"\"\n\
add,3,a\"quote,'single',02/14/1987,F,\"one\nline\n\",\"\"\"start\"\n\
\n\
add,4,tab\there,\"{\"\"json\"\": \"\"1\"\"}\",02/14/1987,F,\"\"\"\"\"\",end\"\"\r\n\
add,5,\"\"\"all, of\r\n\"\"it\"\" \",x,02/14/1987,F,\\,\"no newline at the end\"";

/// What must be read of them: PID-5.1, PID-5.2, PID-11.1, PID-11.3.
const EDGES_READ: [[&str; 4]; 5] = [
    ["Quoted", "with, comma", "two lines", "and \"quotes\""],
    ["blanks around", "and inside quotes", "", "\"\"\""],
    ["a\"quote", "'single'", "one line", "\"start"],
    ["tab here", "{\"json\": \"1\"}", "", "end\"\""],
    ["\"all, of \"it\"", "x", "\\", "no newline at the end"],
];

#[test]
fn every_form_of_csv_comes_out_as_it_went_in() {
    let Some(judges) = judges() else { return };
    let place = tempfile::tempdir().unwrap();
    let extract = place.path().join("patients.csv");
    fs::write(&extract, EDGES).unwrap();
    let places = [(5, 1), (5, 2), (11, 1), (11, 3)];
    let mut values = Vec::new();
    for (message, texts) in EDGES_READ.iter().enumerate() {
        for ((field, component), text) in places.iter().zip(texts) {
            values.push(json!([message, "PID", field, component, text]));
        }
    }
    for version in ["2.3.1", "2.4", "2.5", "2.5.1"] {
        Corpus::of(version, std::slice::from_ref(&extract), &values, 1).is_read_as_meant(&judges);
    }
}

/// Every component of the first segment of each kind, as our own reader has it, but for
/// notes, whose breaks each judge writes its own way.
fn read_by_us(batch: &Path) -> Vec<Value> {
    let bytes = fs::read(batch).unwrap();
    let file = BatchFile::read(&bytes).unwrap();
    let mut values = Vec::new();
    // One in three: to ask for one value costs one of the judges a millisecond.
    for (number, message) in file.messages().enumerate().step_by(3) {
        let mut seen: Vec<&[u8]> = vec![b"MSH", b"NTE"];
        for segment in &message.segments {
            if seen.contains(&segment.name()) {
                continue;
            }
            seen.push(segment.name());
            let name = String::from_utf8_lossy(segment.name());
            for field in 1..segment.bytes().split(|&byte| byte == b'|').count() {
                let first = segment.field(field).split(|&byte| byte == b'~').next().unwrap();
                for component in 1..=first.split(|&byte| byte == b'^').count() {
                    let value = String::from_utf8(segment.component(field, component)).unwrap();
                    if !value.is_empty() {
                        values.push(json!([number, name, field, component, value]));
                    }
                }
            }
        }
    }
    values
}

/// Copies extracts with the first patients and their appointments only: the judges take
/// up to fifteen milliseconds a message, and one of them more the longer the file is.
fn some_of(folder: &Path, into: &Path) {
    let mut patients: HashSet<String> = HashSet::new();
    for kind in ["providers", "departments", "patients", "appointments"] {
        let name = format!("{kind}.csv");
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        // Report Builder's title line.
        let titled = text.starts_with("Report Name");
        let text = if titled { text.split_once('\n').unwrap().1 } else { text.as_str() };
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let mut writer = csv::Writer::from_path(into.join(&name)).unwrap();
        let header = reader.headers().unwrap().clone();
        writer.write_record(&header).unwrap();
        let id = header.iter().position(|column| column == "patientid");
        for row in reader.records().map(Result::unwrap) {
            let patient = id.map(|id| row[id].to_string());
            let keeps = match (kind, patient) {
                ("patients", Some(patient)) if patients.len() < 60 => patients.insert(patient),
                ("appointments", Some(patient)) => patients.contains(&patient),
                ("patients", _) => false,
                _ => true,
            };
            if keeps {
                writer.write_record(&row).unwrap();
            }
        }
        writer.flush().unwrap();
    }
}

fn judge_extracts(judges: &Path, folder: &Path, prefix: &str, version: &str, every: usize) {
    let kinds = ["patients", "appointments", "providers", "departments"];
    let extracts = kinds.map(|kind| folder.join(format!("{prefix}{kind}.csv")));
    let first = Corpus::of(version, &extracts, &[], every);
    let values = read_by_us(&first.batch);
    assert!(values.len() > 100);
    let all = json!({ "version": version, "every": every, "values": values });
    fs::write(&first.expected, all.to_string()).unwrap();
    first.is_read_as_meant(judges);
}

#[test]
fn both_dialects_and_the_golden_extracts_are_read_as_we_read_them() {
    let Some(judges) = judges() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join(DATA).is_dir() || !root.join(GOLDEN).is_dir() {
        assert!(std::env::var_os("CI").is_none(), "{DATA} or {GOLDEN} is missing");
        println!("{DATA} and {GOLDEN} are not here");
        return;
    }
    for version in ["2.3.1", "2.4", "2.5", "2.5.1"] {
        judge_extracts(&judges, &root.join(GOLDEN), "example_", version, 1);
    }
    for (dialect, version) in [("api", "2.3.1"), ("report", "2.5.1")] {
        let place = tempfile::tempdir().unwrap();
        some_of(&root.join(DATA).join(dialect), place.path());
        judge_extracts(&judges, place.path(), "", version, 5);
    }
}
