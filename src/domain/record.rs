//! A record: its text, and where in it the values stand.
//!
//! The hot path: a value is never copied out of the text it was read from, since a copy
//! of each cost a tenth of a conversion. Most cells of most records are empty; a bit for
//! each says so, and whoever asks for one of them asks nothing else.

/// Where a value begins and ends.
pub type Span = (u32, u32);

/// Words of bits; a record has a bit for each of its first 256 cells.
const WORDS: usize = 4;

/// Which cells are not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled([u64; WORDS]);

/// Where the values of a record stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    spans: Vec<Span>,
    filled: Filled,
}

/// A record with a text of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    text: Vec<u8>,
    spans: Spans,
}

/// The values of a record, where they stand.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    text: &'a [u8],
    spans: &'a Spans,
    /// Stands between values, and in none of them.
    between: Option<u8>,
}

impl Filled {
    /// Returns in which word a cell has its bit, and the bit; `None` of a cell too far to
    /// the right to have one.
    pub fn place(cell: usize) -> Option<(usize, u64)> {
        (cell / 64 < WORDS).then(|| (cell / 64, 1 << (cell % 64)))
    }

    /// Returns a word of bits.
    #[inline]
    pub fn word(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(u64::MAX)
    }
}

impl Spans {
    /// Forgets all of them.
    #[inline]
    pub fn clear(&mut self) {
        self.spans.clear();
        self.filled = Filled::default();
    }

    /// Becomes the values of a record, each of them that is not empty as `tidy` leaves it:
    /// it is given the cell and the value, and returns where in that the rest of it stands.
    pub fn tidied(
        &mut self,
        record: Values<'_>,
        mut tidy: impl FnMut(usize, &[u8]) -> Option<(usize, usize)>,
    ) {
        self.spans.clone_from(&record.spans.spans);
        self.filled = record.spans.filled;
        let mut one = |cell: usize, filled: &mut u64| {
            let value = record.get(cell);
            let Some((from, to)) = tidy(cell, value) else { return };
            let start = self.spans[cell].0;
            self.spans[cell] = (start + from as u32, start + to as u32);
            *filled &= !(u64::from(from >= to) << (cell % 64));
        };
        for (at, filled) in self.filled.0.iter_mut().enumerate() {
            let mut rest = *filled;
            while rest != 0 {
                one(at * 64 + rest.trailing_zeros() as usize, filled);
                rest &= rest - 1;
            }
        }
        (WORDS * 64..record.len()).for_each(|cell| one(cell, &mut 0));
    }

    /// Adds the next value.
    #[inline]
    pub fn push(&mut self, start: usize, end: usize) {
        let at = self.spans.len();
        if let Some(word) = self.filled.0.get_mut(at / 64) {
            *word |= u64::from(start < end) << (at % 64);
        }
        // A record has 4 MiB at most.
        self.spans.push((start as u32, end as u32));
    }
}

impl Record {
    /// Forgets its values.
    pub fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }

    /// Adds a value.
    pub fn push(&mut self, value: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(value);
        self.spans.push(start, self.text.len());
    }

    /// Returns its values.
    pub fn values(&self) -> Values<'_> {
        Values { text: &self.text, spans: &self.spans, between: None }
    }
}

impl<V: AsRef<[u8]>> FromIterator<V> for Record {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Record {
        let mut record = Record::default();
        values.into_iter().for_each(|value| record.push(value.as_ref()));
        record
    }
}

impl<'a> Values<'a> {
    /// For values that stand in `text`; `between` stands between them and in none.
    pub fn of(text: &'a [u8], spans: &'a Spans, between: Option<u8>) -> Values<'a> {
        Values { text, spans, between }
    }

    /// Returns the value of a cell as it stands; empty if there is none.
    #[inline]
    pub fn get(&self, cell: usize) -> &'a [u8] {
        let (start, end) = self.spans.spans.get(cell).copied().unwrap_or_default();
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Returns the text from the value of a cell on, and how long the value is: whoever
    /// copies it may copy sixteen bytes at once.
    #[inline]
    pub fn reach(&self, cell: usize) -> (&'a [u8], usize) {
        let (start, end) = self.spans.spans.get(cell).copied().unwrap_or_default();
        match self.text.get(start as usize..) {
            Some(rest) if (end - start) as usize <= rest.len() => (rest, (end - start) as usize),
            _ => (&[], 0),
        }
    }

    /// Returns the same text with other values in it.
    pub fn with(&self, spans: &'a Spans) -> Values<'a> {
        Values { spans, ..*self }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.spans.spans.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.spans.is_empty()
    }

    /// Returns each value.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(move |cell| self.get(cell))
    }

    /// Returns which of them are not empty.
    #[inline]
    pub fn filled(&self) -> &'a Filled {
        &self.spans.filled
    }

    /// Returns all values with what stands between them, and the byte of that which is
    /// in no value.
    pub fn stretch(&self) -> (&'a [u8], Option<u8>) {
        let first = self.spans.spans.first().map_or(0, |(start, _)| *start as usize);
        let last = self.spans.spans.last().map_or(0, |(_, end)| *end as usize);
        (self.text.get(first..last).unwrap_or_default(), self.between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_empty_ones_have_no_bit() {
        let many: Vec<String> =
            (0..300).map(|at| if at % 3 == 0 { String::new() } else { at.to_string() }).collect();
        for count in [0, 3, 64, 65, 256, 300] {
            let record: Record = many[..count].iter().collect();
            let values = record.values();
            assert_eq!(values.len(), count);
            assert!(values.iter().eq(many[..count].iter().map(String::as_bytes)));
            for (cell, value) in many[..count].iter().enumerate() {
                assert_eq!(values.get(cell), value.as_bytes());
                let Some((word, bit)) = Filled::place(cell) else { continue };
                assert_eq!(values.filled().word(word) & bit == 0, value.is_empty(), "{cell}");
            }
            assert_eq!(values.get(count), b"");
        }
    }
}
