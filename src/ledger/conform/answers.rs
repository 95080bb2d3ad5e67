//! What every ledger must hold to about acknowledgements.

use super::{Story, TEST, at, failure, receipt, refused, sign};
use crate::digest::Digest;
use crate::domain::{AckCode, Answer, QueueState};
use crate::ledger::{ActionRow, BatchRow, Failure, ResponseRow, message_state};

/// Everything that is told of one message of a batch: its number counted from 0, and how.
fn answer(batch: &BatchRow, index: u64, code: AckCode) -> Answer {
    let control = batch.first_control + index;
    let what = format!("message {control}, field \"PV1-3\"");
    Answer { control, code, what, said: "Unknown department 12".to_string() }
}

impl Story<'_> {
    fn response(&mut self, endpoint: &str) -> ResponseRow {
        self.serial += 1;
        let name = format!("response-{}.ack", self.serial);
        ResponseRow {
            digest: Digest::of(name.as_bytes()),
            name,
            endpoint: endpoint.to_string(),
            accepted: 1,
            rejected: 2,
            at: 90,
        }
    }

    /// Commits a drop and delivers its batch to endpoints that acknowledge.
    fn acknowledged_batch(&mut self, messages: u64, endpoints: &[&str]) -> BatchRow {
        let batch = self.drop_of(messages, endpoints);
        for endpoint in endpoints {
            self.ledger().await_answer(batch.number, endpoint, 600).unwrap();
            self.deliver(batch.number, endpoint);
        }
        self.reopen();
        batch
    }

    fn respond(&mut self, endpoint: &str, whole: &[u64], answers: Vec<Answer>) {
        let response = self.response(endpoint);
        self.ledger().respond(&response, whole, &mut answers.into_iter()).unwrap();
        let kept = self.reopen().response(&response.digest).unwrap();
        assert_eq!(kept, Some(response));
    }

    /// What a reopened ledger says of the messages of a batch, each by itself. That they
    /// add up to its totals is looked at too.
    fn states(&mut self, batch: &BatchRow) -> Vec<QueueState> {
        let ledger = self.reopen();
        let deliveries = ledger.deliveries(batch.number).unwrap();
        let controls = batch.first_control..batch.first_control + batch.messages;
        let states: Vec<QueueState> = controls
            .map(|control| message_state(&deliveries, &ledger.answers(control, control).unwrap()))
            .collect();
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
        states
    }

    /// How many messages the totals count in a state.
    fn total(&mut self, state: QueueState) -> u64 {
        self.reopen().totals().unwrap().states.get(&state).copied().unwrap_or(0)
    }

    pub(super) fn a_batch_is_pending_until_it_is_acknowledged(&mut self) {
        let before = self.total(QueueState::Pending);
        let batch = self.drop_of(3, TEST);
        let number = batch.number;
        self.ledger().await_answer(number, "test", 600).unwrap();
        assert_eq!(self.reopen().awaited().unwrap(), [], "it is not there yet");
        self.ledger().sending(number, "test", &at(".part")).unwrap();
        self.ledger().verified(number, "test", 7).unwrap();
        self.ledger().delivered(number, "test", &receipt("renamed")).unwrap();
        refused(self.ledger().await_answer(number, "test", 600));
        let ledger = self.reopen();
        let awaited = ledger.awaited().unwrap();
        assert_eq!(awaited.len(), 1);
        assert_eq!(awaited[0].answer_due(), Some(receipt("").at + 600));
        assert!(ledger.undelivered().unwrap().iter().all(|row| row.batch.number != number));
        assert_eq!(self.total(QueueState::Pending), before + 3);
        assert_eq!(self.states(&batch), [QueueState::Pending; 3]);
        for (control, found) in
            [(0, true), (2, true), (3, false)].map(|(at, found)| (batch.first_control + at, found))
        {
            let of = self.ledger().batch_of(control).unwrap();
            assert_eq!(of.is_some_and(|of| of == batch), found, "{control}");
        }
        self.respond("test", &[number], vec![]);
        assert_eq!(self.states(&batch), [QueueState::Processed; 3]);
        assert_eq!(self.total(QueueState::Pending), before);
        assert_eq!(self.ledger().awaited().unwrap(), []);
        let row = self.ledger().delivery(number, "test").unwrap().unwrap();
        assert_eq!(row.wait.unwrap().answered_at, Some(90));
    }

    pub(super) fn messages_that_were_refused_wait_and_all_others_are_processed(&mut self) {
        use AckCode::*;
        let (errors, done) = (self.total(QueueState::Error), self.total(QueueState::Processed));
        let batch = self.acknowledged_batch(5, TEST);
        let answers = vec![answer(&batch, 1, Ae), answer(&batch, 4, Cr), answer(&batch, 2, Aa)];
        self.respond("test", &[batch.number], answers.clone());
        let mut states = [QueueState::Processed; 5];
        (states[1], states[4]) = (QueueState::Error, QueueState::Error);
        assert_eq!(self.states(&batch), states);
        assert_eq!(self.total(QueueState::Error), errors + 2);
        assert_eq!(self.total(QueueState::Processed), done + 3);
        let rejected = self.ledger().rejected(2).unwrap();
        assert_eq!(rejected[0].answer, answers[1], "newest first, as it was told");
        assert_eq!(rejected[1].answer, answers[0]);
        assert_eq!(self.ledger().rejected(1).unwrap(), rejected[..1]);
        assert_eq!((rejected[0].batch, rejected[0].at), (batch.number, 90));
        // They take one of them after all.
        self.respond("test", &[], vec![answer(&batch, 4, Aa)]);
        states[4] = QueueState::Processed;
        assert_eq!(self.states(&batch), states);
        assert_eq!(self.total(QueueState::Error), errors + 1);
    }

    pub(super) fn what_is_answered_in_parts_is_counted_together(&mut self) {
        use AckCode::*;
        let (pending, done) = (self.total(QueueState::Pending), self.total(QueueState::Processed));
        let batch = self.acknowledged_batch(4, TEST);
        self.respond("test", &[], vec![answer(&batch, 0, Aa), answer(&batch, 1, Ca)]);
        let [yes, open] = [QueueState::Processed, QueueState::Pending];
        assert_eq!(self.states(&batch), [yes, yes, open, open]);
        assert_eq!(self.total(QueueState::Pending), pending + 2);
        assert_eq!(self.total(QueueState::Processed), done + 2);
        self.respond("test", &[], vec![answer(&batch, 1, Aa), answer(&batch, 2, Ar)]);
        assert_eq!(self.states(&batch), [yes, yes, QueueState::Error, open]);
        assert_eq!(self.ledger().awaited().unwrap().len(), 1);
        self.respond("test", &[], vec![answer(&batch, 3, Aa)]);
        assert_eq!(self.states(&batch), [yes, yes, QueueState::Error, yes]);
        assert_eq!(self.ledger().awaited().unwrap(), []);
        assert_eq!(self.total(QueueState::Processed), done + 3);
        let (first, last) = (batch.first_control, batch.first_control + 3);
        assert_eq!(self.ledger().answers(first, last).unwrap().len(), 1, "only what is not usual");
    }

    pub(super) fn a_response_that_does_not_fit_leaves_no_trace(&mut self) {
        use AckCode::*;
        let batch = self.acknowledged_batch(2, TEST);
        let undelivered = self.drop_of(1, TEST);
        let stranger = Answer { control: 9_999_999, ..answer(&batch, 0, Ae) };
        for second in [stranger, answer(&undelivered, 0, Aa)] {
            let response = self.response("test");
            let answers = vec![answer(&batch, 0, Ae), second];
            refused(self.ledger().respond(&response, &[], &mut answers.into_iter()));
            assert_eq!(self.reopen().response(&response.digest).unwrap(), None);
            assert_eq!(self.states(&batch), [QueueState::Pending; 2]);
        }
        let response = self.response("test");
        refused(self.ledger().respond(&response, &[undelivered.number], &mut [].into_iter()));
        self.reopen().respond(&response, &[batch.number], &mut [].into_iter()).unwrap();
        refused(self.reopen().respond(&response, &[batch.number], &mut [].into_iter()));
        self.reopen().begin_drop().unwrap();
        let response = self.response("test");
        refused(self.ledger().respond(&response, &[batch.number], &mut [].into_iter()));
        self.reopen().abandon_drop().unwrap();
        self.deliver(undelivered.number, "test");
    }

    pub(super) fn messages_that_were_refused_can_be_closed(&mut self) {
        use AckCode::*;
        let (errors, deleted) = (self.total(QueueState::Error), self.total(QueueState::Deleted));
        let batch = self.acknowledged_batch(3, TEST);
        let refusals = vec![answer(&batch, 0, Ae), answer(&batch, 1, Ae)];
        self.respond("test", &[batch.number], refusals);
        let (first, second) = (batch.first_control, batch.first_control + 1);
        for none in [vec![], vec![first, first + 2]] {
            assert_eq!(self.ledger().close_rejected(&none, &sign()).unwrap(), 0);
        }
        assert_eq!(self.ledger().close_rejected(&[second, first, first], &sign()).unwrap(), 2);
        assert_eq!(self.ledger().close_rejected(&[first], &sign()).unwrap(), 0, "closed once");
        let ActionRow { verb, about, sign: by, .. } = self.reopen().actions(1).unwrap().remove(0);
        let told = format!("messages {first}, {second}");
        assert_eq!((verb.as_str(), about, by), ("close", told, sign()));
        let [done, gone] = [QueueState::Processed, QueueState::Deleted];
        assert_eq!(self.states(&batch), [gone, gone, done]);
        assert_eq!(self.total(QueueState::Deleted), deleted + 2);
        assert_eq!(self.total(QueueState::Error), errors);
        // An acceptance changes nothing any more; a refusal waits again.
        self.respond("test", &[], vec![answer(&batch, 0, Aa), answer(&batch, 1, Cr)]);
        assert_eq!(self.states(&batch), [gone, QueueState::Error, done]);
        assert_eq!(self.total(QueueState::Deleted), deleted + 1);
        assert_eq!(self.total(QueueState::Error), errors + 1);
    }

    pub(super) fn a_wait_can_be_ended_by_a_person(&mut self) {
        let batch = self.acknowledged_batch(2, TEST);
        self.respond("test", &[], vec![answer(&batch, 0, AckCode::Ae)]);
        self.ledger().end_wait(batch.number, "test", &sign()).unwrap();
        assert_eq!(self.states(&batch), [QueueState::Error, QueueState::Processed]);
        assert_eq!(self.ledger().awaited().unwrap(), []);
        let action = self.ledger().actions(1).unwrap().remove(0);
        assert_eq!((action.verb.as_str(), action.sign), ("acknowledged", sign()));
        refused(self.ledger().end_wait(batch.number, "test", &sign()));
        refused(self.reopen().end_wait(batch.number, "nobody", &sign()));
    }

    pub(super) fn a_message_of_two_endpoints_is_processed_when_both_took_it(&mut self) {
        use AckCode::*;
        let done = self.total(QueueState::Processed);
        let batch = self.drop_of(2, &["test", "second", "silent"]);
        for endpoint in ["test", "second"] {
            self.ledger().await_answer(batch.number, endpoint, 600).unwrap();
            self.deliver(batch.number, endpoint);
        }
        self.respond("test", &[], vec![answer(&batch, 0, Aa)]);
        assert_eq!(self.states(&batch), [QueueState::Distributed; 2]);
        self.deliver(batch.number, "silent");
        assert_eq!(self.states(&batch), [QueueState::Pending; 2]);
        self.respond("second", &[], vec![answer(&batch, 0, Aa)]);
        assert_eq!(self.states(&batch), [QueueState::Processed, QueueState::Pending]);
        assert_eq!(self.total(QueueState::Processed), done + 1);
        self.respond("second", &[], vec![answer(&batch, 1, Ae)]);
        self.respond("test", &[batch.number], vec![]);
        assert_eq!(self.states(&batch), [QueueState::Processed, QueueState::Error]);
        assert_eq!(self.total(QueueState::Processed), done + 1);
        assert_eq!(self.ledger().awaited().unwrap(), []);
    }

    pub(super) fn a_look_that_failed_is_remembered_until_one_goes_through(&mut self) {
        assert_eq!(self.ledger().look("test").unwrap(), None);
        let later = Failure { again_at: Some(99), ..failure(false, None) };
        for (failed, failures) in [(later, 1), (failure(true, None), 2)] {
            self.ledger().looked("test", Some(&failed)).unwrap();
            let look = self.reopen().look("test").unwrap().unwrap();
            assert_eq!((look.failure, look.failures), (failed, failures));
        }
        self.ledger().looked("second", Some(&failure(true, None))).unwrap();
        self.ledger().looked("test", None).unwrap();
        assert_eq!(self.reopen().look("test").unwrap(), None);
        self.ledger().retry_stopped(&sign()).unwrap();
        assert_eq!(self.reopen().look("second").unwrap(), None, "somebody asked for a try");
    }
}
