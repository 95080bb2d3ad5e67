//! Manifests, as every store must keep them.

use super::{Story, TEST};
use crate::digest::Digest;
use crate::ledger::{BatchRow, LedgerError, Receipt, Temp};

fn manifest(day: u32) -> BatchRow {
    let name = format!("manifest-{day}.csv");
    BatchRow {
        number: BatchRow::manifest_number(day),
        digest: Digest::of(name.as_bytes()),
        name,
        bytes: 90,
        first_control: 0,
        messages: 0,
        made_at: 9,
    }
}

impl Story<'_> {
    pub(super) fn a_day_has_one_manifest_which_is_delivered_like_a_batch(&mut self) {
        let before = self.ledger().receipts(u64::MAX).unwrap();
        let (numbers, totals) =
            (self.ledger().numbers().unwrap(), self.ledger().totals().unwrap().states);
        let batch = self.drop_of(2, TEST);
        let ledger = self.ledger();
        assert_eq!(ledger.newest_manifest().unwrap(), None);
        let day = manifest(20_000);
        ledger.commit_manifest(&day, TEST).unwrap();
        let ledger = self.reopen();
        assert_eq!(ledger.newest_manifest().unwrap(), Some(day.clone()));
        assert_eq!(ledger.batch(&day.name).unwrap(), Some(day.clone()));
        let open: Vec<u64> =
            ledger.undelivered().unwrap().iter().map(|row| row.batch.number).collect();
        assert!(
            open.ends_with(&[batch.number, day.number]),
            "behind the batches that wait: {open:?}"
        );
        let refuse = |what: Result<(), LedgerError>| {
            assert!(matches!(what, Err(LedgerError::Failed(_))), "{what:?}");
        };
        refuse(ledger.commit_manifest(&BatchRow { name: "other".into(), ..day.clone() }, TEST));
        let ledger = self.reopen();
        refuse(ledger.commit_manifest(&BatchRow { messages: 1, ..manifest(20_001) }, TEST));
        let ledger = self.reopen();
        refuse(ledger.commit_manifest(&BatchRow { number: 9, ..manifest(20_001) }, TEST));
        let ledger = self.reopen();
        refuse(ledger.commit_manifest(&manifest(20_001), &[]));
        let ledger = self.reopen();
        for (of, at) in [(&batch, 5_000), (&day, 5_001)] {
            let temp = Temp { name: ".part".into(), place: "/in".into() };
            ledger.sending(of.number, "test", &temp).unwrap();
            ledger.verified(of.number, "test", at).unwrap();
            let receipt = Receipt {
                path: of.name.clone(),
                bytes: of.bytes,
                evidence: "renamed".into(),
                server: "/in".into(),
                host_key: String::new(),
                at,
            };
            ledger.delivered(of.number, "test", &receipt).unwrap();
        }
        let ledger = self.reopen();
        let within = |from, to| {
            let rows = ledger.delivered_within(from, to).unwrap();
            rows.into_iter().map(|row| row.batch.name).collect::<Vec<_>>()
        };
        assert_eq!(within(5_000, 6_000), vec![batch.name.clone()], "in no manifest");
        assert_eq!((within(5_001, 6_000), within(4_000, 5_000)), (vec![], vec![]));
        assert_eq!(ledger.receipts(u64::MAX).unwrap().len(), before.len() + 1);
        let next = ledger.numbers().unwrap();
        assert_eq!(next.file, numbers.file + 1, "a manifest takes no number of a batch");
        let sum = |states: std::collections::BTreeMap<_, u64>| states.values().sum::<u64>();
        assert_eq!(sum(ledger.totals().unwrap().states), sum(totals) + 2);
        let after = self.drop_of(1, TEST);
        assert_eq!(after.number, numbers.file + 1);
        assert_eq!(self.ledger().integrity().unwrap(), [""; 0]);
    }
}
