//! Extracts that cannot be taken in: to `error/`, each with its reason.

use std::path::Path;

use super::error::EngineError;
use super::intake::Taken;
use super::pass::Engine;
use super::poison::{self, Tries};
use super::source::Source;
use crate::extract::ExtractError;

/// Puts extracts that bring the process down into `error/`; see `poison.rs`.
pub fn without_poison(
    engine: &Engine,
    sources: &mut Vec<Source>,
    taken: &mut Taken,
) -> Result<Tries, EngineError> {
    let most = engine.agreement.scope.pickup.poison_after;
    let (tries, poison) = Tries::begin(&engine.spool.processing, sources, most)?;
    for (source, what) in poison {
        refuse(engine, &source.path, &source.name, what, poison::HINT, taken)?;
    }
    Ok(tries)
}

/// Puts an extract that cannot be read into `error/`.
pub fn unreadable(
    engine: &Engine,
    path: &Path,
    name: &str,
    err: &ExtractError,
    taken: &mut Taken,
) -> Result<(), EngineError> {
    refuse(engine, path, name, err.to_string(), err.hint(), taken)
}

/// Puts an extract into `error/`, with its why-file.
fn refuse(
    engine: &Engine,
    path: &Path,
    name: &str,
    what: String,
    hint: &str,
    taken: &mut Taken,
) -> Result<(), EngineError> {
    let at = engine.clock.civil(&engine.agreement.scope.timezone).to_string();
    let why = toml::Table::from_iter([
        ("file".to_string(), name.into()),
        ("at".to_string(), at.into()),
        ("what".to_string(), what.clone().into()),
        ("what_to_do".to_string(), hint.into()),
    ]);
    engine.spool.shelve_error(path, &why.to_string())?;
    log::error!("{name} went to error/: {what}; {hint}");
    taken.refused.push((name.to_string(), what, hint.to_string()));
    Ok(())
}
