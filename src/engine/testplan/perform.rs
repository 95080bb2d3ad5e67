//! One drop of a plan: the files into the inbox, a pass, and a look at what came of it.
//!
//! What came of it is read off the ledger and the batch file that was delivered, so it is
//! the same whether our pass took the drop in or one of a daemon that watches beside us.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::digest::Digest;
use crate::disk::{self, failed};
use crate::domain::QueueState;
use crate::engine::error::EngineError;
use crate::engine::pass::{Engine, Summary};
use crate::ledger::{DropRow, ExtractRow, FaultsLike, History, Ledger, Sqlite, Stage};
use crate::papers::testplan::compare::{Went, messages};

/// How long another process may be at work on the interface before we give up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// What came of one drop.
#[derive(Debug, Default)]
pub struct Performed {
    /// What went out, and what became of the rest.
    pub went: Went,
    /// The batch files.
    pub batches: Vec<String>,
    /// The numbers of the records that wait, in the queue.
    pub faults: Vec<i64>,
    /// Why it is not told what went out; none if it is.
    pub failed: Option<String>,
    /// True where that is the vendor's end, so that what comes after cannot go either.
    pub stuck: bool,
}

/// Drops files under their names, runs passes until they are taken in and what came of them
/// is delivered, and looks.
///
/// # Errors
/// What ends a pass, and another process that has the interface for long.
pub fn perform(engine: &Engine, files: &[(String, Vec<u8>)]) -> Result<Performed, EngineError> {
    engine.spool.make()?;
    for (name, bytes) in files {
        put(engine, name, bytes)?;
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let ran = match engine.run(None) {
            Ok(summary) => Some(summary),
            Err(EngineError::Busy { .. }) if Instant::now() < until => None,
            Err(err) => return Err(err),
        };
        if let Some(performed) = looked(engine, files, ran.as_ref())? {
            return Ok(performed);
        }
        if Instant::now() >= until {
            let failed = Some("it was not taken in within two minutes".to_string());
            return Ok(Performed { failed, stuck: true, ..Performed::default() });
        }
        thread::sleep(LOOK);
    }
}

/// Under its name at one instant: nobody takes half of it.
fn put(engine: &Engine, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
    let inbox = &engine.spool.inbox;
    let part = inbox.join(format!(".{name}.part"));
    disk::write(&part, bytes)?;
    disk::shift(&part, &inbox.join(name))?;
    let marker = &engine.agreement.scope.pickup.done_marker;
    if !marker.is_empty() {
        disk::write(&inbox.join(format!("{name}{marker}")), b"")?;
    }
    Ok(())
}

/// Looks for the drop in the ledger; none while it is not there, or on its way.
fn looked(
    engine: &Engine,
    files: &[(String, Vec<u8>)],
    ran: Option<&Summary>,
) -> Result<Option<Performed>, EngineError> {
    if let Some(what) = ran.and_then(|summary| refused(summary, files)) {
        return Ok(Some(Performed { failed: Some(what), ..Performed::default() }));
    }
    let Some(ledger) = Sqlite::peek(&engine.spool.ledger(), &engine.owner())? else {
        return Ok(None);
    };
    let mut rows = Vec::new();
    for (name, bytes) in files {
        match ledger.extract(&Digest::of(bytes))?.filter(|row| row.extract.name == *name) {
            Some(row) => rows.push(row),
            None => {
                let held = ran.and_then(|summary| summary.held.clone());
                return Ok(held.map(|what| Performed {
                    failed: Some(format!("nothing is taken in: {what}")),
                    stuck: true,
                    ..Performed::default()
                }));
            }
        }
    }
    let mut numbers: Vec<u64> = rows.iter().map(|row| row.drop.0.unsigned_abs()).collect();
    numbers.dedup();
    let mut performed = Performed::default();
    for number in numbers {
        let Some(drop) = ledger.drop_row(number)? else { return Ok(None) };
        if !out_of(engine, &ledger, &drop, ran.is_some(), &mut performed)? {
            return Ok(None);
        }
    }
    for row in &rows {
        waiting(&ledger, row, &mut performed)?;
        performed.went.filtered += row.counts.filtered;
    }
    performed.went.waits.sort();
    Ok(Some(performed))
}

/// Says which of the files went to `error/`.
fn refused(summary: &Summary, files: &[(String, Vec<u8>)]) -> Option<String> {
    let all = summary.drops.iter().flat_map(|taken| &taken.refused);
    let mut ours = all.filter(|(name, ..)| files.iter().any(|(one, _)| one == name));
    ours.next().map(|(name, what, hint)| format!("{name} went to error/: {what}; {hint}"))
}

/// Reads what went out of a drop; false while it is on its way.
fn out_of(
    engine: &Engine,
    ledger: &Sqlite,
    drop: &DropRow,
    ran: bool,
    performed: &mut Performed,
) -> Result<bool, EngineError> {
    for batch in &drop.batches {
        for delivery in ledger.deliveries(batch.number)? {
            if delivery.stage == Stage::Delivered {
                continue;
            }
            // A pass that is through tried it.
            if !ran {
                return Ok(false);
            }
            let why = delivery
                .failure
                .map_or_else(|| format!("it is {}", delivery.stage), |failure| failure.what);
            let what = format!("{} is not delivered to {}: {why}", batch.name, delivery.endpoint);
            performed.failed = Some(what);
            performed.stuck = true;
            performed.batches.push(batch.name.clone());
            return Ok(true);
        }
        let rests = |path: &PathBuf| path.starts_with(&engine.spool.sent);
        let Some(file) = engine.batch_file(batch)?.filter(rests) else { return Ok(false) };
        let bytes = fs::read(&file).map_err(failed("read", &file))?;
        if Digest::of(&bytes) != batch.digest {
            return Err(EngineError::Altered { file: batch.name.clone() });
        }
        performed.went.messages.extend(messages(&bytes));
        performed.batches.push(batch.name.clone());
    }
    Ok(true)
}

fn waiting(
    ledger: &Sqlite,
    row: &ExtractRow,
    performed: &mut Performed,
) -> Result<(), EngineError> {
    if row.counts.error == 0 {
        return Ok(());
    }
    let like = FaultsLike { file: Some(row.extract.name.clone()), ..FaultsLike::default() };
    for found in ledger.faults_like(&like, row.counts.error * 4)? {
        if found.row.extract == row.id && found.state != Some(QueueState::Deleted) {
            performed.went.waits.push(found.row.fault.code.id().to_string());
            performed.faults.push(found.row.id);
        }
    }
    Ok(())
}
