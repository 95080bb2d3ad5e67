//! An index made anew, of the batch file and the archive.
//!
//! To convert the extracts again would not do: the register has moved on. So the messages
//! are read as they stand, and the row of each is found by its ID. Why a row made no
//! message nobody knows any more ([`Reason::Unknown`]), unless it is at fault.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::error::EngineError;
use super::pass::Engine;
use super::source::Source;
use super::track::Tracker;
use super::tracking;
use crate::disk;
use crate::domain::{Event, Kind, drop_word, rebuilt_batch};
use crate::extract::Rows;
use crate::hl7::unescape;
use crate::index::{IndexWriter, KeyOf, MessageEntry, Place, Reason, RowEntry, key};
use crate::ledger::{DropRow, ExtractRow, Ledger};

/// The place of a message whose row was not found.
const NOWHERE: Place = Place { extract: u16::MAX, record: 0, line: 0, offset: 0 };

/// A row of an extract.
struct Found {
    place: Place,
    keys: Vec<u64>,
    told: bool,
}

/// The rows of a drop, and how to find them.
#[derive(Default)]
struct FoundRows {
    rows: Vec<Found>,
    /// By the key of its own ID: the rows of it that were not told yet, the first last.
    by_own: HashMap<u64, Vec<usize>>,
}

/// Makes the index of a drop anew.
///
/// # Errors
/// What ends a pass; what is missing only makes the index poorer.
pub fn reindex(engine: &Engine, ledger: &dyn Ledger, drop: u64) -> Result<(), EngineError> {
    let Some(row) = ledger.drop_row(drop)? else { return Ok(()) };
    log::warn!("the index of drop {} is not there and is made anew", drop_word(drop));
    let mut found = FoundRows::default();
    for (nth, extract) in row.extracts.iter().enumerate() {
        if extract.extract.kind.makes_messages() {
            found.read(engine, nth, extract)?;
        }
    }
    found.by_own.values_mut().for_each(|rows| rows.reverse());
    let mut index = tracking::begin(&engine.spool)?;
    index.is_rebuilt();
    for batch in &row.batches {
        match engine.batch_file(batch)? {
            Some(path) => messages(&path, &mut found, &mut index)?,
            None => log::error!("{}: its messages cannot be found again", batch.name),
        }
    }
    // Those of a rebuilt batch are in the index of the first.
    let rows = found.rows.iter().filter(|one| !one.told && rebuilt_batch(drop).is_none());
    for one in rows {
        let reason = reason(ledger, &row, &one.place)?;
        index.row(&RowEntry { reason, place: one.place }, &one.keys)?;
    }
    tracking::publish(&engine.spool, index, drop, row.batches.first().map(|batch| batch.number))
}

fn reason(ledger: &dyn Ledger, drop: &DropRow, place: &Place) -> Result<Reason, EngineError> {
    let extract = drop.extracts.get(usize::from(place.extract));
    let Some(extract) = extract.filter(|row| row.counts.error > 0) else {
        return Ok(Reason::Unknown);
    };
    let fault = ledger.fault_at(extract.id, place.record.into())?;
    Ok(fault.map_or(Reason::Unknown, |_| Reason::Fault))
}

impl FoundRows {
    /// Reads the rows of one extract, if it is still there.
    fn read(&mut self, engine: &Engine, nth: usize, row: &ExtractRow) -> Result<(), EngineError> {
        let name = &row.extract.name;
        let Some(path) = engine.extract_file(row)? else {
            log::error!("{name} is not in archive/ any more: its rows cannot be found again");
            return Ok(());
        };
        let source = Source::unpromised(&path, name, row.extract.kind);
        let source = source.map_err(disk::failed("open", &path))?;
        let opened = source.open(&engine.agreement.reading, None);
        let (layout, mut blocks) = match opened {
            Ok(opened) => opened,
            Err(err) => {
                log::error!("{name}: {err}: its rows cannot be found again");
                return Ok(());
            }
        };
        let tracker = Tracker::new(&layout);
        let mut before = 0;
        loop {
            let block = match blocks.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(err) => {
                    log::error!("{name}: {err}: not all of its rows can be found again");
                    break;
                }
            };
            let mut rows = Rows::new(&block, &layout);
            let mut last = 0;
            while let Some(row) = rows.next_row() {
                last = row.number;
                let mut keys = Vec::new();
                tracker.keys(row.values, &mut keys);
                let place = Place {
                    extract: u16::try_from(nth).unwrap_or(u16::MAX),
                    record: u32::try_from(before + row.number).unwrap_or(u32::MAX),
                    line: u32::try_from(row.line).unwrap_or(u32::MAX),
                    offset: block.offset + row.range.start as u64,
                };
                if let Some(own) = keys.first().filter(|_| row.fault.is_none()) {
                    self.by_own.entry(*own).or_default().push(self.rows.len());
                }
                self.rows.push(Found { place, keys, told: false });
            }
            before += last;
            blocks.reuse(block);
        }
        Ok(())
    }

    /// Returns the row that tells of one of these, and takes it unless it is the last of
    /// its ID, which may have made more than one message.
    fn take(&mut self, own: &[u64]) -> Option<&Found> {
        let own = own.iter().find(|key| self.by_own.contains_key(key))?;
        let rows = self.by_own.get_mut(own)?;
        let at = if rows.len() > 1 { rows.pop() } else { rows.last().copied() }?;
        let found = self.rows.get_mut(at)?;
        found.told = true;
        Some(found)
    }
}

/// A message, as far as it was read.
struct Head {
    offset: u64,
    trigger: Vec<u8>,
    status: Vec<u8>,
    patients: Vec<u64>,
    appointments: Vec<u64>,
}

/// Reads the messages of a batch file into the index.
fn messages(
    path: &Path,
    found: &mut FoundRows,
    index: &mut IndexWriter,
) -> Result<(), EngineError> {
    let read = |err| EngineError::from(disk::failed("read", path)(err));
    let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(read)?);
    let (mut segment, mut at, mut open): (Vec<u8>, u64, Option<Head>) = (Vec::new(), 0, None);
    loop {
        segment.clear();
        let bytes = file.read_until(b'\r', &mut segment).map_err(read)?;
        let name = segment.get(..3).unwrap_or_default();
        let ends = matches!(name, b"MSH" | b"BHS" | b"BTS" | b"FTS" | b"");
        if let Some(head) = open.take_if(|_| ends) {
            head.write(found, index)?;
        }
        if bytes == 0 {
            return Ok(());
        }
        let fields: Vec<&[u8]> = segment.split(|byte| matches!(byte, b'|' | b'\r')).collect();
        let field = |number: usize| fields.get(number).copied().unwrap_or_default();
        match (name, &mut open) {
            (b"MSH", _) => {
                let trigger = field(8).split(|byte| *byte == b'^').nth(1).unwrap_or_default();
                let (trigger, status) = (trigger.to_vec(), Vec::new());
                let (patients, appointments) = (Vec::new(), Vec::new());
                open = Some(Head { offset: at, trigger, status, patients, appointments });
            }
            (b"PID", Some(head)) => {
                // PID-3 first: there the ID stands, unless it was agreed otherwise.
                for number in [3, 2, 4, 18] {
                    head.patients.extend(keys(KeyOf::Patient, field(number)));
                }
            }
            (b"SCH", Some(head)) => {
                let status = field(25).split(|byte| *byte == b'^').next().unwrap_or_default();
                head.status = status.to_vec();
                for number in [1, 2] {
                    head.appointments.extend(keys(KeyOf::Appointment, field(number)));
                }
            }
            _ => {}
        }
        at += bytes as u64;
    }
}

/// Returns the keys of every value in a field: one of them may be the ID.
fn keys(of: KeyOf, field: &[u8]) -> impl Iterator<Item = u64> {
    let values = field.split(|byte| matches!(byte, b'~' | b'^')).filter(|value| !value.is_empty());
    values.map(move |value| key(of, &unescape(value)))
}

impl Head {
    fn write(self, found: &mut FoundRows, index: &mut IndexWriter) -> Result<(), EngineError> {
        let event = self.event();
        let own = match event.kind() {
            Kind::Patient => &self.patients,
            Kind::Appointment => &self.appointments,
        };
        let (place, keys) = match found.take(own) {
            Some(row) => (row.place, row.keys.clone()),
            // What is not an ID finds nothing that stands a look at the bytes.
            None => (NOWHERE, [self.patients, self.appointments].concat()),
        };
        Ok(index.message(&MessageEntry { offset: self.offset, event, place }, &keys)?)
    }

    fn event(&self) -> Event {
        let same = |event: &&Event| event.telling().trigger.as_bytes() == self.trigger;
        let mut all = Event::ALL.iter().filter(same);
        let exact = all.clone().find(|one| one.telling().status.as_bytes() == self.status);
        *exact.or_else(|| all.next()).unwrap_or(&Event::PatientUpdated)
    }
}
