//! The unit phase: the plan's extracts into the test environment, what goes out against what
//! was frozen, an outcome for each scenario.

use std::time::Duration;

use super::folder::Folder;
use super::perform::{Performed, perform};
use super::{Terms, on_stage, refused, test_only};
use crate::domain::{BackfillStage, ExtractKind, MissingRows};
use crate::engine::backfill::State;
use crate::engine::error::EngineError;
use crate::engine::intake::{kind_of, saved};
use crate::engine::mend::{Selection, Task};
use crate::engine::pass::Engine;
use crate::ledger::{BackfillRow, Ledger, Sign, Sqlite};
use crate::papers::testplan::compare::{differences, of_run};
use crate::papers::testplan::{Outcome, Phase, Plan, Scenario};
use crate::spool::{Lock, Spool};

/// How long a daemon that is at work is waited for; it closes them then.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a run came to.
#[derive(Debug, Default)]
pub struct Tried {
    /// Each scenario that was tried.
    pub outcomes: Vec<Outcome>,
    /// Why it ended before the last one.
    pub stuck: Option<String>,
}

/// Runs scenarios of a plan, all or those named, in the plan's order, and notes down each
/// outcome as it comes. `text` is the checked interface file; `each` is told of each outcome.
///
/// # Errors
/// An interface of production; a plan that does not fit any more; an inbox that is not empty.
pub fn run(
    engine: &mut Engine,
    text: &str,
    folder: &Folder,
    only: &[String],
    sign: &Sign,
    each: &mut dyn FnMut(&Scenario, &Outcome),
) -> Result<Tried, EngineError> {
    test_only(engine)?;
    fits(engine, text, folder)?;
    let chosen = chosen(&folder.plan, only)?;
    let _alone = alone(engine)?;
    at_rest(engine)?;
    on_stage(engine);
    let token = token(engine, &folder.plan)?;
    let mut tried = Tried::default();
    if let Some(what) = bring_tables(engine, folder)? {
        tried.stuck = Some(what);
        return Ok(tried);
    }
    for scenario in chosen {
        let (mut outcome, stuck) = try_one(engine, folder, scenario, &token, sign)?;
        outcome.date = engine.day();
        outcome.at = engine.clock.unix();
        folder.note(|results| results.outcomes.push(outcome.clone()))?;
        each(scenario, &outcome);
        tried.outcomes.push(outcome);
        if stuck.is_some() {
            tried.stuck = stuck;
            break;
        }
    }
    Ok(tried)
}

/// Refuses a plan of other settings, and files that nobody read as they are now.
fn fits(engine: &Engine, text: &str, folder: &Folder) -> Result<(), EngineError> {
    let interface = engine.agreement.scope.interface.as_str();
    if folder.plan.interface != interface {
        let of = &folder.plan.interface;
        return Err(refused(format!("this is the test plan of {of}, not of {interface}")));
    }
    let changes = Terms::of(engine, text)?.changes(&folder.plan);
    if !changes.is_empty() {
        return Err(refused(format!(
            "the settings changed since the plan was written; `hl7drop testplan write \
             {interface} --replace` writes it anew:\n  {}",
            changes.join("\n  ")
        )));
    }
    let altered = folder.altered(&folder.results()?)?;
    if altered.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "files of the plan are not as they were written or reviewed: {}; when they are right as \
         they are, `hl7drop testplan review {interface} --by \"WHO\"` says so",
        altered.join(", ")
    )))
}

fn chosen<'a>(plan: &'a Plan, only: &[String]) -> Result<Vec<&'a Scenario>, EngineError> {
    if let Some(strange) = only.iter().find(|id| !plan.scenarios.iter().any(|one| one.id == **id)) {
        return Err(refused(format!(
            "the plan has no scenario {strange}; it has 01 to {:02}",
            plan.scenarios.len()
        )));
    }
    let wanted = |one: &&Scenario| only.is_empty() || only.contains(&one.id);
    Ok(plan.scenarios.iter().filter(wanted).collect())
}

/// Keeps daemons away where their passes would take the plan's few appointments for all there
/// are, and cancel those of others.
fn alone(engine: &Engine) -> Result<Option<Lock>, EngineError> {
    let scope = &engine.agreement.scope;
    let form = scope.forms.get(&ExtractKind::Appointments);
    let snapshot = form.is_some_and(|form| form.snapshot);
    if !snapshot || scope.events.missing_rows != MissingRows::Cancel {
        return Ok(None);
    }
    engine.spool.make()?;
    match engine.spool.lock_watch()? {
        Some(lock) => Ok(Some(lock)),
        None => Err(refused(
            "`watch` would take the plan's few appointments for all there are (snapshot = true, \
             missing_rows = \"cancel\") and cancel the others of the test environment; stop it \
             first",
        )),
    }
}

/// Refuses a test environment where something else is under way: it would go out among ours.
fn at_rest(engine: &Engine) -> Result<(), EngineError> {
    engine.spool.make()?;
    let inbox = Spool::list(&engine.spool.inbox)?;
    if !inbox.is_empty() {
        let interface = engine.agreement.scope.interface.as_str();
        return Err(refused(format!(
            "{} of others in the inbox of the test environment; `hl7drop run {interface}` takes \
             them in first, or move them away",
            match inbox.len() {
                1 => "there is a file".to_string(),
                count => format!("there are {count} files"),
            }
        )));
    }
    let released = |row: &BackfillRow| row.stage == BackfillStage::Released;
    if let Some(row) = State::look(engine)?.row.filter(released) {
        return Err(refused(format!(
            "backfill {} is under way, and its files would go out among the plan's; `hl7drop \
             backfill pause {}` holds it back",
            row.id,
            engine.agreement.scope.interface.as_str()
        )));
    }
    let ledger = Sqlite::peek(&engine.spool.ledger(), &engine.owner())?;
    let waiting = ledger.map(|ledger| ledger.undelivered()).transpose()?.unwrap_or_default();
    match waiting.first() {
        None => Ok(()),
        Some(row) => Err(refused(format!(
            "{} is not delivered to {} yet, and what is behind it cannot go; see `hl7drop \
             delivery`",
            row.batch.name, row.endpoint
        ))),
    }
}

/// Returns digits that the runs before had not, for as long as 9000 messages last: they follow
/// the control numbers, which are given once, ever.
fn token(engine: &Engine, plan: &Plan) -> Result<String, EngineError> {
    let ledger = Sqlite::peek(&engine.spool.ledger(), &engine.owner())?;
    let control = ledger.map(|ledger| ledger.numbers()).transpose()?.unwrap_or_default().control;
    let token = (1000 + control % 9000).to_string();
    // The plan's own stay those of who drops the extracts by hand.
    Ok(if token == plan.token { "9999".to_string() } else { token })
}

/// Brings the plan's tables into force, unless they are; says why not, if it cannot.
fn bring_tables(engine: &Engine, folder: &Folder) -> Result<Option<String>, EngineError> {
    let mut files = Vec::new();
    for table in &folder.plan.tables {
        let bytes = folder.read(&table.file)?;
        let kind = kind_of(engine, table.name());
        let there = kind.map_or(Ok(Vec::new()), |kind| saved(engine, kind))?;
        for source in &there {
            let now = std::fs::read(&source.path);
            let now = now.map_err(crate::disk::failed("read", &source.path))?;
            if now != bytes {
                return Err(refused(format!(
                    "the test environment has a table of {} now, and had none when the plan was \
                     written; `hl7drop testplan write --replace` writes it anew",
                    source.kind.word()
                )));
            }
        }
        if there.is_empty() {
            files.push((table.name().to_string(), bytes));
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    Ok(perform(engine, &files)?.failed.map(|what| format!("the tables of the plan: {what}")))
}

/// Tries one scenario; returns its outcome, and why nothing behind it can be tried.
fn try_one(
    engine: &Engine,
    folder: &Folder,
    scenario: &Scenario,
    token: &str,
    sign: &Sign,
) -> Result<(Outcome, Option<String>), EngineError> {
    let plan = &folder.plan;
    let mut outcome = Outcome {
        scenario: scenario.id.clone(),
        phase: Phase::Unit,
        passed: true,
        by: format!("hl7drop testplan run, {}", sign.by),
        date: String::new(),
        at: 0,
        note: String::new(),
        differences: Vec::new(),
        batches: Vec::new(),
        token: token.to_string(),
    };
    for (at, step) in scenario.steps.iter().enumerate() {
        let mut files = Vec::new();
        for extract in &step.extracts {
            let text = String::from_utf8_lossy(&folder.read(&extract.file)?).into_owned();
            files.push((extract.name().to_string(), of_run(&text, plan, token).into_bytes()));
        }
        let performed = perform(engine, &files)?;
        outcome.batches.extend(performed.batches.iter().cloned());
        close(engine, &performed, scenario, sign);
        if let Some(what) = performed.failed {
            outcome.passed = false;
            outcome.differences.push(format!("drop {}: {what}", at + 1));
            let stuck = performed.stuck.then_some(what);
            return Ok((outcome, stuck));
        }
        let expected = String::from_utf8_lossy(&folder.read(&step.expected)?).into_owned();
        let said = differences(plan, step, &expected, token, &performed.went);
        outcome.differences.extend(said.into_iter().map(|one| format!("drop {}: {one}", at + 1)));
    }
    outcome.passed = outcome.differences.is_empty();
    Ok((outcome, None))
}

/// The records that a scenario made wait have had their look; nobody is to find them in the
/// queue of the test environment.
fn close(engine: &Engine, performed: &Performed, scenario: &Scenario, sign: &Sign) {
    if performed.faults.is_empty() {
        return;
    }
    let why = format!("test plan, scenario {}", scenario.id);
    let sign = Sign { why, ..sign.clone() };
    let task = Task::Close(Selection::of_ids(performed.faults.clone()));
    if let Err(err) = engine.ask(&task, &sign, PATIENCE) {
        log::warn!("records of scenario {} still wait in the queue: {err}", scenario.id);
    }
}
