//! What every ledger must hold to: one story, told to each store.
//!
//! A promise that is only kept until the process ends is none, so a durable store
//! is opened again after each step, and must tell the same.
#![expect(clippy::unwrap_used, reason = "a suite reports by panicking")]

use std::collections::BTreeMap;

use super::{
    BatchRow, DeliveryRow, ExtractId, Failure, Ledger, LedgerError, NewExtract, Numbers, Receipt,
    Stage,
};
use crate::digest::Digest;
use crate::domain::{Code, Counts, ExtractKind, Fault, Note, Notes, Position, QueueState};

/// Runs the suite. `open` returns an empty ledger at first; when `durable`, each
/// further call returns that same ledger, opened again.
///
/// # Panics
/// If the ledger breaks a promise.
pub fn conform(durable: bool, open: &mut dyn FnMut() -> Box<dyn Ledger>) {
    let ledger = Some(open());
    let mut story = Story { durable, open, ledger, serial: 0 };
    story.numbers_begin_at_one();
    story.an_uncommitted_drop_leaves_no_trace();
    story.a_drop_appears_whole_at_its_commit();
    story.an_extract_can_be_undone_alone();
    story.a_drop_needs_no_batch();
    story.what_does_not_add_up_is_refused();
    story.numbers_are_given_once();
    story.the_same_bytes_are_taken_once();
    story.a_delivery_goes_its_way();
    story.no_delivery_moves_while_a_drop_is_open();
    story.nothing_leaves_delivered();
    story.a_verified_delivery_is_decided_before_it_is_sent_again();
    story.a_failure_stays_until_the_next_step();
    story.stopped_deliveries_go_on_when_asked_but_none_in_doubt();
    story.messages_stand_where_their_batch_stands();
    story.lists_are_newest_first_and_no_longer_than_asked();
    assert_eq!(story.ledger().integrity().unwrap(), [""; 0], "the end fits together");
}

struct Story<'a> {
    durable: bool,
    open: &'a mut dyn FnMut() -> Box<dyn Ledger>,
    ledger: Option<Box<dyn Ledger>>,
    serial: u64,
}

const TEST: &[&str] = &["test"];

impl Story<'_> {
    fn ledger(&mut self) -> &mut dyn Ledger {
        self.ledger.get_or_insert_with(&mut self.open).as_mut()
    }

    /// Forgets all that is not durable.
    fn reopen(&mut self) -> &mut dyn Ledger {
        if self.durable {
            self.ledger = None;
        }
        self.ledger()
    }

    fn extract(&mut self) -> NewExtract {
        self.serial += 1;
        let name = format!("patients-{}.csv", self.serial);
        NewExtract {
            digest: Digest::of(name.as_bytes()),
            name,
            kind: ExtractKind::Patients,
            bytes: 4096,
            header: "patientid,\"last, name\"".to_string(),
            taken_at: 1000 + i64::try_from(self.serial).unwrap(),
        }
    }

    /// A batch of the next numbers, and the numbers after it.
    fn batch(&mut self, messages: u64) -> (BatchRow, Numbers) {
        let now = self.ledger().numbers().unwrap();
        let name = format!("batch-{}.hl7", now.file);
        let batch = BatchRow {
            number: now.file,
            digest: Digest::of(name.as_bytes()),
            name,
            bytes: 900,
            first_control: now.control,
            messages,
            made_at: 2000 + i64::try_from(now.file).unwrap(),
        };
        (batch, Numbers { control: now.control + messages, file: now.file + 1 })
    }

    /// Commits a drop of one extract, all of whose rows become messages.
    fn drop_of(&mut self, messages: u64, endpoints: &[&str]) -> BatchRow {
        let extract = self.extract();
        let (batch, next) = self.batch(messages);
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.end_extract(id, &sent(messages), &Notes::default()).unwrap();
        ledger.commit_drop(Some(&batch), endpoints, next).unwrap();
        self.reopen();
        batch
    }

    /// Commits a drop and brings its batch to a stage.
    fn delivery_at(&mut self, stage: Stage) -> u64 {
        let number = self.drop_of(1, TEST).number;
        let ledger = self.ledger();
        if stage != Stage::Waiting {
            ledger.sending(number, "test", ".part").unwrap();
        }
        match stage {
            Stage::Waiting | Stage::Sending => {}
            Stage::Verified => ledger.verified(number, "test", 7).unwrap(),
            Stage::Delivered => ledger.delivered(number, "test", &receipt("seen")).unwrap(),
            Stage::Uncertain | Stage::Conflict => {
                ledger.failed(number, "test", &failure(false, Some(stage))).unwrap();
            }
        }
        assert_eq!(self.at(number).stage, stage);
        number
    }

    /// Returns what a reopened ledger says of a delivery.
    fn at(&mut self, number: u64) -> DeliveryRow {
        self.reopen().delivery(number, "test").unwrap().unwrap()
    }

    fn numbers_begin_at_one(&mut self) {
        let ledger = self.ledger();
        assert_eq!(ledger.numbers().unwrap(), Numbers { control: 1, file: 1 });
        assert!(ledger.batches().unwrap().is_empty() && ledger.undelivered().unwrap().is_empty());
        assert_eq!(ledger.totals().unwrap(), super::Totals::default());
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
    }

    fn an_uncommitted_drop_leaves_no_trace(&mut self) {
        let (extract, durable) = (self.extract(), self.durable);
        for end in ["abandoned", "begun again", "reopened"] {
            let ledger = self.ledger();
            ledger.begin_drop().unwrap();
            let id = ledger.begin_extract(&extract).unwrap();
            ledger.queue_fault(id, &fault(1, Code::M001), "1,Doe").unwrap();
            assert!(ledger.extract(&extract.digest).unwrap().is_none(), "not seen before commit");
            assert!(ledger.faults(9).unwrap().is_empty(), "not seen before commit");
            match end {
                "abandoned" => ledger.abandon_drop().unwrap(),
                "begun again" => {
                    ledger.begin_drop().unwrap();
                    ledger.abandon_drop().unwrap();
                }
                _ if durable => self.ledger = None,
                _ => ledger.abandon_drop().unwrap(),
            }
            let ledger = self.ledger();
            assert!(ledger.extracts(9).unwrap().is_empty(), "{end}");
            assert!(ledger.faults(9).unwrap().is_empty(), "{end}");
            refused(ledger.commit_drop(None, TEST, Numbers::default()));
        }
    }

    fn a_drop_appears_whole_at_its_commit(&mut self) {
        let extract = self.extract();
        let (batch, next) = self.batch(3);
        let mut notes = Notes::default();
        notes.note(Note::Masked);
        let counts = Counts { rows: 7, sent: 2, filtered: 1, error: 2, duplicate: 2, messages: 3 };
        let insurance = Fault { field: None, column: "".into(), ..fault(4, Code::I001) };
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.queue_fault(id, &fault(2, Code::R001), "2,\"Doe\"\n").unwrap();
        ledger.queue_fault(id, &insurance, "").unwrap();
        ledger.end_extract(id, &counts, &notes).unwrap();
        assert!(ledger.batch(&batch.name).unwrap().is_none(), "not seen before commit");
        ledger.commit_drop(Some(&batch), &["test", "second"], next).unwrap();

        let ledger = self.reopen();
        assert_eq!(ledger.numbers().unwrap(), next);
        assert_eq!(ledger.batch(&batch.name).unwrap().as_ref(), Some(&batch));
        assert_eq!(ledger.batches().unwrap(), std::slice::from_ref(&batch));
        let row = ledger.extract(&extract.digest).unwrap().unwrap();
        assert_eq!((row.id, row.counts, row.batch), (id, counts, Some(batch.number)));
        assert_eq!((&row.extract, &row.notes), (&extract, &notes));
        let waiting = ["second", "test"].map(|endpoint| DeliveryRow::waiting(&batch, endpoint));
        assert_eq!(ledger.undelivered().unwrap(), waiting);
        assert!(ledger.delivery(batch.number, "third").unwrap().is_none());

        let faults = ledger.faults(9).unwrap();
        let named = |fault: Fault| {
            let at = Position { extract: extract.name.as_str().into(), ..fault.at };
            Fault { at, ..fault }
        };
        let kept: Vec<_> = faults.iter().map(|row| (row.fault.clone(), &*row.source)).collect();
        assert_eq!(kept, [(named(insurance), ""), (named(fault(2, Code::R001)), "2,\"Doe\"\n")]);
        assert!(faults.iter().all(|row| row.extract == id && row.at == extract.taken_at));
        self.deliver(batch.number, "second");
        self.deliver(batch.number, "test");
    }

    fn deliver(&mut self, number: u64, endpoint: &str) {
        let ledger = self.ledger();
        ledger.sending(number, endpoint, ".part").unwrap();
        ledger.verified(number, endpoint, 7).unwrap();
        ledger.delivered(number, endpoint, &receipt("renamed")).unwrap();
    }

    fn an_extract_can_be_undone_alone(&mut self) {
        let before = self.ledger().faults(99).unwrap().len();
        let (good, bad) = (self.extract(), self.extract());
        let next = self.ledger().numbers().unwrap();
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let first = ledger.begin_extract(&good).unwrap();
        ledger.queue_fault(first, &fault(1, Code::T001), "good").unwrap();
        ledger.end_extract(first, &errors(1), &Notes::default()).unwrap();
        for again in 0..2 {
            let id = ledger.begin_extract(&bad).unwrap();
            ledger.queue_fault(id, &fault(1, Code::T001), "bad").unwrap();
            ledger.queue_fault(id, &fault(2, Code::T001), "bad").unwrap();
            if again == 1 {
                ledger.end_extract(id, &errors(2), &Notes::default()).unwrap();
            }
            ledger.undo_extract(id).unwrap();
        }
        ledger.commit_drop(None, TEST, next).unwrap();
        let ledger = self.reopen();
        assert!(ledger.extract(&bad.digest).unwrap().is_none());
        assert!(ledger.extract(&good.digest).unwrap().is_some());
        let faults = ledger.faults(99).unwrap();
        assert_eq!(faults.len(), before + 1);
        assert_eq!((faults[0].extract, &*faults[0].source), (first, "good"));
        // What was undone was never promised, so it may come again.
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&bad).unwrap();
        ledger.end_extract(id, &errors(0), &Notes::default()).unwrap();
        ledger.commit_drop(None, TEST, next).unwrap();
        assert_eq!(self.reopen().integrity().unwrap(), [""; 0]);
    }

    fn a_drop_needs_no_batch(&mut self) {
        let extract = NewExtract { kind: ExtractKind::Departments, ..self.extract() };
        let batches = self.ledger().batches().unwrap();
        let next = self.ledger().numbers().unwrap();
        let counts = Counts { rows: 3, filtered: 3, ..Counts::default() };
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.end_extract(id, &counts, &Notes::default()).unwrap();
        ledger.commit_drop(None, TEST, next).unwrap();
        let ledger = self.reopen();
        assert_eq!((ledger.batches().unwrap(), ledger.numbers().unwrap()), (batches, next));
        let row = ledger.extract(&extract.digest).unwrap().unwrap();
        assert_eq!((row.extract.kind, row.batch), (ExtractKind::Departments, None));
        // An agreement may want a batch file all the same: it holds nothing.
        let (empty, next) = self.batch(0);
        self.ledger().begin_drop().unwrap();
        self.ledger().commit_drop(Some(&empty), TEST, next).unwrap();
        assert_eq!(self.reopen().batch(&empty.name).unwrap(), Some(empty));
    }

    fn what_does_not_add_up_is_refused(&mut self) {
        let extract = self.extract();
        let numbers = self.ledger().numbers().unwrap();
        let (batch, next) = self.batch(2);
        let unbalanced = Counts { rows: 3, ..sent(2) };
        let more_errors = errors(2);
        let tries: [(&str, Counts, Option<&BatchRow>, &[&str]); 6] = [
            ("a row is missing", unbalanced, Some(&batch), TEST),
            ("an error was not queued", more_errors, Some(&batch), TEST),
            ("messages without a batch", sent(2), None, TEST),
            ("more messages than the batch holds", sent(3), Some(&batch), TEST),
            ("nobody gets it", sent(2), Some(&batch), &[]),
            ("somebody gets it twice", sent(2), Some(&batch), &["test", "test"]),
        ];
        for (what, counts, batch, endpoints) in tries {
            let ledger = self.ledger();
            ledger.begin_drop().unwrap();
            let id = ledger.begin_extract(&extract).unwrap();
            let ended = ledger.end_extract(id, &counts, &Notes::default());
            let done = ended.and_then(|()| ledger.commit_drop(batch, endpoints, next));
            assert!(matches!(done, Err(LedgerError::Failed(_))), "{what}: {done:?}");
            refused(self.ledger().end_extract(id, &sent(2), &Notes::default()));
            let ledger = self.reopen();
            assert!(ledger.extract(&extract.digest).unwrap().is_none(), "{what}");
            assert_eq!(ledger.numbers().unwrap(), numbers, "{what}");
        }
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        ledger.begin_extract(&extract).unwrap();
        refused(ledger.commit_drop(None, TEST, numbers));
        ledger.begin_drop().unwrap();
        refused(ledger.queue_fault(ExtractId(1), &fault(1, Code::M001), ""));
        assert_eq!(self.reopen().integrity().unwrap(), [""; 0]);
    }

    fn numbers_are_given_once(&mut self) {
        let first = self.drop_of(2, TEST);
        let (good, next) = self.batch(2);
        let bad = [
            (BatchRow { number: first.number, ..good.clone() }, next),
            (BatchRow { first_control: first.first_control + 1, ..good.clone() }, next),
            (BatchRow { name: first.name.clone(), ..good.clone() }, next),
            (good.clone(), Numbers { control: good.first_control + 1, ..next }),
            (good.clone(), Numbers { file: good.number, ..next }),
        ];
        for (batch, next) in &bad {
            let extract = self.extract();
            let ledger = self.ledger();
            ledger.begin_drop().unwrap();
            let id = ledger.begin_extract(&extract).unwrap();
            ledger.end_extract(id, &sent(2), &Notes::default()).unwrap();
            refused(ledger.commit_drop(Some(batch), TEST, *next));
            assert!(self.reopen().extract(&extract.digest).unwrap().is_none());
        }
        let numbers = self.ledger().numbers().unwrap();
        self.ledger().begin_drop().unwrap();
        refused(self.ledger().commit_drop(None, TEST, Numbers { control: 1, ..numbers }));
        assert_eq!(self.reopen().numbers().unwrap(), numbers);
    }

    fn the_same_bytes_are_taken_once(&mut self) {
        let extract = self.extract();
        let renamed = NewExtract { name: "renamed.csv".to_string(), ..extract.clone() };
        let next = self.ledger().numbers().unwrap();
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.end_extract(id, &errors(0), &Notes::default()).unwrap();
        refused(ledger.begin_extract(&renamed));
        refused(ledger.commit_drop(None, TEST, next));
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.end_extract(id, &errors(0), &Notes::default()).unwrap();
        ledger.commit_drop(None, TEST, next).unwrap();
        let ledger = self.reopen();
        ledger.begin_drop().unwrap();
        refused(ledger.begin_extract(&renamed));
        let known = self.reopen().extract(&renamed.digest).unwrap().unwrap();
        assert_eq!(known.extract.name, extract.name);
    }

    fn a_delivery_goes_its_way(&mut self) {
        let batch = self.drop_of(5, TEST);
        let number = batch.number;
        let mut row = DeliveryRow::waiting(&batch, "test");
        assert_eq!(self.at(number), row);
        for (tries, temp) in [(1, ".batch.1.part"), (2, ".batch.2.part")] {
            self.ledger().sending(number, "test", temp).unwrap();
            (row.stage, row.tries, row.temp) = (Stage::Sending, tries, Some(temp.to_string()));
            assert_eq!(self.at(number), row);
        }
        for at in [40, 50] {
            self.ledger().verified(number, "test", at).unwrap();
            (row.stage, row.rename_at) = (Stage::Verified, Some(at));
            assert_eq!(self.at(number), row, "a rename may be begun again");
        }
        assert!(self.ledger().undelivered().unwrap().contains(&row));
        self.ledger().delivered(number, "test", &receipt("inferred")).unwrap();
        (row.stage, row.receipt) = (Stage::Delivered, Some(receipt("inferred")));
        assert_eq!(self.at(number), row);
        let ledger = self.ledger();
        assert!(ledger.undelivered().unwrap().iter().all(|open| open.batch.number != number));
        assert_eq!(ledger.receipts(1).unwrap(), [row]);
        // A file that is found under its final name was delivered, however that came.
        for stage in [Stage::Waiting, Stage::Sending, Stage::Uncertain, Stage::Conflict] {
            let number = self.delivery_at(stage);
            self.ledger().delivered(number, "test", &receipt("seen")).unwrap();
            assert_eq!(self.at(number).stage, Stage::Delivered, "from {stage}");
        }
    }

    fn no_delivery_moves_while_a_drop_is_open(&mut self) {
        let number = self.delivery_at(Stage::Waiting);
        self.ledger().begin_drop().unwrap();
        refused(self.ledger().sending(number, "test", ".part"));
        refused(self.ledger().retry_stopped());
        self.ledger().abandon_drop().unwrap();
        assert_eq!(self.at(number).stage, Stage::Waiting);
        refused(self.ledger().sending(number, "nobody", ".part"));
        refused(self.ledger().sending(9_999_999, "test", ".part"));
        self.deliver(number, "test");
    }

    fn nothing_leaves_delivered(&mut self) {
        let number = self.delivery_at(Stage::Delivered);
        let row = self.at(number);
        let ledger = self.ledger();
        refused(ledger.sending(number, "test", ".part"));
        refused(ledger.verified(number, "test", 9));
        refused(ledger.delivered(number, "test", &receipt("renamed")));
        refused(ledger.failed(number, "test", &failure(true, None)));
        refused(ledger.failed(number, "test", &failure(true, Some(Stage::Waiting))));
        assert_eq!(self.at(number), row);
    }

    fn a_verified_delivery_is_decided_before_it_is_sent_again(&mut self) {
        let waiting = self.delivery_at(Stage::Waiting);
        refused(self.ledger().verified(waiting, "test", 9));
        refused(self.ledger().failed(waiting, "test", &failure(false, Some(Stage::Verified))));
        refused(self.ledger().failed(waiting, "test", &failure(false, Some(Stage::Delivered))));
        assert_eq!(self.at(waiting).stage, Stage::Waiting);
        let number = self.delivery_at(Stage::Verified);
        refused(self.ledger().sending(number, "test", ".again.part"));
        assert_eq!(self.at(number).stage, Stage::Verified);
        self.ledger().failed(number, "test", &failure(false, Some(Stage::Uncertain))).unwrap();
        assert_eq!(self.at(number).rename_at, Some(7), "the evidence stays");
        self.ledger().sending(number, "test", ".again.part").unwrap();
        let row = self.at(number);
        assert_eq!((row.stage, row.tries, row.rename_at), (Stage::Sending, 2, None));
    }

    fn a_failure_stays_until_the_next_step(&mut self) {
        let number = self.delivery_at(Stage::Verified);
        self.ledger().failed(number, "test", &failure(true, None)).unwrap();
        let row = self.at(number);
        assert_eq!((row.stage, row.failure), (Stage::Verified, Some(failure(true, None))));
        self.ledger().failed(number, "test", &failure(true, Some(Stage::Sending))).unwrap();
        let row = self.at(number);
        assert_eq!((row.stage, row.failure), (Stage::Sending, Some(failure(true, None))));
        self.ledger().sending(number, "test", ".part").unwrap();
        assert_eq!(self.at(number).failure, Some(failure(false, None)), "told, but no stop");
        self.ledger().delivered(number, "test", &receipt("seen")).unwrap();
        assert_eq!(self.at(number).failure, None);
    }

    fn stopped_deliveries_go_on_when_asked_but_none_in_doubt(&mut self) {
        self.ledger().retry_stopped().unwrap();
        let stages = [Stage::Waiting, Stage::Conflict, Stage::Uncertain];
        let numbers = stages.map(|stage| {
            let number = self.delivery_at(stage);
            self.ledger().failed(number, "test", &failure(true, None)).unwrap();
            number
        });
        let going = self.delivery_at(Stage::Waiting);
        self.ledger().failed(going, "test", &failure(false, None)).unwrap();
        assert_eq!(self.ledger().retry_stopped().unwrap(), 2);
        let stopped = numbers.map(|number| self.at(number).failure.unwrap().stopped);
        assert_eq!(stopped, [false, false, true]);
        assert_eq!(numbers.map(|number| self.at(number).stage), stages);
        assert_eq!(self.ledger().retry_stopped().unwrap(), 0);
    }

    fn messages_stand_where_their_batch_stands(&mut self) {
        for open in self.ledger().undelivered().unwrap() {
            self.ledger().delivered(open.batch.number, &open.endpoint, &receipt("seen")).unwrap();
        }
        let before = self.reopen().totals().unwrap();
        assert_eq!(before.oldest_waiting, None);
        let mut states = before.states.clone();
        let mut and = |state, messages: i64| -> BTreeMap<QueueState, u64> {
            let count: &mut u64 = states.entry(state).or_default();
            *count = count.checked_add_signed(messages).unwrap();
            states.iter().map(|(state, count)| (*state, *count)).filter(|it| it.1 > 0).collect()
        };
        let first = self.drop_of(100, &["test", "second"]);
        let expected = and(QueueState::New, 100);
        let totals = self.ledger().totals().unwrap();
        assert_eq!((totals.states, totals.oldest_waiting), (expected, Some(first.made_at)));
        assert_eq!(totals.last_drop, Some(1000 + i64::try_from(self.serial).unwrap()));
        let second = self.drop_of(10, TEST);
        self.ledger().sending(second.number, "test", ".part").unwrap();
        and(QueueState::Pending, 10);
        self.deliver(first.number, "test");
        and(QueueState::New, -100);
        let expected = and(QueueState::Distributed, 100);
        assert_eq!(self.reopen().totals().unwrap().states, expected);
        self.deliver(first.number, "second");
        and(QueueState::Distributed, -100);
        let expected = and(QueueState::Processed, 100);
        let totals = self.reopen().totals().unwrap();
        assert_eq!((totals.states, totals.oldest_waiting), (expected, Some(second.made_at)));
        let errors = before.states.get(&QueueState::Error).copied();
        assert!(errors > Some(0) && before.states.contains_key(&QueueState::CboError));
    }

    fn lists_are_newest_first_and_no_longer_than_asked(&mut self) {
        let ledger = self.ledger();
        let all = ledger.faults(u64::MAX).unwrap();
        assert!(all.len() > 2 && all.is_sorted_by(|one, next| one.id > next.id));
        assert_eq!(ledger.faults(2).unwrap(), all[..2]);
        assert_eq!(ledger.faults(0).unwrap(), []);
        let all = ledger.extracts(u64::MAX).unwrap();
        assert!(all.len() > 2 && all.is_sorted_by(|one, next| one.id > next.id));
        assert_eq!(ledger.extracts(2).unwrap(), all[..2]);
        let all = ledger.receipts(u64::MAX).unwrap();
        let number = |row: &DeliveryRow| row.batch.number;
        assert!(all.len() > 2 && all.is_sorted_by(|one, next| number(one) >= number(next)));
        assert_eq!(ledger.receipts(2).unwrap(), all[..2]);
        let all = ledger.batches().unwrap();
        assert!(all.len() > 2 && all.is_sorted_by(|one, next| one.number < next.number));
    }
}

fn refused<T: std::fmt::Debug>(done: super::Result<T>) {
    assert!(matches!(done, Err(LedgerError::Failed(_))), "not refused: {done:?}");
}

fn sent(messages: u64) -> Counts {
    Counts { rows: messages, sent: messages, messages, ..Counts::default() }
}

fn errors(error: u64) -> Counts {
    Counts { rows: error, error, ..Counts::default() }
}

fn fault(record: u64, code: Code) -> Fault {
    let at = Position { extract: "".into(), record, line: record + 1 };
    Fault { at, code, column: "race".into(), field: "PID-10".parse().ok() }
}

fn failure(stopped: bool, stage: Option<Stage>) -> Failure {
    Failure { what: "the key was refused".to_string(), stopped, stage, at: 60 }
}

fn receipt(evidence: &str) -> Receipt {
    Receipt {
        path: "/in/batch.hl7".to_string(),
        bytes: 900,
        evidence: evidence.to_string(),
        server: "sftp.example.org:22".to_string(),
        host_key: "SHA256:abc".to_string(),
        at: 70,
    }
}
