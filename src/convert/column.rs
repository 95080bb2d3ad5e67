//! A column of a header: its cells, and the words that mean it has no value.

use std::borrow::Cow;

use super::program::Input;
use crate::domain::Filled;

/// The cells that stand for a column, and the words that mean it has no value.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    pub row: usize,
    pub cells: Vec<usize>,
    pub blank: Blank,
    pub name: Cow<'static, str>,
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
        !self.cells.is_empty()
    }

    /// Returns the value, trimmed; empty if there is none. `""` is none: on the wire it
    /// would mean "delete what you have" (`interface.md` 3.4).
    #[inline(always)]
    pub fn value<'a>(&self, input: &Input<'a>) -> &'a [u8] {
        let record = if self.row == 0 { Some(&input.own) } else { input.patient.as_ref() };
        let Some(record) = record else { return &[] };
        for &cell in &self.cells {
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
            for cell in &column.cells {
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
