//! The register, as the workers of one extract see it: what was told of a record, and
//! who the patient of an appointment is when only the appointment is dropped.

use std::sync::{Arc, Mutex};

use super::agreement::Programs;
use super::drop::Journal;
use super::error::EngineError;
use super::headers::Headers;
use super::key::id_of;
use crate::convert::{Bound, Deletes, Fingerprinter, Input, Keeper, Sent};
use crate::domain::{Cell, Claim, ExtractKind, Fingerprint, Kind, Known, Layout, Record, Values};
use crate::ledger::{Entry, Kept, LedgerError, Register};

/// What is kept of a record, the number of the columns that it is kept under, and their names.
pub(super) type Listed<'a> = (Record, u32, &'a [String]);

/// The register, for the records under one header.
pub struct Memory<'a> {
    register: &'a dyn Asked,
    kind: Kind,
    layout: &'a Layout,
    fingerprints: Fingerprinter,
    /// What is kept of each record.
    keeper: Option<(u32, Keeper)>,
    /// Of appointments: programs for the patients that were kept, by their columns.
    patients: Vec<(u32, Arc<Programs>)>,
    /// Every list of columns that something was kept under.
    lists: Vec<(u32, Vec<String>)>,
    /// Of patients: what an update deletes, where that was agreed.
    deletes: Option<Deletes>,
}

impl<'a> Memory<'a> {
    /// Binds a header; `None` where there is no register.
    ///
    /// # Errors
    /// Those of the store, and of a map that cannot be compiled.
    pub fn open(
        journal: &'a Mutex<&mut dyn Journal>,
        headers: &Headers<'_>,
        layout: &'a Layout,
    ) -> Result<Option<Memory<'a>>, EngineError> {
        let mut asked = journal.lock().map_err(|_| EngineError::Worker)?;
        let Some(register) = asked.register() else { return Ok(None) };
        let fingerprints = headers.fingerprinter(layout)?;
        let (mut kind, mut keeper, mut patients) = (Kind::Patient, None, Vec::new());
        let deletes = match layout.kind {
            ExtractKind::Patients => headers.deletes(layout)?,
            _ => None,
        };
        if let Some(own) = headers.keeper(layout)? {
            let mut names = own.names();
            names.extend(deletes.map(|_| Sent::COLUMN.to_string()));
            keeper = Some((register.keep_columns(&names)?, own));
        }
        let lists = register.columns()?;
        if layout.kind == ExtractKind::Appointments {
            kind = Kind::Appointment;
            for (number, names) in &lists {
                let kept = patients_under(names);
                let bound = Bound::Appointment(layout, Some(&kept));
                patients.push((*number, headers.programs(bound)?));
            }
        }
        drop(asked);
        let register = journal;
        Ok(Some(Memory { register, kind, layout, fingerprints, keeper, patients, lists, deletes }))
    }

    /// Returns what the records are of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the fingerprint of a record; `scratch` is a buffer to use again.
    pub fn fingerprint(&self, input: Input<'_>, scratch: &mut Vec<u8>) -> Fingerprint {
        self.fingerprints.take(input, scratch)
    }

    /// Returns the ID of a record.
    pub fn id_of<'r>(&self, record: Values<'r>) -> &'r [u8] {
        id_of(self.layout, record)
    }

    /// Returns what is known of a patient.
    ///
    /// # Errors
    /// Those of the store.
    pub fn patient_known(&self, id: &[u8]) -> Result<Option<Known>, EngineError> {
        self.register.known(Kind::Patient, id)
    }

    /// Returns what an update deletes; nothing, unless that was agreed.
    pub fn deletes(&self) -> Option<Deletes> {
        self.deletes
    }

    /// Returns what the vendor was told last of the record of an ID, of whom this was known
    /// `before`; it is only looked up where updates delete.
    ///
    /// # Errors
    /// Those of the store.
    pub fn sent(&self, id: &[u8], before: Option<Known>) -> Result<Sent, EngineError> {
        if self.deletes.is_none() || !before.is_some_and(|known| known.announced) {
            return Ok(Sent::default());
        }
        let Some((record, _, names)) = self.own(id)? else { return Ok(Sent::ANYTHING) };
        let at = names.iter().position(|name| name == Sent::COLUMN);
        Ok(at.map_or(Sent::ANYTHING, |at| Sent::of_kept(record.values().get(at))))
    }

    /// Returns what is known of the record of an ID.
    ///
    /// # Errors
    /// Those of the store.
    pub fn known_of(&self, id: &[u8]) -> Result<Option<Known>, EngineError> {
        self.register.known(self.kind, id)
    }

    /// Returns where the newest entry of a record is in the register.
    ///
    /// # Errors
    /// Those of the store.
    pub fn entered(&self, record: Values<'_>) -> Result<Option<u64>, EngineError> {
        self.register.entered(self.kind, id_of(self.layout, record))
    }

    /// Returns the external IDs that a patient was sent with.
    ///
    /// # Errors
    /// Those of the store.
    pub fn patient_claims(&self, id: &[u8]) -> Result<Vec<Claim>, EngineError> {
        self.register.claims(Kind::Patient, id)
    }

    /// Returns the external IDs that a record was sent with.
    ///
    /// # Errors
    /// Those of the store.
    pub fn claims(&self, id: &[u8]) -> Result<Vec<Claim>, EngineError> {
        self.register.claims(self.kind, id)
    }

    /// Returns whose an external ID is.
    ///
    /// # Errors
    /// Those of the store.
    pub fn owner(&self, claim: &Claim) -> Result<Option<Vec<u8>>, EngineError> {
        self.register.owner(self.kind, claim)
    }

    /// Returns what is kept of a patient, and the programs for it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn patient(&self, id: &[u8]) -> Result<Option<(Record, &Programs)>, EngineError> {
        let Some(kept) = self.register.kept(Kind::Patient, id)? else { return Ok(None) };
        let programs = self.patients.iter().find(|(number, _)| *number == kept.columns);
        match (Keeper::kept(&kept.values), programs) {
            (Some(record), Some((_, programs))) => Ok(Some((record, programs))),
            _ => Err(unlisted().into()),
        }
    }

    /// Returns what is kept of the record of this ID.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn own(&self, id: &[u8]) -> Result<Option<Listed<'_>>, EngineError> {
        self.kept(self.kind, id)
    }

    /// Returns what is kept of a record.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn kept(&self, kind: Kind, id: &[u8]) -> Result<Option<Listed<'_>>, EngineError> {
        let Some(kept) = self.register.kept(kind, id)? else { return Ok(None) };
        let names = self.lists.iter().find(|(number, _)| *number == kept.columns);
        match (Keeper::kept(&kept.values), names) {
            (Some(record), Some((number, names))) => Ok(Some((record, *number, names))),
            _ => Err(unlisted().into()),
        }
    }

    /// True if what is kept of a record is what would be kept of it now.
    ///
    /// # Errors
    /// Those of the store.
    pub fn is_kept(
        &self,
        record: Values<'_>,
        sent: Sent,
        scratch: &mut Vec<u8>,
    ) -> Result<bool, EngineError> {
        scratch.clear();
        self.keep(record, sent, scratch);
        let kept = self.register.kept(self.kind, id_of(self.layout, record))?;
        Ok(kept.is_some_and(|kept| kept.columns == self.columns() && kept.values == *scratch))
    }

    /// Appends the entry of a record to `out`; `scratch` is a buffer to use again.
    pub fn enter(
        &self,
        record: Values<'_>,
        known: Known,
        (claims, sent): (&[Claim], Sent),
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        scratch.clear();
        self.keep(record, sent, scratch);
        let id = id_of(self.layout, record);
        Entry { kind: self.kind, id, known, claims, kept: scratch }.write(out);
    }

    /// Returns the list of columns that values are kept under; 0 if none are.
    pub fn columns(&self) -> u32 {
        self.keeper.as_ref().map_or(0, |(number, _)| *number)
    }

    fn keep(&self, record: Values<'_>, sent: Sent, out: &mut Vec<u8>) {
        if let Some((_, keeper)) = &self.keeper {
            keeper.keep(record, out);
        }
        if self.deletes.is_some() {
            Keeper::add(sent.kept().as_bytes(), out);
        }
    }
}

/// Returns the header of patients that are kept under these columns.
pub(super) fn patients_under(names: &[String]) -> Layout {
    let cells = names.iter().cloned().map(Cell::Own).collect();
    Layout::new(ExtractKind::Patients, b',', String::new(), cells)
}

fn unlisted() -> LedgerError {
    let text = "its register keeps a record under columns that it does not list";
    LedgerError::Damaged(text.to_string())
}

/// Answers workers about the register, one at a time: a look-up takes microseconds, and
/// the store is one.
trait Asked: Sync {
    fn known(&self, kind: Kind, id: &[u8]) -> Result<Option<Known>, EngineError>;
    fn entered(&self, kind: Kind, id: &[u8]) -> Result<Option<u64>, EngineError>;
    fn kept(&self, kind: Kind, id: &[u8]) -> Result<Option<Kept>, EngineError>;
    fn claims(&self, kind: Kind, id: &[u8]) -> Result<Vec<Claim>, EngineError>;
    fn owner(&self, kind: Kind, claim: &Claim) -> Result<Option<Vec<u8>>, EngineError>;
}

impl Asked for Mutex<&mut dyn Journal> {
    fn known(&self, kind: Kind, id: &[u8]) -> Result<Option<Known>, EngineError> {
        ask(self, |register| register.known(kind, id))
    }

    fn entered(&self, kind: Kind, id: &[u8]) -> Result<Option<u64>, EngineError> {
        ask(self, |register| register.entered(kind, id))
    }

    fn kept(&self, kind: Kind, id: &[u8]) -> Result<Option<Kept>, EngineError> {
        ask(self, |register| register.kept(kind, id))
    }

    fn claims(&self, kind: Kind, id: &[u8]) -> Result<Vec<Claim>, EngineError> {
        ask(self, |register| register.claims(kind, id))
    }

    fn owner(&self, kind: Kind, claim: &Claim) -> Result<Option<Vec<u8>>, EngineError> {
        ask(self, |register| register.owner(kind, claim))
    }
}

/// Asks the register behind a journal; where there is none, nothing is known.
fn ask<T: Default>(
    journal: &Mutex<&mut dyn Journal>,
    question: impl FnOnce(&mut dyn Register) -> Result<T, LedgerError>,
) -> Result<T, EngineError> {
    let mut journal = journal.lock().map_err(|_| EngineError::Worker)?;
    Ok(journal.register().map_or_else(|| Ok(T::default()), question)?)
}
