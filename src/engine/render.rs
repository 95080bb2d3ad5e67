//! One block of an extract into messages: what a worker does.

use std::collections::HashMap;
use std::sync::Arc;

use super::agreement::Programs;
use super::backfill::Backfilling;
use super::claims::{ClaimKey, Claims, Judged, Settled};
use super::error::EngineError;
use super::filtered::Decided;
use super::first::Needed;
use super::guard::Changes;
use super::joined::no_program;
use super::key::{KeyCells, first_value, key, modified};
use super::memory::Memory;
use super::order::Plan;
use super::patients::{Finder, PatientIndex};
use super::rendered::{Refused, Rendered};
use super::selfcheck::{Learned, Number, SelfCheck};
use super::track::Tracker;
use super::waiting::Waiting;
use crate::convert::{Finding, Input, Output, References, Refusal, Sent, Sieve};
use crate::domain::{
    Code, Event, EventRules, ExtractKind, Filters, Fingerprint, Known, Layout, Note, Status, Values,
};
use crate::extract::{Block, Row, Rows};
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
    /// What is told of an appointment that leaves the filter, and of its patient.
    pub filters: &'a Filters,
    /// What is told where there is a choice.
    pub rules: EventRules,
    /// The patients of the same drop, for appointments, and the programs for the
    /// header of each of its files.
    pub patients: Option<(&'a PatientIndex, &'a [Arc<Programs>])>,
    /// Records that a newer one stands for, by offset, ascending.
    pub older: &'a [u64],
    /// Records that are told elsewhere than where they stand.
    pub plan: Option<&'a Plan>,
    /// Whether keys are wanted: to find doubles, to find patients again.
    pub keys: bool,
    /// What every message is held to.
    pub agreed: &'a Arc<Agreed>,
    /// What good ones look like.
    pub learned: Learned,
    /// What was told before, where it is known.
    pub memory: Option<Memory<'a>>,
    /// What holds instead of the day's rules, in a backfill.
    pub backfill: Option<Backfilling<'a>>,
    /// Holds external IDs against each other, where there are any.
    pub claims: Option<Claims>,
    /// What an earlier reading of the extract found of them.
    pub judged: &'a Judged,
    /// What waited before the drop.
    pub waiting: &'a Waiting,
    /// Which IDs a record is found by, where there is an index.
    pub tracker: Option<Tracker>,
}

/// What a worker has while it renders one block.
pub(super) struct Worker<'a> {
    cells: KeyCells<'a>,
    pub(super) finder: Option<Finder<'a>>,
    pub(super) scratch: Vec<u8>,
    /// What is known of the record that was looked at last.
    pub(super) known: Option<Known>,
    /// True while that is the state which the next record of the same ID finds.
    pub(super) chained: bool,
    /// By the first record of a series, the next one and what it finds.
    pub(super) states: HashMap<usize, (usize, Option<Known>, Sent)>,
    check: SelfCheck<'a>,
    pub(super) changes: Changes,
    pub(super) needed: Needed,
    /// What the vendor was told of the record that was looked at last.
    pub(super) sent: Sent,
    /// Where the record begins.
    pub(super) offset: u64,
    /// Its `lastmodified`.
    pub(super) modified: u64,
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
        if !self.chained {
            self.look_up(memory, input.own)?;
        }
        Ok(self.known)
    }

    /// Asks the register what is known of a record.
    pub(super) fn look_up(
        &mut self,
        memory: &Memory<'_>,
        record: Values<'_>,
    ) -> Result<(), EngineError> {
        let id = memory.id_of(record);
        self.known = memory.known_of(id)?;
        self.sent = memory.sent(id, self.known)?;
        Ok(())
    }
}

impl Renderer<'_> {
    /// Renders the records of one block, in order, into an empty `rendered`.
    pub fn render(&self, block: &Block, rendered: &mut Rendered) {
        // Messages are about three times their records.
        rendered.output.bytes.reserve(block.bytes.len() * 3);
        let mut worker = self.worker();
        let mut rows = Rows::new(block, self.layout);
        while let Some(row) = rows.next_row() {
            rendered.counts.rows += 1;
            let offset = block.offset + row.range.start as u64;
            if self.keys && row.fault.is_none() {
                let KeyCells { id, modified, .. } = worker.cells;
                rendered.keys.extend(key(id, modified, row.values, offset));
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
        rendered.changes = worker.changes;
        rendered.needed = worker.needed;
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
        let text = without_break(&block.bytes[row.range.clone()]);
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
                let whose = self.whose(row, text);
                let source = String::from_utf8_lossy(text).into_owned();
                rendered.faults.push(Refused { refusal, number, line: row.line, source, whose });
                Became::Refused
            }
        };
        // An older row says nothing about what came since.
        let says = matches!(became, Became::Messages(_) | Became::Nothing(_))
            && became != Became::Nothing(Note::Older);
        if says && !self.waiting.is_empty() {
            let before = self.waiting.before(self.whose(row, text));
            rendered.passed.extend(before.map(|row| (row.id, number)));
        }
        self.track(row, number, (worker, claims), became, rendered);
        Ok(())
    }

    pub(super) fn worker(&self) -> Worker<'_> {
        let appointments = self.layout.kind == ExtractKind::Appointments;
        let index = self.patients.filter(|_| appointments);
        Worker {
            cells: KeyCells::of(self.layout),
            finder: index.map(|(index, _)| index.finder()),
            scratch: Vec::new(),
            known: None,
            chained: false,
            states: HashMap::new(),
            check: SelfCheck::new(self.agreed, &self.learned),
            changes: Changes::default(),
            needed: Needed::new(),
            sent: Sent::default(),
            offset: 0,
            modified: 0,
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
        if self.memory.is_some() {
            worker.modified = modified(worker.cells.modified, input.own);
        }
        let found = self.programs.detector.find(input)?;
        let outside = self.sieve.keeps_out(input);
        let before = self.memory.as_ref().map_or(Ok(None), |it| worker.before(it, input))?;
        if self.is_older(found, before, worker) {
            return Ok(Became::Nothing(Note::Older));
        }
        let (telling, patient) = match self.decide(found, outside, before, input, worker)? {
            Decided::Told(telling, whose) => (telling, whose),
            Decided::Held(why) => {
                // The appointments of one outside the filter carry the same IDs.
                let settled = match why {
                    Note::TestPatient => None,
                    _ => self.claims(input, worker, out)?,
                };
                self.hold(before, settled.as_ref(), input, worker, entries)?;
                return Ok(Became::Nothing(why));
            }
            Decided::Nothing(why) => return Ok(Became::Nothing(why)),
        };
        let deletes = self.memory.as_ref().and_then(Memory::deletes);
        let detector = &self.programs.detector;
        let mut events = telling.events.iter().filter(|event| detector.is_enabled(**event));
        let (mut told, mut sent) = (0, worker.sent);
        let own = first_value(worker.cells.patient, input.own);
        let id = patient.as_deref().unwrap_or(own);
        if events.clone().next().is_some() {
            let test = self.with_patient(id, input, worker, |programs, input| {
                if programs.detector.is_test_patient(input) {
                    return Ok(true);
                }
                events.try_for_each(|&event| {
                    told += 1;
                    out.head(event);
                    let begin = out.bytes.len();
                    programs.of(event).ok_or_else(no_program)?.run(input, self.references, out)?;
                    if let Some(deletes) = deletes {
                        sent = deletes.settle(out, begin, sent);
                    }
                    Ok(())
                })?;
                Ok(false)
            })?;
            if test {
                return Ok(Became::Nothing(Note::TestPatient));
            }
        }
        worker.sent = sent;
        let enabled = telling.events.iter().filter(|event| detector.is_enabled(**event));
        match telling.before {
            Some(_) => enabled.for_each(|event| worker.changes.count(*event)),
            None => worker.changes.added += 1,
        }
        telling.note.into_iter().for_each(|note| out.note(note));
        let settled = self.settle(&telling, input, worker, out)?;
        self.remember(&telling, told, settled.as_ref(), input, worker, entries)?;
        if told > 0 {
            self.need(id, input, worker)?;
        }
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
    pub(super) fn telling(
        &self,
        found: Finding,
        before: Option<Known>,
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
        let (mut events, status) = match found {
            // Told once; and that somebody is back is told too.
            Finding::Gone => {
                fingerprint.0[0] ^= 0xff;
                let told = before.is_some_and(|known| known.fingerprint == fingerprint);
                (if told { &[][..] } else { &[Event::PatientUpdated] }, None)
            }
            Finding::Told(events, status) => (events, status),
            Finding::State(status) => match &self.backfill {
                Some(backfill) => (backfill.events(memory.kind()), status),
                None => (detector.change(status, &fingerprint, before.as_ref()), status),
            },
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
            modified: worker.modified.max(before.map_or(0, |known| known.modified)),
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
        if telling.events.is_empty() && telling.before.is_none() {
            return Ok(None);
        }
        self.claims(input, worker, out)
    }

    /// Holds the external IDs of a record against those of all others.
    fn claims(
        &self,
        input: Input<'_>,
        worker: &mut Worker<'_>,
        out: &mut Output,
    ) -> Result<Option<Settled>, Stop> {
        let Some(claims) = &self.claims else { return Ok(None) };
        let at = (first_value(worker.cells.id, input.own), worker.offset);
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
            stale = memory.columns() > 0
                && !memory.is_kept(input.own, worker.sent, &mut worker.scratch)?;
        }
        if telling.before.is_some_and(|before| before.says(&after)) {
            after.modified = telling.before.map_or(0, |before| before.modified);
        }
        worker.known = Some(after);
        let renewed = settled.is_some_and(|settled| settled.renewed);
        if !telling.before.is_some_and(|before| before.says(&after)) || renewed || stale {
            let claims = settled.map_or(&[][..], |settled| &settled.claims);
            memory.enter(input.own, after, (claims, worker.sent), &mut worker.scratch, entries);
        }
        Ok(())
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

/// Returns a record without the line break behind it.
pub(super) fn without_break(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n'] = text {
        text = rest;
    }
    text
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
