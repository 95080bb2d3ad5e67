//! What receivers answered, in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::{Memory, newest};
use crate::digest::Digest;
use crate::domain::{Answer, QueueState};
use crate::ledger::actions::about;
use crate::ledger::open_drop::wrong_time;
use crate::ledger::rows::OwnStates;
use crate::ledger::steps::no_delivery;
use crate::ledger::{
    Act, AnswerRow, Answers, BatchRow, DeliveryRow, Failure, Ledger, LedgerError, LookRow,
    ResponseRow, Result, Sign, message_state,
};

impl Answers for Memory {
    fn await_answer(&mut self, batch: u64, endpoint: &str, within_s: i64) -> Result<()> {
        self.step(batch, endpoint, |row| row.await_answer(within_s))
    }

    fn awaited(&self) -> Result<Vec<DeliveryRow>> {
        let awaited = self.deliveries.values().filter(|row| row.awaits_answer());
        Ok(awaited.cloned().collect())
    }

    fn batch_of(&self, control: u64) -> Result<Option<BatchRow>> {
        let holds = |batch: &&BatchRow| {
            control.checked_sub(batch.first_control).is_some_and(|at| at < batch.messages)
        };
        Ok(self.batches.values().find(holds).cloned())
    }

    fn response(&self, digest: &Digest) -> Result<Option<ResponseRow>> {
        Ok(self.responses.iter().find(|row| row.digest == *digest).cloned())
    }

    fn respond(
        &mut self,
        response: &ResponseRow,
        whole: &[u64],
        answers: &mut dyn Iterator<Item = Answer>,
    ) -> Result<()> {
        self.answer(response, whole, answers)
    }

    fn answers(&self, first: u64, last: u64) -> Result<Vec<AnswerRow>> {
        let rows = self.answers.values();
        Ok(rows.filter(|row| (first..=last).contains(&row.answer.control)).cloned().collect())
    }

    fn rejected(&self, limit: u64) -> Result<Vec<AnswerRow>> {
        let waits = |row: &&AnswerRow| !row.answer.code.accepts() && !row.closed;
        Ok(newest(self.answers.values().filter(waits), limit))
    }

    fn close_rejected(&mut self, controls: &[u64], sign: &Sign) -> Result<u64> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let controls: BTreeSet<u64> = controls.iter().copied().collect();
        let waiting: BTreeSet<u64> =
            self.rejected(u64::MAX)?.into_iter().map(|row| row.answer.control).collect();
        if controls.is_empty() || !controls.is_subset(&waiting) {
            return Ok(0);
        }
        for row in self.answers.values_mut() {
            row.closed |= !row.answer.code.accepts() && controls.contains(&row.answer.control);
        }
        self.closed_answers.extend(controls.iter().map(|control| (*control, sign.at)));
        let words: Vec<String> = controls.iter().map(u64::to_string).collect();
        let (was, now) = (QueueState::Error.to_string(), QueueState::Deleted.to_string());
        let about = format!("messages {}", words.join(", "));
        self.sign(&Act { verb: "close", about, was, now }, sign);
        Ok(controls.len() as u64)
    }

    fn end_wait(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        let row = self.answering(batch, endpoint)?;
        if !row.awaits_answer() {
            return Err(LedgerError::Failed(format!("batch {batch} awaits no answer")));
        }
        let about = about(&row.batch.name, endpoint);
        self.settle(&row, sign.at)?;
        let was = QueueState::Pending.to_string();
        let act = Act { verb: "acknowledged", about, was, now: QueueState::Processed.to_string() };
        self.sign(&act, sign);
        Ok(())
    }

    fn look(&self, endpoint: &str) -> Result<Option<LookRow>> {
        Ok(self.looks.get(endpoint).cloned())
    }

    fn looked(&mut self, endpoint: &str, failure: Option<&Failure>) -> Result<()> {
        let before = self.looks.remove(endpoint).map_or(0, |look| look.failures);
        if let Some(failure) = failure {
            let (endpoint, failures) = (endpoint.to_string(), before + 1);
            let failure = Failure { stage: None, ..failure.clone() };
            self.looks.insert(endpoint.clone(), LookRow { endpoint, failure, failures });
        }
        Ok(())
    }
}

impl Memory {
    fn answering(&self, batch: u64, endpoint: &str) -> Result<DeliveryRow> {
        let row = self.delivery(batch, endpoint)?.ok_or_else(|| no_delivery(batch, endpoint))?;
        match row.receipt {
            Some(_) => Ok(row),
            None => Err(LedgerError::Failed(format!("batch {batch} is not delivered"))),
        }
    }

    fn answer(
        &mut self,
        response: &ResponseRow,
        whole: &[u64],
        answers: &mut dyn Iterator<Item = Answer>,
    ) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        if self.response(&response.digest)?.is_some() {
            return Err(LedgerError::Failed(format!("{} was read before", response.name)));
        }
        let before = self.answers.clone();
        let done = self.put_answers(response, whole, answers);
        match done {
            Ok(()) => self.responses.push(response.clone()),
            Err(_) => self.answers = before,
        }
        done
    }

    fn put_answers(
        &mut self,
        response: &ResponseRow,
        whole: &[u64],
        answers: &mut dyn Iterator<Item = Answer>,
    ) -> Result<()> {
        let endpoint = &response.endpoint;
        let mut touched: BTreeSet<u64> = whole.iter().copied().collect();
        for answer in answers {
            let control = answer.control;
            let batch = self.batch_of(control)?.map(|batch| batch.number);
            let batch = batch.ok_or_else(|| LedgerError::Failed("no such message".to_string()))?;
            self.answering(batch, endpoint)?;
            touched.insert(batch);
            let key = (control, endpoint.clone());
            let closed = self.answers.get(&key).is_some_and(|row| row.closed);
            if answer.code.accepts() && closed {
                continue;
            }
            if !answer.code.accepts() {
                let same = self.answers.values_mut().filter(|row| row.answer.control == control);
                same.for_each(|row| row.closed = false);
            }
            let (endpoint, at) = (endpoint.clone(), response.at);
            self.answers.insert(key, AnswerRow { batch, endpoint, answer, at, closed: false });
        }
        let mut settled = Vec::new();
        for number in touched {
            let row = self.answering(number, endpoint)?;
            let own = |of: &&AnswerRow| of.batch == number && of.endpoint == *endpoint;
            let answered = self.answers.values().filter(own).count() as u64;
            if whole.contains(&number) || !row.awaits_answer() || answered >= row.batch.messages {
                settled.push(row);
            }
        }
        settled.into_iter().try_for_each(|row| self.settle(&row, response.at))
    }

    fn settle(&mut self, row: &DeliveryRow, at: i64) -> Result<()> {
        let (number, endpoint) = (row.batch.number, row.endpoint.clone());
        self.answers.retain(|_, of| {
            of.batch != number || of.endpoint != endpoint || !of.answer.code.accepts()
        });
        self.step(number, &endpoint, |row| row.answered(at))
    }

    pub(super) fn own_states(&self) -> BTreeMap<u64, OwnStates> {
        let mut own: BTreeMap<u64, OwnStates> = BTreeMap::new();
        let rows: Vec<AnswerRow> = self.answers.values().cloned().collect();
        for same in rows.chunk_by(|one, next| one.answer.control == next.answer.control) {
            let Some(first) = same.first() else { continue };
            let deliveries = self.deliveries.values().filter(|row| row.batch.number == first.batch);
            let deliveries: Vec<DeliveryRow> = deliveries.cloned().collect();
            let states = own.entry(first.batch).or_default();
            match message_state(&deliveries, same) {
                QueueState::Error => states.rejected += 1,
                QueueState::Deleted => states.closed += 1,
                QueueState::Processed => states.accepted += 1,
                _ => {}
            }
        }
        own
    }
}
