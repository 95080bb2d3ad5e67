//! `scope show`: the whole scope as a document.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::args::{PaperFormat, Show};
use super::{bug, find};
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::setup::{self, scope_of};
use crate::cli::{Failure, Outcome};
use crate::disk;
use crate::engine::{EngineError, approvals, resolved_names};
use crate::package;
use crate::papers::scope::{Sources, document};

/// Writes the document.
pub fn show(cli: &Cli, args: &Show) -> Outcome {
    if let Some(output) = args.output.as_ref().filter(|output| output.exists()) {
        let text = format!("{} is there already; nothing was changed", output.display());
        return Err(Failure::usage(text));
    }
    let path = find(cli, &args.interface)?;
    let (text, folder) = setup::text(&path)?;
    let scope = scope_of(&path, &text, &folder)?;
    // A file without a program around it has no reference tables to look names up in,
    // and no approvals.
    let (resolved, approvals) = match setup::setup(cli, &[]) {
        Ok(setup) => {
            let resolved = resolved_names(&setup.open(&path)?)?;
            let approvals = approvals(&scope, &setup.program.spool).map_err(EngineError::from)?;
            (resolved, approvals)
        }
        Err(_) => (BTreeMap::new(), Vec::new()),
    };
    let sources =
        Sources { text: &text, scope: &scope, resolved: &resolved, approvals: &approvals };
    let paper = document(&sources).map_err(bug)?;
    let bytes = match args.format {
        PaperFormat::Md => package::markdown(&paper).into_bytes(),
        PaperFormat::Html => package::html(&paper).into_bytes(),
        PaperFormat::Docx => package::docx(&paper).map_err(|err| bug(err.to_string()))?,
    };
    match &args.output {
        Some(output) => disk::write(output, &bytes)?,
        None => io::stdout().lock().write_all(&bytes)?,
    }
    Ok(Exit::DONE)
}
