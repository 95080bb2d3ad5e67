//! What every ledger must hold to about what people mend: records that are converted
//! again, batches that are held, made anew, given up.

use super::{Story, TEST, at, errors, fault, receipt, refused, sign};
use crate::domain::{
    Code, Counts, Fingerprint, Kind, Known, Notes, QueueState, Whose, drop_of_rebuilt,
};
use crate::ledger::{
    Act, ActionRow, BatchRow, Entry, ExtractId, Holding, LedgerError, NewFault, Resubmitted, Sign,
    Stage, WaitingRow,
};

fn act(verb: &'static str) -> Act {
    Act { verb, about: "2 records".into(), was: "ERROR".into(), now: String::new() }
}

impl Story<'_> {
    /// Commits an extract of which `errors` records wait; returns their numbers.
    fn waiting(&mut self, count: u64) -> Vec<i64> {
        let (extract, next) = (self.extract(), self.ledger().numbers().unwrap());
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        for record in 1..=count {
            ledger
                .queue_fault(id, &NewFault::first(&fault(record, Code::D001), "1,ENDO2"))
                .unwrap();
        }
        ledger.end_extract(id, &errors(count), &Notes::default()).unwrap();
        ledger.commit_drop(&[], TEST, next).unwrap();
        let rows = self.reopen().faults(count).unwrap();
        rows.iter().rev().map(|row| row.id).collect()
    }

    fn state(&mut self, state: QueueState) -> u64 {
        self.reopen().totals().unwrap().states.get(&state).copied().unwrap_or(0)
    }

    fn newest(&mut self) -> ActionRow {
        self.reopen().actions(1).unwrap().remove(0)
    }

    pub(super) fn what_is_resubmitted_counts_as_what_it_became(&mut self) {
        let before = [QueueState::Error, QueueState::New].map(|state| self.state(state));
        let faults = self.waiting(3);
        let (extract, actions) = (self.extract(), self.ledger().actions(u64::MAX).unwrap().len());
        let (batch, next) = self.batch(1);
        let counts = Counts { rows: 2, sent: 1, error: 1, messages: 1, ..Counts::default() };
        for end in ["lost", "kept"] {
            let ledger = self.ledger();
            ledger.begin_drop().unwrap();
            let id = ledger.begin_extract(&extract).unwrap();
            ledger.queue_fault(id, &NewFault::first(&fault(7, Code::P001), "1,ENDO2")).unwrap();
            ledger.end_extract(id, &counts, &Notes::default()).unwrap();
            let rows = [(faults[0], 1), (faults[1], 2)].map(|(fault, record)| Resubmitted {
                fault,
                extract: id,
                record,
            });
            ledger.resubmitted(&rows, &act("resubmit"), &sign()).unwrap();
            if end == "kept" {
                ledger.commit_drop(std::slice::from_ref(&batch), TEST, next).unwrap();
            } else {
                ledger.abandon_drop().unwrap();
                assert_eq!(self.reopen().faults(3).unwrap().len(), 3);
                assert_eq!(self.reopen().actions(u64::MAX).unwrap().len(), actions);
            }
        }
        let waits: Vec<i64> = self.reopen().faults(2).unwrap().iter().map(|row| row.id).collect();
        assert_eq!(waits[1], faults[2], "the third waits as before, and one waits anew");
        assert_eq!(self.state(QueueState::Error), before[0] + 2);
        assert_eq!(self.state(QueueState::New), before[1] + 1);
        let ActionRow { verb, was, sign: who, .. } = self.newest();
        assert_eq!((verb.as_str(), was.as_str(), who), ("resubmit", "ERROR", sign()));
        let mut seen = Vec::new();
        let mut see = |row: crate::ledger::FaultRow| {
            seen.push(row.id);
            Ok(())
        };
        self.ledger().each_fault(&mut see).unwrap();
        assert!(seen.is_sorted() && seen.ends_with(&[waits[1], waits[0]]), "{seen:?}");
        assert_eq!(self.ledger().integrity().unwrap(), [""; 0]);
        self.only_what_waits_is_resubmitted(&faults);
    }

    fn only_what_waits_is_resubmitted(&mut self, faults: &[i64]) {
        let next = self.ledger().numbers().unwrap();
        for (fault, record) in [(faults[0], 1), (faults[2], 2), (faults[2], 0), (9_999_999, 1)] {
            let extract = self.extract();
            let ledger = self.ledger();
            refused(ledger.resubmitted(&[], &act("resubmit"), &sign()));
            ledger.begin_drop().unwrap();
            let id = ledger.begin_extract(&extract).unwrap();
            let row = Resubmitted { fault, extract: id, record };
            ledger
                .end_extract(id, &Counts { filtered: 1, rows: 1, ..errors(0) }, &Notes::default())
                .unwrap();
            refused(ledger.resubmitted(&[row], &act("resubmit"), &sign()));
            refused(ledger.commit_drop(&[], TEST, next));
        }
        let id = self.reopen().extracts(1).unwrap()[0].id;
        let found = self.ledger().extract_row(id).unwrap().unwrap();
        assert_eq!(found, self.ledger().extracts(1).unwrap()[0]);
        assert_eq!(self.ledger().extract_row(ExtractId(9_999_999)).unwrap(), None);
    }

    pub(super) fn what_is_superseded_counts_as_the_row_in_its_place(&mut self) {
        let before = [QueueState::Error, QueueState::Deleted].map(|state| self.state(state));
        let faults = self.waiting(2);
        let rows = |ledger: &dyn crate::ledger::Ledger| {
            let mut rows: Vec<WaitingRow> = Vec::new();
            ledger.each_waiting(&mut |row| rows.push(row)).unwrap();
            rows
        };
        let waits = rows(self.reopen());
        let ids: Vec<i64> = waits.iter().map(|row| row.id).collect();
        assert!(ids.ends_with(&faults) && ids.is_sorted(), "{ids:?}");
        let first = waits[waits.len() - 2];
        let whose = NewFault::first(&fault(1, Code::D001), "1,ENDO2").whose;
        assert_eq!((first.whose, first.times), (whose, 1));
        // The first comes again and is bad again, the second is good by now.
        let (extract, (batch, next)) = (self.extract(), self.batch(1));
        let counts = Counts { rows: 2, sent: 1, error: 1, messages: 1, ..Counts::default() };
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        let bad = fault(1, Code::D001);
        let whose = Whose { modified: 20_260_520_110_000, ..whose };
        let (source, before_it) = ("1,ENDO2", Some((first.since, first.times)));
        let new = NewFault { fault: &bad, source, whose, before: before_it };
        ledger.queue_fault(id, &new).unwrap();
        ledger.end_extract(id, &counts, &Notes::default()).unwrap();
        let gone = [(faults[0], 1), (faults[1], 2)].map(|(fault, record)| Resubmitted {
            fault,
            extract: id,
            record,
        });
        ledger.superseded(&gone, &act("supersede"), &sign()).unwrap();
        ledger.commit_drop(std::slice::from_ref(&batch), TEST, next).unwrap();
        let last = *rows(self.reopen()).last().unwrap();
        assert_eq!((last.whose, last.since, last.times), (whose, first.since, 2));
        let row = self.ledger().faults(1).unwrap().remove(0);
        assert_eq!((row.id, row.whose, row.since, row.times), (last.id, whose, first.since, 2));
        for (fault, record) in [(faults[0], 1), (faults[1], 2)] {
            let found = self.ledger().fault(fault).unwrap().unwrap();
            assert!(found.superseded && found.state.is_none());
            assert_eq!(found.again, Some((id, record)));
        }
        assert_eq!(self.state(QueueState::Error), before[0] + 1, "one record, one entry");
        assert_eq!(self.state(QueueState::Deleted), before[1]);
        assert_eq!(self.newest().verb, "supersede");
        assert_eq!(self.reopen().integrity().unwrap(), [""; 0]);
        // What is closed waits no more for a newer row.
        let extract = self.extract();
        let next = self.ledger().numbers().unwrap();
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        let counts = Counts { filtered: 1, rows: 1, ..errors(0) };
        ledger.end_extract(id, &counts, &Notes::default()).unwrap();
        let twice = Resubmitted { fault: faults[0], extract: id, record: 1 };
        refused(ledger.superseded(&[twice], &act("supersede"), &sign()));
        refused(self.ledger().commit_drop(&[], TEST, next));
    }

    pub(super) fn a_batch_is_made_of_another_once(&mut self) {
        let first = self.drop_of(4, TEST);
        let (batch, next) = self.batch(2);
        let ledger = self.ledger();
        ledger.commit_rebuilt(&batch, first.number, &["test", "other"], "r1", &sign()).unwrap();
        assert_eq!(self.reopen().numbers().unwrap(), next);
        assert_eq!(self.ledger().batch(&batch.name).unwrap(), Some(batch.clone()));
        assert_eq!(self.ledger().deliveries(batch.number).unwrap().len(), 2);
        let last = self.ledger().rebuilt().unwrap().pop();
        assert_eq!(last, Some((batch.number, first.number, "r1".to_string())));
        let ActionRow { verb, about, was, now, .. } = self.newest();
        assert_eq!((verb.as_str(), was.as_str(), now.as_str()), ("rebuild", "NEW", "NEW"));
        // It is looked at as a drop of its own, with the rows of the first.
        let again = drop_of_rebuilt(batch.number);
        let ledger = self.ledger();
        assert_eq!(ledger.drop_of(batch.number).unwrap(), Some(again));
        assert_eq!(ledger.drops_with_rows().unwrap().last(), Some(&again));
        let row = ledger.drop_row(again).unwrap().unwrap();
        let of = ledger.drop_of(first.number).unwrap().unwrap();
        assert_eq!(row.extracts, ledger.drop_row(of).unwrap().unwrap().extracts);
        assert_eq!((row.messages(), row.untold(), row.number), (2, 0, again));
        assert_eq!((row.batch_of(1), row.batch_of(2)), (Some((&batch, 1)), None));
        assert_eq!(ledger.drop_row(again + 1).unwrap(), None);
        assert_eq!(about, format!("{} as {}", first.name, batch.name));
        let (again, _) = self.batch(2);
        let numbers = self.ledger().numbers().unwrap();
        type Try<'a> = (BatchRow, u64, &'a [&'a str], &'a str);
        let tries: [Try<'_>; 5] = [
            (again.clone(), first.number, TEST, "r1"),
            (again.clone(), again.number, TEST, "r2"),
            (again.clone(), first.number, &[], "r2"),
            (BatchRow { first_control: 1, ..again.clone() }, first.number, TEST, "r2"),
            (again, 0, TEST, "r2"),
        ];
        for (batch, of, endpoints, request) in tries {
            refused(self.ledger().commit_rebuilt(&batch, of, endpoints, request, &sign()));
            assert_eq!(self.reopen().numbers().unwrap(), numbers);
        }
        assert_eq!(self.ledger().integrity().unwrap(), [""; 0]);
    }

    pub(super) fn what_is_held_waits_until_it_is_released_or_given_up(&mut self) {
        let [scheduled, deleted] =
            [QueueState::Scheduled, QueueState::Deleted].map(|state| self.state(state));
        let batch = self.drop_of(3, TEST);
        let (number, ledger) = (batch.number, self.ledger());
        ledger.hold(number, "test", Some(900), &sign()).unwrap();
        let row = self.reopen().delivery(number, "test").unwrap().unwrap();
        assert_eq!((row.stage, row.held_until), (Stage::Held, Some(900)));
        assert_eq!(self.state(QueueState::Scheduled), scheduled + 3);
        let ActionRow { verb, was, now, .. } = self.newest();
        assert_eq!((verb.as_str(), was.as_str(), now.as_str()), ("hold", "NEW", "SCHEDULED"));
        refused(self.ledger().sending(number, "test", &at(".part")));
        refused(self.ledger().hold(number, "test", None, &sign()));
        self.reopen().release(number, "test", &sign()).unwrap();
        refused(self.ledger().release(number, "test", &sign()));
        refused(self.ledger().delete_batch(number, &[], &sign()));
        self.reopen().hold(number, "test", None, &sign()).unwrap();
        let known = Known {
            fingerprint: Fingerprint::NONE,
            status: None,
            announced: false,
            columns: 0,
            modified: 0,
        };
        let mut entries = Vec::new();
        let entry = Entry { kind: Kind::Patient, id: b"forgotten", known, claims: &[], kept: b"" };
        entry.write(&mut entries);
        self.reopen().delete_batch(number, &entries, &sign()).unwrap();
        let row = self.reopen().delivery(number, "test").unwrap().unwrap();
        assert_eq!((row.stage, row.held_until), (Stage::Deleted, None));
        assert!(self.ledger().undelivered().unwrap().iter().all(|row| row.batch.number != number));
        assert_eq!(self.state(QueueState::Scheduled), scheduled);
        assert_eq!(self.state(QueueState::Deleted), deleted + 3);
        assert_eq!(self.ledger().known(Kind::Patient, b"forgotten").unwrap(), Some(known));
        refused(self.ledger().delete_batch(number, &[], &sign()));
        refused(self.ledger().delete_batch(9_999_999, &[], &sign()));
        assert_eq!(self.reopen().integrity().unwrap(), [""; 0]);
    }

    pub(super) fn new_batches_are_held_where_the_interface_is(&mut self) {
        for (holding, stage, until) in [
            (Holding::Open, Stage::Held, None),
            (Holding::Until(5000), Stage::Held, Some(5000)),
            (Holding::No, Stage::Waiting, None),
        ] {
            self.ledger().set_holding(holding, &act("hold"), &sign()).unwrap();
            assert_eq!(self.reopen().holding().unwrap(), holding);
            let batch = self.drop_of(1, TEST);
            let row = self.ledger().delivery(batch.number, "test").unwrap().unwrap();
            assert_eq!((row.stage, row.held_until), (stage, until), "{holding:?}");
            if stage == Stage::Held {
                self.ledger().release(batch.number, "test", &sign()).unwrap();
            }
        }
        let why = Sign { why: "a look at record 12".into(), ..sign() };
        self.ledger().act(&act("view"), &why).unwrap();
        let ActionRow { verb, sign: who, .. } = self.newest();
        assert_eq!((verb.as_str(), who), ("view", why));
    }

    pub(super) fn what_was_delivered_may_be_sent_again(&mut self) {
        let batch = self.drop_of(2, TEST);
        let (number, ledger) = (batch.number, self.ledger());
        refused(ledger.resend(number, "test", &sign()));
        ledger.delivered(number, "test", &receipt("renamed")).unwrap();
        ledger.resend(number, "test", &sign()).unwrap();
        let row = self.reopen().delivery(number, "test").unwrap().unwrap();
        assert_eq!((row.stage, row.resent, row.receipt), (Stage::Waiting, 1, None));
        assert_eq!(self.newest().was, "PROCESSED");
        self.ledger().hold(number, "test", None, &sign()).unwrap();
        let err = self.ledger().delete_batch(number, &[], &sign()).unwrap_err();
        assert!(matches!(&err, LedgerError::Failed(what) if what.contains("a try")), "{err}");
        self.reopen().release(number, "test", &sign()).unwrap();
        self.ledger().delivered(number, "test", &receipt("seen")).unwrap();
    }
}
