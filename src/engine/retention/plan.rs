//! What would leave, and when; nothing is changed by looking.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

use super::Cutoffs;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::ledger::{DropRow, Ledger, Retention, Sqlite};

/// Drops that are read from the ledger at once.
const DROPS: u64 = 256;

/// How much leaves together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Drops.
    pub drops: u64,
    /// Their messages.
    pub messages: u64,
    /// Their records that wait: they stay when the others leave.
    pub waiting: u64,
    /// Bytes of their extracts and batch files.
    pub bytes: u64,
}

/// What leaves when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// With the next sweep.
    pub now: Amount,
    /// By the day on which it leaves; today's is in `now`.
    pub days: BTreeMap<Date, Amount>,
    /// What is not at rest, or is the newest, and so has no day.
    pub open: Amount,
    /// Whether messages leave at all.
    pub ever: bool,
}

impl Engine {
    /// Returns what leaves when, as things stand.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn plan(&self) -> Result<Plan, EngineError> {
        let cut = Cutoffs::of(self);
        let keep = self.agreement.scope.retention.queue_days;
        let mut plan = Plan { ever: keep.is_some(), ..Plan::default() };
        let Some(ledger) = Sqlite::peek(&self.spool.ledger(), &self.owner())? else {
            return Ok(plan);
        };
        let newest = ledger.newest()?;
        let mut after = 0;
        loop {
            let rows = ledger.drops_before(i64::MAX, after, DROPS)?;
            let Some(last) = rows.last() else { return Ok(plan) };
            after = last.number;
            for row in rows {
                let rest = rest_of(&ledger, &row, newest)?;
                let leaves = rest.zip(keep).map(|(since, keep)| {
                    // It leaves with the first day that begins so many days later.
                    self.date_of(since).saturating_add((i64::from(keep) + 1).days())
                });
                let amount = match leaves {
                    None => &mut plan.open,
                    Some(day) if day <= cut.today => &mut plan.now,
                    Some(day) => plan.days.entry(day).or_default(),
                };
                amount.add(&ledger, &row)?;
            }
        }
    }
}

/// Returns since when all of a drop is at rest; nothing, if it is not, or if it is or has
/// one of the `newest` drop and batch, which stay.
pub(super) fn rest_of(
    ledger: &dyn Ledger,
    drop: &DropRow,
    newest: (u64, u64),
) -> Result<Option<i64>, EngineError> {
    if drop.number == newest.0 || drop.batches.iter().any(|batch| batch.number == newest.1) {
        return Ok(None);
    }
    let taken = drop.extracts.iter().map(|row| row.extract.taken_at).max();
    let mut since = taken.unwrap_or(0);
    for batch in &drop.batches {
        match ledger.at_rest(batch)? {
            Some(at) => since = since.max(at),
            None => return Ok(None),
        }
    }
    Ok(Some(since))
}

impl Amount {
    fn add(&mut self, ledger: &dyn Ledger, drop: &DropRow) -> Result<(), EngineError> {
        self.drops += 1;
        self.messages += drop.messages();
        let extracts = drop.extracts.iter().map(|row| row.extract.bytes);
        self.bytes += extracts.chain(drop.batches.iter().map(|batch| batch.bytes)).sum::<u64>();
        for row in drop.extracts.iter().filter(|row| row.counts.error > 0) {
            self.waiting += ledger.waiting_of(row.id)?;
        }
        Ok(())
    }
}
