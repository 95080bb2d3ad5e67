//! Manifests, in memory: among the batches.

use super::{Memory, wrong_time};
use crate::ledger::manifest::{check_manifest, made_before};
use crate::ledger::{BatchRow, DeliveryRow, Manifests, Result};

impl Manifests for Memory {
    fn commit_manifest(&mut self, manifest: &BatchRow, endpoints: &[&str]) -> Result<()> {
        if self.open.is_some() {
            return Err(wrong_time(true));
        }
        check_manifest(manifest, endpoints)?;
        if self.batches.contains_key(&manifest.number) {
            return Err(made_before(manifest));
        }
        self.promise(manifest, endpoints)
    }

    fn newest_manifest(&self) -> Result<Option<BatchRow>> {
        let newest = self.batches.values().next_back();
        Ok(newest.filter(|batch| batch.is_manifest()).cloned())
    }

    fn delivered_within(&self, from: i64, to: i64) -> Result<Vec<DeliveryRow>> {
        let within = |row: &&DeliveryRow| {
            let at = row.receipt.as_ref().map(|receipt| receipt.at);
            at.is_some_and(|at| (from..to).contains(&at)) && !row.batch.is_manifest()
        };
        Ok(self.deliveries.values().filter(within).cloned().collect())
    }
}
