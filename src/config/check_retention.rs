//! `[retention]`: how long what is done is kept.

use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw;
use crate::domain::Retention;

/// Days in a hundred years.
const LONGEST: i64 = 36_525;

impl Check<'_> {
    /// Checks `[retention]`.
    pub fn retention(&mut self, section: Option<Spanned<raw::Retention>>) -> Option<Retention> {
        let (place, keep) = open("retention", section);
        let starts = [
            ("sent_days", &keep.sent_days),
            ("archive_days", &keep.archive_days),
            ("audit_days", &keep.audit_days),
        ]
        .map(|(key, value)| (key, value.as_ref().map_or(place.start, |value| value.span().start)));
        let queue_days = self.days(place, "queue_days", keep.queue_days);
        let sent_days = self.days(place, "sent_days", keep.sent_days);
        let archive_days = self.days(place, "archive_days", keep.archive_days);
        let responses_days = self.days(place, "responses_days", keep.responses_days);
        let error_days = self.days(place, "error_days", keep.error_days);
        let audit_days = self.days(place, "audit_days", keep.audit_days);
        let quota = self.number(place, "quota_mib", keep.quota_mib, 0..=1 << 33);
        let full_days = self.days(place, "full_days", keep.full_days);
        let longer = |days: Option<Option<u32>>| match (days.flatten(), queue_days.flatten()) {
            (Some(days), Some(queue)) => days > queue,
            _ => false,
        };
        for ((key, start), days) in starts.into_iter().zip([sent_days, archive_days]) {
            if longer(days) {
                let what = format!(
                    "`{key}` is more than queue_days: nobody would know whose the files are; \
                     write 0, which keeps them as long as their messages, or more queue_days"
                );
                self.problem(start, what);
            }
        }
        let audit = audit_days.flatten();
        if audit.is_some_and(|audit| queue_days.flatten().is_none_or(|queue| audit < queue)) {
            let what = "`audit_days` is less than queue_days: what is in the queue would lose who \
                        decided about it; write 0, for ever, or more";
            self.problem(starts[2].1, what.to_string());
        }
        Some(Retention {
            queue_days: queue_days?,
            sent_days: sent_days?,
            archive_days: archive_days?,
            responses_days: responses_days?,
            error_days: error_days?,
            audit_days: audit_days?,
            quota: Some(u64::try_from(quota?).ok()? << 20).filter(|quota| *quota > 0),
            full_days: full_days?,
        })
    }

    /// Returns a number of days; the inner one is none where that is 0.
    fn days(&mut self, place: Place, key: &str, value: raw::Number) -> Option<Option<u32>> {
        let days = self.number(place, key, value, 0..=LONGEST)?;
        Some(u32::try_from(days).ok().filter(|days| *days > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    #[test]
    fn what_is_done_is_kept_for_ninety_days_and_decisions_for_six_years() {
        let usual = Retention {
            queue_days: Some(90),
            sent_days: None,
            archive_days: None,
            responses_days: Some(90),
            error_days: None,
            audit_days: Some(2192),
            quota: None,
            full_days: Some(14),
        };
        assert_eq!(scope(GOOD).retention, usual);
        assert_eq!((usual.sent(), usual.archive()), (Some(90), Some(90)));
        let own = "[retention]\nqueue_days = 30\nsent_days = 7\nquota_mib = 100\nfull_days = 0\n";
        let own = scope(&added(own)).retention;
        assert_eq!((own.sent(), own.archive()), (Some(7), Some(30)));
        assert_eq!((own.quota, own.full_days), (Some(100 << 20), None));
    }

    #[test]
    fn nothing_stays_longer_than_what_knows_it() {
        let told = problems(&added("[retention]\nqueue_days = 30\narchive_days = 31\n"));
        assert!(told.join(" ").contains("`archive_days` is more than queue_days"), "{told:?}");
        let told = problems(&added("[retention]\nqueue_days = 0\n"));
        assert!(told.join(" ").contains("`audit_days` is less than queue_days"), "{told:?}");
        let good = "[retention]\nqueue_days = 0\nsent_days = 9\naudit_days = 0\n";
        assert_eq!(scope(&added(good)).retention.sent(), Some(9));
    }
}
