//! Requests that bring the process down: one that does so again and again goes to `error/`,
//! or no pass would ever come to anything else (`poison.rs` does the same for extracts).
//!
//! While a request is carried out, `processing/request.toml` names it. Found again it means
//! that the process died over it; a power cut looks the same, hence `poison_after` of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;

/// What is carried out, and how often the process died over it.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    request: String,
    deaths: u64,
}

/// Notes that a request is carried out now. Returns how often the process died over it,
/// where that is too often: then it is not to be tried any more.
///
/// # Errors
/// The disk's.
pub fn begin(engine: &Engine, request: &str) -> Result<Option<u64>, EngineError> {
    let path = note(engine);
    let before = disk::if_there(&path, std::fs::read_to_string(&path))?;
    let before = before.and_then(|text| toml::from_str(&text).ok());
    let deaths =
        before.filter(|note: &Note| note.request == request).map_or(0, |note| note.deaths + 1);
    if deaths >= engine.agreement.scope.pickup.poison_after {
        return Ok(Some(deaths));
    }
    let text = toml::to_string(&Note { request: request.to_string(), deaths });
    disk::write(&path, text.unwrap_or_default().as_bytes())?;
    Ok(None)
}

/// Notes that nobody died.
///
/// # Errors
/// The disk's.
pub fn end(engine: &Engine) -> Result<(), EngineError> {
    Ok(disk::remove(&note(engine))?)
}

fn note(engine: &Engine) -> PathBuf {
    engine.spool.processing.join("request.toml")
}
