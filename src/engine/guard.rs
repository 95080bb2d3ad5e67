//! A drop that looks wrong as a whole waits for a person: too many bad rows, too many
//! updates and cancellations, too many appointments missing (`delivery.md` section 2).
//!
//! A half-written export must not cancel a clinic. Nothing of such a drop is committed:
//! its extracts stay in `processing/`, beside them `held.toml` says why. As long as it
//! stands there nothing else is taken in, since what comes later must not overtake it.
//! A person releases it, which makes `released.toml` of that file, and the next pass takes
//! in those extracts unguarded; or discards it (`discarded.toml`), and they go to
//! `error/`. Each of these files is one rename, so a crash finds one of the states.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::drop::Accounts;
use super::error::EngineError;
use super::pass::Engine;
use crate::disk;
use crate::domain::{Code, Event, ExtractKind, Guard, Kind};
use crate::ledger::{Act, Ledger, Sign};

const HELD: &str = "held.toml";
const RELEASED: &str = "released.toml";
const DISCARDED: &str = "discarded.toml";
/// `held.toml` while it is written.
const NEW: &str = ".held.new";

/// How many rows have each fault in each column.
pub(super) type Faults = BTreeMap<(Code, String), u64>;

/// What the messages of an extract change of what the vendor knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records that were not known.
    pub added: u64,
    /// A31, and S14 of an update, of what is known.
    pub updates: u64,
    /// S15, of what is known.
    pub cancels: u64,
    /// Booked appointments that a full snapshot does not have.
    pub missing: u64,
    /// Booked appointments that the vendor was told of, where that was looked for.
    pub booked: u64,
}

impl Changes {
    /// Counts an event that is told of a record that is known.
    pub(super) fn count(&mut self, event: Event) {
        match event {
            Event::PatientUpdated | Event::AppointmentUpdated => self.updates += 1,
            Event::AppointmentCancelled => self.cancels += 1,
            _ => {}
        }
    }

    /// Adds what others change.
    pub(super) fn add(&mut self, other: &Changes) {
        self.added += other.added;
        self.updates += other.updates;
        self.cancels += other.cancels;
        self.missing += other.missing;
        self.booked += other.booked;
    }
}

/// Returns why a drop is to be held, if it is.
///
/// # Errors
/// Those of the ledger.
pub(super) fn judge(
    guard: &Guard,
    accounts: &Accounts,
    ledger: &dyn Ledger,
) -> Result<Option<String>, EngineError> {
    let read =
        || accounts.iter().filter_map(|(source, account)| Some((source, account.as_ref().ok()?)));
    let (mut bad, mut rows) = (0, 0);
    read().for_each(|(_, account)| {
        bad += account.counts.error;
        rows += account.counts.rows;
    });
    if guard.refuses_faults(bad, rows) {
        let most = guard.faults_percent_max;
        let text =
            format!("{bad} of its {rows} rows are bad, more than faults_percent_max = {most}");
        return Ok(Some(held(&text)));
    }
    for (kind, extract, whom) in [
        (Kind::Patient, ExtractKind::Patients, "patients"),
        (Kind::Appointment, ExtractKind::Appointments, "appointments"),
    ] {
        let mut changes = Changes::default();
        read().filter(|(source, _)| source.kind == extract).for_each(|(_, account)| {
            changes.add(&account.changes);
        });
        let most = guard.changes_percent_max;
        let Changes { added, updates, cancels, missing, booked } = changes;
        if guard.refuses_changes(missing, booked) {
            let text = format!(
                "{missing} of the {booked} booked appointments are missing in it, more than \
                 changes_percent_max = {most}"
            );
            return Ok(Some(held(&text)));
        }
        let changed = updates + cancels;
        if changed < guard.rows_min {
            continue;
        }
        // No more than decides: a register can have millions.
        let limit = (changed * 100 / most.max(1)).saturating_add(1 + added);
        let known = ledger.count(kind, limit)?.saturating_sub(added);
        if known >= guard.rows_min && guard.refuses_changes(changed, known) {
            let text = format!(
                "{updates} updates and {cancels} cancellations of {known} {whom} that are known, \
                 more than changes_percent_max = {most}"
            );
            return Ok(Some(held(&text)));
        }
    }
    Ok(None)
}

fn held(why: &str) -> String {
    format!("the drop is held, nothing of it was sent and nothing else is taken in: {why}")
}

/// A drop that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why.
    pub what: String,
    /// What to do.
    pub what_to_do: String,
    /// Since when, unix seconds.
    pub at: i64,
    /// Its extracts, as they lie in `processing/`.
    pub files: Vec<String>,
    /// What is wrong with its rows.
    #[serde(default, rename = "fault")]
    pub faults: Vec<HeldFault>,
}

/// How many rows of a drop have one fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFault {
    /// Its code.
    pub code: String,
    /// The column; empty for a whole row.
    pub column: String,
    /// How many.
    pub rows: u64,
}

/// What holds for the extracts in `processing/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They wait for a person.
    Waits(Hold),
    /// A person released them: no guard looks at them any more.
    Released,
}

impl Hold {
    /// Returns the drop that an interface holds, for those who only look.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn look(engine: &Engine) -> Result<Option<Hold>, EngineError> {
        let path = file(engine, HELD);
        let text = disk::if_there(&path, std::fs::read_to_string(&path))?;
        let Some(text) = text else { return Ok(None) };
        // Somebody wrote in it: it holds all the same.
        Ok(Some(toml::from_str(&text).unwrap_or_else(|_| Hold {
            what: held(&format!("{} says so, and cannot be read", path.display())),
            what_to_do: String::new(),
            at: 0,
            files: Vec::new(),
            faults: Vec::new(),
        })))
    }

    /// Returns what was decided so far, and carries out what was discarded.
    pub(super) fn verdict(engine: &Engine) -> Result<Option<Verdict>, EngineError> {
        if let Some(hold) = Hold::look(engine)? {
            return Ok(Some(Verdict::Waits(hold)));
        }
        if file(engine, DISCARDED).exists() {
            Hold::carry_out(engine)?;
        }
        Ok(file(engine, RELEASED).exists().then_some(Verdict::Released))
    }

    /// Holds what is in `processing/`.
    pub(super) fn place(engine: &Engine, what: &str, faults: &Faults) -> Result<(), EngineError> {
        let name = engine.agreement.scope.interface.as_str();
        let faults = faults.iter().map(|((code, column), rows)| HeldFault {
            code: code.id().to_string(),
            column: column.clone(),
            rows: *rows,
        });
        let mut files = Vec::new();
        for kind in ExtractKind::ALL {
            let claimed = engine.spool.claimed(kind)?;
            files.extend(
                claimed
                    .iter()
                    .filter_map(|path| path.file_name())
                    .map(|name| format!("{}/{}", kind.word(), name.to_string_lossy())),
            );
        }
        let hold = Hold {
            what: what.to_string(),
            what_to_do: format!(
                "look at the files in processing/; if they are right, `hl7drop held {name} \
                 --release --why ...` and run; if not, `hl7drop held {name} --discard --why ...` \
                 and drop better ones"
            ),
            at: engine.clock.unix(),
            files,
            faults: faults.collect(),
        };
        // It has nothing that TOML cannot say.
        let text = toml::to_string(&hold).unwrap_or_default();
        let new = file(engine, NEW);
        disk::write(&new, text.as_bytes())?;
        Ok(disk::shift(&new, &file(engine, HELD))?)
    }

    /// What was released was taken in.
    pub(super) fn lift(engine: &Engine) -> Result<(), EngineError> {
        let released = file(engine, RELEASED);
        if released.exists() {
            disk::remove(&released)?;
        }
        Ok(())
    }

    /// What was discarded goes to `error/`.
    fn carry_out(engine: &Engine) -> Result<(), EngineError> {
        let discarded = file(engine, DISCARDED);
        let why = std::fs::read_to_string(&discarded).map_err(disk::failed("read", &discarded))?;
        for kind in ExtractKind::ALL {
            for path in engine.spool.claimed(kind)? {
                engine.spool.shelve_error(&path, &why)?;
            }
        }
        Ok(disk::remove(&discarded)?)
    }
}

impl Engine {
    /// Decides about the drop that is held: the next run takes it in as it is, or it goes
    /// to `error/`. The action is committed first.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], and what ends a pass.
    pub fn decide_held(&self, release: bool, sign: &Sign) -> Result<Hold, EngineError> {
        let nothing = || EngineError::NothingWaits { what: "a drop that is held".to_string() };
        let (_lock, mut ledger) = self.locked_ledger()?.ok_or_else(nothing)?;
        let hold = Hold::look(self)?.ok_or_else(nothing)?;
        let act = Act {
            verb: if release { "release" } else { "discard" },
            about: format!("the drop {}", hold.files.join(", ")),
            was: "held".to_string(),
            now: if release { "to be taken in" } else { "in error/" }.to_string(),
        };
        ledger.act(&act, sign)?;
        let to = file(self, if release { RELEASED } else { DISCARDED });
        disk::shift(&file(self, HELD), &to)?;
        if !release {
            Hold::carry_out(self)?;
        }
        Ok(hold)
    }
}

fn file(engine: &Engine, name: &str) -> PathBuf {
    engine.spool.processing.join(name)
}
