//! One block of an extract into messages: what a worker does.

use std::collections::HashMap;
use std::sync::Arc;

use super::agreement::Programs;
use super::claims::{ClaimKey, Claims, Judged, Settled};
use super::error::EngineError;
use super::key::{first_value, id_cells, id_of, key};
use super::memory::Memory;
use super::order::Plan;
use super::patients::{Finder, PatientIndex};
use super::rendered::{Refused, Rendered};
use super::selfcheck::{Number, SelfCheck};
use super::track::Tracker;
use crate::convert::{Finding, Input, Output, References, Refusal, Sieve};
use crate::domain::{Code, Event, ExtractKind, Fingerprint, Known, Layout, Note, OnLeave, Status};
use crate::extract::{Block, Row, Rows};
use crate::hl7::Path;
use crate::validate::Agreed;

/// One header's records, ready to be rendered block by block by any worker.
pub struct Renderer<'a> {
    /// The header.
    pub layout: &'a Layout,
    /// Programs for a patient of the record itself: a patients extract, or an
    /// appointments extract that names its patients.
    pub programs: &'a Programs,
    /// Providers and departments.
    pub references: &'a References,
    /// Whom the vendor is told of.
    pub sieve: Sieve,
    /// What is told of an appointment that leaves the filter.
    pub on_leave: OnLeave,
    /// The patients of the same drop, for appointments, and the programs for the
    /// header of each of its files.
    pub patients: Option<(&'a PatientIndex, &'a [Programs])>,
    /// Records that a newer one stands for, by offset, ascending.
    pub older: &'a [u64],
    /// Records that are told elsewhere than where they stand.
    pub plan: Option<&'a Plan>,
    /// Whether keys are wanted: to find doubles, to find patients again.
    pub keys: bool,
    /// What every message is held to.
    pub agreed: &'a Arc<Agreed>,
    /// What was told before, where it is known.
    pub memory: Option<Memory<'a>>,
    /// Holds external IDs against each other, where there are any.
    pub claims: Option<Claims>,
    /// What an earlier reading of the extract found of them.
    pub judged: &'a Judged,
    /// Which IDs a record is found by, where there is an index.
    pub tracker: Option<Tracker>,
}

/// What a worker has while it renders one block.
pub(super) struct Worker<'a> {
    finder: Option<Finder<'a>>,
    pub(super) scratch: Vec<u8>,
    /// What is known of the record that was looked at last.
    pub(super) known: Option<Known>,
    /// True while that is the state which the next record of the same ID finds.
    pub(super) chained: bool,
    /// By the first record of a series, the next one and what it finds.
    pub(super) states: HashMap<usize, (usize, Option<Known>)>,
    check: SelfCheck,
    /// Where the record begins.
    pub(super) offset: u64,
    pub(super) claims: Vec<ClaimKey>,
}

/// What a record became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// So many messages.
    Messages(u64),
    /// Nothing, and why.
    Nothing(Note),
    /// A fault.
    Refused,
    /// Nothing: a newer row stands for it.
    Older,
}

/// Why a record became nothing.
pub(super) enum Stop {
    /// It is at fault.
    Refused(Refusal),
    /// The program or its machine is: the pass ends.
    Broken(EngineError),
}

/// What a record tells: the events that are switched on, and what will be known of it.
pub(super) struct Telling {
    pub(super) events: &'static [Event],
    pub(super) before: Option<Known>,
    pub(super) after: Option<Known>,
    /// What was noticed about it.
    pub(super) note: Option<Note>,
}

impl Worker<'_> {
    /// Returns what is known of a record before it is told.
    pub(super) fn before(
        &mut self,
        memory: &Memory<'_>,
        input: Input<'_>,
    ) -> Result<Option<Known>, EngineError> {
        self.known = if self.chained { self.known } else { memory.known(input.own)? };
        Ok(self.known)
    }
}

impl Renderer<'_> {
    /// Renders the records of one block, in order, into an empty `rendered`.
    pub fn render(&self, block: &Block, rendered: &mut Rendered) {
        // Messages are about three times their records.
        rendered.output.bytes.reserve(block.bytes.len() * 3);
        let key_cells =
            self.keys.then(|| (id_cells(self.layout), self.layout.cells("lastmodified")));
        let mut worker = self.worker();
        let mut rows = Rows::new(block, self.layout);
        while let Some(row) = rows.next_row() {
            rendered.counts.rows += 1;
            let offset = block.offset + row.range.start as u64;
            if let Some((id, when)) = key_cells.filter(|_| row.fault.is_none()) {
                rendered.keys.extend(key(id, when, row.values, offset));
            }
            if self.older.binary_search(&offset).is_ok() {
                rendered.counts.duplicate += 1;
                worker.offset = offset;
                let number = Number::InBlock(row.number);
                self.track(&row, number, (&worker, usize::MAX), Became::Older, rendered);
                continue;
            }
            let turn = self.plan.and_then(|plan| Some((plan, plan.turn(offset)?)));
            let done = match turn {
                None => self.one(block, &row, Number::InBlock(row.number), &mut worker, rendered),
                Some((plan, turn)) => self.turn(plan, turn, block, &row, &mut worker, rendered),
            };
            if let Err(err) = done {
                rendered.broken = Some(err);
                return;
            }
        }
        rendered.checked = worker.check.finish();
        rendered.claims = worker.claims;
    }

    /// Renders one record and accounts for it; `number` says which it is.
    pub(super) fn one(
        &self,
        block: &Block,
        row: &Row<'_>,
        number: Number,
        worker: &mut Worker<'_>,
        rendered: &mut Rendered,
    ) -> Result<(), EngineError> {
        worker.offset = block.offset + row.range.start as u64;
        let (mark, begin) = (rendered.output.mark(), rendered.output.bytes.len());
        let claims = worker.claims.len();
        let became = match self.record(row, worker, &mut rendered.output, &mut rendered.entries) {
            Ok(Became::Nothing(why)) => {
                rendered.counts.filtered += 1;
                rendered.output.note(why);
                Became::Nothing(why)
            }
            Ok(became @ (Became::Refused | Became::Older)) => became,
            Ok(Became::Messages(messages)) => {
                rendered.counts.sent += 1;
                rendered.counts.messages += messages;
                worker.check.record(&rendered.output.bytes[begin..], number, row.line);
                Became::Messages(messages)
            }
            Err(Stop::Broken(err)) => return Err(err),
            Err(Stop::Refused(refusal)) => {
                rendered.output.reset(mark);
                if matches!(refusal.code, Code::X001 | Code::X002) {
                    rendered.withheld.push(worker.offset);
                }
                rendered.counts.error += 1;
                let source = String::from_utf8_lossy(&block.bytes[row.range.clone()]);
                let source = source.trim_end_matches(['\r', '\n']).to_string();
                rendered.faults.push(Refused { refusal, number, line: row.line, source });
                Became::Refused
            }
        };
        self.track(row, number, (worker, claims), became, rendered);
        Ok(())
    }

    pub(super) fn worker(&self) -> Worker<'_> {
        let appointments = self.layout.kind == ExtractKind::Appointments;
        let index = self.patients.filter(|_| appointments);
        Worker {
            finder: index.map(|(index, _)| index.finder()),
            scratch: Vec::new(),
            known: None,
            chained: false,
            states: HashMap::new(),
            check: SelfCheck::new(self.agreed),
            offset: 0,
            claims: Vec::new(),
        }
    }

    /// Appends the messages of one record, and what is to be known of it from now on.
    pub(super) fn record(
        &self,
        row: &Row<'_>,
        worker: &mut Worker<'_>,
        out: &mut Output,
        entries: &mut Vec<u8>,
    ) -> Result<Became, Stop> {
        let input = shaped(row)?;
        let found = self.programs.detector.find(input)?;
        let outside = self.sieve.keeps_out(input);
        let patients = self.layout.kind == ExtractKind::Patients;
        let telling = match (found, outside) {
            (Finding::Slot, _) => return Ok(Became::Nothing(Note::OpenSlot)),
            (Finding::TestPatient, _) => {
                self.hold(input, worker, entries)?;
                return Ok(Became::Nothing(Note::TestPatient));
            }
            (_, Some(why)) if patients => {
                self.hold(input, worker, entries)?;
                return Ok(Became::Nothing(why));
            }
            (_, Some(why)) => match self.leaving(found, input, worker)? {
                Some(telling) => telling,
                None => return Ok(Became::Nothing(why)),
            },
            (_, None) => self.telling(found, input, worker)?,
        };
        let detector = &self.programs.detector;
        let mut events = telling.events.iter().filter(|event| detector.is_enabled(**event));
        let mut told = 0;
        if events.clone().next().is_some() {
            let test = self.with_patient(input, worker, |programs, input| {
                if programs.detector.is_test_patient(input) {
                    return Ok(true);
                }
                events.try_for_each(|&event| {
                    told += 1;
                    out.head(event);
                    programs.of(event).ok_or_else(no_program)?.run(input, self.references, out)
                })?;
                Ok(false)
            })?;
            if test {
                return Ok(Became::Nothing(Note::TestPatient));
            }
        }
        telling.note.into_iter().for_each(|note| out.note(note));
        let settled = self.settle(&telling, input, worker, out)?;
        self.remember(&telling, told, settled.as_ref(), input, worker, entries)?;
        if outside.is_some() && told > 0 {
            out.note(Note::LeftFilter);
        }
        Ok(match told {
            0 if !telling.events.is_empty() => Became::Nothing(Note::SwitchedOff),
            0 if telling.before.is_some() => Became::Nothing(Note::Unchanged),
            0 => Became::Nothing(Note::NeverAnnounced),
            told => Became::Messages(told),
        })
    }

    /// Returns what a record tells, by its own word or against the register.
    fn telling(
        &self,
        found: Finding,
        input: Input<'_>,
        worker: &mut Worker<'_>,
    ) -> Result<Telling, EngineError> {
        let detector = &self.programs.detector;
        let Some(memory) = &self.memory else {
            let events = match found {
                Finding::Told(events, _) => events,
                Finding::Gone => &[Event::PatientUpdated],
                Finding::State(status) => detector.change(status, &Fingerprint::NONE, None),
                _ => &[],
            };
            return Ok(Telling { events, before: None, after: None, note: None });
        };
        let mut fingerprint = memory.fingerprint(input, &mut worker.scratch);
        let before = worker.before(memory, input)?;
        let (mut events, status) = match found {
            // Told once; and that somebody is back is told too.
            Finding::Gone => {
                fingerprint.0[0] ^= 0xff;
                let told = before.is_some_and(|known| known.fingerprint == fingerprint);
                (if told { &[][..] } else { &[Event::PatientUpdated] }, None)
            }
            Finding::Told(events, status) => (events, status),
            Finding::State(status) => {
                (detector.change(status, &fingerprint, before.as_ref()), status)
            }
            _ => (&[][..], None),
        };
        let mut note = None;
        if matches!(found, Finding::Told(..)) && detector.contradicts(&mut events, before.as_ref())
        {
            note = Some(Note::Contradicts);
        } else if before.is_some_and(|known| known.status == Some(Status::Cancelled))
            && status != Some(Status::Cancelled)
            && !events.is_empty()
        {
            note = Some(Note::Rebooked);
        }
        let announced = before.is_some_and(|known| known.announced);
        // Of what was never announced and is over, there is nothing to remember.
        let after = (before.is_some() || !events.is_empty()).then_some(Known {
            fingerprint,
            status,
            announced,
            columns: memory.columns(),
        });
        Ok(Telling { events, before, after, note })
    }

    /// Holds the external IDs of a record against those of all others; one that was never
    /// told and never will be has none.
    fn settle(
        &self,
        telling: &Telling,
        input: Input<'_>,
        worker: &mut Worker<'_>,
        out: &mut Output,
    ) -> Result<Option<Settled>, Stop> {
        let Some(claims) = &self.claims else { return Ok(None) };
        if telling.events.is_empty() && telling.before.is_none() {
            return Ok(None);
        }
        let at = (id_of(self.layout, input.own), worker.offset);
        let memory = self.memory.as_ref();
        let keys = &mut worker.claims;
        claims.settle(memory, self.judged, input, at, keys, &mut out.notes).map(Some)
    }

    fn remember(
        &self,
        telling: &Telling,
        told: u64,
        settled: Option<&Settled>,
        input: Input<'_>,
        worker: &mut Worker<'_>,
        entries: &mut Vec<u8>,
    ) -> Result<(), EngineError> {
        let Some((memory, mut after)) = self.memory.as_ref().zip(telling.after) else {
            return Ok(());
        };
        after.announced |= told > 0;
        let mut stale = false;
        // What is switched off was not told: once it is on, it is still news.
        if let (0, false, Some(before)) = (told, telling.events.is_empty(), telling.before) {
            (after.fingerprint, after.status) = (before.fingerprint, before.status);
            stale = memory.columns() > 0 && !memory.is_kept(input.own, &mut worker.scratch)?;
        }
        worker.known = Some(after);
        let renewed = settled.is_some_and(|settled| settled.renewed);
        if telling.before != Some(after) || renewed || stale {
            let claims = settled.map_or(&[][..], |settled| &settled.claims);
            memory.enter(input.own, after, claims, &mut worker.scratch, entries);
        }
        Ok(())
    }

    /// Finds the patient of an appointment: in the drop, in the register, or in its own
    /// columns.
    pub(super) fn with_patient<T>(
        &self,
        input: Input<'_>,
        worker: &mut Worker<'_>,
        then: impl FnOnce(&Programs, Input<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Stop> {
        if self.layout.kind != ExtractKind::Appointments {
            return Ok(then(self.programs, input)?);
        }
        let id = first_value(self.layout.cells("patientid"), input.own);
        if let Some((_, programs)) = self.patients
            && let Some(finder) = &mut worker.finder
            && let Some((patient, file)) = finder.find(id)?
            && let Some(programs) = programs.get(file)
        {
            return Ok(then(programs, Input { own: input.own, patient: Some(patient) })?);
        }
        if let Some(memory) = &self.memory
            && let Some((patient, programs)) = memory.patient(id)?
        {
            return Ok(then(programs, Input { own: input.own, patient: Some(patient.values()) })?);
        }
        let named = self.layout.names_patients()
            && ["lastname", "firstname"].iter().all(|column| {
                !first_value(self.layout.patient_cells(column), input.own).is_empty()
            });
        if named { Ok(then(self.programs, input)?) } else { Err(no_patient().into()) }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<EngineError> for Stop {
    fn from(err: EngineError) -> Stop {
        Stop::Broken(err)
    }
}

/// Returns a record that can be looked at value by value.
pub(super) fn shaped<'r>(row: &Row<'r>) -> Result<Input<'r>, Refusal> {
    match &row.fault {
        None => Ok(Input { own: row.values, patient: None }),
        Some(fault) => {
            let column = fault.column.clone().into();
            Err(Refusal { code: fault.code, column, field: None })
        }
    }
}

pub(super) fn no_patient() -> Refusal {
    let field = Some(Path::of_field(*b"PID", 3));
    Refusal { code: Code::A001, column: "patientid".into(), field }
}

/// A kind of extract has a program for each of its events.
pub(super) fn no_program() -> Refusal {
    Refusal { code: Code::E001, column: "event".into(), field: None }
}
