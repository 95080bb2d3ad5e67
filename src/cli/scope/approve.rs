//! `scope approve`: who approved the scope as it is, and when.

use std::io::{self, Write};

use super::args::Approve;
use super::find;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::output::count;
use crate::cli::setup;
use crate::cli::sign::person;
use crate::cli::{Failure, Outcome};
use crate::clock::Clock;
use crate::config::interface;
use crate::engine::EngineError;
use crate::papers::agreed::Agreed;
use crate::papers::approval::{self, ApprovalError, Signature};

/// As much as a name, a title and a company need.
const NAME_CHARS_MAX: usize = 120;

/// Notes down an approval.
pub fn approve(cli: &Cli, args: &Approve) -> Outcome {
    let name = args.name.trim();
    let length = name.chars().count();
    if name.chars().any(char::is_control) || length == 0 || length > NAME_CHARS_MAX {
        let text = format!("--name takes one line of at most {NAME_CHARS_MAX} characters");
        return Err(Failure::usage(text));
    }
    let path = find(cli, &args.interface)?;
    let (text, folder) = setup::text(&path)?;
    // What is approved is production, whatever the file is switched to.
    let scope = interface::read_as_production(&text, &folder)
        .map_err(|problems| setup::failure(&path, &problems))?;
    let map = crate::convert::Map::agreed(&scope).map_err(EngineError::from)?;
    let agreed = Agreed::of(&text, &scope, &map).map_err(super::bug)?;
    let clock = Clock::System;
    let today = clock.civil(&scope.timezone).date();
    let date = args.date.unwrap_or(today);
    if date > today {
        let text = format!("--date {date} is not there yet; today is {today}");
        return Err(Failure::usage(text));
    }
    let before = approval::read(&path).map_err(failed)?.into_iter().next_back();
    let signature = Signature {
        name: name.to_string(),
        date: date.to_string(),
        at: clock.unix(),
        by: person(),
    };
    let approval = approval::add(&path, &agreed, signature).map_err(failed)?;
    let mut out = io::stdout().lock();
    let lines = count(agreed.lines.len() as u64, "line", "lines");
    writeln!(out, "approved by {} on {}: {lines}", approval.name, approval.date)?;
    writeln!(out, "  digest {}", approval.digest)?;
    writeln!(out, "  kept in {}", approval::path_of(&path).display())?;
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

fn failed(err: ApprovalError) -> Failure {
    match err {
        ApprovalError::Disk(err) => err.into(),
        err => Failure { exit: Exit::LOCAL, text: err.to_string() },
    }
}
