//! What every ledger must hold to: one story, told to each store.
//!
//! A promise that is only kept until the process ends is none, so a durable store
//! is opened again after each step, and must tell the same.
#![expect(clippy::unwrap_used, reason = "a suite reports by panicking")]

mod actions;
mod answers;
mod backfill;
mod delivery;
mod history;
mod manifest;
mod mend;
mod register;
mod retention;

use crate::digest::Digest;
use crate::domain::{Code, Counts, ExtractKind, Fault, Note, Notes, Position};
use crate::ledger::{
    BatchRow, DeliveryRow, ExtractId, Failure, Ledger, LedgerError, NewExtract, NewFault, Numbers,
    Receipt, Sign, Stage, Temp,
};

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
    story.a_drop_may_become_several_batches();
    story.what_does_not_add_up_is_refused();
    story.numbers_are_given_once();
    story.the_same_file_is_taken_once();
    story.what_is_remembered_is_found_once_its_extract_ends();
    story.what_is_undone_or_abandoned_was_never_remembered();
    story.many_records_are_remembered_and_each_is_found();
    story.an_external_id_is_whose_newest_entry_has_it();
    story.what_was_entered_later_is_further_on();
    story.a_backfill_moves_on_with_the_drops_that_are_its_slices();
    story.a_delivery_goes_its_way();
    story.no_delivery_moves_while_a_drop_is_open();
    story.nothing_leaves_delivered();
    story.a_verified_delivery_is_decided_before_it_is_sent_again();
    story.a_failure_stays_until_the_next_step();
    story.stopped_deliveries_go_on_when_asked_but_none_in_doubt();
    story.a_decision_is_done_and_signed();
    story.closed_faults_wait_for_nobody();
    story.what_is_resubmitted_counts_as_what_it_became();
    story.what_is_superseded_counts_as_the_row_in_its_place();
    story.a_batch_is_made_of_another_once();
    story.what_is_held_waits_until_it_is_released_or_given_up();
    story.new_batches_are_held_where_the_interface_is();
    story.what_was_delivered_may_be_sent_again();
    story.messages_stand_where_their_batch_stands();
    story.what_was_dropped_is_found_again();
    story.a_day_has_one_manifest_which_is_delivered_like_a_batch();
    story.a_batch_is_pending_until_it_is_acknowledged();
    story.messages_that_were_refused_wait_and_all_others_are_processed();
    story.what_is_answered_in_parts_is_counted_together();
    story.a_response_that_does_not_fit_leaves_no_trace();
    story.messages_that_were_refused_can_be_closed();
    story.a_wait_can_be_ended_by_a_person();
    story.a_message_of_two_endpoints_is_processed_when_both_took_it();
    story.a_look_that_failed_is_remembered_until_one_goes_through();
    story.lists_are_newest_first_and_no_longer_than_asked();
    story.what_is_at_rest_leaves_and_its_numbers_stay_given();
    story.the_newest_stays_and_so_does_what_was_sent_again();
    story.a_fault_that_waits_stays_when_its_drop_leaves();
    story.a_batch_stays_as_long_as_one_that_was_made_of_it();
    story.a_batch_that_was_given_up_rests_since_then();
    story.the_day_of_the_last_sweep_is_remembered();
    story.the_chain_of_actions_goes_on_without_its_beginning();
    story.where_it_ended_is_known_of_extracts_with_faults();
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
            inode: self.serial,
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
        ledger.commit_drop(std::slice::from_ref(&batch), endpoints, next).unwrap();
        self.reopen();
        batch
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
            ledger.queue_fault(id, &NewFault::first(&fault(1, Code::M001), "1,Doe")).unwrap();
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
            refused(ledger.commit_drop(&[], TEST, Numbers::default()));
        }
    }

    fn a_drop_appears_whole_at_its_commit(&mut self) {
        let extract = self.extract();
        let (batch, next) = self.batch(3);
        let mut notes = Notes::default();
        notes.note(Note::CodeFromWord);
        let counts = Counts { rows: 7, sent: 2, filtered: 1, error: 2, duplicate: 2, messages: 3 };
        let insurance = Fault { field: None, column: "".into(), ..fault(4, Code::I001) };
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.queue_fault(id, &NewFault::first(&fault(2, Code::R001), "2,\"Doe\"\n")).unwrap();
        ledger.queue_fault(id, &NewFault::first(&insurance, "")).unwrap();
        ledger.end_extract(id, &counts, &notes).unwrap();
        assert!(ledger.batch(&batch.name).unwrap().is_none(), "not seen before commit");
        ledger.commit_drop(std::slice::from_ref(&batch), &["test", "second"], next).unwrap();

        let ledger = self.reopen();
        assert_eq!(ledger.numbers().unwrap(), next);
        assert_eq!(ledger.batch(&batch.name).unwrap().as_ref(), Some(&batch));
        assert_eq!(ledger.batches().unwrap(), std::slice::from_ref(&batch));
        let row = ledger.extract(&extract.digest).unwrap().unwrap();
        assert_eq!((row.id, row.counts, row.batch), (id, counts, Some(batch.number)));
        assert_eq!((&row.extract, &row.notes), (&extract, &notes));
        let waiting = ["second", "test"].map(|endpoint| DeliveryRow::waiting(&batch, endpoint));
        assert_eq!(ledger.undelivered().unwrap(), waiting);
        assert_eq!(ledger.deliveries(batch.number).unwrap(), waiting);
        assert_eq!(ledger.deliveries(batch.number + 1).unwrap(), []);
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

    fn an_extract_can_be_undone_alone(&mut self) {
        let before = self.ledger().faults(99).unwrap().len();
        let (good, bad) = (self.extract(), self.extract());
        let next = self.ledger().numbers().unwrap();
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let first = ledger.begin_extract(&good).unwrap();
        ledger.queue_fault(first, &NewFault::first(&fault(1, Code::T001), "good")).unwrap();
        ledger.end_extract(first, &errors(1), &Notes::default()).unwrap();
        for again in 0..2 {
            let id = ledger.begin_extract(&bad).unwrap();
            ledger.queue_fault(id, &NewFault::first(&fault(1, Code::T001), "bad")).unwrap();
            ledger.queue_fault(id, &NewFault::first(&fault(2, Code::T001), "bad")).unwrap();
            if again == 1 {
                ledger.end_extract(id, &errors(2), &Notes::default()).unwrap();
            }
            ledger.undo_extract(id).unwrap();
        }
        ledger.commit_drop(&[], TEST, next).unwrap();
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
        ledger.commit_drop(&[], TEST, next).unwrap();
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
        ledger.commit_drop(&[], TEST, next).unwrap();
        let ledger = self.reopen();
        assert_eq!((ledger.batches().unwrap(), ledger.numbers().unwrap()), (batches, next));
        let row = ledger.extract(&extract.digest).unwrap().unwrap();
        assert_eq!((row.extract.kind, row.batch), (ExtractKind::Departments, None));
        // An agreement may want a batch file all the same: it holds nothing.
        let (empty, next) = self.batch(0);
        self.ledger().begin_drop().unwrap();
        self.ledger().commit_drop(std::slice::from_ref(&empty), TEST, next).unwrap();
        assert_eq!(self.reopen().batch(&empty.name).unwrap(), Some(empty));
    }

    fn a_drop_may_become_several_batches(&mut self) {
        let (first, second, nothing) = (self.extract(), self.extract(), self.extract());
        let (patients, next) = self.batch(3);
        let name = format!("batch-{}.hl7", next.file);
        let appointments = BatchRow {
            number: next.file,
            digest: Digest::of(name.as_bytes()),
            name,
            first_control: next.control,
            messages: 4,
            ..patients.clone()
        };
        let batches = [patients, appointments];
        let next = Numbers { control: next.control + 4, file: next.file + 1 };
        let wrong = [
            vec![batches[1].clone(), batches[0].clone()],
            vec![batches[0].clone(), batches[0].clone()],
            vec![batches[0].clone()],
        ];
        for wrong in wrong.iter().map(Vec::as_slice).chain([&batches[..]]) {
            let ledger = self.ledger();
            ledger.begin_drop().unwrap();
            // The second extract begins in the first batch and goes on in the next.
            for (extract, messages) in [(&first, 2), (&nothing, 0), (&second, 5)] {
                let id = ledger.begin_extract(extract).unwrap();
                ledger.end_extract(id, &sent(messages), &Notes::default()).unwrap();
            }
            if wrong != batches {
                refused(ledger.commit_drop(wrong, TEST, next));
                assert!(self.reopen().extract(&first.digest).unwrap().is_none());
                continue;
            }
            ledger.commit_drop(&batches, TEST, next).unwrap();
        }
        let ledger = self.reopen();
        let batch_of =
            |extract: &NewExtract| ledger.extract(&extract.digest).unwrap().unwrap().batch;
        let expected = [Some(batches[0].number), None, Some(batches[0].number)];
        assert_eq!([&first, &nothing, &second].map(batch_of), expected);
        for batch in &batches {
            assert_eq!(ledger.batch(&batch.name).unwrap().as_ref(), Some(batch));
            assert_eq!(ledger.delivery(batch.number, "test").unwrap().unwrap().tries, 0);
        }
        assert_eq!((ledger.numbers().unwrap(), ledger.integrity().unwrap()), (next, Vec::new()));
        for batch in batches {
            self.deliver(batch.number, "test");
        }
    }

    fn what_does_not_add_up_is_refused(&mut self) {
        let extract = self.extract();
        let numbers = self.ledger().numbers().unwrap();
        let (batch, next) = self.batch(2);
        let unbalanced = Counts { rows: 3, ..sent(2) };
        let more_errors = Counts { rows: 4, error: 2, ..sent(2) };
        let one = std::slice::from_ref(&batch);
        let tries: [(&str, Counts, &[BatchRow], &[&str]); 7] = [
            ("a row is missing", unbalanced, one, TEST),
            ("an error was not queued", more_errors, one, TEST),
            ("messages without a batch", sent(2), &[], TEST),
            ("less messages than the batch holds", sent(1), one, TEST),
            ("more messages than the batch holds", sent(3), one, TEST),
            ("nobody gets it", sent(2), one, &[]),
            ("somebody gets it twice", sent(2), one, &["test", "test"]),
        ];
        for (what, counts, batches, endpoints) in tries {
            let ledger = self.ledger();
            ledger.begin_drop().unwrap();
            let id = ledger.begin_extract(&extract).unwrap();
            let ended = ledger.end_extract(id, &counts, &Notes::default());
            let done = ended.and_then(|()| ledger.commit_drop(batches, endpoints, next));
            assert!(matches!(done, Err(LedgerError::Failed(_))), "{what}: {done:?}");
            refused(self.ledger().end_extract(id, &sent(2), &Notes::default()));
            let ledger = self.reopen();
            assert!(ledger.extract(&extract.digest).unwrap().is_none(), "{what}");
            assert_eq!(ledger.numbers().unwrap(), numbers, "{what}");
        }
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        ledger.begin_extract(&extract).unwrap();
        refused(ledger.commit_drop(&[], TEST, numbers));
        ledger.begin_drop().unwrap();
        refused(ledger.queue_fault(ExtractId(1), &NewFault::first(&fault(1, Code::M001), "")));
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
            refused(ledger.commit_drop(std::slice::from_ref(batch), TEST, *next));
            assert!(self.reopen().extract(&extract.digest).unwrap().is_none());
        }
        let numbers = self.ledger().numbers().unwrap();
        self.ledger().begin_drop().unwrap();
        refused(self.ledger().commit_drop(&[], TEST, Numbers { control: 1, ..numbers }));
        assert_eq!(self.reopen().numbers().unwrap(), numbers);
    }

    fn the_same_file_is_taken_once(&mut self) {
        let extract = self.extract();
        let renamed = NewExtract { name: "renamed.csv".to_string(), ..extract.clone() };
        let next = self.ledger().numbers().unwrap();
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.end_extract(id, &errors(0), &Notes::default()).unwrap();
        refused(ledger.begin_extract(&renamed));
        refused(ledger.commit_drop(&[], TEST, next));
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.end_extract(id, &errors(0), &Notes::default()).unwrap();
        ledger.commit_drop(&[], TEST, next).unwrap();
        let ledger = self.reopen();
        ledger.begin_drop().unwrap();
        refused(ledger.begin_extract(&renamed));
        let ledger = self.reopen();
        let known = ledger.extract(&renamed.digest).unwrap().unwrap();
        assert_eq!(known.extract.name, extract.name);
        assert!(ledger.took(&extract.digest, extract.inode).unwrap());
        let again = NewExtract { inode: extract.inode + 1000, ..renamed };
        assert!(!ledger.took(&again.digest, again.inode).unwrap());
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&again).unwrap();
        ledger.end_extract(id, &errors(0), &Notes::default()).unwrap();
        ledger.commit_drop(&[], TEST, next).unwrap();
        let ledger = self.reopen();
        assert_eq!(ledger.extract(&again.digest).unwrap().unwrap().extract, again);
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
    Failure { what: "the key was refused".to_string(), stopped, again_at: None, stage, at: 60 }
}

/// A temporary file at the one server of these stories.
fn at(name: &str) -> Temp {
    Temp { name: name.to_string(), place: "sftp.example.org".to_string() }
}

fn sign() -> Sign {
    let (by, why) = ("anna (uid 1000)".to_string(), "the vendor said so".to_string());
    Sign { by, why, at: 80 }
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
