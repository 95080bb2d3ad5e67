//! In which drops a query may find something, the newest first: one that asks for a state, or
//! a file, must not read a thousand drops to learn that none of them has it.

use std::collections::BTreeSet;

use super::error::EngineError;
use super::query::{Query, Standing};
use crate::domain::QueueState;
use crate::ledger::{Answers, Having, History, Ledger, Sqlite};

/// Drops that may have what is asked for, and maybe more.
pub(super) struct Candidates<'a> {
    ledger: &'a Sqlite,
    /// What the ledger is asked for, drop by drop; none: it has nothing of it.
    having: Option<Having>,
    /// Drops that are known by their batches.
    known: BTreeSet<u64>,
}

impl Candidates<'_> {
    /// Finds out what to look at for a query.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn of<'a>(ledger: &'a Sqlite, query: &Query) -> Result<Candidates<'a>, EngineError> {
        let having = match (query.state, &query.file) {
            (Some(Standing::In(QueueState::Processed)) | None, None) => Some(Having::Any),
            (Some(Standing::In(QueueState::Processed)) | None, Some(file)) => {
                Some(Having::File(file.clone()))
            }
            (Some(Standing::Filtered), _) => Some(Having::Untold),
            (Some(Standing::Resubmitted), _) => Some(Having::Resubmitted),
            (Some(Standing::Superseded), _) => Some(Having::Superseded),
            (Some(Standing::In(state)), _) => {
                (state.is_error() || state == QueueState::Deleted).then_some(Having::Fault(state))
            }
        };
        let state = match query.state {
            Some(Standing::In(state)) => Some(state),
            _ => None,
        };
        let mut known = BTreeSet::new();
        for batch in batches(ledger, state)? {
            known.extend(ledger.drop_of(batch)?);
        }
        Ok(Candidates { ledger, having, known })
    }

    /// Returns the newest of them below a drop.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn below(&self, drop: u64) -> Result<Option<u64>, EngineError> {
        let asked = match &self.having {
            Some(having) => self.ledger.drop_having(having, drop)?,
            None => None,
        };
        Ok(asked.max(self.known.range(..drop).next_back().copied()))
    }
}

/// Returns the batches whose messages may be in a state; of none in particular, those that no
/// drop made.
fn batches(ledger: &Sqlite, state: Option<QueueState>) -> Result<BTreeSet<u64>, EngineError> {
    use QueueState::{AthenaError, CboError, Deleted, Error, Processed};
    Ok(match state {
        None | Some(Processed) => ledger.rebuilt()?.into_iter().map(|(batch, ..)| batch).collect(),
        Some(CboError | AthenaError) => BTreeSet::new(),
        Some(state @ (Error | Deleted)) => ledger.batches_with(state)?.into_iter().collect(),
        Some(_) => {
            let on_their_way = ledger.undelivered()?.into_iter().chain(ledger.awaited()?);
            on_their_way.map(|row| row.batch.number).collect()
        }
    })
}
