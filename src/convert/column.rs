//! A column of a header: its cells, and the words that mean it has no value.

use std::borrow::Cow;
use std::sync::Arc;

use super::program::Input;
use super::scene::{Place, Scene};
use crate::domain::{Filled, Spans, Translation, Values};

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

    /// Returns the same of a record whose values were tidied: nothing need be looked at but
    /// whether there is one.
    #[inline(always)]
    pub fn tidy<'a>(&'a self, scene: &Scene<'a>) -> &'a [u8] {
        if self.translating.is_some() {
            return self.value(&scene.raw);
        }
        let record = scene.row(self.row);
        match self.cells.as_slice() {
            [cell] => record.get(*cell),
            cells => {
                let mut values = cells.iter().map(|cell| record.get(*cell));
                values.find(|value| !value.is_empty()).unwrap_or_default()
            }
        }
    }

    /// Returns the cell of a column that is but one, and whose values stand for themselves.
    pub fn lone_cell(&self) -> Option<Place> {
        match (self.cells.as_slice(), &self.translating) {
            ([cell], None) => Some(Place { row: self.row as u32, cell: *cell as u32 }),
            _ => None,
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
        let Some(record) = input.of_row(self.row) else { return &[] };
        for &cell in cells {
            let value = record.get(cell);
            // Most cells are empty.
            if value.is_empty() {
                continue;
            }
            let (from, to) = self.blank.tidied(value);
            if from < to {
                return &value[from..to];
            }
        }
        &[]
    }
}

/// What is done to the values of a record before they count, cell by cell: once for all
/// the fields that they feed. Of each cell up to the last that feeds any.
#[derive(Clone, Debug, Default)]
pub(super) struct Tidier(Vec<Blank>);

impl Tidier {
    /// Takes the columns of a row.
    pub fn of(columns: &[Column], row: usize) -> Tidier {
        let mut blanks = Vec::new();
        for column in columns.iter().filter(|column| column.row == row) {
            for &cell in &column.cells {
                if blanks.len() <= cell {
                    blanks.resize(cell + 1, Blank::default());
                }
                blanks[cell] = column.blank.clone();
            }
        }
        Tidier(blanks)
    }

    /// Returns a record with its values tidied; where they stand is put into `spans`.
    pub fn tidy<'a>(&self, record: Values<'a>, spans: &'a mut Spans) -> Values<'a> {
        spans.tidied(record, &self.0, |blank, value| {
            let is_word = blank.lengths & length_bit(value.len()) != 0;
            if ends_plainly(value) && !is_word { None } else { blank.part(value) }
        });
        record.with(spans)
    }
}

/// True of a value that is not empty and begins and ends with what stays there.
#[inline(always)]
fn ends_plainly(value: &[u8]) -> bool {
    matches!((value.first(), value.last()), (Some(b'#'..=b'~'), Some(b'!'..=b'~')))
}

impl Blank {
    pub fn of(words: Vec<String>) -> Blank {
        let lengths = words.iter().fold(0, |lengths, word| lengths | length_bit(word.len()));
        Blank { words, lengths }
    }

    /// Returns which part of a value counts; `None` if all of it does.
    #[inline(never)]
    fn part(&self, value: &[u8]) -> Option<(usize, usize)> {
        let (from, to) = self.tidied(value);
        ((from, to) != (0, value.len())).then_some((from, to))
    }

    /// Returns where the value stands in what was dropped; nowhere, if it is none.
    #[inline(always)]
    fn tidied(&self, dropped: &[u8]) -> (usize, usize) {
        // Most need no second look.
        let (from, to) = match ends_plainly(dropped) {
            true => (0, dropped.len()),
            false => tidied(dropped),
        };
        if self.has(&dropped[from..to]) { (0, 0) } else { (from, to) }
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

/// Returns where a value stands without blanks and control characters at its ends: the
/// wire has neither, so a value of nothing else is an empty one. So is `""`.
fn tidied(dropped: &[u8]) -> (usize, usize) {
    let (mut from, mut to) = (0, dropped.len());
    let is_outside = |byte: u8| matches!(byte, 0..=b' ' | 0x7f);
    while from < to && is_outside(dropped[from]) {
        from += 1;
    }
    while from < to && is_outside(dropped[to - 1]) {
        to -= 1;
    }
    if is_delete(&dropped[from..to]) { (0, 0) } else { (from, to) }
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
    /// Something else may stand for a value, so that all count that are there at all.
    raw: bool,
}

impl Needs {
    /// Returns the cells of all these columns; `None` if they are too far apart to be
    /// looked at in one word.
    pub fn of<'a>(columns: impl Iterator<Item = &'a Column>) -> Option<Needs> {
        let mut needs: Option<Needs> = None;
        for column in columns {
            let raw = column.translating.is_some();
            for cell in column.cells.iter().chain(column.instead()) {
                let (word, bits) = Filled::place(*cell)?;
                let here = Needs { row: column.row, word, bits, raw };
                match &mut needs {
                    None => needs = Some(here),
                    Some(all) if (all.row, all.word) == (here.row, here.word) => {
                        all.bits |= bits;
                        all.raw |= raw;
                    }
                    Some(_) => return None,
                }
            }
        }
        needs
    }

    /// True if one of the cells has a value.
    #[inline(always)]
    pub fn are_met(&self, scene: &Scene<'_>) -> bool {
        let dropped = if self.raw { scene.raw.of_row(self.row) } else { None };
        let record = dropped.unwrap_or(scene.row(self.row));
        record.filled().word(self.word) & self.bits != 0
    }

    /// True if one of the columns has a value, and not just cells that may be one.
    pub fn is_exact(&self) -> bool {
        !self.raw
    }
}

/// Columns of which one must have a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Any {
    columns: Vec<Column>,
    needs: Option<Needs>,
}

impl Any {
    /// Takes the columns.
    pub fn of(columns: Vec<Column>) -> Any {
        Any { needs: Needs::of(columns.iter()), columns }
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// True if one has a value.
    #[inline(always)]
    pub fn has_value(&self, scene: &Scene<'_>) -> bool {
        match &self.needs {
            Some(needs) if needs.is_exact() => needs.are_met(scene),
            _ => self.has_any(scene),
        }
    }

    #[inline(never)]
    fn has_any(&self, scene: &Scene<'_>) -> bool {
        self.columns.iter().any(|column| !column.tidy(scene).is_empty())
    }
}
