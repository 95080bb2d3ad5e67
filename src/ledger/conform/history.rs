//! Looking back, as every store must.

use super::{Story, TEST, errors, fault, sent};
use crate::domain::{Code, Notes, QueueState};
use crate::ledger::{Closing, FaultsLike, Having, Ledger, NewFault, Sign};

impl Story<'_> {
    pub(super) fn what_was_dropped_is_found_again(&mut self) {
        let (one, two) = (self.extract(), self.extract());
        let (batch, next) = self.batch(4);
        let ledger = self.ledger();
        ledger.begin_drop().unwrap();
        let first = ledger.begin_extract(&one).unwrap();
        ledger.queue_fault(first, &NewFault::first(&fault(1, Code::M001), "1,Doe")).unwrap();
        ledger.queue_fault(first, &NewFault::first(&fault(2, Code::I001), "2,Doe")).unwrap();
        ledger.end_extract(first, &errors(2), &Notes::default()).unwrap();
        let second = ledger.begin_extract(&two).unwrap();
        ledger.end_extract(second, &sent(4), &Notes::default()).unwrap();
        ledger.commit_drop(std::slice::from_ref(&batch), TEST, next).unwrap();
        let ledger = self.reopen();
        let number = first.0.cast_unsigned();
        let drop = ledger.drop_row(number).unwrap().unwrap();
        assert_eq!((drop.number, drop.batches.as_slice()), (number, &[batch.clone()][..]));
        assert_eq!(drop.batch_of(3), Some((&batch, 3)));
        assert_eq!(drop.batch_of(4), None);
        let names: Vec<&str> = drop.extracts.iter().map(|row| row.extract.name.as_str()).collect();
        assert_eq!(names, [one.name.as_str(), two.name.as_str()]);
        assert!(ledger.drops_with_rows().unwrap().contains(&number));
        assert_eq!(ledger.drop_of(batch.number).unwrap(), Some(number));
        assert_eq!(ledger.drop_row(second.0.cast_unsigned()).unwrap(), None, "no drop of its own");
        for control in batch.first_control..next.control {
            assert_eq!(ledger.batch_of(control).unwrap().as_ref(), Some(&batch));
        }
        for control in [0, next.control] {
            assert_eq!(ledger.batch_of(control).unwrap(), None, "{control} was never given");
        }
        let all = ledger.drops(None, u64::MAX).unwrap();
        assert_eq!(all[0], drop, "newest first");
        assert!(all.len() > 1 && all.is_sorted_by(|one, next| one.number > next.number));
        assert_eq!(ledger.drops(Some(all[0].number), 1).unwrap(), all[1..2]);
        let waits = ledger.fault_at(first, 2).unwrap().unwrap();
        assert_eq!((waits.state, waits.row.fault.code), (Some(QueueState::CboError), Code::I001));
        assert_eq!(ledger.fault(waits.row.id).unwrap(), Some(waits.clone()));
        assert_eq!(ledger.fault_at(second, 1).unwrap(), None);
        let id = waits.row.id;
        let sign = Sign { by: "anna".into(), why: "seen".into(), at: 9 };
        assert_eq!(ledger.close_faults(&Closing::Ids(vec![id]), &sign).unwrap(), 1);
        let like = |like: FaultsLike| {
            let found = ledger.faults_like(&like, 9).unwrap();
            found.into_iter().map(|found| found.row.id).collect::<Vec<i64>>()
        };
        let file = Some(one.name.clone());
        let of_file = FaultsLike { file, ..FaultsLike::default() };
        assert_eq!(like(of_file.clone()), [id, id - 1]);
        assert_eq!(like(FaultsLike { before: Some(id), ..of_file.clone() }), [id - 1]);
        let code = Some(Code::I001);
        assert_eq!(like(FaultsLike { code, ..of_file.clone() }), [id]);
        let state = Some(QueueState::Deleted);
        assert_eq!(like(FaultsLike { state, ..of_file.clone() }), [id]);
        let (from, to) = (Some(one.taken_at), Some(one.taken_at + 1));
        assert_eq!(like(FaultsLike { from, to, ..of_file.clone() }), [id, id - 1]);
        let to = Some(one.taken_at);
        assert_eq!(like(FaultsLike { to, ..of_file }), [0; 0]);
        having(ledger, number, &two.name);
    }
}

/// The newest drop has a fault of each of two kinds and was told but for them; `name` is of its
/// last extract.
fn having(ledger: &dyn Ledger, number: u64, name: &str) {
    let below = |having: &Having, below: u64| ledger.drop_having(having, below).unwrap();
    let newest = |having: &Having| below(having, u64::MAX);
    for state in [QueueState::Error, QueueState::Deleted] {
        let fault = Having::Fault(state);
        assert_eq!(newest(&fault), Some(number), "{state}");
        assert!(below(&fault, number).is_none_or(|older| older < number), "{state}");
    }
    assert_eq!(newest(&Having::Fault(QueueState::AthenaError)), None);
    assert_eq!(newest(&Having::Any), Some(number));
    let file = Having::File(name.to_string());
    assert_eq!((newest(&file), below(&file, number)), (Some(number), None));
    assert_ne!(newest(&Having::Untold), Some(number), "all were told or are at fault");
}
