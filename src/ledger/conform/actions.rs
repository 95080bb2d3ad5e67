//! What every ledger must hold to about decisions: done with their author, or not at all.

use super::{Story, TEST, at, failure, fault, refused, sign};
use crate::domain::{Code, Counts, Notes, QueueState};
use crate::ledger::{ActionRow, Closing, Decision, NewFault, Sign, Stage};

impl Story<'_> {
    fn newest_action(&mut self) -> (String, String, Sign) {
        let ActionRow { verb, about, sign, .. } = self.reopen().actions(1).unwrap().remove(0);
        (verb, about, sign)
    }

    pub(super) fn a_decision_is_done_and_signed(&mut self) {
        self.ledger().retry_stopped(&sign()).unwrap();
        for (decision, stage, resent) in [
            (Decision::Retry, Stage::Uncertain, 0),
            (Decision::Resend, Stage::Sending, 1),
            (Decision::Delivered, Stage::Delivered, 0),
        ] {
            let batch = self.drop_of(1, TEST);
            let (number, ledger) = (batch.number, self.ledger());
            ledger.sending(number, "test", &at(".part")).unwrap();
            ledger.verified(number, "test", 7).unwrap();
            ledger.failed(number, "test", &failure(true, Some(Stage::Uncertain))).unwrap();
            ledger.decide(number, "test", decision, &sign()).unwrap();
            let row = self.reopen().delivery(number, "test").unwrap().unwrap();
            assert_eq!((row.stage, row.resent), (stage, resent), "{decision:?}");
            assert!(row.failure.is_none_or(|failure| !failure.stopped), "{decision:?}");
            let evidence = row.receipt.map(|receipt| receipt.evidence);
            let told = (decision == Decision::Delivered).then(|| "told".to_string());
            assert_eq!(evidence, told);
            let about = format!("{} to test", batch.name);
            assert_eq!(self.newest_action(), (decision.word().to_string(), about, sign()));
        }
        let before = self.ledger().actions(u64::MAX).unwrap();
        assert!(before.len() >= 3 && before.is_sorted_by(|one, next| one.id == next.id + 1));
        let delivered = self.ledger().receipts(1).unwrap()[0].batch.number;
        refused(self.ledger().decide(delivered, "test", Decision::Resend, &sign()));
        refused(self.ledger().decide(9_999_999, "test", Decision::Resend, &sign()));
        assert_eq!(
            self.reopen().actions(u64::MAX).unwrap(),
            before,
            "nothing is signed for nothing"
        );
    }

    pub(super) fn closed_faults_wait_for_nobody(&mut self) {
        let extract = self.extract();
        let ledger = self.ledger();
        let next = ledger.numbers().unwrap();
        let before = ledger.totals().unwrap().states;
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        for (record, code) in [(1, Code::C001), (2, Code::C001), (3, Code::G001), (4, Code::C001)] {
            ledger.queue_fault(id, &NewFault::first(&fault(record, code), "")).unwrap();
        }
        let counts = Counts { rows: 4, error: 4, ..Counts::default() };
        ledger.end_extract(id, &counts, &Notes::default()).unwrap();
        refused(ledger.close_faults(&Closing::Code(Code::C001), &sign()));
        ledger.abandon_drop().unwrap();
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract).unwrap();
        for (record, code) in [(1, Code::C001), (2, Code::C001), (3, Code::G001), (4, Code::C001)] {
            ledger.queue_fault(id, &NewFault::first(&fault(record, code), "")).unwrap();
        }
        ledger.end_extract(id, &counts, &Notes::default()).unwrap();
        ledger.commit_drop(&[], TEST, next).unwrap();

        let newest = self.reopen().faults(4).unwrap();
        let (last, actions) = (newest[0].id, self.ledger().actions(u64::MAX).unwrap());
        for none in [
            Closing::Ids(vec![last, last + 9]),
            Closing::File("nobody.csv".to_string()),
            Closing::Code(Code::N001),
        ] {
            assert_eq!(self.ledger().close_faults(&none, &sign()).unwrap(), 0, "{none:?}");
        }
        assert_eq!(self.reopen().actions(u64::MAX).unwrap(), actions);
        let one = Closing::Ids(vec![last]);
        assert_eq!(self.ledger().close_faults(&one, &sign()).unwrap(), 1);
        let about = format!("records {last}");
        assert_eq!(self.newest_action(), ("close".to_string(), about, sign()));
        assert_eq!(self.ledger().close_faults(&one, &sign()).unwrap(), 0, "closed once");
        assert_eq!(self.reopen().faults(1).unwrap(), newest[1..2]);
        let of_code = Closing::Code(Code::C001);
        assert_eq!(self.ledger().close_faults(&of_code, &sign()).unwrap(), 2);
        let of_file = Closing::File(extract.name.clone());
        assert_eq!(self.ledger().close_faults(&of_file, &sign()).unwrap(), 1);
        let states = self.reopen().totals().unwrap().states;
        assert_eq!(states.get(&QueueState::Deleted), Some(&4));
        for state in [QueueState::Error, QueueState::CboError] {
            assert_eq!(states.get(&state), before.get(&state), "{state}");
        }
        let kept = self.ledger().extract(&extract.digest).unwrap().unwrap();
        assert_eq!(kept.counts, counts, "the account stays as it was");
        assert_eq!(self.ledger().integrity().unwrap(), [""; 0]);
    }
}
