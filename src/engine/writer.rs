//! The one ordered writer of a drop's batch files: control IDs in, counts and digests out.
//!
//! Chunks arrive in the order of the extract; each message has a place left open for
//! its control number, which is given here and nowhere else. Hence the bytes do not
//! depend on how many workers made them.
//!
//! A file holds a batch of each kind of message, in turn. Where each type has a file of its own,
//! the next file begins where otherwise the next batch would; so the files, read in
//! the order of their numbers, tell the same in both forms.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::track::{Origin, Tracks};
use crate::batch::Envelope;
use crate::convert::Output;
use crate::digest::{Digest, Digester};
use crate::disk::{self, NewFile};
use crate::domain::{Event, FilePer, Kind};
use crate::index::{IndexMark, IndexWriter, MessageEntry};
use crate::validate::{Agreed, FileCheck, Finding, Severity};

/// Bytes gathered before a write: fewer system calls, still small in memory.
const BUFFER: usize = 1 << 20;

/// The batch files of one drop, being written under staging names.
pub struct Writer {
    /// All of them stay open: what comes later may be taken back.
    files: Vec<NewFile>,
    paths: Vec<PathBuf>,
    suffix: Vec<u8>,
    buffer: Vec<u8>,
    state: State,
    durable: bool,
    digests: bool,
    agreed: Option<Arc<Agreed>>,
    file_per: FilePer,
    index: Option<IndexWriter>,
    /// Where each message of the last chunk begins in the file.
    begins: Vec<u64>,
}

/// All that a savepoint has to bring back.
#[derive(Clone)]
struct State {
    control: u64,
    /// The files that were begun, the last one under way.
    files: Vec<FileState>,
}

/// What is known of one file.
#[derive(Clone)]
struct FileState {
    envelope: Envelope,
    written: u64,
    /// None where nobody will be held to it: SHA-256 is a sixth of a conversion.
    digest: Option<Digester>,
    first_control: u64,
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
    /// Its number.
    pub number: u64,
    /// Its name, at the endpoint and wherever it stands before.
    pub name: String,
    /// SHA-256, if it was wanted.
    pub digest: Option<Digest>,
    /// Size.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// The control number of its first message.
    pub first_control: u64,
    /// What is against HL7 or the agreement around the messages; nothing should be.
    pub wrong: Vec<Finding>,
}

impl Written {
    /// Returns the next free control number.
    pub fn next_control(&self) -> u64 {
        self.first_control + self.messages
    }
}

impl Writer {
    /// Creates the file at `path`; the first message gets `first_control`.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn create(path: &Path, envelope: Envelope, first_control: u64) -> disk::Result<Writer> {
        let suffix = envelope.control_suffix().into_bytes();
        let mut buffer = Vec::with_capacity(BUFFER * 2);
        envelope.open_file(&mut buffer);
        let state = State {
            control: first_control,
            files: vec![FileState::new(envelope, first_control, true, None)],
        };
        Ok(Writer {
            files: vec![disk::create(path)?],
            paths: vec![path.to_path_buf()],
            suffix,
            buffer,
            state,
            durable: true,
            digests: true,
            agreed: None,
            file_per: FilePer::Run,
            index: None,
            begins: Vec::new(),
        })
    }

    /// Says where another file begins; it lies beside the first.
    pub fn split(&mut self, file_per: FilePer) {
        self.file_per = file_per;
    }

    /// Says what the files are held to: counts, control IDs, the order of their segments.
    pub fn hold_to(&mut self, agreed: &Arc<Agreed>) {
        self.agreed = Some(agreed.clone());
        for file in &mut self.state.files {
            file.check = Some(FileCheck::around_messages(agreed.clone()));
        }
    }

    /// Says that the file is copied on and thrown away: it need not be durable.
    pub fn is_scratch(&mut self) {
        self.durable = false;
    }

    /// Says that nothing is promised about the file, so that it needs no digest.
    pub fn is_unpromised(&mut self) {
        self.digests = false;
        self.state.files.iter_mut().for_each(|file| file.digest = None);
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
        if self.last().open.is_none_or(|(open, _)| open != kind) {
            self.open_batch(kind)?;
        }
        let mut from = 0;
        // Where the first byte of the chunk would stand, had it the control IDs that were
        // put into it so far before it.
        let mut base = self.last().written + self.buffer.len() as u64;
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
        let file = self.last();
        file.messages += count;
        if let Some((_, messages)) = &mut file.open {
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

    /// Tells the index of the messages that were appended last: what they were in the file
    /// they were copied from, and the keys they are found by.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn track_copies(&mut self, copies: &[(MessageEntry, Vec<u64>)]) -> disk::Result<()> {
        let Some(index) = &mut self.index else { return Ok(()) };
        for ((entry, keys), offset) in copies.iter().zip(self.begins.iter().copied()) {
            index.message(&MessageEntry { offset, ..*entry }, keys)?;
        }
        Ok(())
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
        let kept = self.state.files.len();
        self.files.truncate(kept);
        for path in self.paths.drain(kept..) {
            disk::remove(&path)?;
        }
        let written = self.last().written;
        self.files.last_mut().map_or(Ok(()), |file| file.cut(written))
    }

    /// Ends the files and makes them durable, in the order of their numbers. Where there
    /// is no message and no empty file is wanted, there is none.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn finish(mut self, keep_empty: bool) -> disk::Result<Vec<Written>> {
        // Only the first can be without a message.
        if self.last().messages == 0 && !keep_empty {
            drop(self.files);
            self.paths.iter().try_for_each(|path| disk::remove(path))?;
            return Ok(Vec::new());
        }
        self.close_file()?;
        if self.durable {
            self.files.into_iter().try_for_each(NewFile::finish)?;
        }
        Ok(self.state.files.into_iter().map(FileState::written).collect())
    }

    fn open_batch(&mut self, kind: Kind) -> disk::Result<()> {
        if self.file_per == FilePer::Type && self.last().open.is_some() {
            self.next_file()?;
        }
        self.close_batch();
        let Writer { state, buffer, .. } = self;
        let file = state.last();
        file.batches += 1;
        file.open = Some((kind, 0));
        file.envelope.open_batch(kind, file.batches, buffer);
        Ok(())
    }

    fn next_file(&mut self) -> disk::Result<()> {
        self.close_file()?;
        let envelope = self.last().envelope.next();
        let path = self.paths[0].with_file_name(envelope.file_name());
        disk::remove(&path)?;
        self.files.push(disk::create(&path)?);
        self.paths.push(path);
        envelope.open_file(&mut self.buffer);
        let (control, agreed) = (self.state.control, self.agreed.as_ref());
        self.state.files.push(FileState::new(envelope, control, self.digests, agreed));
        Ok(())
    }

    fn close_file(&mut self) -> disk::Result<()> {
        self.close_batch();
        let Writer { state, buffer, .. } = self;
        let file = state.last();
        match file.batches {
            0 => file.envelope.empty_batch(buffer),
            batches => file.envelope.close_file(batches, file.messages, buffer),
        }
        self.flush()
    }

    fn close_batch(&mut self) {
        let Writer { state, buffer, .. } = self;
        let file = state.last();
        if let Some((kind, messages)) = file.open.take() {
            file.envelope.close_batch(kind, messages, buffer);
        }
    }

    fn flush(&mut self) -> disk::Result<()> {
        let Writer { files, state, buffer, .. } = self;
        let Some(file) = files.last_mut().filter(|_| !buffer.is_empty()) else { return Ok(()) };
        file.write(buffer)?;
        let state = state.last();
        if let Some(digest) = &mut state.digest {
            digest.update(buffer);
        }
        if let Some(check) = &mut state.check {
            check.feed(buffer);
        }
        state.written += buffer.len() as u64;
        buffer.clear();
        Ok(())
    }

    fn last(&mut self) -> &mut FileState {
        self.state.last()
    }
}

impl State {
    /// Returns the file under way: there is one from the first moment on.
    fn last(&mut self) -> &mut FileState {
        let last = self.files.len() - 1;
        &mut self.files[last]
    }
}

impl FileState {
    fn new(
        envelope: Envelope,
        first_control: u64,
        digest: bool,
        agreed: Option<&Arc<Agreed>>,
    ) -> FileState {
        FileState {
            envelope,
            written: 0,
            digest: digest.then(Digester::default),
            first_control,
            messages: 0,
            batches: 0,
            open: None,
            check: agreed.map(|agreed| FileCheck::around_messages(agreed.clone())),
        }
    }

    fn written(mut self) -> Written {
        Written {
            number: self.envelope.number(),
            name: self.envelope.file_name().to_string(),
            wrong: self.check.take().map_or_else(Vec::new, wrong_of),
            digest: self.digest.map(Digester::finish),
            bytes: self.written,
            messages: self.messages,
            first_control: self.first_control,
        }
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
        let written = only(writer.finish(false));
        let bytes = std::fs::read(place.path().join("batch")).unwrap();
        assert_eq!((written.digest, written.bytes), (Some(Digest::of(&bytes)), bytes.len() as u64));
        assert_eq!((written.messages, written.next_control()), (4, 103));
        let file = BatchFile::read(&bytes).unwrap();
        let ids: Vec<&[u8]> = file.messages().map(|message| message.control_id()).collect();
        assert_eq!(ids, [b"99M99999".as_slice(), b"100M99999", b"101M99999", b"102M99999"]);
        assert_eq!(file.batches.len(), 2);
    }

    fn only(written: disk::Result<Vec<Written>>) -> Written {
        let mut written = written.unwrap();
        assert_eq!(written.len(), 1);
        written.remove(0)
    }

    #[test]
    fn each_type_has_a_file_of_its_own_and_the_numbers_go_on() {
        let place = tempfile::tempdir().unwrap();
        let mut writer = writer(place.path());
        writer.split(FilePer::Type);
        writer.append(Kind::Patient, &messages(2)).unwrap();
        let savepoint = writer.savepoint().unwrap();
        writer.append(Kind::Appointment, &messages(30_000)).unwrap();
        writer.append(Kind::Patient, &messages(9)).unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 3);
        writer.rollback(&savepoint).unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
        writer.append(Kind::Patient, &messages(1)).unwrap();
        writer.append(Kind::Appointment, &messages(2)).unwrap();
        let written = writer.finish(false).unwrap();
        let told: Vec<_> = written
            .iter()
            .map(|one| (one.number, one.first_control, one.messages, one.name.as_str()))
            .collect();
        let names = ["99999-000042.hl7", "99999-000043.hl7"];
        assert_eq!(told, [(42, 99, 3, names[0]), (43, 102, 2, names[1])]);
        for (one, (path, id)) in
            written.iter().zip([("batch", &b"99M99999"[..]), (names[1], b"102M99999")])
        {
            let bytes = std::fs::read(place.path().join(path)).unwrap();
            assert_eq!((one.digest, one.bytes), (Some(Digest::of(&bytes)), bytes.len() as u64));
            let file = BatchFile::read(&bytes).unwrap();
            assert_eq!(file.batches.len(), 1);
            assert_eq!(file.messages().next().unwrap().control_id(), id);
        }
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
        let written = only(writer.finish(false));
        let bytes = std::fs::read(place.path().join("batch")).unwrap();
        assert_eq!(written.digest, Some(Digest::of(&bytes)));
        let file = BatchFile::read(&bytes).unwrap();
        assert_eq!(file.messages().last().unwrap().control_id(), b"100M99999");
        assert_eq!(file.batches.len(), 1);
    }

    #[test]
    fn a_file_without_messages_is_taken_away_or_says_so() {
        let place = tempfile::tempdir().unwrap();
        assert!(writer(place.path()).finish(false).unwrap().is_empty());
        assert!(!place.path().join("batch").exists());
        assert_eq!(only(writer(place.path()).finish(true)).messages, 0);
        let bytes = std::fs::read(place.path().join("batch")).unwrap();
        assert!(BatchFile::read(&bytes).unwrap().batches[0].messages.is_empty());
    }
}
