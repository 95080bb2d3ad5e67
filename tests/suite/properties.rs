//! What holds of any drop: its bytes do not depend on the workers, its order is kept,
//! any text comes out of the wire as it went in, and no bytes bring the program down.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use hl7drop::domain::{Counts, ExtractKind};
use hl7drop::hl7::read::{BatchFile, Message};
use proptest::prelude::*;

use crate::input;
use crate::site::{Output, ended};

const INTERFACE: &str = "tests/cases/golden-v231/interface.toml";

/// Makes extracts with the project's own generator.
fn generate(folder: &Path, args: &[&str]) {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--offline", "--example", "generate", "--"]);
    command.args(args).arg("--out").arg(folder).stdin(Stdio::null());
    let output = ended(&mut command);
    assert_eq!(output.code, Some(0), "{output:?}");
}

/// Runs `hl7drop convert` over extracts; returns the batch file and what was said.
fn convert(extracts: &[PathBuf], workers: &str) -> (Vec<u8>, Output) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("batch.hl7");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.args(["convert", "--interface", INTERFACE, "--clock", "2026-05-20T11:00:00"]);
    command.args(["--json", "--workers", workers, "--output"]).arg(&file).args(extracts);
    let output = ended(&mut command);
    (fs::read(&file).unwrap_or_default(), output)
}

fn extracts(folder: &Path) -> Vec<PathBuf> {
    ["patients", "appointments", "providers", "departments"]
        .map(|kind| folder.join(format!("{kind}.csv")))
        .to_vec()
}

#[test]
fn the_bytes_do_not_depend_on_the_workers() {
    let place = tempfile::tempdir().unwrap();
    // Two files of several blocks each, so that blocks are in flight; and a tiny drop.
    generate(place.path(), &["--rows", "12000", "--events", "--bad", "1"]);
    let large = the_same_with_any_workers(place.path());
    the_same_with_any_workers(Path::new("examples/quickstart/api"));
    assert!(extracts(place.path())[0].metadata().unwrap().len() > 3 << 20, "one block only");
    in_order(place.path(), &large.0, &large.1);
    the_same_from_gzip(place.path(), &large.0);
}

fn the_same_with_any_workers(folder: &Path) -> (Vec<u8>, Output) {
    let (file, said) = convert(&extracts(folder), "1");
    assert_eq!(said.code, Some(3), "{}", said.err);
    for workers in ["2", "3", "8"] {
        let (again, said_again) = convert(&extracts(folder), workers);
        assert!(again == file, "{}: {workers} workers", folder.display());
        assert_eq!(said_again.err, said.err, "{workers} workers");
    }
    (file, said)
}

/// The messages of each patient and appointment stand in the order of their rows: of
/// every row that is not refused there is one message, in the order of the file.
fn in_order(folder: &Path, file: &[u8], said: &Output) {
    let refused: HashSet<(String, u64)> = said
        .err
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|fault| {
            let name = fault["file"].as_str().unwrap().to_string();
            (name, fault["record"].as_u64().unwrap())
        })
        .collect();
    let rows = |name: &str, id: &str| -> Vec<(String, String)> {
        let mut options = csv::ReaderBuilder::new();
        let mut reader = options.flexible(true).from_path(folder.join(name)).unwrap();
        let header = reader.headers().unwrap().clone();
        let place = |column| header.iter().position(|cell| cell == column).unwrap();
        let (event, id) = (place("event"), place(id));
        let rows = reader.byte_records().map(Result::unwrap).zip(1_u64..);
        let good = rows.filter(|(_, record)| !refused.contains(&(name.to_string(), *record)));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        good.map(|(row, _)| (text(&row[id]), text(&row[event]))).collect()
    };
    let read = BatchFile::read(file).unwrap();
    let told = |batch: usize, id: (&str, usize), of: &dyn Fn(&Message<'_>) -> String| {
        let messages = read.batches[batch].messages.iter();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        messages
            .map(|message| {
                let segment = message.segment(id.0).unwrap();
                (text(&segment.component(id.1, 1)), of(message))
            })
            .collect::<Vec<_>>()
    };
    let patients = told(0, ("PID", 3), &|message| match message.segments[0].component(9, 2) {
        trigger if trigger == b"A28" => "add".to_string(),
        _ => "update".to_string(),
    });
    assert!(patients == rows("patients.csv", "patientid"), "patients out of order");
    let appointments = told(1, ("SCH", 2), &|message| {
        let status = message.segment("SCH").unwrap().component(25, 1);
        let word = match status.as_slice() {
            b"BOOKED" => "schedule",
            b"UPDATE" => "update",
            b"CANCELLED" => "cancel",
            b"ARRIVED" => "checkin",
            _ => "checkout",
        };
        word.to_string()
    });
    assert!(appointments == rows("appointments.csv", "appointmentid"), "visits out of order");
}

fn the_same_from_gzip(folder: &Path, file: &[u8]) {
    let packed: Vec<PathBuf> = extracts(folder)
        .into_iter()
        .map(|path| {
            let to = path.with_extension("csv.gz");
            let mut encoder = GzEncoder::new(fs::File::create(&to).unwrap(), Compression::fast());
            std::io::copy(&mut fs::File::open(&path).unwrap(), &mut encoder).unwrap();
            encoder.finish().unwrap();
            to
        })
        .collect();
    assert!(convert(&packed, "2").0 == file, "gzip changes the bytes");
}

/// Converts extracts within this process; returns the batch file, and the counts of
/// each extract that was read to its end.
fn within(drop: &[(ExtractKind, &[u8])]) -> (Vec<u8>, Vec<Option<Counts>>) {
    let converted = input::convert("", drop);
    (converted.file, converted.extracts.into_iter().map(Result::ok).collect())
}

/// Text columns of a patient, and where each comes out: segment, field, component.
const PATIENT: &[(&str, &str, usize, usize)] = &[
    ("lastname", "PID", 5, 1),
    ("firstname", "PID", 5, 2),
    ("middlename", "PID", 5, 3),
    ("suffix", "PID", 5, 4),
    ("preferredname", "PID", 9, 1),
    ("address1", "PID", 11, 1),
    ("address2", "PID", 11, 2),
    ("city", "PID", 11, 3),
    ("state", "PID", 11, 4),
    ("countrycode", "PID", 11, 6),
    ("email", "PID", 13, 4),
    ("enterpriseid", "PID", 2, 1),
    ("lastmodifiedby", "EVN", 5, 1),
    ("pcplastname", "PD1", 4, 2),
    ("pcpfirstname", "PD1", 4, 3),
    ("guarantorlastname", "GT1", 3, 1),
    ("guarantoraddress1", "GT1", 5, 1),
    ("insurance1_insurancepackageid", "IN1", 2, 1),
    ("insurance1_insuranceplanname", "IN1", 2, 2),
    ("insurance1_ircname", "IN1", 4, 1),
    ("insurance1_policynumber", "IN1", 8, 1),
    ("insurance1_insuranceidnumber", "IN1", 36, 1),
    ("insurance1_insuredlastname", "IN1", 16, 1),
];

/// Text columns of an appointment.
const APPOINTMENT: &[(&str, &str, usize, usize)] = &[
    ("appointmentreason", "SCH", 7, 1),
    ("appointmenttypeshortname", "SCH", 8, 1),
    ("appointmenttype", "SCH", 8, 2),
    ("scheduledby", "SCH", 16, 1),
    ("lastmodifiedby", "SCH", 20, 1),
    ("appointmentnotes", "NTE", 3, 1),
];

/// What a value is on the far side of the wire: the documented losses (`interface.md`
/// 3.4): blanks and control characters at the ends, other control characters, line
/// breaks and tabs as blanks (in notes: as line breaks), and `""`.
fn expected(value: &str, formatted: bool) -> String {
    let trimmed = value.trim_matches(|char: char| char.is_ascii_control() || char == ' ');
    let one = trimmed.replace("\r\n", "\n").replace('\r', "\n");
    let one = if formatted { one } else { one.replace('\n', " ") }.replace('\t', " ");
    let one: String =
        one.chars().filter(|char| *char == '\n' || !char.is_ascii_control()).collect();
    if one == "\"\"" { String::new() } else { one }
}

fn csv_of(columns: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|(name, _)| name)).unwrap();
    writer.write_record(columns.iter().map(|(_, value)| value)).unwrap();
    writer.into_inner().unwrap()
}

/// Any text but words that mean "no value" (`config/mapping.toml`, [blank]) and NUL,
/// which makes a row faulty. Half of it is made of what could do harm.
fn any_text() -> impl Strategy<Value = String> {
    let harm = "[\\\\|^~&\"\\\\.brFSTRE,;\t\r\n\u{1}\u{7f} ~\u{e9}\u{4e2d}\u{1f600}]{0,12}";
    let any = proptest::collection::vec(any::<char>(), 0..12)
        .prop_map(|chars| chars.into_iter().collect::<String>());
    let text = prop_oneof![harm.prop_map(String::from), any];
    text.prop_filter("a word for no value, or NUL", |text| {
        let word = expected(text, false).trim().to_lowercase();
        let blank = [
            "declined",
            "patient declined",
            "no email",
            "no phone",
            "none",
            "unknown",
            "*self pay*",
            "0",
        ];
        !text.contains('\0') && !blank.contains(&word.as_str())
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_of_a_patient_survives(texts in proptest::collection::vec(any_text(), PATIENT.len())) {
        let mut columns = vec![("event", "add"), ("patientid", "1"), ("dob", "02/14/1987"), ("sex", "F")];
        columns.extend(PATIENT.iter().zip(&texts).map(|((name, ..), text)| (*name, text.as_str())));
        let (file, counts) = within(&[(ExtractKind::Patients, &csv_of(&columns))]);
        let counts = counts[0].unwrap();
        prop_assert!(counts.balanced() && counts.rows == 1, "{counts:?}");
        let value = |name| {
            let text = columns.iter().find(|(column, _)| *column == name).unwrap().1;
            expected(text, false)
        };
        // What is required and empty is a fault, and so is an insurance without its ID.
        let lone = ["insurance1_insuranceplanname", "insurance1_insuranceidnumber"];
        let guarantor = !value("guarantoraddress1").is_empty();
        let insured = !value("insurance1_insurancepackageid").is_empty();
        let bad = value("lastname").is_empty() || value("firstname").is_empty()
            || guarantor && value("guarantorlastname").is_empty()
            || !insured && lone.iter().any(|name| !value(name).is_empty());
        if bad {
            prop_assert_eq!(counts.error, 1);
            prop_assert!(file.is_empty());
            return Ok(());
        }
        prop_assert_eq!(counts.messages, 1);
        let read = BatchFile::read(&file).unwrap();
        let message = read.messages().next().unwrap();
        for (name, segment, field, component) in PATIENT {
            let wanted = match *name {
                "enterpriseid" if value(name).is_empty() => "1".to_string(),
                "insurance1_ircname" if value(name).is_empty() => value("insurance1_insuranceplanname"),
                _ if name.starts_with("insurance1_") && !insured => String::new(),
                _ => value(name),
            };
            let wanted = if name.starts_with("insurance1_") && !insured { String::new() } else { wanted };
            let found = message.segment(segment).map(|one| one.component(*field, *component));
            let found = String::from_utf8(found.unwrap_or_default()).unwrap();
            prop_assert_eq!(found, wanted, "{}", name);
        }
        let marked = message.segments[0].field(18) == b"UNICODE UTF-8";
        prop_assert_eq!(marked, file.iter().any(|byte| !byte.is_ascii()));
    }

    #[test]
    fn any_text_of_an_appointment_survives(texts in proptest::collection::vec(any_text(), APPOINTMENT.len())) {
        let mut columns = vec![
            ("event", "schedule"), ("appointmentid", "7"), ("patientid", "1"), ("departmentid", "12"),
            ("providerid", "27"), ("date", "05/20/2026"), ("starttime", "10:00"), ("duration", "15"),
            ("patient lastname", "A"), ("patient firstname", "B"), ("patientdob", "02/14/1987"),
        ];
        columns.extend(APPOINTMENT.iter().zip(&texts).map(|((name, ..), text)| (*name, text.as_str())));
        let providers = b"providerid,npi\n27,1234567893\n";
        let appointments = csv_of(&columns);
        let drop = [(ExtractKind::Providers, &providers[..]), (ExtractKind::Appointments, &appointments)];
        let (file, counts) = within(&drop);
        prop_assert_eq!(counts[1].unwrap().messages, 1);
        let read = BatchFile::read(&file).unwrap();
        let message = read.messages().next().unwrap();
        let text = |name: &str| {
            let (_, text) = columns.iter().find(|(column, _)| *column == name).unwrap();
            expected(text, name == "appointmentnotes")
        };
        let or = |first: String, second: &str| if first.is_empty() { second.to_string() } else { first };
        for (name, segment, field, component) in APPOINTMENT {
            let wanted = match *name {
                "appointmentreason" => or(text(name), &text("appointmenttype")),
                "scheduledby" => or(text(name), "HL7DROP"),
                "lastmodifiedby" => or(text(name), &or(text("scheduledby"), "HL7DROP")),
                _ => text(name),
            };
            let found = message.segment(segment).map(|one| one.component(*field, *component));
            let found = String::from_utf8(found.unwrap_or_default()).unwrap();
            prop_assert_eq!(found, wanted, "{}", name);
        }
    }

    #[test]
    fn no_bytes_bring_the_conversion_down(bytes in mangled(), kind in 0_usize..4) {
        let kind = ExtractKind::ALL[kind];
        let (file, counts) = within(&[(kind, &bytes), (ExtractKind::Patients, GOOD)]);
        for counts in counts.into_iter().flatten() {
            prop_assert!(counts.balanced(), "{counts:?}");
        }
        // The good extract goes out whatever stands beside it.
        let read = BatchFile::read(&file).unwrap();
        let good = read.messages().filter(|one| one.segment("PID").unwrap().field(4) == b"good-1");
        prop_assert_eq!(good.count(), 1);
    }
}

const GOOD: &[u8] = b"patientid,lastname,firstname,dob,sex\ngood-1,TESTPATIENT,ANN,02/14/1987,F\n";

/// A good extract with bytes put in, taken out and cut off; or any bytes at all.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let golden =
        |kind: &str| fs::read(format!("../shared/spec/golden/example_{kind}.csv")).unwrap();
    let seeds = ["patients", "appointments", "providers", "departments"].map(golden);
    let edits =
        proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 0..6);
    let edited = (0_usize..4, edits).prop_map(move |(seed, edits)| {
        let mut bytes = seeds[seed].clone();
        for (place, how, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"\"\n\r,\0\xff"[usize::from(byte) % 6]),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        bytes
    });
    prop_oneof![4 => edited, 1 => proptest::collection::vec(any::<u8>(), 0..300)]
}
