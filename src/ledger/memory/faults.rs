//! Records that wait, in memory.

use std::collections::BTreeSet;

use super::{Memory, Open};
use crate::domain::QueueState;
use crate::ledger::open_drop::wrong_time;
use crate::ledger::{Act, Closing, FaultRow, LedgerError, Resubmitted, Result, Sign};

impl Memory {
    /// Returns the faults that wait, oldest first.
    pub(super) fn waiting(&self) -> impl DoubleEndedIterator<Item = &FaultRow> {
        self.faults.iter().filter(|row| !self.closed.contains(&row.id))
    }

    /// Closes faults that are records of the open drop now.
    pub(super) fn again(
        &mut self,
        rows: &[Resubmitted],
        act: &Act,
        sign: &Sign,
    ) -> Result<&mut Open> {
        let waits: BTreeSet<i64> = self.waiting().map(|row| row.id).collect();
        let act = act.clone();
        self.in_drop(|open| {
            open.rules.resubmitted(rows)?;
            let gone = |row: &&Resubmitted| {
                !waits.contains(&row.fault) || open.again.iter().any(|one| one.fault == row.fault)
            };
            if let Some(row) = rows.iter().find(gone) {
                let what = format!("record {} does not wait", row.fault);
                return Err(LedgerError::Failed(what));
            }
            open.again.extend(rows);
            open.acts.push((act, sign.clone()));
            Ok(())
        })?;
        self.open.as_mut().ok_or_else(|| wrong_time(false))
    }

    /// Closes faults that wait.
    pub(super) fn close(&mut self, which: &Closing, sign: &Sign) -> Result<u64> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let wanted = |row: &&FaultRow| match which {
            Closing::Ids(ids) => ids.contains(&row.id),
            Closing::File(name) => *row.fault.at.extract == **name,
            Closing::Code(code) => row.fault.code == *code,
        };
        let rows: Vec<&FaultRow> = self.waiting().filter(wanted).collect();
        let found: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let states: BTreeSet<String> =
            rows.iter().map(|row| row.fault.code.owner().queue_state().to_string()).collect();
        let was = states.into_iter().collect::<Vec<_>>().join(", ");
        let missed = matches!(which, Closing::Ids(ids) if ids.len() != found.len());
        if found.is_empty() || missed {
            return Ok(0);
        }
        self.closed.extend(&found);
        let now = QueueState::Deleted.to_string();
        self.sign(&Act { verb: "close", about: which.about(), was, now }, sign);
        Ok(found.len() as u64)
    }
}
