//! Patients whom the vendor was never told of, although their appointments are: their A28
//! first, where that was agreed (`interface.md` 8.10).
//!
//! That an appointment tells something is known once it is rendered, and then it is too
//! late to put a patient before it; so an extract with such appointments is read a second
//! time, like one with doubles. What is told of a patient is what the register keeps of one
//! outside the filter, or what the appointment's own columns say.

use std::collections::{BTreeMap, HashMap, hash_map};
use std::sync::{Arc, Mutex};

use super::agreement::Programs;
use super::drop::Journal;
use super::error::EngineError;
use super::headers::Headers;
use super::memory::{Listed, Memory, patients_under};
use super::missing::Gathered;
use super::render::{Renderer, Worker};
use super::selfcheck::{Number, SelfCheck};
use super::source::Source;
use super::tally::Tally;
use super::writer::Writer;
use crate::convert::{Bound, Input, Keeper, Output, Sent};
use crate::domain::{Event, ExtractKind, Fingerprint, Kind, Known, Note, Record};
use crate::index::{KeyOf, external_key, key};
use crate::ledger::Entry;

const ADDED: Event = Event::PatientAdded;

/// Patients to be told first, by ID; with what the appointment says of them, if the
/// register keeps nothing.
pub(super) type Needed = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl Renderer<'_> {
    /// Notes the patient `id` of an appointment that tells something, if the vendor was
    /// never told of him.
    pub(super) fn need(
        &self,
        id: &[u8],
        input: Input<'_>,
        worker: &mut Worker<'_>,
    ) -> Result<(), EngineError> {
        let Some(memory) = self.memory.as_ref().filter(|_| self.filters.patients_first) else {
            return Ok(());
        };
        // Whom a rehearsal finds in their extract, their own part will have told by then.
        let rehearsed = self.backfill.is_some_and(|backfill| backfill.patients.is_some());
        if self.layout.kind != ExtractKind::Appointments
            || rehearsed
            || worker.needed.contains_key(id)
            || memory.patient_known(id)?.is_some_and(|known| known.announced)
        {
            return Ok(());
        }
        let own = self.layout.names_patients() && memory.kept(Kind::Patient, id)?.is_none();
        let own = own.then(|| {
            let mut values = Vec::new();
            Keeper::of_patient(self.layout).keep(input.own, &mut values);
            values
        });
        worker.needed.insert(id.to_vec(), own);
        Ok(())
    }
}

/// Tells patients first.
pub(super) struct First<'a> {
    /// What the lists of the register compile to.
    pub headers: &'a Headers<'a>,
}

impl First<'_> {
    /// Tells the patients that the first reading of an extract `needed`. One who cannot be
    /// told is counted, and the appointment goes out without him, as it would have.
    ///
    /// # Errors
    /// Those of the register, and what ends a pass.
    pub fn tell(
        &self,
        source: &Source,
        renderer: &Renderer<'_>,
        needed: &Needed,
        journal: &Mutex<&mut dyn Journal>,
        writer: &mut Writer,
        tally: &mut Tally,
    ) -> Result<(), EngineError> {
        let Some(memory) = renderer.memory.as_ref().filter(|_| !needed.is_empty()) else {
            return Ok(());
        };
        let mut programs = HashMap::new();
        let own_names = Keeper::of_patient(renderer.layout).names();
        let mut check = SelfCheck::new(renderer.agreed, &renderer.learned);
        let mut gathered = Gathered::of(Kind::Patient);
        for (id, own) in needed {
            let kept = memory.kept(Kind::Patient, id)?;
            let own = own.as_deref().filter(|_| kept.is_none()).and_then(Keeper::kept);
            // No list of the register has the number 0.
            let own = own.as_ref().map(|record| (record, 0, own_names.as_slice()));
            let found = kept.as_ref().map(|(record, list, names)| (record, *list, *names)).or(own);
            let (begin, mark) = (gathered.out.bytes.len(), gathered.out.mark());
            let told = match found {
                Some((record, list, names)) => {
                    let programs = self.under(&mut programs, list, names)?;
                    self.added(programs, renderer, record, &mut gathered.out)
                }
                None => false,
            };
            if !told {
                gathered.out.reset(mark);
                tally.notes.note(Note::PatientNotFirst);
                continue;
            }
            let message = &gathered.out.bytes[begin..];
            let sent = Sent::of_message(message);
            check.record(message, Number::InFile(0), 0);
            enter(memory, id, kept.as_ref(), sent, &mut gathered)?;
            tally.notes.note(Note::PatientFirst);
            tally.counts.messages += 1;
            gathered.hand_over(false, journal, writer, tally)?;
        }
        gathered.hand_over(true, journal, writer, tally)?;
        check.finish().settle(source, 0, &mut tally.notes)
    }

    /// Appends the A28 of a patient; says whether there is one.
    fn added(
        &self,
        programs: &Programs,
        renderer: &Renderer<'_>,
        record: &Record,
        out: &mut Output,
    ) -> bool {
        let input = Input { own: record.values(), patient: None };
        if programs.detector.is_test_patient(input) {
            return false;
        }
        out.head(ADDED);
        let program = programs.of(ADDED);
        program.is_some_and(|program| program.run(input, renderer.references, out).is_ok())
    }

    /// Returns the programs of patients with the columns of a list.
    fn under<'p>(
        &self,
        programs: &'p mut HashMap<u32, Arc<Programs>>,
        list: u32,
        names: &[String],
    ) -> Result<&'p Programs, EngineError> {
        match programs.entry(list) {
            hash_map::Entry::Occupied(there) => Ok(there.into_mut()),
            hash_map::Entry::Vacant(free) => {
                let layout = patients_under(names);
                let programs = self.headers.programs(Bound::Patient(&layout))?;
                Ok(free.insert(programs))
            }
        }
    }
}

/// Takes down that a patient was told: what is kept of him stays as it is.
fn enter(
    memory: &Memory<'_>,
    id: &[u8],
    kept: Option<&Listed<'_>>,
    sent: Sent,
    gathered: &mut Gathered,
) -> Result<(), EngineError> {
    // His own record is news all the same once it is inside the filter: as an update.
    let nobody = Known {
        fingerprint: Fingerprint::NONE,
        status: None,
        announced: true,
        columns: 0,
        modified: 0,
    };
    let known = memory.patient_known(id)?.unwrap_or(nobody);
    let known = Known { announced: true, ..known };
    let mut values = Vec::new();
    if let Some((record, _, names)) = kept {
        for (value, name) in record.values().iter().zip(names.iter()) {
            match name == Sent::COLUMN {
                true => Keeper::add(sent.kept().as_bytes(), &mut values),
                false => Keeper::add(value, &mut values),
            }
        }
    }
    let claims = memory.patient_claims(id)?;
    let keys = claims.iter().map(|claim| external_key(&claim.value));
    let keys: Vec<u64> = std::iter::once(key(KeyOf::Patient, id)).chain(keys).collect();
    gathered.tracks.of_no_row(&keys);
    Entry { kind: Kind::Patient, id, known, claims: &claims, kept: &values }
        .write(&mut gathered.entries);
    Ok(())
}
