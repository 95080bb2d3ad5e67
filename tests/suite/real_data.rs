//! Extracts in both athenaNet dialects, read in place: no settings but identity, and
//! the same row gives the same message, but for what Report Builder does not carry.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use hl7drop::hl7::read::{BatchFile, Message};

use crate::site::{Output, ended};

const DATA: &str = "../shared/data";

/// Patients in each dialect.
const PATIENTS: usize = 1000;

/// A difference that the report's form itself makes (`interface.md` 5.2a).
struct Gap {
    segment: &'static str,
    field: usize,
    /// 0 is the whole field.
    component: usize,
    kind: Kind,
    /// Why both forms cannot agree here.
    why: &'static str,
}

enum Kind {
    /// The report does not carry it.
    Missing,
    /// It carries another value.
    Other,
    /// It carries it in capitals.
    Capitals,
    /// It carries nothing where the other form has this value.
    Lost(&'static str),
}

const fn gap(
    segment: &'static str,
    field: usize,
    component: usize,
    kind: Kind,
    why: &'static str,
) -> Gap {
    Gap { segment, field, component, kind, why }
}

/// Every gap, and nothing else, is forgiven; each must be seen at least once.
const GAPS: &[Gap] = &[
    gap("EVN", 2, 0, Kind::Other, "no lastmodified of a patient, so the clock stands in"),
    gap("PID", 9, 0, Kind::Missing, "no preferred name"),
    gap("PID", 11, 5, Kind::Lost("00000"), "an unknown ZIP is empty"),
    gap("PID", 11, 6, Kind::Missing, "no country"),
    gap("PID", 29, 0, Kind::Missing, "only whether the patient died (PID-30), not when"),
    gap("PD1", 4, 2, Kind::Capitals, "provider names as `LAST, FIRST`"),
    gap("PD1", 4, 3, Kind::Capitals, "provider names as `LAST, FIRST`"),
    gap("PV1", 7, 2, Kind::Capitals, "provider names as `LAST, FIRST`"),
    gap("PV1", 7, 3, Kind::Capitals, "provider names as `LAST, FIRST`"),
    gap("PV1", 17, 2, Kind::Capitals, "provider names as `LAST, FIRST`"),
    gap("PV1", 17, 3, Kind::Capitals, "provider names as `LAST, FIRST`"),
    gap("AIG", 3, 2, Kind::Capitals, "provider names as `LAST, FIRST`"),
    gap("IN1", 16, 0, Kind::Missing, "no policy holder"),
    gap("IN1", 17, 0, Kind::Missing, "no relationship to the policy holder"),
    gap("SCH", 7, 0, Kind::Other, "no reason, so the type stands in"),
    gap("SCH", 8, 1, Kind::Missing, "no ID of the appointment type"),
    gap("SCH", 16, 0, Kind::Other, "not who booked, so the default operator stands in"),
    gap("SCH", 20, 0, Kind::Other, "not who changed it last, so the default operator stands in"),
];

/// True if the data is there; without it CI fails, and a checkout of its own goes on.
fn is_there() -> bool {
    if Path::new(DATA).is_dir() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{DATA} is missing, and CI must not skip this");
    println!("{DATA} is missing: nothing to compare");
    false
}

fn convert(dialect: &str) -> (Vec<u8>, Output) {
    let place = tempfile::tempdir().unwrap();
    let interface = place.path().join("real.toml");
    let settings = "[project]\ninterface = \"real\"\ncontext_id = \"1959\"\n\
                    practice = \"Lakeside\"\nenvironment = \"test\"\n\
                    [wire]\nreceiving_application = \"RIDGE\"\n\
                    [connectivity.test]\nmethod = \"folder\"\nfolder = \"delivered\"\n\
                    [[external_ids.patient]]\nname = \"MRN\"\ncustom_field_id = \"71\"\n\
                    category = \"MRN\"\nfield = \"PID-3\"\nauthority = \"RIDGE\"\n\
                    [[external_ids.appointment]]\nname = \"Visit\"\ncustom_field_id = \"12\"\n\
                    category = \"Visit\"\nfield = \"SCH-1\"\nauthority = \"RIDGE\"\n";
    fs::write(&interface, settings).unwrap();
    let file = place.path().join("batch.hl7");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
    command.args(["convert", "--clock", "2026-11-22T11:00:00", "--interface"]).arg(interface);
    command.arg("--output").arg(&file);
    for kind in ["patients", "appointments", "providers", "departments"] {
        command.arg(format!("{DATA}/{dialect}/{kind}.csv"));
    }
    let output = ended(&mut command);
    (fs::read(&file).unwrap(), output)
}

/// The messages by what they are about: trigger, ID, SCH-25.
fn by_subject<'a>(file: &'a BatchFile<'a>) -> BTreeMap<Vec<Vec<u8>>, &'a Message<'a>> {
    let mut messages = BTreeMap::new();
    for message in file.messages() {
        let mut subject = vec![message.segments[0].component(9, 2)];
        match message.segment("SCH") {
            Some(sch) => subject.extend([sch.component(2, 1), sch.component(25, 1)]),
            None => subject.push(message.segment("PID").unwrap().component(4, 1)),
        }
        let before = messages.insert(subject, message);
        assert!(before.is_none(), "one subject twice");
    }
    messages
}

/// The fields of a message, component by component, by segment, number and place.
fn fields(message: &Message<'_>) -> BTreeMap<(String, usize, usize), String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut fields = BTreeMap::new();
    for segment in &message.segments {
        let name = text(segment.name());
        for field in 1..=text(segment.bytes()).split('|').count() {
            for (component, value) in text(segment.field(field)).split('^').enumerate() {
                let first = (name.clone(), field, component + 1);
                // NK1 and IN1 can repeat; these extracts have one of each at most.
                let before = fields.insert(first, value.to_string());
                assert!(before.is_none(), "{name} comes twice");
            }
        }
    }
    fields.retain(|_, value| !value.is_empty());
    fields
}

/// Returns the gap that forgives a difference.
fn forgiven(
    place: &(String, usize, usize),
    api: Option<&String>,
    report: Option<&String>,
) -> Option<usize> {
    GAPS.iter().position(|gap| {
        let (segment, field, component) = place;
        gap.segment == segment
            && gap.field == *field
            && (gap.component == 0 || gap.component == *component)
            && match gap.kind {
                Kind::Missing => report.is_none(),
                Kind::Other => true,
                Kind::Capitals => api.map(|name| name.to_uppercase()).as_ref() == report,
                Kind::Lost(value) => api.is_some_and(|api| api == value) && report.is_none(),
            }
    })
}

#[test]
fn both_forms_convert_without_an_error() {
    if !is_there() {
        return;
    }
    for dialect in ["api", "report"] {
        let (file, said) = convert(dialect);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{dialect}");
        let read = BatchFile::read(&file).unwrap();
        assert_eq!(read.batches[0].messages.len(), PATIENTS, "{dialect}");
        assert_eq!(read.batches[1].header.field(9), b"SIU", "{dialect}");
    }
}

#[test]
fn the_same_row_in_both_forms_gives_the_same_message() {
    if !is_there() {
        return;
    }
    let (api, report) = (convert("api").0, convert("report").0);
    let (api, report) = (BatchFile::read(&api).unwrap(), BatchFile::read(&report).unwrap());
    let (api, report) = (by_subject(&api), by_subject(&report));
    assert!(api.keys().eq(report.keys()), "not the same messages");
    let mut seen = vec![false; GAPS.len()];
    for (subject, message) in api {
        let (one, other) = (fields(message), fields(report[&subject]));
        for place in one.keys().chain(other.keys()) {
            let (one, other) = (one.get(place), other.get(place));
            if one == other {
                continue;
            }
            let gap = forgiven(place, one, other);
            let gap = gap.unwrap_or_else(|| panic!("{place:?}: {one:?} and {other:?}"));
            seen[gap] = true;
        }
    }
    let unseen: Vec<&str> =
        GAPS.iter().zip(seen).filter(|(_, seen)| !seen).map(|(gap, _)| gap.why).collect();
    assert!(unseen.is_empty(), "no longer needed: {unseen:?}");
}
