//! `queue group`: what waits, grouped by its cause.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::mend_args::Group as Args;
use crate::cli::Outcome;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::next::Typed;
use crate::cli::output::count;
use crate::cli::setup::setup;
use crate::engine::Engine;
use crate::engine::mend::Group;

/// Groups what waits in every interface that was asked for.
pub fn group(cli: &Cli, args: &Args) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let (mut all, mut exit) = (Vec::new(), Exit::DONE);
    for path in &setup.interfaces {
        let engine = setup.open(path)?;
        let groups = engine.groups()?;
        if !groups.is_empty() {
            exit = exit.graver(Exit::WAITING);
        }
        if args.named.json {
            let interface = engine.agreement.scope.interface.as_str();
            all.extend(groups.iter().map(|group| to_json(interface, group)));
        } else {
            write(cli, &engine, &groups, &mut io::stdout().lock())?;
        }
    }
    if args.named.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

fn write(cli: &Cli, engine: &Engine, groups: &[Group], out: &mut dyn Write) -> io::Result<()> {
    let records: u64 = groups.iter().map(|group| group.records).sum();
    writeln!(out, "{}: {}", engine.owner(), count(records, "record waits", "records wait"))?;
    let typed = Typed::new(cli, engine);
    for group in groups {
        let Group { code, column, value, records, kind, .. } = group;
        let records = count(*records, "record", "records");
        let state = code.owner().queue_state();
        let column = if column.is_empty() { "row" } else { column };
        let of = value.as_ref().map_or(String::new(), |value| format!(" {value}"));
        writeln!(out, "  {records}: {column}{of}: {} ({}, {state})", code.text(), code.id())?;
        if let Some((kind, value)) = kind.zip(value.as_ref()) {
            writeln!(out, "    map it:         {}", typed.map(kind.word(), value))?;
        }
        writeln!(out, "    what to do:     {}", code.hint())?;
        let again = typed.resubmit(code.id(), column, value.as_deref());
        writeln!(out, "    once mended:    {again}")?;
    }
    Ok(())
}

fn to_json(interface: &str, group: &Group) -> Value {
    json!({
        "interface": interface,
        "code": group.code.id(),
        "state": group.code.owner().queue_state().to_string(),
        "column": group.column,
        "value": group.value,
        "field": group.field.map(|field| field.to_string()),
        "records": group.records,
        "since": group.since,
        "mapping": group.kind.map(|kind| kind.word()),
        "what": group.code.text(),
        "what_to_do": group.code.hint(),
    })
}
