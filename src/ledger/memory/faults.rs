//! Records that wait, in memory.

use std::collections::BTreeSet;

use super::{Memory, Open};
use crate::ledger::open_drop::wrong_time;
use crate::ledger::{Act, FaultRow, LedgerError, Resubmitted, Result, Sign};

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
}
