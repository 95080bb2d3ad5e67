//! Rows that take the place of ones that wait. An extract without events says how things
//! are, drop after drop; so a record that was at fault and comes again, good or bad, needs
//! no second entry in the queue. The entry that waited is closed in the commit of the drop,
//! with the row that stands in its place.
//!
//! A record is known by its ID. Where a row has none that can be trusted, or is an event
//! that stands for itself, only the very same row counts.

use std::collections::{BTreeMap, BTreeSet};

use super::error::EngineError;
use super::key::{id_of, modified};
use super::mend::resubmit::Again;
use super::reference::id_column;
use super::render::Renderer;
use crate::domain::{Code, Layout, RecordKey, Whose};
use crate::engine::key::first_value;
use crate::extract::Row;
use crate::ledger::{Act, ExtractId, Ledger, Resubmitted, Sign, WaitingRow};

/// What waited before a drop, by record.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Ascending by record.
    rows: Vec<WaitingRow>,
}

impl Waiting {
    /// Reads what waits; 64 bytes for each.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn read(ledger: &dyn Ledger) -> Result<Waiting, EngineError> {
        let mut rows = Vec::new();
        ledger.each_waiting(&mut |row| rows.push(row))?;
        rows.sort_unstable_by_key(|row| (row.whose.key, row.id));
        Ok(Waiting { rows })
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns what a row may take the place of.
    pub fn before(&self, whose: Whose) -> impl Iterator<Item = &WaitingRow> {
        let from = self.rows.partition_point(|row| row.whose.key < whose.key);
        let same = self.rows[from..].iter().take_while(move |row| row.whose.key == whose.key);
        same.filter(move |row| whose.replaces(&row.whose))
    }
}

/// Returns which record a row is of; `text` is the row as it stands.
pub(super) fn whose(layout: &Layout, is_event: bool, row: &Row<'_>, text: &[u8]) -> Whose {
    let id = match id_column(layout.kind) {
        Some(column) => first_value(layout.cells(column), row.values),
        None => id_of(layout, row.values),
    };
    // Of another width than the header, it may have anything in that cell.
    let odd = row.fault.as_ref().is_some_and(|fault| fault.code == Code::V001);
    if id.is_empty() || odd || is_event {
        return Whose { key: RecordKey::of_text(layout.kind, text), modified: 0 };
    }
    let modified = modified(layout.cells("lastmodified"), row.values);
    Whose { key: RecordKey::of_id(layout.kind, id), modified }
}

impl Renderer<'_> {
    /// Returns which record a row is of.
    pub(super) fn whose(&self, row: &Row<'_>, text: &[u8]) -> Whose {
        whose(self.layout, self.programs.detector.has_event_column(), row, text)
    }
}

/// What stands in the place of what waited, by the number of that.
#[derive(Debug, Default)]
pub(super) struct Replaced(BTreeMap<i64, Resubmitted>);

impl Replaced {
    /// Takes down that a record of an extract stands in the place of a fault.
    pub fn add(&mut self, fault: i64, extract: ExtractId, record: u64) {
        self.0.insert(fault, Resubmitted { fault, extract, record });
    }

    /// Forgets what records of an extract took the place of.
    pub fn undo(&mut self, extract: ExtractId) {
        self.0.retain(|_, row| row.extract != extract);
    }

    /// Closes them in the open drop; not those that were converted `again` in it.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn close(
        mut self,
        ledger: &mut dyn Ledger,
        again: Option<&Again>,
        now: i64,
    ) -> Result<(), EngineError> {
        let closed = again.into_iter().flat_map(|again| again.origins.values().flatten());
        let closed: BTreeSet<i64> = closed.map(|origin| origin.fault).collect();
        self.0.retain(|fault, _| !closed.contains(fault));
        let rows: Vec<Resubmitted> = self.0.into_values().collect();
        if rows.is_empty() {
            return Ok(());
        }
        let records = if rows.len() == 1 { "record" } else { "records" };
        let act = Act {
            verb: "supersede",
            about: format!("{} {records}", rows.len()),
            was: "waiting".to_string(),
            now: "SUPERSEDED".to_string(),
        };
        let why = "newer rows of the same records were taken in".to_string();
        Ok(ledger.superseded(&rows, &act, &Sign { by: "hl7drop".to_string(), why, at: now })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ExtractKind;

    #[test]
    fn a_row_takes_the_place_of_what_waits_of_its_record_unless_it_is_older() {
        let key = |id: &[u8]| RecordKey::of_id(ExtractKind::Patients, id);
        let row = |id: i64, whose: &[u8], modified: u64| WaitingRow {
            id,
            whose: Whose { key: key(whose), modified },
            since: 1,
            times: 1,
        };
        let mut rows = vec![row(3, b"7", 20), row(1, b"8", 5), row(2, b"7", 0)];
        rows.sort_unstable_by_key(|row| (row.whose.key, row.id));
        let waiting = Waiting { rows };
        let found = |id: &[u8], modified: u64| -> Vec<i64> {
            waiting.before(Whose { key: key(id), modified }).map(|row| row.id).collect()
        };
        assert_eq!(found(b"7", 20), [2, 3]);
        assert_eq!(found(b"7", 0), [2, 3], "it does not say how old it is");
        assert_eq!(found(b"7", 19), [2]);
        assert_eq!((found(b"8", 4), found(b"9", 1)), (vec![], vec![]));
        assert_ne!(key(b"7"), RecordKey::of_id(ExtractKind::Appointments, b"7"));
        assert_ne!(key(b"7"), RecordKey::of_text(ExtractKind::Patients, b"7"));
    }
}
