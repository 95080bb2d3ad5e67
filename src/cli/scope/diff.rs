//! `scope diff`: what is different between two scopes, in words.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::args::Diff;
use super::{bug, find};
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::setup::{self, scope_of};
use crate::cli::{Failure, Outcome};
use crate::convert::Map;
use crate::engine::EngineError;
use crate::papers::agreed::Agreed;

/// Compares.
pub fn diff(cli: &Cli, args: &Diff) -> Outcome {
    let old = agreed(&find(cli, &args.old)?)?;
    let changes = old.changes(&agreed(&find(cli, &args.new)?)?);
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!(changes))?;
    } else if changes.is_empty() {
        writeln!(out, "the same scope; what the vendor was promised is no different")?;
    }
    if !args.json {
        changes.iter().try_for_each(|change| writeln!(out, "{change}"))?;
    }
    Ok(Exit::DONE)
}

/// Returns what an interface file promises.
pub fn agreed(path: &Path) -> Result<Agreed, Failure> {
    let (text, folder) = setup::text(path)?;
    let scope = scope_of(path, &text, &folder)?;
    let map = Map::agreed(&scope).map_err(EngineError::from)?;
    Agreed::of(&text, &scope, &map).map_err(bug)
}
