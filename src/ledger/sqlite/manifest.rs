//! Manifests, as SQLite keeps them: among the batches.

use super::Sqlite;
use super::mend::put_deliveries;
use super::query::{deliveries, one};
use super::row::{self, BATCH, big};
use crate::ledger::manifest::{check_manifest, made_before};
use crate::ledger::{BatchRow, DeliveryRow, Manifests, Result};

impl Manifests for Sqlite {
    fn commit_manifest(&mut self, manifest: &BatchRow, endpoints: &[&str]) -> Result<()> {
        self.write("commit_manifest", |conn| {
            check_manifest(manifest, endpoints)?;
            let sql = format!("SELECT {BATCH} FROM batch b WHERE b.number = $1");
            let taken: Option<BatchRow> = one(conn, &sql, [big(manifest.number)?], row::batch)?;
            if taken.is_some() {
                return Err(made_before(manifest));
            }
            row::insert_batch(conn, manifest)?;
            put_deliveries(conn, manifest, endpoints)
        })
    }

    fn newest_manifest(&self) -> Result<Option<BatchRow>> {
        let sql = format!("SELECT {BATCH} FROM batch b ORDER BY b.number DESC LIMIT 1");
        let newest: Option<BatchRow> = one(&self.conn, &sql, [], row::batch)?;
        Ok(newest.filter(BatchRow::is_manifest))
    }

    fn delivered_within(&self, from: i64, to: i64) -> Result<Vec<DeliveryRow>> {
        let which = format!(
            "WHERE d.stage = 'delivered' AND d.delivered_at >= {from} AND d.delivered_at < {to} \
             ORDER BY d.batch, d.endpoint"
        );
        let mut rows = deliveries(&self.conn, &which)?;
        rows.retain(|row| !row.batch.is_manifest());
        Ok(rows)
    }
}
