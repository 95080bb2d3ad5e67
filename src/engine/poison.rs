//! Extracts that bring the process down: who does so again and again goes to `error/`, and
//! the others go on (`delivery.md` section 2).
//!
//! While a drop is read, `processing/tries.toml` stands there, and is durable before the first
//! record is read; whoever ends in order takes it away. Found again it means that a process died.
//! Which extract it was is not known the first time (the note would cost two syncs for each of
//! ten thousand small files), so from then on each extract is noted before it is read.
//!
//! A power cut or a kill looks the same as a breakdown. Hence it takes `poison_after` of them
//! one after the other, the last of them while this very extract was read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::EngineError;
use super::source::Source;
use crate::disk::{self, DiskError};

/// The note's name.
const NAME: &str = "tries.toml";

/// What is known of processes that died over this drop.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    /// Deaths of which it is not known what was read.
    deaths: u64,
    /// The extract that is being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    reading: Option<String>,
    /// Deaths while an extract was read, by its place in `processing/`.
    extracts: BTreeMap<String, u64>,
}

/// The tries of one drop.
#[derive(Debug)]
pub struct Tries {
    processing: PathBuf,
    note: Note,
    careful: bool,
}

/// An extract that is not read any more, and why.
pub type Poison = (Source, String);

/// What to do about one.
pub const HINT: &str = "the other extracts went on without it; report it as a bug, with the log. \
     To try it once more, drop it again";

impl Tries {
    /// Counts the process that died before, if one did; takes those that are to blame for
    /// `poison_after` deaths out of the sources, and notes that the others are read now.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(
        processing: &Path,
        sources: &mut Vec<Source>,
        poison_after: u64,
    ) -> Result<(Tries, Vec<Poison>), EngineError> {
        let before = note_at(&processing.join(NAME))?;
        let careful = before.is_some();
        let processing = processing.to_path_buf();
        let mut tries = Tries { processing, note: before.unwrap_or_default(), careful };
        if careful {
            tries.count(sources);
        }
        let mut poison = Vec::new();
        for source in std::mem::take(sources) {
            let (key, others) = (tries.key(&source), tries.note.deaths);
            match tries.note.extracts.get(&key).map(|own| own + others) {
                Some(deaths) if deaths >= poison_after => {
                    tries.note.extracts.remove(&key);
                    let what = format!("hl7drop broke down {deaths} times while it read this file");
                    poison.push((source, what));
                }
                _ => sources.push(source),
            }
        }
        match sources.is_empty() {
            true if careful => tries.end()?,
            true => {}
            false => tries.write()?,
        }
        Ok((tries, poison))
    }

    /// Blames whoever was read when the process died.
    fn count(&mut self, sources: &[Source]) {
        let there: Vec<String> = sources.iter().map(|source| self.key(source)).collect();
        self.note.extracts.retain(|key, _| there.contains(key));
        match (self.note.reading.take(), there.as_slice()) {
            (Some(key), _) if there.contains(&key) => {
                *self.note.extracts.entry(key).or_default() += 1;
            }
            (None, [only]) => *self.note.extracts.entry(only.clone()).or_default() += 1,
            (None, _) => self.note.deaths += 1,
            // It was taken in before the process died.
            (Some(_), _) => {}
        }
    }

    /// An extract is read next.
    ///
    /// # Errors
    /// The disk's.
    pub fn reading(&mut self, source: &Source) -> Result<(), EngineError> {
        if self.careful {
            self.note.reading = Some(self.key(source));
            self.write()?;
        }
        Ok(())
    }

    /// The drop was read, or could not be for a reason that is told: nobody died.
    ///
    /// # Errors
    /// The disk's.
    pub fn end(&self) -> Result<(), EngineError> {
        Ok(forget(&self.processing)?)
    }

    fn write(&self) -> Result<(), EngineError> {
        let text = toml::to_string(&self.note).unwrap_or_default();
        Ok(disk::write(&self.processing.join(NAME), text.as_bytes())?)
    }

    fn key(&self, source: &Source) -> String {
        let path = source.path.strip_prefix(&self.processing).unwrap_or(&source.path);
        path.display().to_string()
    }
}

/// Takes the note away: a drop that waits for a person was read to its end, so whoever died
/// after that did not die of it.
///
/// # Errors
/// The disk's.
pub fn forget(processing: &Path) -> Result<(), DiskError> {
    disk::remove(&processing.join(NAME))
}

/// Reads the note. One that is half written was of a process that died before it read
/// anything.
fn note_at(path: &Path) -> Result<Option<Note>, DiskError> {
    let text = disk::if_there(path, std::fs::read_to_string(path))?;
    Ok(text.map(|text| toml::from_str(&text).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ExtractKind;

    /// Extracts in `processing/patients`.
    fn sources(processing: &Path, names: &[&str]) -> Vec<Source> {
        let folder = processing.join("patients");
        disk::folder(&folder).unwrap();
        let source = |name: &&str| {
            let path = folder.join(name);
            disk::remove(&path).unwrap();
            disk::write(&path, name.as_bytes()).unwrap();
            Source::of(&path, name, ExtractKind::Patients, false).unwrap()
        };
        names.iter().map(source).collect()
    }

    /// Processes that die over a drop, one after the other; each reads this extract last.
    fn deaths(processing: &Path, names: &[&str], reads: &[Option<&str>]) -> Vec<String> {
        for read in reads {
            let mut left = sources(processing, names);
            let (mut tries, poison) = Tries::begin(processing, &mut left, 3).unwrap();
            assert!(poison.is_empty());
            if let Some(name) = read {
                tries.reading(left.iter().find(|one| &*one.name == *name).unwrap()).unwrap();
            }
        }
        let mut left = sources(processing, names);
        let (_, poison) = Tries::begin(processing, &mut left, 3).unwrap();
        assert_eq!(left.len() + poison.len(), names.len(), "each is there once");
        poison.into_iter().map(|(source, _)| source.name.to_string()).collect()
    }

    #[test]
    fn who_was_read_at_the_last_of_three_deaths_is_to_blame() {
        let blamed = |names: &[&str], reads: &[Option<&str>]| {
            deaths(tempfile::tempdir().unwrap().path(), names, reads)
        };
        let two = ["a.csv", "b.csv"];
        let (a, b) = (Some("a.csv"), Some("b.csv"));
        assert_eq!(blamed(&two, &[a, a]), [""; 0], "two deaths are none of three");
        assert_eq!(blamed(&two, &[a, a, a]), ["a.csv"]);
        // Of the first it is not known which it was, so it may count for each.
        assert_eq!(blamed(&two, &[a, b, a]), [""; 0]);
        assert_eq!(blamed(&two, &[b, a, a]), ["a.csv"]);
        assert_eq!(blamed(&["a.csv"], &[None, None, None]), ["a.csv"], "there is only one");
        assert_eq!(blamed(&two, &[None, None, None]), [""; 0], "none was read");
    }

    #[test]
    fn who_was_taken_in_before_the_process_died_is_not_to_blame_and_nobody_else_is() {
        let place = tempfile::tempdir().unwrap();
        deaths(place.path(), &["a.csv", "b.csv", "c.csv"], &[None, Some("c.csv")]);
        // `c.csv` is in the archive by now; a death over it says nothing of the others.
        let mut left = sources(place.path(), &["a.csv", "b.csv", "c.csv"]);
        let (mut tries, _) = Tries::begin(place.path(), &mut left, 9).unwrap();
        tries.reading(&left[2]).unwrap();
        let mut left = sources(place.path(), &["a.csv", "b.csv"]);
        let (tries, poison) = Tries::begin(place.path(), &mut left, 9).unwrap();
        assert!(poison.is_empty());
        assert_eq!(tries.note.extracts.values().sum::<u64>(), 0);
        tries.end().unwrap();
        assert!(!place.path().join(NAME).exists(), "nobody died");
    }

    #[test]
    fn a_note_that_is_cut_off_is_of_a_process_that_read_nothing() {
        let place = tempfile::tempdir().unwrap();
        disk::write(&place.path().join(NAME), b"deaths = 1\nread").unwrap();
        let mut left = sources(place.path(), &["a.csv", "b.csv"]);
        let (tries, poison) = Tries::begin(place.path(), &mut left, 1).unwrap();
        assert!(poison.is_empty() && tries.careful);
        assert_eq!(tries.note.deaths, 1, "itself");
    }
}
