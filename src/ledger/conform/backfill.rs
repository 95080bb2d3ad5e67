//! What every ledger must hold to about backfills: they move with the drops that are their
//! slices, and with what people decide.

use super::{Story, TEST, refused, sent, sign};
use crate::domain::{BackfillStage, Counts, Notes};
use crate::ledger::{Act, BackfillRow};

fn act() -> Act {
    Act { verb: "backfill", about: "backfill 1".into(), was: String::new(), now: String::new() }
}

fn row(id: u64) -> BackfillRow {
    BackfillRow {
        id,
        digest: "d".repeat(64),
        files: vec!["patients.csv".into()],
        patients_as: "A28".into(),
        mark: 7,
        stage: BackfillStage::Released,
        why: String::new(),
        slices: 2,
        taken: 0,
        rows: 6,
        foreseen_messages: 6,
        foreseen_errors: 0,
        patients: Counts::default(),
        appointments: Counts::default(),
        begun_at: 1,
        released_at: 2,
        released_by: "anna".into(),
        last_at: None,
        last_messages: 0,
        since: 2,
        since_messages: 0,
        ended_at: None,
    }
}

impl Story<'_> {
    /// Puts a drop of three messages in that is a slice, and ends it so.
    fn slice(&mut self, row: &BackfillRow, keep: bool) {
        let (extract, (batch, next)) = (self.extract(), self.batch(3));
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.end_extract(id, &sent(3), &Notes::default()).unwrap();
        ledger.advance_backfill(row).unwrap();
        match keep {
            true => ledger.commit_drop(std::slice::from_ref(&batch), TEST, next).unwrap(),
            false => ledger.abandon_drop().unwrap(),
        }
    }

    pub(super) fn a_backfill_moves_on_with_the_drops_that_are_its_slices(&mut self) {
        assert_eq!(self.ledger().backfills(9).unwrap(), []);
        let first = row(1);
        refused(self.ledger().put_backfill(&row(2), &act(), &sign()));
        refused(self.ledger().advance_backfill(&first));
        self.reopen().put_backfill(&first, &act(), &sign()).unwrap();
        assert_eq!(self.reopen().backfills(9).unwrap(), std::slice::from_ref(&first));
        assert_eq!(self.ledger().actions(1).unwrap()[0].verb, "backfill");
        refused(self.ledger().put_backfill(&row(2), &act(), &sign()));
        let one = BackfillRow { taken: 1, patients: sent(3), ..first.clone() };
        refused(self.ledger().put_backfill(&one, &act(), &sign()));
        self.slice(&one, false);
        assert_eq!(self.reopen().backfills(1).unwrap(), [first]);
        self.slice(&one, true);
        assert_eq!(self.reopen().backfills(1).unwrap(), std::slice::from_ref(&one));
        let paused = BackfillRow { stage: BackfillStage::Paused, ..one.clone() };
        self.reopen().put_backfill(&paused, &act(), &sign()).unwrap();
        let two = BackfillRow { taken: 2, appointments: sent(3), ..one.clone() };
        self.no_slice(&two, "paused");
        self.reopen().put_backfill(&one, &act(), &sign()).unwrap();
        self.no_slice(&BackfillRow { taken: 3, ..two.clone() }, "one too far");
        let odd = Counts { rows: 9, ..sent(3) };
        self.no_slice(&BackfillRow { appointments: odd, ..two.clone() }, "no balance");
        refused(self.ledger().put_backfill(
            &BackfillRow { stage: BackfillStage::Done, ..one },
            &act(),
            &sign(),
        ));
        self.slice(&two, true);
        let done = BackfillRow { stage: BackfillStage::Done, ended_at: Some(9), ..two.clone() };
        self.reopen().put_backfill(&done, &act(), &sign()).unwrap();
        refused(self.ledger().put_backfill(&two, &act(), &sign()));
        self.reopen().put_backfill(&row(2), &act(), &sign()).unwrap();
        let ids: Vec<u64> = self.reopen().backfills(9).unwrap().iter().map(|row| row.id).collect();
        assert_eq!(ids, [2, 1]);
        assert_eq!(self.ledger().integrity().unwrap(), [""; 0]);
    }

    fn no_slice(&mut self, row: &BackfillRow, why: &str) {
        let extract = self.extract();
        let before = self.reopen().backfills(1).unwrap();
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        ledger.end_extract(id, &sent(0), &Notes::default()).unwrap();
        refused(ledger.advance_backfill(row));
        assert_eq!(self.reopen().backfills(1).unwrap(), before, "{why}");
    }
}
