//! Where the files of the past lie: batch files that went out, extracts that were taken in.
//!
//! The ledger knows names, sizes and digests; on which day's shelf a file came to rest
//! depends on crashes and clocks, so it is looked for.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::error::EngineError;
use super::pass::Engine;
use crate::digest::Digest;
use crate::ledger::{BatchRow, ExtractRow};
use crate::spool::Spool;

impl Engine {
    /// Returns where a batch file is, if it still is.
    ///
    /// # Errors
    /// The disk's.
    pub fn batch_file(&self, batch: &BatchRow) -> Result<Option<PathBuf>, EngineError> {
        let spool = &self.spool;
        let near = [&spool.outbox, &spool.staged].map(|folder| folder.join(&batch.name));
        if let Some(path) = near.into_iter().find(|path| path.is_file()) {
            return Ok(Some(path));
        }
        let mut shelves = days(&spool.sent)?.into_iter().rev().map(|day| day.join(&batch.name));
        Ok(shelves.find(|path| path.is_file()))
    }

    /// Returns where an extract is, if it still is: the file of its name and size, and of
    /// its digest where there are several.
    ///
    /// # Errors
    /// The disk's.
    pub fn extract_file(&self, row: &ExtractRow) -> Result<Option<PathBuf>, EngineError> {
        let extract = &row.extract;
        let near = self.spool.processing.join(extract.kind.word()).join(&extract.name);
        if is_of(&near, extract.bytes) {
            return Ok(Some(near));
        }
        let taken = self.day_of(extract.taken_at);
        let (mut later, earlier): (Vec<PathBuf>, Vec<PathBuf>) = days(&self.spool.archive)?
            .into_iter()
            .partition(|day| day.ends_with(&taken) || *day > self.spool.archive.join(&taken));
        later.extend(earlier.into_iter().rev());
        for day in later {
            let mut found = named(&day, &extract.name)?;
            found.retain(|path| is_of(path, extract.bytes));
            match found.as_slice() {
                [] => {}
                [one] => return Ok(Some(one.clone())),
                _ => {
                    let ours = found.into_iter().find(|path| has_digest(path, &extract.digest));
                    if ours.is_some() {
                        return Ok(ours);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Returns the date at the practice of a time.
    pub(super) fn date_of(&self, unix: i64) -> Date {
        let stamp = jiff::Timestamp::from_second(unix).unwrap_or_default();
        self.agreement.scope.timezone.to_datetime(stamp).date()
    }

    /// Returns the date at the practice of a time, as the shelves are named.
    pub fn day_of(&self, unix: i64) -> String {
        self.date_of(unix).to_string()
    }
}

/// Returns the days of a shelf, oldest first; none where there is no such shelf.
pub(super) fn days(shelf: &Path) -> Result<Vec<PathBuf>, EngineError> {
    if !shelf.is_dir() {
        return Ok(Vec::new());
    }
    Ok(Spool::days(shelf)?)
}

/// Returns the files of a day that were shelved under this name, with a number or without.
fn named(day: &Path, name: &str) -> Result<Vec<PathBuf>, EngineError> {
    let (stem, extension) = match name.find('.').filter(|at| *at > 0) {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    };
    let is_it = |other: &str| {
        let number = other.strip_prefix(stem).and_then(|rest| rest.strip_suffix(extension));
        number.is_some_and(|number| match number.strip_prefix('-') {
            Some(digits) => digits.parse::<u32>().is_ok(),
            None => number.is_empty(),
        })
    };
    let names = Spool::list(day)?.into_iter().filter(|other| is_it(other));
    Ok(names.map(|name| day.join(name)).collect())
}

fn is_of(path: &Path, bytes: u64) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.len() == bytes)
}

fn has_digest(path: &Path, digest: &Digest) -> bool {
    let read = File::open(path).and_then(|mut file| Digest::of_reader(&mut file));
    read.is_ok_and(|(found, _)| found == *digest)
}
