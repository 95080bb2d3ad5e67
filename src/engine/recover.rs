//! What a crash can leave behind, and the way on from each of it.
//!
//! | found | means | done |
//! |---|---|---|
//! | in `processing`, the file not in the ledger | claimed, not promised | converted again by the intake |
//! | in `processing`, the file in the ledger | promised, not shelved | to `archive` |
//! | `processing/asked.txt` | `run --again` did not come to its end | its files are taken in again (`asked.rs`) |
//! | in `.staged`, not in the ledger | never promised | removed |
//! | in `.staged`, in the ledger | promised, not published | to `outbox` |
//! | in `outbox`, delivered | told, not shelved | to `sent` |
//! | in `outbox`, not delivered | to send, or sent and not yet told | `deliver.rs` |
//! | in `outbox`, not in the ledger | not ours to send | the pass ends |
//! | in the ledger, not delivered, no file | lost by others | the pass ends |
//! | in `outbox/.encrypted`, of a delivery that is done or that the ledger does not know | never promised, or told | removed |
//! | in `sent`, not in the ledger, or not delivered there | an older ledger was put back | the pass ends |
//! | in `processing/again`, the file not in the ledger | records to convert again, not promised | removed: they wait as before |
//! | ... in the ledger | promised, not shelved | to `archive` |
//! | in `outbox`, deleted | given up | removed |
//! | in `backfill/slices`, a slice in the ledger | taken in, not shelved | to `archive` |
//! | in `backfill`, of one that is over | nobody wants it any more | removed |
//! | `.patients.plain`, `.keys.runs`, `.keys.sorted` | a copy, and lists, for one drop | removed |
//! | in `index`, of a drop that is not in the ledger | never promised | removed |
//! | a drop in the ledger without its index, or a damaged one | taken away by others | made anew |

use super::backfill;
use super::encrypt;
use super::error::EngineError;
use super::pass::Engine;
use super::source::Source;
use super::tracking;
use crate::disk;
use crate::domain::ExtractKind;
use crate::ledger::Ledger;
use crate::spool::Spool;

/// Brings folders and ledger together again.
///
/// # Errors
/// What ends a pass.
pub fn recover(engine: &Engine, ledger: &dyn Ledger) -> Result<(), EngineError> {
    let spool = &engine.spool;
    for name in [super::plain::PLAIN].into_iter().chain(super::keys::NAMES) {
        disk::remove(&spool.processing.join(name))?;
    }
    for name in Spool::list(&spool.staged)? {
        let staged = spool.staged.join(&name);
        if ledger.batch(&name)?.is_some() {
            log::info!("{name}: was promised, now in outbox/");
            disk::shift(&staged, &spool.outbox.join(&name))?;
        } else {
            disk::remove(&staged)?;
        }
    }
    for kind in ExtractKind::ALL {
        for path in spool.claimed(kind)? {
            let Ok(source) = Source::of(&path, "", kind, false) else { continue };
            if ledger.took(&source.digest()?, source.inode)? {
                spool.shelve_archive(&path, &engine.day())?;
            }
        }
    }
    again(engine, ledger)?;
    backfill::tidy(engine, ledger)?;
    for name in Spool::list(&spool.outbox)? {
        if ledger.batch(&name)?.is_none() {
            return Err(EngineError::Unpromised { file: name });
        }
        engine.shelve_if_delivered(ledger, &name)?;
    }
    tracking::recover(engine, ledger)?;
    let sent = spool.newest_sent()?;
    for file in &sent {
        if ledger.batch(file)?.is_none() {
            return Err(EngineError::OldLedger { file: file.clone() });
        }
    }
    let undelivered = ledger.undelivered()?;
    encrypt::recover(engine, &undelivered)?;
    for delivery in undelivered {
        let file = delivery.batch.name;
        if !spool.outbox.join(&file).exists() {
            return Err(match sent.contains(&file) {
                true => EngineError::OldLedger { file },
                false => EngineError::Lost { file },
            });
        }
    }
    Ok(())
}

/// Records that were to be converted again: promised, or waiting as before.
fn again(engine: &Engine, ledger: &dyn Ledger) -> Result<(), EngineError> {
    let folder = engine.spool.again();
    if !folder.is_dir() {
        return Ok(());
    }
    for name in Spool::list(&folder)? {
        let path = folder.join(name);
        let source = Source::of(&path, "", ExtractKind::Patients, false)
            .map_err(disk::failed("read", &path))?;
        match ledger.took(&source.digest()?, source.inode)? {
            true => drop(engine.spool.shelve_archive(&path, &engine.day())?),
            false => disk::remove(&path)?,
        }
    }
    Ok(())
}
