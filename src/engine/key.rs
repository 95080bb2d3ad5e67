//! Where records stand, by the hash of their ID.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::convert::date_time;
use crate::domain::{ExtractKind, Layout, Values};

/// Where a record of an ID stands. Hashes can meet: whoever finds two alike reads
/// the IDs before believing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Of the record's ID.
    pub hash: u64,
    /// `lastmodified` as `YYYYMMDDHHMMSS`; 0 if there is none.
    pub when: u64,
    /// Where the record begins in the decompressed file.
    pub offset: u64,
}

/// The cells of a header that are asked of every record: looked for by name once, not once
/// a record for 190 instructions.
#[derive(Clone, Copy)]
pub(super) struct KeyCells<'a> {
    /// Of the record's ID.
    pub id: &'a [usize],
    /// Of its patient's.
    pub patient: &'a [usize],
    /// Of `lastmodified`.
    pub modified: &'a [usize],
}

impl<'a> KeyCells<'a> {
    pub fn of(layout: &'a Layout) -> KeyCells<'a> {
        let [patient, modified] = ["patientid", "lastmodified"].map(|name| layout.cells(name));
        KeyCells { id: id_cells(layout), patient, modified }
    }
}

/// Returns the first of the cells that has a value, trimmed.
pub fn first_value<'a>(cells: &[usize], values: Values<'a>) -> &'a [u8] {
    let mut values = cells.iter().map(|&cell| values.get(cell).trim_ascii());
    values.find(|value| !value.is_empty()).unwrap_or_default()
}

/// Returns the ID of a record.
pub fn id_of<'a>(layout: &Layout, values: Values<'a>) -> &'a [u8] {
    first_value(id_cells(layout), values)
}

pub(super) fn id_cells(layout: &Layout) -> &[usize] {
    match layout.kind {
        ExtractKind::Appointments => layout.cells("appointmentid"),
        _ => layout.cells("patientid"),
    }
}

pub(super) fn key(id: &[usize], when: &[usize], values: Values<'_>, offset: u64) -> Option<Key> {
    let id = first_value(id, values);
    if id.is_empty() {
        return None;
    }
    Some(Key { hash: hash(id), when: modified(when, values), offset })
}

/// Returns when a record says that it was changed, as `YYYYMMDDHHMMSS`; 0 if it does not.
pub(super) fn modified(when: &[usize], values: Values<'_>) -> u64 {
    date_time(first_value(when, values)).map_or(0, stamp)
}

/// Returns the hash of an ID, the same in every run of this program.
pub fn hash(id: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

fn stamp((date, time): (jiff::civil::Date, Option<jiff::civil::Time>)) -> u64 {
    let time = time.unwrap_or_default();
    let at = date.to_datetime(time);
    let parts = [
        (100, i64::from(at.month())),
        (100, i64::from(at.day())),
        (100, i64::from(at.hour())),
        (100, i64::from(at.minute())),
        (100, i64::from(at.second())),
    ];
    let stamp =
        parts.iter().fold(i64::from(at.year()), |stamp, (places, part)| stamp * places + part);
    u64::try_from(stamp).unwrap_or(0)
}
