//! What receivers answered: the messages that have a state of their own.
//!
//! A message stands where its batch stands, unless its receiver said something of it
//! alone. It has a row if it was refused; and if it was accepted while others of its
//! batch still await their answer. Once all of a batch have theirs, those that were
//! accepted stand where their batch stands, and their rows go.
//!
//! The newest answer counts: a receiver who first refuses and then takes a message has
//! taken it. What somebody closed stays closed until it is refused again.

use super::rows::batch_state;
use super::{BatchRow, DeliveryRow, Failure, Result, Sign, Stage};
use crate::digest::Digest;
use crate::domain::{Answer, QueueState};

/// An answer that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRow {
    /// The batch of the message.
    pub batch: u64,
    /// Who answered.
    pub endpoint: String,
    /// What they said.
    pub answer: Answer,
    /// When we read it, unix seconds.
    pub at: i64,
    /// Whether somebody closed it: it waits for nobody.
    pub closed: bool,
}

/// A response file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseRow {
    /// SHA-256 of its bytes: the same file is read once.
    pub digest: Digest,
    /// Its name, cleaned.
    pub name: String,
    /// Whose it is.
    pub endpoint: String,
    /// Messages of ours that it accepts and refuses.
    pub accepted: u64,
    /// As above.
    pub rejected: u64,
    /// Unix seconds.
    pub at: i64,
}

/// How the last look for response files at an endpoint ended, if it did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookRow {
    /// The endpoint.
    pub endpoint: String,
    /// Why it failed; it may be told like that of a delivery.
    pub failure: Failure,
    /// How often, one after the other.
    pub failures: u64,
}

/// What receivers answered; a part of every [`Ledger`](super::Ledger).
pub trait Answers {
    /// Commits that an endpoint acknowledges what it gets, `within_s` seconds after it
    /// has it; before it has it, and once.
    fn await_answer(&mut self, batch: u64, endpoint: &str, within_s: i64) -> Result<()>;

    /// Returns the deliveries that are done and whose acknowledgement is awaited
    /// ([`DeliveryRow::answer_due`]), in batch number order.
    fn awaited(&self) -> Result<Vec<DeliveryRow>>;

    /// Returns the batch that holds the message of this control number.
    fn batch_of(&self, control: u64) -> Result<Option<BatchRow>>;

    /// Returns the response file of these bytes, if it was read.
    fn response(&self, digest: &Digest) -> Result<Option<ResponseRow>>;

    /// **Commits what a response file says**, all of it at once. Each answer must be about
    /// a message that the endpoint has. Of the batches `whole`, whatever is not refused
    /// counts as accepted, with an answer or without one. A batch all of whose messages
    /// were answered awaits nothing any more. The same bytes are refused a second time.
    fn respond(
        &mut self,
        response: &ResponseRow,
        whole: &[u64],
        answers: &mut dyn Iterator<Item = Answer>,
    ) -> Result<()>;

    /// Returns the messages from control number `first` to `last` that have a state of
    /// their own, in that order; all others stand where their batch stands
    /// ([`message_state`]).
    fn answers(&self, first: u64, last: u64) -> Result<Vec<AnswerRow>>;

    /// Returns the messages that were refused and wait, newest first, at most `limit`.
    fn rejected(&self, limit: u64) -> Result<Vec<AnswerRow>>;

    /// Closes messages that were refused and wait, by their control numbers, with an
    /// [`ActionRow`](super::ActionRow). If one of them does not wait, nothing is closed and it returns 0.
    fn close_rejected(&mut self, controls: &[u64], sign: &Sign) -> Result<u64>;

    /// Commits that somebody knows that nothing more is answered about a delivered batch,
    /// with an [`ActionRow`](super::ActionRow): what was not refused counts as accepted.
    fn end_wait(&mut self, batch: u64, endpoint: &str, sign: &Sign) -> Result<()>;

    /// Returns how the last look for response files at an endpoint failed, if it did.
    fn look(&self, endpoint: &str) -> Result<Option<LookRow>>;

    /// Commits how a look for response files ended; `None` if it went through.
    fn looked(&mut self, endpoint: &str, failure: Option<&Failure>) -> Result<()>;
}

/// Returns the queue state of one message, from all deliveries of its batch and all
/// answers about it.
pub fn message_state(deliveries: &[DeliveryRow], answers: &[AnswerRow]) -> QueueState {
    let mut refused = answers.iter().filter(|row| !row.answer.code.accepts()).peekable();
    if refused.peek().is_some() {
        let closed = refused.all(|row| row.closed);
        return if closed { QueueState::Deleted } else { QueueState::Error };
    }
    let took = |delivery: &DeliveryRow| {
        answers.iter().any(|row| row.endpoint == delivery.endpoint) || !delivery.awaits_answer()
    };
    let there = deliveries.iter().all(|delivery| delivery.stage == Stage::Delivered);
    if there && !deliveries.is_empty() && deliveries.iter().all(took) {
        return QueueState::Processed;
    }
    batch_state(deliveries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AckCode;
    use crate::ledger::Wait;

    #[test]
    fn a_message_stands_where_its_batch_stands_unless_it_was_answered_alone() {
        let batch = BatchRow {
            number: 1,
            name: "1.hl7".into(),
            digest: Digest::of(b"1"),
            bytes: 1,
            first_control: 1,
            messages: 2,
            made_at: 0,
        };
        let delivery = |endpoint: &str, stage, answers: bool| {
            let wait = answers.then_some(Wait { within_s: 9, answered_at: None });
            DeliveryRow { stage, wait, ..DeliveryRow::waiting(&batch, endpoint) }
        };
        let answer = |endpoint: &str, code, closed| AnswerRow {
            batch: 1,
            endpoint: endpoint.into(),
            answer: Answer { control: 1, code, what: String::new(), said: String::new() },
            at: 1,
            closed,
        };
        let both = [delivery("a", Stage::Delivered, true), delivery("b", Stage::Delivered, true)];
        let one = [delivery("a", Stage::Delivered, true), delivery("b", Stage::Waiting, false)];
        let alone = [delivery("a", Stage::Delivered, true)];
        let (yes, no, closed) = (
            answer("a", AckCode::Aa, false),
            answer("b", AckCode::Ar, false),
            answer("b", AckCode::Ce, true),
        );
        let table: Vec<(&[DeliveryRow], Vec<AnswerRow>, QueueState)> = vec![
            (&alone, vec![], QueueState::Pending),
            (&alone, vec![yes.clone()], QueueState::Processed),
            (&both, vec![yes.clone()], QueueState::Pending),
            (&one, vec![yes.clone()], QueueState::Distributed),
            (&both, vec![yes.clone(), no.clone()], QueueState::Error),
            (&both, vec![yes.clone(), closed.clone()], QueueState::Deleted),
            (&both, vec![no, closed], QueueState::Error),
            (&both, vec![yes.clone(), answer("b", AckCode::Ca, false)], QueueState::Processed),
        ];
        for (deliveries, answers, state) in table {
            assert_eq!(message_state(deliveries, &answers), state, "{answers:?}");
        }
    }
}
