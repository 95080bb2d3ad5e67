//! Putting a backup back, so that nothing is sent twice for it.
//!
//! A ledger of earlier does not know what was done since. Whoever puts one back gets:
//!
//! - numbers that jump, by what the folders tell and by the time since then, so that no
//!   control ID and no file name is given again;
//! - nothing that leaves by itself: new batches are held, and those that waited then are
//!   *uncertain* until a person says whether the vendor has them, but for those whose file
//!   lies in `sent/`;
//! - what the ledger does not know set aside in `before-restore/`, not thrown away: batch
//!   files that went out since, extracts that were taken in since. Dropped again while all
//!   is held they make the batches that the vendor has had in other files, and each of
//!   those is marked as delivered (docs/backup.md).
//!
//! The ledger gets its name last. A crash before that leaves none, which every pass
//! refuses, and the same command again goes on.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Serialize;

use super::since::{Since, jump, since};
use super::{APPROVALS, FORMAT, LedgerNote, MANIFEST, Manifest, Place, below, refused};
use crate::clock::shown;
use crate::crashpoint::crashpoint;
use crate::desk;
use crate::digest::Digest;
use crate::disk::{self, failed};
use crate::engine::error::EngineError;
use crate::ledger::{Ledger, LedgerError, Sign, Sqlite};
use crate::spool::{Lock, Spool, name_of};

/// Where what a restored ledger does not know is kept, below the interface's folder.
pub const ASIDE: &str = "before-restore";

/// What an interrupted restore leaves, and what the ledger is called until it counts.
const HALF: &str = "ledger.restored";

/// What belongs to the ledger that was there, first of all that ledger: without it nothing
/// runs. Its log goes with it, or it would be taken for that of the next.
const OF_LEDGER: [&str; 9] = [
    "ledger.db",
    "ledger.db-wal",
    "ledger.db-shm",
    "ledger.register",
    "ledger.register-new",
    "index",
    "outbox",
    "reference",
    "requests",
];

/// The ledger that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Was {
    /// There is none.
    Missing,
    /// It cannot be used.
    Damaged(String),
    /// It knows less than the backup.
    Older,
    /// It is as the backup has it.
    Same,
    /// It knows more than the backup.
    Newer(LedgerNote),
}

/// What would be done about a ledger.
#[derive(Debug)]
pub struct Plan {
    /// The backup's.
    pub note: LedgerNote,
    /// The one that is there.
    pub was: Was,
    since: Since,
}

/// What was done about a ledger.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Restored {
    /// Whose.
    pub interface: String,
    /// `test` or `production`.
    pub environment: String,
    /// What was there before, in a word or a sentence.
    pub was: String,
    /// The file number that is given next.
    pub next_file: u64,
    /// The control number that is given next.
    pub next_control: u64,
    /// Batches that may have been sent since: each waits for a person. The endpoint too.
    pub uncertain: Vec<(String, String)>,
    /// Batches that waited then and lie in `sent/`: they count as delivered.
    pub delivered: Vec<String>,
    /// Batch files that went out since.
    pub sent_since: Vec<String>,
    /// Batch files that were promised since, and may have gone out.
    pub promised_since: Vec<String>,
    /// Extracts that were taken in since.
    pub extracts_since: Vec<String>,
    /// Where these are; none where there was nothing.
    pub aside: Option<PathBuf>,
}

impl Plan {
    /// Says what a restore would come to, as far as can be told without doing it.
    pub fn foreseen(&self, manifest: &Manifest, now: i64) -> Restored {
        let next = jump(self.since.numbers, now - manifest.made_at);
        let names = |files: &[PathBuf]| files.iter().map(|file| name_of(file)).collect();
        Restored {
            interface: self.note.interface.clone(),
            environment: self.note.environment.clone(),
            was: self.was.to_string(),
            next_file: next.file,
            next_control: next.control,
            delivered: self.since.went.clone(),
            sent_since: names(&self.since.sent),
            promised_since: names(&self.since.promised),
            extracts_since: names(&self.since.extracts),
            ..Restored::default()
        }
    }
}

impl std::fmt::Display for Was {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Was::Missing => out.write_str("there was none"),
            Was::Damaged(why) => write!(out, "damaged: {why}"),
            Was::Older => out.write_str("older than the backup"),
            Was::Same => out.write_str("as the backup has it"),
            Was::Newer(there) => write!(out, "whole, and knows more: next file {}", there.file),
        }
    }
}

/// Reads a backup, holds every file to its digest, and looks at what is there; `only` names
/// interfaces, none means all.
///
/// # Errors
/// A folder that is no backup, or not as it was written.
pub fn plan(
    place: &Place,
    dir: &Path,
    only: &[String],
) -> Result<(Manifest, Vec<Plan>), EngineError> {
    let manifest = checked(dir)?;
    let looked = |note| look(place, dir, note, manifest.made_at);
    let plans = chosen(&manifest, only)?.into_iter().map(looked).collect::<Result<_, _>>()?;
    Ok((manifest, plans))
}

/// Returns the ledgers of these interfaces, of all where none is named.
fn chosen<'m>(manifest: &'m Manifest, only: &[String]) -> Result<Vec<&'m LedgerNote>, EngineError> {
    for name in only {
        if !manifest.ledgers.iter().any(|note| note.interface == *name) {
            let all: Vec<String> = manifest.ledgers.iter().map(LedgerNote::owner).collect();
            return refused(format!("the backup has no `{name}`; it has {}", all.join(", ")));
        }
    }
    let notes = manifest.ledgers.iter();
    Ok(notes.filter(|note| only.is_empty() || only.contains(&note.interface)).collect())
}

/// Puts a backup back. Settings, users and mappings are put where there are none.
///
/// # Errors
/// A ledger that is there and knows more than the backup, and those of the disk. What was
/// begun is gone on with by the same call.
pub fn restore(
    place: &Place,
    dir: &Path,
    only: &[String],
    sign: &Sign,
) -> Result<(Manifest, Vec<Restored>), EngineError> {
    let manifest = checked(dir)?;
    let mut locked = Vec::new();
    for note in chosen(&manifest, only)? {
        let spool = place.of(&note.interface, &note.environment);
        spool.make()?;
        // From here on nobody changes it.
        let lock = lock(&spool, note)?;
        let plan = look(place, dir, note, manifest.made_at)?;
        if let Was::Newer(there) = &plan.was {
            return refused(newer(&plan.note, there, &spool));
        }
        locked.push((spool, plan, lock));
    }
    put_missing(place, dir, &manifest)?;
    let mut done = Vec::new();
    for (spool, plan, _lock) in &locked {
        done.push(match plan.was {
            Was::Same => plan.foreseen(&manifest, manifest.made_at),
            _ => put(place, dir, &manifest, (spool, plan), sign)?,
        });
    }
    Ok((manifest, done))
}

fn newer(backup: &LedgerNote, there: &LedgerNote, spool: &Spool) -> String {
    format!(
        "the ledger of {} is whole and knows more than the backup: next file {} there, {} in the \
         backup. An older one would not know what was sent since, so nothing was changed. If it \
         must go all the same, move {} away first",
        backup.owner(),
        there.file,
        backup.file,
        spool.ledger().display()
    )
}

fn lock(spool: &Spool, note: &LedgerNote) -> Result<Lock, EngineError> {
    spool.lock()?.ok_or_else(|| EngineError::Busy {
        interface: note.owner(),
        lock: spool.lock_file().display().to_string(),
    })
}

/// Reads the manifest, and every file that it names.
fn checked(dir: &Path) -> Result<Manifest, EngineError> {
    let path = dir.join(MANIFEST);
    let Some(text) = disk::if_there(&path, fs::read(&path))? else {
        let what = "there is no manifest.json: this is no backup, or it broke off";
        return refused(format!("{}: {what}; take another one", dir.display()));
    };
    let bad = |what: String| EngineError::Refused {
        what: format!("{}: {what}; take another backup", path.display()),
    };
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|err| bad(format!("no manifest of ours ({err})")))?;
    if manifest.format != FORMAT {
        let text = format!(
            "the backup has format {} and this program knows {FORMAT}; use the hl7drop that wrote \
             it",
            manifest.format
        );
        return refused(text);
    }
    for file in &manifest.files {
        let path = below(dir, &file.path).ok_or_else(|| bad("a path leads out of it".into()))?;
        let read = fs::File::open(&path).and_then(|mut opened| Digest::of_reader(&mut opened));
        let (digest, _) = read.map_err(failed("read", &path))?;
        if digest.to_string() != file.sha256 {
            return Err(bad(format!("{} is not as it was written", file.path)));
        }
    }
    let named = |name: &str| !name.is_empty() && below(dir, name).is_some() && !name.contains('/');
    if manifest.ledgers.iter().any(|note| !named(&note.interface) || !named(&note.environment)) {
        return Err(bad("an interface has no name".into()));
    }
    Ok(manifest)
}

/// Holds the backup's ledger against the one that is there.
fn look(place: &Place, dir: &Path, note: &LedgerNote, made_at: i64) -> Result<Plan, EngineError> {
    let spool = place.of(&note.interface, &note.environment);
    let backup = dir.join("spool").join(&note.interface).join(&note.environment);
    let gone = || EngineError::Refused { what: format!("{} is gone", backup.display()) };
    let ledger = Sqlite::peek(&backup.join("ledger.db"), &note.owner())?.ok_or_else(gone)?;
    let was = match Sqlite::peek(&spool.ledger(), &note.owner()) {
        Ok(None) => Was::Missing,
        Ok(Some(there)) => match there.integrity() {
            Err(err) => Was::Damaged(err.to_string()),
            Ok(problems) => match problems.first() {
                Some(problem) => Was::Damaged(problem.clone()),
                None => {
                    let there = LedgerNote::of(&note.interface, &note.environment, &there)?;
                    match there {
                        there if there == *note => Was::Same,
                        there if there.is_ahead_of(note) => Was::Newer(there),
                        _ => Was::Older,
                    }
                }
            },
        },
        Err(LedgerError::Damaged(why)) => Was::Damaged(why),
        Err(err) => return Err(err.into()),
    };
    let since = since(&spool, &ledger, made_at)?;
    Ok(Plan { note: note.clone(), was, since })
}

/// Puts settings, users and mappings where there are none; what is there is newer.
fn put_missing(place: &Place, dir: &Path, manifest: &Manifest) -> Result<(), EngineError> {
    for file in &manifest.files {
        let to = match file.path.split('/').collect::<Vec<_>>().as_slice() {
            ["settings", "hl7drop.toml"] => place.program.clone(),
            ["settings", "interfaces", name] => place.settings.join(name),
            ["spool", name] if [desk::FILE, "maps.db", "incidents.json"].contains(name) => {
                place.spool.join(name)
            }
            ["spool", interface, APPROVALS] => place.spool.join(interface).join(APPROVALS),
            _ => continue,
        };
        put_new(&dir.join(&file.path), &to)?;
    }
    Ok(())
}

/// Puts a file back unless there is one.
fn put_new(from: &Path, to: &Path) -> Result<(), EngineError> {
    if to.exists() {
        log::info!("{} is there and stays as it is", to.display());
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        disk::folder(folder)?;
    }
    let mut half = to.as_os_str().to_owned();
    half.push(".restored");
    let half = PathBuf::from(half);
    disk::copy(from, &half)?;
    Ok(disk::shift_new(&half, to)?)
}

fn put(
    place: &Place,
    dir: &Path,
    manifest: &Manifest,
    (spool, plan): (&Spool, &Plan),
    sign: &Sign,
) -> Result<Restored, EngineError> {
    let note = &plan.note;
    let stamp = shown(sign.at, &TimeZone::UTC).replace([':', '-'], "").replace(' ', "T") + "Z";
    let aside = Spool::free_in(&spool.root.join(ASIDE), &stamp);
    let moved = set_aside(spool, &aside, &plan.since)?;
    spool.make()?;
    let at = format!("spool/{}/{}/", note.interface, note.environment);
    for file in &manifest.files {
        let Some(name) = file.path.strip_prefix(&at) else { continue };
        let from = dir.join(&file.path);
        let delivered = plan.since.went.iter().any(|batch| name == format!("outbox/{batch}"));
        if name == "ledger.db" || delivered {
            continue;
        }
        let Some(to) = below(&spool.root, name) else { continue };
        match name {
            // These go on while there is no ledger, and nothing of them is lost with it.
            "incidents.json" | "views.log" | "views.1.log" => put_new(&from, &to)?,
            _ => {
                if let Some(folder) = to.parent() {
                    disk::folder(folder)?;
                }
                disk::copy(&from, &to)?;
            }
        }
    }
    let half = spool.root.join(HALF);
    for suffix in ["", "-wal", "-shm"] {
        disk::remove(&spool.root.join(format!("{HALF}{suffix}")))?;
    }
    crashpoint("restore.ledger").map_err(failed("write", &half))?;
    disk::copy(&dir.join(format!("{at}ledger.db")), &half)?;
    let mut ledger = Sqlite::open(&half, &note.owner())?;
    let next = jump(plan.since.numbers, place.clock.unix() - manifest.made_at);
    let made = shown(manifest.made_at, &TimeZone::UTC);
    let doubt = format!(
        "delivery uncertain: the ledger is that of the backup of {made} UTC, and this file may \
         have been sent since. Ask the vendor whether they have it"
    );
    let went = &plan.since.went;
    let done = ledger.put_back(next, &|row| went.contains(&row.batch.name), &doubt, sign)?;
    drop(ledger);
    crashpoint("restore.name.before").map_err(failed("move", &half))?;
    disk::shift_new(&half, &spool.ledger())?;
    crashpoint("restore.name.after").map_err(failed("move", &half))?;
    let names = |rows: &[crate::ledger::DeliveryRow]| {
        rows.iter().map(|row| (row.batch.name.clone(), row.endpoint.clone())).collect()
    };
    Ok(Restored {
        next_file: done.next.file,
        next_control: done.next.control,
        uncertain: names(&done.doubted),
        aside: moved.then_some(aside),
        ..plan.foreseen(manifest, place.clock.unix())
    })
}

/// Moves what belongs to the ledger that was there, and what the backup's does not know, out
/// of the way; returns whether there was anything.
fn set_aside(spool: &Spool, aside: &Path, since: &Since) -> Result<bool, EngineError> {
    let mut moved = false;
    for name in OF_LEDGER {
        let from = spool.root.join(name);
        if from.symlink_metadata().is_err() || is_empty(&from) {
            continue;
        }
        crashpoint("restore.aside").map_err(failed("move", &from))?;
        disk::folder(aside)?;
        disk::shift(&from, &aside.join(name))?;
        moved = true;
    }
    for (shelf, files) in [("sent", &since.sent), ("archive", &since.extracts)] {
        for file in files {
            let day = file.parent().map(name_of).unwrap_or_default();
            let folder = aside.join(shelf).join(day);
            disk::folder(&folder)?;
            disk::shift(file, &folder.join(name_of(file)))?;
            moved = true;
        }
    }
    Ok(moved)
}

/// True of a folder with no file in it, nor in those below it.
fn is_empty(path: &Path) -> bool {
    let Ok(listed) = fs::read_dir(path) else { return false };
    listed.filter_map(Result::ok).all(|entry| is_empty(&entry.path()))
}
