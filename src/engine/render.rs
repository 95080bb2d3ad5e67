//! One block of an extract into messages: what a worker does.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::agreement::Programs;
use super::patients::{Finder, PatientIndex};
use crate::convert::{Explained, Finding, Input, Output, References, Refusal, date_time};
use crate::domain::{Code, Counts, Event, ExtractKind, Layout};
use crate::extract::{Block, Row, Rows};
use crate::hl7::Path;

/// One header's records, ready to be rendered block by block by any worker.
pub struct Renderer<'a> {
    /// The header.
    pub layout: &'a Layout,
    /// Programs for a patient of the record itself: a patients extract, or an
    /// appointments extract that names its patients.
    pub programs: &'a Programs,
    /// Providers and departments.
    pub references: &'a References,
    /// The patients of the same drop, for appointments, and the programs for the
    /// header of each of its files.
    pub patients: Option<(&'a PatientIndex, &'a [Programs])>,
    /// Records that a newer one stands for, by offset, ascending.
    pub older: &'a [u64],
    /// Whether keys are wanted: to find doubles, to find patients again.
    pub keys: bool,
}

/// What became of a block.
#[derive(Default)]
pub struct Rendered {
    /// The messages.
    pub output: Output,
    /// The account.
    pub counts: Counts,
    /// Refused records.
    pub faults: Vec<Refused>,
    /// Where each record with an ID stands.
    pub keys: Vec<Key>,
}

/// A record that did not become a message.
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Which record of the block, counted from 1.
    pub number: u64,
    /// Its line in the file.
    pub line: u64,
    /// Its text as it was dropped.
    pub source: String,
}

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

impl Rendered {
    /// Makes it empty and keeps its buffers.
    pub fn clear(&mut self) {
        let Rendered { output, counts, faults, keys } = self;
        output.clear();
        *counts = Counts::default();
        faults.clear();
        keys.clear();
    }
}

impl Renderer<'_> {
    /// Renders the records of one block, in order, into an empty `rendered`.
    pub fn render(&self, block: &Block, rendered: &mut Rendered) {
        // Messages are about three times their records.
        rendered.output.bytes.reserve(block.bytes.len() * 3);
        let key_cells =
            self.keys.then(|| (id_cells(self.layout), self.layout.cells("lastmodified")));
        let mut finder = self.finder();
        let mut rows = Rows::new(block, self.layout);
        while let Some(row) = rows.next_row() {
            rendered.counts.rows += 1;
            let offset = block.offset + row.range.start as u64;
            if let Some((id, when)) = key_cells.filter(|_| row.fault.is_none()) {
                rendered.keys.extend(key(id, when, row.values, offset));
            }
            if self.older.binary_search(&offset).is_ok() {
                rendered.counts.duplicate += 1;
                continue;
            }
            let mark = rendered.output.mark();
            match self.record(&row, finder.as_mut(), &mut rendered.output) {
                Ok(0) => rendered.counts.filtered += 1,
                Ok(messages) => {
                    rendered.counts.sent += 1;
                    rendered.counts.messages += messages;
                }
                Err(refusal) => {
                    rendered.output.reset(mark);
                    rendered.counts.error += 1;
                    rendered.faults.push(Refused {
                        refusal,
                        number: row.number,
                        line: row.line,
                        source: String::from_utf8_lossy(&block.bytes[row.range.clone()])
                            .trim_end()
                            .to_string(),
                    });
                }
            }
        }
    }

    fn finder(&self) -> Option<Finder<'_>> {
        let appointments = self.layout.kind == ExtractKind::Appointments;
        self.patients.filter(|_| appointments).map(|(index, _)| index.finder())
    }

    /// Appends the messages of one record, but for those of a test patient in
    /// production; returns how many.
    fn record(
        &self,
        row: &Row<'_>,
        finder: Option<&mut Finder<'_>>,
        out: &mut Output,
    ) -> Result<u64, Refusal> {
        let (input, events) = self.events(row)?;
        let mut events = events.peekable();
        if events.peek().is_none() {
            return Ok(0);
        }
        self.with_patient(input, finder, |programs, input| {
            if programs.detector.is_test_patient(input) {
                return Ok(0);
            }
            let mut told = 0;
            for event in events {
                let program = programs.of(event).ok_or_else(no_program)?;
                program.run(input, self.references, out)?;
                told += 1;
            }
            Ok(told)
        })
    }

    /// Returns what a record tells, as far as it is switched on.
    fn events<'r>(
        &self,
        row: &Row<'r>,
    ) -> Result<(Input<'r>, impl Iterator<Item = Event> + use<'r, '_>), Refusal> {
        if let Some(fault) = &row.fault {
            let column = fault.column.clone().into();
            return Err(Refusal { code: fault.code, column, field: None });
        }
        let input = Input { own: row.values, patient: None };
        let events = match self.programs.detector.find(input)? {
            Finding::Tell(events) => events,
            _ => &[],
        };
        let enabled = |event: &Event| self.programs.detector.is_enabled(*event);
        Ok((input, events.iter().copied().filter(enabled)))
    }

    /// Says which rule makes which field of a record, message by message.
    ///
    /// # Errors
    /// [`Refusal`] where the record tells nothing that could be explained.
    pub fn explain(&self, row: &Row<'_>) -> Result<Vec<(Event, Vec<Explained>)>, Refusal> {
        let (input, events) = self.events(row)?;
        let mut finder = self.finder();
        events
            .map(|event| {
                let fields = self.with_patient(input, finder.as_mut(), |programs, input| {
                    let program = programs.of(event).ok_or_else(no_program)?;
                    program.explain(input, self.references)
                })?;
                Ok((event, fields))
            })
            .collect()
    }

    /// Finds the patient of an appointment, in the drop or in its own columns.
    fn with_patient<T>(
        &self,
        input: Input<'_>,
        finder: Option<&mut Finder<'_>>,
        then: impl FnOnce(&Programs, Input<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if self.layout.kind != ExtractKind::Appointments {
            return then(self.programs, input);
        }
        let id = first_value(self.layout.cells("patientid"), input.own);
        if let Some((_, programs)) = self.patients
            && let Some((patient, file)) = finder.and_then(|finder| finder.find(id))
            && let Some(programs) = programs.get(file)
        {
            return then(programs, Input { own: input.own, patient: Some(patient) });
        }
        let named = self.layout.names_patients()
            && ["lastname", "firstname"].iter().all(|column| {
                !first_value(self.layout.patient_cells(column), input.own).is_empty()
            });
        if named {
            return then(self.programs, input);
        }
        let field = Some(Path::of_field(*b"PID", 3));
        Err(Refusal { code: Code::A001, column: "patientid".into(), field })
    }
}

/// A kind of extract has a program for each of its events.
fn no_program() -> Refusal {
    Refusal { code: Code::E001, column: "event".into(), field: None }
}

/// Returns the first of the cells that has a value, trimmed.
pub fn first_value<'a>(cells: &[usize], values: &'a csv::ByteRecord) -> &'a [u8] {
    let mut values = cells.iter().map(|&cell| values.get(cell).unwrap_or_default().trim_ascii());
    values.find(|value| !value.is_empty()).unwrap_or_default()
}

/// Returns the ID of a record.
pub fn id_of<'a>(layout: &Layout, values: &'a csv::ByteRecord) -> &'a [u8] {
    first_value(id_cells(layout), values)
}

fn id_cells(layout: &Layout) -> &[usize] {
    match layout.kind {
        ExtractKind::Appointments => layout.cells("appointmentid"),
        _ => layout.cells("patientid"),
    }
}

fn key(id: &[usize], when: &[usize], values: &csv::ByteRecord, offset: u64) -> Option<Key> {
    let (id, when) = (first_value(id, values), first_value(when, values));
    if id.is_empty() {
        return None;
    }
    Some(Key { hash: hash(id), when: date_time(when).map_or(0, stamp), offset })
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
