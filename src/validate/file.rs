//! A whole file as it streams by: FHS, batches, messages, FTS, and what stands between.

use std::sync::Arc;

use super::agreed::Agreed;
use super::finding::{Findings, Place};
use super::ids::Ids;
use super::message::{MessageCheck, name_of};
use super::rule::Rule;

/// The longest segment that is read whole. FT fields hold 64 KiB; the rest is slack.
const SEGMENT_BYTES_MAX: usize = 1 << 20;

/// Checks a file; it is fed in pieces of any size, and keeps the last segment only.
#[derive(Clone, Debug)]
pub struct FileCheck {
    check: MessageCheck,
    frame: Frame,
    /// The beginning of a segment whose end is still to come.
    begun: Vec<u8>,
    /// The rest of the segment at hand is too long and not looked at.
    skips: bool,
    after_cr: bool,
    told_ending: bool,
    /// Only the segments around messages, and MSH-10, are looked at.
    frame_only: bool,
    /// What the last MSH began with, up to MSH-10: nearly always the next one does, too.
    msh: Vec<u8>,
    any: bool,
}

/// What stands around the messages.
#[derive(Clone, Debug, Default)]
struct Frame {
    file: Option<u64>,
    batch: Option<u64>,
    ended: bool,
    control_ids: Ids,
    batch_ids: Ids,
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Messages.
    pub messages: u64,
    /// Segments.
    pub segments: u64,
}

impl FileCheck {
    /// For a file of anybody's; with an agreement it is held to that too.
    pub fn new(agreed: Option<Arc<Agreed>>) -> FileCheck {
        FileCheck {
            check: MessageCheck::new(agreed),
            frame: Frame::default(),
            begun: Vec::new(),
            skips: false,
            after_cr: false,
            told_ending: false,
            frame_only: false,
            msh: Vec::new(),
            any: false,
        }
    }

    /// For a file whose messages were checked before they got their control IDs.
    pub fn around_messages(agreed: Arc<Agreed>) -> FileCheck {
        FileCheck { frame_only: true, ..FileCheck::new(Some(agreed)) }
    }

    /// Returns what was found since the last call, and all counts.
    pub fn findings(&mut self) -> &mut Findings {
        &mut self.check.findings
    }

    /// Returns how much was read so far.
    pub fn read(&self) -> Read {
        self.check.read()
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        if !self.any && !bytes.is_empty() {
            self.any = true;
            // A mark that came in two pieces is a first segment that is none.
            if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
                self.check.tell(Rule::H002, Place::default());
                bytes = rest;
            }
        }
        while let Some(end) = memchr::memchr2(b'\r', b'\n', bytes) {
            let (piece, terminator) = (&bytes[..end], bytes[end]);
            bytes = &bytes[end + 1..];
            // Where only the frame counts, most segments are passed over.
            if self.frame_only
                && terminator == b'\r'
                && self.begun.is_empty()
                && piece.first().is_some_and(|first| !b"MBF\x0b".contains(first))
                && self.check.read().segments > 0
            {
                self.check.skip();
                self.after_cr = true;
                continue;
            }
            let empty = piece.is_empty() && self.begun.is_empty();
            if terminator == b'\n' && !self.told_ending && !self.check.ends_otherwise() {
                self.told_ending = true;
                self.check.tell(Rule::H004, Place::default());
            }
            if !(terminator == b'\n' && empty && self.after_cr) {
                self.terminated(piece);
            }
            self.after_cr = terminator == b'\r';
        }
        self.keep(bytes);
        self.after_cr &= bytes.is_empty();
    }

    /// Ends the file.
    pub fn finish(&mut self) {
        if !self.begun.is_empty() {
            self.terminated(b"");
            self.check.tell(Rule::H005, Place::default());
        }
        self.check.end();
        if !self.any {
            self.check.tell(Rule::H001, Place::default());
        }
        let missing = [(self.frame.batch.is_some(), *b"BTS"), (self.frame.file.is_some(), *b"FTS")];
        for (_, name) in missing.into_iter().filter(|(is_missing, _)| *is_missing) {
            self.check.tell(Rule::H007, Place::of_segment(name, 1));
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = SEGMENT_BYTES_MAX - self.begun.len();
        if piece.len() > room && !self.skips {
            self.check.tell(Rule::H015, Place::default());
            self.skips = true;
        }
        self.begun.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn terminated(&mut self, piece: &[u8]) {
        if self.begun.is_empty() && piece.len() <= SEGMENT_BYTES_MAX {
            return self.segment(piece);
        }
        self.keep(piece);
        let segment = std::mem::take(&mut self.begun);
        self.skips = false;
        self.segment(&segment);
        self.begun = segment;
        self.begun.clear();
    }

    fn segment(&mut self, segment: &[u8]) {
        let inner = without_frame(segment);
        if inner.len() < segment.len() {
            self.check.tell(Rule::H003, Place::default());
            if inner.is_empty() {
                return;
            }
        }
        let segment = inner;
        if segment.is_empty() {
            self.check.skip();
            return self.check.tell(Rule::H006, Place::default());
        }
        let name = name_of(segment, self.check.separators().field());
        let first = self.check.read().segments == 0;
        if first && !matches!(name.as_ref(), Some(b"FHS" | b"BHS" | b"MSH")) {
            self.check.tell(Rule::H001, Place::default());
        }
        match name.as_ref() {
            Some(b"FHS" | b"BHS" | b"BTS" | b"FTS") => {
                let name = name.unwrap_or_default();
                self.check.end();
                self.check.envelope(segment, name);
                self.envelope(segment, name);
            }
            Some(b"MSH") => self.message(segment),
            _ if self.frame_only => self.check.skip(),
            _ => {
                if !self.check.is_open() && !first && name.is_some() {
                    self.misplaced(name.unwrap_or_default());
                }
                self.check.segment(segment);
            }
        }
    }

    fn message(&mut self, segment: &[u8]) {
        if !self.frame_only {
            self.check.segment(segment);
        }
        let control_id = self.control_id_of(segment);
        if self.frame_only {
            self.check.number(control_id);
        }
        if self.frame.ended {
            self.misplaced(*b"MSH");
        }
        self.frame.batch = self.frame.batch.map(|messages| messages + 1);
        if !control_id.is_empty() && !self.frame.control_ids.add(control_id) {
            self.check.tell(Rule::H012, Place::of_field(*b"MSH", 1, 10));
        }
    }

    /// Returns MSH-10.
    fn control_id_of<'s>(&mut self, msh: &'s [u8]) -> &'s [u8] {
        let separators = self.check.separators();
        if self.msh.is_empty() || !msh.starts_with(&self.msh) {
            let at = separators.begin_of(msh, 10);
            self.msh.clear();
            // Only what ends with a separator says that the next field begins.
            if at < msh.len() {
                self.msh.extend_from_slice(&msh[..at]);
            }
        }
        let rest = &msh[self.msh.len()..];
        match self.msh.is_empty() {
            true => b"",
            false => &rest[..memchr::memchr(separators.field(), rest).unwrap_or(rest.len())],
        }
    }

    fn misplaced(&mut self, name: [u8; 3]) {
        self.check.tell(Rule::H008, Place::of_segment(name, 1));
    }

    fn envelope(&mut self, segment: &[u8], name: [u8; 3]) {
        match &name {
            b"FHS" => {
                if self.check.read().segments > 1 {
                    self.misplaced(name);
                }
                self.frame.file = Some(0);
                self.control_id(segment, name);
            }
            b"BHS" => {
                if self.frame.batch.take().is_some() {
                    self.check.tell(Rule::H007, Place::of_segment(*b"BTS", 1));
                }
                if self.frame.ended {
                    self.misplaced(name);
                }
                self.frame.file = self.frame.file.map(|batches| batches + 1);
                self.frame.batch = Some(0);
                self.control_id(segment, name);
            }
            b"BTS" => match self.frame.batch.take() {
                Some(messages) => self.count(segment, name, messages),
                None => self.misplaced(name),
            },
            _ => {
                if self.frame.batch.take().is_some() {
                    self.check.tell(Rule::H007, Place::of_segment(*b"BTS", 1));
                }
                match self.frame.file.take() {
                    Some(batches) => self.count(segment, name, batches),
                    None => self.misplaced(name),
                }
                self.frame.ended = true;
            }
        }
    }

    fn control_id(&mut self, segment: &[u8], name: [u8; 3]) {
        let id = self.check.separators().nth(segment, 11);
        // FHS-11 and BHS-11 are two series.
        let id = if id.is_empty() { return } else { [&name, id].concat() };
        if !self.frame.batch_ids.add(&id) {
            self.check.tell(Rule::H013, Place::of_field(name, 1, 11));
        }
    }

    fn count(&mut self, segment: &[u8], name: [u8; 3], found: u64) {
        let said = self.check.separators().nth(segment, 1);
        let number = std::str::from_utf8(said).ok().and_then(|text| text.parse::<u64>().ok());
        let rule = match (said.is_empty(), &name) {
            (true, _) => Rule::H011,
            (false, _) if number == Some(found) => return,
            (false, b"BTS") => Rule::H009,
            (false, _) => Rule::H010,
        };
        self.check.tell(rule, Place::of_field(name, 1, 1));
    }
}

/// Takes the bytes that begin and end an MLLP frame off a segment.
fn without_frame(segment: &[u8]) -> &[u8] {
    let segment = segment.strip_prefix(b"\x0b").unwrap_or(segment);
    segment.strip_suffix(b"\x1c").unwrap_or(segment)
}
