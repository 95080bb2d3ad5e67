//! What leaves with its time, in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::Memory;
use crate::digest::Digest;
use crate::ledger::actions::about;
use crate::ledger::open_drop::wrong_time;
use crate::ledger::retention::{left_chain, left_messages, must_stay, rest_of};
use crate::ledger::{
    Act, BatchRow, DropRow, ExtractId, History, Leaving, Ledger, Result, Retention, Room, Sign,
    Stage,
};

/// What is known of what left.
#[derive(Default)]
pub(super) struct Forgotten {
    /// Batches whose files left, or are about to.
    pub aged: BTreeSet<u64>,
    /// How many messages left.
    pub messages: u64,
    /// The highest number of a fault that left.
    pub last_fault: i64,
    /// The number of the last action that left.
    pub last_action: i64,
    seen: BTreeMap<Digest, i64>,
    swept: u64,
}

impl Memory {
    fn writes(&self) -> Result<()> {
        if self.open.is_some() { Err(wrong_time(true)) } else { Ok(()) }
    }

    fn may_leave(&self, batch: &BatchRow) -> Result<()> {
        let what = format!("batch {}", batch.number);
        if self.newest()?.1 == batch.number {
            return Err(must_stay(&what, "it is the newest"));
        }
        match self.at_rest(batch)? {
            Some(_) => Ok(()),
            None => Err(must_stay(&what, "something of it waits")),
        }
    }

    /// True of a batch that was made of another, and of a manifest but for the newest.
    fn is_of_no_drop(&self, batch: &BatchRow) -> bool {
        let newest = self.batches.keys().next_back() == Some(&batch.number);
        let manifest = batch.number >= BatchRow::manifest_number(0) && !newest;
        manifest || self.rebuilt.iter().any(|(number, ..)| *number == batch.number)
    }

    fn left(&self, extract: ExtractId) -> bool {
        self.extracts.iter().any(|row| row.id == extract && row.left_at.is_some())
    }
}

impl Retention for Memory {
    fn newest(&self) -> Result<(u64, u64)> {
        let drop = self.extracts.last().map_or(0, |row| row.drop.0.cast_unsigned());
        let batches = self.batches.range(..BatchRow::manifest_number(0));
        Ok((drop, batches.map(|(number, _)| *number).next_back().unwrap_or(0)))
    }

    fn drops_before(&self, at: i64, after: u64, limit: u64) -> Result<Vec<DropRow>> {
        let old = self.extracts.iter().filter(|row| {
            row.left_at.is_none() && row.extract.taken_at < at && row.drop.0.cast_unsigned() > after
        });
        let numbers: BTreeSet<u64> = old.map(|row| row.drop.0.cast_unsigned()).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let rows = numbers.into_iter().take(limit).map(|number| self.drop_row(number));
        rows.filter_map(Result::transpose).collect()
    }

    fn rebuilt_before(&self, at: i64) -> Result<Vec<BatchRow>> {
        let old = self.batches.values().rev().filter(|batch| batch.made_at < at);
        Ok(old.filter(|batch| self.is_of_no_drop(batch)).cloned().collect())
    }

    fn at_rest(&self, batch: &BatchRow) -> Result<Option<i64>> {
        let rows = self.deliveries(batch.number)?;
        let Some(mut since) = rest_of(batch, &rows) else { return Ok(None) };
        if self.rebuilt.iter().any(|(_, of, _)| *of == batch.number) {
            return Ok(None);
        }
        for row in self.answers.values().filter(|row| row.batch == batch.number) {
            if !row.answer.code.accepts() && !row.closed {
                return Ok(None);
            }
            let closed = self.closed_answers.get(&row.answer.control).filter(|_| row.closed);
            since = closed.map_or(since, |at| since.max(*at));
        }
        for row in rows.iter().filter(|row| row.stage == Stage::Deleted) {
            let about = about(&batch.name, &row.endpoint);
            let deleted =
                |one: &&crate::ledger::ActionRow| one.verb == "delete" && one.about == about;
            let at = self.actions.iter().filter(deleted).map(|one| one.sign.at).max();
            since = at.map_or(since, |at| since.max(at));
        }
        Ok(Some(since))
    }

    fn is_aged(&self, batch: u64) -> Result<bool> {
        Ok(self.forgotten.aged.contains(&batch))
    }

    fn waiting_of(&self, extract: ExtractId) -> Result<u64> {
        Ok(self.waiting().filter(|row| row.extract == extract).count() as u64)
    }

    fn age(&mut self, batches: &[u64], _: i64) -> Result<()> {
        self.writes()?;
        for number in batches {
            let batch = self.batches.get(number);
            let none = || must_stay(&format!("batch {number}"), "there is none");
            self.may_leave(batch.ok_or_else(none)?)?;
        }
        self.forgotten.aged.extend(batches);
        Ok(())
    }

    fn leave(&mut self, leaving: &Leaving, sign: &Sign) -> Result<u64> {
        self.writes()?;
        let (newest, _) = self.newest()?;
        let rebuilt = leaving.rebuilt.iter().filter_map(|number| self.batches.get(number));
        let mut batches: Vec<BatchRow> =
            rebuilt.filter(|batch| self.is_of_no_drop(batch)).cloned().collect();
        let mut drops = BTreeSet::new();
        for number in &leaving.drops {
            if *number == newest {
                return Err(must_stay(&format!("drop {number}"), "it is the newest"));
            }
            if let Some(drop) = self.drop_row(*number)?.filter(|drop| !drop.has_left()) {
                drops.insert(*number);
                batches.extend(drop.batches);
            }
        }
        for batch in &batches {
            self.may_leave(batch)?;
            if !self.is_aged(batch.number)? {
                let what = format!("batch {}", batch.number);
                return Err(must_stay(&what, "its file was not aged"));
            }
        }
        for row in &mut self.extracts {
            if drops.contains(&row.drop.0.cast_unsigned()) {
                self.forgotten.seen.insert(row.extract.digest, row.extract.taken_at);
                (row.batch, row.left_at) = (None, Some(sign.at));
            }
        }
        let mut messages = 0;
        for batch in &batches {
            messages += batch.messages;
            self.batches.remove(&batch.number);
            self.deliveries.retain(|(number, _), _| *number != batch.number);
            self.answers.retain(|_, row| row.batch != batch.number);
            self.rebuilt.retain(|(number, ..)| *number != batch.number);
            self.forgotten.aged.remove(&batch.number);
        }
        self.forgotten.messages += messages;
        let about = left_messages(leaving, batches.len() as u64, messages);
        let (was, now) = (String::new(), String::new());
        self.sign(&Act { verb: "leave", about, was, now }, sign);
        Ok(messages)
    }

    fn clear_faults(&mut self, before: i64, limit: u64) -> Result<u64> {
        self.writes()?;
        let old = self.faults.iter().filter(|row| {
            self.left(row.extract) && self.closed.get(&row.id).is_some_and(|at| *at < before)
        });
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let gone: BTreeSet<i64> = old.map(|row| row.id).take(limit).collect();
        self.faults.retain(|row| !gone.contains(&row.id));
        for id in &gone {
            self.closed.remove(id);
            self.resubmitted.remove(id);
            self.superseded.remove(id);
            self.forgotten.last_fault = self.forgotten.last_fault.max(*id);
        }
        Ok(gone.len() as u64)
    }

    fn clear_drops(&mut self, limit: u64) -> Result<u64> {
        self.writes()?;
        let has = |drop: ExtractId| {
            let own = self.extracts.iter().filter(|row| row.drop == drop).map(|row| row.id);
            own.into_iter().any(|id| self.faults.iter().any(|fault| fault.extract == id))
        };
        let left = self.extracts.iter().filter(|row| row.left_at.is_some() && !has(row.drop));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let gone: BTreeSet<ExtractId> = left.map(|row| row.drop).collect();
        let gone: BTreeSet<ExtractId> = gone.into_iter().take(limit).collect();
        self.extracts.retain(|row| !gone.contains(&row.drop));
        self.ends.retain(|extract, _| self.extracts.iter().any(|row| row.id == *extract));
        Ok(gone.len() as u64)
    }

    fn clear_responses(&mut self, before: i64) -> Result<u64> {
        self.writes()?;
        let all = self.responses.len();
        self.responses.retain(|row| row.at >= before);
        Ok((all - self.responses.len()) as u64)
    }

    fn clear_actions(&mut self, before: i64, limit: u64, sign: &Sign) -> Result<u64> {
        self.writes()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let old = self.actions.iter().take(limit).take_while(|row| row.sign.at < before);
        let count = old.count();
        let Some(last) = self.actions.drain(..count).next_back() else { return Ok(0) };
        self.forgotten.last_action = last.id;
        let (was, now) = (String::new(), String::new());
        let about = left_chain(last.id, "");
        self.sign(&Act { verb: "leave", about, was, now }, sign);
        Ok(count as u64)
    }

    fn drop_numbers(&self) -> Result<BTreeSet<u64>> {
        Ok(self.extracts.iter().map(|row| row.drop.0.cast_unsigned()).collect())
    }

    fn saw(&self, digest: &Digest) -> Result<bool> {
        Ok(self.extract(digest)?.is_some() || self.forgotten.seen.contains_key(digest))
    }

    fn swept(&self) -> Result<u64> {
        Ok(self.forgotten.swept)
    }

    fn set_swept(&mut self, day: u64) -> Result<()> {
        self.writes()?;
        self.forgotten.swept = day;
        Ok(())
    }

    fn room(&self) -> Result<Room> {
        Ok(Room::default())
    }

    fn give_back(&mut self, _: u64) -> Result<()> {
        self.writes()
    }

    fn compact_register(&mut self, _: u64) -> Result<u64> {
        self.writes()?;
        Ok(0)
    }
}
