//! One index file for each drop: where every message stands in the batch file, from
//! which row it came, and what became of the rows that made none.
//!
//! A message has no row in the ledger; without this file it would have to be looked for
//! in gigabytes. The file belongs to a drop, not to a batch, since a drop may consist of
//! filtered rows alone. It is written as the batch is, in one stream and in bounded
//! memory, and is whole or absent: renamed and synced before the commit.
//!
//! ```text
//! file      = block*, directory, tail
//! block     = messages, 24 bytes each | rows, 16 each | keys, 12 each, sorted by hash
//! directory = 28 bytes a block: kind, count, first ordinal, place, CRC-32
//! tail      = 64 bytes: magic, how hashes are made, drop, batch, counts, CRC-32
//! ```
//!
//! Numbers are little-endian. Hashes can meet: who finds one reads the bytes before
//! believing it. Nothing here knows what a patient is called: a key is a number.

mod read;
mod write;

pub use read::{Index, IndexError, KeysOf, Target};
pub use write::{IndexMark, IndexWriter};

use std::hash::{DefaultHasher, Hasher};

use crate::domain::{Event, Note};

/// Bytes of a message, of a row, of a key, of a block in the directory, of the tail.
const MESSAGE: usize = 24;
const ROW: usize = 16;
const KEY: usize = 12;
const BLOCK: usize = 28;
const TAIL: usize = 64;

const MAGIC: [u8; 8] = *b"HL7DIDX1";

/// A key's target is a row; else a message.
const IS_ROW: u32 = 1 << 31;

/// Where a record stands in its extract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The extract, counted from the first of the drop.
    pub extract: u16,
    /// The record, counted from 1.
    pub record: u32,
    /// The line it begins on, counted from 1.
    pub line: u32,
    /// Where it begins in the extract's text, decompressed and decoded.
    pub offset: u64,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageEntry {
    /// Where its MSH begins in the batch file.
    pub offset: u64,
    /// What it tells.
    pub event: Event,
    /// The record it was made from.
    pub place: Place,
}

/// A row that made no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowEntry {
    /// Why.
    pub reason: Reason,
    /// Where it stands.
    pub place: Place,
}

/// Why a row made no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There was nothing to tell.
    Filtered(Note),
    /// A newer row of the same ID stands for it.
    Older,
    /// It is at fault; the ledger has its fault.
    Fault,
    /// The index was made anew, and nobody knows any more.
    Unknown,
}

/// The notes that are reasons, by their number in a file; it only grows at its end.
const NOTES: [Note; 10] = [
    Note::Unchanged,
    Note::OpenSlot,
    Note::NeverAnnounced,
    Note::SwitchedOff,
    Note::TestPatient,
    Note::OtherProvider,
    Note::OtherDepartment,
    Note::ToldSince,
    Note::NotToCome,
    Note::Gone,
];

impl Reason {
    /// Every reason that is no fault.
    pub const ALL: [Reason; 12] = [
        Reason::Filtered(NOTES[0]),
        Reason::Filtered(NOTES[1]),
        Reason::Filtered(NOTES[2]),
        Reason::Filtered(NOTES[3]),
        Reason::Filtered(NOTES[4]),
        Reason::Filtered(NOTES[5]),
        Reason::Filtered(NOTES[6]),
        Reason::Filtered(NOTES[7]),
        Reason::Filtered(NOTES[8]),
        Reason::Filtered(NOTES[9]),
        Reason::Older,
        Reason::Unknown,
    ];

    /// Returns the word for machines.
    pub const fn word(self) -> &'static str {
        match self {
            Reason::Filtered(Note::Unchanged) => "unchanged",
            Reason::Filtered(Note::OpenSlot) => "open_slot",
            Reason::Filtered(Note::NeverAnnounced) => "never_announced",
            Reason::Filtered(Note::SwitchedOff) => "switched_off",
            Reason::Filtered(Note::TestPatient) => "test_patient",
            Reason::Filtered(Note::OtherProvider) => "other_provider",
            Reason::Filtered(Note::OtherDepartment) => "other_department",
            Reason::Filtered(Note::ToldSince) => "told_since",
            Reason::Filtered(Note::NotToCome) => "not_to_come",
            Reason::Filtered(Note::Gone) => "gone",
            Reason::Filtered(_) | Reason::Unknown => "unknown",
            Reason::Older => "older_row",
            Reason::Fault => "fault",
        }
    }

    /// Returns the reason as a sentence fragment about one row.
    pub const fn text(self) -> &'static str {
        match self {
            Reason::Filtered(Note::Unchanged) => "unchanged since it was told last",
            Reason::Filtered(Note::OpenSlot) => "an open slot, told to nobody",
            Reason::Filtered(Note::NeverAnnounced) => "cancelled before it was announced",
            Reason::Filtered(Note::SwitchedOff) => "its event is switched off",
            Reason::Filtered(Note::TestPatient) => "a test patient's, which stays here",
            Reason::Filtered(Note::OtherProvider) => "its provider is outside [[filter.*]]",
            Reason::Filtered(Note::OtherDepartment) => "its department is outside [[filter.*]]",
            Reason::Filtered(Note::ToldSince) => "told of since the full extract was read",
            Reason::Filtered(Note::NotToCome) => "not booked, or not to come any more",
            Reason::Filtered(Note::Gone) => "a deleted or merged patient's, in a backfill",
            Reason::Filtered(_) | Reason::Unknown => {
                "nothing was told of it; the index was made anew and does not know why"
            }
            Reason::Older => "a newer row of the same ID in the same file stands for it",
            Reason::Fault => "it is at fault",
        }
    }

    fn code(self) -> u8 {
        match self {
            Reason::Filtered(note) => NOTES
                .iter()
                .position(|one| *one == note)
                .and_then(|at| u8::try_from(at).ok())
                .unwrap_or(253),
            Reason::Unknown => 253,
            Reason::Older => 254,
            Reason::Fault => 255,
        }
    }

    fn of_code(code: u8) -> Reason {
        match code {
            254 => Reason::Older,
            255 => Reason::Fault,
            _ => NOTES.get(usize::from(code)).map_or(Reason::Unknown, |n| Reason::Filtered(*n)),
        }
    }
}

/// What a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOf {
    /// A patient ID.
    Patient,
    /// An appointment ID.
    Appointment,
    /// The number of MSH-10 under which it was sent before.
    Control,
}

/// Returns the key of an ID.
pub fn key(of: KeyOf, id: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u8(match of {
        KeyOf::Patient => 1,
        KeyOf::Appointment => 2,
        KeyOf::Control => 3,
    });
    hasher.write(id);
    hasher.finish()
}

/// Returns the key of an external ID: the beginning of its digest
/// ([`Claim`](crate::domain::Claim)).
pub fn external_key(value: &[u8; 16]) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|at| value[at]))
}

/// Says how hashes are made: the standard library may change its way, and an index with
/// other hashes would find nothing and not know it.
fn canary() -> u64 {
    key(KeyOf::Patient, b"hl7drop")
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// What the blocks hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Messages,
    Rows,
    Keys,
}

impl Holds {
    const fn code(self) -> u32 {
        match self {
            Holds::Messages => 1,
            Holds::Rows => 2,
            Holds::Keys => 3,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Holds::Messages => MESSAGE,
            Holds::Rows => ROW,
            Holds::Keys => KEY,
        }
    }
}

/// A block, as the directory has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    holds: Holds,
    count: u32,
    /// The ordinal of its first entry among those of its kind.
    first: u64,
    /// Where it begins in the file.
    place: u64,
    crc: u32,
}

impl Block {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.holds.code().to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.place.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
    }

    fn read(bytes: &[u8; BLOCK]) -> Option<Block> {
        let holds = u32_at(bytes, 0)?;
        let kinds = [Holds::Messages, Holds::Rows, Holds::Keys];
        Some(Block {
            holds: kinds.into_iter().find(|kind| kind.code() == holds)?,
            count: u32_at(bytes, 4)?,
            first: u64_at(bytes, 8)?,
            place: u64_at(bytes, 16)?,
            crc: u32_at(bytes, 24)?,
        })
    }

    fn bytes(&self) -> usize {
        self.count as usize * self.holds.bytes()
    }
}

/// Bits of an offset in an extract; a terabyte.
const OFFSET_BITS: u32 = 40;

impl Place {
    fn pack(&self, high: u8) -> u64 {
        let offset = self.offset & ((1 << OFFSET_BITS) - 1);
        offset | u64::from(self.extract) << OFFSET_BITS | u64::from(high) << 56
    }

    fn unpack(word: u64, record: u32, line: u32) -> (Place, u8) {
        let extract = (word >> OFFSET_BITS) as u16;
        let offset = word & ((1 << OFFSET_BITS) - 1);
        (Place { extract, record, line, offset }, (word >> 56) as u8)
    }
}

impl MessageEntry {
    fn write(&self, out: &mut Vec<u8>) {
        let event = Event::ALL.iter().position(|one| *one == self.event).unwrap_or(0) as u64;
        out.extend_from_slice(&(self.offset | event << 56).to_le_bytes());
        out.extend_from_slice(&self.place.pack(0).to_le_bytes());
        out.extend_from_slice(&self.place.record.to_le_bytes());
        out.extend_from_slice(&self.place.line.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<MessageEntry> {
        let first = u64_at(bytes, 0)?;
        let event = *Event::ALL.get((first >> 56) as usize)?;
        let (record, line) = (u32_at(bytes, 16)?, u32_at(bytes, 20)?);
        let (place, _) = Place::unpack(u64_at(bytes, 8)?, record, line);
        Some(MessageEntry { offset: first & ((1 << 56) - 1), event, place })
    }
}

impl RowEntry {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.place.pack(self.reason.code()).to_le_bytes());
        out.extend_from_slice(&self.place.record.to_le_bytes());
        out.extend_from_slice(&self.place.line.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<RowEntry> {
        let (record, line) = (u32_at(bytes, 8)?, u32_at(bytes, 12)?);
        let (place, reason) = Place::unpack(u64_at(bytes, 0)?, record, line);
        Some(RowEntry { reason: Reason::of_code(reason), place })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
