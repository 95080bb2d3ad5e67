//! Archived extracts under other settings, message by message against what was sent: what
//! a change will do before it does it.
//!
//! Each message that an extract became is found by the index of its drop, its row is
//! rendered again for the same event and at the same time, and the two are laid side by
//! side, field by field. Rows that made none, being at fault or outside a filter, are tried
//! as if they were new. Nothing is kept and no lock is taken.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::civil::DateTime;

use super::agreement::Agreement;
use super::claims::Judged;
use super::drop::{Journal, compiled};
use super::error::EngineError;
use super::headers::Headers;
use super::intake::kind_of;
use super::joined::no_program;
use super::key::first_value;
use super::keys::Keys;
use super::look::Look;
use super::memory::Memory;
use super::mend::{Scratch, refused};
use super::message::message_at;
use super::names::in_force;
use super::pass::Engine;
use super::patients::{PatientFile, PatientIndex};
use super::render::{Renderer, Stop, Worker, shaped};
use super::rendered::Rendered;
use super::selfcheck::Learned;
use super::source::Source;
use super::waiting::Waiting;
use crate::convert::{Finding, Output, References, Refusal, Resolved};
use crate::disk::failed;
use crate::domain::{Event, ExtractKind, Fingerprint, Note};
use crate::extract::{Row, Rows};
use crate::index::{Index, Reason};
use crate::ledger::{DropRow, ExtractRow, History, Ledger, Sqlite};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Messages that were sent of these extracts.
    pub messages: u64,
    /// Those that would be the same.
    pub same: u64,
    /// Those that would have another field.
    pub changed: u64,
    /// Those that would not be made any more, by reason.
    pub not_made: BTreeMap<String, u64>,
    /// Rows that made none, by what would become of them.
    pub others: BTreeMap<String, u64>,
    /// What differs, by field.
    pub fields: BTreeMap<String, FieldChange>,
}

/// What differs in one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldChange {
    /// Messages in which it has another value.
    pub changed: u64,
    /// Messages in which it has one and had none.
    pub added: u64,
    /// Messages in which it had one and has none.
    pub removed: u64,
    /// Values before and after: patient data.
    pub examples: Vec<(String, String)>,
}

/// What was sent of the rows of an extract, by where each begins: the event, and where that
/// stands in which batch file. Of a row that made no message there is nothing.
type Told = HashMap<u64, Vec<(Event, Arc<Path>, u64)>>;

impl Engine {
    /// Converts archived extracts under the settings of this engine, and holds them against
    /// what was sent of them; of each field `examples` are kept.
    ///
    /// # Errors
    /// [`EngineError::Refused`] of a file that the ledger does not know, and what cannot be
    /// read.
    pub fn replay(&self, files: &[PathBuf], examples: usize) -> Result<Replay, EngineError> {
        let nothing = || EngineError::NothingWaits { what: self.owner() };
        let mut ledger = Sqlite::peek(&self.spool.ledger(), &self.owner())?.ok_or_else(nothing)?;
        let agreement = self.translated()?;
        let references = in_force(self)?;
        let filters = Resolved::new(&agreement.scope.filters, &references)?;
        let scratch = Scratch::new(&self.spool.processing)?;
        let mut replay = Replay::default();
        for path in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let kind = kind_of(self, &name).unwrap_or(ExtractKind::Patients);
            let source = Source::of(path, &name, kind, true);
            let mut source = source.map_err(failed("read", path))?;
            let row = ledger.extract(&source.digest()?)?;
            let Some(row) = row.filter(|row| row.extract.kind.makes_messages()) else {
                return refused(format!(
                    "{name}: no such extract of patients or appointments was taken in by {}",
                    self.owner()
                ));
            };
            source.kind = row.extract.kind;
            let drop = ledger.drop_row(row.drop.0.unsigned_abs())?;
            let Some(drop) = drop else { return refused(format!("{name}: its drop is gone")) };
            let (rows, clock) = self.told(&drop, &row)?;
            let clock = clock.unwrap_or_else(|| self.clock.civil(&agreement.scope.timezone));
            let patients = match row.extract.kind {
                ExtractKind::Appointments => self.patients_of(&drop, &scratch.0)?,
                _ => PatientIndex::new(Vec::new()),
            };
            let again = Again {
                agreement: &agreement,
                references: &references,
                filters: &filters,
                clock,
                examples,
            };
            again.extract(&source, &rows, &patients, &mut ledger, &mut replay)?;
        }
        Ok(replay)
    }

    /// Returns what became of each row of an extract, and when.
    fn told(
        &self,
        drop: &DropRow,
        row: &ExtractRow,
    ) -> Result<(Told, Option<DateTime>), EngineError> {
        let nth = drop.extracts.iter().position(|one| one.id == row.id).unwrap_or(0);
        let path = self.spool.index_of(drop.number);
        let index = Index::open(&path).map_err(|err| self.no_index(drop.number, &err))?;
        let wrong = |err| self.no_index(drop.number, &err);
        let (mut rows, mut files, mut clock) = (Told::new(), HashMap::new(), None);
        for ordinal in 0..index.messages {
            let entry = index.message(ordinal).map_err(wrong)?;
            if usize::from(entry.place.extract) != nth || entry.place.record == 0 {
                continue;
            }
            let Some((batch, _)) = drop.batch_of(ordinal) else { continue };
            let file: &Arc<Path> = match files.entry(batch.number) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(free) => match self.batch_file(batch)? {
                    Some(file) => free.insert(file.into()),
                    None => return refused(format!("{} is not in sent/ any more", batch.name)),
                },
            };
            if clock.is_none() {
                clock = made_at(&message_at(file, entry.offset)?);
            }
            let sent = rows.entry(entry.place.offset).or_default();
            sent.push((entry.event, file.clone(), entry.offset));
        }
        for ordinal in 0..index.rows {
            let entry = index.row(ordinal).map_err(wrong)?;
            let can_change = match entry.reason {
                Reason::Fault => true,
                Reason::Filtered(note) => {
                    matches!(note, Note::OtherProvider | Note::OtherDepartment | Note::SwitchedOff)
                }
                _ => false,
            };
            if can_change && usize::from(entry.place.extract) == nth {
                rows.entry(entry.place.offset).or_default();
            }
        }
        Ok((rows, clock))
    }

    /// Returns what finds the patients who were dropped beside appointments. Those of an
    /// extract that lies packed are looked for in the register.
    fn patients_of(&self, drop: &DropRow, scratch: &Path) -> Result<PatientIndex, EngineError> {
        let (mut found, reading) = (Vec::new(), &self.agreement.reading);
        let kind = ExtractKind::Patients;
        for row in drop.extracts.iter().filter(|row| row.extract.kind == kind) {
            let Some(path) = self.extract_file(row)? else { continue };
            let source = Source::unpromised(&path, &row.extract.name, kind);
            let source = source.map_err(failed("open", &path))?;
            if !source.is_text(reading).map_err(EngineError::Extract)? {
                continue;
            }
            let (layout, mut blocks) = source.open(reading, None).map_err(EngineError::Extract)?;
            let mut keys = Keys::new(scratch);
            let mut seen = Rendered::default();
            while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
                seen.keys.clear();
                Renderer::look(&layout, None, &block, &mut seen);
                keys.add(&seen.keys)?;
                blocks.reuse(block);
            }
            let file = std::fs::File::open(&path).map_err(failed("open", &path))?;
            let file = PatientFile { file, base: 0, layout, withheld: Vec::new() };
            found.push((file, keys.sorted()?));
        }
        Ok(PatientIndex::new(found))
    }
}

/// Renders rows again.
struct Again<'a> {
    agreement: &'a Agreement,
    references: &'a References,
    filters: &'a Resolved,
    clock: DateTime,
    examples: usize,
}

impl Again<'_> {
    fn extract(
        &self,
        source: &Source,
        told: &Told,
        patients: &PatientIndex,
        ledger: &mut Sqlite,
        replay: &mut Replay,
    ) -> Result<(), EngineError> {
        let Again { agreement, references, filters, clock, examples } = *self;
        let opened = source.open(&agreement.reading, None);
        let (layout, mut blocks) = opened.map_err(EngineError::Extract)?;
        let headers = Headers::new(agreement, clock);
        let (_, programs, joined) = compiled(&headers, &layout, Some(patients))?;
        let mut look = Look::at(ledger);
        let journal: Mutex<&mut dyn Journal> = Mutex::new(&mut look);
        let renderer = Renderer {
            layout: &layout,
            programs: &programs,
            references,
            sieve: filters.sieve(&agreement.map, &layout).map_err(EngineError::missing)?,
            filters: &agreement.scope.filters,
            rules: agreement.scope.events,
            patients: Some((patients, &joined)),
            older: &[],
            plan: None,
            keys: false,
            agreed: &agreement.agreed,
            learned: Learned::default(),
            memory: Memory::open(&journal, &headers, &layout)?,
            backfill: None,
            claims: None,
            judged: &Judged::default(),
            waiting: &Waiting::default(),
            tracker: None,
        };
        let mut worker = renderer.worker();
        while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
            let mut records = Rows::new(&block, &layout);
            while let Some(row) = records.next_row() {
                let offset = block.offset + row.range.start as u64;
                let Some(sent) = told.get(&offset) else { continue };
                if sent.is_empty() {
                    let words = match why_not(renderer.as_new(&row, &mut worker))? {
                        Ok(_) => "would be sent now".to_string(),
                        Err(why) => why,
                    };
                    *replay.others.entry(words).or_default() += 1;
                }
                for (event, file, offset) in sent {
                    let before = message_at(file, *offset)?;
                    let after = why_not(renderer.again(&row, *event, &mut worker))?;
                    replay.count(&before, after, examples);
                }
            }
            blocks.reuse(block);
        }
        Ok(())
    }
}

/// A message, or why there would be none.
type Rendering = Result<Result<Vec<u8>, Note>, Stop>;

impl Renderer<'_> {
    /// Renders a row for an event, whatever was told of it before.
    fn again(&self, row: &Row<'_>, event: Event, worker: &mut Worker<'_>) -> Rendering {
        let input = shaped(row)?;
        if self.programs.detector.find(input)? == Finding::TestPatient {
            return Ok(Err(Note::TestPatient));
        }
        if let Some(note) = self.sieve.keeps_out(input) {
            return Ok(Err(note));
        }
        if !self.programs.detector.is_enabled(event) {
            return Ok(Err(Note::SwitchedOff));
        }
        let id = first_value(self.layout.cells("patientid"), input.own);
        self.with_patient(id, input, worker, |programs, input| {
            if programs.detector.is_test_patient(input) {
                return Ok(Err(Note::TestPatient));
            }
            let mut out = Output::default();
            programs.of(event).ok_or_else(no_program)?.run(input, self.references, &mut out)?;
            Ok(Ok(out.bytes))
        })
    }

    /// Renders a row as if it were new.
    fn as_new(&self, row: &Row<'_>, worker: &mut Worker<'_>) -> Rendering {
        let detector = &self.programs.detector;
        let events = match detector.find(shaped(row)?)? {
            Finding::Told(events, _) => events,
            Finding::State(status) => detector.change(status, &Fingerprint::NONE, None),
            Finding::Gone => &[Event::PatientUpdated],
            Finding::Slot => return Ok(Err(Note::OpenSlot)),
            Finding::TestPatient => return Ok(Err(Note::TestPatient)),
        };
        match events.first() {
            Some(event) => self.again(row, *event, worker),
            None => Ok(Err(Note::NeverAnnounced)),
        }
    }
}

/// Says in words why there would be no message; what ends a pass is none of that.
fn why_not(rendering: Rendering) -> Result<Result<Vec<u8>, String>, EngineError> {
    match rendering {
        Ok(message) => Ok(message.map_err(|note| note.text().to_string())),
        Err(Stop::Refused(refusal)) => Ok(Err(why(&refusal))),
        Err(Stop::Broken(err)) => Err(err),
    }
}

/// Says why a row is refused; never a value of it.
fn why(refusal: &Refusal) -> String {
    let column = if refusal.column.is_empty() { "row" } else { &*refusal.column };
    format!("{} {column}: {}", refusal.code.id(), refusal.code.text())
}

impl Replay {
    /// Lays a message beside the one that was sent.
    fn count(&mut self, before: &[u8], after: Result<Vec<u8>, String>, examples: usize) {
        self.messages += 1;
        let after = match after {
            Ok(after) => after,
            Err(why) => {
                *self.not_made.entry(why).or_default() += 1;
                return;
            }
        };
        let (before, mut after) = (fields(before), fields(&after));
        let mut same = true;
        let mut differs = |place: &(String, usize), was: &[u8], is: &[u8]| {
            if was == is {
                return;
            }
            same = false;
            let change = self.fields.entry(place.0.clone()).or_default();
            match (was.is_empty(), is.is_empty()) {
                (true, _) => change.added += 1,
                (_, true) => change.removed += 1,
                _ => change.changed += 1,
            }
            if change.examples.len() < examples {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                change.examples.push((text(was), text(is)));
            }
        };
        for (place, was) in &before {
            differs(place, was, &after.remove(place).unwrap_or_default());
        }
        for (place, is) in &after {
            differs(place, b"", is);
        }
        match same {
            true => self.same += 1,
            false => self.changed += 1,
        }
    }
}

/// Returns the fields of a message that have a value, each by its name and by which segment
/// of its name it is in; without what is another one in every transmission.
fn fields(message: &[u8]) -> BTreeMap<(String, usize), Vec<u8>> {
    let (mut fields, mut counts) = (BTreeMap::new(), HashMap::<String, usize>::new());
    for segment in message.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let Some(name) = segment.get(..3).and_then(|name| std::str::from_utf8(name).ok()) else {
            continue;
        };
        let nth = counts.entry(name.to_string()).or_default();
        *nth += 1;
        let first = if name == "MSH" { 1 } else { 0 };
        for (at, value) in segment.split(|byte| *byte == b'|').enumerate().skip(1) {
            let place = format!("{name}-{}", at + first);
            // When it was made, and its control ID.
            if !value.is_empty() && place != "MSH-7" && place != "MSH-10" {
                fields.insert((place, *nth), value.to_vec());
            }
        }
    }
    fields
}

/// Returns MSH-7: the time that a message was made at.
fn made_at(message: &[u8]) -> Option<DateTime> {
    let field = message.split(|byte| *byte == b'|').nth(6)?;
    let text = std::str::from_utf8(field.get(..14)?).ok()?;
    DateTime::strptime("%Y%m%d%H%M%S", text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &[u8] =
        b"MSH|^~\\&|A|B|||20260520110000||ADT^A28|7M9|T|2.3.1\rPID|1||9|10||F\rNK1|1|x\rNK1|2|y\r";

    #[test]
    fn what_differs_is_counted_by_field_and_what_is_of_the_transmission_is_not() {
        let mut replay = Replay::default();
        let same =
            b"MSH|^~\\&|A|B|||20260521110000||ADT^A28||T|2.3.1\rPID|1||9|10||F\rNK1|1|x\rNK1|2|y\r";
        replay.count(SENT, Ok(same.to_vec()), 9);
        assert_eq!((replay.same, replay.changed, replay.fields.len()), (1, 0, 0));
        let other =
            b"MSH|^~\\&|A|B|||20260520110000||ADT^A28||T|2.4\rPID|1||9||z|F\rNK1|1|x\rNK1|2|w\r";
        replay.count(SENT, Ok(other.to_vec()), 1);
        replay.count(SENT, Err("E001".into()), 1);
        let of = |name: &str| {
            let field = &replay.fields[name];
            (field.changed, field.added, field.removed)
        };
        assert_eq!((of("MSH-12"), of("PID-4"), of("PID-5")), ((1, 0, 0), (0, 0, 1), (0, 1, 0)));
        assert_eq!(replay.fields["NK1-2"].examples, [("y".to_string(), "w".to_string())]);
        assert_eq!((replay.messages, replay.changed, replay.not_made["E001"]), (3, 1, 1));
        assert_eq!(made_at(SENT), "2026-05-20T11:00:00".parse().ok());
    }
}
