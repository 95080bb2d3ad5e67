//! `testplan report`: both phases, and what is missing before go-live.

use std::io::{self, Write};

use serde_json::json;

use super::args::{Report, ReportFormat};
use super::{Opened, opened};
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::setup;
use crate::cli::{Failure, Outcome};
use crate::config::interface;
use crate::disk;
use crate::engine::standing;
use crate::engine::testplan::Terms;
use crate::engine::testplan::folder::Folder;
use crate::package::{html, markdown};
use crate::papers::testplan::report::{Around, paper, report as reported};

/// Writes the report.
pub fn report(cli: &Cli, args: &Report) -> Outcome {
    if let Some(output) = args.output.as_ref().filter(|output| output.exists()) {
        let text = format!("{} is there already; nothing was changed", output.display());
        return Err(Failure::usage(text));
    }
    let opened = opened(cli, &args.which)?;
    let folder = Folder::open(&opened.folder)?;
    let results = folder.results()?;
    let around = Around {
        changes: Terms::of(&opened.engine, &opened.text)?.changes(&folder.plan),
        altered: folder.altered(&results)?,
        production: production(&opened)?,
    };
    let report = reported(&folder.plan, &results, &around);
    let text = match args.format {
        ReportFormat::Md => markdown(&paper(&report)),
        ReportFormat::Html => html(&paper(&report)),
        ReportFormat::Json => format!("{}\n", json!(report)),
    };
    match &args.output {
        Some(output) => disk::write(output, text.as_bytes())?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(if report.missing.is_empty() { Exit::DONE } else { Exit::WAITING })
}

/// Says why production may not send yet.
fn production(opened: &Opened) -> Result<Option<String>, Failure> {
    let folder = setup::folder_of(&opened.path);
    let Ok(scope) = interface::read_as_production(&opened.text, &folder) else {
        return Ok(Some("[connectivity.production] is not filled in".to_string()));
    };
    let standing = standing(&opened.text, &scope, &opened.setup.program.spool)?;
    Ok((!standing.allows()).then(|| standing.to_string().replace("\n ", ";")))
}
