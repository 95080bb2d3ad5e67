//! Messages of a batch file, copied into a new one that leaves the places of their control IDs
//! open; and what the index of the first file knows of them, for the index of the new one.

use std::collections::HashSet;
use std::path::Path;

use super::segments::{Segments, field};
use crate::convert::Output;
use crate::domain::Kind;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::engine::tracking;
use crate::engine::writer::Writer;
use crate::index::{Index, IndexError, KeyOf, KeysOf, MessageEntry, key};
use crate::ledger::{BatchRow, Ledger};

/// Bytes of messages that are put into the file at once.
const BUFFER: usize = 1 << 20;

/// Copies the messages with these control IDs, all if there are none, from the file of `old`;
/// returns how many of them are not in it.
///
/// # Errors
/// What ends a pass.
pub fn copy(
    engine: &Engine,
    ledger: &dyn Ledger,
    old: &BatchRow,
    path: &Path,
    messages: &[String],
    writer: &mut Writer,
) -> Result<usize, EngineError> {
    let first = First::of(engine, ledger, old)?;
    let mut copies = None;
    if let Some(first) = &first {
        writer.index_into(tracking::begin(&engine.spool)?);
        copies = Some(first.copies());
    }
    let mut wanted: HashSet<&[u8]> = messages.iter().map(String::as_bytes).collect();
    let line_ending = engine.agreement.scope.wire.line_ending.bytes();
    let (output, tracks, kind) = (Output::default(), Vec::new(), None);
    let mut copy = Copy { writer, line_ending, output, tracks, kind };
    let (mut segments, mut segment, mut takes) = (Segments::open(path)?, Vec::new(), false);
    let mut nth = 0;
    while segments.next(&mut segment)? {
        match segment.get(..3) {
            Some(b"FHS" | b"BHS" | b"BTS" | b"FTS") => {}
            Some(b"MSH") => {
                takes = messages.is_empty() || wanted.remove(field(&segment, 10));
                if takes {
                    let own = copies.as_mut().map(|copies| copies.take(nth)).transpose()?;
                    copy.begin(&segment, own)?;
                }
                nth += 1;
            }
            _ if takes => copy.add(&segment),
            _ => {}
        }
    }
    copy.flush()?;
    Ok(wanted.len())
}

/// A message as it stands in an index, and the keys it is found by.
type Tracked = (MessageEntry, Vec<u64>);

/// What the index knows of the messages of the batch that is made anew. Where that cannot be
/// read, the next run makes an index of the new file.
struct First {
    index: Index,
    /// The ordinal of its first message there.
    base: u64,
    /// The number of that message.
    control: u64,
}

impl First {
    fn of(
        engine: &Engine,
        ledger: &dyn Ledger,
        batch: &BatchRow,
    ) -> Result<Option<First>, EngineError> {
        let Some(drop) = ledger.drop_of(batch.number)? else { return Ok(None) };
        let Some(row) = ledger.drop_row(drop)? else { return Ok(None) };
        let before = row.batches.first().map_or(0, |first| first.first_control);
        let (base, control) = (batch.first_control - before, batch.first_control);
        let index = Index::open(&engine.spool.index_of(drop)).ok();
        Ok(index.map(|index| First { index, base, control }))
    }

    fn copies(&self) -> Copies<'_> {
        Copies { first: self, keys: self.index.keys() }
    }
}

/// Reads message after message.
struct Copies<'a> {
    first: &'a First,
    keys: KeysOf<'a>,
}

impl Copies<'_> {
    /// Returns what is known of a message of the batch; it is found by the number it had, too.
    fn take(&mut self, nth: u64) -> Result<Tracked, EngineError> {
        let First { index, base, control } = self.first;
        let wrong = |err: IndexError| EngineError::Refused {
            what: format!("its index {err}; remove it, and the next run makes it anew"),
        };
        let entry = index.message(base + nth).map_err(wrong)?;
        let mut keys = self.keys.of(base + nth).map_err(wrong)?;
        keys.push(key(KeyOf::Control, (control + nth).to_string().as_bytes()));
        Ok((entry, keys))
    }
}

/// Copies messages, and leaves the places of their control IDs open.
struct Copy<'a> {
    writer: &'a mut Writer,
    line_ending: &'static [u8],
    output: Output,
    /// What the messages in it were, and the keys they are found by.
    tracks: Vec<Tracked>,
    kind: Option<Kind>,
}

impl Copy<'_> {
    fn begin(&mut self, msh: &[u8], own: Option<Tracked>) -> Result<(), EngineError> {
        let siu = field(msh, 9).starts_with(b"SIU");
        let kind = Some(if siu { Kind::Appointment } else { Kind::Patient });
        if kind != self.kind || self.output.bytes.len() >= BUFFER {
            self.flush()?;
            self.kind = kind;
        }
        let out = &mut self.output;
        if let Some(own) = own {
            out.head(own.0.event);
            self.tracks.push(own);
        }
        for (at, part) in msh.split(|&byte| byte == b'|').enumerate() {
            if at > 0 {
                out.bytes.push(b'|');
            }
            // MSH-10: the separator itself is MSH-1.
            match at {
                9 => out.slots.push(out.bytes.len()),
                _ => out.bytes.extend_from_slice(part),
            }
        }
        out.bytes.extend_from_slice(self.line_ending);
        Ok(())
    }

    fn add(&mut self, segment: &[u8]) {
        self.output.bytes.extend_from_slice(segment);
        self.output.bytes.extend_from_slice(self.line_ending);
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        if let Some(kind) = self.kind {
            self.writer.append(kind, &self.output)?;
            self.writer.track_copies(&self.tracks)?;
        }
        self.tracks.clear();
        self.output.clear();
        Ok(())
    }
}
