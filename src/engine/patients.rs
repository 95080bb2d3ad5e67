//! The patients of one drop, found again by ID for their appointments.
//!
//! Memory is 24 bytes a patient; the records themselves stay on the disk and are
//! read where they stand (a compressed extract is laid beside itself in plain form).

use std::fs::File;
use std::os::unix::fs::FileExt;

use csv::ByteRecord;

use super::render::{Key, hash, id_of};
use crate::domain::Layout;
use crate::extract::{Block, Rows};

/// Bytes that a record is read with at first; most are shorter.
const READ: usize = 4096;
/// Bytes a record can have at most (`extract::Limits`).
const READ_MAX: usize = 8 << 20;

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

/// A patient's newest record.
pub struct Found {
    /// Its values.
    pub record: ByteRecord,
    /// Which of the files it is in.
    pub file: usize,
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

    /// Returns the newest record of a patient that can be read.
    pub fn find(&self, id: &[u8]) -> Option<Found> {
        let hash = hash(id);
        let end = self.keys.partition_point(|key| key.hash <= hash);
        let newest_first = self.keys[..end].iter().rev();
        newest_first.take_while(|key| key.hash == hash).find_map(|key| {
            let file = usize::try_from(key.offset >> OFFSET_BITS).ok()?;
            let offset = key.offset & ((1 << OFFSET_BITS) - 1);
            let record = self.files.get(file)?.read(offset, id)?;
            Some(Found { record, file })
        })
    }
}

impl PatientFile {
    /// Reads the record at an offset, if it is this patient's and well shaped.
    fn read(&self, offset: u64, id: &[u8]) -> Option<ByteRecord> {
        let place = offset.checked_sub(self.base)?;
        let mut size = READ;
        loop {
            let mut bytes = vec![0; size];
            let mut filled = 0;
            while filled < size {
                match self.file.read_at(&mut bytes[filled..], place + filled as u64) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => return None,
                }
            }
            let at_end = filled < size;
            bytes.truncate(filled);
            let block = Block { bytes, first_line: 1, offset: 0 };
            let mut rows = Rows::new(&block, &self.layout);
            let row = rows.next_row()?;
            // A record that ends with the bytes read may go on behind them.
            if row.range.end == block.bytes.len() && !at_end && size < READ_MAX {
                size *= 8;
                continue;
            }
            let good = row.fault.is_none() && id_of(&self.layout, row.values) == id;
            return good.then(|| row.values.clone());
        }
    }
}
