//! What is wrong with one interface now, in plain words, with the next step.

use super::keeper::Keeper;
use super::watches;
use crate::clock::shown;
use crate::disk;
use crate::domain::{BackfillStage, Cause, Code, ExtractKind, Trouble};
use crate::engine::acks::overdue;
use crate::engine::error::EngineError;
use crate::engine::next::{Typed, next_steps};
use crate::engine::pass::Engine;
use crate::engine::retention::usage::Limit;
use crate::ledger::{DeliveryRow, ExtractRow, Failure, Ledger, LedgerError, Sqlite, Stage, Totals};
use crate::spool::Spool;

/// Failures one after the other, and seconds, after which a delivery that tries again by
/// itself is told (`delivery.md` section 3).
const FAILURES_TOLD: u64 = 3;
const FAILING_S: i64 = 15 * 60;
/// Extracts that are looked at for rows that wait, the newest.
const EXTRACTS: u64 = 50;
/// File names in an alert.
const NAMES: usize = 3;

/// How the pass before this look ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Nothing is known of one.
    Unknown,
    /// It went through.
    Through,
    /// It did not; see [`of_error`].
    Failed(Trouble),
}

impl Engine {
    /// Looks what is wrong and notes it with the keeper. Never fails: what keeps it from
    /// looking is itself noted. Returns whether to look again though nothing happens.
    pub fn look(&self, keeper: &Keeper, typed: &Typed, ended: Ended) -> bool {
        let (mut troubles, mut blind) = (Vec::new(), false);
        let passed = !matches!(ended, Ended::Unknown);
        if let Ended::Failed(trouble) = ended {
            troubles.push(trouble);
        }
        self.look_at_disk(typed, &mut troubles);
        self.look_at_room(typed, &mut troubles);
        self.look_at_refused(&mut troubles);
        self.look_at_held(&mut troubles);
        let mut lasting = false;
        let before = troubles.len();
        match Sqlite::peek(&self.spool.ledger(), &self.owner()) {
            Ok(None) => {}
            Ok(Some(ledger)) => {
                let looked = self.look_at_ledger(keeper, typed, &ledger, &mut troubles);
                lasting = *looked.as_ref().unwrap_or(&false);
                if let Err(err) = looked {
                    blind = true;
                    troubles.push(of_ledger(&err, typed));
                }
            }
            Err(err) => {
                blind = true;
                troubles.push(of_ledger(&err, typed));
            }
        }
        // What this look sees too is one thing, not two.
        if troubles[before..].iter().any(|one| one.cause == Cause::Ledger) {
            troubles.retain(|one| one.cause != Cause::Ledger || one.about != PASS);
        }
        // What a pass ended with is seen again by a pass only, what stands in the ledger
        // only where it can be read.
        let looked = |trouble: &Trouble| match trouble.cause {
            Cause::PassFailed | Cause::PassKilled | Cause::Settings => passed,
            Cause::Disk | Cause::Ledger if trouble.about == PASS => passed,
            Cause::Disk | Cause::Filling | Cause::FilesRefused | Cause::Held | Cause::Ledger => {
                true
            }
            _ => !blind,
        };
        keeper.note(&looked, troubles);
        let alerts = &self.agreement.scope.alerts;
        lasting
            || alerts.silent_hours > 0
            || alerts.volume_percent > 0
            || !alerts.expects.is_empty()
    }

    fn look_at_disk(&self, typed: &Typed, troubles: &mut Vec<Trouble>) {
        let (root, floor) = (&self.spool.root, self.agreement.scope.pickup.disk_floor_mib);
        let Ok(free) = disk::free(root) else { return };
        if free >> 20 < floor && !troubles.iter().any(|one| one.cause == Cause::Disk) {
            troubles.push(Trouble {
                cause: Cause::Disk,
                about: String::new(),
                // Without the number: it changes all the time, and it is no news.
                what: format!(
                    "less than {floor} MiB are free at {}: nothing is taken in, deliveries go on",
                    root.display()
                ),
                next: vec![
                    "free some space there; intake goes on by itself".to_string(),
                    format!("how it stands: {}", typed.check()),
                ],
                count: 1,
            });
        }
    }

    /// Says that there will be no room before there is none.
    fn look_at_room(&self, typed: &Typed, troubles: &mut Vec<Trouble>) {
        let keep = self.agreement.scope.retention;
        if self.quota_left() == Some(0) && !troubles.iter().any(|one| one.cause == Cause::Disk) {
            troubles.push(Trouble {
                cause: Cause::Disk,
                about: String::new(),
                what: "quota_mib is used up: nothing is taken in, deliveries go on".to_string(),
                next: vec![
                    format!("what leaves when: {}", typed.prune(" --dry-run")),
                    "keep less for shorter in [retention], or allow more".to_string(),
                ],
                count: 1,
            });
        }
        let Some(forecast) = self.forecast() else { return };
        let soon = forecast.full_in.zip(keep.full_days);
        if soon.is_none_or(|(full, told)| full >= u64::from(told)) {
            return;
        }
        let limit = match forecast.limit {
            Limit::Quota => "the quota of this interface".to_string(),
            Limit::Disk => format!("the disk of {}", self.spool.root.display()),
        };
        troubles.push(Trouble {
            cause: Cause::Filling,
            about: String::new(),
            // Without the number of days: it changes every day, and it is no news.
            what: format!(
                "{limit} will be full within {} days, as it goes now; then nothing is taken in",
                keep.full_days.unwrap_or_default()
            ),
            next: vec![
                format!("how it stands: {}", typed.status()),
                format!("what leaves when: {}", typed.prune(" --dry-run")),
            ],
            count: 1,
        });
    }

    fn look_at_refused(&self, troubles: &mut Vec<Trouble>) {
        let mut names = Spool::list(&self.spool.error).unwrap_or_default();
        names.retain(|name| !name.ends_with(".why.toml"));
        let Some(first) = names.first() else { return };
        let folder = self.spool.error.display();
        let count = names.len() as u64;
        let more = if names.len() > NAMES { ", ..." } else { "" };
        let some: Vec<&str> = names.iter().take(NAMES).map(String::as_str).collect();
        troubles.push(Trouble {
            cause: Cause::FilesRefused,
            about: String::new(),
            what: format!(
                "files in {folder}: {count} ({}{more}); they could not be read and nothing of \
                 them was sent",
                some.join(", ")
            ),
            next: vec![
                format!("what is wrong, and what to do: cat {folder}/{first}.why.toml"),
                "then drop it again, mended, and take the old one out of error/".to_string(),
            ],
            count,
        });
    }

    /// A drop that a guard held has a file beside it that says why and what to do.
    fn look_at_held(&self, troubles: &mut Vec<Trouble>) {
        let path = self.spool.processing.join("held.toml");
        let Ok(text) = std::fs::read_to_string(&path) else { return };
        let table: toml::Table = text.parse().unwrap_or_default();
        let word = |key| table.get(key).and_then(toml::Value::as_str).map(str::to_string);
        let unread = || format!("a drop is held; {} says why", path.display());
        troubles.push(Trouble {
            cause: Cause::Held,
            about: String::new(),
            what: word("what").unwrap_or_else(unread),
            next: word("what_to_do").into_iter().collect(),
            count: 1,
        });
    }

    fn look_at_acks(
        &self,
        typed: &Typed,
        ledger: &dyn Ledger,
        troubles: &mut Vec<Trouble>,
    ) -> Result<(), LedgerError> {
        let late = match overdue(self, ledger) {
            Ok(late) => late,
            Err(EngineError::Ledger(err)) => return Err(err),
            Err(_) => return Ok(()),
        };
        for endpoint in &self.agreement.scope.endpoints {
            let mut of_it = late.iter().filter(|one| one.endpoint == endpoint.name);
            let Some(first) = of_it.next() else { continue };
            let count = 1 + of_it.count() as u64;
            let due = shown(first.due_at, &self.agreement.scope.timezone);
            troubles.push(Trouble {
                cause: Cause::AcknowledgementOverdue,
                about: endpoint.name.clone(),
                what: format!(
                    "batch files without their acknowledgement: {count}; that of {} was due at {due}",
                    first.batch
                ),
                next: vec![
                    "ask the vendor whether they processed it".to_string(),
                    format!("where it stands: {}", typed.status()),
                ],
                count,
            });
        }
        Ok(())
    }

    /// Returns whether something lasts that may be told later.
    fn look_at_ledger(
        &self,
        keeper: &Keeper,
        typed: &Typed,
        ledger: &dyn Ledger,
        troubles: &mut Vec<Trouble>,
    ) -> Result<bool, LedgerError> {
        let undelivered = ledger.undelivered()?;
        let lasting = self.look_at_deliveries(keeper, typed, &undelivered, troubles);
        let totals = ledger.totals()?;
        let extracts = ledger.extracts(EXTRACTS)?;
        troubles.extend(self.rows_waiting(typed, &totals, &extracts));
        self.look_at_acks(typed, ledger, troubles)?;
        troubles.extend(paused(typed, ledger)?);
        watches::watch(self, typed, ledger, &totals, troubles)?;
        Ok(lasting)
    }

    fn look_at_deliveries(
        &self,
        keeper: &Keeper,
        typed: &Typed,
        undelivered: &[DeliveryRow],
        troubles: &mut Vec<Trouble>,
    ) -> bool {
        let mut endpoints: Vec<&str> = Vec::new();
        let mut failing: Vec<(&DeliveryRow, u64)> = Vec::new();
        for row in undelivered {
            if endpoints.contains(&row.endpoint.as_str()) {
                continue;
            }
            // The first one holds up all that are behind it.
            endpoints.push(&row.endpoint);
            let same = undelivered.iter().filter(|other| other.endpoint == row.endpoint);
            let count = same.count() as u64;
            let Some(failure) = &row.failure else { continue };
            if !failure.stopped {
                failing.push((row, count));
                continue;
            }
            let cause = match row.stage {
                Stage::Uncertain => Cause::Uncertain,
                Stage::Conflict => Cause::Conflict,
                _ => Cause::DeliveryStopped,
            };
            troubles.push(delivery(cause, typed, row, count));
        }
        let now = self.clock.unix();
        let names: Vec<String> = failing.iter().map(|(row, _)| row.endpoint.clone()).collect();
        for ((row, count), since) in failing.iter().zip(keeper.since(now, &names)) {
            if row.failures >= FAILURES_TOLD || now - since >= FAILING_S {
                troubles.push(delivery(Cause::DeliveryFailing, typed, row, *count));
            }
        }
        !failing.is_empty()
    }

    fn rows_waiting(
        &self,
        typed: &Typed,
        totals: &Totals,
        extracts: &[ExtractRow],
    ) -> Vec<Trouble> {
        let percent = self.agreement.scope.alerts.rows_waiting_percent;
        let waits = totals.states.iter().any(|(state, count)| state.is_error() && *count > 0);
        let kinds = ExtractKind::ALL.into_iter().filter(|kind| kind.makes_messages());
        let newest = kinds.filter_map(|kind| extracts.iter().find(|row| row.extract.kind == kind));
        let many = |row: &&ExtractRow| {
            let counts = &row.counts;
            waits && percent > 0 && counts.error > 0 && counts.error * 100 >= counts.rows * percent
        };
        newest
            .filter(many)
            .map(|row| Trouble {
                cause: Cause::RowsWaiting,
                about: row.extract.kind.word().to_string(),
                what: format!(
                    "{} of the {} rows of {} wait for a person; the others went out",
                    row.counts.error, row.counts.rows, row.extract.name
                ),
                next: vec![format!("their reasons, and what to do: {}", typed.queue())],
                count: row.counts.error,
            })
            .collect()
    }
}

/// Returns that a backfill paused itself; one that a person paused is no trouble.
fn paused(typed: &Typed, ledger: &dyn Ledger) -> Result<Option<Trouble>, LedgerError> {
    let newest = ledger.backfills(1)?.into_iter().next();
    let paused = newest.filter(|row| row.stage == BackfillStage::Paused && !row.why.is_empty());
    Ok(paused.map(|row| Trouble {
        cause: Cause::Backfill,
        about: String::new(),
        what: format!("backfill {} is paused: {}", row.id, row.why),
        next: vec![
            format!("how it stands: {}", typed.backfill("status", "")),
            format!("once that is mended: {}", typed.backfill("resume", "")),
        ],
        count: 1,
    }))
}

/// `about` of what a pass ended with, to tell it from what any look can see.
const PASS: &str = "pass";

fn delivery(cause: Cause, typed: &Typed, row: &DeliveryRow, count: u64) -> Trouble {
    let (file, endpoint) = (row.batch.name.as_str(), row.endpoint.as_str());
    let failure = row.failure.as_ref();
    let why = failure.map_or("", |failure| failure.what.as_str());
    let behind = match count {
        1 => String::new(),
        more => format!("\n{} more batch files wait behind it.", more - 1),
    };
    let next = failure.map(|failure| next_steps(typed, (file, endpoint), row.stage, failure));
    let about = endpoint.to_string();
    let is_failed = matches!(cause, Cause::DeliveryStopped | Cause::DeliveryFailing);
    // The text begins with any other code.
    let code = match failure.map(Failure::code) {
        Some(Code::S001) if is_failed => " (S001)",
        _ => "",
    };
    let what = format!("{file} to {endpoint}: {why}{code}{behind}");
    Trouble { cause, about, what, next: next.unwrap_or_default(), count: 1 }
}

/// Returns what is to be told of a pass that ended so; nothing where another process is at
/// work.
pub fn of_error(err: &EngineError, typed: &Typed) -> Option<Trouble> {
    let (cause, about) = match err {
        EngineError::Busy { .. } => return None,
        EngineError::Ledger(err) => return Some(of_ledger_in(err, typed, PASS)),
        EngineError::Disk(_) => (Cause::Disk, PASS),
        EngineError::Altered { .. }
        | EngineError::Lost { .. }
        | EngineError::Unpromised { .. }
        | EngineError::OldLedger { .. }
        | EngineError::NoLedger { .. } => (Cause::Ledger, PASS),
        _ => (Cause::PassFailed, ""),
    };
    let next = vec![
        format!("what else is wrong: {}", typed.check()),
        format!("once it is mended: {}", typed.run("")),
    ];
    let (about, what) = (about.to_string(), err.to_string());
    Some(Trouble { cause, about, what, next, count: 1 })
}

fn of_ledger(err: &LedgerError, typed: &Typed) -> Trouble {
    of_ledger_in(err, typed, "")
}

fn of_ledger_in(err: &LedgerError, typed: &Typed, about: &str) -> Trouble {
    let next = vec![
        format!("what else is wrong: {}", typed.check()),
        "put the newest backup back: hl7drop restore DIR --why \"TEXT\" (docs/backup.md); until \
         then nothing is taken in or sent"
            .to_string(),
    ];
    let (about, what) = (about.to_string(), err.to_string());
    Trouble { cause: Cause::Ledger, about, what, next, count: 1 }
}
