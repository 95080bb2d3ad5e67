//! A header line: its delimiter, its cells, and what they mean.

use super::ExtractError;
use super::columns::Vocabulary;
use super::reading::Reading;
use crate::domain::{Cell, ExtractKind, Id, Layout};

/// Delimiters that are looked for in a header; the commonest wins.
const DELIMITERS: &[u8] = b",|\t;";

/// Binds the cells of a header to the vocabulary.
///
/// # Errors
/// [`ExtractError::MissingColumns`] names every column that must be there.
pub fn bind(
    reading: &Reading,
    kind: ExtractKind,
    delimiter: u8,
    header: String,
    names: &[String],
) -> Result<Layout, ExtractError> {
    let vocabulary = &reading.vocabulary;
    let cells: Vec<Cell> = names.iter().map(|name| meaning(vocabulary, kind, name)).collect();
    let ids = ids(reading, kind, &cells);
    let mut layout = Layout::new(kind, delimiter, header, cells);
    layout.ids = ids;
    let columns = missing(vocabulary, &layout);
    if columns.is_empty() { Ok(layout) } else { Err(ExtractError::MissingColumns { columns }) }
}

/// Returns the cells of IDs and codes, external IDs among them.
fn ids(reading: &Reading, kind: ExtractKind, cells: &[Cell]) -> Vec<Id> {
    let external_ids = reading.form(kind).external_ids;
    let cells = cells.iter().enumerate().filter_map(|(cell, meaning)| {
        let (of, column) = match meaning {
            Cell::Own(column) => (kind, column),
            Cell::Patient(column) => (ExtractKind::Patients, column),
            Cell::Ignored | Cell::Unknown(_) => return None,
        };
        let external = external_ids.get(column).filter(|_| of == kind);
        (external.is_some() || reading.vocabulary.is_id(of, column)).then(|| Id {
            cell,
            column: column.clone(),
            leading_zeros: external.copied().unwrap_or_default(),
        })
    });
    cells.collect()
}

fn meaning(vocabulary: &Vocabulary, kind: ExtractKind, name: &str) -> Cell {
    if vocabulary.is_ignored(kind, name) {
        return Cell::Ignored;
    }
    if let Some(column) = vocabulary.column(kind, name) {
        return Cell::Own(column);
    }
    let patient = (kind == ExtractKind::Appointments)
        .then(|| vocabulary.column(ExtractKind::Patients, name))
        .flatten();
    patient.map_or_else(|| Cell::Unknown(name.trim().to_string()), Cell::Patient)
}

fn missing(vocabulary: &Vocabulary, layout: &Layout) -> Vec<String> {
    let together = layout.has("appointmentdatetime");
    let mut columns: Vec<String> = vocabulary
        .required(layout.kind)
        .iter()
        .filter(|column| !layout.has(column))
        .filter(|column| !(together && matches!(column.as_str(), "date" | "starttime")))
        .cloned()
        .collect();
    let appointments = layout.kind == ExtractKind::Appointments;
    if appointments && !layout.has("event") && !layout.has("appointmentstatus") {
        columns.push("event or appointmentstatus".to_string());
    }
    columns
}

/// Returns the delimiter of a header line.
pub fn delimiter_of(line: &[u8]) -> u8 {
    let mut quoted = false;
    let bare: Vec<u8> = line
        .iter()
        .copied()
        .filter(|byte| {
            quoted ^= *byte == b'"';
            !quoted
        })
        .collect();
    let count = |delimiter: u8| bare.iter().filter(|&&byte| byte == delimiter).count();
    // The first of equals, so that a header without any is read as CSV.
    DELIMITERS.iter().rev().copied().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}

/// True of the title line that Report Builder puts above its header (5.2a).
pub fn is_title(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    line.get(..12).is_some_and(|start| start.eq_ignore_ascii_case(b"report name:"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn bind(kind: ExtractKind, header: &str) -> Result<Layout, ExtractError> {
        let names: Vec<String> = header.split(',').map(str::to_string).collect();
        let reading = Reading::new(&Vocabulary::standard().unwrap(), &BTreeMap::new()).unwrap();
        super::bind(&reading, kind, b',', header.to_string(), &names)
    }

    #[test]
    fn every_missing_column_is_named() {
        let err = bind(ExtractKind::Patients, "patientid,dob,firstname").unwrap_err();
        assert_eq!(err.to_string(), "the header has no column lastname, sex");
        let err = bind(
            ExtractKind::Appointments,
            "appointmentid,patientid,departmentid,providerid,appointmentdatetime,duration",
        );
        assert_eq!(
            err.unwrap_err().to_string(),
            "the header has no column event or appointmentstatus"
        );
    }

    #[test]
    fn an_appointments_header_may_carry_patient_columns() {
        let header = "apptid,patientid,svcdeptid,appt schdlng prvdrid,apptdate,apptstarttime,\
                      apptduration,apptslotstatus,apptdate,patient lastname,patient firstname,nobody";
        let layout = bind(ExtractKind::Appointments, header).unwrap();
        assert_eq!(layout.cells("date"), [4, 8]);
        assert_eq!(layout.repeated, [("date".to_string(), vec![4, 8])]);
        assert_eq!(layout.patient_cells("lastname"), [9]);
        assert_eq!(layout.patient_cells("patientid"), [1]);
        assert_eq!(layout.cells("lastname"), [0usize; 0]);
        assert_eq!(layout.unknown, ["nobody"]);
        assert!(layout.names_patients());
    }

    #[test]
    fn the_delimiter_is_the_commonest_of_the_header() {
        assert_eq!(delimiter_of(b"a,b,c"), b',');
        assert_eq!(delimiter_of(b"a|b|c,d"), b'|');
        assert_eq!(delimiter_of(b"a\tb"), b'\t');
        assert_eq!(delimiter_of(b"alone"), b',');
        assert_eq!(delimiter_of(b"\"a,b,c,d\"|e|f"), b'|', "not those within quotes");
    }
}
