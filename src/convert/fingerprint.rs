//! What of a record feeds HL7: as a fingerprint, to tell whether it changed, and as
//! kept values, to say who a patient is when only the appointment is dropped.

use std::borrow::Cow;

use super::column::Column;
use super::program::{Input, Program};
use crate::digest::Digest;
use crate::domain::{Cell, ExtractKind, Fingerprint, Layout, OF_PATIENT, Record, Values};

/// Columns that say when and by whom a record was touched, or what its events are:
/// they move by themselves, and an event of their own tells of the others
/// (`interface.md` section 7).
const MOVING: [&str; 17] = [
    "event",
    "lastmodified",
    "lastmodifiedby",
    "registrationdate",
    "appointmentstatus",
    "scheduledby",
    "scheduleddatetime",
    "cancelreasonid",
    "cancelreasonname",
    "cancelreasonnoshow",
    "cancelledby",
    "cancelleddatetime",
    "checkindatetime",
    "checkoutdatetime",
    "rescheduledappointmentid",
    "status",
    "testpatientyn",
];

/// Takes fingerprints of the records under one header.
#[derive(Clone, Debug, Default)]
pub struct Fingerprinter {
    /// Each with a tag of its name, so that neither the order of the header nor a
    /// column that is empty everywhere counts.
    columns: Vec<([u8; 4], Column)>,
}

impl Fingerprinter {
    /// Takes the columns of these programs which are the record's own, and the cells of
    /// its `patientid`: an appointment given to somebody else is another one.
    pub fn of<'a>(programs: impl Iterator<Item = &'a Program>, patient: &[usize]) -> Fingerprinter {
        Fingerprinter::of_columns(programs.flat_map(|program| &program.columns), patient)
    }

    fn of_columns<'a>(
        columns: impl Iterator<Item = &'a Column>,
        patient: &[usize],
    ) -> Fingerprinter {
        let patient = plain("patientid", patient);
        let mut columns: Vec<&Column> = columns.collect();
        columns.push(&patient);
        columns.retain(|one| one.row == 0 && one.is_there() && !MOVING.contains(&&*one.name));
        columns.sort_by(|one, other| one.name.cmp(&other.name));
        columns.dedup_by(|one, other| one.name == other.name);
        let tagged = |column: &Column| {
            let [a, b, c, d, ..] = Digest::of(column.name.as_bytes()).bytes();
            ([a, b, c, d], column.clone())
        };
        Fingerprinter { columns: columns.into_iter().map(tagged).collect() }
    }

    /// Returns the fingerprint of a record; `scratch` is a buffer to use again.
    pub fn take(&self, input: Input<'_>, scratch: &mut Vec<u8>) -> Fingerprint {
        scratch.clear();
        for (tag, column) in &self.columns {
            let value = column.value(&input);
            if !value.is_empty() {
                scratch.extend_from_slice(tag);
                put(value, scratch);
            }
        }
        let digest = Digest::of(scratch).bytes();
        Fingerprint(std::array::from_fn(|at| digest[at]))
    }
}

/// Keeps of a patient's record what the patient's appointments will need.
#[derive(Clone, Debug, Default)]
pub struct Keeper {
    columns: Vec<Column>,
}

impl Keeper {
    /// Takes the patient's columns of the appointments' programs, and those `besides`.
    pub fn of<'a>(
        programs: impl Iterator<Item = &'a Program>,
        besides: impl Iterator<Item = (&'static str, &'a [usize])>,
    ) -> Keeper {
        Keeper::of_columns(programs.flat_map(|program| &program.columns), besides)
    }

    fn of_columns<'a>(
        columns: impl Iterator<Item = &'a Column>,
        besides: impl Iterator<Item = (&'static str, &'a [usize])>,
    ) -> Keeper {
        let columns = columns
            .filter(|one| one.row == 1)
            .map(|one| Column { row: 0, name: of_own(&one.name), ..one.as_dropped() })
            .chain(besides.map(|(name, cells)| plain(name, cells)))
            .filter(Column::is_there);
        Keeper::sorted(columns.collect())
    }

    /// Takes columns in the order of their names, and one of each name.
    fn sorted(mut columns: Vec<Column>) -> Keeper {
        columns.sort_by(|one, other| one.name.cmp(&other.name));
        columns.dedup_by(|one, other| one.name == other.name);
        Keeper { columns }
    }

    /// Takes one column.
    pub fn only(name: &'static str, cells: &[usize]) -> Keeper {
        Keeper { columns: vec![plain(name, cells)] }
    }

    /// Takes all columns of a header, to tell of the record when it is gone.
    pub fn whole(layout: &Layout) -> Keeper {
        Keeper::sorted(layout.columns().map(|(name, cells)| plain(name, cells)).collect())
    }

    /// Takes what the columns of an appointment say of its patient, under the names that
    /// a patients extract has.
    pub fn of_patient(layout: &Layout) -> Keeper {
        let Keeper { mut columns } = Keeper::whole(layout);
        columns.retain(|column| column.name.starts_with(OF_PATIENT) || column.name == "patientid");
        for column in &mut columns {
            column.name = of_own(&column.name);
        }
        Keeper::sorted(columns)
    }

    /// Returns the header of appointments that were kept whole under these names.
    pub fn layout(names: &[String]) -> Layout {
        let cell = |name: &String| match name.strip_prefix(OF_PATIENT) {
            Some(column) => Cell::Patient(column.to_string()),
            None => Cell::Own(name.clone()),
        };
        let cells = names.iter().map(cell).collect();
        Layout::new(ExtractKind::Appointments, b',', String::new(), cells)
    }

    /// Returns the names of what is kept, in its order.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.to_string()).collect()
    }

    /// Appends what is kept of a record.
    pub fn keep(&self, record: Values<'_>, out: &mut Vec<u8>) {
        let input = Input { own: record, patient: None };
        for column in &self.columns {
            put(column.value(&input), out);
        }
    }

    /// Takes the columns of a program of the record itself, too.
    #[must_use]
    pub fn and(mut self, program: &Program) -> Keeper {
        let own = program.columns.iter().filter(|one| one.row == 0);
        self.columns.extend(own.map(Column::as_dropped).filter(Column::is_there));
        Keeper::sorted(self.columns)
    }

    /// Appends one value behind those of a record.
    pub fn add(value: &[u8], out: &mut Vec<u8>) {
        put(value, out);
    }

    /// Appends values as they were kept.
    pub fn again(record: &Record, out: &mut Vec<u8>) {
        record.values().iter().for_each(|value| put(value, out));
    }

    /// Returns the values that [`Keeper::keep`] wrote; `None` if they are none.
    pub fn kept(mut bytes: &[u8]) -> Option<Record> {
        let mut record = Record::default();
        while !bytes.is_empty() {
            let (value, rest) = get(bytes)?;
            record.push(value);
            bytes = rest;
        }
        Some(record)
    }
}

/// Returns a column without words that mean "no value".
fn plain(name: impl Into<Cow<'static, str>>, cells: &[usize]) -> Column {
    Column { cells: cells.to_vec(), name: name.into(), ..Column::default() }
}

/// Returns the name that a patient's column has in an extract of patients.
fn of_own(name: &str) -> Cow<'static, str> {
    name.strip_prefix(OF_PATIENT).unwrap_or(name).to_string().into()
}

/// Appends a value behind its length: seven bits a byte, the low ones first.
fn put(value: &[u8], out: &mut Vec<u8>) {
    let mut length = value.len();
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(value);
}

fn get(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0;
    for (at, &byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return bytes[at + 1..].split_at_checked(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &'static str, cell: usize, row: usize) -> Column {
        Column { row, cells: vec![cell], name: name.into(), ..Column::default() }
    }

    fn taken(columns: &[Column], values: &[&str]) -> Fingerprint {
        let record: Record = values.iter().collect();
        let input = Input { own: record.values(), patient: None };
        Fingerprinter::of_columns(columns.iter(), &[]).take(input, &mut Vec::new())
    }

    #[test]
    fn only_what_feeds_hl7_counts_and_no_order() {
        let one = [column("city", 0, 0), column("zip", 1, 0), column("lastmodified", 2, 0)];
        let other = [column("zip", 0, 0), column("email", 1, 0), column("city", 2, 0)];
        let print = taken(&one, &["Boston", "02134", "05/20/2026"]);
        assert_eq!(print, taken(&one, &[" Boston ", "02134", "05/21/2026"]), "who touched it");
        assert_eq!(print, taken(&other, &["02134", "", "Boston"]), "another header");
        assert_ne!(print, taken(&one, &["Boston", "2134", ""]), "another value");
        assert_ne!(print, taken(&other, &["Boston", "", "02134"]), "values changed places");
    }

    #[test]
    fn kept_values_come_back_whatever_they_hold() {
        let columns = [column("patient.a", 0, 1), column("own", 1, 0)];
        let keeper = Keeper::of_columns(columns.iter(), [("b", &[2][..])].into_iter());
        assert_eq!(keeper.names(), ["a", "b"]);
        let long = "x".repeat(70_000);
        for values in [["", "o", ""], ["\u{e9}\n\"", "o", &long], ["a", "o", &long[..200]]] {
            let mut bytes = Vec::new();
            keeper.keep(values.iter().collect::<Record>().values(), &mut bytes);
            let kept = Keeper::kept(&bytes).unwrap();
            assert_eq!(kept, [values[0].trim(), values[2]].iter().collect());
        }
        assert!(Keeper::kept(&[200]).is_none() && Keeper::kept(&[3, b'a']).is_none());
    }
}
