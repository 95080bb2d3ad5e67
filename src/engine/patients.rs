//! The patients of one drop, found again by ID for their appointments.
//!
//! Memory is 24 bytes a patient; the records themselves stay on the disk and are
//! read where they stand (a compressed extract is laid beside itself in plain form).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::key::{Key, hash, id_of};
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
}

/// All patients of a drop.
pub struct PatientIndex {
    files: Vec<PatientFile>,
    /// Sorted by hash, then oldest first. The place of a key's file stands in the
    /// upper bits of its offset: a million patients are 24 MB so, and would be 32.
    keys: Vec<Key>,
}

/// Bits of an offset; no extract has 256 TiB, and no drop 65,536 patients extracts.
const OFFSET_BITS: u32 = 48;

/// Finds patients for one worker: it has a parser and a buffer of its own.
pub struct Finder<'a> {
    keys: &'a [Key],
    files: Vec<(u64, Places<'a, Window<'a>>)>,
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
    pub fn new(files: Vec<(PatientFile, Vec<Key>)>) -> PatientIndex {
        let mut keys = Vec::new();
        let mut kept = Vec::new();
        for (at, (file, mut own)) in files.into_iter().enumerate() {
            own.iter_mut().for_each(|key| key.offset |= (at as u64) << OFFSET_BITS);
            // One extract is the rule, and its list is taken as it is.
            if keys.is_empty() {
                keys = own;
            } else {
                keys.append(&mut own);
            }
            kept.push(file);
        }
        keys.sort_unstable();
        PatientIndex { files: kept, keys }
    }

    /// Returns the headers of its files.
    pub fn layouts(&self) -> impl Iterator<Item = &Layout> {
        self.files.iter().map(|file| &file.layout)
    }

    /// Returns its first file, when nothing is to be found any more.
    pub fn into_first(self) -> Option<PatientFile> {
        self.files.into_iter().next()
    }

    /// Returns a finder; one serves many look-ups.
    pub fn finder(&self) -> Finder<'_> {
        let files = self.files.iter().map(|PatientFile { file, base, layout }| {
            (*base, Places::new(Window { file, at: 0, end: 0 }, layout))
        });
        Finder { keys: &self.keys, files: files.collect() }
    }
}

impl Finder<'_> {
    /// Returns the newest record of a patient that can be read, and which of the files
    /// it is in.
    pub fn find(&mut self, id: &[u8]) -> Option<(Values<'_>, usize)> {
        let (file, _) = self.locate(id)?;
        Some((self.files[file].1.record(), file))
    }

    /// Returns the newest record of an ID that can be read, and where it begins.
    pub fn place(&mut self, id: &[u8]) -> Option<(Values<'_>, u64)> {
        let (file, place) = self.locate(id)?;
        Some((self.files[file].1.record(), place))
    }

    fn locate(&mut self, id: &[u8]) -> Option<(usize, u64)> {
        let hash = hash(id);
        let end = self.keys.partition_point(|key| key.hash <= hash);
        let newest_first = self.keys[..end].iter().rev();
        newest_first.take_while(|key| key.hash == hash).find_map(|key| {
            let file = usize::try_from(key.offset >> OFFSET_BITS).ok()?;
            let (base, places) = self.files.get_mut(file)?;
            let place = key.offset & ((1 << OFFSET_BITS) - 1);
            let good = places.read(place.checked_sub(*base)?)
                && id_of(places.layout(), places.record()) == id;
            good.then_some((file, place))
        })
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
