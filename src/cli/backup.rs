//! `backup`, `restore`: all that a site knows, taken while it works, and the way back.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use super::args::Cli;
use super::exit::{self, Exit};
use super::output::{complain, count, number, progress, time};
use super::setup;
use super::sign::{person, reason};
use super::{Failure, Outcome};
use crate::clock::Clock;
use crate::config::program;
use crate::engine::backup::{Manifest, Place, Plan, Restored, Was, plan, restore as put, save};
use crate::ledger::Sign;

/// How many names of a list are shown.
const NAMES: usize = 10;

/// `backup`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Backup {
    /// The folder that is written, new or empty; it holds patient data
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Write JSON for machines: the manifest
    #[arg(long)]
    pub json: bool,
}

/// `restore`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Restore {
    /// The folder that `backup` wrote
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Interfaces; none: all that are in it
    #[arg(value_name = "INTERFACE")]
    pub interfaces: Vec<String>,
    /// Why; kept in the ledger with your name and the time, so name no patient
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// Hold every file to its digest and say what would be done; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// Takes a backup.
pub fn backup(cli: &Cli, args: &Backup) -> Outcome {
    let place = place(cli, None)?;
    let saved = save(&place, &args.dir, progress().as_ref())?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!(saved.manifest))?;
    } else {
        for note in &saved.manifest.ledgers {
            let (file, control) = (number(note.file - 1), number(note.control - 1));
            writeln!(out, "{}: batch file {file}, message {control}", note.owner())?;
        }
        let files = count(saved.manifest.files.len() as u64, "file", "files");
        let dir = args.dir.display();
        writeln!(out, "{files}, {} bytes in {dir}, read and whole", number(saved.bytes))?;
    }
    for left in &saved.manifest.left_out {
        complain(left);
    }
    Ok(if saved.manifest.left_out.is_empty() { Exit::DONE } else { Exit::WAITING })
}

/// Puts a backup back.
pub fn restore(cli: &Cli, args: &Restore) -> Outcome {
    let place = place(cli, Some(&args.dir))?;
    let now = place.clock.unix();
    if args.dry_run {
        let (manifest, plans) = plan(&place, &args.dir, &args.interfaces)?;
        let foreseen: Vec<Restored> =
            plans.iter().map(|plan| plan.foreseen(&manifest, now)).collect();
        tell(&manifest, &foreseen, args)?;
        let newer = |plan: &&Plan| matches!(plan.was, Was::Newer(_));
        if let Some(plan) = plans.iter().find(newer) {
            let owner = plan.note.owner();
            return Err(Failure::usage(format!("{owner} would be refused: its ledger is newer")));
        }
        return Ok(Exit::DONE);
    }
    let sign = Sign { by: person(), why: reason(args.why.as_deref())?.to_string(), at: now };
    let (manifest, done) = put(&place, &args.dir, &args.interfaces, &sign)?;
    tell(&manifest, &done, args)?;
    let same = |one: &Restored| one.was == Was::Same.to_string();
    Ok(if done.iter().all(same) { Exit::DONE } else { Exit::WAITING })
}

/// Returns where the site is. Where the program's file is lost, that of the backup counts.
fn place(cli: &Cli, backup: Option<&Path>) -> Result<Place, Failure> {
    let file = setup::program_file(cli)?;
    let read = match backup {
        Some(backup) if !file.exists() => {
            let (text, _) = setup::text(&backup.join("settings/hl7drop.toml"))?;
            let folder = setup::folder_of(&file);
            program::read(&text, &folder).map_err(|problems| setup::failure(&file, &problems))?
        }
        _ => setup::program(&file)?,
    };
    let (settings, spool) = (read.interfaces, read.spool);
    Ok(Place { program: file, settings, spool, clock: Clock::System })
}

fn tell(manifest: &Manifest, all: &[Restored], args: &Restore) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        return writeln!(out, "{}", json!(all));
    }
    let at = time(manifest.made_at, &TimeZone::UTC);
    let files = count(manifest.files.len() as u64, "file", "files");
    let program = &manifest.program;
    writeln!(out, "backup of {at} UTC by hl7drop {program}: {files}, each as it was written")?;
    for one in all {
        writeln!(out, "{}/{}: the ledger here: {}", one.interface, one.environment, one.was)?;
        if one.was == Was::Same.to_string() {
            writeln!(out, "  left as it is")?;
            continue;
        }
        write_one(one, args.dry_run, &mut out)?;
    }
    if args.dry_run {
        writeln!(out, "nothing was changed: --dry-run")?;
    }
    Ok(())
}

fn write_one(one: &Restored, dry: bool, out: &mut dyn Write) -> io::Result<()> {
    let (file, control) = (number(one.next_file), number(one.next_control));
    writeln!(out, "  next numbers: file {file}, message {control}; none is given twice")?;
    let list = |out: &mut dyn Write, what: &str, names: &[String]| match names {
        [] => Ok(()),
        names => {
            let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
            let more = names.len().saturating_sub(NAMES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(out, "  {what}: {shown}{more}")
        }
    };
    list(out, "went out since the backup", &one.sent_since)?;
    list(out, "promised since, and perhaps sent: ask the vendor", &one.promised_since)?;
    list(out, "waited then, and went out since: counts as delivered", &one.delivered)?;
    list(out, "taken in since", &one.extracts_since)?;
    if let Some(aside) = &one.aside {
        writeln!(out, "  set aside, all of it: {}", aside.display())?;
    }
    for (batch, endpoint) in &one.uncertain {
        writeln!(
            out,
            "  uncertain: {batch} to {endpoint}; ask the vendor, then: hl7drop delivery"
        )?;
    }
    if !dry {
        let name = &one.interface;
        writeln!(
            out,
            "  nothing leaves by itself. Drop again what was dropped since, see what it"
        )?;
        writeln!(out, "  makes (hl7drop status {name}), and mark what the vendor has:")?;
        writeln!(out, "    hl7drop queue mark-delivered BATCH --interface {name} --why \"TEXT\"")?;
        writeln!(out, "    hl7drop queue release --interface {name} --why \"TEXT\"")?;
        writeln!(out, "  step by step: docs/backup.md")?;
    }
    Ok(())
}
