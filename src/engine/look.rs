//! A conversion that changes nothing: its records are held against the register as it
//! stands, and only what is wrong with them is taken down.

use super::drop::Journal;
use super::error::EngineError;
use super::source::Source;
use crate::domain::{Claim, Counts, Fault, Kind, Known, Notes, Whose};
use crate::ledger::{ExtractId, Kept, Ledger, Register, Result as Done};

/// Takes down the faults only; of an extract that is read twice, those of the second time.
pub struct Look<'a> {
    known: Shown<'a>,
    /// Of the extract begun last.
    now: Vec<Fault>,
    /// Of those that ended.
    pub faults: Vec<Fault>,
}

impl<'a> Look<'a> {
    /// Looks at the register of a ledger, and at nothing else of it.
    pub fn at(ledger: &'a mut dyn Ledger) -> Look<'a> {
        Look { known: Shown(ledger), now: Vec::new(), faults: Vec::new() }
    }
}

impl Journal for Look<'_> {
    fn register(&mut self) -> Option<&mut dyn Register> {
        Some(&mut self.known)
    }

    fn begin(&mut self, _: &Source, _: &str) -> Result<(), EngineError> {
        self.now.clear();
        Ok(())
    }

    fn fault(&mut self, fault: &Fault, _: &str, _: Whose) -> Result<(), EngineError> {
        self.now.push(fault.clone());
        Ok(())
    }

    fn end(&mut self, _: &Counts, _: &Notes) -> Result<(), EngineError> {
        self.faults.append(&mut self.now);
        Ok(())
    }

    fn undo(&mut self) -> Result<(), EngineError> {
        self.now.clear();
        Ok(())
    }
}

/// A register that is only looked at.
struct Shown<'a>(&'a mut dyn Ledger);

impl Register for Shown<'_> {
    fn known(&self, kind: Kind, id: &[u8]) -> Done<Option<Known>> {
        self.0.known(kind, id)
    }

    fn each(&self, kind: Kind, see: &mut dyn FnMut(&[u8], Known)) -> Done<()> {
        self.0.each(kind, see)
    }

    fn count(&self, kind: Kind, limit: u64) -> Done<u64> {
        self.0.count(kind, limit)
    }

    fn end(&self) -> Done<u64> {
        self.0.end()
    }

    fn entered(&self, kind: Kind, id: &[u8]) -> Done<Option<u64>> {
        self.0.entered(kind, id)
    }

    fn end_of(&self, extract: ExtractId) -> Done<Option<u64>> {
        self.0.end_of(extract)
    }

    fn kept(&self, kind: Kind, id: &[u8]) -> Done<Option<Kept>> {
        self.0.kept(kind, id)
    }

    fn claims(&self, kind: Kind, id: &[u8]) -> Done<Vec<Claim>> {
        self.0.claims(kind, id)
    }

    fn owner(&self, kind: Kind, claim: &Claim) -> Done<Option<Vec<u8>>> {
        self.0.owner(kind, claim)
    }

    fn columns(&self) -> Done<Vec<(u32, Vec<String>)>> {
        self.0.columns()
    }

    fn keep_columns(&mut self, names: &[String]) -> Done<u32> {
        let known = self.0.columns()?;
        let found = known.iter().find(|(_, listed)| listed == names).map(|(number, _)| *number);
        let next = known.iter().map(|(number, _)| number + 1).max().unwrap_or(1);
        Ok(found.unwrap_or(next))
    }

    fn remember(&mut self, _: &[u8]) -> Done<()> {
        Ok(())
    }
}
