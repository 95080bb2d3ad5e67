//! From `outbox` to the vendor's end and `sent`, batch by batch in strict order.
//!
//! `attempt.rs` is one try of one batch, `doubt.rs` what is done where a rename may
//! have happened: `delivery.md` section 3 as code. `window.rs` is what goes ahead of its
//! turn where an endpoint has several connections.

use std::fs::File;
use std::thread;

use super::attempt::{ALTERED, Broken, Bytes, Ended, Meanwhile, attempt};
use super::backoff::{again_at, not_yet};
use super::encrypt;
use super::error::EngineError;
use super::hours::Hours;
use super::lanes::Ahead;
use super::pass::Engine;
use super::window::Window;
use crate::delivery::Delivery;
use crate::digest::Digest;
use crate::disk::failed;
use crate::domain::{Again, Endpoint, OnDoubt};
use crate::ledger::{Decision, DeliveryRow, Failure, Ledger, Receipt, Sign, Stage};

/// What became of one batch.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The batch file's name.
    pub file: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// Its messages.
    pub messages: u64,
    /// How far it is.
    pub stage: Stage,
    /// The evidence, or why it is not there yet.
    pub outcome: Result<Receipt, Failure>,
}

/// Delivers what waits: to each endpoint in strict order, until the first batch that
/// cannot go there. One endpoint does not wait for another.
///
/// # Errors
/// What ends a pass; what happens at the other end is told in the outcomes.
pub fn deliver(engine: &Engine, ledger: &mut dyn Ledger) -> Result<Vec<Delivered>, EngineError> {
    let scope = &engine.agreement.scope;
    let (known, unknown): (Vec<_>, Vec<_>) =
        ledger.undelivered()?.into_iter().partition(|row| scope.endpoint(&row.endpoint).is_some());
    let mut outcomes = Vec::new();
    for endpoint in &scope.endpoints {
        let rows = known.iter().filter(|row| row.endpoint == endpoint.name).cloned();
        let rows: Vec<DeliveryRow> = rows.collect();
        match engine.sends_from(endpoint, engine.clock.unix()) {
            None => thread::scope(|scope| {
                let window = Window::open(engine, endpoint, rows.len(), scope)?;
                let (connection, unshelved, wrong) = (None, None, None);
                let to = To { engine, endpoint, connection, window, unshelved, wrong };
                to.deliver(ledger, &rows, &mut outcomes)
            })?,
            Some(opens) => set_aside(engine, ledger, &rows, opens, &mut outcomes)?,
        }
    }
    outcomes.extend(unknown.into_iter().map(gone));
    Ok(outcomes)
}

impl Engine {
    /// Returns when the next delivery window of an endpoint opens (unix seconds); none if
    /// files may go there now.
    pub(super) fn sends_from(&self, endpoint: &Endpoint, now: i64) -> Option<i64> {
        let opens = Hours::new(&endpoint.windows, &self.agreement.scope.timezone).opens(now);
        (opens > now).then_some(opens)
    }
}

/// What cannot go, since the settings do not know its endpoint any more.
fn gone(row: DeliveryRow) -> Delivered {
    let what = format!(
        "the settings have no endpoint `{}` any more; put it back, or decide about the file with \
         `hl7drop delivery`",
        row.endpoint
    );
    let at = row.batch.made_at;
    let failure = Failure { what, stopped: true, again_at: None, stage: None, at };
    Delivered::new(&row, row.stage, Err(failure))
}

impl Delivered {
    fn new(row: &DeliveryRow, stage: Stage, outcome: Result<Receipt, Failure>) -> Delivered {
        let (file, endpoint) = (row.batch.name.clone(), row.endpoint.clone());
        match &outcome {
            Ok(receipt) => {
                log::info!("{file}: delivered to {} ({})", receipt.path, receipt.evidence)
            }
            Err(failure) => log::error!("{file} to {endpoint}: {}", failure.what),
        }
        Delivered { file, endpoint, messages: row.batch.messages, stage, outcome }
    }
}

/// One endpoint, and the connection once there is one.
struct To<'a> {
    engine: &'a Engine,
    endpoint: &'a Endpoint,
    connection: Option<Box<dyn Delivery>>,
    window: Window<'a>,
    /// A batch that is delivered, and whose file goes to `sent` during the next rename.
    unshelved: Option<String>,
    /// What ends the pass, once the try during which it happened is accounted for.
    wrong: Option<EngineError>,
}

impl To<'_> {
    fn deliver(
        mut self,
        ledger: &mut dyn Ledger,
        rows: &[DeliveryRow],
        outcomes: &mut Vec<Delivered>,
    ) -> Result<(), EngineError> {
        for (at, row) in rows.iter().enumerate() {
            if row.stage == Stage::Held {
                // What comes after it would overtake it.
                log::info!("{} to {} is held, and what is behind it", row.batch.name, row.endpoint);
                break;
            }
            let row = &self.resent_by_settings(ledger, row)?;
            let outcome = match self.waits(row) {
                Some(failure) => Err(failure),
                None => self.deliver_one(ledger, row, rows.get(at + 1..).unwrap_or_default())?,
            };
            let stop = outcome.is_err();
            let now = ledger.delivery(row.batch.number, &row.endpoint)?;
            let stage = now.map_or(row.stage, |now| now.stage);
            outcomes.push(Delivered::new(row, stage, outcome));
            if stop {
                // Order matters: an update must not overtake the patient it updates.
                self.window.close(self.connection.as_deref_mut());
                break;
            }
        }
        shelve(self.engine, ledger, &mut self.unshelved)
    }

    /// Returns why nothing is done now: somebody must act, or its time has not come.
    fn waits(&self, row: &DeliveryRow) -> Option<Failure> {
        let stopped = row.failure.as_ref().filter(|failure| failure.stopped);
        stopped.or_else(|| not_yet(row, self.engine.clock.unix())).cloned()
    }

    /// Lets a batch that nobody can tell about go out again, where the settings say so:
    /// once, or a vendor that takes files at once would get it with every run.
    fn resent_by_settings(
        &self,
        ledger: &mut dyn Ledger,
        row: &DeliveryRow,
    ) -> Result<DeliveryRow, EngineError> {
        let again = self.endpoint.protocol.on_uncertain == OnDoubt::Resend && row.resent == 0;
        // Without a try that this ledger knows of, an older one was put back.
        let again = again && row.temp.is_some();
        if row.stage != Stage::Uncertain || !again {
            return Ok(row.clone());
        }
        let (number, why) = (row.batch.number, "on_uncertain = \"resend\"".to_string());
        let sign = Sign { by: "hl7drop".to_string(), why, at: self.engine.clock.unix() };
        ledger.decide(number, &row.endpoint, Decision::Resend, &sign)?;
        log::warn!("{}: sent again, since {}", row.batch.name, sign.why);
        Ok(ledger.delivery(number, &row.endpoint)?.unwrap_or_else(|| row.clone()))
    }

    /// One try of one batch, those behind it in mind. The inner result is for people: a
    /// receipt, or what waits.
    fn deliver_one(
        &mut self,
        ledger: &mut dyn Ledger,
        row: &DeliveryRow,
        behind: &[DeliveryRow],
    ) -> Result<Result<Receipt, Failure>, EngineError> {
        let engine = self.engine;
        let (number, endpoint) = (row.batch.number, row.endpoint.as_str());
        let ahead = self.window.take(number);
        // A try of it may have begun since.
        let row = &ledger.delivery(number, endpoint)?.unwrap_or_else(|| row.clone());
        let row = &match encrypt::frozen(engine, self.endpoint, ledger, row)? {
            Ok(row) => row,
            Err(failure) => {
                ledger.failed(number, endpoint, &failure)?;
                return Ok(Err(failure));
            }
        };
        let tried = match ahead {
            Some(Ok(Ahead::Whole)) => self.attempt(ledger, row, Bytes::There, behind),
            Some(Ok(Ahead::Altered)) => Ok(Ended::Wait(ALTERED.to_string(), None)),
            Some(Err(broken)) => Err(broken),
            Some(Ok(Ahead::InItsTurn)) | None => {
                let bytes = whole(&encrypt::what_goes_out(engine, row), row)?;
                self.attempt(ledger, row, Bytes::Here(bytes), behind)
            }
        };
        let at = engine.clock.unix();
        let failure = match tried {
            Ok(Ended::Done(receipt)) => {
                ledger.delivered(number, endpoint, &receipt)?;
                self.wrong.take().map_or(Ok(()), Err)?;
                shelve(engine, ledger, &mut self.unshelved)?;
                self.unshelved = Some(row.batch.name.clone());
                if !self.window.is_open() {
                    shelve(engine, ledger, &mut self.unshelved)?;
                }
                return Ok(Ok(receipt));
            }
            Ok(Ended::Wait(what, stage)) => {
                Failure { what, stopped: true, again_at: None, stage, at }
            }
            Err(Broken::Here(err)) => return Err(err),
            Err(Broken::There(err)) => {
                if err.is_broken() {
                    self.connection = None;
                }
                let stopped = err.again() == Again::Never;
                let again_at = (!stopped).then(|| again_at(row, at));
                Failure { what: err.to_string(), stopped, again_at, stage: None, at }
            }
        };
        ledger.failed(number, endpoint, &failure)?;
        self.wrong.take().map_or(Ok(Err(failure)), Err)
    }

    fn attempt(
        &mut self,
        ledger: &mut dyn Ledger,
        row: &DeliveryRow,
        bytes: Bytes,
        behind: &[DeliveryRow],
    ) -> Result<Ended, Broken> {
        let To { engine, endpoint, connection, window, unshelved, wrong } = self;
        engine.progress.begin(row.name(), row.bytes());
        let meanwhile: &mut Meanwhile<'_> = &mut |ledger, place, verify| {
            let shelved = shelve(engine, ledger, unshelved);
            let filled = shelved.and_then(|()| window.fill(ledger, (place, verify), behind));
            *wrong = filled.err();
        };
        let tried = attempt(engine, endpoint, ledger, row, bytes, connection, meanwhile);
        engine.progress.end();
        tried
    }
}

fn shelve(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    unshelved: &mut Option<String>,
) -> Result<(), EngineError> {
    match unshelved.take() {
        Some(name) => engine.shelve_if_delivered(ledger, &name),
        None => Ok(()),
    }
}

/// Outside the delivery windows nothing is sent and nobody connects: what no try has begun
/// of is held until the next one opens, so all can see for what it waits. What is half
/// sent or in doubt stays what it is.
fn set_aside(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    rows: &[DeliveryRow],
    opens: i64,
    outcomes: &mut Vec<Delivered>,
) -> Result<(), EngineError> {
    let at = engine.clock.unix();
    let (by, why) = ("hl7drop".to_string(), "outside its delivery windows".to_string());
    let sign = Sign { by, why, at };
    for row in rows {
        match row.stage {
            // What stands behind one that is half sent, too: it goes then as well.
            Stage::Waiting => {
                ledger.hold(row.batch.number, &row.endpoint, Some(opens), &sign)?;
            }
            Stage::Held => {}
            _ => {
                let (what, again_at) = (sign.why.clone(), Some(opens));
                let failure = Failure { what, stopped: false, again_at, stage: None, at };
                outcomes.push(Delivered::new(row, row.stage, Err(failure)));
            }
        }
    }
    Ok(())
}

/// Opens what goes out and holds it to the digest it was promised with: a flipped
/// byte on our disk must not go out.
pub fn whole(path: &std::path::Path, row: &DeliveryRow) -> Result<File, EngineError> {
    let open = || File::open(path).map_err(failed("open", path));
    let (digest, bytes) = Digest::of_reader(&mut open()?).map_err(failed("read", path))?;
    if digest != row.digest() || bytes != row.bytes() {
        return Err(EngineError::Altered { file: row.name().to_string() });
    }
    Ok(open()?)
}
