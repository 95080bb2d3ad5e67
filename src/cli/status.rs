//! `status`: where everything stands, for people and for monitors.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::acks::{awaited_json, write_awaited};
use super::args::{Cli, Status};
use super::backfill::{is_waiting, line, to_json as backfill_json};
use super::delivery::write_undelivered;
use super::exit::Exit;
use super::next::Typed;
use super::output::{account, complain, count, number, time};
use super::setup::{name, setup};
use super::{Failure, Outcome};
use crate::domain::QueueState;
use crate::engine::incidents::{Incident, open_in};
use crate::engine::{BackfillState, Engine, EngineError, Hold, overdue};
use crate::ledger::{ActionRow, Answers, DeliveryRow, ExtractRow, Ledger, Sqlite, Totals};
use crate::papers::approval::Standing as Approval;
use crate::spool::Spool;

/// How many extracts, receipts and decisions are shown.
const SHOWN: u64 = 10;

/// What stands where in one interface.
struct Standing {
    totals: Totals,
    extracts: Vec<ExtractRow>,
    receipts: Vec<DeliveryRow>,
    undelivered: Vec<DeliveryRow>,
    awaited: Vec<DeliveryRow>,
    overdue: usize,
    actions: Vec<ActionRow>,
    held: Option<Hold>,
    backfill: BackfillState,
    folders: Vec<(&'static str, usize)>,
    incidents: Vec<Incident>,
}

/// Shows every interface that was asked for.
pub fn status(cli: &Cli, args: &Status) -> Outcome {
    let setup = setup(cli, &args.named.interfaces)?;
    let mut exit = Exit::DONE;
    let mut all = Vec::new();
    for path in &setup.interfaces {
        let looked = setup.open(path).and_then(|engine| {
            let standing = look(&engine).map_err(Failure::from)?;
            Ok((engine, standing))
        });
        match looked {
            Ok((engine, standing)) => {
                exit = exit.graver(exit_of(&standing));
                if !engine.standing.allows() {
                    exit = exit.graver(Exit::NOT_APPROVED);
                }
                if args.named.json {
                    all.push(to_json(&engine, &standing));
                } else {
                    write(cli, &engine, &standing, &mut io::stdout().lock())?;
                }
            }
            Err(failure) => {
                exit = exit.graver(failure.exit);
                complain(&format!("{}: {}", name(path), failure.text));
                all.push(json!({ "interface": name(path), "error": failure.text }));
            }
        }
    }
    if args.named.json {
        writeln!(io::stdout().lock(), "{}", Value::Array(all))?;
    }
    Ok(exit)
}

fn look(engine: &Engine) -> Result<Standing, EngineError> {
    let spool = &engine.spool;
    let mut standing = Standing {
        totals: Totals::default(),
        extracts: Vec::new(),
        receipts: Vec::new(),
        undelivered: Vec::new(),
        awaited: Vec::new(),
        overdue: 0,
        actions: Vec::new(),
        held: Hold::look(engine)?,
        backfill: BackfillState::look(engine)?,
        folders: Vec::new(),
        incidents: open_in(&spool.root),
    };
    if spool.root.is_dir() {
        let refused = Spool::list(&spool.error)?;
        let refused = refused.iter().filter(|name| !name.ends_with(".why.toml")).count();
        standing.folders = vec![
            ("inbox", crate::spool::looked(&spool.inbox)?.len()),
            ("outbox", Spool::list(&spool.outbox)?.len()),
            ("error", refused),
        ];
        let odd = Spool::list(&spool.odd).unwrap_or_default();
        let odd = odd.iter().filter(|name| !name.ends_with(".why.toml")).count();
        standing.folders.push(("responses/odd", odd));
    }
    if let Some(ledger) = Sqlite::peek(&spool.ledger(), &engine.owner())? {
        standing.totals = ledger.totals()?;
        standing.extracts = ledger.extracts(SHOWN)?;
        standing.receipts = ledger.receipts(SHOWN)?;
        standing.undelivered = ledger.undelivered()?;
        standing.awaited = ledger.awaited()?;
        standing.overdue = overdue(engine, &ledger)?.len();
        standing.actions = ledger.actions(SHOWN)?;
    }
    Ok(standing)
}

fn exit_of(standing: &Standing) -> Exit {
    let waits = standing.totals.states.iter().any(|(state, count)| state.is_error() && *count > 0);
    let odd = |folder: &str| matches!(folder, "error" | "responses/odd");
    let refused = standing.folders.iter().any(|(folder, count)| odd(folder) && *count > 0);
    let failed = standing.undelivered.iter().any(|delivery| delivery.failure.is_some());
    let failed = failed || standing.overdue > 0;
    // What seems over is waited for, and no reason to wake anybody.
    let open = standing.incidents.iter().any(|one| one.calm_since.is_none());
    let held = standing.held.is_some() || is_waiting(&standing.backfill);
    let exit = if waits || refused || open || held { Exit::WAITING } else { Exit::DONE };
    if failed { exit.graver(Exit::DELIVERY) } else { exit }
}

/// Returns the messages by queue state, with the words of the scope package.
pub fn states(totals: &Totals) -> Value {
    let states: Map<String, Value> = totals
        .states
        .iter()
        .map(|(state, count)| (state.to_string(), Value::from(*count)))
        .collect();
    Value::Object(states)
}

fn write(cli: &Cli, engine: &Engine, standing: &Standing, out: &mut dyn Write) -> io::Result<()> {
    let zone = &engine.agreement.scope.timezone;
    writeln!(out, "{}", engine.owner())?;
    if engine.standing != Approval::Free {
        writeln!(
            out,
            "  scope        {}",
            engine.standing.to_string().replace('\n', "\n             ")
        )?;
    }
    match standing.totals.last_drop {
        Some(at) => writeln!(out, "  last drop    {}", time(at, zone))?,
        None => writeln!(
            out,
            "  nothing was taken in yet; drop extracts into {}",
            engine.spool.inbox.display()
        )?,
    }
    for (state, messages) in &standing.totals.states {
        writeln!(out, "  {:<12} {:>12}  {}", state.to_string(), number(*messages), words(*state))?;
    }
    if standing.totals.left > 0 {
        let left = number(standing.totals.left);
        writeln!(out, "  {:<12} {left:>12}  messages that left with their time", "left")?;
    }
    if let Some(forecast) = engine.forecast() {
        writeln!(out, "  {:<12} {}", "room", forecast.text())?;
    }
    for (folder, files) in standing.folders.iter().filter(|(_, files)| *files > 0) {
        writeln!(out, "  {:<12} {}", format!("{folder}/"), count(*files as u64, "file", "files"))?;
    }
    for incident in &standing.incidents {
        write_incident(incident, zone, out)?;
    }
    let typed = Typed::new(cli, engine);
    if let Some(hold) = &standing.held {
        super::held::write(&typed, engine, hold, out)?;
    }
    if let Some(line) = line(engine, &standing.backfill) {
        writeln!(out, "  {line}")?;
    }
    if is_waiting(&standing.backfill) {
        writeln!(out, "    what to do: {}", typed.backfill("status", ""))?;
    }
    for delivery in &standing.undelivered {
        write_undelivered(&typed, engine, delivery, out)?;
    }
    standing.awaited.iter().try_for_each(|row| write_awaited(engine, row, out))?;
    for row in &standing.extracts {
        let (at, name) = (time(row.extract.taken_at, zone), &row.extract.name);
        writeln!(out, "  {at}  {name}: {}", account(&row.counts))?;
    }
    for ActionRow { verb, about, sign, .. } in &standing.actions {
        let at = time(sign.at, zone);
        writeln!(out, "  {at}  {}: {verb} {about}: {}", sign.by, sign.why)?;
    }
    Ok(())
}

fn write_incident(incident: &Incident, zone: &TimeZone, out: &mut dyn Write) -> io::Result<()> {
    let trouble = &incident.trouble;
    let about =
        if trouble.about.is_empty() { String::new() } else { format!(" ({})", trouble.about) };
    writeln!(
        out,
        "  {} {}  {}{about}",
        time(incident.opened_at, zone),
        trouble.cause.severity().word().to_uppercase(),
        trouble.cause.title()
    )?;
    if let Some(since) = incident.calm_since {
        writeln!(out, "    seems over since {}", time(since, zone))?;
    }
    trouble.what.lines().try_for_each(|line| writeln!(out, "    {line}"))?;
    trouble.next.iter().try_for_each(|step| writeln!(out, "    {step}"))?;
    for (contact, told) in &incident.told {
        match (told.at, &told.failure) {
            (_, Some(failure)) => writeln!(out, "    {contact} could not be told: {failure}")?,
            (Some(at), None) => writeln!(out, "    {contact} was told at {}", time(at, zone))?,
            (None, None) => {}
        }
    }
    Ok(())
}

/// Returns an open incident as machines read it.
pub fn incident_json(incident: &Incident) -> Value {
    let trouble = &incident.trouble;
    let told: Vec<Value> = incident
        .told
        .iter()
        .map(
            |(contact, told)| json!({ "contact": contact, "at": told.at, "failure": told.failure }),
        )
        .collect();
    json!({
        "number": incident.number,
        "cause": trouble.cause,
        "severity": trouble.cause.severity(),
        "about": trouble.about,
        "what": trouble.what,
        "next": trouble.next,
        "count": trouble.count,
        "opened_at": incident.opened_at,
        "calm_since": incident.calm_since,
        "told": told,
    })
}

fn words(state: QueueState) -> &'static str {
    match state {
        QueueState::Scheduled => "held, or waiting for their time",
        QueueState::New => "promised, not yet sent",
        QueueState::Distributed => "some endpoints have them",
        QueueState::Pending => "on their way, or not yet acknowledged",
        QueueState::Processed => "delivered",
        QueueState::Error => "waiting for the practice: hl7drop queue, hl7drop acks",
        QueueState::CboError => "records that wait for billing: hl7drop queue",
        QueueState::AthenaError => "records that wait for the operator: hl7drop queue",
        QueueState::Deleted => "records that somebody closed",
    }
}

fn to_json(engine: &Engine, standing: &Standing) -> Value {
    let extract = |row: &ExtractRow| {
        json!({
            "file": row.extract.name,
            "kind": row.extract.kind.word(),
            "sha256": row.extract.digest.to_string(),
            "taken_at": row.extract.taken_at,
            "counts": row.counts,
            "notes": row.notes.0,
            "batch_number": row.batch,
        })
    };
    let action = |row: &ActionRow| {
        let sign = &row.sign;
        json!({
            "verb": row.verb, "about": row.about, "from": row.was, "to": row.now,
            "by": sign.by, "why": sign.why, "at": sign.at,
        })
    };
    let folders: Map<String, Value> = standing
        .folders
        .iter()
        .map(|(folder, count)| ((*folder).to_string(), Value::from(*count)))
        .collect();
    json!({
        "interface": engine.agreement.scope.interface.as_str(),
        "environment": engine.agreement.scope.environment.word(),
        "approved": engine.standing.allows(),
        "approval": engine.standing.to_string(),
        "last_drop": standing.totals.last_drop,
        "oldest_waiting": standing.totals.oldest_waiting,
        "backfill": backfill_json(engine, &standing.backfill),
        "held": standing.held.as_ref().map(|hold| {
            super::held::to_json(engine.agreement.scope.interface.as_str(), hold)
        }),
        "states": states(&standing.totals),
        "left": standing.totals.left,
        "room": engine.forecast().as_ref().map(super::prune::room_json),
        "folders": folders,
        "incidents": standing.incidents.iter().map(incident_json).collect::<Vec<_>>(),
        "undelivered": standing.undelivered.iter().map(delivery_json).collect::<Vec<_>>(),
        "awaited": standing.awaited.iter().map(|row| awaited_json(engine, row)).collect::<Vec<_>>(),
        "delivered": standing.receipts.iter().map(delivery_json).collect::<Vec<_>>(),
        "extracts": standing.extracts.iter().map(extract).collect::<Vec<_>>(),
        "actions": standing.actions.iter().map(action).collect::<Vec<_>>(),
    })
}

/// Returns a delivery as machines read it.
pub fn delivery_json(row: &DeliveryRow) -> Value {
    json!({
        "batch": row.batch.name,
        "sha256": row.batch.digest.to_string(),
        "bytes": row.batch.bytes,
        "messages": row.batch.messages,
        "made_at": row.batch.made_at,
        "endpoint": row.endpoint,
        "encrypted": row.encrypted.as_ref().map(|file| {
            json!({ "file": file.name, "sha256": file.digest.to_string(), "bytes": file.bytes })
        }),
        "stage": row.stage,
        "state": row.queue_state().to_string(),
        "held_until": row.held_until,
        "tries": row.tries,
        "failure": row.failure,
        "receipt": row.receipt,
    })
}
