//! What people decide about a backfill, and how it stands.

use serde::{Deserialize, Serialize};

use super::cut::rows_of_a_slice;
use super::lane::{due, in_the_way, step, tidy};
use super::pace::Pace;
use super::plan::{self, Foreseen, Plan};
use crate::domain::{BackfillStage, Counts};
use crate::engine::error::EngineError;
use crate::engine::mend::{Mended, refused};
use crate::engine::pass::Engine;
use crate::ledger::{Act, BackfillRow, Backfills, Ledger, Sign, Sqlite};

/// What somebody decides about the backfill of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillTask {
    /// Let it go, by its preview.
    Release {
        /// Whatever there is to doubt.
        anyway: bool,
    },
    /// Stop before the next slice.
    Pause,
    /// Go on.
    Resume,
    /// Give up what is left of it.
    Cancel,
}

impl BackfillTask {
    /// Returns what is decided, in a word.
    pub const fn verb(self) -> &'static str {
        match self {
            BackfillTask::Release { .. } => "backfill-release",
            BackfillTask::Pause => "backfill-pause",
            BackfillTask::Resume => "backfill-resume",
            BackfillTask::Cancel => "backfill-cancel",
        }
    }
}

/// How the backfill of an interface stands.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What is going to be, if its folder has one.
    pub plan: Option<Plan>,
    /// The newest that was released.
    pub row: Option<BackfillRow>,
    /// When the next slice is due, unix seconds.
    pub due: Option<i64>,
    /// When the last of it goes at the earliest, if that can be told.
    pub ends: Option<i64>,
    /// Why the next slice does not go now: the day's traffic, or a person.
    pub in_the_way: Option<String>,
}

impl State {
    /// Looks; takes no lock and changes nothing.
    ///
    /// # Errors
    /// Those of the disk and the ledger.
    pub fn look(engine: &Engine) -> Result<State, EngineError> {
        let mut state = State { plan: Plan::look(engine)?, ..State::default() };
        if let Some(ledger) = Sqlite::peek(&engine.spool.ledger(), &engine.owner())? {
            state.row = ledger.backfills(1)?.into_iter().next();
            if state.row.as_ref().is_some_and(|row| !row.stage.is_over()) {
                state.in_the_way = in_the_way(engine, &ledger)?;
            }
        }
        state.due = due(engine, state.row.as_ref());
        state.ends = state.estimate(engine);
        Ok(state)
    }

    /// True if there is one that nobody released yet.
    pub fn waits_for_release(&self) -> bool {
        self.plan.is_some() && self.under_way().is_none()
    }

    /// Returns the plan's own release.
    fn under_way(&self) -> Option<&BackfillRow> {
        self.plan.as_ref().and_then(|plan| self.row.as_ref().filter(|row| plan.is_of(row)))
    }

    /// Returns when the last file goes at the earliest: by the agreed speed, or by what was
    /// measured if that is slower; within the hours. The day's traffic makes it later, and
    /// nobody knows how much.
    fn estimate(&self, engine: &Engine) -> Option<i64> {
        let scope = &engine.agreement.scope;
        let pace = Pace::new(&scope.backfill, &scope.timezone);
        let now = engine.clock.unix();
        let left = self.left()?;
        // Nothing is waited for behind the last file.
        let before_last = left.saturating_sub(rows_of_a_slice(&scope.backfill));
        let agreed = pace.seconds_for(before_last);
        let measured = self.under_way().map_or(0, |row| measured(&pace, row, before_last));
        let seconds = agreed.max(measured);
        if seconds == 0 && left > 0 && scope.backfill.per_minute == 0 {
            return None;
        }
        pace.ends(now.max(self.due.unwrap_or(now)), seconds)
    }

    /// Returns how many messages are to come, as far as that can be known; none where there
    /// is nothing to do.
    pub fn left(&self) -> Option<u64> {
        let plan = self.plan.as_ref()?;
        let Some(row) = self.under_way() else {
            return Some(plan.foreseen.counts().messages);
        };
        // What the day told first is passed over, so there may be fewer than were foreseen.
        let of = |foreseen: &Counts, done: &Counts| {
            let messages = foreseen.messages.saturating_sub(done.messages);
            messages.min(foreseen.rows.saturating_sub(done.rows))
        };
        let Foreseen { patients, appointments, .. } = &plan.foreseen;
        (!row.stage.is_over())
            .then(|| of(patients, &row.patients) + of(appointments, &row.appointments))
    }
}

/// Returns the seconds that so many messages take at the speed since the release.
fn measured(pace: &Pace<'_>, row: &BackfillRow, messages: u64) -> u64 {
    let since = row.counts().messages.saturating_sub(row.since_messages);
    match row.last_at {
        // Of one file there is no speed yet.
        Some(last) if since > row.last_messages && last > row.since => {
            let took = pace.open_seconds(row.since, last);
            took.saturating_mul(messages).div_ceil(since - row.last_messages)
        }
        _ => 0,
    }
}

/// Does what somebody decided, under the lock of the interface.
pub fn carry_out(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    task: BackfillTask,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    let newest = ledger.backfills(1)?.into_iter().next();
    let open = newest.clone().filter(|row| !row.stage.is_over());
    match (task, open) {
        (BackfillTask::Release { anyway }, None) => release(engine, ledger, newest, anyway, sign),
        (BackfillTask::Release { .. }, Some(row)) => refused(format!(
            "backfill {} was released by {} and is {}",
            row.id,
            row.released_by,
            row.stage.word()
        )),
        (BackfillTask::Pause, Some(row)) if row.stage == BackfillStage::Released => {
            let now = BackfillRow { stage: BackfillStage::Paused, ..row.clone() };
            moved(engine, ledger, task, &row, now, sign)
        }
        (BackfillTask::Resume, Some(row)) if row.stage == BackfillStage::Paused => {
            let (since, since_messages) = (sign.at, row.counts().messages);
            let stage = BackfillStage::Released;
            let now =
                BackfillRow { stage, why: String::new(), since, since_messages, ..row.clone() };
            moved(engine, ledger, task, &row, now, sign)
        }
        (BackfillTask::Cancel, Some(row)) => {
            let (stage, ended_at) = (BackfillStage::Cancelled, Some(sign.at));
            let now = BackfillRow { stage, ended_at, ..row.clone() };
            moved(engine, ledger, task, &row, now, sign)
        }
        (BackfillTask::Cancel, None) => give_up(engine, ledger, sign),
        (BackfillTask::Pause, Some(_)) => refused("the backfill is paused already"),
        (BackfillTask::Resume, Some(_)) => refused("the backfill is under way"),
        (BackfillTask::Pause | BackfillTask::Resume, None) => refused("no backfill is under way"),
    }
}

/// Commits a step of a backfill.
fn moved(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    task: BackfillTask,
    was: &BackfillRow,
    now: BackfillRow,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    ledger.put_backfill(&now, &step(task.verb(), &now, was.stage), sign)?;
    tidy(engine, ledger)?;
    Ok(told(&now, None))
}

/// Gives up one that was never released: nothing of it is in the ledger but this.
fn give_up(engine: &Engine, ledger: &mut dyn Ledger, sign: &Sign) -> Result<Mended, EngineError> {
    let _lock = engine.backfill_lock()?;
    let Some(plan) = Plan::look(engine)? else {
        return refused("no backfill waits, and none is under way");
    };
    let about = format!("the backfill of {}", names(&plan).join(", "));
    let (was, now) = ("prepared".to_string(), BackfillStage::Cancelled.word().to_string());
    let act = Act { verb: BackfillTask::Cancel.verb(), about, was, now };
    ledger.act(&act, sign)?;
    plan::clear(engine)?;
    Ok(Mended { note: Some("it was never released".to_string()), ..Mended::default() })
}

fn release(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    newest: Option<BackfillRow>,
    anyway: bool,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    let waiting = Plan::look(engine)?;
    let Some(plan) = waiting.filter(|plan| !newest.as_ref().is_some_and(|row| plan.is_of(row)))
    else {
        return refused("no backfill waits for its release; `hl7drop backfill start` makes one");
    };
    let mut doubts = plan.doubts.clone();
    let before = ledger.backfills(u64::MAX)?.into_iter().find(|row| row.digest == plan.digest);
    doubts.extend(before.map(|row| first_record(engine, &row)));
    if !doubts.is_empty() && !anyway {
        return refused(format!(
            "the backfill is held: {}. If it is right all the same: --anyway --why \"...\"; if it \
             is not: `hl7drop backfill cancel`",
            doubts.join("; ")
        ));
    }
    if plan.number != next_number(newest.as_ref()) {
        return refused(
            "the backfill was prepared beside another ledger; `hl7drop backfill cancel` gives it \
             up, then start it again",
        );
    }
    let counts = plan.foreseen.counts();
    let row = BackfillRow {
        id: plan.number,
        digest: plan.digest.clone(),
        files: names(&plan),
        patients_as: plan.patients_as.clone(),
        mark: plan.mark,
        stage: BackfillStage::Released,
        why: String::new(),
        slices: plan.slices(),
        taken: 0,
        rows: plan.rows(),
        foreseen_messages: counts.messages,
        foreseen_errors: counts.error,
        patients: Default::default(),
        appointments: Default::default(),
        begun_at: plan.made_at,
        released_at: sign.at,
        released_by: sign.by.clone(),
        last_at: None,
        last_messages: 0,
        since: sign.at,
        since_messages: 0,
        ended_at: None,
    };
    let task = BackfillTask::Release { anyway };
    let act = Act { was: "prepared".to_string(), ..step(task.verb(), &row, row.stage) };
    ledger.put_backfill(&row, &act, sign)?;
    let note = (!doubts.is_empty()).then(|| format!("in spite of: {}", doubts.join("; ")));
    Ok(told(&row, note))
}

/// Returns the number of the backfill after the newest one that was released.
pub(super) fn next_number(newest: Option<&BackfillRow>) -> u64 {
    newest.map_or(1, |row| row.id + 1)
}

/// Returns what is known of the first time the same extracts were released.
fn first_record(engine: &Engine, row: &BackfillRow) -> String {
    let zone = &engine.agreement.scope.timezone;
    format!(
        "the same extracts were released as backfill {} by {} on {}, which is {}: {}",
        row.id,
        row.released_by,
        crate::clock::shown(row.released_at, zone),
        row.stage.word(),
        row.counts()
    )
}

fn names(plan: &Plan) -> Vec<String> {
    plan.parts.iter().map(|part| part.name.clone()).collect()
}

fn told(row: &BackfillRow, note: Option<String>) -> Mended {
    Mended { records: row.rows, note, ..Mended::default() }
}
