//! A column of a header: its cells, and the words that mean it has no value.

use std::borrow::Cow;
use std::sync::Arc;

use super::program::Input;
use crate::domain::{Filled, Translation};

/// The cells that stand for a column, and the words that mean it has no value.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    pub row: usize,
    pub cells: Vec<usize>,
    pub blank: Blank,
    pub name: Cow<'static, str>,
    /// What stands for some of its values, where people mapped any.
    pub translating: Option<Box<Translating>>,
}

/// What stands for values of a column.
#[derive(Clone, Debug)]
pub(super) struct Translating {
    /// Values in, values out.
    pub table: Arc<Translation>,
    /// Cells whose value counts, if it is mapped, where the column's own have none.
    pub instead: Vec<usize>,
}

/// Words that mean "no value", in any case.
#[derive(Clone, Debug, Default)]
pub(super) struct Blank {
    words: Vec<String>,
    /// Bit n is set if a word has n bytes; most values are of another length, and
    /// then no word need be looked at.
    lengths: u64,
}

impl Column {
    /// True if the header has it.
    pub fn is_there(&self) -> bool {
        !(self.cells.is_empty() && self.instead().is_empty())
    }

    /// Returns it without what people mapped: that is asked when it is told.
    pub fn as_dropped(&self) -> Column {
        Column { translating: None, ..self.clone() }
    }

    fn instead(&self) -> &[usize] {
        self.translating.as_ref().map_or(&[], |translating| &translating.instead)
    }

    /// Returns the value, or the one that people mapped it to; empty if there is none.
    #[inline(always)]
    pub fn value<'a>(&'a self, input: &Input<'a>) -> &'a [u8] {
        let value = self.dropped(input, &self.cells);
        match &self.translating {
            None => value,
            Some(translating) => self.translated(translating, value, input),
        }
    }

    /// Returns what stands for a value.
    #[cold]
    fn translated<'a>(
        &'a self,
        translating: &'a Translating,
        value: &'a [u8],
        input: &Input<'a>,
    ) -> &'a [u8] {
        let found =
            if value.is_empty() { self.dropped(input, &translating.instead) } else { value };
        match translating.table.get(found) {
            // A package that is none, such as that of a patient who pays.
            Some(becomes) if self.blank.has(becomes) => &[],
            Some(becomes) => becomes,
            None => value,
        }
    }

    /// True if something else stands for the value of a record.
    pub fn is_translated(&self, input: &Input<'_>) -> bool {
        self.translating.is_some() && self.value(input) != self.dropped(input, &self.cells)
    }

    /// Returns the value as it was dropped, trimmed; empty if there is none. `""` is none:
    /// on the wire it would mean "delete what you have" (`interface.md` 3.4).
    #[inline(always)]
    fn dropped<'a>(&self, input: &Input<'a>, cells: &[usize]) -> &'a [u8] {
        let record = if self.row == 0 { Some(&input.own) } else { input.patient.as_ref() };
        let Some(record) = record else { return &[] };
        for &cell in cells {
            let value = record.get(cell);
            // Most cells are empty, and most others need no second look.
            let value = match value {
                [] => continue,
                [b'#'..=b'~'] | [b'#'..=b'~', .., b'!'..=b'~'] => value,
                _ => tidied(value),
            };
            if !value.is_empty() && !self.blank.has(value) {
                return value;
            }
        }
        &[]
    }
}

impl Blank {
    pub fn of(words: Vec<String>) -> Blank {
        let lengths = words.iter().fold(0, |lengths, word| lengths | length_bit(word.len()));
        Blank { words, lengths }
    }

    #[inline]
    pub fn has(&self, value: &[u8]) -> bool {
        self.lengths & length_bit(value.len()) != 0 && self.has_word(value)
    }

    #[cold]
    fn has_word(&self, value: &[u8]) -> bool {
        self.words.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(value))
    }
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

/// Returns a value without blanks and control characters at its ends: the wire has
/// neither, so a value of nothing else is an empty one. So is `""`.
fn tidied(mut value: &[u8]) -> &[u8] {
    while let [0..=b' ' | 0x7f, rest @ ..] | [rest @ .., 0..=b' ' | 0x7f] = value {
        value = rest;
    }
    if is_delete(value) { &[] } else { value }
}

/// True of what would stand as `""` on the wire, where control characters are left out.
fn is_delete(value: &[u8]) -> bool {
    let dropped = |byte: &u8| byte.is_ascii_control() && !b"\t\r\n".contains(byte);
    matches!(value, [b'"', between @ .., b'"'] if between.iter().all(dropped))
}

/// The cells of which one must have a value, or there is nothing to say: most fields of
/// most records, and one look at some bits spares a look at each of their columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    row: usize,
    /// Which word of [`Filled`], and which bits of it.
    word: usize,
    bits: u64,
}

impl Needs {
    /// Returns the cells of all these columns; `None` if they are too far apart to be
    /// looked at in one word.
    pub fn of<'a>(columns: impl Iterator<Item = &'a Column>) -> Option<Needs> {
        let mut needs: Option<Needs> = None;
        for column in columns {
            for cell in column.cells.iter().chain(column.instead()) {
                let (word, bits) = Filled::place(*cell)?;
                let here = Needs { row: column.row, word, bits };
                match &mut needs {
                    None => needs = Some(here),
                    Some(all) if (all.row, all.word) == (here.row, here.word) => all.bits |= bits,
                    Some(_) => return None,
                }
            }
        }
        needs
    }

    /// True if one of the cells is not empty.
    #[inline]
    pub fn are_met(&self, input: &Input<'_>) -> bool {
        let record = if self.row == 0 { Some(&input.own) } else { input.patient.as_ref() };
        record.is_some_and(|record| record.filled().word(self.word) & self.bits != 0)
    }
}
