//! The time of a run: the system's, or one that a test or `--clock` fixed.
//!
//! Nothing takes its order or its identity from here: order and IDs come from
//! the ledger, so a clock that jumps can only mislabel.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Tells the time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Always the same civil time, in whatever zone is asked for.
    Fixed(DateTime),
}

impl Clock {
    /// Returns the civil time in `zone`, whole seconds.
    pub fn civil(&self, zone: &TimeZone) -> DateTime {
        let now = match self {
            Clock::System => Zoned::new(system(), zone.clone()).datetime(),
            Clock::Fixed(time) => *time,
        };
        now.with().subsec_nanosecond(0).build().unwrap_or(now)
    }

    /// Returns seconds since 1970, UTC.
    pub fn unix(&self) -> i64 {
        match self {
            Clock::System => system().as_second(),
            Clock::Fixed(time) => {
                TimeZone::UTC.to_timestamp(*time).map_or(0, |stamp| stamp.as_second())
            }
        }
    }
}

/// Returns a time at the practice, `2026-05-20 11:00:00`.
pub fn shown(unix: i64, zone: &TimeZone) -> String {
    match Timestamp::from_second(unix) {
        Ok(stamp) => zone.to_datetime(stamp).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => unix.to_string(),
    }
}

/// Returns a time at the practice with its offset from UTC, `2026-05-20T11:00:00-04:00`.
pub fn stamped(unix: i64, zone: &TimeZone) -> String {
    match Timestamp::from_second(unix) {
        Ok(stamp) => stamp.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        Err(_) => unix.to_string(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn system() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_says_the_same_in_every_zone() {
        let clock = Clock::Fixed("2026-05-20T11:00:00".parse().unwrap());
        let zone = TimeZone::get("America/New_York").unwrap();
        assert_eq!(clock.civil(&zone), clock.civil(&TimeZone::UTC));
        assert_eq!(clock.unix(), 1_779_274_800);
    }
}
