//! What people decide where the program cannot: about one batch, or about records.
//!
//! Each decision is one commit with its author (`ledger/actions.rs`). It changes the
//! ledger and sends nothing: the next run acts on it.

use super::encrypt;
use super::error::EngineError;
use super::pass::Engine;
use crate::disk;
use crate::ledger::{Answers, Closing, Decision, DeliveryRow, Ledger, Sign, Stage};

impl Engine {
    /// Records what was decided about a batch that is not delivered yet; `endpoint`
    /// must be named where more than one waits for it.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], [`EngineError::WhichEndpoint`], and what ends a pass.
    pub fn decide(
        &self,
        batch: &str,
        endpoint: Option<&str>,
        decision: Decision,
        sign: &Sign,
    ) -> Result<(), EngineError> {
        let nothing = || EngineError::NothingWaits { what: format!("batch {batch}") };
        let (_lock, mut ledger) = self.locked_ledger()?.ok_or_else(nothing)?;
        self.decided(&mut ledger, batch, endpoint, decision, sign)
    }

    /// As [`Engine::decide`], under the lock.
    pub(super) fn decided(
        &self,
        ledger: &mut dyn Ledger,
        batch: &str,
        endpoint: Option<&str>,
        decision: Decision,
        sign: &Sign,
    ) -> Result<(), EngineError> {
        let nothing = || EngineError::NothingWaits { what: format!("batch {batch}") };
        let mut rows: Vec<DeliveryRow> = ledger.undelivered()?;
        rows.retain(|row| row.batch.name == batch);
        rows.retain(|row| endpoint.is_none_or(|endpoint| row.endpoint == endpoint));
        let [row] = rows.as_slice() else {
            let endpoints: Vec<String> = rows.into_iter().map(|row| row.endpoint).collect();
            if endpoints.is_empty() {
                return Err(nothing());
            }
            let (batch, endpoints) = (batch.to_string(), endpoints.join(", "));
            return Err(EngineError::WhichEndpoint { batch, endpoints });
        };
        if row.stage == Stage::Held && decision != Decision::Delivered {
            let what = format!("{batch} is held; release it first: hl7drop queue release");
            return Err(EngineError::Refused { what });
        }
        ledger.decide(row.batch.number, &row.endpoint, decision, sign)?;
        log::info!("{batch} to {}: {} by {}", row.endpoint, decision.word(), sign.by);
        self.shelve_if_delivered(&*ledger, &row.batch.name)
    }

    /// Closes records of the queue: they wait for nobody any more. Returns how many.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], and what ends a pass.
    pub fn close(&self, which: &Closing, sign: &Sign) -> Result<u64, EngineError> {
        let nothing = || EngineError::NothingWaits { what: which.about() };
        let (_lock, mut ledger) = self.locked_ledger()?.ok_or_else(nothing)?;
        match ledger.close_faults(which, sign)? {
            0 => Err(nothing()),
            closed => Ok(closed),
        }
    }

    /// Closes messages that a receiver refused, by their control numbers. Returns how many.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], and what ends a pass.
    pub fn close_rejected(&self, controls: &[u64], sign: &Sign) -> Result<u64, EngineError> {
        let what = "one of these messages".to_string();
        let nothing = || EngineError::NothingWaits { what: what.clone() };
        let (_lock, mut ledger) = self.locked_ledger()?.ok_or_else(nothing)?;
        match ledger.close_rejected(controls, sign)? {
            0 => Err(nothing()),
            closed => Ok(closed),
        }
    }

    /// Ends the wait for the acknowledgement of a batch; `endpoint` must be named where
    /// more than one is to answer.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], [`EngineError::WhichEndpoint`], and what ends a pass.
    pub fn end_wait(
        &self,
        batch: &str,
        endpoint: Option<&str>,
        sign: &Sign,
    ) -> Result<(), EngineError> {
        let nothing = || EngineError::NothingWaits { what: format!("batch {batch}") };
        let (_lock, mut ledger) = self.locked_ledger()?.ok_or_else(nothing)?;
        let mut rows = ledger.awaited()?;
        rows.retain(|row| row.batch.name == batch);
        rows.retain(|row| endpoint.is_none_or(|endpoint| row.endpoint == endpoint));
        match rows.as_slice() {
            [] => Err(nothing()),
            [row] => Ok(ledger.end_wait(row.batch.number, &row.endpoint, sign)?),
            rows => {
                let endpoints: Vec<&str> = rows.iter().map(|row| row.endpoint.as_str()).collect();
                let (batch, endpoints) = (batch.to_string(), endpoints.join(", "));
                Err(EngineError::WhichEndpoint { batch, endpoints })
            }
        }
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
