//! What became of each record, and the IDs it is found by: from the workers to the index
//! of the drop. A few numbers a record; what is not looked for costs nothing here.

use super::key::{first_value, id_cells};
use super::render::{Became, Renderer, Worker};
use super::rendered::Rendered;
use super::selfcheck::Number;
use crate::convert::Input;
use crate::disk;
use crate::domain::{Event, ExtractKind, Layout, Values};
use crate::extract::Row;
use crate::index::{IndexWriter, KeyOf, MessageEntry, Place, Reason, RowEntry, external_key, key};

/// The cells of the IDs that a record is found by.
pub struct Tracker {
    ids: Vec<(KeyOf, Vec<usize>)>,
}

/// The records of one block, in the order of their messages.
#[derive(Default)]
pub struct Tracks {
    records: Vec<Tracked>,
    keys: Vec<u64>,
}

struct Tracked {
    number: Number,
    line: u64,
    offset: u64,
    became: Became,
    /// How many of the keys are its own.
    keys: usize,
}

/// Where the records of a block stand in the drop.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The extract, counted from the first of the drop.
    pub extract: u64,
    /// How many records stand before the block.
    pub records: u64,
}

impl Tracker {
    /// Binds a header.
    pub fn new(layout: &Layout) -> Tracker {
        let patient = (KeyOf::Patient, layout.cells("patientid").to_vec());
        let mut ids = vec![patient];
        if layout.kind == ExtractKind::Appointments {
            ids.insert(0, (KeyOf::Appointment, id_cells(layout).to_vec()));
        }
        Tracker { ids }
    }

    /// Appends the keys of a record.
    pub fn keys(&self, values: Values<'_>, keys: &mut Vec<u64>) {
        for (of, cells) in &self.ids {
            let id = first_value(cells, values);
            if !id.is_empty() {
                keys.push(key(*of, id));
            }
        }
    }
}

impl Tracks {
    /// Makes it empty and keeps its buffers.
    pub fn clear(&mut self) {
        self.records.clear();
        self.keys.clear();
    }

    /// Puts the records into the index; `heads` is where each message begins in the batch
    /// file, and what it tells.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn write(
        &self,
        index: &mut IndexWriter,
        origin: Origin,
        mut heads: impl Iterator<Item = (u64, Event)>,
    ) -> disk::Result<()> {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut keys = self.keys.as_slice();
        for one in &self.records {
            let (own, rest) = keys.split_at(one.keys.min(keys.len()));
            keys = rest;
            let place = Place {
                extract: u16::try_from(origin.extract).unwrap_or(u16::MAX),
                record: small(one.number.after(origin.records)),
                line: small(one.line),
                offset: one.offset,
            };
            let reason = match one.became {
                Became::Messages(count) => {
                    for _ in 0..count {
                        let Some((offset, event)) = heads.next() else { break };
                        index.message(&MessageEntry { offset, event, place }, own)?;
                    }
                    continue;
                }
                Became::Nothing(note) => Reason::Filtered(note),
                Became::Refused => Reason::Fault,
                Became::Older => Reason::Older,
            };
            index.row(&RowEntry { reason, place }, own)?;
        }
        Ok(())
    }
}

impl Renderer<'_> {
    /// Takes down what became of a record; `claims` is where its external IDs begin among
    /// those of the worker.
    pub(super) fn track(
        &self,
        row: &Row<'_>,
        number: Number,
        (worker, claims): (&Worker<'_>, usize),
        became: Became,
        rendered: &mut Rendered,
    ) {
        let Some(tracker) = &self.tracker else { return };
        let Tracks { records, keys } = &mut rendered.tracks;
        let before = keys.len();
        tracker.keys(row.values, keys);
        match (worker.claims.get(claims..), &self.claims) {
            (Some(claims @ [_, ..]), _) => {
                keys.extend(claims.iter().map(|key| external_key(&key.claim.value)));
            }
            (_, Some(all)) => all.keys(Input { own: row.values, patient: None }, keys),
            _ => {}
        }
        let (line, offset, keys) = (row.line, worker.offset, keys.len() - before);
        records.push(Tracked { number, line, offset, became, keys });
    }
}
