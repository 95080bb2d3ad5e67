//! What is done leaves with its time, and the room it took is given back.
//!
//! Once a day of the practice, after a pass has delivered what it could, all that is due
//! leaves in slices (`sweep.rs`); a pass stops between two of them as soon as there is
//! something to do. What waits for a person or is on its way never leaves, nor does the
//! newest drop and the newest batch: by them an older ledger that was put back is known.
//!
//! The clock decides, and clocks jump: where more than a week passed since the last sweep,
//! or time went backwards, nothing leaves before the next day.

mod plan;
mod sweep;
pub mod usage;

pub use plan::{Amount, Plan};
pub use sweep::Pruned;

use jiff::ToSpan;
use jiff::civil::Date;

use self::sweep::Sweep;
use super::error::EngineError;
use super::pass::Engine;
use crate::ledger::{Ledger, Sign};
use crate::spool::Glance;

/// Days between two sweeps after which the clock may have jumped.
const JUMP: u64 = 7;

/// The days before which what is done leaves; none: never.
#[derive(Clone, Copy, Debug)]
struct Cutoffs {
    today: Date,
    queue: Option<Date>,
    sent: Option<Date>,
    archive: Option<Date>,
    responses: Option<Date>,
    errors: Option<Date>,
    audit: Option<Date>,
}

impl Cutoffs {
    fn of(engine: &Engine) -> Cutoffs {
        let keep = engine.agreement.scope.retention;
        let today = engine.today();
        let back =
            |days: Option<u32>| days.map(|days| today.saturating_sub(i64::from(days).days()));
        Cutoffs {
            today,
            queue: back(keep.queue_days),
            sent: back(keep.sent()),
            archive: back(keep.archive()),
            responses: back(keep.responses_days),
            errors: back(keep.error_days),
            audit: back(keep.audit_days),
        }
    }
}

impl Engine {
    /// Returns the date at the practice.
    fn today(&self) -> Date {
        self.date_of(self.clock.unix())
    }

    /// Returns when a day begins at the practice, unix seconds.
    fn begins(&self, day: Date) -> i64 {
        let zone = &self.agreement.scope.timezone;
        zone.to_timestamp(day.at(0, 0, 0, 0)).map_or(i64::MIN, |stamp| stamp.as_second())
    }

    /// Lets everything go that is due now, whatever the clock did, under the lock of the
    /// interface.
    ///
    /// # Errors
    /// [`EngineError::Busy`] beside a pass, and what ends one.
    pub fn prune(&self, sign: &Sign) -> Result<Pruned, EngineError> {
        let Some((_lock, mut ledger)) = self.locked_ledger()? else {
            return Ok(Pruned::default());
        };
        super::recover::recover(self, &ledger)?;
        let mut sweep = Sweep::new(self, &mut ledger, sign);
        while sweep.step()? {
            self.progress.advance(0);
        }
        Ok(sweep.pruned)
    }

    /// Lets go what is due, a slice at a time, until something else is to be done. Returns
    /// what left, and when to look again.
    ///
    /// # Errors
    /// What ends a pass.
    pub(super) fn prune_between(
        &self,
        ledger: &mut dyn Ledger,
        until: Option<i64>,
    ) -> Result<(Pruned, i64), EngineError> {
        let today = self.today();
        let tomorrow = self.begins(today.saturating_add(1.day()));
        let day = number(today);
        let swept = ledger.swept()?;
        if swept == day {
            return Ok((Pruned::default(), tomorrow));
        }
        if !(1..=JUMP).contains(&day.saturating_sub(swept)) {
            usage::survey(self)?;
            ledger.set_swept(day)?;
            return Ok((Pruned::default(), tomorrow));
        }
        let why = "[retention]".to_string();
        let sign = Sign { by: "hl7drop".to_string(), why, at: self.clock.unix() };
        let look = || [&self.spool.inbox, &self.spool.requests].map(|folder| Glance::of(folder));
        let before = look();
        let mut sweep = Sweep::new(self, ledger, &sign);
        while sweep.step()? {
            self.progress.advance(0);
            if look() != before || until.is_some_and(|until| self.clock.unix() >= until) {
                return Ok((sweep.pruned, self.clock.unix()));
            }
        }
        Ok((sweep.pruned, tomorrow))
    }
}

/// Returns the number of a day since 1970.
fn number(day: Date) -> u64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = epoch.until(day).map_or(0, |span| i64::from(span.get_days()));
    days.max(0).unsigned_abs()
}

/// Returns the day of a shelf's folder, `2026-05-20`; none if it is no day's.
fn day_of(folder: &std::path::Path) -> Option<Date> {
    folder.file_name()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_number() {
        assert_eq!(number(jiff::civil::date(1970, 1, 2)), 1);
        assert_eq!(number(jiff::civil::date(2026, 5, 20)), 20_593);
        assert_eq!(number(jiff::civil::date(1969, 5, 20)), 0);
        let day = day_of(std::path::Path::new("/sent/2026-05-20"));
        assert_eq!(day, Some(jiff::civil::date(2026, 5, 20)));
        assert_eq!(day_of(std::path::Path::new("/responses/odd")), None);
    }
}
