//! `queue map`: the values that people mapped.

use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::mend::write_preview;
use super::mend_args::Map;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::output::count;
use crate::cli::setup::{Setup, name, setup};
use crate::cli::sign::{person, reason};
use crate::cli::{Failure, Outcome};
use crate::clock::Clock;
use crate::disk;
use crate::domain::{Mapped, wrong_value};
use crate::engine::mend::{maps_to_csv, read_maps_csv};
use crate::engine::{EngineError, Selection};
use crate::ledger::{LedgerError, MapRow, Maps, Put, Sign};

/// Lists, changes, or shows what a change would do.
pub fn map(cli: &Cli, args: &Map) -> Outcome {
    let names: Vec<String> = args.interface.iter().cloned().collect();
    let setup = setup(cli, &names)?;
    let file = setup.program.spool.join("maps.db");
    if args.export || args.log || (args.value.is_none() && args.import.is_none()) {
        return list(args, &file);
    }
    let sign = Sign {
        by: person(),
        why: reason(args.note.as_deref().or(args.preview.then_some("preview")))
            .map_err(|_| Failure::usage("say why with --note \"TEXT\": it is kept with your name"))?
            .to_string(),
        at: Clock::System.unix(),
    };
    if let Some(path) = &args.import {
        let rows = read_maps_csv(&read(path)?, args.interface.as_deref(), &sign)?;
        known(&setup, &rows)?;
        return put(args, &file, &rows);
    }
    let (kind, value) = (kind(args)?, args.value.clone().unwrap_or_default());
    if args.remove {
        return remove(args, &file, kind, &value, &sign);
    }
    let Some(becomes) = args.becomes.clone() else {
        return Err(Failure::usage("say what is meant: queue map KIND VALUE BECOMES"));
    };
    for (which, value) in [("the value", &value), ("what is meant", &becomes)] {
        if let Some(what) = wrong_value(value) {
            return Err(Failure::usage(format!("{which} {what}")));
        }
    }
    let row = MapRow { interface: args.interface.clone(), kind, value, becomes, sign };
    if args.preview { preview(&setup, args, row) } else { put(args, &file, &[row]) }
}

fn kind(args: &Map) -> Result<Mapped, Failure> {
    let word = args.kind.as_deref().unwrap_or_default();
    let known = || Mapped::ALL.map(Mapped::word).join(", ");
    Mapped::of_word(word)
        .ok_or_else(|| Failure::usage(format!("`{word}` is no kind of mapping: {}", known())))
}

/// Every interface that is named is there: a mapping of nobody's helps nobody.
fn known(setup: &Setup, rows: &[MapRow]) -> Result<(), Failure> {
    for row in rows {
        let Some(interface) = &row.interface else { continue };
        let file = setup.program.interfaces.join(format!("{interface}.toml"));
        if !file.is_file() {
            let text = format!("the CSV file: there is no interface `{interface}`");
            return Err(Failure::usage(text));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes),
        false => std::fs::read(path),
    };
    read.map_err(|err| Failure::usage(format!("cannot read {}: {err}", path.display())))
}

fn wrap(err: LedgerError) -> Failure {
    EngineError::Ledger(err).into()
}

fn open(file: &Path) -> Result<Maps, Failure> {
    if let Some(folder) = file.parent() {
        disk::folder(folder)?;
    }
    Maps::open(file).map_err(wrap)
}

fn put(args: &Map, file: &Path, rows: &[MapRow]) -> Outcome {
    match open(file)?.put(rows, args.replace).map_err(wrap)? {
        Put::Taken(first) => {
            let whose = whose(&first);
            Err(Failure::usage(format!(
                "{} {} is mapped to {} for {whose} already, by {} ({}); --replace puts yours in \
                 its place. Nothing was changed",
                first.kind.word(),
                first.value,
                first.becomes,
                first.sign.by,
                first.sign.why
            )))
        }
        Put::Done(changed) => {
            let mut out = io::stdout().lock();
            if args.json {
                writeln!(out, "{}", json!({ "changed": changed, "given": rows.len() }))?;
            } else {
                let changed = count(changed as u64, "mapping", "mappings");
                writeln!(out, "{changed} new or changed; it counts from the next conversion on")?;
                writeln!(out, "  records that wait for it: hl7drop queue group, then resubmit")?;
            }
            Ok(Exit::DONE)
        }
    }
}

fn remove(args: &Map, file: &Path, kind: Mapped, value: &str, sign: &Sign) -> Outcome {
    let interface = args.interface.as_deref();
    let gone = open(file)?.remove(interface, kind, value, sign).map_err(wrap)?;
    let Some(row) = gone else {
        let whose = interface.unwrap_or("all interfaces");
        let text = format!("{} {value} is not mapped for {whose}", kind.word());
        return Err(Failure::usage(text));
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({ "removed": to_json(&row) }))?;
    } else {
        writeln!(out, "{} {value} is mapped no more (it was {})", kind.word(), row.becomes)?;
    }
    Ok(Exit::DONE)
}

fn list(args: &Map, file: &Path) -> Outcome {
    let maps = Maps::peek(file).map_err(wrap)?;
    let mut out = io::stdout().lock();
    if args.log {
        let changes = maps.map(|maps| maps.changes(1000)).transpose().map_err(wrap)?;
        for change in changes.unwrap_or_default() {
            let (was, now, sign) = (&change.was, &change.now, &change.sign);
            let value = json!({
                "verb": change.verb, "about": change.about, "from": was, "to": now,
                "by": sign.by, "why": sign.why, "at": sign.at,
            });
            match args.json {
                true => writeln!(out, "{value}")?,
                false => writeln!(
                    out,
                    "{}: {} {}: {was} -> {now}: {}",
                    sign.by, change.verb, change.about, sign.why
                )?,
            }
        }
        return Ok(Exit::DONE);
    }
    let mut rows = maps.map(|maps| maps.rows()).transpose().map_err(wrap)?.unwrap_or_default();
    if let Some(interface) = &args.interface {
        rows.retain(|row| row.interface.as_ref().is_none_or(|of| of == interface));
    }
    if args.export {
        write!(out, "{}", maps_to_csv(&rows)?)?;
    } else if args.json {
        writeln!(out, "{}", Value::Array(rows.iter().map(to_json).collect()))?;
    } else {
        for row in &rows {
            let (kind, whose) = (row.kind.word(), whose(row));
            let MapRow { value, becomes, sign, .. } = row;
            writeln!(out, "{kind} {value} -> {becomes} ({whose}; {}: {})", sign.by, sign.why)?;
        }
        if rows.is_empty() {
            writeln!(out, "nothing is mapped")?;
        }
    }
    Ok(Exit::DONE)
}

fn whose(row: &MapRow) -> &str {
    row.interface.as_deref().unwrap_or("all interfaces")
}

fn to_json(row: &MapRow) -> Value {
    json!({
        "interface": row.interface, "kind": row.kind.word(), "value": row.value,
        "becomes": row.becomes, "note": row.sign.why, "by": row.sign.by, "at": row.sign.at,
    })
}

/// Shows what would become of the records that wait for the value.
fn preview(setup: &Setup, args: &Map, row: MapRow) -> Outcome {
    let [path] = setup.interfaces.as_slice() else {
        let names: Vec<String> = setup.interfaces.iter().map(|path| name(path)).collect();
        return Err(Failure::usage(format!("name one with --interface: {}", names.join(", "))));
    };
    let engine = setup.open(path)?;
    let waits = engine.groups_of(row.kind, &row.value)?;
    let mut exit = Exit::DONE;
    let mut out = io::stdout().lock();
    let mut any = false;
    for group in waits {
        any = true;
        let which = Selection {
            code: Some(group.code.id().to_string()),
            column: Some(group.column),
            value: group.value,
            ..Selection::default()
        };
        let seen = engine.preview(&which, false, std::slice::from_ref(&row), super::mend::ROWS)?;
        exit = exit.graver(write_preview(&which.about(), &seen, args.json, &mut out)?);
    }
    if !any && !args.json {
        writeln!(out, "no record waits for {} {}", row.kind.word(), row.value)?;
    }
    Ok(exit)
}
