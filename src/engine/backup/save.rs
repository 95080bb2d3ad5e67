//! Taking a backup: of one moment, whoever is at work.
//!
//! The ledger is copied in one read transaction. What belongs to it is taken after it, and
//! only as far as that copy knows it: the register's log only grows, batch files and indexes
//! never change once the ledger has them. The reference extracts are the one thing that is
//! replaced; they are taken again if a drop was committed meanwhile. Then the copy is read
//! as `check` reads a ledger: a backup that nobody has read is none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{APPROVALS, FORMAT, FileNote, LedgerNote, MANIFEST, Manifest, Place, refused};
use crate::crashpoint::crashpoint;
use crate::desk;
use crate::digest::Digest;
use crate::disk::{self, failed};
use crate::domain::drop_of_rebuilt;
use crate::engine::error::EngineError;
use crate::engine::source::Progress;
use crate::ledger::{BatchRow, Ledger, Sqlite, copy_database};
use crate::spool::Spool;

/// How often a ledger is copied anew because a drop was committed meanwhile. After that
/// the reference extracts may be those of one drop later, and nothing else is amiss.
const TRIES: u32 = 5;

/// A backup that was taken.
#[derive(Debug)]
pub struct Saved {
    /// What is in it.
    pub manifest: Manifest,
    /// All bytes of it.
    pub bytes: u64,
}

/// Takes a backup into a folder that is new or empty.
///
/// # Errors
/// A folder with something in it, and those of the disk and the ledgers; what was written
/// by then has no manifest and is no backup.
pub fn save(place: &Place, dir: &Path, progress: &dyn Progress) -> Result<Saved, EngineError> {
    if fs::read_dir(dir).is_ok_and(|mut listed| listed.next().is_some()) {
        return refused(format!("{} is not empty; give a folder that is new", dir.display()));
    }
    disk::folder(dir)?;
    let mut saving = Saving {
        dir: dir.to_path_buf(),
        progress,
        manifest: Manifest {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_string(),
            made_at: place.clock.unix(),
            ..Manifest::default()
        },
    };
    saving.settings(place)?;
    for name in [desk::FILE, "maps.db"] {
        saving.database(&place.spool.join(name), &format!("spool/{name}"))?;
    }
    saving.file(&place.spool.join("incidents.json"), "spool/incidents.json")?;
    for interface in place.interfaces()? {
        let name = format!("{interface}/{APPROVALS}");
        saving.database(&place.spool.join(&name), &format!("spool/{name}"))?;
    }
    for (interface, environment, spool) in place.spools()? {
        saving.ledger(&interface, &environment, &spool)?;
    }
    saving.finish()
}

struct Saving<'a> {
    dir: PathBuf,
    progress: &'a dyn Progress,
    manifest: Manifest,
}

impl Saving<'_> {
    /// The files that people write. Keys and passwords are not among them: a backup goes
    /// to more places than a key may.
    fn settings(&mut self, place: &Place) -> Result<(), EngineError> {
        self.file(&place.program, "settings/hl7drop.toml")?;
        let Ok(names) = Spool::list(&place.settings) else { return Ok(()) };
        for name in names {
            if name.ends_with(".toml") {
                let to = format!("settings/interfaces/{name}");
                self.file(&place.settings.join(name), &to)?;
            }
        }
        Ok(())
    }

    /// Everything of one ledger.
    fn ledger(
        &mut self,
        interface: &str,
        environment: &str,
        spool: &Spool,
    ) -> Result<(), EngineError> {
        let at = format!("spool/{interface}/{environment}");
        let owner = format!("{interface}/{environment}");
        let path = self.make(&format!("{at}/ledger.db"))?;
        let log = format!("{at}/ledger.register");
        for _ in 0..TRIES {
            let (bytes, which) = self.moment(spool, &owner, &at, &path)?;
            if bytes == 0 {
                break;
            }
            let Some(live) = Sqlite::peek(&spool.ledger(), &owner)? else { break };
            let to = self.make(&log)?;
            disk::copy_first(&live.log()?.0, &to, bytes)?;
            // It may have been written anew after the moment of the copy.
            if live.log()?.1 == which {
                self.note(&log)?;
                break;
            }
        }
        crashpoint("backup.ledger").map_err(failed("write", &path))?;
        let Some(copy) = Sqlite::peek(&path, &owner)? else {
            return refused(format!("{} is gone", path.display()));
        };
        let problems = copy.integrity()?;
        if let Some(problem) = problems.first() {
            return refused(format!(
                "the ledger of {owner} does not fit together: {problem}; `hl7drop check \
                 {interface}` says more. No backup was made of it: keep the last good one"
            ));
        }
        self.manifest.ledgers.push(LedgerNote::of(interface, environment, &copy)?);
        self.indexes(spool, &at, &copy)?;
        let mut batches: Vec<BatchRow> =
            copy.undelivered()?.into_iter().map(|row| row.batch).collect();
        batches.dedup();
        for batch in batches {
            self.batch(spool, &at, &batch)?;
        }
        drop(copy);
        self.views(spool, &at)?;
        self.file(&spool.incidents(), &format!("{at}/incidents.json"))?;
        self.note(&format!("{at}/ledger.db"))
    }

    /// The reference extracts and the ledger, of one moment; returns how many bytes of the
    /// register belong to it, and of which log ([`Sqlite::log`]).
    fn moment(
        &mut self,
        spool: &Spool,
        owner: &str,
        at: &str,
        path: &Path,
    ) -> Result<(u64, u64), EngineError> {
        let gone = || EngineError::Refused { what: format!("the ledger of {owner} went away") };
        let mut tries = 0;
        loop {
            tries += 1;
            let live = Sqlite::peek(&spool.ledger(), owner)?.ok_or_else(gone)?;
            let newest = |ledger: &Sqlite| -> Result<i64, EngineError> {
                Ok(ledger.extracts(1)?.first().map_or(0, |row| row.id.0))
            };
            let before = newest(&live)?;
            self.manifest.files.retain(|file| !file.path.starts_with(&format!("{at}/")));
            for name in Spool::list(&spool.reference).unwrap_or_default() {
                self.file(&spool.reference.join(&name), &format!("{at}/reference/{name}"))?;
            }
            let mut bar = Bar::new(self.progress, owner);
            let register = live.copy_to(path, &mut |all, done| bar.at(all, done))?;
            bar.end();
            if tries == TRIES || newest(&live)? == before {
                return Ok(register);
            }
        }
    }

    /// The index of each drop that the copy knows.
    fn indexes(&mut self, spool: &Spool, at: &str, copy: &dyn Ledger) -> Result<(), EngineError> {
        let newest = copy.extracts(1)?.first().map_or(0, |row| row.id.0.cast_unsigned());
        let rebuilt = copy.rebuilt()?.into_iter().map(|(batch, ..)| drop_of_rebuilt(batch));
        let rebuilt: BTreeSet<u64> = rebuilt.collect();
        let known = |drop: &u64| *drop <= newest || rebuilt.contains(drop);
        for drop in spool.indexes()?.into_iter().filter(known) {
            let from = spool.index_of(drop);
            let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // One that is made anew just now is made anew after a restore, too.
            self.file(&from, &format!("{at}/index/{name}"))?;
        }
        Ok(())
    }

    /// A batch file that is not delivered by what the copy knows; by now it may be.
    fn batch(&mut self, spool: &Spool, at: &str, batch: &BatchRow) -> Result<(), EngineError> {
        let to = format!("{at}/outbox/{}", batch.name);
        // It may move on between two looks, and does so in this order only.
        for _ in 0..2 {
            let mut places = vec![spool.staged.clone(), spool.outbox.clone()];
            places.extend(Spool::days(&spool.sent).unwrap_or_default().into_iter().rev());
            for folder in places {
                let from = folder.join(&batch.name);
                if from.exists() && self.file(&from, &to)? {
                    if self.manifest.files.last().is_some_and(|file| {
                        file.path == to && file.sha256 == batch.digest.to_string()
                    }) {
                        return Ok(());
                    }
                    self.manifest.files.pop();
                    disk::remove(&self.dir.join(&to))?;
                }
            }
        }
        self.manifest.left_out.push(format!(
            "{at}: batch file {} is promised and in no folder with the bytes that were promised",
            batch.name
        ));
        Ok(())
    }

    /// Who looked at what: whole lines, since somebody may be writing one.
    fn views(&mut self, spool: &Spool, at: &str) -> Result<(), EngineError> {
        for name in ["views.1.log", "views.log"] {
            let from = spool.root.join(name);
            let Ok(text) = fs::read(&from) else { continue };
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let to = format!("{at}/{name}");
            disk::write(&self.make(&to)?, text.get(..whole).unwrap_or_default())?;
            self.note(&to)?;
        }
        Ok(())
    }

    /// A database, if it is there.
    fn database(&mut self, from: &Path, to: &str) -> Result<(), EngineError> {
        if from.exists() {
            let path = self.make(to)?;
            copy_database(from, &path, &mut |_, _| {})?;
            self.note(to)?;
        }
        Ok(())
    }

    /// A file, if it is there; returns whether it was.
    fn file(&mut self, from: &Path, to: &str) -> Result<bool, EngineError> {
        let path = self.make(to)?;
        match disk::copy(from, &path) {
            Ok(()) => self.note(to).map(|()| true),
            Err(err) if err.source_error().kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(err) => Err(err.into()),
        }
    }

    /// Makes the folders of a file; returns where it is.
    fn make(&self, path: &str) -> Result<PathBuf, EngineError> {
        let path = self.dir.join(path);
        if let Some(folder) = path.parent() {
            disk::folder(folder)?;
        }
        Ok(path)
    }

    /// Writes a file into the manifest.
    fn note(&mut self, path: &str) -> Result<(), EngineError> {
        let file = self.dir.join(path);
        let (digest, bytes) = fs::File::open(&file)
            .and_then(|mut opened| Digest::of_reader(&mut opened))
            .map_err(failed("read", &file))?;
        let (path, sha256) = (path.to_string(), digest.to_string());
        self.manifest.files.push(FileNote { path, bytes, sha256 });
        Ok(())
    }

    fn finish(self) -> Result<Saved, EngineError> {
        let text = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|err| EngineError::Refused { what: format!("the manifest: {err}") })?;
        let (part, path) = (self.dir.join("manifest.part"), self.dir.join(MANIFEST));
        crashpoint("backup.manifest").map_err(failed("write", &part))?;
        disk::write(&part, &text)?;
        disk::shift(&part, &path)?;
        let bytes = self.manifest.files.iter().map(|file| file.bytes).sum();
        Ok(Saved { manifest: self.manifest, bytes })
    }
}

/// A bar over the bytes of a copy.
struct Bar<'a> {
    progress: &'a dyn Progress,
    what: &'a str,
    done: Option<u64>,
}

impl<'a> Bar<'a> {
    fn new(progress: &'a dyn Progress, what: &'a str) -> Bar<'a> {
        Bar { progress, what, done: None }
    }

    fn at(&mut self, all: u64, done: u64) {
        if self.done.is_none() {
            self.progress.begin(self.what, all);
        }
        self.progress.advance(done.saturating_sub(self.done.unwrap_or(0)));
        self.done = Some(done);
    }

    fn end(self) {
        if self.done.is_some() {
            self.progress.end();
        }
    }
}
