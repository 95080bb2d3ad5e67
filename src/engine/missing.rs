//! Appointments that are no more though no row says so: booked ones that a full snapshot
//! does not have, and those whose slot is open again (`interface.md` section 7).
//!
//! A row that is not there has no values, and an open slot no patient. Where such
//! appointments are to be cancelled, the register keeps what that will take: the whole
//! row, resp. whose it was. One that it keeps nothing of, since it was booked before
//! this was agreed, is counted and never guessed.

use std::collections::{HashMap, hash_map};
use std::sync::{Arc, Mutex};

use super::agreement::Programs;
use super::drop::Journal;
use super::error::EngineError;
use super::headers::Headers;
use super::key::{hash, id_of};
use super::memory::patients_under;
use super::render::{Renderer, Telling, Worker};
use super::selfcheck::{Number, SelfCheck};
use super::source::Source;
use super::tally::Tally;
use super::track::{Origin, Tracks};
use super::writer::Writer;
use crate::convert::{Bound, Finding, Input, Keeper, Output};
use crate::domain::{Event, Guard, Kind, Known, Layout, MissingRows, Note, Record, Status};
use crate::index::{KeyOf, key};
use crate::ledger::Entry;

const CANCELLED: Event = Event::AppointmentCancelled;

/// Bytes of messages that are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// What becomes of an open slot.
pub(super) enum Freed {
    /// It was booked: what is told, and whose it was.
    Told(Telling, Vec<u8>),
    /// Nothing, and why.
    Nothing(Note),
}

impl Renderer<'_> {
    /// True of a record without an event that is older than the one told last.
    pub(super) fn is_older(
        &self,
        found: Finding,
        before: Option<Known>,
        worker: &Worker<'_>,
    ) -> bool {
        let newer = before.is_some_and(|known| known.modified > worker.modified);
        let named = matches!(found, Finding::Told(..));
        let told = self.rules.older && self.backfill.is_none();
        newer && worker.modified > 0 && !named && !told
    }

    /// Decides about an open slot.
    pub(super) fn freed(
        &self,
        before: Option<Known>,
        input: Input<'_>,
        worker: &mut Worker<'_>,
    ) -> Result<Freed, EngineError> {
        let booked = before.filter(|known| known.announced && known.status == Some(Status::Booked));
        let Some((memory, known)) = self.memory.as_ref().zip(booked) else {
            return Ok(Freed::Nothing(Note::OpenSlot));
        };
        let id = id_of(self.layout, input.own);
        let kept = if self.rules.freed_slots { memory.own(id)? } else { None };
        let Some(patient) = kept.and_then(|(record, _, names)| value(&record, names, "patientid"))
        else {
            return Ok(Freed::Nothing(Note::FreedSlot));
        };
        let after = Known {
            fingerprint: memory.fingerprint(input, &mut worker.scratch),
            status: Some(Status::Cancelled),
            columns: memory.columns(),
            modified: worker.modified.max(known.modified),
            ..known
        };
        let telling =
            Telling { events: &[CANCELLED], before: Some(known), after: Some(after), note: None };
        Ok(Freed::Told(telling, patient))
    }
}

/// Looks for booked appointments that a full snapshot does not have.
pub(super) struct Search<'a> {
    /// What the lists of the register compile to.
    pub headers: &'a Headers<'a>,
    /// How many may be missing; none: all of them.
    pub guard: Option<Guard>,
}

/// Messages of no row of the extract, with what they leave in register and index.
pub(super) struct Gathered {
    kind: Kind,
    pub(super) out: Output,
    pub(super) tracks: Tracks,
    /// Entries, one after the other.
    pub(super) entries: Vec<u8>,
}

/// What cancels appointments that were kept under one list of columns.
struct Cancels {
    layout: Layout,
    /// By the list of columns that the patient is kept under; none: in the row itself.
    programs: HashMap<Option<u32>, Arc<Programs>>,
}

impl Search<'_> {
    /// Counts what is missing of the snapshot whose IDs have the hashes `ids`, ascending;
    /// tells it as cancelled where that was agreed.
    ///
    /// # Errors
    /// Those of the register, and what ends a pass.
    pub fn tell(
        &self,
        source: &Source,
        renderer: &Renderer<'_>,
        ids: &[u64],
        journal: &Mutex<&mut dyn Journal>,
        writer: &mut Writer,
        tally: &mut Tally,
    ) -> Result<(), EngineError> {
        let mut gone: Vec<Vec<u8>> = Vec::new();
        {
            let mut journal = journal.lock().map_err(|_| EngineError::Worker)?;
            let Some(register) = journal.register() else { return Ok(()) };
            let changes = &mut tally.changes;
            register.each(Kind::Appointment, &mut |id, known| {
                if known.status == Some(Status::Booked) && known.announced {
                    changes.booked += 1;
                    if ids.binary_search(&hash(id)).is_err() {
                        changes.missing += 1;
                        gone.push(id.to_vec());
                    }
                }
            })?;
        }
        let (missing, booked) = (tally.changes.missing, tally.changes.booked);
        let too_many = self.guard.is_some_and(|guard| guard.refuses_changes(missing, booked));
        let rule = self.headers.agreement.scope.events.missing_rows;
        let enabled = renderer.programs.detector.is_enabled(CANCELLED);
        let (mut cancelled, mut gathered) = (0, Gathered::of(Kind::Appointment));
        if rule == MissingRows::Cancel && enabled && !too_many {
            let mut cancels = HashMap::new();
            let mut check = SelfCheck::new(renderer.agreed, &renderer.learned);
            for id in &gone {
                let (begin, mark) = (gathered.out.bytes.len(), gathered.out.mark());
                let Gathered { out, entries, tracks, .. } = &mut gathered;
                let told = self.cancel(renderer, &mut cancels, id, out, entries)?;
                let Some(patient) = told else {
                    out.reset(mark);
                    continue;
                };
                tracks.of_no_row(&[key(KeyOf::Appointment, id), key(KeyOf::Patient, &patient)]);
                check.record(&out.bytes[begin..], Number::InFile(0), 0);
                cancelled += 1;
                gathered.hand_over(false, journal, writer, tally)?;
            }
            gathered.hand_over(true, journal, writer, tally)?;
            check.finish().settle(source, 0, &mut tally.notes)?;
        }
        tally.counts.messages += cancelled;
        tally.changes.cancels += cancelled;
        tally.notes.note_often(Note::MissingCancelled, cancelled);
        tally.notes.note_often(Note::Missing, missing - cancelled);
        Ok(())
    }

    /// Appends the cancellation of one appointment from what is kept of it, and its entry;
    /// returns its patient's ID, or none if that cannot be done in earnest, or its time has passed: a snapshot of what
    /// is to come has no yesterday.
    fn cancel(
        &self,
        renderer: &Renderer<'_>,
        cancels: &mut HashMap<u32, Cancels>,
        id: &[u8],
        out: &mut Output,
        entries: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let Some(memory) = &renderer.memory else { return Ok(None) };
        let Some((record, list, names)) = memory.own(id)? else { return Ok(None) };
        let Some(known) = memory.known_of(id)? else { return Ok(None) };
        let Some(whose) = value(&record, names, "patientid") else { return Ok(None) };
        let patient = memory.kept(Kind::Patient, &whose)?;
        let cancels = cancels
            .entry(list)
            .or_insert_with(|| Cancels { layout: Keeper::layout(names), programs: HashMap::new() });
        if patient.is_none() && !cancels.layout.names_patients() {
            return Ok(None);
        }
        let under = patient.as_ref().map(|(_, list, names)| (*list, *names));
        let programs = cancels.under(self, under)?;
        let Some(program) = programs.of(CANCELLED) else { return Ok(None) };
        let patient = patient.as_ref().map(|(record, ..)| record.values());
        let input = Input { own: record.values(), patient };
        let passed = program.starts(input).is_none_or(|at| at.date() < self.headers.clock.date());
        out.head(CANCELLED);
        if passed
            || programs.detector.is_test_patient(input)
            || program.run(input, renderer.references, out).is_err()
        {
            return Ok(None);
        }
        let known = Known { status: Some(Status::Cancelled), ..known };
        let claims = memory.claims(id)?;
        let mut kept = Vec::new();
        Keeper::again(&record, &mut kept);
        Entry { kind: Kind::Appointment, id, known, claims: &claims, kept: &kept }.write(entries);
        Ok(Some(whose))
    }
}

impl Cancels {
    /// Returns the programs for patients that are kept under a list of columns.
    fn under(
        &mut self,
        search: &Search<'_>,
        patient: Option<(u32, &[String])>,
    ) -> Result<&Programs, EngineError> {
        match self.programs.entry(patient.map(|(list, _)| list)) {
            hash_map::Entry::Occupied(there) => Ok(there.into_mut()),
            hash_map::Entry::Vacant(free) => {
                let patient = patient.map(|(_, names)| patients_under(names));
                let bound = Bound::Appointment(&self.layout, patient.as_ref());
                let programs = search.headers.programs(bound)?;
                Ok(free.insert(programs))
            }
        }
    }
}

impl Gathered {
    /// Gathers messages of one kind.
    pub(super) fn of(kind: Kind) -> Gathered {
        let (out, tracks, entries) = (Output::default(), Tracks::default(), Vec::new());
        Gathered { kind, out, tracks, entries }
    }

    /// Hands over what was gathered, once it is much, or `all` of it.
    pub(super) fn hand_over(
        &mut self,
        all: bool,
        journal: &Mutex<&mut dyn Journal>,
        writer: &mut Writer,
        tally: &mut Tally,
    ) -> Result<(), EngineError> {
        let Gathered { kind, out, tracks, entries } = self;
        if !all && out.bytes.len() < GATHERED {
            return Ok(());
        }
        let mut journal = journal.lock().map_err(|_| EngineError::Worker)?;
        writer.append(*kind, out)?;
        let origin = Origin { extract: journal.nth(), records: 0 };
        writer.track(origin, tracks, &out.heads)?;
        tracks.clear();
        tally.notes.add(&out.notes);
        out.clear();
        if let Some(register) = journal.register() {
            register.remember(entries)?;
        }
        entries.clear();
        Ok(())
    }
}

/// Returns the value that is kept of a column, if there is one.
fn value(record: &Record, names: &[String], column: &str) -> Option<Vec<u8>> {
    let at = names.iter().position(|name| name == column)?;
    let value = record.values().get(at).to_vec();
    (!value.is_empty()).then_some(value)
}
