//! `queue show`: one message, whole. It shows patient data, and that it did is written
//! down first.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::args::Show;
use super::search;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::output::time;
use crate::cli::setup::{name, setup};
use crate::cli::sign::sign;
use crate::cli::status::delivery_json;
use crate::cli::{Failure, Outcome};
use crate::engine::{Engine, Whole};
use crate::ledger::Stage;

/// Shows one message or row.
pub fn show(cli: &Cli, args: &Show) -> Outcome {
    let names: Vec<String> = args.interface.iter().cloned().collect();
    let setup = setup(cli, &names)?;
    let [path] = setup.interfaces.as_slice() else {
        let all: Vec<String> = setup.interfaces.iter().map(|path| name(path)).collect();
        return Err(Failure::usage(format!("say which with --interface: {}", all.join(", "))));
    };
    let engine = setup.open(path)?;
    let whole = engine.whole(args.message)?;
    // Not shown before it is written down who sees it.
    engine.viewed(&args.message.to_string(), &sign(&engine, "queue show"))?;
    let mut out = io::stdout().lock();
    if args.raw {
        let raw = whole.raw.unwrap_or_else(|| Err("a row that made no message has no HL7".into()));
        let raw = raw.map_err(|text| Failure { exit: Exit::LOCAL, text })?;
        out.write_all(raw.as_bytes())?;
    } else if args.json {
        writeln!(out, "{}", to_json(&whole))?;
    } else {
        write(&engine, &whole, &mut out)?;
    }
    Ok(Exit::DONE)
}

fn write(engine: &Engine, whole: &Whole, out: &mut dyn Write) -> io::Result<()> {
    let zone = &engine.agreement.scope.timezone;
    writeln!(out, "{}", search::line(&whole.hit, zone))?;
    writeln!(out, "\nHistory")?;
    if let Some(row) = &whole.extract {
        let extract = &row.extract;
        writeln!(out, "  {}  {} was taken in", time(extract.taken_at, zone), extract.name)?;
    }
    for row in &whole.deliveries {
        let made = time(row.batch.made_at, zone);
        writeln!(out, "  {made}  batch {} was made for {}", row.batch.name, row.endpoint)?;
        if let Some(failure) = &row.failure {
            writeln!(out, "  {}  {}", time(failure.at, zone), failure.what)?;
        }
        match &row.receipt {
            Some(receipt) => writeln!(
                out,
                "  {}  {} has it: {} ({}, {} bytes)",
                time(receipt.at, zone),
                receipt.server,
                receipt.path,
                receipt.evidence,
                receipt.bytes
            )?,
            None if row.stage != Stage::Delivered => {
                writeln!(out, "  {}: {}, tries: {}", row.endpoint, row.stage, row.tries)?;
            }
            None => {}
        }
    }
    for row in &whole.answers {
        let (at, code) = (time(row.at, zone), row.answer.code.word());
        writeln!(out, "  {at}  {} answered {code}: {}", row.endpoint, row.answer.what)?;
    }
    for row in &whole.actions {
        let at = time(row.sign.at, zone);
        writeln!(out, "  {at}  {}: {} {}: {}", row.sign.by, row.verb, row.about, row.sign.why)?;
    }
    writeln!(out, "\nSource row")?;
    match &whole.source {
        Ok(text) => text.lines().try_for_each(|line| writeln!(out, "  {line}"))?,
        Err(why) => writeln!(out, "  {why}")?,
    }
    match &whole.raw {
        None => return Ok(()),
        Some(Err(why)) => return writeln!(out, "\nMessage\n  {why}"),
        Some(Ok(_)) => writeln!(out, "\nMessage")?,
    }
    for field in &whole.fields {
        writeln!(out, "  {:<8} {:<36} {}", field.path, field.name, field.value)?;
        if let Some(rule) = &field.rule {
            writeln!(out, "  {:<8} {:<36}   {rule}", "", "")?;
        }
    }
    Ok(())
}

fn to_json(whole: &Whole) -> Value {
    let part = |part: &Result<String, String>| match part {
        Ok(text) => json!({ "text": text, "missing": null }),
        Err(why) => json!({ "text": null, "missing": why }),
    };
    let fields = whole.fields.iter().map(|field| {
        json!({
            "field": field.path, "name": field.name, "value": field.value, "rule": field.rule,
        })
    });
    let answers = whole.answers.iter().map(|row| {
        let (code, what) = (row.answer.code.word(), &row.answer.what);
        json!({ "endpoint": row.endpoint, "code": code, "what": what, "at": row.at })
    });
    let actions = whole.actions.iter().map(|row| {
        let sign = &row.sign;
        json!({
            "verb": row.verb, "about": row.about, "by": sign.by, "why": sign.why, "at": sign.at,
        })
    });
    json!({
        "message": search::to_json(&whole.hit),
        "raw": whole.raw.as_ref().map(part),
        "fields": fields.collect::<Vec<_>>(),
        "source_row": part(&whole.source),
        "taken_at": whole.extract.as_ref().map(|row| row.extract.taken_at),
        "deliveries": whole.deliveries.iter().map(delivery_json).collect::<Vec<_>>(),
        "answers": answers.collect::<Vec<_>>(),
        "actions": actions.collect::<Vec<_>>(),
    })
}
