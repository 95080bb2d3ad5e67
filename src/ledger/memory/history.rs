//! Looking back, in memory.

use std::collections::BTreeSet;

use super::{Memory, newest};
use crate::domain::{QueueState, drop_of_rebuilt, rebuilt_batch};
use crate::ledger::{
    AnswerRow, BatchRow, DeliveryRow, DropRow, ExtractId, ExtractRow, FaultFound, FaultRow,
    FaultsLike, Having, History, Result, Stage,
};

impl Memory {
    fn found(&self, row: &FaultRow) -> FaultFound {
        let open = row.fault.code.owner().queue_state();
        let closed = self.closed.contains_key(&row.id);
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
        let has = |row: &&ExtractRow| {
            row.left_at.is_none() && row.extract.kind.makes_messages() && row.counts.rows > 0
        };
        let drops = self.extracts.iter().filter(has).map(|row| row.drop.0.cast_unsigned());
        let drops = drops.collect::<BTreeSet<u64>>().into_iter();
        Ok(drops.chain(self.rebuilt.iter().map(|(batch, ..)| drop_of_rebuilt(*batch))).collect())
    }

    fn drop_having(&self, having: &Having, below: u64) -> Result<Option<u64>> {
        let faulty = |id: ExtractId, fits: &dyn Fn(&FaultFound) -> bool| {
            let own = self.faults.iter().filter(|row| row.extract == id);
            own.map(|row| self.found(row)).any(|found| fits(&found))
        };
        let has = |row: &&ExtractRow| match having {
            Having::Any => true,
            Having::File(name) => row.extract.name == *name,
            Having::Untold => row.counts.filtered + row.counts.duplicate > 0,
            Having::Fault(state) => faulty(row.id, &|found| found.state == Some(*state)),
            Having::Resubmitted => {
                faulty(row.id, &|found| found.state.is_none() && !found.superseded)
            }
            Having::Superseded => faulty(row.id, &|found| found.superseded),
        };
        let drops = self.extracts.iter().filter(has).map(|row| row.drop.0.cast_unsigned());
        Ok(drops.filter(|drop| *drop < below).max())
    }

    fn batches_with(&self, state: QueueState) -> Result<Vec<u64>> {
        let refused = self.answers.values().filter(|row| !row.answer.code.accepts());
        let closed = |row: &AnswerRow| self.closed_answers.contains_key(&row.answer.control);
        let deleted = |row: &&DeliveryRow| row.stage == Stage::Deleted;
        let found: BTreeSet<u64> = match state {
            QueueState::Error => refused.filter(|row| !closed(row)).map(|row| row.batch).collect(),
            QueueState::Deleted => {
                let given_up = self.deliveries.values().filter(deleted);
                let refused = refused.filter(|row| closed(row)).map(|row| row.batch);
                given_up.map(|row| row.batch.number).chain(refused).collect()
            }
            _ => BTreeSet::new(),
        };
        Ok(found.into_iter().collect())
    }

    fn drop_row(&self, number: u64) -> Result<Option<DropRow>> {
        if let Some(batch) = rebuilt_batch(number) {
            let of = self.rebuilt.iter().find(|(own, ..)| *own == batch).map(|(_, of, _)| *of);
            let first = of.map(|of| self.drop_of(of)).transpose()?.flatten();
            let row = first.map(|first| self.drop_row(first)).transpose()?.flatten();
            let batches: Vec<BatchRow> = self.batches.get(&batch).cloned().into_iter().collect();
            return Ok(row.map(|row| DropRow { number, batches, ..row }));
        }
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
        let rebuilt = self.rebuilt.iter().any(|(own, ..)| *own == batch);
        let again = rebuilt.then(|| drop_of_rebuilt(batch));
        Ok(drops.iter().find(has).map(|row| row.number).or(again))
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
