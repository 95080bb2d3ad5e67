//! What a record's values are written with.

use jiff::civil::DateTime;

use super::program::Input;
use super::references::References;
use crate::domain::{Controls, ProviderIds, Values};
use crate::hl7::{is_plain, is_plain_between, needs_escape};

/// A record, and all that is said about it besides its own values.
pub(super) struct Scene<'a> {
    /// As they were dropped.
    pub raw: Input<'a>,
    /// The record and its patient's: trimmed, and without what means "no value".
    pub tidy: [Values<'a>; 2],
    pub references: &'a References,
    pub ids: ProviderIds,
    pub start: Option<DateTime>,
    pub end: Option<DateTime>,
    pub set: u32,
    /// No byte of the record needs an escape: one look at the whole of it saves one
    /// at each value.
    pub plain: bool,
    /// Of each row, where such bytes are.
    pub odd: [Odd; 2],
    pub controls: Controls,
}

/// Where in the text of a record the first and the last byte stand that need an escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Odd {
    pub first: u32,
    pub last: u32,
}

impl Odd {
    /// In no record.
    pub const NONE: Odd = Odd { first: u32::MAX, last: 0 };
}

/// A cell of the record, or of its patient's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub row: u32,
    pub cell: u32,
}

impl<'a> Scene<'a> {
    /// Returns the record for row 0, and else its patient's.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &Values<'a> {
        &self.tidy[row & 1]
    }

    /// True if the value of a cell needs no escape, though others of its record do: one
    /// record of eight has an `&` somewhere.
    #[inline(never)]
    pub fn is_plain(&self, place: Place) -> bool {
        let (start, end) = self.row(place.row as usize).span(place.cell as usize);
        let Odd { first, last } = self.odd[place.row as usize & 1];
        end <= first || start > last
    }

    /// Returns the text from the value of a cell on, and how long the value is.
    #[inline(always)]
    pub fn reach(&self, place: Place) -> (&'a [u8], usize) {
        self.row(place.row as usize).reach(place.cell as usize)
    }
}

/// Returns where a record has bytes that need an escape; one look at all of it says that
/// most have none.
pub(super) fn odd_bytes(record: Values<'_>) -> Odd {
    let (text, between) = record.stretch();
    let is_plain_text = match between {
        Some(between) => is_plain_between(text, between),
        None => is_plain(text),
    };
    if is_plain_text { Odd::NONE } else { find_odd(record, text, between) }
}

#[cold]
fn find_odd(record: Values<'_>, text: &[u8], between: Option<u8>) -> Odd {
    let begin = record.span(0).0;
    let is_odd = |byte: &u8| needs_escape(*byte) && Some(*byte) != between;
    let (first, last) = (text.iter().position(is_odd), text.iter().rposition(is_odd));
    let at = |place: usize| begin + place as u32;
    Odd { first: first.map_or(0, at), last: last.map_or(u32::MAX, at) }
}
