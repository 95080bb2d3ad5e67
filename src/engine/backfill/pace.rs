//! When a backfill goes on: the hours in which it may, and how fast. Pure: the time is given.

use jiff::tz::TimeZone;

use crate::domain::BackfillRules;
use crate::engine::hours::Hours;

/// More edges than any honest estimate looks at: a century of nights.
const EDGES_MAX: u32 = 100_000;

/// The hours and the speed of one interface.
pub struct Pace<'a> {
    rules: &'a BackfillRules,
    hours: Hours<'a>,
}

impl<'a> Pace<'a> {
    /// By what was agreed, in the practice's time zone.
    pub fn new(rules: &'a BackfillRules, zone: &'a TimeZone) -> Pace<'a> {
        Pace { rules, hours: Hours::new(&rules.windows, zone) }
    }

    /// Returns the first second from `from` on in which it may go on (unix seconds).
    pub fn opens(&self, from: i64) -> i64 {
        self.hours.opens(from)
    }

    /// Returns when so many seconds of the hours from `from` on will be over; none if that is
    /// farther than anybody plans.
    pub fn ends(&self, from: i64, seconds: u64) -> Option<i64> {
        let (mut at, mut left) = (from, i64::try_from(seconds).ok()?);
        for _ in 0..EDGES_MAX {
            at = self.opens(at);
            let edge = self.hours.edge_after(at);
            if self.hours.are_all() || left <= edge - at {
                return at.checked_add(left);
            }
            (at, left) = (edge, left - (edge - at));
        }
        None
    }

    /// Returns how many seconds of the hours lie between two moments.
    pub fn open_seconds(&self, from: i64, to: i64) -> u64 {
        let (mut at, mut sum) = (from, 0);
        for _ in 0..EDGES_MAX {
            if at >= to {
                break;
            }
            let edge = if self.hours.are_all() { to } else { self.hours.edge_after(at).min(to) };
            if self.hours.are_at(at) {
                sum += edge - at;
            }
            at = edge;
        }
        sum.unsigned_abs()
    }

    /// Returns the seconds that messages take at the agreed speed, rounded up.
    pub fn seconds_for(&self, messages: u64) -> u64 {
        match self.rules.per_minute {
            0 => 0,
            per_minute => (messages.saturating_mul(60)).div_ceil(per_minute),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, Quiet};

    fn rules(per_minute: u64, windows: &[&str]) -> BackfillRules {
        let windows = windows.iter().map(|text| Quiet::read(text).unwrap()).collect();
        BackfillRules { patients: Event::PatientAdded, per_minute, per_file: 9, windows }
    }

    fn at(zone: &TimeZone, text: &str) -> i64 {
        zone.to_timestamp(text.parse().unwrap()).unwrap().as_second()
    }

    #[test]
    fn a_window_over_midnight_opens_in_the_evening_and_closes_in_the_morning() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let rules = rules(60, &["20:00-06:00"]);
        let pace = Pace::new(&rules, &zone);
        let at = |text: &str| at(&zone, text);
        assert_eq!(pace.opens(at("2026-05-20T12:00:00")), at("2026-05-20T20:00:00"));
        assert_eq!(pace.opens(at("2026-05-20T23:00:00")), at("2026-05-20T23:00:00"));
        assert_eq!(pace.opens(at("2026-05-21T06:00:00")), at("2026-05-21T20:00:00"));
        // Eleven hours of work are one night and an hour of the next.
        let ends = pace.ends(at("2026-05-20T12:00:00"), 11 * 3600);
        assert_eq!(ends, Some(at("2026-05-21T21:00:00")));
        let open = pace.open_seconds(at("2026-05-20T12:00:00"), at("2026-05-22T12:00:00"));
        assert_eq!(open, 20 * 3600);
    }

    #[test]
    fn a_night_in_which_clocks_change_has_an_hour_more_or_less() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let rules = rules(60, &["20:00-06:00"]);
        let pace = Pace::new(&rules, &zone);
        let night = |from: &str, to: &str| pace.open_seconds(at(&zone, from), at(&zone, to)) / 3600;
        assert_eq!(night("2026-03-07T12:00:00", "2026-03-08T12:00:00"), 9);
        assert_eq!(night("2026-10-31T12:00:00", "2026-11-01T12:00:00"), 11);
    }

    #[test]
    fn several_windows_and_none_are_followed() {
        let zone = TimeZone::UTC;
        let two = rules(60, &["12:00-13:00", "12:30-14:00"]);
        let pace = Pace::new(&two, &zone);
        let noon = at(&zone, "2026-05-20T12:00:00");
        assert_eq!(pace.ends(noon - 3600, 7200), Some(noon + 7200), "they overlap");
        assert_eq!(pace.open_seconds(noon - 3600, noon + 24 * 3600), 7200);
        let none = rules(60, &[]);
        let pace = Pace::new(&none, &zone);
        assert_eq!((pace.opens(noon), pace.ends(noon, 5)), (noon, Some(noon + 5)));
        assert_eq!(pace.open_seconds(noon, noon + 77), 77);
    }

    #[test]
    fn messages_take_their_time_and_none_without_a_limit() {
        let seconds = |per_minute, messages| {
            Pace::new(&rules(per_minute, &[]), &TimeZone::UTC).seconds_for(messages)
        };
        assert_eq!([seconds(60, 5), seconds(1000, 1), seconds(1000, 1000)], [5, 1, 60]);
        assert_eq!((seconds(0, 9_999_999), seconds(7, 0)), (0, 0));
    }
}
