//! The keys of an extract, sorted: in memory as long as they are few, else in runs in a
//! scratch file which are merged into one list there.
//!
//! Half a million keys are 12 MiB; ten million would be 240, and memory is to be the same
//! for any extract. A list on the disk has the hash of every 170th key in memory, so a
//! look-up is one read of 4 KiB. The files have no name once they are open: whatever
//! becomes of the process, nothing stays.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::EngineError;
use super::key::Key;
use crate::disk::{self, NewFile, failed};

/// Names that the scratch files have for an instant.
pub(super) const NAMES: [&str; 2] = [".keys.runs", ".keys.sorted"];

/// Keys that are kept in memory.
const HELD: usize = 1 << 19;
/// Bytes of a key in a file.
const KEY: usize = 24;
/// Keys that are read at once; 4 KiB.
const PAGE: usize = 170;
/// Bytes gathered before a write.
const BUFFER: usize = 1 << 18;

/// Keys as they come.
pub struct Keys {
    held: Vec<Key>,
    most: usize,
    runs: Option<Runs>,
    scratch: PathBuf,
}

/// Sorted runs, one behind the other.
struct Runs {
    scratch: Scratch,
    /// Keys of each.
    lengths: Vec<u64>,
}

/// A file that is written first and then read.
struct Scratch {
    writer: NewFile,
    reader: File,
    path: PathBuf,
}

/// All keys, by hash, then oldest first.
pub enum Sorted {
    /// In memory.
    Held(Vec<Key>),
    /// In a file.
    Laid(Laid),
}

/// Sorted keys in a file.
pub struct Laid {
    file: File,
    path: PathBuf,
    count: u64,
    /// The hash of the first key of each page.
    firsts: Vec<u64>,
}

/// One run while it is merged.
struct Run {
    /// The next page, and how many keys are to come with it and behind it.
    at: u64,
    left: u64,
    /// Keys that were read, the next one last.
    keys: Vec<Key>,
}

impl Default for Sorted {
    fn default() -> Sorted {
        Sorted::Held(Vec::new())
    }
}

impl Keys {
    /// For an extract; `scratch` is a folder for what does not fit into memory.
    pub fn new(scratch: &Path) -> Keys {
        Keys::holding(HELD, scratch)
    }

    fn holding(most: usize, scratch: &Path) -> Keys {
        // All of it at once, from the kernel: a list that grew in the heap left holes
        // behind it, 28 MiB at a million patients and their appointments.
        let held = Vec::with_capacity(most);
        Keys { held, most, runs: None, scratch: scratch.to_path_buf() }
    }

    /// Takes keys down.
    ///
    /// # Errors
    /// [`disk::DiskError`], a full disk among its reasons.
    pub fn add(&mut self, keys: &[Key]) -> Result<(), EngineError> {
        for key in keys {
            if self.held.len() == self.most {
                self.lay()?;
            }
            self.held.push(*key);
        }
        Ok(())
    }

    /// Lays what is held into a run.
    fn lay(&mut self) -> Result<(), EngineError> {
        self.held.sort_unstable();
        let runs = match &mut self.runs {
            Some(runs) => runs,
            None => {
                let scratch = Scratch::create(self.scratch.join(NAMES[0]))?;
                self.runs.insert(Runs { scratch, lengths: Vec::new() })
            }
        };
        let mut bytes = Vec::with_capacity(BUFFER);
        for keys in self.held.chunks(BUFFER / KEY) {
            bytes.clear();
            keys.iter().for_each(|key| put(key, &mut bytes));
            runs.scratch.writer.write(&bytes)?;
        }
        runs.lengths.push(self.held.len() as u64);
        self.held.clear();
        Ok(())
    }

    /// Returns all of them in order.
    ///
    /// # Errors
    /// As [`Keys::add`], and those of reading.
    pub fn sorted(mut self) -> Result<Sorted, EngineError> {
        if self.runs.is_none() {
            // An extract of a few rows keeps room for as many.
            self.held.shrink_to_fit();
            return Ok(Sorted::of(self.held));
        }
        self.lay()?;
        self.held = Vec::new();
        let Some(Runs { scratch, lengths }) = self.runs else { return Ok(Sorted::default()) };
        let (mut runs, mut at) = (Vec::new(), 0);
        for left in lengths {
            runs.push(Run { at, left, keys: Vec::new() });
            at += left * KEY as u64;
        }
        let mut heap = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heap.extend(run.next(&scratch)?.map(|key| Reverse((key, number))));
        }
        let mut sorted = Scratch::create(self.scratch.join(NAMES[1]))?;
        let (mut bytes, mut firsts, mut count) = (Vec::with_capacity(BUFFER), Vec::new(), 0);
        while let Some(Reverse((key, number))) = heap.pop() {
            if count % PAGE as u64 == 0 {
                firsts.push(key.hash);
            }
            count += 1;
            put(&key, &mut bytes);
            if bytes.len() + KEY > BUFFER {
                sorted.writer.write(&bytes)?;
                bytes.clear();
            }
            heap.extend(runs[number].next(&scratch)?.map(|key| Reverse((key, number))));
        }
        sorted.writer.write(&bytes)?;
        let Scratch { reader: file, path, .. } = sorted;
        Ok(Sorted::Laid(Laid { file, path, count, firsts }))
    }
}

impl Scratch {
    fn create(path: PathBuf) -> Result<Scratch, EngineError> {
        disk::remove(&path)?;
        let writer = disk::create(&path)?;
        let reader = File::open(&path).map_err(failed("open", &path))?;
        disk::remove(&path)?;
        Ok(Scratch { writer, reader, path })
    }
}

impl Run {
    fn next(&mut self, from: &Scratch) -> Result<Option<Key>, EngineError> {
        if self.keys.is_empty() && self.left > 0 {
            let count = self.left.min(16 * PAGE as u64);
            self.keys = read(&from.reader, &from.path, self.at, count)?;
            self.keys.reverse();
            self.at += count * KEY as u64;
            self.left -= count;
        }
        Ok(self.keys.pop())
    }
}

impl Sorted {
    /// Sorts keys that are in memory.
    pub fn of(mut keys: Vec<Key>) -> Sorted {
        keys.sort_unstable();
        Sorted::Held(keys)
    }

    /// Shows each group of keys that have one hash, if there is more than one.
    ///
    /// # Errors
    /// Those of reading.
    pub fn groups(&self, see: &mut dyn FnMut(&[Key])) -> Result<(), EngineError> {
        let mut group: Vec<Key> = Vec::new();
        let mut next = |keys: &[Key]| {
            for key in keys {
                if group.first().is_some_and(|first| first.hash != key.hash) {
                    if group.len() > 1 {
                        see(&group);
                    }
                    group.clear();
                }
                group.push(*key);
            }
        };
        match self {
            Sorted::Held(keys) => next(keys),
            Sorted::Laid(laid) => {
                for page in 0..laid.firsts.len() {
                    next(&laid.page(page)?);
                }
            }
        }
        if group.len() > 1 {
            see(&group);
        }
        Ok(())
    }

    /// Appends the keys of a hash to `found`, oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn find(&self, hash: u64, found: &mut Vec<Key>) -> Result<(), EngineError> {
        match self {
            Sorted::Held(keys) => {
                let from = keys.partition_point(|key| key.hash < hash);
                found.extend(keys[from..].iter().take_while(|key| key.hash == hash));
            }
            Sorted::Laid(laid) => {
                let first = laid.firsts.partition_point(|first| *first < hash).saturating_sub(1);
                for page in first..laid.firsts.len() {
                    let keys = laid.page(page)?;
                    found.extend(keys.iter().filter(|key| key.hash == hash));
                    if keys.last().is_some_and(|last| last.hash > hash) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Laid {
    fn page(&self, page: usize) -> Result<Vec<Key>, EngineError> {
        let before = (page * PAGE) as u64;
        let count = (self.count - before).min(PAGE as u64);
        read(&self.file, &self.path, before * KEY as u64, count)
    }
}

fn put(key: &Key, out: &mut Vec<u8>) {
    for part in [key.hash, key.when, key.offset] {
        out.extend_from_slice(&part.to_le_bytes());
    }
}

fn read(file: &File, path: &Path, at: u64, count: u64) -> Result<Vec<Key>, EngineError> {
    let mut bytes = vec![0; count as usize * KEY];
    file.read_exact_at(&mut bytes, at).map_err(failed("read", path))?;
    let (parts, _) = bytes.as_chunks::<8>();
    let (keys, _) = parts.as_chunks::<3>();
    let number = |bytes: [u8; 8]| u64::from_le_bytes(bytes);
    let key = |parts: &[[u8; 8]; 3]| Key {
        hash: number(parts[0]),
        when: number(parts[1]),
        offset: number(parts[2]),
    };
    Ok(keys.iter().map(key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_on_the_disk_are_those_that_memory_would_hold() {
        let place = tempfile::tempdir().unwrap();
        // Few hashes, so that groups go over pages and runs.
        let key = |at: u64| Key { hash: at * 7919 % 301, when: at % 3, offset: at };
        for (count, hashes) in [(0, 1), (99, 7), (100, 7), (101, 301), (5000, 301), (5000, 2)] {
            let all: Vec<Key> =
                (0..count).map(key).map(|key| Key { hash: key.hash % hashes, ..key }).collect();
            let [held, laid] = [10_000, 100].map(|most| {
                let mut keys = Keys::holding(most, place.path());
                all.chunks(37).for_each(|some| keys.add(some).unwrap());
                keys.sorted().unwrap()
            });
            assert_eq!(matches!(laid, Sorted::Laid(_)), count > 100, "{count}");
            let groups = [&held, &laid].map(|sorted| {
                let mut seen = Vec::new();
                sorted.groups(&mut |group| seen.push(group.to_vec())).unwrap();
                seen
            });
            assert_eq!(groups[0], groups[1]);
            for hash in 0..=hashes {
                let found = [&held, &laid].map(|sorted| {
                    let mut found = Vec::new();
                    sorted.find(hash, &mut found).unwrap();
                    found
                });
                assert_eq!(found[0], found[1], "{hash}");
                assert_eq!(found[0].len(), all.iter().filter(|key| key.hash == hash).count());
                assert!(found[0].is_sorted());
            }
        }
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing stays");
    }
}
