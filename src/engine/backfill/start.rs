//! A backfill begins: its extracts are looked over, cut, rehearsed, and doubted. Nothing
//! of it leaves before a person releases it, and the day's traffic goes on beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::cut::{Looked, look, rows_of_a_slice};
use super::plan::{self, Foreseen, Plan};
use super::rehearse::Rehearsal;
use super::tasks::{State, next_number};
use super::told::Backfilling;
use crate::crashpoint::crashpoint;
use crate::digest::Digest;
use crate::disk::{self, failed};
use crate::domain::{Counts, ExtractKind, Kind};
use crate::engine::error::EngineError;
use crate::engine::intake;
use crate::engine::mend::refused;
use crate::engine::pass::Engine;
use crate::engine::patients::PatientIndex;
use crate::engine::source::Source;
use crate::ledger::{BackfillRow, Ledger, Memory, Sqlite};

impl Engine {
    /// Prepares a backfill of these extracts: at most one of patients and one of
    /// appointments. What lies there is read and left as it is.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if one is under way or an extract will not do,
    /// [`EngineError::Busy`] if one is being prepared, and what cannot be read.
    pub fn start_backfill(&self, files: &[PathBuf]) -> Result<Plan, EngineError> {
        self.spool.make()?;
        let _lock = self.backfill_lock()?;
        self.is_free()?;
        let sources = self.backfill_sources(files)?;
        let scope = &self.agreement.scope;
        // Its slices are as large as it is, and so is their archive.
        if let Some(why) = intake::held(self)? {
            return refused(why);
        }
        plan::clear(self)?;
        disk::folder(&self.spool.slices)?;
        let ledger = self.looked_at()?;
        let (mark, number) = (ledger.end()?, next_number(ledger.backfills(1)?.first()));
        let made_at = self.clock.unix();
        let [patients, appointments] = sources;
        let joined = patients.is_some() && appointments.is_some();
        let rows = rows_of_a_slice(&scope.backfill);
        let (mut parts, mut index, mut undated, mut written_at) =
            (Vec::new(), None, false, made_at);
        for source in [patients, appointments].into_iter().flatten() {
            let inode = source.inode;
            let (path, kind) = (source.path.clone(), source.kind);
            let looked = look(self, source, joined)?;
            let next = parts.iter().map(|part: &plan::Part| part.slices).sum::<u64>() + 1;
            parts.push(looked.cut(self, next, rows)?);
            is_as_it_was(&path, kind, inode)?;
            if !looked.layout.has("lastmodified") {
                undated = true;
                written_at = written_at.min(modified_at(&path)?);
            }
            if joined && looked.is_of_patients() {
                index = Some(found_in(looked)?);
            }
        }
        let events = scope.backfill.event(Kind::Patient);
        let today = self.clock.civil(&scope.timezone).date();
        let patients = index.as_ref().map(|(index, _)| index);
        let backfilling = Backfilling { patients_as: events, mark, today, patients };
        let mut rehearsal = Rehearsal::new(self, ledger, backfilling)?;
        parts.iter().try_for_each(|part| rehearsal.run(part))?;
        let foreseen = rehearsal.end();
        let digests: String = parts.iter().map(|part| part.digest.as_str()).collect();
        let mut plan = Plan {
            number,
            digest: Digest::of(digests.as_bytes()).to_string(),
            made_at,
            mark,
            patients_as: events.telling().trigger.to_string(),
            parts,
            foreseen,
            doubts: Vec::new(),
        };
        plan.doubts = self.doubts(&plan, undated.then_some(written_at))?;
        crashpoint("backfill.plan.before").map_err(failed("plan", &self.spool.backfill))?;
        plan.keep(self)?;
        crashpoint("backfill.plan.after").map_err(failed("plan", &self.spool.backfill))?;
        Ok(plan)
    }

    /// Sees that no other backfill is under way, or waits.
    fn is_free(&self) -> Result<(), EngineError> {
        let state = State::look(self)?;
        if state.row.as_ref().is_some_and(|row| !row.stage.is_over()) {
            return refused("a backfill is under way; `hl7drop backfill status` shows it");
        }
        if state.waits_for_release() {
            return refused(
                "a backfill waits for its release; `hl7drop backfill preview` shows it, \
                 `hl7drop backfill cancel` gives it up",
            );
        }
        Ok(())
    }

    /// Returns the ledger to look at; an empty one where there is none yet.
    fn looked_at(&self) -> Result<Box<dyn Ledger>, EngineError> {
        Ok(match Sqlite::peek(&self.spool.ledger(), &self.owner())? {
            Some(ledger) => Box::new(ledger),
            None => Box::new(Memory::default()),
        })
    }

    /// Returns the extract of patients and that of appointments.
    fn backfill_sources(&self, files: &[PathBuf]) -> Result<[Option<Source>; 2], EngineError> {
        let (mut patients, mut appointments) = (None, None);
        for path in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(kind) = intake::kind_of(self, &name) else {
                return refused(format!(
                    "{name}: what it holds cannot be told from its name; give it a name that \
                     matches a pattern of [extract.patients] or [extract.appointments]"
                ));
            };
            let place = match kind {
                ExtractKind::Patients => &mut patients,
                ExtractKind::Appointments => &mut appointments,
                _ => {
                    return refused(format!(
                        "{name} holds {}: drop it into the inbox, as always; a backfill takes \
                         patients and appointments",
                        kind.word()
                    ));
                }
            };
            let source = Source::of(path, &name, kind, true).map_err(failed("read", path))?;
            if let Some(before) = place.replace(source) {
                return refused(format!(
                    "{} and {name} both hold {}: put them into one file, so that each ID is \
                     held against all others",
                    before.name,
                    kind.word()
                ));
            }
        }
        match (&patients, &appointments) {
            (None, None) => {
                refused("name the full extracts: of patients, of appointments, or both")
            }
            _ => Ok([patients, appointments]),
        }
    }

    /// Returns why a person should look twice. `written_at` is when the oldest extract was
    /// written whose rows do not say when they were changed.
    fn doubts(&self, plan: &Plan, written_at: Option<i64>) -> Result<Vec<String>, EngineError> {
        let (mut doubts, ledger) = (Vec::new(), self.looked_at()?);
        let guard = &self.agreement.scope.guard;
        let Foreseen { patients, appointments, .. } = &plan.foreseen;
        let last = ledger.backfills(u64::MAX)?;
        let last = |of: fn(&BackfillRow) -> &Counts| {
            let done = last.iter().filter(|row| row.ended_at.is_some()).map(of);
            done.map(|counts| counts.rows).find(|rows| *rows > 0)
        };
        let known = ledger.count(Kind::Patient, u64::MAX)?;
        let of_patients = (ExtractKind::Patients, patients.rows);
        let of_appointments = (ExtractKind::Appointments, appointments.rows);
        let (had, knows) = ("the last backfill had", "the register knows");
        for ((kind, rows), before, whose) in [
            (of_patients, last(|row| &row.patients), had),
            (of_patients, Some(known), knows),
            (of_appointments, last(|row| &row.appointments), had),
        ] {
            let Some(before) = before.filter(|_| plan.parts.iter().any(|part| part.kind == kind))
            else {
                continue;
            };
            let what = kind.word();
            if guard.refuses_changes(before.saturating_sub(rows), before) {
                doubts.push(format!(
                    "the extract has {rows} {what} and {whose} {before}: did it lose rows? (more \
                     than changes_percent_max = {} of a hundred are missing)",
                    guard.changes_percent_max
                ));
            }
        }
        let counts = plan.foreseen.counts();
        if guard.refuses_faults(counts.error, counts.rows) {
            doubts.push(format!(
                "{} of its {} rows are bad, more than faults_percent_max = {}",
                counts.error, counts.rows, guard.faults_percent_max
            ));
        }
        let newest = ledger.extracts(1)?.first().map(|row| row.extract.taken_at);
        if written_at.zip(newest).is_some_and(|(written, newest)| written < newest) {
            doubts.push(
                "an extract without `lastmodified` was written before the newest drop was taken \
                 in: it may be older than what the vendor was told last; export it again, or with \
                 that column"
                    .to_string(),
            );
        }
        Ok(doubts)
    }

    pub(super) fn backfill_lock(&self) -> Result<crate::spool::Lock, EngineError> {
        self.spool.lock_backfill()?.ok_or_else(|| {
            let lock = self.spool.backfill_lock_file().display().to_string();
            EngineError::Busy { interface: self.owner(), lock }
        })
    }
}

/// Returns what finds the patients of an extract; the copy must be kept as long.
fn found_in(
    looked: Looked,
) -> Result<(PatientIndex, Option<crate::engine::plain::Plain>), EngineError> {
    let (file, keys, plain) = looked.patients()?;
    Ok((PatientIndex::new(vec![(file, keys)]), plain))
}

/// Sees that nobody wrote into the extract while it was read, more than once.
fn is_as_it_was(path: &Path, kind: ExtractKind, inode: u64) -> Result<(), EngineError> {
    let now = Source::unpromised(path, "", kind).map_err(failed("open", path))?;
    match now.inode == inode {
        true => Ok(()),
        false => refused(format!("{} was changed while it was read; start again", path.display())),
    }
}

fn modified_at(path: &Path) -> Result<i64, EngineError> {
    let modified = fs::metadata(path).and_then(|found| found.modified());
    let modified = modified.map_err(failed("look at", path))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(i64::try_from(since).unwrap_or(i64::MAX))
}
