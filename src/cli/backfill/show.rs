//! How a backfill stands, for people and for machines.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::args::Cli;
use crate::cli::next::Typed;
use crate::cli::output::{account, count, number, time};
use crate::domain::{BackfillStage, Code, ExtractKind, Quiet};
use crate::engine::{BackfillState, Engine, Foreseen, Plan};
use crate::ledger::BackfillRow;

/// True if a person is to decide.
pub fn is_waiting(state: &BackfillState) -> bool {
    let paused = state.row.as_ref().is_some_and(|row| row.stage == BackfillStage::Paused);
    paused || state.waits_for_release()
}

/// Shows what will come of the one that waits for its release.
pub fn preview(
    cli: &Cli,
    engine: &Engine,
    state: &BackfillState,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(plan) = &state.plan else { return Ok(()) };
    let Foreseen { patients, appointments, bytes, notes, faults, .. } = &plan.foreseen;
    writeln!(out, "{}: a backfill waits for its release", engine.owner())?;
    for part in &plan.parts {
        let (counts, told) = match part.kind {
            ExtractKind::Patients => (patients, plan.patients_as.as_str()),
            _ => (appointments, "S12"),
        };
        writeln!(out, "  {} ({} as {told})", part.name, part.kind.word())?;
        writeln!(out, "    {}", account(counts))?;
    }
    let counts = plan.foreseen.counts();
    writeln!(
        out,
        "  {} in {}, {} KiB",
        count(counts.messages, "message", "messages"),
        count(plan.slices(), "file at most", "files at most"),
        number(bytes.div_ceil(1024))
    )?;
    writeln!(out, "  {}", pace(engine, state))?;
    for (note, times) in notes {
        writeln!(out, "    {} {}", number(*times), note.text())?;
    }
    for (code, column, rows) in faults {
        let text = Code::of_id(code).map_or("", Code::text);
        let column = if column.is_empty() { "row" } else { column };
        writeln!(out, "    {} {code} {column}: {text}", number(*rows))?;
    }
    not_unique(engine, plan, out)?;
    for doubt in &plan.doubts {
        writeln!(out, "  HELD: {doubt}")?;
    }
    let typed = Typed::new(cli, engine);
    writeln!(out, "  the first messages: {}", typed.backfill("preview", " --messages"))?;
    let anyway = if plan.doubts.is_empty() { "" } else { " --anyway --why \"...\"" };
    writeln!(out, "  to let it go:       {}", typed.backfill("release", anyway))?;
    writeln!(out, "  to give it up:      {}", typed.backfill("cancel", " --why \"...\""))
}

/// Lists rows whose external IDs are not unique.
fn not_unique(engine: &Engine, plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    let Foreseen { not_unique, not_unique_rows, .. } = &plan.foreseen;
    if not_unique.is_empty() {
        return Ok(());
    }
    let rows = count(*not_unique_rows, "row has", "rows have");
    writeln!(out, "  {rows} external IDs that others have too, and will wait as X001:")?;
    for one in not_unique {
        let at = format!("{} record {} (line {})", one.file, one.record, one.line);
        writeln!(out, "    {at}: {}", one.column)?;
    }
    let more = not_unique_rows - not_unique.len() as u64;
    if more > 0 {
        writeln!(out, "    and {} more", number(more))?;
    }
    writeln!(out, "    these files lie in {}", engine.spool.slices.display())
}

/// Shows the first messages, a segment a line.
pub fn messages(engine: &Engine, out: &mut dyn Write) -> io::Result<()> {
    for kind in [ExtractKind::Patients, ExtractKind::Appointments] {
        let path = Plan::first_messages(engine, kind);
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for segment in text.split(['\r', '\n']).filter(|segment| !segment.is_empty()) {
            if segment.starts_with("MSH") {
                writeln!(out)?;
            }
            writeln!(out, "{segment}")?;
        }
    }
    Ok(())
}

/// Shows how the newest stands.
pub fn status(
    cli: &Cli,
    engine: &Engine,
    state: &BackfillState,
    out: &mut dyn Write,
) -> io::Result<()> {
    if state.waits_for_release() {
        preview(cli, engine, state, out)?;
    }
    let Some(row) = &state.row else {
        if state.plan.is_none() {
            writeln!(out, "{}: no backfill", engine.owner())?;
        }
        return Ok(());
    };
    let zone = &engine.agreement.scope.timezone;
    writeln!(out, "{}: {}", engine.owner(), line(engine, state).unwrap_or_default())?;
    let at = time(row.released_at, zone);
    writeln!(out, "  {}, released by {} on {at}", row.files.join(", "), row.released_by)?;
    for (kind, counts) in [("patients", &row.patients), ("appointments", &row.appointments)] {
        if counts.rows > 0 {
            writeln!(out, "  {kind}: {}", account(counts))?;
        }
    }
    let counts = row.counts();
    if let Some(at) = row.ended_at {
        writeln!(out, "  ended {}: {} of its {} rows", time(at, zone), counts.rows, row.rows)?;
        return Ok(());
    }
    writeln!(out, "  {} of {} rows so far", number(counts.rows), number(row.rows))?;
    if !row.why.is_empty() {
        writeln!(out, "  {}", row.why)?;
    }
    let typed = Typed::new(cli, engine);
    match row.stage {
        BackfillStage::Paused => {
            writeln!(out, "  to let it go on:    {}", typed.backfill("resume", ""))
        }
        _ => {
            writeln!(out, "  {}", pace(engine, state))?;
            writeln!(out, "  the daemon sends it; without one: {}", typed.backfill("run", ""))
        }
    }
}

/// Returns one line about the newest that was released.
pub fn line(engine: &Engine, state: &BackfillState) -> Option<String> {
    let row = state.row.as_ref()?;
    let far = format!("{} of {} files taken in", number(row.taken), number(row.slices));
    let zone = &engine.agreement.scope.timezone;
    let next = match (&state.in_the_way, state.due) {
        _ if row.stage.is_over() => String::new(),
        (Some(why), _) => format!("; waits: {why}"),
        (None, Some(due)) => format!("; the next one not before {}", time(due, zone)),
        (None, None) => String::new(),
    };
    Some(format!("backfill {} is {}, {far}{next}", row.id, row.stage.word()))
}

/// Returns how fast it goes, when, and until when.
fn pace(engine: &Engine, state: &BackfillState) -> String {
    let scope = &engine.agreement.scope;
    let rules = &scope.backfill;
    let hours: Vec<String> = rules.windows.iter().map(Quiet::to_string).collect();
    let hours = if hours.is_empty() { "at any hour".to_string() } else { hours.join(", ") };
    let speed = match rules.per_minute {
        0 => "as fast as the vendor's end takes it".to_string(),
        most => format!("at most {} a minute", count(most, "message", "messages")),
    };
    let until = match state.ends {
        Some(at) => format!("not done before {}", time(at, &scope.timezone)),
        None => "how long it takes is seen once it goes on".to_string(),
    };
    format!("{speed}, {hours}: {until}")
}

/// Returns how it stands as machines read it.
pub fn to_json(engine: &Engine, state: &BackfillState) -> Value {
    let scope = &engine.agreement.scope;
    let waits = state.waits_for_release();
    let stage = match (&state.row, waits) {
        (_, true) => Some("prepared"),
        (Some(row), false) => Some(row.stage.word()),
        (None, false) => None,
    };
    let prepared = state.plan.as_ref().filter(|_| waits);
    json!({
        "interface": scope.interface.as_str(),
        "environment": scope.environment.word(),
        "stage": stage,
        "messages_per_minute": scope.backfill.per_minute,
        "due_at": state.due,
        "ends_at": state.ends,
        "in_the_way": state.in_the_way,
        "prepared": prepared.map(prepared_json),
        "released": state.row.as_ref().map(released_json),
    })
}

fn prepared_json(plan: &Plan) -> Value {
    let Foreseen { patients, appointments, bytes, notes, faults, not_unique_rows, not_unique } =
        &plan.foreseen;
    let extract = |part: &crate::engine::Part| {
        json!({
            "kind": part.kind, "file": part.name, "sha256": part.digest, "bytes": part.bytes,
            "rows": part.rows, "files": part.slices, "together": part.together,
        })
    };
    let fault = |(code, column, rows): &(String, String, u64)| json!({ "code": code, "column": column, "rows": rows });
    json!({
        "at": plan.made_at,
        "extracts": plan.parts.iter().map(extract).collect::<Vec<_>>(),
        "patients_as": plan.patients_as,
        "patients": patients,
        "appointments": appointments,
        "bytes": bytes,
        "notes": notes,
        "faults": faults.iter().map(fault).collect::<Vec<_>>(),
        "not_unique_rows": not_unique_rows,
        "not_unique": not_unique,
        "doubts": plan.doubts,
    })
}

fn released_json(row: &BackfillRow) -> Value {
    json!({
        "number": row.id,
        "stage": row.stage.word(),
        "extracts": row.files,
        "patients_as": row.patients_as,
        "rows": row.rows,
        "files": row.slices,
        "files_taken": row.taken,
        "messages_foreseen": row.foreseen_messages,
        "patients": row.patients,
        "appointments": row.appointments,
        "released_at": row.released_at,
        "released_by": row.released_by,
        "last_at": row.last_at,
        "ended_at": row.ended_at,
        "paused_because": (!row.why.is_empty()).then_some(&row.why),
    })
}
