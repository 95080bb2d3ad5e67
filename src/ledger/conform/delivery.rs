//! What every ledger must hold to about deliveries, and what is derived from them.

use std::collections::BTreeMap;

use super::{Story, TEST, at, failure, receipt, refused, sign};
use crate::digest::Digest;
use crate::domain::QueueState;
use crate::ledger::{DeliveryRow, Encrypted, Stage};

impl Story<'_> {
    /// Commits a drop and brings its batch to a stage.
    fn delivery_at(&mut self, stage: Stage) -> u64 {
        let number = self.drop_of(1, TEST).number;
        let ledger = self.ledger();
        if !matches!(stage, Stage::Waiting | Stage::Held | Stage::Deleted) {
            ledger.sending(number, "test", &at(".part")).unwrap();
        }
        match stage {
            Stage::Waiting | Stage::Sending => {}
            Stage::Verified => ledger.verified(number, "test", 7).unwrap(),
            Stage::Delivered => ledger.delivered(number, "test", &receipt("seen")).unwrap(),
            Stage::Uncertain | Stage::Conflict => {
                ledger.failed(number, "test", &failure(false, Some(stage))).unwrap();
            }
            Stage::Held | Stage::Deleted => {
                ledger.hold(number, "test", None, &sign()).unwrap();
                if stage == Stage::Deleted {
                    ledger.delete_batch(number, &[], &sign()).unwrap();
                }
            }
        }
        assert_eq!(self.at(number).stage, stage);
        number
    }

    /// Returns what a reopened ledger says of a delivery.
    fn at(&mut self, number: u64) -> DeliveryRow {
        self.reopen().delivery(number, "test").unwrap().unwrap()
    }

    /// Sends a batch without any trouble.
    pub(super) fn deliver(&mut self, number: u64, endpoint: &str) {
        let ledger = self.ledger();
        ledger.sending(number, endpoint, &at(".part")).unwrap();
        ledger.verified(number, endpoint, 7).unwrap();
        ledger.delivered(number, endpoint, &receipt("renamed")).unwrap();
    }

    pub(super) fn a_delivery_goes_its_way(&mut self) {
        let batch = self.drop_of(5, TEST);
        let number = batch.number;
        let mut row = DeliveryRow::waiting(&batch, "test");
        assert_eq!(self.at(number), row);
        let file =
            Encrypted { name: "batch.pgp".to_string(), digest: Digest::of(b"encrypted"), bytes: 9 };
        self.ledger().encrypted(number, "test", &file).unwrap();
        row.encrypted = Some(file.clone());
        assert_eq!(self.at(number), row);
        refused(self.ledger().encrypted(number, "test", &file));
        for (tries, temp) in [(1, ".batch.1.part"), (2, ".batch.2.part")] {
            self.ledger().sending(number, "test", &at(temp)).unwrap();
            (row.stage, row.tries, row.temp) = (Stage::Sending, tries, Some(at(temp)));
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
        ledger.resend(number, "test", &sign()).unwrap();
        assert_eq!(self.at(number).encrypted, None, "it is encrypted anew");
        self.deliver(number, "test");
        // A file that is found under its final name was delivered, however that came.
        for stage in [Stage::Waiting, Stage::Sending, Stage::Uncertain, Stage::Conflict] {
            let number = self.delivery_at(stage);
            self.ledger().delivered(number, "test", &receipt("seen")).unwrap();
            assert_eq!(self.at(number).stage, Stage::Delivered, "from {stage}");
        }
    }

    pub(super) fn no_delivery_moves_while_a_drop_is_open(&mut self) {
        let number = self.delivery_at(Stage::Waiting);
        self.ledger().begin_drop().unwrap();
        refused(self.ledger().sending(number, "test", &at(".part")));
        refused(self.ledger().retry_stopped(&sign()));
        self.ledger().abandon_drop().unwrap();
        assert_eq!(self.at(number).stage, Stage::Waiting);
        refused(self.ledger().sending(number, "nobody", &at(".part")));
        refused(self.ledger().sending(9_999_999, "test", &at(".part")));
        self.deliver(number, "test");
    }

    pub(super) fn nothing_leaves_delivered(&mut self) {
        let number = self.delivery_at(Stage::Delivered);
        let row = self.at(number);
        let ledger = self.ledger();
        refused(ledger.sending(number, "test", &at(".part")));
        refused(ledger.verified(number, "test", 9));
        refused(ledger.delivered(number, "test", &receipt("renamed")));
        refused(ledger.failed(number, "test", &failure(true, None)));
        refused(ledger.failed(number, "test", &failure(true, Some(Stage::Waiting))));
        assert_eq!(self.at(number), row);
    }

    pub(super) fn a_verified_delivery_is_decided_before_it_is_sent_again(&mut self) {
        let waiting = self.delivery_at(Stage::Waiting);
        refused(self.ledger().verified(waiting, "test", 9));
        refused(self.ledger().failed(waiting, "test", &failure(false, Some(Stage::Verified))));
        refused(self.ledger().failed(waiting, "test", &failure(false, Some(Stage::Delivered))));
        assert_eq!(self.at(waiting).stage, Stage::Waiting);
        let number = self.delivery_at(Stage::Verified);
        refused(self.ledger().sending(number, "test", &at(".again.part")));
        assert_eq!(self.at(number).stage, Stage::Verified);
        self.ledger().failed(number, "test", &failure(false, Some(Stage::Uncertain))).unwrap();
        assert_eq!(self.at(number).rename_at, Some(7), "the evidence stays");
        self.ledger().sending(number, "test", &at(".again.part")).unwrap();
        let row = self.at(number);
        assert_eq!((row.stage, row.tries, row.rename_at), (Stage::Sending, 2, None));
    }

    pub(super) fn a_failure_stays_until_the_next_step(&mut self) {
        let number = self.delivery_at(Stage::Verified);
        self.ledger().failed(number, "test", &failure(true, None)).unwrap();
        let row = self.at(number);
        assert_eq!((row.stage, row.failure), (Stage::Verified, Some(failure(true, None))));
        self.ledger().failed(number, "test", &failure(true, Some(Stage::Sending))).unwrap();
        let row = self.at(number);
        assert_eq!((row.stage, row.failure), (Stage::Sending, Some(failure(true, None))));
        self.ledger().sending(number, "test", &at(".part")).unwrap();
        assert_eq!(self.at(number).failure, Some(failure(false, None)), "told, but no stop");
        self.ledger().delivered(number, "test", &receipt("seen")).unwrap();
        assert_eq!(self.at(number).failure, None);
    }

    pub(super) fn stopped_deliveries_go_on_when_asked_but_none_in_doubt(&mut self) {
        self.ledger().retry_stopped(&sign()).unwrap();
        let stages = [Stage::Waiting, Stage::Conflict, Stage::Uncertain];
        let numbers = stages.map(|stage| {
            let number = self.delivery_at(stage);
            self.ledger().failed(number, "test", &failure(true, None)).unwrap();
            number
        });
        let going = self.delivery_at(Stage::Waiting);
        self.ledger().failed(going, "test", &failure(false, None)).unwrap();
        assert_eq!(self.ledger().retry_stopped(&sign()).unwrap(), 2);
        let stopped = numbers.map(|number| self.at(number).failure.unwrap().stopped);
        assert_eq!(stopped, [false, false, true]);
        assert_eq!(numbers.map(|number| self.at(number).stage), stages);
        assert_eq!(self.ledger().retry_stopped(&sign()).unwrap(), 0);
    }

    pub(super) fn messages_stand_where_their_batch_stands(&mut self) {
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
        assert_eq!(self.ledger().totals().unwrap().oldest_waiting, Some(first.made_at));
        self.ledger().sending(second.number, "test", &at(".part")).unwrap();
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
}
