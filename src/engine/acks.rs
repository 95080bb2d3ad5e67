//! Acknowledgements: response files from the vendor's end into the ledger.
//!
//! A file is fetched, put on its shelf, committed, and only then removed or renamed at the
//! vendor's end; each step may be done again after a crash. The same bytes are read once.
//! What cannot be used is kept with its reason, and a person is told.

use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::attempt::Broken;
use super::backoff::{is_early, next_try};
use super::error::EngineError;
use super::pass::Engine;
use super::reading::{self, Reading, Wrong};
use crate::crashpoint::crashpoint;
use crate::delivery::{Delivery, DeliveryError, Listed};
use crate::digest::{Digest, Digester};
use crate::disk::{self, NewFile, failed};
use crate::domain::{Ack, Again, Endpoint};
use crate::ledger::{Failure, Ledger, Receipt, ResponseRow, Stage};
use crate::spool::clean_name;

/// A response file has a few hundred bytes a message; more is something else.
const RESPONSE_BYTES_MAX: u64 = 1 << 30;
/// Names at the vendor's end that are tried where the new name of a file is taken.
const RENAMES_MAX: u32 = 20;

/// What became of one response file.
#[derive(Clone, Debug)]
pub struct Response {
    /// Whose it is.
    pub endpoint: String,
    /// Its name, cleaned.
    pub file: String,
    /// What it was.
    pub fate: Fate,
}

/// What a response file was.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It was read; messages that it accepts and refuses by name, and the batch files it
    /// is about.
    Read {
        /// By name.
        accepted: u64,
        /// By name.
        rejected: u64,
        /// Names of batch files.
        batches: Vec<String>,
    },
    /// The same bytes were read before.
    Again,
    /// It is kept in `responses/odd/`: why. What could be used of it was.
    Odd(String),
}

/// An acknowledgement that did not come in time.
#[derive(Clone, Debug)]
pub struct Overdue {
    /// The batch file.
    pub batch: String,
    /// Who should have answered.
    pub endpoint: String,
    /// Messages without an answer, at most.
    pub messages: u64,
    /// When it was due, unix seconds.
    pub due_at: i64,
}

/// What a run found of acknowledgements.
#[derive(Clone, Debug, Default)]
pub struct Acks {
    /// Each file that was there.
    pub responses: Vec<Response>,
    /// Endpoints whose response files could not be looked for, and why.
    pub failures: Vec<(String, Failure)>,
    /// What is overdue now.
    pub overdue: Vec<Overdue>,
    /// When a daemon should look again, unix seconds, if anything is awaited.
    pub again_at: Option<i64>,
}

/// Looks for response files where any is awaited.
///
/// # Errors
/// What ends a pass.
pub fn collect(engine: &Engine, ledger: &mut dyn Ledger) -> Result<Acks, EngineError> {
    let mut acks = Acks::default();
    for endpoint in &engine.agreement.scope.endpoints {
        let Some(ack) = &endpoint.ack else { continue };
        if !is_awaited(ledger, endpoint)? {
            continue;
        }
        let now = engine.clock.unix();
        let before = ledger.look(&endpoint.name)?;
        if let Some(look) = &before
            && (look.failure.stopped || is_early(&look.failure, now))
        {
            acks.again_at = sooner(acks.again_at, look.failure.again_at);
            acks.failures.push((endpoint.name.clone(), look.failure.clone()));
            continue;
        }
        let mut from = From { engine, ledger, endpoint, ack, responses: Vec::new() };
        let looked = from.collect();
        acks.responses.append(&mut from.responses);
        match looked {
            Ok(()) if before.is_some() => ledger.looked(&endpoint.name, None)?,
            Ok(()) => {}
            Err(Broken::Here(err)) => return Err(err),
            Err(Broken::There(err)) => {
                let failures = before.map_or(0, |look| look.failures);
                let failure = failure(&err, &endpoint.name, failures, now);
                log::error!("response files of {}: {}", endpoint.name, failure.what);
                ledger.looked(&endpoint.name, Some(&failure))?;
                acks.again_at = sooner(acks.again_at, failure.again_at);
                acks.failures.push((endpoint.name.clone(), failure));
                continue;
            }
        }
        if is_awaited(ledger, endpoint)? {
            acks.again_at = sooner(acks.again_at, Some(now + ack.poll_s));
        }
    }
    acks.overdue = overdue(engine, ledger)?;
    Ok(acks)
}

/// Returns the acknowledgements that should be there by now.
///
/// # Errors
/// The ledger's.
pub fn overdue(engine: &Engine, ledger: &dyn Ledger) -> Result<Vec<Overdue>, EngineError> {
    let now = engine.clock.unix();
    let mut overdue = Vec::new();
    for row in ledger.awaited()? {
        if let Some(due_at) = row.answer_due().filter(|due| *due < now) {
            let (batch, messages) = (row.batch.name, row.batch.messages);
            overdue.push(Overdue { batch, endpoint: row.endpoint, messages, due_at });
        }
    }
    Ok(overdue)
}

/// An answer is awaited of what was delivered; and it tells of what nobody could tell.
fn is_awaited(ledger: &dyn Ledger, endpoint: &Endpoint) -> Result<bool, EngineError> {
    if ledger.awaited()?.iter().any(|row| row.endpoint == endpoint.name) {
        return Ok(true);
    }
    let doubt = |stage| matches!(stage, Stage::Verified | Stage::Uncertain);
    let rows = ledger.undelivered()?;
    Ok(rows.iter().any(|row| row.endpoint == endpoint.name && doubt(row.stage)))
}

fn sooner(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

fn failure(err: &DeliveryError, endpoint: &str, failures: u64, now: i64) -> Failure {
    let stopped = err.again() == Again::Never;
    let again_at = (!stopped).then(|| next_try(failures, endpoint, now));
    Failure { what: err.to_string(), stopped, again_at, stage: None, at: now }
}

struct From<'a> {
    engine: &'a Engine,
    ledger: &'a mut dyn Ledger,
    endpoint: &'a Endpoint,
    ack: &'a Ack,
    responses: Vec<Response>,
}

impl From<'_> {
    fn collect(&mut self) -> Result<(), Broken> {
        let mut there = (self.engine.open_delivery)(self.endpoint, &self.ack.method)?;
        let there = there.as_mut();
        let mut files = self.list(there)?;
        let settle = self.engine.agreement.scope.pickup.settle_ms;
        if !files.is_empty() && settle > 0 {
            // The vendor may still be writing them.
            thread::sleep(Duration::from_millis(settle));
            let again = self.list(there)?;
            files.retain(|file| again.contains(file));
        }
        files.sort_by(|one, next| (one.modified, &one.name).cmp(&(next.modified, &next.name)));
        files.iter().try_for_each(|file| self.take(there, file))
    }

    fn list(&self, there: &mut dyn Delivery) -> Result<Vec<Listed>, Broken> {
        let mut files = there.list()?;
        files.retain(|file| self.ack.files.matches(&file.name) && !file.name.contains('/'));
        Ok(files)
    }

    /// Takes one file in, and puts it away at the vendor's end.
    fn take(&mut self, there: &mut dyn Delivery, file: &Listed) -> Result<(), Broken> {
        let name = clean_name(&file.name);
        let local = self.engine.spool.responses.join(format!(".{name}.new"));
        disk::remove(&local)?;
        let mut kept = Kept { file: disk::create(&local)?, digest: Digester::default() };
        let fetched = match there.fetch(&file.name, &mut kept, RESPONSE_BYTES_MAX) {
            // Somebody else took it.
            Err(DeliveryError::NotFound { .. }) => None,
            Ok(bytes) => Some(bytes),
            Err(err) => {
                disk::remove(&local)?;
                return Err(err.into());
            }
        };
        let Kept { file: new, digest } = kept;
        new.finish()?;
        if fetched.is_none() || file.bytes.is_some_and(|bytes| Some(bytes) != fetched) {
            // It is still being written; the next look takes it.
            disk::remove(&local)?;
            return Ok(());
        }
        let digest = digest.finish();
        crashpoint("acks.fetched").map_err(failed("keep", &local))?;
        let fate = match self.ledger.response(&digest)? {
            Some(_) => {
                disk::remove(&local)?;
                Fate::Again
            }
            None => self.read(&local, &name, digest)?,
        };
        match &fate {
            Fate::Odd(why) => log::error!("response {name}: {why}; it is in responses/odd/"),
            Fate::Again => log::warn!("response {name}: the same bytes were read before"),
            Fate::Read { accepted, rejected, .. } => {
                log::info!("response {name}: {accepted} accepted, {rejected} rejected by name");
            }
        }
        let endpoint = self.endpoint.name.clone();
        self.responses.push(Response { endpoint, file: name, fate });
        crashpoint("acks.committed").map_err(failed("keep", &local))?;
        self.put_away(there, &file.name)
    }

    /// Reads a file that is whole and new, shelves it, and commits what it says.
    fn read(&mut self, local: &Path, name: &str, digest: Digest) -> Result<Fate, EngineError> {
        let engine = self.engine;
        let understood = reading::understand(engine, self.ledger, &self.endpoint.name, local);
        let (reading, why) = match understood {
            Ok(reading) => {
                let why = strangers(&reading);
                (reading, why)
            }
            Err(Wrong::Odd(why)) => (Reading::default(), Some(why)),
            Err(Wrong::Here(err)) => return Err(err),
        };
        let shelved = match &why {
            None => engine.spool.shelve_response(local, name, &engine.day())?,
            Some(why) => engine.spool.shelve_odd(local, name, &why_file(why))?,
        };
        crashpoint("acks.shelved").map_err(failed("keep", &shelved))?;
        self.prove(&reading, name)?;
        let row = ResponseRow {
            digest,
            name: name.to_string(),
            endpoint: self.endpoint.name.clone(),
            accepted: reading.accepted,
            rejected: reading.rejected,
            at: engine.clock.unix(),
        };
        let whole: Vec<u64> = reading
            .batches
            .iter()
            .filter(|(_, seen)| seen.is_whole())
            .map(|(number, _)| *number)
            .collect();
        let mut answers = reading::answers(engine, &reading, &shelved)?;
        self.ledger.respond(&row, &whole, &mut answers)?;
        Ok(match why {
            Some(why) => Fate::Odd(why),
            None => Fate::Read {
                accepted: reading.accepted,
                rejected: reading.rejected,
                batches: reading.batches.values().map(|seen| seen.batch.name.clone()).collect(),
            },
        })
    }

    /// Whoever answers a file has it, whatever could be told before.
    fn prove(&mut self, reading: &Reading, name: &str) -> Result<(), EngineError> {
        for seen in reading.batches.values().filter(|seen| seen.stage != Stage::Delivered) {
            let receipt = Receipt {
                path: name.to_string(),
                bytes: seen.batch.bytes,
                evidence: "acknowledged".to_string(),
                server: self.endpoint.name.clone(),
                host_key: String::new(),
                at: self.engine.clock.unix(),
            };
            self.ledger.delivered(seen.batch.number, &self.endpoint.name, &receipt)?;
            self.engine.shelve_if_delivered(self.ledger, &seen.batch.name)?;
        }
        Ok(())
    }

    /// Removes or renames a file that is kept here.
    fn put_away(&self, there: &mut dyn Delivery, name: &str) -> Result<(), Broken> {
        let Some(pattern) = &self.ack.renamed else {
            return Ok(there.remove(name)?);
        };
        let to = pattern.replace("{name}", name);
        let mut last = Ok(());
        for count in 1..=RENAMES_MAX {
            // A vendor may use one name again and again.
            let to = if count == 1 { to.clone() } else { format!("{to}-{count}") };
            last = match there.rename(name, &to) {
                Ok(()) | Err(DeliveryError::NotFound { .. }) => return Ok(()),
                Err(err @ (DeliveryError::Exists { .. } | DeliveryError::Refused { .. })) => {
                    Err(err)
                }
                Err(err) => return Err(err.into()),
            };
        }
        Ok(last?)
    }
}

/// Says what of a file is none of ours, if anything is.
fn strangers(reading: &Reading) -> Option<String> {
    if reading.strangers > 0 {
        let answered = reading.accepted + reading.rejected;
        return Some(format!(
            "{} of the messages that it names are none that went to this endpoint; what it says \
             of {answered} others was taken in",
            reading.strangers
        ));
    }
    reading.stray.then(|| {
        "it names a file or a batch (FHS-12, BHS-12) that did not go to this endpoint; what it \
         says of single messages was taken in"
            .to_string()
    })
}

fn why_file(why: &str) -> String {
    format!(
        "what = {why:?}\nwhat_to_do = \"ask the vendor for a correct one; it is taken in like any \
         other. This file changes nothing any more and can be removed\"\n"
    )
}

/// A file of ours that is written as it is fetched, with its digest.
struct Kept {
    file: NewFile,
    digest: Digester,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(io::Error::other)?;
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
