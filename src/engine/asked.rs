//! Extracts that a person wants taken in although their bytes were before (`run --again`).
//!
//! The wish is of one run, and the files outlive it: a crash leaves them in `processing/`, and
//! a drop that looks wrong waits there for days. So their digests are written down beside
//! them before the first is claimed, and thrown away once what was claimed is shelved.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::EngineError;
use super::intake::kind_of;
use super::pass::Engine;
use super::source::Source;
use crate::disk;
use crate::domain::ExtractKind;
use crate::ledger::Ledger;
use crate::spool::looked;

const ASKED: &str = "asked.txt";
/// The list while it is written.
const NEW: &str = ".asked.new";

/// Writes down what lies in the inbox and was taken in before, where this run takes it again.
pub(super) fn note(engine: &Engine, ledger: &dyn Ledger) -> Result<(), EngineError> {
    if !engine.again {
        return Ok(());
    }
    let mut wanted = asked(engine)?;
    let before = wanted.len();
    for seen in looked(&engine.spool.inbox)? {
        let path = engine.spool.inbox.join(&seen.name);
        // What cannot be read was never taken in.
        if let Some(kind) = kind_of(engine, &seen.name)
            && let Some(digest) = known(&path, kind, ledger)?
        {
            wanted.insert(digest);
        }
    }
    for kind in ExtractKind::ALL {
        for path in engine.spool.claimed(kind)? {
            wanted.extend(known(&path, kind, ledger)?);
        }
    }
    if wanted.len() == before {
        return Ok(());
    }
    let lines: String = wanted.iter().map(|digest| format!("{digest}\n")).collect();
    let new = engine.spool.processing.join(NEW);
    disk::write(&new, lines.as_bytes())?;
    Ok(disk::shift(&new, &list(engine))?)
}

/// True of an extract whose events were taken in before, and that nobody wants told again.
/// One that says only how things are may say it again: they were otherwise since, or its bad
/// rows were mended elsewhere.
pub(super) fn is_duplicate(
    engine: &Engine,
    ledger: &dyn Ledger,
    source: &Source,
) -> Result<bool, EngineError> {
    // A table that came before comes into force again.
    let wanted = engine.again || !source.kind.makes_messages();
    if wanted || !ledger.saw(&source.digest()?)? {
        return Ok(false);
    }
    if asked(engine)?.contains(&source.digest()?.to_string()) {
        return Ok(false);
    }
    let opened = source.open(&engine.agreement.reading, None);
    // What cannot be read was not taken in, so it is not this one's bytes that count.
    Ok(opened.is_ok_and(|(layout, _)| layout.has("event")))
}

/// What was asked for is done, or there is nothing left that it could be done to.
pub(super) fn done(engine: &Engine) -> Result<(), EngineError> {
    Ok(disk::remove(&list(engine))?)
}

fn known(
    path: &Path,
    kind: ExtractKind,
    ledger: &dyn Ledger,
) -> Result<Option<String>, EngineError> {
    let Ok(source) = Source::of(path, "", kind, false) else { return Ok(None) };
    let digest = source.digest()?;
    Ok(ledger.saw(&digest)?.then(|| digest.to_string()))
}

/// Returns the digests of what is to be taken in again.
fn asked(engine: &Engine) -> Result<BTreeSet<String>, EngineError> {
    let list = list(engine);
    let text = disk::if_there(&list, std::fs::read_to_string(&list))?;
    Ok(text.iter().flat_map(|text| text.lines()).map(str::to_string).collect())
}

fn list(engine: &Engine) -> PathBuf {
    engine.spool.processing.join(ASKED)
}
