//! `manifest`: which files went out on a day, for who compares them with what arrived.

use std::io::{self, Write};

use serde_json::json;

use super::Outcome;
use super::args::{Cli, Manifest};
use super::exit::Exit;
use super::setup::setup;
use super::sign::day;
use crate::engine::{MANIFEST_COLUMNS, Manifest as Files};

/// Writes the manifests of a day, of each interface that was asked for.
pub fn manifest(cli: &Cli, args: &Manifest) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let mut manifests: Vec<Files> = Vec::new();
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let today = engine.clock.civil(&engine.agreement.scope.timezone).date();
        manifests.push(engine.manifest(day("--day", args.day, today)?)?);
    }
    let mut out = io::stdout().lock();
    if args.named.json {
        writeln!(out, "{}", json!(manifests))?;
        return Ok(Exit::DONE);
    }
    writeln!(out, "{}", MANIFEST_COLUMNS.join(","))?;
    for manifest in &manifests {
        let csv = manifest.to_csv()?;
        // Its header stands above already.
        let rows = csv.splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default();
        out.write_all(rows)?;
    }
    Ok(Exit::DONE)
}
