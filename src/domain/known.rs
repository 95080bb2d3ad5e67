//! What is known of a record from earlier drops (`interface.md` section 7).

use std::fmt;

use super::ExtractKind;
use crate::digest::Digest;

/// The fields of a record that feed HL7, as one number of 16 bytes: two records that
/// would be told alike have the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// Of a record that is kept, though nothing is told of it: a patient whom the vendor
    /// is not to know, an appointment that left the filter. Whatever comes next is news.
    pub const NONE: Fingerprint = Fingerprint([0; 16]);
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// Where an appointment stands in the practice: athenaNet's `appointmentstatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// `o`: nobody has it.
    Open,
    /// `f`: booked.
    Booked,
    /// `2`: the patient is there.
    CheckedIn,
    /// `3`, and `4` once its charge is entered: the visit is over.
    CheckedOut,
    /// `x`.
    Cancelled,
}

impl Status {
    /// Returns the status of athenaNet's code.
    pub const fn of_code(code: u8) -> Option<Status> {
        Some(match code {
            b'o' => Status::Open,
            b'f' => Status::Booked,
            b'2' => Status::CheckedIn,
            b'3' | b'4' => Status::CheckedOut,
            b'x' => Status::Cancelled,
            _ => return None,
        })
    }

    /// Returns athenaNet's code, the first where there are two.
    pub const fn code(self) -> u8 {
        match self {
            Status::Open => b'o',
            Status::Booked => b'f',
            Status::CheckedIn => b'2',
            Status::CheckedOut => b'3',
            Status::Cancelled => b'x',
        }
    }
}

/// One external ID of one record, as the register compares it (`interface.md` 8.6): two
/// that are equal belong to one category and have one value. Nobody can read the value
/// from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// Stands for the record number category.
    pub category: [u8; 8],
    /// Stands for the category and the value as it is sent.
    pub value: [u8; 16],
}

/// Stands for one record: a patient, an appointment, a provider. Nobody can read the ID
/// from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(pub [u8; 16]);

impl RecordKey {
    /// Returns the key of the record with this ID.
    pub fn of_id(kind: ExtractKind, id: &[u8]) -> RecordKey {
        RecordKey::of(kind, b"id", id)
    }

    /// Returns the key of a record that is known by nothing but its text.
    pub fn of_text(kind: ExtractKind, text: &[u8]) -> RecordKey {
        RecordKey::of(kind, b"text", text)
    }

    fn of(kind: ExtractKind, what: &[u8], bytes: &[u8]) -> RecordKey {
        let digest = Digest::of(&[kind.word().as_bytes(), what, bytes].join(&0)).bytes();
        RecordKey(std::array::from_fn(|at| digest[at]))
    }
}

/// Which record a fault is of, so that a newer row of it can take its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The record.
    pub key: RecordKey,
    /// Its `lastmodified` as `YYYYMMDDHHMMSS`; 0 if it does not say.
    pub modified: u64,
}

impl Whose {
    /// True of a row that may stand in the place of an `earlier` one of the same record.
    pub fn replaces(&self, earlier: &Whose) -> bool {
        self.modified == 0 || self.modified >= earlier.modified
    }
}

/// What the register holds of one patient or appointment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Of the record that was told last.
    pub fingerprint: Fingerprint,
    /// Where the appointment stood then; none of a patient.
    pub status: Option<Status>,
    /// True if the vendor was told anything of it: a switched-off event tells nothing.
    pub announced: bool,
    /// The list of columns that its values are kept under; 0 if none are.
    pub columns: u32,
    /// `lastmodified` of the newest record that was told, as `YYYYMMDDHHMMSS`; 0 if it
    /// did not say.
    pub modified: u64,
}

impl Known {
    /// True if it says the same, whenever that was written.
    pub fn says(&self, other: &Known) -> bool {
        Known { modified: other.modified, ..*self } == *other
    }
}
