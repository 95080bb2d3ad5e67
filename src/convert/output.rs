//! Where messages are written: one growing buffer for all those of a block.
//!
//! Of a patient's message most pieces are shorter than sixteen bytes. A copy whose length
//! is known only at run time is a call of forty instructions; one of sixteen bytes is two,
//! so that many are copied and what was too much is taken back.

use crate::domain::{Event, Note, Notes, Spans};

/// Messages as they are made, without their control numbers.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The messages' bytes.
    pub bytes: Vec<u8>,
    /// Where the control number of each message goes, ascending.
    pub slots: Vec<usize>,
    /// Where each message begins and what it tells, for whoever calls
    /// [`Output::head`]; as long as `slots` then.
    pub heads: Vec<(usize, Event)>,
    /// What was noticed.
    pub notes: Notes,
    /// Where the tidied values of the record at hand stand, and its patient's.
    pub(super) scratch: [Spans; 2],
}

/// A place in an [`Output`] to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    bytes: usize,
    slots: usize,
}

impl Output {
    /// Returns the place reached.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), slots: self.slots.len() }
    }

    /// Goes back to a place: what was written since is forgotten.
    pub fn reset(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.slots.truncate(mark.slots);
        self.heads.truncate(mark.slots);
    }

    /// Says that a message of this event begins here.
    pub fn head(&mut self, event: Event) {
        self.heads.push((self.bytes.len(), event));
    }

    /// Makes it empty and keeps its buffers.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
        self.heads.clear();
        self.notes = Notes::default();
    }

    /// Counts a note.
    pub fn note(&mut self, note: Note) {
        self.notes.note(note);
    }
}

/// What is written often: with enough behind it for [`put`].
#[derive(Clone, Debug, Default)]
pub(super) struct Constant {
    bytes: Vec<u8>,
    length: usize,
}

impl Constant {
    /// Takes the bytes.
    pub fn of(mut bytes: Vec<u8>) -> Constant {
        let length = bytes.len();
        bytes.resize(length + SIZES[1], 0);
        Constant { bytes, length }
    }

    /// Writes it.
    #[inline(always)]
    pub fn put(&self, out: &mut Vec<u8>) {
        put((&self.bytes, self.length), out);
    }
}

/// How many bytes are copied at once.
const SIZES: [usize; 2] = [16, 64];

/// Writes the value that a text begins with: a few sizes at once and the rest taken back.
#[inline(always)]
pub(super) fn put((text, length): (&[u8], usize), out: &mut Vec<u8>) {
    if length <= SIZES[0]
        && let Some(bytes) = text.first_chunk::<{ SIZES[0] }>()
    {
        put_first(bytes, length, out);
    } else if length <= SIZES[1]
        && let Some(bytes) = text.first_chunk::<{ SIZES[1] }>()
    {
        put_first(bytes, length, out);
    } else {
        out.extend_from_slice(&text[..length]);
    }
}

/// Writes so many separators, as above.
#[inline(always)]
pub(super) fn separators(byte: u8, count: usize, out: &mut Vec<u8>) {
    if count <= 16 {
        put_first(&[byte; 16], count, out);
    } else {
        out.resize(out.len() + count, byte);
    }
}

#[inline(always)]
fn put_first<const N: usize>(bytes: &[u8; N], count: usize, out: &mut Vec<u8>) {
    let end = out.len() + count;
    out.extend_from_slice(bytes);
    out.truncate(end);
}
