//! `run`: passes until nothing is left, then a summary.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Outcome;
use super::args::{Cli, Run};
use super::exit::Exit;
use super::keepers::Keepers;
use super::next::{Typed, next_steps};
use super::output::{self, complain, count, number};
use super::prune::write_pruned;
use super::queue::write_mended;
use super::setup::{name, setup};
use super::sign::sign;
use crate::domain::QueueState;
use crate::engine::{Acks, Delivered, Engine, Fate, Overdue, Pruned, Response, Summary, Taken};
use crate::ledger::Failure;

/// Runs every interface that was asked for; one that fails does not stop the others.
pub fn run(cli: &Cli, args: &Run) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let mut exit = Exit::DONE;
    let mut results = Vec::new();
    let mut told = Ok(());
    let mut keepers = Keepers::new(&setup);
    for path in &setup.interfaces {
        let opened = setup.open(path);
        keepers.opened(path, opened.as_ref().err());
        let run = opened.and_then(|mut engine| {
            engine.again = args.again;
            let retry = args.retry.then(|| sign(&engine, "run --retry"));
            let ran = engine.run(retry.as_ref());
            keepers.ran(cli, &engine, ran.as_ref().err());
            Ok((engine, ran?))
        });
        let mut out = io::stdout().lock();
        match run {
            Ok((engine, summary)) => {
                exit = exit.graver(exit_of(&summary));
                if args.named.json {
                    results.push(to_json(&engine, &summary));
                } else {
                    // Nobody reading it is no reason to stop the other interfaces.
                    told = told.and(write_summary(cli, &engine, &summary, &mut out));
                }
            }
            Err(failure) => {
                exit = exit.graver(failure.exit);
                complain(&format!("{}: {}", name(path), failure.text));
                let error = failure.text;
                results.push(json!({ "interface": name(path), "error": error }));
            }
        }
    }
    // At last: nobody's rows wait for a mail server.
    keepers.tell();
    if args.named.json {
        told = writeln!(io::stdout().lock(), "{}", Value::Array(results));
    }
    match told {
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => Err(err.into()),
        _ => Ok(exit),
    }
}

/// Returns what a run that went through ends with.
pub fn exit_of(summary: &Summary) -> Exit {
    let waits = summary.totals.states.iter().any(|(state, count)| state.is_error() && *count > 0);
    let refused = summary.drops.iter().any(|taken| !taken.refused.is_empty());
    let odd = summary.acks.responses.iter().any(|one| matches!(one.fate, Fate::Odd(_)));
    let mut exit = if waits || refused || odd { Exit::WAITING } else { Exit::DONE };
    if summary.held.is_some() {
        exit = exit.graver(if summary.guarded { Exit::WAITING } else { Exit::LOCAL });
    }
    let unanswered = !summary.acks.overdue.is_empty() || !summary.acks.failures.is_empty();
    if unanswered || summary.deliveries.iter().any(|delivered| delivered.outcome.is_err()) {
        exit = exit.graver(Exit::DELIVERY);
    }
    exit
}

fn write_summary(
    cli: &Cli,
    engine: &Engine,
    summary: &Summary,
    out: &mut dyn Write,
) -> io::Result<()> {
    let typed = Typed::new(cli, engine);
    writeln!(out, "{}", engine.owner())?;
    for taken in &summary.drops {
        write_taken(taken, out)?;
    }
    if let Some(held) = &summary.held {
        writeln!(out, "  {held}")?;
    }
    if summary.guarded {
        writeln!(out, "    what to do: {}", typed.held(""))?;
    }
    for delivered in &summary.deliveries {
        write_delivered(&typed, delivered, out)?;
    }
    if let Some(row) = summary.backfill.as_ref().filter(|row| !row.stage.is_over()) {
        let (taken, slices) = (number(row.taken), number(row.slices));
        let stage = row.stage.word();
        writeln!(out, "  backfill {} is {stage}: {taken} of {slices} files taken in", row.id)?;
    }
    write_acks(&typed, &summary.acks, out)?;
    if summary.pruned != Pruned::default() {
        write_pruned(&summary.pruned, out)?;
    }
    for mended in &summary.mended {
        write!(out, "  asked for: ")?;
        write_mended(&typed, mended, out)?;
    }
    if summary.drops.is_empty()
        && summary.deliveries.is_empty()
        && summary.held.is_none()
        && summary.mended.is_empty()
        && summary.acks.responses.is_empty()
        && summary.acks.failures.is_empty()
    {
        match summary.left.strangers.is_empty() && summary.left.unsettled.is_empty() {
            true => writeln!(out, "  nothing to do")?,
            false => write_left(&summary.left, out)?,
        }
    }
    let waiting: Vec<String> = summary
        .totals
        .states
        .iter()
        .filter(|(state, count)| state.is_error() && **count > 0)
        .map(|(state, count)| format!("{} {}", number(*count), whose(*state)))
        .collect();
    if !waiting.is_empty() {
        writeln!(out, "  waiting for a person: {}", waiting.join(", "))?;
        writeln!(out, "  their reasons: {}", typed.queue())?;
        if summary.rejected > 0 {
            writeln!(out, "  refused by a receiver: {}", typed.acks())?;
        }
    }
    Ok(())
}

fn write_acks(typed: &Typed, acks: &Acks, out: &mut dyn Write) -> io::Result<()> {
    for Response { endpoint, file, fate } in &acks.responses {
        write!(out, "  response {file} of {endpoint}: ")?;
        match fate {
            Fate::Read { accepted, rejected, batches } => writeln!(
                out,
                "{} accepted, {} refused by name; about {}",
                number(*accepted),
                number(*rejected),
                batches.join(", ")
            )?,
            Fate::Again => writeln!(out, "the same bytes were read before")?,
            Fate::Odd(why) => {
                writeln!(out, "now in responses/odd/: {why}")?;
                writeln!(out, "    what to do: ask the vendor for a correct one")?;
            }
        }
    }
    for (endpoint, failure) in &acks.failures {
        writeln!(out, "  no look for response files of {endpoint}: {}", failure.what)?;
        if failure.stopped {
            writeln!(out, "    when the cause is mended: {}", typed.run(" --retry"))?;
        }
    }
    for late in &acks.overdue {
        let messages = count(late.messages, "message", "messages");
        let Overdue { batch, endpoint, .. } = late;
        writeln!(out, "  NOT acknowledged in time: {batch} by {endpoint} ({messages})")?;
        writeln!(out, "    what to do: ask the vendor; then {}", typed.acks())?;
    }
    Ok(())
}

fn whose(state: QueueState) -> String {
    let owner = match state {
        QueueState::Error => "the practice",
        QueueState::CboError => "billing",
        _ => "the operator",
    };
    format!("{state} ({owner})")
}

fn write_taken(taken: &Taken, out: &mut dyn Write) -> io::Result<()> {
    for (source, account) in &taken.accounts {
        let counts = &account.counts;
        let made = if source.kind.makes_messages() {
            format!(" -> {}", count(counts.messages, "message", "messages"))
        } else {
            String::new()
        };
        writeln!(out, "  {}: {}{made}", source.name, output::account(counts))?;
        for (note, times) in &account.notes.0 {
            writeln!(out, "    {} {}", number(*times), note.text())?;
        }
        if !account.unknown.is_empty() {
            writeln!(out, "    columns not known and not used: {}", account.unknown.join(", "))?;
        }
    }
    for name in &taken.duplicates {
        writeln!(out, "  {name}: the same bytes were taken in before; archived, not sent again")?;
        writeln!(out, "    what to do: nothing; or drop it once more and `run --again`")?;
    }
    for (name, what, hint) in &taken.refused {
        writeln!(out, "  {name}: now in error/, nothing of it was sent: {what}")?;
        writeln!(out, "    what to do: {hint}")?;
    }
    write_left(taken, out)
}

/// Tells what stays in the inbox.
fn write_left(taken: &Taken, out: &mut dyn Write) -> io::Result<()> {
    for name in &taken.strangers {
        writeln!(out, "  {name}: left in the inbox, it matches no pattern of [extract]")?;
    }
    for name in &taken.unsettled {
        writeln!(out, "  {name}: left in the inbox until it is written, or what it waits for is")?;
    }
    Ok(())
}

fn write_delivered(typed: &Typed, delivered: &Delivered, out: &mut dyn Write) -> io::Result<()> {
    let messages = count(delivered.messages, "message", "messages");
    match &delivered.outcome {
        Ok(receipt) => writeln!(
            out,
            "  {}: {messages} delivered to {} at {} ({})",
            delivered.file, receipt.path, receipt.server, receipt.evidence
        ),
        Err(failure) => {
            let Delivered { file, endpoint, .. } = delivered;
            writeln!(out, "  {file}: {messages} NOT delivered to {endpoint}: {}", failure.what)?;
            next_steps(typed, (&delivered.file, &delivered.endpoint), delivered.stage, failure)
                .iter()
                .try_for_each(|step| writeln!(out, "    {step}"))
        }
    }
}

fn to_json(engine: &Engine, summary: &Summary) -> Value {
    let taken = |taken: &Taken| {
        let extracts: Vec<Value> = taken
            .accounts
            .iter()
            .map(|(source, account)| {
                json!({
                    "file": &*source.name,
                    "kind": source.kind.word(),
                    "sha256": source.digest().ok().map(|digest| digest.to_string()),
                    "counts": account.counts,
                    "notes": account.notes.0,
                    "unknown_columns": account.unknown,
                })
            })
            .collect();
        let refused: Vec<Value> = taken
            .refused
            .iter()
            .map(|(file, what, hint)| json!({ "file": file, "what": what, "what_to_do": hint }))
            .collect();
        let left: Vec<&String> = taken.strangers.iter().chain(&taken.unsettled).collect();
        json!({
            "extracts": extracts,
            "refused": refused,
            "duplicates": taken.duplicates,
            "left_in_inbox": left,
            "batch": taken.batches.first().map(|batch| &batch.name),
            "batches": taken.batches.iter().map(|batch| &batch.name).collect::<Vec<_>>(),
        })
    };
    let delivered = |delivered: &Delivered| {
        json!({
            "batch": delivered.file,
            "endpoint": delivered.endpoint,
            "messages": delivered.messages,
            "stage": delivered.stage,
            "receipt": delivered.outcome.as_ref().ok(),
            "failure": delivered.outcome.as_ref().err(),
        })
    };
    json!({
        "interface": engine.agreement.scope.interface.as_str(),
        "environment": engine.agreement.scope.environment.word(),
        "held": summary.held,
        "held_for_a_person": summary.guarded,
        "drops": summary.drops.iter().map(taken).collect::<Vec<_>>(),
        "deliveries": summary.deliveries.iter().map(delivered).collect::<Vec<_>>(),
        "acknowledgements": acks_json(&summary.acks),
        "requests": summary.mended,
        "left": { "messages": summary.pruned.messages, "files": summary.pruned.files },
        "states": super::status::states(&summary.totals),
    })
}

fn acks_json(acks: &Acks) -> Value {
    let response = |Response { endpoint, file, fate }: &Response| {
        let mut value = json!({
            "endpoint": endpoint, "file": file, "accepted": null, "rejected": null, "batches": [],
            "again": matches!(fate, Fate::Again), "odd": null,
        });
        match fate {
            Fate::Read { accepted, rejected, batches } => {
                value["accepted"] = json!(accepted);
                value["rejected"] = json!(rejected);
                value["batches"] = json!(batches);
            }
            Fate::Odd(why) => value["odd"] = json!(why),
            Fate::Again => {}
        }
        value
    };
    let failure = |(endpoint, failure): &(String, Failure)| json!({ "endpoint": endpoint, "failure": failure });
    let overdue = |late: &Overdue| {
        json!({
            "batch": late.batch, "endpoint": late.endpoint, "messages": late.messages,
            "due_at": late.due_at,
        })
    };
    json!({
        "responses": acks.responses.iter().map(response).collect::<Vec<_>>(),
        "failures": acks.failures.iter().map(failure).collect::<Vec<_>>(),
        "overdue": acks.overdue.iter().map(overdue).collect::<Vec<_>>(),
    })
}
