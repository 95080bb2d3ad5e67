//! Text that is made on a thread of its own: decompressing takes as long as converting
//! what comes out of it, and the one need not wait for the other.
//!
//! A few chunks are under way, so memory stays flat; the buffers go round. `extract` has
//! no threads, hence this is here.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Bytes of a chunk: large enough that a hand-over (some microseconds) is nothing beside
/// making it (a millisecond).
const CHUNK: usize = 1 << 18;
/// Chunks under way.
const CHUNKS: usize = 3;

/// Reads what a thread has read already.
pub struct Ahead {
    chunks: Receiver<io::Result<Vec<u8>>>,
    spare: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
    at_end: bool,
}

impl Ahead {
    /// Begins to read. The thread ends with the text, or when nobody reads on.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub fn of(reader: Box<dyn Read + Send>) -> io::Result<Ahead> {
        let (sender, chunks) = sync_channel(CHUNKS);
        let (spare, buffers) = channel();
        let work = move || read(reader, &sender, &buffers);
        thread::Builder::new().name("unpack".to_string()).spawn(work)?;
        Ok(Ahead { chunks, spare, chunk: Vec::new(), at: 0, at_end: false })
    }
}

/// Reads chunk by chunk, up to the end or an error.
fn read(
    mut reader: Box<dyn Read + Send>,
    sender: &SyncSender<io::Result<Vec<u8>>>,
    buffers: &Receiver<Vec<u8>>,
) {
    loop {
        let mut chunk = buffers.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let (read, failed) = fill(&mut reader, &mut chunk);
        chunk.truncate(read);
        // An empty chunk is the end, and an error is none.
        let told = (read > 0 || failed.is_none()).then(|| sender.send(Ok(chunk)));
        // Whoever read has no more interest once it is gone.
        if told.is_some_and(|told| told.is_err()) || read == 0 && failed.is_none() {
            return;
        }
        if let Some(err) = failed {
            let _ = sender.send(Err(err));
            return;
        }
    }
}

/// Reads until the buffer is full, the end, or an error; what came before it counts.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return (filled, Some(err)),
        }
    }
    (filled, None)
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() && !self.at_end {
            let next = self.chunks.recv();
            // A thread that is gone without a word has panicked: that is no end.
            let next = next.map_err(|_| io::Error::other("the reader of the file broke down"))?;
            let done =
                std::mem::replace(&mut self.chunk, next.inspect_err(|_| self.at_end = true)?);
            let _ = self.spare.send(done);
            (self.at, self.at_end) = (0, self.chunk.is_empty());
        }
        let count = (&self.chunk[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives some bytes at a time, then the error, if any.
    struct Slow(Vec<u8>, Option<io::ErrorKind>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.0.len()).min(70_001);
            if count == 0 {
                return self.1.take().map_or(Ok(0), |kind| Err(kind.into()));
            }
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    #[test]
    fn the_text_comes_whole_and_an_error_comes_behind_it() {
        for size in [0, 1, CHUNK, CHUNK + 1, 5 * CHUNK + 17] {
            let text: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let mut read = Vec::new();
            let mut whole = Ahead::of(Box::new(Slow(text.clone(), None))).unwrap();
            assert_eq!(whole.read_to_end(&mut read).unwrap(), size);
            assert!(read == text && whole.read(&mut [0]).unwrap() == 0);
            let kind = io::ErrorKind::UnexpectedEof;
            let mut cut = Ahead::of(Box::new(Slow(text.clone(), Some(kind)))).unwrap();
            read.clear();
            assert_eq!(cut.read_to_end(&mut read).unwrap_err().kind(), kind);
            assert!(read == text);
        }
    }

    #[test]
    fn a_thread_ends_when_nobody_reads_on() {
        let endless = Ahead::of(Box::new(io::repeat(7))).unwrap();
        let (sender, receiver) = sync_channel::<()>(0);
        let held = Ahead::of(Box::new(Held(io::repeat(7), sender))).unwrap();
        drop((endless, held));
        // The sender goes with its reader, which goes with the thread.
        assert!(receiver.recv().is_err());
    }

    struct Held<R>(R, #[expect(dead_code, reason = "dropped with the reader")] SyncSender<()>);

    impl<R: Read> Read for Held<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
}
