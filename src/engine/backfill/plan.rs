//! What a backfill is going to be: its extracts, its slices and what they will come to.
//! It lies beside the slices as `plan.json`, which is written last: without it, nothing
//! there counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::domain::{Counts, Event, ExtractKind, Layout, Note};
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::extract::{Reading, kept};
use crate::ledger::BackfillRow;
use crate::spool::{Spool, clean_name};

/// A backfill, from its survey to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The number that it gets when it is released: the next one.
    pub number: u64,
    /// SHA-256 of the digests of its extracts.
    pub digest: String,
    /// When its extracts were read, unix seconds.
    pub made_at: i64,
    /// Where the register ended before they were read.
    pub mark: u64,
    /// MSH-9.2 of its patients: `A28` or `A31`.
    pub patients_as: String,
    /// Its extracts: patients, then appointments.
    pub parts: Vec<Part>,
    /// What will come of it.
    pub foreseen: Foreseen,
    /// Why a person should look twice before it is released; nothing if all is well.
    pub doubts: Vec<String>,
}

/// One extract of a backfill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Patients or appointments.
    pub kind: ExtractKind,
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its header, or the names of its objects.
    pub header: String,
    /// Whether it holds objects.
    pub json: bool,
    /// The number of its first slice.
    pub first: u64,
    /// How many slices it was cut into.
    pub slices: u64,
    /// Rows that share an ID, of the record or an external one, with another: they are the
    /// last slice, all of them, so that they are held against each other.
    pub together: u64,
}

/// What a rehearsal came to: the slices were converted, and nothing was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen {
    /// Rows of patients.
    pub patients: Counts,
    /// Rows of appointments.
    pub appointments: Counts,
    /// The size of all batch files.
    pub bytes: u64,
    /// What was noticed.
    pub notes: BTreeMap<Note, u64>,
    /// Bad rows, by code and column.
    pub faults: Vec<(String, String, u64)>,
    /// Rows whose external ID another row or a record that was told before has too.
    pub not_unique_rows: u64,
    /// The first of them.
    pub not_unique: Vec<NotUnique>,
}

/// A row whose external ID is not its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUnique {
    /// The slice.
    pub file: String,
    /// The record in it.
    pub record: u64,
    /// Its line.
    pub line: u64,
    /// The column.
    pub column: String,
}

impl Foreseen {
    /// Returns what will become of all rows.
    pub fn counts(&self) -> Counts {
        let mut counts = self.patients;
        counts.add(&self.appointments);
        counts
    }
}

impl Part {
    /// Returns the name of slice `number`, as it lies there and as the ledger knows it.
    pub fn slice_name(&self, number: u64) -> String {
        let name = clean_name(&self.name);
        let stem = name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or("extract");
        let end = if self.json { "ndjson" } else { "csv" };
        format!("{stem}{SLICE}{number:06}.{end}")
    }

    /// True if slice `number` is one of it.
    pub fn has(&self, number: u64) -> bool {
        (self.first..self.first + self.slices).contains(&number)
    }

    /// Returns its header, bound as the settings have it today.
    ///
    /// # Errors
    /// A column that must be there by now.
    pub fn layout(&self, reading: &Reading) -> Result<Layout, EngineError> {
        kept(reading, self.kind, &self.header, self.json).map_err(EngineError::Extract)
    }
}

impl Plan {
    /// Returns the plan that lies in the folder, if there is one that can be read.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn look(engine: &Engine) -> Result<Option<Plan>, EngineError> {
        let path = engine.spool.backfill.join(PLAN);
        let Some(text) = disk::if_there(&path, fs::read(&path))? else { return Ok(None) };
        // The day's traffic must not wait for it; one that was released pauses for want of it.
        let plan = serde_json::from_slice(&text);
        Ok(plan.map_err(|err| log::error!("{} cannot be read: {err}", path.display())).ok())
    }

    /// Returns where the first messages of a kind are kept to be shown: patient data.
    pub fn first_messages(engine: &Engine, kind: ExtractKind) -> PathBuf {
        engine.spool.backfill.join(format!("first-{}.hl7", kind.word()))
    }

    /// Lays it beside its slices.
    pub(super) fn keep(&self, engine: &Engine) -> Result<(), EngineError> {
        let text = serde_json::to_vec_pretty(self).map_err(|err| EngineError::Refused {
            what: format!("no plan can be written: {err}"),
        })?;
        let part = engine.spool.backfill.join(".plan.new");
        disk::write(&part, &text)?;
        Ok(disk::shift(&part, &engine.spool.backfill.join(PLAN))?)
    }

    /// True if `row` is its release.
    pub fn is_of(&self, row: &BackfillRow) -> bool {
        (row.id, row.digest.as_str()) == (self.number, self.digest.as_str())
    }

    /// Returns the event of its patients.
    pub fn event(patients_as: &str) -> Event {
        match patients_as == Event::PatientUpdated.telling().trigger {
            true => Event::PatientUpdated,
            false => Event::PatientAdded,
        }
    }

    /// Returns how many slices there are.
    pub fn slices(&self) -> u64 {
        self.parts.iter().map(|part| part.slices).sum()
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    /// Returns the extract that a slice is of, and where the slice lies.
    pub(super) fn slice(&self, engine: &Engine, number: u64) -> Option<(&Part, PathBuf)> {
        let part = self.parts.iter().find(|part| part.has(number))?;
        Some((part, engine.spool.slices.join(part.slice_name(number))))
    }
}

/// True of the name of a slice: the day's traffic is watched without them.
pub fn is_slice(name: &str) -> bool {
    let Some((_, rest)) = name.rsplit_once(SLICE) else { return false };
    let (digits, end) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    digits.len() >= 6
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(end, ".csv" | ".ndjson")
}

/// Stands in the name of a slice between that of its extract and its number.
const SLICE: &str = "-backfill-";

/// The plan's file.
const PLAN: &str = "plan.json";

/// Removes the plan and all that lies beside it. The plan goes last: as long as it is
/// there, somebody knows what the rest is.
pub(super) fn clear(engine: &Engine) -> Result<(), EngineError> {
    for folder in [&engine.spool.slices, &engine.spool.backfill] {
        if !folder.is_dir() {
            continue;
        }
        for name in Spool::list(folder)?.into_iter().filter(|name| name != PLAN) {
            disk::remove(&folder.join(name))?;
        }
    }
    Ok(disk::remove(&engine.spool.backfill.join(PLAN))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_known_by_its_name_and_no_other_extract_is() {
        let part = |name: &str, json| Part {
            kind: ExtractKind::Patients,
            name: name.into(),
            digest: String::new(),
            bytes: 1,
            rows: 1,
            header: String::new(),
            json,
            first: 3,
            slices: 2,
            together: 0,
        };
        let full = part("patients full.csv.gz", false);
        assert_eq!(full.slice_name(12), "patients_full-backfill-000012.csv");
        assert!(full.has(4) && !full.has(5) && !full.has(2));
        let names = [full.slice_name(1), part("p.ndjson", true).slice_name(1_234_567)];
        assert!(names.iter().all(|name| is_slice(name)), "{names:?}");
        for name in ["patients.csv", "patients-backfill.csv", "patients-backfill-12.csv"] {
            assert!(!is_slice(name), "{name}");
        }
    }
}
