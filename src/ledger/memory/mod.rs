//! A ledger that forgets: for dry runs and tests, and to keep the trait honest.

mod answer;
mod backfill;
mod faults;
mod history;
mod manifest;
mod register;
mod retention;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::digest::Digest;
use crate::domain::{Counts, Notes, QueueState};
use crate::ledger::integrity::Contents;
use crate::ledger::open_drop::{OpenDrop, check_rebuilt, seen_before, wrong_time};
use crate::ledger::steps::{no_batch, no_delivery};
use crate::ledger::{
    Act, ActionRow, AnswerRow, BackfillRow, BatchRow, Closing, Decision, DeliveryRow, Encrypted,
    ExtractId, ExtractRow, Failure, FaultRow, Holding, Ledger, LedgerError, LookRow, NewExtract,
    NewFault, Numbers, Receipt, ResponseRow, Resubmitted, Result, Sign, Stage, Temp, Totals,
    WaitingRow,
};
use register::{Records, remembered};
use retention::Forgotten;

/// A ledger in memory. Unlike the durable one it grows with every fault.
#[derive(Default)]
pub struct Memory {
    numbers: Numbers,
    extracts: Vec<ExtractRow>,
    batches: BTreeMap<u64, BatchRow>,
    deliveries: BTreeMap<(u64, String), DeliveryRow>,
    faults: Vec<FaultRow>,
    records: Records,
    /// How many entries were made.
    entered: u64,
    backfills: Vec<BackfillRow>,
    /// Where the register ended when extracts with faults did.
    ends: BTreeMap<ExtractId, u64>,
    columns: Vec<Vec<String>>,
    /// The faults that wait for nobody any more, and since when.
    closed: BTreeMap<i64, i64>,
    /// The messages that were refused and closed, and since when.
    closed_answers: BTreeMap<u64, i64>,
    /// Those of them that were converted again, with what they are now.
    resubmitted: BTreeMap<i64, Resubmitted>,
    /// Those of these that newer rows took the place of.
    superseded: BTreeSet<i64>,
    rebuilt: Vec<(u64, u64, String)>,
    holding: Holding,
    actions: Vec<ActionRow>,
    /// By control number and endpoint.
    answers: BTreeMap<(u64, String), AnswerRow>,
    responses: Vec<ResponseRow>,
    looks: BTreeMap<String, LookRow>,
    forgotten: Forgotten,
    open: Option<Open>,
}

struct Open {
    rules: OpenDrop,
    faults: Vec<FaultRow>,
    /// Of the extract begun last.
    entries: Vec<u8>,
    /// Of those that ended.
    records: Records,
    /// How many entries were made before and so far.
    entered: u64,
    /// ... when extracts with faults ended.
    ends: BTreeMap<ExtractId, u64>,
    /// The backfill that it is a slice of.
    backfill: Option<BackfillRow>,
    columns: Vec<Vec<String>>,
    /// Faults of earlier drops that are records of this one, and who says so.
    again: Vec<Resubmitted>,
    superseded: Vec<i64>,
    acts: Vec<(Act, Sign)>,
    name: Arc<str>,
    taken_at: i64,
}

impl Memory {
    /// Does a step of the open drop; a step that fails ends the drop.
    fn in_drop<T>(&mut self, step: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        let done = step(self.open.as_mut().ok_or_else(|| wrong_time(false))?);
        if done.is_err() {
            self.open = None;
        }
        done
    }

    fn sign(&mut self, act: &Act, sign: &Sign) {
        let id = self.actions.last().map_or(self.forgotten.last_action, |row| row.id) + 1;
        let Act { verb, about, was, now } = act.clone();
        let (verb, sign) = (verb.to_string(), sign.clone());
        self.actions.push(ActionRow { id, verb, about, was, now, sign });
    }

    /// A step of a delivery that a person asked for.
    fn signed(
        &mut self,
        verb: &'static str,
        batch: u64,
        endpoint: &str,
        sign: &Sign,
        step: impl FnOnce(DeliveryRow) -> Result<DeliveryRow>,
    ) -> Result<()> {
        let was = self.delivery(batch, endpoint)?;
        self.step(batch, endpoint, step)?;
        if let Some((was, now)) = was.zip(self.delivery(batch, endpoint)?) {
            self.sign(&Act::on(verb, &was, &now), sign);
        }
        Ok(())
    }

    /// Puts a batch in, with its deliveries.
    fn promise(&mut self, batch: &BatchRow, endpoints: &[&str]) -> Result<()> {
        if self.batches.values().any(|other| other.name == batch.name) {
            return Err(LedgerError::Failed(format!("{} is taken", batch.name)));
        }
        self.batches.insert(batch.number, batch.clone());
        for endpoint in endpoints {
            let row = DeliveryRow::waiting(batch, endpoint).under(self.holding)?;
            self.deliveries.insert((batch.number, endpoint.to_string()), row);
        }
        Ok(())
    }

    fn step(
        &mut self,
        batch: u64,
        endpoint: &str,
        step: impl FnOnce(DeliveryRow) -> Result<DeliveryRow>,
    ) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let row = self.deliveries.get_mut(&(batch, endpoint.to_string()));
        let row = row.ok_or_else(|| no_delivery(batch, endpoint))?;
        *row = step(row.clone())?;
        Ok(())
    }
}

impl Ledger for Memory {
    fn numbers(&self) -> Result<Numbers> {
        Ok(self.numbers)
    }

    fn extract(&self, digest: &Digest) -> Result<Option<ExtractRow>> {
        Ok(self.extracts.iter().rfind(|row| row.extract.digest == *digest).cloned())
    }

    fn took(&self, digest: &Digest, inode: u64) -> Result<bool> {
        let mut extracts = self.extracts.iter().map(|row| &row.extract);
        Ok(extracts.any(|one| one.digest == *digest && one.inode == inode))
    }

    fn begin_drop(&mut self) -> Result<()> {
        let next = self.extracts.last().map_or(1, |row| row.id.0 + 1);
        self.open = Some(Open {
            rules: OpenDrop::new(next),
            faults: Vec::new(),
            entries: Vec::new(),
            records: Records::new(),
            entered: self.entered,
            ends: BTreeMap::new(),
            backfill: None,
            columns: self.columns.clone(),
            again: Vec::new(),
            superseded: Vec::new(),
            acts: Vec::new(),
            name: "".into(),
            taken_at: 0,
        });
        Ok(())
    }

    fn begin_extract(&mut self, extract: &NewExtract) -> Result<ExtractId> {
        let took = self.took(&extract.digest, extract.inode)?;
        self.in_drop(|open| match took {
            true => Err(seen_before(&extract.name, &extract.name)),
            false => {
                open.name = extract.name.as_str().into();
                open.taken_at = extract.taken_at;
                open.entries.clear();
                open.rules.begin(extract)
            }
        })
    }

    fn queue_fault(&mut self, extract: ExtractId, new: &NewFault<'_>) -> Result<()> {
        let last = self.faults.last().map_or(0, |row| row.id).max(self.forgotten.last_fault);
        self.in_drop(|open| {
            open.rules.fault(extract, new.fault)?;
            let id = open.faults.last().map_or(last, |row| row.id) + 1;
            let mut fault = new.fault.clone();
            fault.at.extract = open.name.clone();
            let (source, at, whose) = (new.source.to_string(), open.taken_at, new.whose);
            let (since, times) = (new.before.map_or(at, |(since, _)| since), new.times());
            open.faults.push(FaultRow { id, extract, fault, source, at, whose, since, times });
            Ok(())
        })
    }

    fn end_extract(&mut self, extract: ExtractId, counts: &Counts, notes: &Notes) -> Result<()> {
        self.in_drop(|open| {
            open.rules.end(extract, counts, notes)?;
            open.index(extract, counts)
        })
    }

    fn undo_extract(&mut self, extract: ExtractId) -> Result<()> {
        self.in_drop(|open| {
            open.rules.undo(extract)?;
            open.entries.clear();
            open.faults.retain(|row| row.extract != extract);
            Ok(())
        })
    }

    fn commit_drop(
        &mut self,
        batches: &[BatchRow],
        endpoints: &[&str],
        next: Numbers,
    ) -> Result<()> {
        let open = self.open.take().ok_or_else(|| wrong_time(false))?;
        let closed = open.rules.close(batches, endpoints, self.numbers, next)?;
        let taken = |name: &String| self.batches.values().any(|other| other.name == *name);
        if let Some(batch) = batches.iter().find(|batch| taken(&batch.name)) {
            return Err(super::LedgerError::Failed(format!("{} is taken", batch.name)));
        }
        for batch in batches {
            self.promise(batch, endpoints)?;
        }
        for row in open.again {
            let at = open.acts.last().map_or(0, |(_, sign)| sign.at);
            self.closed.insert(row.fault, at);
            self.resubmitted.insert(row.fault, row);
        }
        self.superseded.extend(open.superseded);
        for (act, sign) in &open.acts {
            self.sign(act, sign);
        }
        self.extracts.extend(closed.extracts);
        self.faults.extend(open.faults);
        self.records.extend(open.records);
        self.entered = open.entered;
        self.ends.extend(open.ends);
        if let (Some(row), Some(newest)) = (open.backfill, self.backfills.last_mut()) {
            *newest = row;
        }
        self.columns = open.columns;
        self.numbers = next;
        Ok(())
    }

    fn abandon_drop(&mut self) -> Result<()> {
        self.open = None;
        Ok(())
    }

    fn batch(&self, name: &str) -> Result<Option<BatchRow>> {
        Ok(self.batches.values().find(|batch| batch.name == name).cloned())
    }

    fn batches(&self) -> Result<Vec<BatchRow>> {
        Ok(self.batches.values().cloned().collect())
    }

    fn delivery(&self, batch: u64, endpoint: &str) -> Result<Option<DeliveryRow>> {
        Ok(self.deliveries.get(&(batch, endpoint.to_string())).cloned())
    }

    fn deliveries(&self, batch: u64) -> Result<Vec<DeliveryRow>> {
        let own = self.deliveries.values().filter(|row| row.batch.number == batch);
        Ok(own.cloned().collect())
    }

    fn undelivered(&self) -> Result<Vec<DeliveryRow>> {
        let open = self.deliveries.values().filter(|row| !row.stage.is_done());
        Ok(open.cloned().collect())
    }

    fn encrypted(&mut self, batch: u64, endpoint: &str, file: &Encrypted) -> Result<()> {
        self.step(batch, endpoint, |row| row.encrypted(file))
    }

    fn sending(&mut self, batch: u64, endpoint: &str, temp: &Temp) -> Result<()> {
        self.step(batch, endpoint, |row| row.sending(temp))
    }

    fn verified(&mut self, batch: u64, endpoint: &str, at: i64) -> Result<()> {
        self.step(batch, endpoint, |row| row.verified(at))
    }

    fn delivered(&mut self, batch: u64, endpoint: &str, receipt: &Receipt) -> Result<()> {
        self.step(batch, endpoint, |row| row.delivered(receipt))
    }

    fn failed(&mut self, batch: u64, endpoint: &str, failure: &Failure) -> Result<()> {
        self.step(batch, endpoint, |row| row.failed(failure))
    }

    fn retry_stopped(&mut self, sign: &Sign) -> Result<u64> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let mut done = Vec::new();
        for row in self.deliveries.values_mut() {
            if let Some(next) = row.clone().retry() {
                done.push(Act::on(Decision::Retry.word(), row, &next));
                *row = next;
            }
        }
        for act in &done {
            self.sign(act, sign);
        }
        self.looks.clear();
        Ok(done.len() as u64)
    }

    fn decide(
        &mut self,
        batch: u64,
        endpoint: &str,
        decision: Decision,
        sign: &Sign,
    ) -> Result<()> {
        self.signed(decision.word(), batch, endpoint, sign, |row| row.decide(decision, sign))
    }

    fn resubmitted(&mut self, rows: &[Resubmitted], act: &Act, sign: &Sign) -> Result<()> {
        self.again(rows, act, sign).map(|_| ())
    }

    fn superseded(&mut self, rows: &[Resubmitted], act: &Act, sign: &Sign) -> Result<()> {
        let open = self.again(rows, act, sign)?;
        open.superseded.extend(rows.iter().map(|row| row.fault));
        Ok(())
    }

    fn commit_rebuilt(
        &mut self,
        batch: &BatchRow,
        of: u64,
        endpoints: &[&str],
        request: &str,
        sign: &Sign,
    ) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let next = check_rebuilt(batch, of, endpoints, self.numbers)?;
        let first = self.deliveries(of)?.into_iter().next().ok_or_else(|| no_batch(of))?;
        if self.rebuilt.iter().any(|(_, _, asked)| asked == request) {
            let what = format!("request {request} was carried out before");
            return Err(LedgerError::Failed(what));
        }
        self.promise(batch, endpoints)?;
        self.rebuilt.push((batch.number, of, request.to_string()));
        self.numbers = next;
        self.sign(&Act::rebuilt(batch, &first), sign);
        Ok(())
    }

    fn rebuilt(&self) -> Result<Vec<(u64, u64, String)>> {
        Ok(self.rebuilt.clone())
    }

    fn hold(&mut self, batch: u64, endpoint: &str, until: Option<i64>, sign: &Sign) -> Result<()> {
        self.signed("hold", batch, endpoint, sign, |row| row.hold(until))
    }

    fn release(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()> {
        self.signed("release", batch, endpoint, sign, DeliveryRow::release)
    }

    fn resend(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()> {
        self.signed("resend", batch, endpoint, sign, DeliveryRow::resend)?;
        self.forgotten.aged.remove(&batch);
        Ok(())
    }

    fn delete_batch(&mut self, batch: u64, entries: &[u8], sign: &Sign) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let rows = self.deliveries(batch)?;
        if rows.is_empty() {
            return Err(no_batch(batch));
        }
        let deleted = rows.iter().map(|row| row.clone().delete()).collect::<Result<Vec<_>>>()?;
        let records = remembered(entries, &mut self.entered)?;
        for (was, now) in rows.iter().zip(deleted) {
            self.sign(&Act::on("delete", was, &now), sign);
            self.deliveries.insert((batch, now.endpoint.clone()), now);
        }
        self.records.extend(records);
        Ok(())
    }

    fn holding(&self) -> Result<Holding> {
        Ok(self.holding)
    }

    fn set_holding(&mut self, holding: Holding, act: &Act, sign: &Sign) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        self.holding = holding;
        self.sign(act, sign);
        Ok(())
    }

    fn act(&mut self, act: &Act, sign: &Sign) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        self.sign(act, sign);
        Ok(())
    }

    fn close_faults(&mut self, which: &Closing, sign: &Sign) -> Result<u64> {
        self.close(which, sign)
    }

    fn totals(&self) -> Result<Totals> {
        let deliveries: Vec<DeliveryRow> = self.deliveries.values().cloned().collect();
        let last_drop = self.extracts.last().map(|row| row.extract.taken_at);
        let left = self.forgotten.messages;
        let mut totals = Totals { last_drop, left, ..Totals::default() };
        totals.add_batches(&deliveries, &self.own_states());
        for row in &self.faults {
            let open = row.fault.code.owner().queue_state();
            if self.resubmitted.contains_key(&row.id) {
                continue;
            }
            let closed = self.closed.contains_key(&row.id);
            totals.add(if closed { QueueState::Deleted } else { open }, 1);
        }
        Ok(totals)
    }

    fn faults(&self, limit: u64) -> Result<Vec<FaultRow>> {
        Ok(newest(self.waiting(), limit))
    }

    fn each_waiting(&self, see: &mut dyn FnMut(WaitingRow)) -> Result<()> {
        for FaultRow { id, whose, since, times, .. } in self.waiting() {
            see(WaitingRow { id: *id, whose: *whose, since: *since, times: *times });
        }
        Ok(())
    }

    fn each_fault(&self, see: &mut dyn FnMut(FaultRow) -> Result<()>) -> Result<()> {
        self.waiting().cloned().try_for_each(see)
    }

    fn extract_row(&self, id: ExtractId) -> Result<Option<ExtractRow>> {
        Ok(self.extracts.iter().find(|row| row.id == id).cloned())
    }

    fn actions(&self, limit: u64) -> Result<Vec<ActionRow>> {
        Ok(newest(self.actions.iter(), limit))
    }

    fn extracts(&self, limit: u64) -> Result<Vec<ExtractRow>> {
        Ok(newest(self.extracts.iter(), limit))
    }

    fn receipts(&self, limit: u64) -> Result<Vec<DeliveryRow>> {
        let done = self.deliveries.values();
        let done = done.filter(|row| row.stage == Stage::Delivered && !row.batch.is_manifest());
        Ok(newest(done, limit))
    }

    fn integrity(&self) -> Result<Vec<String>> {
        let mut faults = BTreeMap::new();
        for row in &self.faults {
            *faults.entry(row.extract).or_default() += 1;
        }
        let contents = Contents {
            numbers: self.numbers,
            extracts: self.extracts.clone(),
            batches: self.batches()?,
            deliveries: self.deliveries.values().cloned().collect(),
            faults,
            rebuilt: self.rebuilt.iter().map(|(batch, of, _)| (*batch, *of)).collect(),
        };
        Ok(contents.problems())
    }
}

fn newest<'a, T: Clone + 'a>(rows: impl DoubleEndedIterator<Item = &'a T>, limit: u64) -> Vec<T> {
    rows.rev().take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
}
