//! The lane: one slice after the other, each when the day's traffic is done and it is time.
//!
//! A slice is promised only when it can go out at once. So it stands in the way of the day's
//! traffic for as long as one file takes, and strict order holds: what comes after it is newer.

use jiff::civil::Date;

use super::pace::Pace;
use super::plan::{self, Plan};
use super::told::Backfilling;
use crate::crashpoint::crashpoint;
use crate::disk::failed;
use crate::domain::{BackfillStage, ExtractKind};
use crate::engine::deliver::deliver;
use crate::engine::drop::Accounts;
use crate::engine::error::EngineError;
use crate::engine::guard::Hold;
use crate::engine::intake::{self, Lane};
use crate::engine::mend::requests;
use crate::engine::pass::{Engine, Summary};
use crate::engine::poison::Tries;
use crate::engine::source::Source;
use crate::ledger::{Act, BackfillRow, Holding, Ledger, Sign};
use crate::spool::{Spool, looked};

/// How often windows are looked at to find a moment that is in all of them: one that closes
/// pushes the moment on. Where there is none, each look is a day or less further.
const ROUNDS: usize = 8;

/// What to do about a slice that brings the process down.
const POISON_HINT: &str = "the day's files go on without it; report it as a bug, with the log. \
     `hl7drop backfill resume` tries it again";

/// One slice on its way into the ledger.
pub struct Slice {
    /// The backfill as it stood before.
    row: BackfillRow,
    kind: ExtractKind,
    /// Bad rows from which on something is wrong that the rehearsal did not see.
    errors_max: u64,
}

/// What came of a turn.
enum Turn {
    /// A slice was taken in, or the backfill moved on in another way.
    Moved,
    /// Nothing can be done now.
    Waits,
}

/// Takes slices in and delivers them, until something else is to be done. Returns whether
/// anything was.
///
/// # Errors
/// What ends a pass.
pub fn turns(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    summary: &mut Summary,
) -> Result<bool, EngineError> {
    let mut moved = false;
    while let Turn::Moved = turn(engine, ledger)? {
        moved = true;
        summary.deliver(deliver(engine, ledger)?);
        let waits = !looked(&engine.spool.inbox)?.is_empty();
        if waits || requests::any(engine)? {
            break;
        }
    }
    summary.backfill = ledger.backfills(1)?.into_iter().next();
    // What is in the way has a time of its own, or a person's.
    summary.backfill_due = match due(engine, summary.backfill.as_ref()) {
        Some(at) if in_the_way(engine, ledger)?.is_none() => Some(at),
        _ => None,
    };
    Ok(moved)
}

/// Returns when the next slice is due, by hours and speed; none if none is.
pub(super) fn due(engine: &Engine, row: Option<&BackfillRow>) -> Option<i64> {
    let row = row.filter(|row| row.stage == BackfillStage::Released)?;
    let scope = &engine.agreement.scope;
    let pace = Pace::new(&scope.backfill, &scope.timezone);
    let pause = i64::try_from(pace.seconds_for(row.last_messages)).unwrap_or(i64::MAX);
    let now = engine.clock.unix();
    // A clock that was set back must not hold everything up until it is there again.
    let last = row.last_at.filter(|at| *at <= now);
    let from = last.map_or(now, |at| at.saturating_add(pause).max(now));
    // Its hours, and those in which each endpoint takes files: looked at in turn.
    let all_open = |from| {
        let sends = scope.endpoints.iter().filter_map(|one| engine.sends_from(one, from));
        pace.opens(sends.max().unwrap_or(from))
    };
    Some((0..ROUNDS).fold(from, |at, _| all_open(at)))
}

/// Returns why the day's traffic, or a person, is in the way.
pub(super) fn in_the_way(
    engine: &Engine,
    ledger: &dyn Ledger,
) -> Result<Option<String>, EngineError> {
    let waiting = ledger.undelivered()?.len();
    if waiting > 0 {
        return Ok(Some(format!("{waiting} batch files are not delivered yet")));
    }
    if ledger.holding()? != Holding::No {
        return Ok(Some("the interface is held".to_string()));
    }
    if Hold::look(engine)?.is_some() {
        return Ok(Some("a drop is held".to_string()));
    }
    intake::held(engine)
}

fn turn(engine: &Engine, ledger: &mut dyn Ledger) -> Result<Turn, EngineError> {
    let newest = ledger.backfills(1)?.into_iter().next();
    let Some(row) = newest.filter(|row| row.stage == BackfillStage::Released) else {
        return Ok(Turn::Waits);
    };
    if row.taken == row.slices {
        finish(engine, ledger, row)?;
        return Ok(Turn::Moved);
    }
    let now = engine.clock.unix();
    if due(engine, Some(&row)).is_none_or(|due| due > now) || in_the_way(engine, ledger)?.is_some()
    {
        return Ok(Turn::Waits);
    }
    let (source, slice) = match next(engine, &row)? {
        Ok(next) => next,
        Err(why) => return pause(engine, ledger, row, why),
    };
    let path = source.path.clone();
    let mut sources = vec![source];
    let most = engine.agreement.scope.pickup.poison_after;
    let (tries, poison) = Tries::begin(&engine.spool.backfill, &mut sources, most)?;
    if let Some((source, what)) = poison.into_iter().next() {
        let why = format!("{}: {what}; {POISON_HINT}", source.name);
        return pause(engine, ledger, row, why);
    }
    let converted = intake::convert(engine, ledger, sources, &Lane::Backfill(&slice), None);
    // Read to its end or refused: nobody died. What went wrong first is what is told.
    let ended = tries.end();
    match converted.and(ended) {
        Ok(()) => {}
        Err(EngineError::Held { what }) => return pause(engine, ledger, row, what),
        Err(err) => return Err(err),
    }
    crashpoint("backfill.taken").map_err(failed("archive", &path))?;
    engine.spool.shelve_archive(&path, &engine.day())?;
    log::info!("backfill {}: slice {} of {} taken in", row.id, row.taken + 1, row.slices);
    Ok(Turn::Moved)
}

/// Returns the next slice, or why there is none.
type Next = Result<(Source, Slice), String>;

fn next(engine: &Engine, row: &BackfillRow) -> Result<Next, EngineError> {
    let Some(plan) = Plan::look(engine)?.filter(|plan| plan.is_of(row)) else {
        return Ok(Err("its plan is not in backfill/ any more".to_string()));
    };
    let Some((part, path)) = plan.slice(engine, row.taken + 1) else {
        return Ok(Err(format!("its plan has no slice {}", row.taken + 1)));
    };
    let layout = match part.layout(&engine.agreement.reading) {
        Err(EngineError::Extract(err)) => return Ok(Err(format!("{err}; {}", err.hint()))),
        layout => layout?,
    };
    if layout.has("event") {
        return Ok(Err("a column of its extract means `event` now".to_string()));
    }
    if !path.exists() {
        return Ok(Err(format!("{} is not there any more", path.display())));
    }
    let name = part.slice_name(row.taken + 1);
    let source = Source::of(&path, &name, part.kind, false).map_err(failed("read", &path))?;
    let guard = &engine.agreement.scope.guard;
    let unforeseen = (row.rows * guard.faults_percent_max / 100).max(guard.rows_min);
    let errors_max = row.foreseen_errors.saturating_add(unforeseen);
    let slice = Slice { row: row.clone(), kind: part.kind, errors_max };
    Ok(Ok((source.is_kept(&layout), slice)))
}

impl Slice {
    /// Returns what holds for its records.
    pub(in crate::engine) fn backfilling(&self, today: Date) -> Backfilling<'static> {
        let patients_as = Plan::event(&self.row.patients_as);
        Backfilling { patients_as, mark: self.row.mark, today, patients: None }
    }

    /// Moves the backfill on in the open drop; or returns why the slice must not be taken in.
    pub(in crate::engine) fn close(
        &self,
        ledger: &mut dyn Ledger,
        accounts: &Accounts,
        now: i64,
    ) -> Result<Option<String>, EngineError> {
        let mut row = self.row.clone();
        row.last_messages = 0;
        for (source, account) in accounts {
            match account {
                Err(err) => return Ok(Some(format!("{}: {err}; {}", source.name, err.hint()))),
                Ok(account) => {
                    row.last_messages += account.counts.messages;
                    match self.kind {
                        ExtractKind::Patients => row.patients.add(&account.counts),
                        _ => row.appointments.add(&account.counts),
                    }
                }
            }
        }
        let bad = row.counts().error;
        if bad > self.errors_max {
            return Ok(Some(format!(
                "{bad} rows are bad and the preview foresaw {}: what changed since? A settings \
                 file, the providers or departments?",
                row.foreseen_errors
            )));
        }
        (row.taken, row.last_at) = (row.taken + 1, Some(now));
        ledger.advance_backfill(&row)?;
        Ok(None)
    }
}

/// Pauses a backfill that cannot go on, for a person.
fn pause(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    row: BackfillRow,
    why: String,
) -> Result<Turn, EngineError> {
    log::error!("backfill {} is paused: {why}", row.id);
    let row = BackfillRow { stage: BackfillStage::Paused, why, ..row };
    let act = step("backfill-pause", &row, BackfillStage::Released);
    let sign = ours(engine, &row.why);
    ledger.put_backfill(&row, &act, &sign)?;
    Ok(Turn::Waits)
}

/// All of it was taken in: says so, and what became of it.
fn finish(engine: &Engine, ledger: &mut dyn Ledger, row: BackfillRow) -> Result<(), EngineError> {
    let counts = row.counts();
    let mut why = counts.to_string();
    if counts.rows != row.rows {
        log::error!("backfill {}: its extracts had {} rows, and {why}", row.id, row.rows);
        why.push_str(&format!("; its extracts had {}", row.rows));
    }
    let ended_at = Some(engine.clock.unix());
    let done = BackfillRow { stage: BackfillStage::Done, ended_at, why: String::new(), ..row };
    let act = step("backfill-done", &done, BackfillStage::Released);
    ledger.put_backfill(&done, &act, &ours(engine, &why))?;
    log::info!("backfill {} is done: {why}", done.id);
    tidy(engine, ledger)
}

fn ours(engine: &Engine, why: &str) -> Sign {
    Sign { by: "hl7drop".to_string(), why: why.to_string(), at: engine.clock.unix() }
}

/// Returns the action of a step.
pub(super) fn step(verb: &'static str, now: &BackfillRow, was: BackfillStage) -> Act {
    Act {
        verb,
        about: format!("backfill {}: {}", now.id, now.files.join(", ")),
        was: was.word().to_string(),
        now: now.stage.word().to_string(),
    }
}

/// Brings the folder in line with the ledger: what was taken in goes to `archive/`, what is
/// left of a backfill that is over is removed.
///
/// # Errors
/// Those of the disk and the ledger.
pub fn tidy(engine: &Engine, ledger: &dyn Ledger) -> Result<(), EngineError> {
    let Some(plan) = Plan::look(engine)? else { return Ok(()) };
    let Some(row) = ledger.backfills(1)?.into_iter().next().filter(|row| plan.is_of(row)) else {
        return Ok(());
    };
    // Each turn shelves its own slice, so a crash leaves one.
    if let Some((_, path)) = plan.slice(engine, row.taken).filter(|(_, path)| path.exists()) {
        engine.spool.shelve_archive(&path, &engine.day())?;
    }
    if row.stage.is_over() {
        let left = Spool::list(&engine.spool.slices)?.len();
        if left > 0 {
            log::info!("backfill {}: {left} slices that nobody wants any more go away", row.id);
        }
        plan::clear(engine)?;
    }
    Ok(())
}
