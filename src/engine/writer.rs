//! The one ordered writer of a batch file: control IDs in, counts and digest out.
//!
//! Chunks arrive in the order of the extract; each message has a place left open for
//! its control number, which is given here and nowhere else. Hence the bytes do not
//! depend on how many workers made them.

use std::path::{Path, PathBuf};

use crate::batch::Envelope;
use crate::convert::Output;
use crate::digest::{Digest, Digester};
use crate::disk::{self, NewFile};
use crate::domain::Kind;

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
}

/// All that a savepoint has to bring back.
#[derive(Clone)]
struct State {
    written: u64,
    digest: Digester,
    control: u64,
    messages: u64,
    batches: u64,
    open: Option<(Kind, u64)>,
}

/// A place to come back to.
pub struct Savepoint(State);

/// A whole batch file.
#[derive(Clone, Debug)]
pub struct Written {
    /// SHA-256.
    pub digest: Digest,
    /// Size.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// The next free control number.
    pub next_control: u64,
}

impl Writer {
    /// Creates the file at `path`; the first message gets `first_control`.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn create(path: &Path, envelope: Envelope, first_control: u64) -> disk::Result<Writer> {
        let state = State {
            written: 0,
            digest: Digester::default(),
            control: first_control,
            messages: 0,
            batches: 0,
            open: None,
        };
        let suffix = envelope.control_suffix().into_bytes();
        let file = disk::create(path)?;
        let mut buffer = Vec::with_capacity(BUFFER * 2);
        envelope.open_file(&mut buffer);
        let path = path.to_path_buf();
        Ok(Writer { file, path, envelope, suffix, buffer, state, durable: true })
    }

    /// Says that the file is copied on and thrown away: it need not be durable.
    pub fn is_scratch(&mut self) {
        self.durable = false;
    }

    /// Appends messages of one kind.
    ///
    /// # Errors
    /// [`disk::DiskError`], a full disk among its reasons.
    pub fn append(&mut self, kind: Kind, chunk: &Output) -> disk::Result<()> {
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
        for &slot in &chunk.slots {
            self.buffer.extend_from_slice(&chunk.bytes[from..slot]);
            self.put_control();
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
    fn put_control(&mut self) {
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
    }

    /// Returns a place to come back to.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn savepoint(&mut self) -> disk::Result<Savepoint> {
        self.flush()?;
        Ok(Savepoint(self.state.clone()))
    }

    /// Forgets all that was appended since the savepoint.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn rollback(&mut self, savepoint: &Savepoint) -> disk::Result<()> {
        self.buffer.clear();
        self.state = savepoint.0.clone();
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
        let Writer { file, state, durable, .. } = self;
        if durable {
            file.finish()?;
        }
        Ok(Some(Written {
            digest: state.digest.finish(),
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
        self.state.digest.update(&self.buffer);
        self.state.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
