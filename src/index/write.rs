//! Writing an index, in one stream and in bounded memory.

use std::path::{Path, PathBuf};

use super::{Block, Holds, IS_ROW, MAGIC, MessageEntry, RowEntry, TAIL, canary, crc};
use crate::disk::{self, NewFile};

/// Bytes of messages or rows that are gathered before a write.
const BUFFER: usize = 1 << 16;

/// Keys that are sorted together: 4 MiB. A search looks into each such block, so many
/// small ones would slow it down.
const KEYS: usize = 1 << 18;

/// An index that is being written under a name of its own.
pub struct IndexWriter {
    file: NewFile,
    path: PathBuf,
    written: u64,
    messages: u64,
    rows: u64,
    directory: Vec<Block>,
    open_messages: Vec<u8>,
    open_rows: Vec<u8>,
    open_keys: Vec<(u64, u32)>,
    sorted: Vec<u8>,
    rebuilt: bool,
}

/// A place to come back to.
#[derive(Clone, Copy, Debug)]
pub struct IndexMark {
    written: u64,
    messages: u64,
    rows: u64,
    blocks: usize,
}

impl IndexWriter {
    /// Creates the file at `path`, which must be free.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn create(path: &Path) -> disk::Result<IndexWriter> {
        Ok(IndexWriter {
            file: disk::create(path)?,
            path: path.to_path_buf(),
            written: 0,
            messages: 0,
            rows: 0,
            directory: Vec::new(),
            open_messages: Vec::with_capacity(BUFFER * 2),
            open_rows: Vec::new(),
            open_keys: Vec::new(),
            sorted: Vec::new(),
            rebuilt: false,
        })
    }

    /// Returns where it is being written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says that it is made of the batch file and the archive, after the first was lost.
    pub fn is_rebuilt(&mut self) {
        self.rebuilt = true;
    }

    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.messages + self.rows == 0
    }

    /// Appends the next message of the batch file, found by `keys`.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn message(&mut self, entry: &MessageEntry, keys: &[u64]) -> disk::Result<()> {
        let target = self.messages as u32 & !IS_ROW;
        entry.write(&mut self.open_messages);
        self.messages += 1;
        if self.open_messages.len() >= BUFFER {
            self.flush(Holds::Messages)?;
        }
        self.keys(keys, target)
    }

    /// Appends a row that made no message, found by `keys`.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn row(&mut self, entry: &RowEntry, keys: &[u64]) -> disk::Result<()> {
        let target = self.rows as u32 | IS_ROW;
        entry.write(&mut self.open_rows);
        self.rows += 1;
        if self.open_rows.len() >= BUFFER {
            self.flush(Holds::Rows)?;
        }
        self.keys(keys, target)
    }

    fn keys(&mut self, keys: &[u64], target: u32) -> disk::Result<()> {
        self.open_keys.extend(keys.iter().map(|key| (*key, target)));
        if self.open_keys.len() >= KEYS { self.flush(Holds::Keys) } else { Ok(()) }
    }

    /// Returns a place to come back to; all that is gathered is written for it.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn mark(&mut self) -> disk::Result<IndexMark> {
        self.flush_all()?;
        let IndexWriter { written, messages, rows, .. } = *self;
        Ok(IndexMark { written, messages, rows, blocks: self.directory.len() })
    }

    /// Forgets all that was appended since.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn rollback(&mut self, mark: &IndexMark) -> disk::Result<()> {
        self.open_messages.clear();
        self.open_rows.clear();
        self.open_keys.clear();
        self.directory.truncate(mark.blocks);
        (self.written, self.messages, self.rows) = (mark.written, mark.messages, mark.rows);
        self.file.cut(self.written)
    }

    /// Ends the file and makes it durable, still under its own name.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn finish(mut self, drop: u64, batch: Option<u64>) -> disk::Result<PathBuf> {
        self.flush_all()?;
        let mut end = Vec::with_capacity(self.directory.len() * super::BLOCK + TAIL);
        self.directory.iter().for_each(|block| block.write(&mut end));
        end.extend_from_slice(&MAGIC);
        for number in [canary(), drop, batch.unwrap_or(0), self.messages, self.rows] {
            end.extend_from_slice(&number.to_le_bytes());
        }
        let blocks = u32::try_from(self.directory.len()).unwrap_or(u32::MAX);
        end.extend_from_slice(&blocks.to_le_bytes());
        end.extend_from_slice(&u32::from(self.rebuilt).to_le_bytes());
        end.extend_from_slice(&[0; 4]);
        let seal = crc(&end);
        end.extend_from_slice(&seal.to_le_bytes());
        self.file.write(&end)?;
        self.file.finish()?;
        Ok(self.path)
    }

    fn flush_all(&mut self) -> disk::Result<()> {
        [Holds::Messages, Holds::Rows, Holds::Keys].into_iter().try_for_each(|one| self.flush(one))
    }

    fn flush(&mut self, holds: Holds) -> disk::Result<()> {
        let (bytes, end) = match holds {
            Holds::Messages => (&mut self.open_messages, self.messages),
            Holds::Rows => (&mut self.open_rows, self.rows),
            Holds::Keys => {
                self.open_keys.sort_unstable();
                self.sorted.clear();
                for (hash, target) in self.open_keys.drain(..) {
                    self.sorted.extend_from_slice(&hash.to_le_bytes());
                    self.sorted.extend_from_slice(&target.to_le_bytes());
                }
                (&mut self.sorted, 0)
            }
        };
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.write(bytes)?;
        let count = bytes.len() / holds.bytes();
        let first = end.saturating_sub(count as u64);
        let (place, crc) = (self.written, crc(bytes));
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.directory.push(Block { holds, count, first, place, crc });
        self.written += bytes.len() as u64;
        bytes.clear();
        Ok(())
    }
}
