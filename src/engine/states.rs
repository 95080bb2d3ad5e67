//! How far batches are, each read from the ledger once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::error::EngineError;
use crate::ledger::{AnswerRow, Answers, BatchRow, DeliveryRow, Ledger, Sqlite};

/// The deliveries of batches, each read once.
#[derive(Default)]
pub(super) struct States(BTreeMap<u64, (Vec<DeliveryRow>, Vec<AnswerRow>)>);

impl States {
    /// Returns the deliveries of a batch, and its messages that have a state of their own.
    pub fn of(
        &mut self,
        ledger: &Sqlite,
        batch: &BatchRow,
    ) -> Result<&(Vec<DeliveryRow>, Vec<AnswerRow>), EngineError> {
        match self.0.entry(batch.number) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                let last = batch.first_control + batch.messages.saturating_sub(1);
                let answers = ledger.answers(batch.first_control, last)?;
                Ok(new.insert((ledger.deliveries(batch.number)?, answers)))
            }
        }
    }
}
