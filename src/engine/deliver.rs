//! From `outbox` to the vendor's end and `sent`, batch by batch in strict order.
//!
//! `attempt.rs` is one try of one batch, `doubt.rs` what is done where a rename may
//! have happened: `delivery.md` section 3 as code.

use std::fs::File;

use super::attempt::{Broken, End, attempt};
use super::error::EngineError;
use super::pass::Engine;
use crate::delivery::Delivery;
use crate::digest::Digest;
use crate::disk::failed;
use crate::domain::{Again, OnDoubt};
use crate::ledger::{Decision, DeliveryRow, Failure, Ledger, Receipt, Sign, Stage};

/// What became of one batch.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The batch file's name.
    pub file: String,
    /// Its messages.
    pub messages: u64,
    /// How far it was before this try, or is since.
    pub stage: Stage,
    /// The evidence, or why it is not there yet.
    pub outcome: Result<Receipt, Failure>,
}

/// Delivers what waits, in strict order, until the first that cannot go.
///
/// # Errors
/// What ends a pass; what happens at the other end is told in the outcomes.
pub fn deliver(engine: &Engine, ledger: &mut dyn Ledger) -> Result<Vec<Delivered>, EngineError> {
    let mut connection: Option<Box<dyn Delivery>> = None;
    let mut outcomes = Vec::new();
    for row in ledger.undelivered()? {
        let row = resent_by_settings(engine, ledger, row)?;
        let outcome = match waits_for_a_person(&row) {
            Some(failure) => Err(failure),
            None => deliver_one(engine, ledger, &row, &mut connection)?,
        };
        let stop = outcome.is_err();
        let (number, endpoint) = (row.batch.number, &row.endpoint);
        let stage = ledger.delivery(number, endpoint)?.map_or(row.stage, |row| row.stage);
        let (file, messages) = (row.batch.name, row.batch.messages);
        match &outcome {
            Ok(receipt) => {
                log::info!("{file}: delivered to {} ({})", receipt.path, receipt.evidence)
            }
            Err(failure) => log::error!("{file}: {}", failure.what),
        }
        outcomes.push(Delivered { file, messages, stage, outcome });
        if stop {
            // Order matters: an update must not overtake the patient it updates.
            break;
        }
    }
    Ok(outcomes)
}

/// Returns why nothing is done until somebody acts.
fn waits_for_a_person(row: &DeliveryRow) -> Option<Failure> {
    row.failure.clone().filter(|failure| failure.stopped)
}

/// Lets a batch that nobody can tell about go out again, where the settings say so:
/// once, or a vendor that takes files at once would get it with every run.
fn resent_by_settings(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    row: DeliveryRow,
) -> Result<DeliveryRow, EngineError> {
    let endpoint = &engine.agreement.scope.endpoint;
    let again = endpoint.protocol.on_uncertain == OnDoubt::Resend && row.resent == 0;
    if row.stage != Stage::Uncertain || !again {
        return Ok(row);
    }
    let why = "on_uncertain = \"resend\"".to_string();
    let sign = Sign { by: "hl7drop".to_string(), why, at: engine.clock.unix() };
    ledger.decide(row.batch.number, &row.endpoint, Decision::Resend, &sign)?;
    log::warn!("{}: sent again, since on_uncertain = \"resend\"", row.batch.name);
    Ok(ledger.delivery(row.batch.number, &row.endpoint)?.unwrap_or(row))
}

/// One try of one batch. The inner result is for people: a receipt, or what waits.
fn deliver_one(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    row: &DeliveryRow,
    connection: &mut Option<Box<dyn Delivery>>,
) -> Result<Result<Receipt, Failure>, EngineError> {
    let path = engine.spool.outbox.join(&row.batch.name);
    let bytes = whole(&path, row)?;
    let (number, endpoint) = (row.batch.number, row.endpoint.as_str());
    engine.progress.begin(&row.batch.name, row.batch.bytes);
    let tried = attempt(engine, ledger, row, bytes, connection);
    engine.progress.end();
    let (failure, broken) = match tried {
        Ok((End::Done(evidence), receipt)) => {
            let receipt = Receipt { evidence: evidence.to_string(), ..receipt };
            ledger.delivered(number, endpoint, &receipt)?;
            engine.spool.shelve_sent(&path, &engine.day())?;
            return Ok(Ok(receipt));
        }
        Ok((End::Wait(what, stage), _)) => {
            (Failure { what, stopped: true, stage, at: engine.clock.unix() }, false)
        }
        Err(Broken::Here(err)) => return Err(err),
        Err(Broken::There(err)) => {
            let stopped = err.again() == Again::Never;
            let failure =
                Failure { what: err.to_string(), stopped, stage: None, at: engine.clock.unix() };
            (failure, err.is_broken())
        }
    };
    if broken {
        *connection = None;
    }
    ledger.failed(number, endpoint, &failure)?;
    Ok(Err(failure))
}

/// Opens the batch file and holds it to the digest it was promised with: a flipped
/// byte on our disk must not go out.
fn whole(path: &std::path::Path, row: &DeliveryRow) -> Result<File, EngineError> {
    let open = || File::open(path).map_err(failed("open", path));
    let (digest, bytes) = Digest::of_reader(&mut open()?).map_err(failed("read", path))?;
    if digest != row.batch.digest || bytes != row.batch.bytes {
        return Err(EngineError::Altered { file: row.batch.name.clone() });
    }
    Ok(open()?)
}
