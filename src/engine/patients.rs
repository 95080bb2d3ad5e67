//! The patients of one drop, found again by ID for their appointments.
//!
//! The records themselves stay on the disk and are read where they stand (a compressed
//! extract is laid beside itself in plain form); of where that is `keys.rs` keeps half a
//! million in memory, and the others on the disk too.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::error::EngineError;
use super::key::{Key, hash, id_of};
use super::keys::Sorted;
use crate::domain::{Layout, Values};
use crate::extract::{Limits, Places};

/// One patients extract, readable at any place.
pub struct PatientFile {
    /// Its plain text.
    pub file: File,
    /// What an offset of the extract is in `file`.
    pub base: u64,
    /// Its header.
    pub layout: Layout,
    /// Records that are not to be found, by offset, ascending.
    pub withheld: Vec<u64>,
}

/// All patients of a drop.
pub struct PatientIndex {
    files: Vec<(PatientFile, Sorted)>,
}

/// Finds patients for one worker: it has a parser and a buffer of its own.
pub struct Finder<'a> {
    files: Vec<(&'a PatientFile, &'a Sorted, Places<'a, Window<'a>>)>,
    /// Keys that were found, with the file of each.
    found: Vec<(Key, usize)>,
    keys: Vec<Key>,
}

/// A file shared by the workers, each with a place of its own in it.
struct Window<'a> {
    file: &'a File,
    at: u64,
    /// No record reaches further, be the file another one by now.
    end: u64,
}

impl PatientIndex {
    /// Indexes the files, each with the keys of its records.
    pub fn new(files: Vec<(PatientFile, Sorted)>) -> PatientIndex {
        PatientIndex { files }
    }

    /// Returns the headers of its files.
    pub fn layouts(&self) -> impl Iterator<Item = &Layout> {
        self.files.iter().map(|(file, _)| &file.layout)
    }

    /// Returns its first file, when nothing is to be found any more.
    pub fn into_first(self) -> Option<PatientFile> {
        self.files.into_iter().next().map(|(file, _)| file)
    }

    /// Returns a finder; one serves many look-ups.
    pub fn finder(&self) -> Finder<'_> {
        let files = self.files.iter().map(|(file, keys)| {
            let window = Window { file: &file.file, at: 0, end: 0 };
            (file, keys, Places::new(window, &file.layout))
        });
        Finder { files: files.collect(), found: Vec::new(), keys: Vec::new() }
    }
}

impl Finder<'_> {
    /// Returns the newest record of a patient that can be read, and which of the files
    /// it is in.
    ///
    /// # Errors
    /// Those of reading where it stands.
    pub fn find(&mut self, id: &[u8]) -> Result<Option<(Values<'_>, usize)>, EngineError> {
        let found = self.locate(id)?;
        Ok(found.map(|(file, _)| (self.files[file].2.record(), file)))
    }

    /// Returns the newest record of an ID that can be read, and where it begins.
    ///
    /// # Errors
    /// As [`Finder::find`].
    pub fn place(&mut self, id: &[u8]) -> Result<Option<(Values<'_>, u64)>, EngineError> {
        let found = self.locate(id)?;
        Ok(found.map(|(file, place)| (self.files[file].2.record(), place)))
    }

    fn locate(&mut self, id: &[u8]) -> Result<Option<(usize, u64)>, EngineError> {
        let (hash, found, keys) = (hash(id), &mut self.found, &mut self.keys);
        found.clear();
        for (number, (_, sorted, _)) in self.files.iter().enumerate() {
            keys.clear();
            sorted.find(hash, keys)?;
            found.extend(keys.iter().map(|key| (*key, number)));
        }
        // Of two files the second counts where neither is newer.
        found.sort_unstable_by_key(|(key, file)| (key.when, *file, key.offset));
        for (Key { offset, .. }, number) in found.iter().rev() {
            let (file, _, places) = &mut self.files[*number];
            let good = file.withheld.binary_search(offset).is_err()
                && offset.checked_sub(file.base).is_some_and(|place| places.read(place))
                && id_of(places.layout(), places.record()) == id;
            if good {
                return Ok(Some((*number, *offset)));
            }
        }
        Ok(None)
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(buffer.len());
        let most = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        (self.at, self.end) = (at, at + Limits::default().record_bytes_max as u64);
        Ok(at)
    }
}
