//! What every ledger must hold to about what leaves with its time.

use super::{Story, TEST, errors, fault, receipt, refused, sign};
use crate::domain::{Code, Notes, QueueState};
use crate::ledger::{BatchRow, Closing, Leaving, NewFault, Sign, Stage};

/// Later than anything that the story did before.
const LATER: i64 = 1 << 40;

fn at(at: i64) -> Sign {
    Sign { at, ..sign() }
}

impl Story<'_> {
    /// Commits a drop whose batch is delivered at a time.
    fn delivered_at(&mut self, messages: u64, time: i64) -> (u64, BatchRow) {
        let batch = self.drop_of(messages, TEST);
        let done = crate::ledger::Receipt { at: time, ..receipt("renamed") };
        self.ledger().delivered(batch.number, "test", &done).unwrap();
        let drop = self.reopen().drop_of(batch.number).unwrap().unwrap();
        (drop, batch)
    }

    pub(super) fn what_is_at_rest_leaves_and_its_numbers_stay_given(&mut self) {
        let (drop, batch) = self.delivered_at(3, LATER);
        let waiting = self.drop_of(2, TEST);
        let totals = self.reopen().totals().unwrap();
        let numbers = self.ledger().numbers().unwrap();
        let digest = self.ledger().drop_row(drop).unwrap().unwrap().extracts[0].extract.digest;
        let leaving = Leaving { drops: vec![drop], rebuilt: Vec::new() };
        assert_eq!(self.ledger().at_rest(&batch).unwrap(), Some(LATER));
        assert_eq!(self.ledger().at_rest(&waiting).unwrap(), None);
        refused(self.ledger().age(&[waiting.number], LATER));
        self.reopen();
        refused(self.ledger().leave(&leaving, &at(LATER)).map(|_| ()));
        let ledger = self.reopen();
        assert!(ledger.drop_row(drop).unwrap().is_some(), "its file was not aged");
        ledger.age(&[batch.number], LATER).unwrap();
        assert!(self.reopen().is_aged(batch.number).unwrap());
        assert_eq!(self.ledger().totals().unwrap(), totals, "nothing but its file may be gone");
        assert_eq!(self.ledger().leave(&leaving, &at(LATER)).unwrap(), 3);

        let ledger = self.reopen();
        assert!(ledger.batch(&batch.name).unwrap().is_none());
        assert!(ledger.deliveries(batch.number).unwrap().is_empty());
        assert_eq!(ledger.numbers().unwrap(), numbers);
        assert!(ledger.drop_row(drop).unwrap().unwrap().has_left());
        assert!(!ledger.drops_with_rows().unwrap().contains(&drop));
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
        assert_eq!(ledger.clear_drops(9).unwrap(), 1);
        let ledger = self.reopen();
        assert!(ledger.drop_row(drop).unwrap().is_none() && ledger.saw(&digest).unwrap());
        assert!(!ledger.drop_numbers().unwrap().contains(&drop));
        let now = ledger.totals().unwrap();
        let done = |totals: &crate::ledger::Totals| totals.states[&QueueState::Processed];
        assert_eq!((done(&now), now.left), (done(&totals) - 3, totals.left + 3));
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
        assert_eq!(ledger.actions(1).unwrap()[0].verb, "leave");
    }

    pub(super) fn the_newest_stays_and_so_does_what_was_sent_again(&mut self) {
        let (drop, batch) = self.delivered_at(1, LATER);
        refused(self.ledger().age(&[batch.number], LATER));
        let (_, newer) = self.delivered_at(1, LATER);
        self.reopen().age(&[batch.number], LATER).unwrap();
        self.reopen().resend(batch.number, "test", &sign()).unwrap();
        let ledger = self.reopen();
        assert!(!ledger.is_aged(batch.number).unwrap(), "its file is needed again");
        let leaving = Leaving { drops: vec![drop], rebuilt: Vec::new() };
        refused(ledger.leave(&leaving, &at(LATER)).map(|_| ()));
        self.reopen().delivered(batch.number, "test", &receipt("renamed")).unwrap();
        self.reopen().age(&[batch.number], LATER).unwrap();
        let newest = self.ledger().drop_of(newer.number).unwrap().unwrap();
        let both = Leaving { drops: vec![drop, newest], rebuilt: Vec::new() };
        refused(self.ledger().leave(&both, &at(LATER)).map(|_| ()));
        assert!(self.reopen().batch(&batch.name).unwrap().is_some(), "all or nothing");
        assert_eq!(self.reopen().leave(&leaving, &at(LATER)).unwrap(), 1);
        assert_eq!(self.reopen().clear_drops(9).unwrap(), 1);
    }

    pub(super) fn a_fault_that_waits_stays_when_its_drop_leaves(&mut self) {
        let (extract, next) = (self.extract(), self.ledger().numbers().unwrap());
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        for record in 1..=3 {
            ledger
                .queue_fault(id, &NewFault::first(&fault(record, Code::D001), "1,ENDO2"))
                .unwrap();
        }
        ledger.end_extract(id, &errors(3), &Notes::default()).unwrap();
        ledger.commit_drop(&[], TEST, next).unwrap();
        let faults: Vec<i64> = self.reopen().faults(3).unwrap().iter().map(|row| row.id).collect();
        let drop = id.0.cast_unsigned();
        self.drop_of(1, TEST);
        self.ledger().close_faults(&Closing::Ids(vec![faults[0]]), &at(LATER)).unwrap();
        let leaving = Leaving { drops: vec![drop], rebuilt: Vec::new() };
        assert_eq!(self.reopen().leave(&leaving, &at(LATER)).unwrap(), 0);
        let ledger = self.reopen();
        assert_eq!(ledger.clear_faults(LATER, 9).unwrap(), 0, "it was closed just then");
        assert_eq!(ledger.clear_faults(LATER + 1, 9).unwrap(), 1);
        let ledger = self.reopen();
        assert_eq!((ledger.clear_drops(9).unwrap(), ledger.fault(faults[0]).unwrap()), (0, None));
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
        let row = ledger.faults(1).unwrap().remove(0);
        assert_eq!((row.id, row.source.as_str()), (faults[1], "1,ENDO2"));
        assert!(ledger.extract_row(id).unwrap().unwrap().left_at.is_some());
        ledger.close_faults(&Closing::Ids(faults[1..].to_vec()), &at(LATER)).unwrap();
        assert_eq!(self.reopen().clear_faults(LATER + 1, 1).unwrap(), 1, "some at a time");
        assert_eq!(self.reopen().clear_faults(LATER + 1, 1).unwrap(), 1);
        assert_eq!(self.reopen().clear_drops(9).unwrap(), 1);
        assert_eq!(self.reopen().integrity().unwrap(), [""; 0]);
        let next = self.waiting_one();
        assert!(next > faults[0], "no number is given twice: {next} after {faults:?}");
        let close = self.ledger().close_faults(&Closing::Ids(vec![next]), &sign());
        assert_eq!(close.unwrap(), 1);
    }

    /// Commits a drop of one record that waits; returns its number.
    fn waiting_one(&mut self) -> i64 {
        let (extract, next) = (self.extract(), self.ledger().numbers().unwrap());
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.queue_fault(id, &NewFault::first(&fault(1, Code::D001), "1,ENDO2")).unwrap();
        ledger.end_extract(id, &errors(1), &Notes::default()).unwrap();
        ledger.commit_drop(&[], TEST, next).unwrap();
        self.reopen().faults(1).unwrap()[0].id
    }

    pub(super) fn a_batch_stays_as_long_as_one_that_was_made_of_it(&mut self) {
        let (drop, batch) = self.delivered_at(2, LATER);
        let (new, _) = self.batch(2);
        self.ledger().commit_rebuilt(&new, batch.number, TEST, "request-r", &sign()).unwrap();
        let done = crate::ledger::Receipt { at: LATER, ..receipt("renamed") };
        self.reopen().delivered(new.number, "test", &done).unwrap();
        self.drop_of(1, TEST);
        assert_eq!(self.ledger().at_rest(&batch).unwrap(), None);
        assert_eq!(self.ledger().rebuilt_before(new.made_at + 1).unwrap()[0].number, new.number);
        self.ledger().age(&[new.number], LATER).unwrap();
        let rebuilt = Leaving { drops: Vec::new(), rebuilt: vec![new.number] };
        assert_eq!(self.reopen().leave(&rebuilt, &at(LATER)).unwrap(), 2);
        assert!(self.reopen().batch(&new.name).unwrap().is_none());
        self.ledger().age(&[batch.number], LATER).unwrap();
        let leaving = Leaving { drops: vec![drop], rebuilt: Vec::new() };
        assert_eq!(self.reopen().leave(&leaving, &at(LATER)).unwrap(), 2);
        assert_eq!(self.reopen().clear_drops(9).unwrap(), 1);
        assert_eq!(self.reopen().integrity().unwrap(), [""; 0]);
    }

    pub(super) fn a_batch_that_was_given_up_rests_since_then(&mut self) {
        let batch = self.drop_of(2, TEST);
        self.drop_of(1, TEST);
        self.ledger().hold(batch.number, "test", None, &at(LATER)).unwrap();
        assert_eq!(self.reopen().at_rest(&batch).unwrap(), None);
        self.ledger().delete_batch(batch.number, &[], &at(LATER + 7)).unwrap();
        assert_eq!(self.reopen().at_rest(&batch).unwrap(), Some(LATER + 7));
        assert_eq!(self.ledger().deliveries(batch.number).unwrap()[0].stage, Stage::Deleted);
        let drop = self.ledger().drop_of(batch.number).unwrap().unwrap();
        self.ledger().age(&[batch.number], LATER).unwrap();
        let leaving = Leaving { drops: vec![drop], rebuilt: Vec::new() };
        assert_eq!(self.reopen().leave(&leaving, &at(LATER)).unwrap(), 2);
        assert_eq!(self.reopen().integrity().unwrap(), [""; 0]);
    }

    pub(super) fn the_chain_of_actions_goes_on_without_its_beginning(&mut self) {
        let all = self.ledger().actions(u64::MAX).unwrap();
        let ledger = self.ledger();
        assert_eq!(ledger.clear_actions(0, 9, &at(LATER)).unwrap(), 0);
        assert_eq!(ledger.clear_actions(LATER * 2, 2, &at(LATER * 2)).unwrap(), 2);
        let ledger = self.reopen();
        let left = ledger.actions(u64::MAX).unwrap();
        let oldest = all[all.len() - 3].id;
        assert_eq!((left.len(), left.last().unwrap().id), (all.len() - 1, oldest));
        assert_eq!((left[0].verb.as_str(), left[0].id), ("leave", all[0].id + 1));
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
        let rest = ledger.clear_actions(LATER * 2, u64::MAX, &at(LATER * 2)).unwrap();
        assert_eq!(rest, all.len() as u64 - 2, "the newest was done just then");
        assert_eq!(self.reopen().integrity().unwrap(), [""; 0]);
    }

    pub(super) fn the_day_of_the_last_sweep_is_remembered(&mut self) {
        assert_eq!(self.ledger().swept().unwrap(), 0);
        self.ledger().set_swept(20_000).unwrap();
        assert_eq!(self.reopen().swept().unwrap(), 20_000);
        self.ledger().give_back(1 << 20).unwrap();
        assert_eq!(self.reopen().clear_responses(0).unwrap(), 0);
    }
}
