//! What goes out of a batch: the file itself or, where the endpoint wants it so, its
//! encrypted bytes.
//!
//! Two encryptions of one file have no byte in common, so a retry could never tell whether
//! what stands at the other end is ours. Hence they are made once, before anything is sent,
//! and frozen like the batch file: written, synced, then committed with name and digest.
//!
//! What began to go out as it is (its rename may have happened, or half of it stands under
//! its final name) ends so: encryption that was agreed since is of the files after it.

use std::fs::File;
use std::path::PathBuf;

use super::backoff::again_at;
use super::check::Checked;
use super::error::EngineError;
use super::pass::Engine;
use crate::disk::{self, failed};
use crate::domain::{Again, Encryption, Endpoint, Upload};
use crate::ledger::{DeliveryRow, Encrypted, Failure, Ledger, Stage};
use crate::openpgp::{self, OpenPgpError};
use crate::spool::{Spool, encrypted_name};

/// Returns the delivery with what goes out frozen; the inner error is for people.
///
/// # Errors
/// What ends a pass.
pub fn frozen(
    engine: &Engine,
    endpoint: &Endpoint,
    ledger: &mut dyn Ledger,
    row: &DeliveryRow,
) -> Result<Result<DeliveryRow, Failure>, EngineError> {
    let Some(with) = wanted(endpoint, row) else { return Ok(Ok(row.clone())) };
    let name = with.name.replace("{name}", &row.batch.name);
    let path = engine.spool.encrypted_file(&endpoint.name, &name);
    disk::folder(&engine.spool.encrypted)?;
    // What a crash left there is in no ledger, and nothing of it was sent.
    disk::remove(&path)?;
    let plain = engine.spool.outbox.join(&row.batch.name);
    let mut plain = File::open(&plain).map_err(failed("open", &plain))?;
    let done = match openpgp::encrypt(with, &mut plain, &path) {
        Ok(done) => done,
        Err(OpenPgpError::Disk(err)) => return Err(err.into()),
        Err(err) => {
            let (stopped, at) = (err.again() == Again::Never, engine.clock.unix());
            let again_at = (!stopped).then(|| again_at(row, at));
            return Ok(Err(Failure { what: err.to_string(), stopped, again_at, stage: None, at }));
        }
    };
    if done.read != (row.batch.digest, row.batch.bytes) {
        disk::remove(&path)?;
        return Err(EngineError::Altered { file: row.batch.name.clone() });
    }
    let (digest, bytes) = done.written;
    let file = Encrypted { name, digest, bytes };
    ledger.encrypted(row.batch.number, &endpoint.name, &file)?;
    log::info!("{}: encrypted for {} as {}", row.batch.name, endpoint.name, file.name);
    Ok(Ok(DeliveryRow { encrypted: Some(file), ..row.clone() }))
}

fn wanted<'a>(endpoint: &'a Endpoint, row: &DeliveryRow) -> Option<&'a Encryption> {
    let whole = match row.stage {
        Stage::Waiting => true,
        // Only a temporary name was given to anything of it.
        Stage::Sending => endpoint.protocol.upload == Upload::Rename,
        _ => false,
    };
    endpoint.encryption.as_ref().filter(|_| whole && row.encrypted.is_none())
}

/// Returns the file whose bytes go out.
pub fn what_goes_out(engine: &Engine, row: &DeliveryRow) -> PathBuf {
    match &row.encrypted {
        Some(file) => engine.spool.encrypted_file(&row.endpoint, &file.name),
        None => engine.spool.outbox.join(&row.batch.name),
    }
}

/// Removes encrypted files that nothing is to be sent of any more, and sees that the others
/// are there.
///
/// # Errors
/// What ends a pass.
pub fn recover(engine: &Engine, undelivered: &[DeliveryRow]) -> Result<(), EngineError> {
    let spool = &engine.spool;
    let mut wanted: Vec<String> = undelivered.iter().filter_map(local_name).collect();
    let found = match spool.encrypted.is_dir() {
        true => Spool::list(&spool.encrypted)?,
        false => Vec::new(),
    };
    for name in found {
        match wanted.iter().position(|one| *one == name) {
            Some(at) => drop(wanted.swap_remove(at)),
            None => disk::remove(&spool.encrypted.join(name))?,
        }
    }
    match wanted.pop() {
        Some(name) => Err(EngineError::Lost { file: format!(".encrypted/{name}") }),
        None => Ok(()),
    }
}

/// Removes the encrypted files of deliveries that are done.
///
/// # Errors
/// The disk's.
pub fn tidy(engine: &Engine, deliveries: &[DeliveryRow]) -> Result<(), EngineError> {
    for name in deliveries.iter().filter(|row| row.stage.is_done()).filter_map(local_name) {
        disk::remove(&engine.spool.encrypted.join(name))?;
    }
    Ok(())
}

/// Returns the name in the folder of encrypted files.
pub fn local_name(row: &DeliveryRow) -> Option<String> {
    let file = row.encrypted.as_ref()?;
    Some(encrypted_name(&row.endpoint, &file.name))
}

/// Looks whether files can be encrypted for each endpoint that wants it.
pub fn check(engine: &Engine) -> Vec<Checked> {
    let mut checked = Vec::new();
    for endpoint in &engine.agreement.scope.endpoints {
        let Some(with) = &endpoint.encryption else { continue };
        let what = format!("encryption for endpoint {}", endpoint.name);
        match openpgp::look(with) {
            Err(err) => checked.push(Checked::wrong(what, err.to_string())),
            Ok(recipients) => checked.extend(recipients.into_iter().map(|recipient| {
                let days = openpgp::ends_soon(&recipient, engine.clock.unix());
                let until = match (recipient.until, days) {
                    (None, _) => String::new(),
                    (Some(until), None) => format!(", good until {}", engine.day_of(until)),
                    (Some(until), Some(days)) => format!(
                        ", which ends on {}, in {days} days: ask the vendor for its renewal",
                        engine.day_of(until)
                    ),
                };
                let good = format!("{what}: key {}{until}", recipient.fingerprint);
                Checked { warns: days.is_some(), ..Checked::good(good) }
            })),
        }
    }
    checked
}
