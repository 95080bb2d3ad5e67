//! What the blocks of one extract add up to.

use super::claims::ClaimKey;
use super::drop::{Journal, fault};
use super::error::EngineError;
use super::first::Needed;
use super::guard::Changes;
use super::keys::Keys;
use super::rendered::Rendered;
use super::source::Source;
use crate::domain::{Counts, Notes};

/// The sum so far.
#[derive(Default)]
pub struct Tally {
    /// The account.
    pub counts: Counts,
    /// What was noticed.
    pub notes: Notes,
    /// Where each record stands, if that is wanted.
    pub keys: Option<Keys>,
    /// Where each external ID stands.
    pub claims: Vec<ClaimKey>,
    /// Records refused for an external ID, by offset.
    pub withheld: Vec<u64>,
    /// What the messages change.
    pub changes: Changes,
    /// Patients that are to be told first.
    pub needed: Needed,
}

impl Tally {
    /// Adds the next block: its faults and entries go to the journal.
    ///
    /// # Errors
    /// What ended the block, those of the store, and a message that is not conformant.
    pub fn add(
        &mut self,
        source: &Source,
        rendered: &mut Rendered,
        journal: &mut dyn Journal,
    ) -> Result<(), EngineError> {
        if let Some(err) = rendered.broken.take() {
            return Err(err);
        }
        for refused in &rendered.faults {
            let record = refused.number.after(self.counts.rows);
            let fault = fault(source, record, refused.line, &refused.refusal);
            journal.fault(&fault, &refused.source, refused.whose)?;
        }
        for (fault, number) in &rendered.passed {
            journal.passed(*fault, number.after(self.counts.rows));
        }
        rendered.checked.settle(source, self.counts.rows, &mut self.notes)?;
        self.counts.add(&rendered.counts);
        self.notes.add(&rendered.output.notes);
        self.changes.add(&rendered.changes);
        self.needed.append(&mut rendered.needed);
        if let Some(keys) = &mut self.keys {
            keys.add(&rendered.keys)?;
        }
        self.claims.extend_from_slice(&rendered.claims);
        self.withheld.extend_from_slice(&rendered.withheld);
        match journal.register() {
            Some(register) => Ok(register.remember(&rendered.entries)?),
            None => Ok(()),
        }
    }
}
