//! The hours of the day in which something may be done, in the practice's time zone: files
//! go out, a backfill goes on. Pure: the time is given.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::Quiet;

/// Parts of the day; none of them is all day.
#[derive(Clone, Copy)]
pub struct Hours<'a> {
    parts: &'a [Quiet],
    zone: &'a TimeZone,
}

impl<'a> Hours<'a> {
    /// By what was agreed.
    pub fn new(parts: &'a [Quiet], zone: &'a TimeZone) -> Hours<'a> {
        Hours { parts, zone }
    }

    /// True where there is no limit.
    pub fn are_all(&self) -> bool {
        self.parts.is_empty()
    }

    /// True at a moment within them (unix seconds).
    pub fn are_at(&self, at: i64) -> bool {
        let time = civil(self.zone, at).time();
        self.are_all() || self.parts.iter().any(|one| one.covers(time))
    }

    /// Returns the first second from `from` on that is within them.
    pub fn opens(&self, from: i64) -> i64 {
        let mut at = from;
        for _ in 0..=4 * self.parts.len() {
            if self.are_at(at) {
                return at;
            }
            at = self.edge_after(at);
        }
        at
    }

    /// Returns when a part of the day begins or ends next, after `at`.
    pub fn edge_after(&self, at: i64) -> i64 {
        let today = civil(self.zone, at).date();
        // A clock that is set forward or back moves an edge, so a day more is looked at.
        let days = [Some(today), today.tomorrow().ok()].into_iter().flatten();
        let edges = days.flat_map(|day| {
            let times = self.parts.iter().flat_map(|one| [one.from, one.to]);
            times.filter_map(move |time| self.zone.to_timestamp(day.to_datetime(time)).ok())
        });
        let later = edges.map(Timestamp::as_second).filter(|edge| *edge > at);
        later.min().unwrap_or_else(|| at.saturating_add(24 * 3600))
    }
}

fn civil(zone: &TimeZone, at: i64) -> jiff::civil::DateTime {
    zone.to_datetime(Timestamp::from_second(at).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_over_midnight_open_in_the_evening_and_close_in_the_morning() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let night = [Quiet::read("20:00-06:00").unwrap()];
        let hours = Hours::new(&night, &zone);
        let at = |text: &str| zone.to_timestamp(text.parse().unwrap()).unwrap().as_second();
        assert_eq!(hours.opens(at("2026-05-20T12:00:00")), at("2026-05-20T20:00:00"));
        assert_eq!(hours.opens(at("2026-05-20T23:00:00")), at("2026-05-20T23:00:00"));
        assert_eq!(hours.opens(at("2026-05-21T06:00:00")), at("2026-05-21T20:00:00"));
        assert!(
            hours.are_at(at("2026-05-21T05:59:59")) && !hours.are_at(at("2026-05-21T06:00:00"))
        );
        // The clock is set forward at two: an hour that does not exist opens when it is over.
        let gap = [Quiet::read("02:30-04:00").unwrap()];
        let opens = Hours::new(&gap, &zone).opens(at("2026-03-08T01:00:00"));
        assert_eq!(opens, at("2026-03-08T03:00:00") + 1800);
    }

    #[test]
    fn no_parts_are_all_day() {
        let zone = TimeZone::UTC;
        let hours = Hours::new(&[], &zone);
        assert!(hours.are_all() && hours.are_at(7) && hours.opens(7) == 7);
    }
}
