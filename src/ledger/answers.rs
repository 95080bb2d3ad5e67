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
use super::{DeliveryRow, Failure, Stage};
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
    use crate::ledger::{BatchRow, Wait};

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
