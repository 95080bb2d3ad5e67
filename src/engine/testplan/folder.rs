//! The folder of a plan: what is in it, how it is frozen, and who writes results into it.
//!
//! ```text
//! ridge.testplan/
//!   plan.json  plan.md  plan.html
//!   extracts/03-appointment-scheduled/1/patients-testplan-03-1.csv
//!   expected/03-appointment-scheduled-1.hl7    one segment a line
//!   samples/S12-appointment-scheduled.hl7      as on the wire
//!   results.json                               reviews and outcomes
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::refused;
use crate::crashpoint::crashpoint;
use crate::digest::Digest;
use crate::disk::{self, failed};
use crate::engine::error::EngineError;
use crate::papers::testplan::{FORM, Plan, Results};
use crate::spool::lock_book;

const PLAN: &str = "plan.json";
const RESULTS: &str = "results.json";
/// Ends the name of a folder that is being written; its process stands before it.
const PART: &str = ".part";

/// The folder of a plan.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// The plan.
    pub plan: Plan,
    /// Its digest.
    digest: String,
}

/// Returns the folder that a plan has where nobody names another: beside the interface file.
pub fn usual(interface_file: &Path) -> PathBuf {
    interface_file.with_extension("testplan")
}

fn json_of<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, EngineError> {
    let text = serde_json::to_string_pretty(value).map_err(|err| refused(err.to_string()))?;
    Ok((text + "\n").into_bytes())
}

impl Folder {
    /// Opens one.
    ///
    /// # Errors
    /// There is none, or its `plan.json` is not one.
    pub fn open(path: &Path) -> Result<Folder, EngineError> {
        let file = path.join(PLAN);
        let text = fs::read_to_string(&file).map_err(|err| match err.kind() {
            io::ErrorKind::NotFound => refused(format!(
                "there is no test plan in {}; `hl7drop testplan write` makes one",
                path.display()
            )),
            _ => failed("read", &file)(err).into(),
        })?;
        let spoilt =
            |what: String| refused(format!("{}: {what}; write the plan anew", file.display()));
        let plan: Plan = serde_json::from_str(&text).map_err(|err| spoilt(err.to_string()))?;
        if plan.form != FORM {
            return Err(spoilt(format!("`{}` is not `{FORM}`", plan.form)));
        }
        let digest = Digest::of(text.as_bytes()).to_string();
        Ok(Folder { path: path.to_path_buf(), plan, digest })
    }

    /// Writes a new one, whole or not at all. The files of the plan are given by their paths.
    /// One that is there is set aside, where that is allowed; returns where.
    ///
    /// # Errors
    /// One that is there and is to stay; the disk.
    pub fn write(
        path: &Path,
        plan: &Plan,
        files: &BTreeMap<String, Vec<u8>>,
        replace: bool,
    ) -> Result<Option<PathBuf>, EngineError> {
        if path.exists() && !replace {
            let path = path.display();
            return Err(refused(format!(
                "{path} is there already; --replace sets it aside and writes a new one"
            )));
        }
        let part = part(path)?;
        disk::folder(&part)?;
        for (name, bytes) in files {
            let file = part.join(name);
            file.parent().map_or(Ok(()), disk::folder)?;
            disk::write(&file, bytes)?;
        }
        let json = json_of(plan)?;
        disk::write(&part.join(PLAN), &json)?;
        let results = Results { plan: Digest::of(&json).to_string(), ..Results::default() };
        disk::write(&part.join(RESULTS), &json_of(&results)?)?;
        crashpoint("testplan.publish.before").map_err(failed("move", &part))?;
        let aside = match path.exists() {
            true => Some(aside(path)?),
            false => None,
        };
        disk::shift_new(&part, path)?;
        crashpoint("testplan.publish.after").map_err(failed("move", path))?;
        Ok(aside)
    }

    /// Reads a file of the plan.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, EngineError> {
        let file = self.path.join(name);
        fs::read(&file).map_err(|err| failed("read", &file)(err).into())
    }

    /// Returns the digests of the files that a run relies on, as they are now; a file that
    /// is not there has none.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn files(&self) -> Result<BTreeMap<String, String>, EngineError> {
        let mut files = BTreeMap::new();
        for name in self.plan.files.keys() {
            let file = self.path.join(name);
            let bytes = disk::if_there(&file, fs::read(&file))?;
            let digest = bytes.map(|bytes| Digest::of(&bytes).to_string());
            files.insert(name.clone(), digest.unwrap_or_default());
        }
        Ok(files)
    }

    /// Returns the files that are not as they were reviewed, or, where nobody did, written.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn altered(&self, results: &Results) -> Result<Vec<String>, EngineError> {
        let frozen = results.review.as_ref().map_or(&self.plan.files, |review| &review.files);
        let now = self.files()?;
        Ok(now
            .into_iter()
            .filter(|(name, is)| frozen.get(name) != Some(is))
            .map(|(name, _)| name)
            .collect())
    }

    /// Reads the results.
    ///
    /// # Errors
    /// They cannot be read, or are those of another plan.
    pub fn results(&self) -> Result<Results, EngineError> {
        let file = self.path.join(RESULTS);
        let spoilt =
            |what: &str| refused(format!("{}: {what}; restore it from a backup", file.display()));
        let text = fs::read(&file).map_err(failed("read", &file))?;
        let results: Results =
            serde_json::from_slice(&text).map_err(|err| spoilt(&err.to_string()))?;
        if results.plan != self.digest {
            return Err(spoilt("these are results of another plan.json"));
        }
        Ok(results)
    }

    /// Changes the results at one instant; whoever else does so waits.
    ///
    /// # Errors
    /// As [`Folder::results`], and the disk; nothing was changed then.
    pub fn note(&self, change: impl FnOnce(&mut Results)) -> Result<(), EngineError> {
        let file = self.path.join(RESULTS);
        let _lock = lock_book(&file)?;
        let mut results = self.results()?;
        change(&mut results);
        let part = self.path.join(".results.part");
        disk::write(&part, &json_of(&results)?)?;
        crashpoint("testplan.note.before").map_err(failed("write", &file))?;
        disk::shift(&part, &file)?;
        crashpoint("testplan.note.after").map_err(failed("write", &file))?;
        Ok(())
    }
}

/// Returns where a plan is written before it has its name; what was killed there before goes.
fn part(path: &Path) -> Result<PathBuf, EngineError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let within = path.parent().filter(|within| !within.as_os_str().is_empty());
    disk::sweep(within.unwrap_or(Path::new(".")), |part| {
        part.strip_prefix(&*name)?.strip_prefix('.')?.strip_suffix(PART)
    });
    let part = path.with_file_name(format!("{name}.{}{PART}", std::process::id()));
    // A process before us had our number.
    disk::clear(&part)?;
    Ok(part)
}

/// Sets a folder aside under the first free name: its results are kept.
fn aside(path: &Path) -> Result<PathBuf, EngineError> {
    let named = |at: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("-{at}"));
        PathBuf::from(name)
    };
    let free = (1..).map(named).find(|one| one.symlink_metadata().is_err());
    let free = free.unwrap_or_else(|| named(0));
    disk::shift_new(path, &free)?;
    Ok(free)
}
