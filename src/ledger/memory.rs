//! A ledger that forgets: for dry runs and tests, and to keep the trait honest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::actions::about;
use super::integrity::Contents;
use super::open_drop::{OpenDrop, seen_before, wrong_time};
use super::register::{Kept, Register, claims, first, unsealed};
use super::steps::no_delivery;
use super::{
    ActionRow, BatchRow, Closing, Decision, DeliveryRow, DropRow, ExtractId, ExtractRow, Failure,
    FaultFound, FaultRow, FaultsLike, History, Ledger, NewExtract, Numbers, Receipt, Result, Sign,
    Stage, Temp, Totals,
};
use crate::digest::Digest;
use crate::domain::{Claim, Counts, Fault, Kind, Known, Notes, QueueState};

/// A ledger in memory. Unlike the durable one it grows with every fault.
#[derive(Default)]
pub struct Memory {
    numbers: Numbers,
    extracts: Vec<ExtractRow>,
    batches: BTreeMap<u64, BatchRow>,
    deliveries: BTreeMap<(u64, String), DeliveryRow>,
    faults: Vec<FaultRow>,
    records: Records,
    columns: Vec<Vec<String>>,
    /// The faults that wait for nobody any more.
    closed: BTreeSet<i64>,
    actions: Vec<ActionRow>,
    open: Option<Open>,
}

/// What is remembered, by kind and ID.
type Records = BTreeMap<(Kind, Vec<u8>), Remembered>;

#[derive(Clone)]
struct Remembered {
    known: Known,
    claims: Vec<Claim>,
    kept: Option<Kept>,
}

struct Open {
    rules: OpenDrop,
    faults: Vec<FaultRow>,
    /// Of the extract begun last.
    entries: Vec<u8>,
    /// Of those that ended.
    records: Records,
    columns: Vec<Vec<String>>,
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

    fn act(&mut self, verb: &str, about: &str, sign: &Sign) {
        let id = self.actions.last().map_or(1, |row| row.id + 1);
        let (verb, about, sign) = (verb.to_string(), about.to_string(), sign.clone());
        self.actions.push(ActionRow { id, verb, about, sign });
    }

    fn waiting(&self) -> impl DoubleEndedIterator<Item = &FaultRow> {
        self.faults.iter().filter(|row| !self.closed.contains(&row.id))
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
            columns: self.columns.clone(),
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

    fn queue_fault(&mut self, extract: ExtractId, fault: &Fault, source: &str) -> Result<()> {
        let next = self.faults.len();
        self.in_drop(|open| {
            open.rules.fault(extract, fault)?;
            let id = i64::try_from(next + open.faults.len() + 1).unwrap_or(i64::MAX);
            let mut fault = fault.clone();
            fault.at.extract = open.name.clone();
            let (source, at) = (source.to_string(), open.taken_at);
            open.faults.push(FaultRow { id, extract, fault, source, at });
            Ok(())
        })
    }

    fn end_extract(&mut self, extract: ExtractId, counts: &Counts, notes: &Notes) -> Result<()> {
        self.in_drop(|open| {
            open.rules.end(extract, counts, notes)?;
            open.index()
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
        batch: Option<&BatchRow>,
        endpoints: &[&str],
        next: Numbers,
    ) -> Result<()> {
        let open = self.open.take().ok_or_else(|| wrong_time(false))?;
        let closed = open.rules.close(batch, endpoints, self.numbers, next)?;
        if let Some(batch) = batch {
            if self.batches.values().any(|other| other.name == batch.name) {
                return Err(super::LedgerError::Failed(format!("{} is taken", batch.name)));
            }
            self.batches.insert(batch.number, batch.clone());
            for endpoint in endpoints {
                let row = DeliveryRow::waiting(batch, endpoint);
                self.deliveries.insert((batch.number, endpoint.to_string()), row);
            }
        }
        self.extracts.extend(closed.extracts);
        self.faults.extend(open.faults);
        self.records.extend(open.records);
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
        let open = self.deliveries.values().filter(|row| row.stage != Stage::Delivered);
        Ok(open.cloned().collect())
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
                *row = next;
                done.push(about(&row.batch.name, &row.endpoint));
            }
        }
        for about in &done {
            self.act(Decision::Retry.word(), about, sign);
        }
        Ok(done.len() as u64)
    }

    fn decide(
        &mut self,
        batch: u64,
        endpoint: &str,
        decision: Decision,
        sign: &Sign,
    ) -> Result<()> {
        self.step(batch, endpoint, |row| row.decide(decision, sign))?;
        if let Some(row) = self.delivery(batch, endpoint)? {
            self.act(decision.word(), &about(&row.batch.name, endpoint), sign);
        }
        Ok(())
    }

    fn close_faults(&mut self, which: &Closing, sign: &Sign) -> Result<u64> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let wanted = |row: &&FaultRow| match which {
            Closing::Ids(ids) => ids.contains(&row.id),
            Closing::File(name) => *row.fault.at.extract == **name,
            Closing::Code(code) => row.fault.code == *code,
        };
        let found: Vec<i64> = self.waiting().filter(wanted).map(|row| row.id).collect();
        let missed = matches!(which, Closing::Ids(ids) if ids.len() != found.len());
        if found.is_empty() || missed {
            return Ok(0);
        }
        self.closed.extend(&found);
        self.act("close", &which.about(), sign);
        Ok(found.len() as u64)
    }

    fn totals(&self) -> Result<Totals> {
        let deliveries: Vec<DeliveryRow> = self.deliveries.values().cloned().collect();
        let last_drop = self.extracts.last().map(|row| row.extract.taken_at);
        let mut totals = Totals { last_drop, ..Totals::default() };
        totals.add_batches(&deliveries);
        for row in &self.faults {
            let open = row.fault.code.owner().queue_state();
            let closed = self.closed.contains(&row.id);
            totals.add(if closed { QueueState::Deleted } else { open }, 1);
        }
        Ok(totals)
    }

    fn faults(&self, limit: u64) -> Result<Vec<FaultRow>> {
        Ok(newest(self.waiting(), limit))
    }

    fn actions(&self, limit: u64) -> Result<Vec<ActionRow>> {
        Ok(newest(self.actions.iter(), limit))
    }

    fn extracts(&self, limit: u64) -> Result<Vec<ExtractRow>> {
        Ok(newest(self.extracts.iter(), limit))
    }

    fn receipts(&self, limit: u64) -> Result<Vec<DeliveryRow>> {
        let done = self.deliveries.values().filter(|row| row.stage == Stage::Delivered);
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
        };
        Ok(contents.problems())
    }
}

impl Open {
    fn index(&mut self) -> Result<()> {
        let entries = std::mem::take(&mut self.entries);
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let (head, id, whole) = first(rest)?;
            let values = unsealed(&rest[whole - head.sealed_kept()..whole])?.to_vec();
            let kept = (head.kept > 0).then_some(Kept { columns: head.known.columns, values });
            let claims = claims(&head, rest);
            let remembered = Remembered { known: head.known, claims, kept };
            self.records.insert((head.kind, id.to_vec()), remembered);
            rest = &rest[whole..];
        }
        Ok(())
    }
}

impl Memory {
    fn find(&self, kind: Kind, id: &[u8]) -> Option<&Remembered> {
        let key = (kind, id.to_vec());
        let open = self.open.as_ref().and_then(|open| open.records.get(&key));
        open.or_else(|| self.records.get(&key))
    }
}

impl Register for Memory {
    fn known(&self, kind: Kind, id: &[u8]) -> Result<Option<Known>> {
        Ok(self.find(kind, id).map(|found| found.known))
    }

    fn each(&self, kind: Kind, see: &mut dyn FnMut(&[u8], Known)) -> Result<()> {
        let mut all = self.records.clone();
        all.extend(self.open.iter().flat_map(|open| open.records.clone()));
        all.iter().filter(|((of, _), _)| *of == kind).for_each(|((_, id), remembered)| {
            see(id, remembered.known);
        });
        Ok(())
    }

    fn kept(&self, kind: Kind, id: &[u8]) -> Result<Option<Kept>> {
        Ok(self.find(kind, id).and_then(|found| found.kept.clone()))
    }

    fn claims(&self, kind: Kind, id: &[u8]) -> Result<Vec<Claim>> {
        Ok(self.find(kind, id).map_or(Vec::new(), |found| found.claims.clone()))
    }

    fn owner(&self, kind: Kind, claim: &Claim) -> Result<Option<Vec<u8>>> {
        let open = self.open.iter().flat_map(|open| open.records.keys());
        let mut ids = open.chain(self.records.keys()).filter(|(of, _)| *of == kind);
        let has = |id: &[u8]| self.find(kind, id).is_some_and(|one| one.claims.contains(claim));
        Ok(ids.find(|(_, id)| has(id)).map(|(_, id)| id.clone()))
    }

    fn columns(&self) -> Result<Vec<(u32, Vec<String>)>> {
        let columns = self.open.as_ref().map_or(&self.columns, |open| &open.columns);
        Ok((1..).zip(columns.iter().cloned()).collect())
    }

    fn keep_columns(&mut self, names: &[String]) -> Result<u32> {
        self.in_drop(|open| {
            let at = open.columns.iter().position(|known| known == names);
            let at = at.unwrap_or_else(|| {
                open.columns.push(names.to_vec());
                open.columns.len() - 1
            });
            Ok(at as u32 + 1)
        })
    }

    fn remember(&mut self, entries: &[u8]) -> Result<()> {
        self.in_drop(|open| {
            open.entries.extend_from_slice(entries);
            Ok(())
        })
    }
}

impl Memory {
    fn found(&self, row: &FaultRow) -> FaultFound {
        let open = row.fault.code.owner().queue_state();
        let closed = self.closed.contains(&row.id);
        let state = if closed { QueueState::Deleted } else { open };
        FaultFound { row: row.clone(), state }
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
        let batch = extracts.iter().find_map(|row| row.batch);
        let batch = batch.and_then(|number| self.batches.get(&number).cloned());
        Ok((!extracts.is_empty()).then_some(DropRow { number, extracts, batch }))
    }

    fn drop_of(&self, batch: u64) -> Result<Option<u64>> {
        let found = self.extracts.iter().find(|row| row.batch == Some(batch));
        Ok(found.map(|row| row.drop.0.cast_unsigned()))
    }

    fn batch_with(&self, control: u64) -> Result<Option<BatchRow>> {
        let has = |batch: &&BatchRow| {
            let nth = control.checked_sub(batch.first_control);
            nth.is_some_and(|nth| nth < batch.messages)
        };
        Ok(self.batches.values().find(has).cloned())
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
            like.state.is_none_or(|state| state == found.state)
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

fn newest<'a, T: Clone + 'a>(rows: impl DoubleEndedIterator<Item = &'a T>, limit: u64) -> Vec<T> {
    rows.rev().take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
}
