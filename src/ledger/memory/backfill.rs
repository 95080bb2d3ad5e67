//! Backfills, in memory.

use super::Memory;
use crate::ledger::open_drop::wrong_time;
use crate::ledger::{Act, BackfillRow, Backfills, Result, Sign};

impl Backfills for Memory {
    fn backfills(&self, limit: u64) -> Result<Vec<BackfillRow>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.backfills.iter().rev().take(limit).cloned().collect())
    }

    fn put_backfill(&mut self, row: &BackfillRow, act: &Act, sign: &Sign) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        row.follows(self.backfills.last())?;
        self.backfills.retain(|one| one.id != row.id);
        self.backfills.push(row.clone());
        self.sign(act, sign);
        Ok(())
    }

    fn advance_backfill(&mut self, row: &BackfillRow) -> Result<()> {
        let newest = self.backfills.last().cloned();
        self.in_drop(|open| {
            row.advances(newest.as_ref())?;
            open.backfill = Some(row.clone());
            Ok(())
        })
    }
}
