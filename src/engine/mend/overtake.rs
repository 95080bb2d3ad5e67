//! Whether a record that waits is older than what was told of it since. Sent now, it would
//! overtake that: an update must not be undone by the one before it.
//!
//! `lastmodified` says it where both have one. Else the register does: its log only grows, so
//! what was entered behind the place where it ended when the record's extract did is newer.
//! Within that extract the index of its drop says which rows stood behind it.

use std::collections::HashMap;

use crate::domain::{ExtractKind, Kind, Layout};
use crate::engine::error::EngineError;
use crate::engine::key::{id_of, modified};
use crate::engine::pass::Engine;
use crate::extract::{Block, Rows};
use crate::index::{Index, KeyOf, Reason, Target, key};
use crate::ledger::{ExtractId, ExtractRow, FaultRow, Ledger};

/// What was told since records began to wait.
pub struct Told<'a> {
    engine: &'a Engine,
    ledger: &'a dyn Ledger,
    /// The index of each drop that was asked for; none where it cannot be read.
    indexes: HashMap<ExtractId, Option<Index>>,
}

impl<'a> Told<'a> {
    /// Begins with nothing looked at.
    pub fn new(engine: &'a Engine, ledger: &'a dyn Ledger) -> Told<'a> {
        Told { engine, ledger, indexes: HashMap::new() }
    }

    /// True of a record of which something newer was told.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn since(
        &mut self,
        row: &FaultRow,
        extract: &ExtractRow,
        layout: &Layout,
    ) -> Result<bool, EngineError> {
        let block = Block { bytes: row.source.as_bytes().to_vec(), first_line: 1, offset: 0 };
        let mut rows = Rows::new(&block, layout);
        let Some(record) = rows.next_row() else { return Ok(false) };
        let id = id_of(layout, record.values);
        let (kind, key_of) = match extract.extract.kind {
            ExtractKind::Appointments => (Kind::Appointment, KeyOf::Appointment),
            _ => (Kind::Patient, KeyOf::Patient),
        };
        let Some(known) = self.ledger.known(kind, id)?.filter(|_| !id.is_empty()) else {
            return Ok(false);
        };
        let own = modified(layout.cells("lastmodified"), record.values);
        if own > 0 && known.modified > 0 && own != known.modified {
            // One that only says how things are is judged where it is converted.
            return Ok(own < known.modified && layout.has("event"));
        }
        let (end, entered) = (self.ledger.end_of(row.extract)?, self.ledger.entered(kind, id)?);
        if end.zip(entered).is_some_and(|(end, entered)| entered >= end) {
            return Ok(true);
        }
        Ok(self.stood_behind(row, extract, key(key_of, id)))
    }

    /// True if a row of the same extract that stood behind it was told.
    fn stood_behind(&mut self, row: &FaultRow, extract: &ExtractRow, key: u64) -> bool {
        let spool = &self.engine.spool;
        let drop = extract.drop;
        let index = self.indexes.entry(drop);
        let open = || Index::open(&spool.index_of(drop.0.cast_unsigned())).ok();
        let Some(index) = index.or_insert_with(open) else { return false };
        let nth = extract.id.0.abs_diff(drop.0);
        let (mut faults, mut told) = (Vec::new(), Vec::new());
        for target in index.find(key).unwrap_or_default() {
            let (place, list) = match target {
                Target::Message(at) => (index.message(at).map(|one| one.place), &mut told),
                Target::Row(at) => {
                    let found = index.row(at).ok().filter(|one| one.reason == Reason::Fault);
                    let Some(found) = found else { continue };
                    (Ok(found.place), &mut faults)
                }
            };
            list.extend(place.ok().filter(|it| u64::from(it.extract) == nth).map(|it| it.record));
        }
        // One that was converted again has the place where it was dropped first.
        let own = faults.iter().find(|one| u64::from(**one) == row.fault.at.record);
        let own = own.or(faults.iter().min());
        own.is_some_and(|own| told.iter().any(|record| record > own))
    }
}
