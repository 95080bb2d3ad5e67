//! The one ordered writer of a batch file: control IDs in, counts and digest out.
//!
//! Chunks arrive in the order of the extract; each message has a place left open for
//! its control number, which is given here and nowhere else. Hence the bytes do not
//! depend on how many workers made them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::track::{Origin, Tracks};
use crate::batch::Envelope;
use crate::convert::Output;
use crate::digest::{Digest, Digester};
use crate::disk::{self, NewFile};
use crate::domain::{Event, Kind};
use crate::index::{IndexMark, IndexWriter};
use crate::validate::{Agreed, FileCheck, Finding, Severity};

/// Bytes gathered before a write: fewer system calls, still small in memory.
const BUFFER: usize = 1 << 20;

/// A batch file that is being written under a staging name.
pub struct Writer {
    file: NewFile,
    path: PathBuf,
    envelope: Envelope,
    suffix: Vec<u8>,
    buffer: Vec<u8>,
    state: State,
    durable: bool,
    index: Option<IndexWriter>,
    /// Where each message of the last chunk begins in the file.
    begins: Vec<u64>,
}

/// All that a savepoint has to bring back.
#[derive(Clone)]
struct State {
    written: u64,
    /// None where nobody will be held to it: SHA-256 is a sixth of a conversion.
    digest: Option<Digester>,
    control: u64,
    messages: u64,
    batches: u64,
    open: Option<(Kind, u64)>,
    /// Reads back what stands around the messages.
    check: Option<FileCheck>,
}

/// A place to come back to.
pub struct Savepoint(State, Option<IndexMark>);

/// A whole batch file.
#[derive(Clone, Debug)]
pub struct Written {
    /// SHA-256, if it was wanted.
    pub digest: Option<Digest>,
    /// Size.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// The next free control number.
    pub next_control: u64,
    /// What is against HL7 or the agreement around the messages; nothing should be.
    pub wrong: Vec<Finding>,
}

impl Writer {
    /// Creates the file at `path`; the first message gets `first_control`.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn create(path: &Path, envelope: Envelope, first_control: u64) -> disk::Result<Writer> {
        let state = State {
            written: 0,
            digest: Some(Digester::default()),
            control: first_control,
            messages: 0,
            batches: 0,
            open: None,
            check: None,
        };
        let suffix = envelope.control_suffix().into_bytes();
        let file = disk::create(path)?;
        let mut buffer = Vec::with_capacity(BUFFER * 2);
        envelope.open_file(&mut buffer);
        let path = path.to_path_buf();
        let (index, begins) = (None, Vec::new());
        Ok(Writer { file, path, envelope, suffix, buffer, state, durable: true, index, begins })
    }

    /// Says what the file is held to: counts, control IDs, the order of its segments.
    pub fn hold_to(&mut self, agreed: &Arc<Agreed>) {
        self.state.check = Some(FileCheck::around_messages(agreed.clone()));
    }

    /// Says that the file is copied on and thrown away: it need not be durable.
    pub fn is_scratch(&mut self) {
        self.durable = false;
    }

    /// Says that nothing is promised about the file, so that it needs no digest.
    pub fn is_unpromised(&mut self) {
        self.state.digest = None;
    }

    /// Says which index is told where each message stands.
    pub fn index_into(&mut self, index: IndexWriter) {
        self.index = Some(index);
    }

    /// True if there is an index.
    pub fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// Takes the index, once all was appended.
    pub fn take_index(&mut self) -> Option<IndexWriter> {
        self.index.take()
    }

    /// Appends messages of one kind.
    ///
    /// # Errors
    /// [`disk::DiskError`], a full disk among its reasons.
    pub fn append(&mut self, kind: Kind, chunk: &Output) -> disk::Result<()> {
        self.begins.clear();
        if chunk.slots.is_empty() {
            return Ok(());
        }
        match self.state.open {
            Some((open, _)) if open == kind => {}
            _ => {
                self.close_batch();
                self.state.batches += 1;
                self.state.open = Some((kind, 0));
                self.envelope.open_batch(kind, self.state.batches, &mut self.buffer);
            }
        }
        let mut from = 0;
        // Where the first byte of the chunk would stand, had it the control IDs that were
        // put into it so far before it.
        let mut base = self.state.written + self.buffer.len() as u64;
        let mut heads = chunk.heads.iter();
        for &slot in &chunk.slots {
            self.buffer.extend_from_slice(&chunk.bytes[from..slot]);
            self.begins.extend(heads.next().map(|(at, _)| base + *at as u64));
            base += self.put_control();
            from = slot;
            if self.buffer.len() >= BUFFER {
                self.flush()?;
            }
        }
        self.buffer.extend_from_slice(&chunk.bytes[from..]);
        let count = chunk.slots.len() as u64;
        self.state.messages += count;
        if let Some((_, messages)) = &mut self.state.open {
            *messages += count;
        }
        Ok(())
    }

    /// MSH-10: `<number>M<context id>` (`interface.md` 2.2).
    /// Returns its length.
    fn put_control(&mut self) -> u64 {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut number = self.state.control;
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.buffer.extend_from_slice(&digits[at..]);
        self.buffer.extend_from_slice(&self.suffix);
        self.state.control += 1;
        (digits.len() - at + self.suffix.len()) as u64
    }

    /// Tells the index what became of the records whose messages were appended last.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn track(
        &mut self,
        origin: Origin,
        tracks: &Tracks,
        heads: &[(usize, Event)],
    ) -> disk::Result<()> {
        let Some(index) = &mut self.index else { return Ok(()) };
        let events = heads.iter().map(|(_, event)| *event);
        tracks.write(index, origin, self.begins.iter().copied().zip(events))
    }

    /// Returns a place to come back to.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn savepoint(&mut self) -> disk::Result<Savepoint> {
        self.flush()?;
        let mark = self.index.as_mut().map(IndexWriter::mark).transpose()?;
        Ok(Savepoint(self.state.clone(), mark))
    }

    /// Forgets all that was appended since the savepoint.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn rollback(&mut self, savepoint: &Savepoint) -> disk::Result<()> {
        self.buffer.clear();
        self.state = savepoint.0.clone();
        if let (Some(index), Some(mark)) = (&mut self.index, &savepoint.1) {
            index.rollback(mark)?;
        }
        self.file.cut(self.state.written)
    }

    /// Ends the file and makes it durable, or takes it away where there is no message
    /// and none is wanted.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn finish(mut self, keep_empty: bool) -> disk::Result<Option<Written>> {
        if self.state.messages == 0 && !keep_empty {
            let Writer { file, path, .. } = self;
            drop(file);
            disk::remove(&path)?;
            return Ok(None);
        }
        self.close_batch();
        if self.state.batches == 0 {
            self.envelope.empty_batch(&mut self.buffer);
        } else {
            let State { batches, messages, .. } = self.state;
            self.envelope.close_file(batches, messages, &mut self.buffer);
        }
        self.flush()?;
        let Writer { file, mut state, durable, .. } = self;
        if durable {
            file.finish()?;
        }
        let wrong = state.check.take().map_or_else(Vec::new, wrong_of);
        Ok(Some(Written {
            wrong,
            digest: state.digest.map(Digester::finish),
            bytes: state.written,
            messages: state.messages,
            next_control: state.control,
        }))
    }

    fn close_batch(&mut self) {
        if let Some((kind, messages)) = self.state.open.take() {
            self.envelope.close_batch(kind, messages, &mut self.buffer);
        }
    }

    fn flush(&mut self) -> disk::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.write(&self.buffer)?;
        if let Some(digest) = &mut self.state.digest {
            digest.update(&self.buffer);
        }
        if let Some(check) = &mut self.state.check {
            check.feed(&self.buffer);
        }
        self.state.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

fn wrong_of(mut check: FileCheck) -> Vec<Finding> {
    check.finish();
    let mut found = check.findings().take();
    found.retain(|finding| finding.severity == Severity::Error);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::read::BatchFile;

    fn messages(count: usize) -> Output {
        let mut out = Output::default();
        for _ in 0..count {
            out.bytes.extend_from_slice(b"MSH|^~\\&|||||||ADT^A28|");
            out.slots.push(out.bytes.len());
            out.bytes.extend_from_slice(b"|T\r");
        }
        out
    }

    fn writer(folder: &Path) -> Writer {
        let text = crate::config::template::interface_file("test");
        let scope = crate::config::interface::read(&text, folder).unwrap();
        let envelope = Envelope::new(&scope, 42, "2026-05-20T11:00:00".parse().unwrap());
        Writer::create(&folder.join("batch"), envelope, 99).unwrap()
    }

    #[test]
    fn numbers_rise_and_counts_and_digest_are_those_of_the_file() {
        let place = tempfile::tempdir().unwrap();
        let mut writer = writer(place.path());
        writer.append(Kind::Patient, &messages(2)).unwrap();
        writer.append(Kind::Patient, &messages(1)).unwrap();
        writer.append(Kind::Appointment, &messages(1)).unwrap();
        let written = writer.finish(false).unwrap().unwrap();
        let bytes = std::fs::read(place.path().join("batch")).unwrap();
        assert_eq!((written.digest, written.bytes), (Some(Digest::of(&bytes)), bytes.len() as u64));
        assert_eq!((written.messages, written.next_control), (4, 103));
        let file = BatchFile::read(&bytes).unwrap();
        let ids: Vec<&[u8]> = file.messages().map(|message| message.control_id()).collect();
        assert_eq!(ids, [b"99M99999".as_slice(), b"100M99999", b"101M99999", b"102M99999"]);
        assert_eq!(file.batches.len(), 2);
    }

    #[test]
    fn what_is_rolled_back_was_never_there() {
        let place = tempfile::tempdir().unwrap();
        let mut writer = writer(place.path());
        writer.append(Kind::Patient, &messages(1)).unwrap();
        let savepoint = writer.savepoint().unwrap();
        writer.append(Kind::Patient, &messages(20_000)).unwrap();
        writer.append(Kind::Appointment, &messages(20_000)).unwrap();
        writer.rollback(&savepoint).unwrap();
        writer.append(Kind::Patient, &messages(1)).unwrap();
        let written = writer.finish(false).unwrap().unwrap();
        let bytes = std::fs::read(place.path().join("batch")).unwrap();
        assert_eq!(written.digest, Some(Digest::of(&bytes)));
        let file = BatchFile::read(&bytes).unwrap();
        assert_eq!(file.messages().last().unwrap().control_id(), b"100M99999");
        assert_eq!(file.batches.len(), 1);
    }

    #[test]
    fn a_file_without_messages_is_taken_away_or_says_so() {
        let place = tempfile::tempdir().unwrap();
        assert!(writer(place.path()).finish(false).unwrap().is_none());
        assert!(!place.path().join("batch").exists());
        assert_eq!(writer(place.path()).finish(true).unwrap().unwrap().messages, 0);
        let bytes = std::fs::read(place.path().join("batch")).unwrap();
        assert!(BatchFile::read(&bytes).unwrap().batches[0].messages.is_empty());
    }
}
