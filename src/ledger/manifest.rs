//! Manifests: the list of a day's files goes to the vendor as a file like a batch, with
//! no messages in it. So it is promised, delivered, doubted and decided about as a batch is,
//! and no step of its way is written twice.
//!
//! Their numbers are those of days, far above those of batches: none comes twice, each goes
//! out behind all batches that wait, and the numbers in FHS-9 have no gap.

use super::open_drop::check_endpoints;
use super::{BatchRow, DeliveryRow, LedgerError, Result};

/// What the number of a manifest is above: 34,000 years of a file each second.
const ABOVE: u64 = 1 << 40;

/// The part of a ledger that keeps manifests.
pub trait Manifests {
    /// Commits a manifest with a waiting delivery to each endpoint; one for each day.
    ///
    /// # Errors
    /// Those of the store; a day that has one, and what is no manifest.
    fn commit_manifest(&mut self, manifest: &BatchRow, endpoints: &[&str]) -> Result<()>;

    /// Returns the manifest of the latest day.
    ///
    /// # Errors
    /// Those of the store.
    fn newest_manifest(&self) -> Result<Option<BatchRow>>;

    /// Returns the deliveries of batches whose receipts are of a time from `from` on and
    /// before `to`, unix seconds, in batch number order.
    ///
    /// # Errors
    /// Those of the store.
    fn delivered_within(&self, from: i64, to: i64) -> Result<Vec<DeliveryRow>>;
}

impl BatchRow {
    /// Returns the number of the manifest of a day, counted from 1970-01-01.
    pub fn manifest_number(day: u32) -> u64 {
        ABOVE + u64::from(day)
    }

    /// Returns the day of a manifest, counted from 1970-01-01; none of a batch.
    pub fn manifest_day(&self) -> Option<u32> {
        u32::try_from(self.number.checked_sub(ABOVE)?).ok()
    }

    /// True of a manifest.
    pub fn is_manifest(&self) -> bool {
        self.number >= ABOVE
    }
}

/// Refuses what is no manifest.
pub(super) fn check_manifest(manifest: &BatchRow, endpoints: &[&str]) -> Result<()> {
    check_endpoints(std::slice::from_ref(manifest), endpoints)?;
    let whole =
        manifest.manifest_day().is_some() && manifest.messages == 0 && manifest.first_control == 0;
    match whole {
        true => Ok(()),
        false => Err(LedgerError::Failed(format!("{} is no manifest", manifest.name))),
    }
}

/// Says that a day has its manifest.
pub(super) fn made_before(manifest: &BatchRow) -> LedgerError {
    LedgerError::Failed(format!("the manifest of the day of {} was made before", manifest.name))
}
