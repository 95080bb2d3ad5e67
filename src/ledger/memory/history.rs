//! Looking back, in memory.

use std::collections::BTreeSet;

use super::{Memory, newest};
use crate::domain::QueueState;
use crate::ledger::{
    DropRow, ExtractId, ExtractRow, FaultFound, FaultRow, FaultsLike, History, Result,
};

impl Memory {
    fn found(&self, row: &FaultRow) -> FaultFound {
        let open = row.fault.code.owner().queue_state();
        let closed = self.closed.contains(&row.id);
        let again = self.resubmitted.get(&row.id).map(|to| (to.extract, to.record));
        let state = if closed { QueueState::Deleted } else { open };
        let state = again.is_none().then_some(state);
        FaultFound { row: row.clone(), state, superseded: self.superseded.contains(&row.id), again }
    }
}

impl History for Memory {
    fn drops(&self, before: Option<u64>, limit: u64) -> Result<Vec<DropRow>> {
        let numbers: BTreeSet<u64> =
            self.extracts.iter().map(|row| row.drop.0.cast_unsigned()).collect();
        let numbers = numbers.into_iter().filter(|number| before.is_none_or(|it| *number < it));
        let numbers: Vec<u64> = numbers.collect();
        let newest = newest(numbers.iter(), limit).into_iter();
        newest.filter_map(|number| self.drop_row(number).transpose()).collect()
    }

    fn drops_with_rows(&self) -> Result<Vec<u64>> {
        let has = |row: &&ExtractRow| row.extract.kind.makes_messages() && row.counts.rows > 0;
        let drops = self.extracts.iter().filter(has).map(|row| row.drop.0.cast_unsigned());
        Ok(drops.collect::<BTreeSet<u64>>().into_iter().collect())
    }

    fn drop_row(&self, number: u64) -> Result<Option<DropRow>> {
        let of_drop = |row: &&ExtractRow| row.drop.0.cast_unsigned() == number;
        let extracts: Vec<ExtractRow> = self.extracts.iter().filter(of_drop).cloned().collect();
        let made: u64 = extracts.iter().map(|row| row.counts.messages).sum();
        let first = extracts.iter().filter_map(|row| row.batch).min();
        let (mut batches, mut found) = (Vec::new(), 0);
        for batch in self.batches.range(first.unwrap_or(u64::MAX)..).map(|(_, batch)| batch) {
            if found < made {
                found += batch.messages;
                batches.push(batch.clone());
            }
        }
        Ok((!extracts.is_empty()).then_some(DropRow { number, extracts, batches }))
    }

    fn drop_of(&self, batch: u64) -> Result<Option<u64>> {
        let drops = self.drops(None, u64::MAX)?;
        let has = |row: &&DropRow| row.batches.iter().any(|one| one.number == batch);
        Ok(drops.iter().find(has).map(|row| row.number))
    }

    fn fault_at(&self, extract: ExtractId, record: u64) -> Result<Option<FaultFound>> {
        let is_it = |row: &&FaultRow| row.extract == extract && row.fault.at.record == record;
        Ok(self.faults.iter().find(is_it).map(|row| self.found(row)))
    }

    fn fault(&self, id: i64) -> Result<Option<FaultFound>> {
        Ok(self.faults.iter().find(|row| row.id == id).map(|row| self.found(row)))
    }

    fn faults_like(&self, like: &FaultsLike, limit: u64) -> Result<Vec<FaultFound>> {
        let wanted = |found: &FaultFound| {
            let FaultRow { id, fault, at, .. } = &found.row;
            like.state.is_none_or(|state| Some(state) == found.state)
                && like.code.is_none_or(|code| code == fault.code)
                && like.file.as_ref().is_none_or(|file| **file == *fault.at.extract)
                && like.from.is_none_or(|from| from <= *at)
                && like.to.is_none_or(|to| *at < to)
                && like.before.is_none_or(|before| *id < before)
        };
        let all: Vec<FaultFound> =
            self.faults.iter().map(|row| self.found(row)).filter(wanted).collect();
        Ok(newest(all.iter(), limit))
    }
}
