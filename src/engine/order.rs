//! The order in which records are told, where it is not that of the file
//! (`interface.md` section 7).
//!
//! - Of one ID the records go by `lastmodified`, then as they stand, where every row is
//!   an event; and each is judged by what the one before it left.
//! - A cancelled appointment that was moved to one which is new and booked is told just
//!   before that one, wherever the two stand.
//!
//! A look over the extract, before it is rendered, finds them. Workers render in the
//! order of the file; a record that is told elsewhere is read where it stands.
//!
//! Memory is 24 bytes a record while the look lasts, then about 100 for each record that
//! is not alone.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::doubles;
use super::error::EngineError;
use super::key::{Key, first_value, id_of};
use super::keys::Sorted;
use super::patients::{PatientFile, PatientIndex};
use crate::convert::{Detector, Finding, Input};
use crate::domain::{Kind, Known, Layout, Status};
use crate::extract::{Block, Blocks, Row, Rows};
use crate::ledger::Register;

/// The column that names the appointment which another was moved to.
pub(super) const LINK: &str = "rescheduledappointmentid";

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Where it begins in the text of the extract.
    pub offset: u64,
    /// Its bytes.
    pub bytes: usize,
    /// Which record it is, counted from 1: of its block until the whole is put together.
    pub record: u64,
    /// The line it begins on.
    pub line: u64,
}

/// A cancelled appointment and the one it was moved to.
#[derive(Debug)]
pub struct Link {
    /// The cancelled one.
    pub from: Spot,
    /// The ID of the other.
    pub to: Vec<u8>,
}

/// What is told at the place of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: it is told elsewhere.
    Elsewhere,
    /// Others, by number, and then the record itself.
    After(Vec<usize>),
    /// The record `at` of those of one ID, which begin with `first`.
    Series {
        /// The first of the ID, by number.
        first: usize,
        /// The one that is told here.
        at: usize,
    },
}

/// What is not told where it stands.
pub struct Plan {
    spots: Vec<Spot>,
    turns: HashMap<u64, Turn>,
    text: File,
    /// What an offset of the extract is in `text`.
    base: u64,
}

impl Spot {
    /// Returns the spot of a row; its record is counted within the block.
    pub fn of(block: &Block, row: &Row<'_>) -> Spot {
        let (offset, bytes) = (block.offset + row.range.start as u64, row.range.len());
        Spot { offset, bytes, record: row.number, line: row.line }
    }
}

impl Link {
    /// Returns the link of a row, if it is a cancelled appointment that has one.
    pub fn of(block: &Block, row: &Row<'_>, layout: &Layout, detector: &Detector) -> Option<Link> {
        let to = first_value(layout.cells(LINK), row.values);
        if row.fault.is_some() || to.is_empty() || to == id_of(layout, row.values) {
            return None;
        }
        let found = detector.find(Input { own: row.values, patient: None }).ok()?;
        let cancelled = found == Finding::State(Some(Status::Cancelled));
        cancelled.then(|| Link { from: Spot::of(block, row), to: to.to_vec() })
    }
}

impl Plan {
    /// Plans the records of each ID that has more than one.
    ///
    /// # Errors
    /// Those of reading the extract.
    pub fn of_events(
        blocks: &mut Blocks,
        layout: &Layout,
        mut keys: Vec<Key>,
        (text, base): (File, u64),
    ) -> Result<Plan, EngineError> {
        let candidates = doubles::candidates(&mut keys);
        drop(keys);
        let mut plan = Plan { spots: Vec::new(), turns: HashMap::new(), text, base };
        if candidates.is_empty() {
            return Ok(plan);
        }
        // In the order of their first record: a map of the standard library has another
        // one in every run.
        let mut series: Vec<Vec<(u64, Spot)>> = Vec::new();
        let mut of_id: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut candidates = candidates.iter().peekable();
        let mut before = 0;
        while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
            let mut rows = Rows::new(&block, layout);
            let mut last = 0;
            while let Some(row) = rows.next_row() {
                last = row.number;
                let spot = Spot::of(&block, &row);
                let Some(key) = candidates.next_if(|key| key.offset == spot.offset) else {
                    continue;
                };
                let place = *of_id.entry(id_of(layout, row.values).to_vec()).or_insert_with(|| {
                    series.push(Vec::new());
                    series.len() - 1
                });
                series[place].push((key.when, Spot { record: before + row.number, ..spot }));
            }
            before += last;
            blocks.reuse(block);
        }
        drop(of_id);
        series.into_iter().filter(|one| one.len() > 1).for_each(|one| plan.series(one));
        Ok(plan)
    }

    /// Plans the records of one ID, given as they stand in the file.
    fn series(&mut self, mut records: Vec<(u64, Spot)>) {
        let first = self.spots.len();
        let places: Vec<u64> = records.iter().map(|(_, spot)| spot.offset).collect();
        // One that does not say when it was changed cannot be put between the others.
        if records.iter().all(|(when, _)| *when > 0) {
            records.sort_by_key(|(when, spot)| (*when, spot.offset));
        }
        self.spots.extend(records.into_iter().map(|(_, spot)| spot));
        let turns = places.into_iter().zip(first..);
        self.turns.extend(turns.map(|(place, at)| (place, Turn::Series { first, at })));
    }

    /// Plans the appointments that were moved: `links` in the order of the file, `older`
    /// the records that a newer one of their ID stands for.
    ///
    /// # Errors
    /// Those of the register.
    pub fn of_links(
        layout: &Layout,
        links: Vec<Link>,
        keys: Vec<Key>,
        older: &[u64],
        detector: &Detector,
        register: Option<&mut dyn Register>,
        (text, base): (File, u64),
    ) -> Result<Plan, EngineError> {
        let file = PatientFile { file: text, base, layout: layout.clone(), withheld: Vec::new() };
        let index = PatientIndex::new(vec![(file, Sorted::of(keys))]);
        let mut plan = (Vec::new(), HashMap::new());
        {
            let register = register.map(|register| &*register);
            let mut finder = index.finder();
            for Link { from, to } in links {
                if older.binary_search(&from.offset).is_ok() {
                    continue;
                }
                let Some((record, place)) = finder.place(&to)? else { continue };
                let found = detector.find(Input { own: record, patient: None });
                let known =
                    register.map(|known| known.known(Kind::Appointment, &to)).transpose()?;
                let told_here = older.binary_search(&place).is_err();
                let booked = found == Ok(Finding::State(Some(Status::Booked)));
                if booked && told_here && is_new(known.flatten()) {
                    plan.1.insert(from.offset, Turn::Elsewhere);
                    let turn = plan.1.entry(place).or_insert_with(|| Turn::After(Vec::new()));
                    if let Turn::After(before) = turn {
                        before.push(plan.0.len());
                    }
                    plan.0.push(from);
                }
            }
        }
        let text = index.into_first().map(|file| file.file);
        let Some(text) = text else { return Err(EngineError::Worker) };
        Ok(Plan { spots: plan.0, turns: plan.1, text, base })
    }

    /// Returns what is told at the place of a record; `None`: the record itself.
    pub fn turn(&self, offset: u64) -> Option<&Turn> {
        self.turns.get(&offset)
    }

    /// Returns where a record stands, by its number.
    pub fn spot(&self, number: usize) -> Option<&Spot> {
        self.spots.get(number)
    }

    /// Reads a record as a block of its own.
    ///
    /// # Errors
    /// Those of reading: the text was there a moment ago.
    pub fn read(&self, spot: &Spot) -> Result<Block, EngineError> {
        let mut bytes = vec![0; spot.bytes];
        let at = spot.offset.saturating_sub(self.base);
        self.text
            .read_exact_at(&mut bytes, at)
            .map_err(|err| EngineError::Extract(crate::extract::ExtractError::Read(err)))?;
        Ok(Block { bytes, first_line: spot.line, offset: spot.offset })
    }
}

/// True of an appointment that the vendor does not know as one that takes place.
fn is_new(known: Option<Known>) -> bool {
    known.is_none_or(|known| known.status.is_none_or(|was| was == Status::Cancelled))
}
