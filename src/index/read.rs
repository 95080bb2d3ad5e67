//! Reading an index: a few small reads, whatever its size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{
    BLOCK, Block, Holds, IS_ROW, KEY, MAGIC, MESSAGE, MessageEntry, ROW, RowEntry, TAIL, canary,
    crc, u32_at, u64_at,
};

/// Bytes that are read at once from the end: the tail, and the directory of most.
const END: u64 = 4096;

/// Keys that are read at once, when a search has come so close.
const NEAR: u64 = 340;

/// Why an index cannot be used; it can be made anew.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is not as it was written.
    #[error("is not as it was written")]
    Damaged,
    /// Another version of the program made its hashes another way.
    #[error("was made by another version of hl7drop")]
    Stale,
}

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A message, by its ordinal in the batch file, from 0.
    Message(u64),
    /// A row that made none, by its ordinal in the index, from 0.
    Row(u64),
}

/// An index, opened.
#[derive(Debug)]
pub struct Index {
    file: File,
    directory: Vec<Block>,
    /// The drop's number: that of its first extract.
    pub drop: u64,
    /// The batch file's number, if the drop made one.
    pub batch: Option<u64>,
    /// How many messages it knows.
    pub messages: u64,
    /// How many rows that made none.
    pub rows: u64,
    /// True if it was made of batch file and archive, after the first was lost.
    pub rebuilt: bool,
}

impl Index {
    /// Opens an index and looks that its directory is whole.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn open(path: &Path) -> Result<Index, IndexError> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut end = vec![0; size.min(END) as usize];
        file.read_exact_at(&mut end, size.saturating_sub(END))?;
        let tail = end.last_chunk::<TAIL>().ok_or(IndexError::Damaged)?;
        if tail[..8] != MAGIC {
            return Err(IndexError::Damaged);
        }
        let number = |at| u64_at(tail, at).ok_or(IndexError::Damaged);
        let word = |at| u32_at(tail, at).ok_or(IndexError::Damaged);
        let length = u64::from(word(48)?) * BLOCK as u64 + TAIL as u64;
        if length > size {
            return Err(IndexError::Damaged);
        }
        let (drop, batch, messages) = (number(16)?, number(24)?, number(32)?);
        let (rows, rebuilt, seal, found) = (number(40)?, word(52)? == 1, word(60)?, number(8)?);
        if length > end.len() as u64 {
            end = vec![0; length as usize];
            file.read_exact_at(&mut end, size - length)?;
        }
        let whole = &end[end.len() - length as usize..];
        if crc(&whole[..whole.len() - 4]) != seal {
            return Err(IndexError::Damaged);
        }
        if found != canary() {
            return Err(IndexError::Stale);
        }
        let (blocks, _) = whole[..whole.len() - TAIL].as_chunks::<BLOCK>();
        let directory: Option<Vec<Block>> = blocks.iter().map(Block::read).collect();
        let directory = directory.ok_or(IndexError::Damaged)?;
        let batch = (batch > 0).then_some(batch);
        Ok(Index { file, directory, drop, batch, messages, rows, rebuilt })
    }

    /// Holds every block to its checksum.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn check(&self) -> Result<(), IndexError> {
        let mut bytes = Vec::new();
        for block in &self.directory {
            bytes.resize(block.bytes(), 0);
            self.file.read_exact_at(&mut bytes, block.place)?;
            if crc(&bytes) != block.crc {
                return Err(IndexError::Damaged);
            }
        }
        Ok(())
    }

    /// Returns what has this key, ascending.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn find(&self, hash: u64) -> Result<Vec<Target>, IndexError> {
        let mut found = Vec::new();
        for block in self.directory.iter().filter(|block| block.holds == Holds::Keys) {
            self.find_in(block, hash, &mut found)?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Looks into one block of sorted keys. Hashes are spread evenly, so where one must
    /// stand can nearly be told: two or three small reads, where halving takes eighteen.
    fn find_in(&self, block: &Block, hash: u64, found: &mut Vec<Target>) -> Result<(), IndexError> {
        let (mut low, mut high) = (0, u64::from(block.count));
        let (mut below, mut above) = (0, u64::MAX);
        while high - low > NEAR {
            let part = u128::from(hash.saturating_sub(below)) * u128::from(high - low);
            let guess = low + (part / (u128::from(above - below) + 1)) as u64;
            // A step to either side, so that both ends close in.
            let at = guess.clamp(low + NEAR / 4, high - NEAR / 4);
            let here = self.hash_at(block, at)?;
            if here < hash {
                (low, below) = (at, here);
                let next = (at + NEAR / 2).min(high - 1);
                let there = self.hash_at(block, next)?;
                if there > hash {
                    (high, above) = (next, there);
                }
            } else {
                (high, above) = (at, here);
                // Keys that are equal to it may stand before it.
                let before = at.saturating_sub(NEAR / 2).max(low);
                let there = self.hash_at(block, before)?;
                if there < hash {
                    (low, below) = (before, there);
                }
            }
        }
        self.walk(block, low, hash, found)
    }

    /// Collects the keys that are equal to `hash`, from the entry `at` on.
    fn walk(
        &self,
        block: &Block,
        mut at: u64,
        hash: u64,
        found: &mut Vec<Target>,
    ) -> Result<(), IndexError> {
        let mut bytes = Vec::new();
        while at < u64::from(block.count) {
            let many = NEAR.min(u64::from(block.count) - at);
            bytes.resize(many as usize * KEY, 0);
            self.file.read_exact_at(&mut bytes, block.place + at * KEY as u64)?;
            for entry in bytes.chunks_exact(KEY) {
                let here = u64_at(entry, 0).ok_or(IndexError::Damaged)?;
                if here > hash {
                    return Ok(());
                }
                if here == hash {
                    let target = u32_at(entry, 8).ok_or(IndexError::Damaged)?;
                    found.push(match target & IS_ROW {
                        0 => Target::Message(u64::from(target)),
                        _ => Target::Row(u64::from(target & !IS_ROW)),
                    });
                }
            }
            at += many;
        }
        Ok(())
    }

    fn hash_at(&self, block: &Block, at: u64) -> Result<u64, IndexError> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, block.place + at * KEY as u64)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Returns a message by its ordinal.
    ///
    /// # Errors
    /// [`IndexError`]; damaged too if there is no such message.
    pub fn message(&self, ordinal: u64) -> Result<MessageEntry, IndexError> {
        let mut bytes = [0; MESSAGE];
        self.entry(Holds::Messages, ordinal, &mut bytes)?;
        MessageEntry::read(&bytes).ok_or(IndexError::Damaged)
    }

    /// Returns a row by its ordinal.
    ///
    /// # Errors
    /// [`IndexError`]; damaged too if there is no such row.
    pub fn row(&self, ordinal: u64) -> Result<RowEntry, IndexError> {
        let mut bytes = [0; ROW];
        self.entry(Holds::Rows, ordinal, &mut bytes)?;
        RowEntry::read(&bytes).ok_or(IndexError::Damaged)
    }

    /// Returns messages with ordinals below `before`, the highest first: those of one
    /// block, so that who goes on with the last of them reads all in bounded memory.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn messages_before(&self, before: u64) -> Result<Vec<(u64, MessageEntry)>, IndexError> {
        self.backwards(Holds::Messages, before, MessageEntry::read)
    }

    /// As [`Index::messages_before`], of rows.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn rows_before(&self, before: u64) -> Result<Vec<(u64, RowEntry)>, IndexError> {
        self.backwards(Holds::Rows, before, RowEntry::read)
    }

    /// Reads the keys of messages, in bounded memory.
    pub fn keys(&self) -> KeysOf<'_> {
        KeysOf { index: self, next: 0, read: Vec::new(), at: 0 }
    }

    fn backwards<T>(
        &self,
        holds: Holds,
        before: u64,
        read: fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<(u64, T)>, IndexError> {
        let below = |block: &&Block| block.holds == holds && block.first < before;
        let Some(block) = self.directory.iter().rev().find(below) else { return Ok(Vec::new()) };
        let count = (before - block.first).min(block.count.into());
        let mut bytes = vec![0; count as usize * holds.bytes()];
        self.file.read_exact_at(&mut bytes, block.place)?;
        let entries = bytes.chunks_exact(holds.bytes()).enumerate().rev();
        let entries = entries.map(|(at, entry)| Some((block.first + at as u64, read(entry)?)));
        entries.collect::<Option<_>>().ok_or(IndexError::Damaged)
    }

    fn entry(&self, holds: Holds, ordinal: u64, out: &mut [u8]) -> Result<(), IndexError> {
        let has = |block: &&Block| {
            let within = ordinal.checked_sub(block.first);
            block.holds == holds && within.is_some_and(|at| at < block.count.into())
        };
        let block = self.directory.iter().find(has).ok_or(IndexError::Damaged)?;
        let at = block.place + (ordinal - block.first) * out.len() as u64;
        Ok(self.file.read_exact_at(out, at)?)
    }
}

/// The keys of messages, block after block: those of one message stand in one block.
pub struct KeysOf<'a> {
    index: &'a Index,
    /// The next block of the directory.
    next: usize,
    /// Of the block read last: message and key, ascending.
    read: Vec<(u64, u64)>,
    at: usize,
}

impl KeysOf<'_> {
    /// Returns the keys of a message, none twice; the ordinals that are asked for ascend.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn of(&mut self, ordinal: u64) -> Result<Vec<u64>, IndexError> {
        while self.read.last().is_none_or(|(last, _)| *last < ordinal) {
            let Some(block) = self.index.directory.get(self.next) else { return Ok(Vec::new()) };
            self.next += 1;
            if block.holds == Holds::Keys {
                self.load(block)?;
            }
        }
        self.at += self.read[self.at..].partition_point(|(message, _)| *message < ordinal);
        let own = self.read[self.at..].iter().take_while(|(message, _)| *message == ordinal);
        Ok(own.map(|(_, key)| *key).collect())
    }

    fn load(&mut self, block: &Block) -> Result<(), IndexError> {
        let mut bytes = vec![0; block.bytes()];
        self.index.file.read_exact_at(&mut bytes, block.place)?;
        self.read.clear();
        self.at = 0;
        for entry in bytes.chunks_exact(KEY) {
            let key = u64_at(entry, 0).ok_or(IndexError::Damaged)?;
            let target = u32_at(entry, 8).ok_or(IndexError::Damaged)?;
            if target & IS_ROW == 0 {
                self.read.push((u64::from(target), key));
            }
        }
        self.read.sort_unstable();
        self.read.dedup();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{IndexWriter, KeyOf, Place, Reason, key};
    use super::*;
    use crate::domain::{Event, Note};

    fn place(record: u32) -> Place {
        Place { extract: 3, record, line: record + 1, offset: u64::from(record) * 100 }
    }

    fn message(at: u32) -> MessageEntry {
        let event = Event::ALL[at as usize % 7];
        MessageEntry { offset: u64::from(at) * 700, event, place: place(at) }
    }

    fn row(at: u32) -> RowEntry {
        RowEntry { reason: Reason::ALL[at as usize % 9], place: place(at) }
    }

    fn patient(number: u32) -> u64 {
        key(KeyOf::Patient, number.to_string().as_bytes())
    }

    /// Messages 0..messages of patients n / 2, rows 0..rows of patients n / 3.
    fn written(folder: &Path, messages: u32, rows: u32) -> Index {
        let path = folder.join("1.idx");
        let mut writer = IndexWriter::create(&path).unwrap();
        for at in 0..messages.max(rows) {
            if at < messages {
                writer.message(&message(at), &[patient(at / 2)]).unwrap();
            }
            if at < rows {
                writer.row(&row(at), &[patient(at / 3), key(KeyOf::Appointment, b"x")]).unwrap();
            }
        }
        writer.finish(7, Some(5)).unwrap();
        Index::open(&path).unwrap()
    }

    #[test]
    fn what_is_written_is_found_in_blocks_of_every_size() {
        for (messages, rows) in [(0, 0), (1, 0), (0, 1), (400, 9), (9000, 700), (300_000, 5000)] {
            let place = tempfile::tempdir().unwrap();
            let index = written(place.path(), messages, rows);
            assert_eq!((index.drop, index.batch), (7, Some(5)));
            assert_eq!((index.messages, index.rows), (messages.into(), rows.into()));
            index.check().unwrap();
            let step = (messages.max(rows) / 100).max(1) as usize;
            for at in (0..messages).step_by(step) {
                assert_eq!(index.message(at.into()).unwrap(), message(at));
                let mut wanted = vec![Target::Message(u64::from(at / 2 * 2))];
                wanted.extend(
                    (at / 2 * 2 + 1 < messages)
                        .then_some(Target::Message(u64::from(at / 2 * 2 + 1))),
                );
                let first = at / 2 * 3;
                wanted.extend(
                    (first..first + 3).filter(|row| *row < rows).map(|row| Target::Row(row.into())),
                );
                assert_eq!(index.find(patient(at / 2)).unwrap(), wanted, "{at} of {messages}");
            }
            for at in (0..rows).step_by(step) {
                assert_eq!(index.row(at.into()).unwrap(), row(at));
            }
            let all = index.find(key(KeyOf::Appointment, b"x")).unwrap();
            assert_eq!(all.len(), rows as usize, "one key may have many entries");
            assert_eq!(index.find(patient(400_000)).unwrap(), []);
            assert!(index.message(messages.into()).is_err() && index.row(rows.into()).is_err());
            let (mut seen, mut before) = (Vec::new(), u64::MAX);
            while let Some(some) = index.messages_before(before).ok().filter(|it| !it.is_empty()) {
                before = some.last().unwrap().0;
                seen.extend(some);
            }
            let newest = (0..messages).rev().map(|at| (u64::from(at), message(at)));
            assert!(seen.into_iter().eq(newest), "newest first, none twice, none left out");
            let mut keys = index.keys();
            for at in (0..messages).step_by(step) {
                assert_eq!(keys.of(at.into()).unwrap(), [patient(at / 2)], "{at} of {messages}");
            }
            assert!(keys.of(messages.into()).unwrap().is_empty(), "there is no such message");
            assert_eq!(index.rows_before(1).unwrap().len(), rows.min(1) as usize);
        }
    }

    #[test]
    fn what_is_rolled_back_was_never_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("1.idx");
        let mut writer = IndexWriter::create(&path).unwrap();
        writer.message(&message(0), &[patient(0)]).unwrap();
        let mark = writer.mark().unwrap();
        for at in 0..300_000 {
            writer.message(&message(9), &[patient(at)]).unwrap();
            writer.row(&row(9), &[patient(at)]).unwrap();
        }
        writer.rollback(&mark).unwrap();
        writer.message(&message(1), &[patient(1)]).unwrap();
        writer.finish(1, None).unwrap();
        let index = Index::open(&path).unwrap();
        index.check().unwrap();
        assert_eq!((index.messages, index.rows, index.batch), (2, 0, None));
        assert_eq!(index.find(patient(1)).unwrap(), [Target::Message(1)]);
        assert_eq!(index.message(1).unwrap(), message(1));
        assert_eq!(index.find(patient(2)).unwrap(), []);
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let place = tempfile::tempdir().unwrap();
        drop(written(place.path(), 2, 2));
        let path = place.path().join("1.idx");
        let whole = std::fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            crate::disk::write(&path, &flipped).unwrap();
            let good = Index::open(&path).and_then(|index| index.check());
            assert!(good.is_err(), "bit {bit}");
        }
        for cut in 0..whole.len() {
            crate::disk::write(&path, &whole[..cut]).unwrap();
            assert!(Index::open(&path).and_then(|index| index.check()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_reason_has_a_word_of_its_own_and_comes_back() {
        let words: std::collections::BTreeSet<&str> =
            Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for reason in Reason::ALL.into_iter().chain([Reason::Fault]) {
            assert_eq!(Reason::of_code(reason.code()), reason);
        }
        assert_eq!(Reason::Filtered(Note::Remark).code(), Reason::Unknown.code());
    }
}
