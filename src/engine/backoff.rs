//! How long a delivery that failed waits until it is tried again by itself.
//!
//! The time stands in the ledger, so that a program that is started every minute does
//! not knock every minute at a server that counts.

use crate::digest::Digest;
use crate::ledger::{DeliveryRow, Failure};

/// After the first failure; each further one doubles it.
const FIRST_S: i64 = 1;
const LONGEST_S: i64 = 15 * 60;
/// Up to a fifth more, so that many who lost one server do not come back together.
const MORE: i64 = 5;

/// Returns when a delivery that failed at `now` is tried again, unix seconds.
pub fn again_at(row: &DeliveryRow, now: i64) -> i64 {
    next_try(row.failures, &row.batch.digest.to_string(), now)
}

/// Returns when something that failed at `now`, after so many failures one after the
/// other, is tried again, unix seconds; `of` tells it from all else that may fail.
pub fn next_try(failures: u64, of: &str, now: i64) -> i64 {
    let doubled = FIRST_S << failures.min(20);
    let wait = doubled.min(LONGEST_S);
    // By chance enough, and the same in each test.
    let seed = Digest::of(format!("{of} {failures}").as_bytes()).to_string();
    let seed = i64::from_str_radix(&seed[..4], 16).unwrap_or(0);
    now + wait + wait * seed / (MORE * 0x1_0000)
}

/// Returns the failure of a delivery whose time has not come yet.
pub fn not_yet(row: &DeliveryRow, now: i64) -> Option<&Failure> {
    row.failure.as_ref().filter(|failure| is_early(failure, now))
}

/// True before the time of the next try.
pub fn is_early(failure: &Failure, now: i64) -> bool {
    let left = failure.again_at.map_or(0, |at| at - now);
    // A clock that was set back would have it wait for ever.
    0 < left && left <= LONGEST_S + LONGEST_S / MORE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::BatchRow;

    fn failed(failures: u64) -> DeliveryRow {
        let batch = BatchRow {
            number: 1,
            name: "1.hl7".into(),
            digest: Digest::of(b"1"),
            bytes: 1,
            first_control: 1,
            messages: 1,
            made_at: 0,
        };
        DeliveryRow { failures, ..DeliveryRow::waiting(&batch, "test") }
    }

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        for (failures, wait) in [(0, 1), (1, 2), (4, 16), (9, 512), (10, 900), (1000, 900)] {
            let waits = again_at(&failed(failures), 7000) - 7000;
            assert!(wait <= waits && waits <= wait + wait / MORE, "{failures}: {waits}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        let later = Failure {
            what: "lost".into(),
            stopped: false,
            again_at: Some(1000),
            stage: None,
            at: 100,
        };
        let row = DeliveryRow { failure: Some(later), ..failed(3) };
        let waits = |now| not_yet(&row, now).is_some();
        assert_eq!(
            [waits(1001), waits(1000), waits(999), waits(-100)],
            [false, false, true, false]
        );
        assert!(not_yet(&failed(3), 0).is_none());
    }
}
