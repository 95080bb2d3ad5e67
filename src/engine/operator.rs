//! What people decide where the program cannot: about one batch, or about records.
//!
//! Each decision is one commit with its author (`ledger/actions.rs`). It changes the
//! ledger and sends nothing: the next run acts on it.

use super::encrypt;
use super::error::EngineError;
use super::mend::{Mended, Selection};
use super::pass::Engine;
use crate::disk;
use crate::ledger::{Closing, Decision, DeliveryRow, Ledger, Sign, Stage};

impl Engine {
    /// Records what was decided about a batch that is not delivered yet; its endpoint
    /// must be named where more than one waits for it.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], [`EngineError::WhichEndpoint`], and what ends a pass.
    pub(super) fn decided(
        &self,
        ledger: &mut dyn Ledger,
        (batch, endpoint): (&str, Option<&str>),
        decision: Decision,
        sign: &Sign,
    ) -> Result<Mended, EngineError> {
        let row = the_one(ledger.undelivered()?, batch, endpoint)?;
        if row.stage == Stage::Held && decision != Decision::Delivered {
            let what = format!("{batch} is held; release it first: hl7drop queue release");
            return Err(EngineError::Refused { what });
        }
        ledger.decide(row.batch.number, &row.endpoint, decision, sign)?;
        self.shelve_if_delivered(&*ledger, &row.batch.name)?;
        Ok(Mended { batch: Some(batch.to_string()), ..Mended::default() })
    }

    /// Closes records of the queue: they wait for nobody any more. Of those that are named
    /// by their numbers each must wait, or none is closed.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], and what ends a pass.
    pub(super) fn closed(
        &self,
        ledger: &mut dyn Ledger,
        which: &Selection,
        sign: &Sign,
    ) -> Result<Mended, EngineError> {
        let closing = match which.closing() {
            Some(closing) => closing,
            None => Closing::Ids(which.ids(self, ledger)?),
        };
        match ledger.close_faults(&closing, sign)? {
            0 => Err(EngineError::NothingWaits { what: which.about() }),
            records => Ok(Mended { records, ..Mended::default() }),
        }
    }

    /// Ends the wait for the acknowledgement of a batch; `endpoint` must be named where
    /// more than one is to answer.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], [`EngineError::WhichEndpoint`], and what ends a pass.
    pub(super) fn waits_no_more(
        &self,
        ledger: &mut dyn Ledger,
        batch: &str,
        endpoint: Option<&str>,
        sign: &Sign,
    ) -> Result<Mended, EngineError> {
        let row = the_one(ledger.awaited()?, batch, endpoint)?;
        ledger.end_wait(row.batch.number, &row.endpoint, sign)?;
        Ok(Mended { batch: Some(batch.to_string()), ..Mended::default() })
    }

    /// Moves a promised batch file from `outbox/` to `sent/` once every endpoint has it.
    ///
    /// # Errors
    /// The ledger's and the disk's.
    pub(super) fn shelve_if_delivered(
        &self,
        ledger: &dyn Ledger,
        name: &str,
    ) -> Result<(), EngineError> {
        let file = self.spool.outbox.join(name);
        let Some(batch) = ledger.batch(name)?.filter(|_| file.exists()) else { return Ok(()) };
        let deliveries = ledger.deliveries(batch.number)?;
        if !deliveries.is_empty() && deliveries.iter().all(|row| row.stage == Stage::Deleted) {
            return Ok(disk::remove(&file)?);
        }
        encrypt::tidy(self, &deliveries)?;
        let delivered = deliveries.iter().all(|row| row.stage.is_done());
        if delivered && !deliveries.is_empty() {
            self.spool.shelve_sent(&file, &self.day())?;
        }
        Ok(())
    }
}

/// Returns the delivery of a batch that is meant.
fn the_one(
    mut rows: Vec<DeliveryRow>,
    batch: &str,
    endpoint: Option<&str>,
) -> Result<DeliveryRow, EngineError> {
    rows.retain(|row| row.batch.name == batch);
    rows.retain(|row| endpoint.is_none_or(|endpoint| row.endpoint == endpoint));
    match (rows.pop(), rows.as_slice()) {
        (None, _) => Err(EngineError::NothingWaits { what: format!("batch {batch}") }),
        (Some(row), []) => Ok(row),
        (Some(last), rows) => {
            let endpoints: Vec<&str> =
                rows.iter().chain([&last]).map(|row| row.endpoint.as_str()).collect();
            let (batch, endpoints) = (batch.to_string(), endpoints.join(", "));
            Err(EngineError::WhichEndpoint { batch, endpoints })
        }
    }
}
