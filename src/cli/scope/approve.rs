//! `scope approve`: who approved the scope as it is, and when; and the list of all who did.

use std::io::{self, Write};

use serde_json::json;

use super::args::{Approvals, Approve};
use super::find;
use crate::cli::Outcome;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::output::{count, time};
use crate::cli::setup;
use crate::cli::sign::{NAME_CHARS_MAX, day, line, person};
use crate::clock::Clock;
use crate::config::interface;
use crate::domain::Approval;
use crate::engine::{self, EngineError, approvals_file};
use crate::papers::agreed::Agreed;

/// Notes down an approval.
pub fn approve(cli: &Cli, args: &Approve) -> Outcome {
    let name = line("--name", &args.name, NAME_CHARS_MAX)?;
    let path = find(cli, &args.interface)?;
    let (text, folder) = setup::own_text(&path)?;
    // What is approved is production, whatever the file is switched to.
    let scope = interface::read_as_production(&text, &folder)
        .map_err(|problems| setup::failure(&path, &problems))?;
    let map = crate::convert::Map::agreed(&scope).map_err(EngineError::from)?;
    let agreed = Agreed::of(&text, &scope, &map).map_err(super::bug)?;
    let clock = Clock::System;
    let date = day("--date", args.date, clock.civil(&scope.timezone).date())?;
    let spool = setup::program_of(cli)?.spool;
    let approval = Approval {
        name,
        date: date.to_string(),
        at: clock.unix(),
        by: person(),
        digest: agreed.digest().to_string(),
        scope: agreed.text(),
    };
    let before = engine::approve(&scope, &spool, &approval)?;
    let mut out = io::stdout().lock();
    let lines = count(agreed.lines.len() as u64, "line", "lines");
    writeln!(out, "approved by {} on {}: {lines}", approval.name, approval.date)?;
    writeln!(out, "  digest {}", approval.digest)?;
    writeln!(out, "  kept in {}", approvals_file(&scope, &spool).display())?;
    if let Some(before) = before {
        writeln!(out, "  since {} approved on {}:", before.name, before.date)?;
        let changes = Agreed::read(&before.scope).changes(&agreed);
        if changes.is_empty() {
            writeln!(out, "    nothing changed")?;
        }
        changes.iter().try_for_each(|change| writeln!(out, "    {change}"))?;
    }
    Ok(Exit::DONE)
}

/// Lists the approvals, oldest first.
pub fn approvals(cli: &Cli, args: &Approvals) -> Outcome {
    let path = find(cli, &args.interface)?;
    let scope = setup::scope(&path)?;
    let spool = setup::program_of(cli)?.spool;
    let approvals = engine::approvals(&scope, &spool).map_err(EngineError::from)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!(approvals))?;
        return Ok(Exit::DONE);
    }
    if approvals.is_empty() {
        writeln!(out, "nobody has approved the scope yet")?;
    }
    for Approval { name, date, at, by, digest, .. } in &approvals {
        let at = time(*at, &scope.timezone);
        writeln!(out, "{date}  {name}\n  digest {digest}\n  written down by {by} at {at}")?;
    }
    Ok(Exit::DONE)
}
