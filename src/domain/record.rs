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
    spans: &'a [Span],
    filled: &'a Filled,
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
    /// it is given the value and, of as many `cells` as there are, its own; and returns where
    /// in the value the rest of it stands.
    #[inline(always)]
    pub fn tidied<C>(
        &mut self,
        record: Values<'_>,
        cells: &[C],
        mut tidy: impl FnMut(&C, &[u8]) -> Option<(usize, usize)>,
    ) {
        self.spans.clear();
        self.spans.extend_from_slice(record.spans);
        self.filled = *record.filled;
        for (cell, ((start, end), own)) in record.spans.iter().zip(cells).enumerate() {
            let value = record.text.get(*start as usize..*end as usize).unwrap_or_default();
            if let Some(part) = if value.is_empty() { None } else { tidy(own, value) } {
                self.narrow(cell, part);
            }
        }
    }

    #[inline(never)]
    fn narrow(&mut self, cell: usize, (from, to): (usize, usize)) {
        let start = self.spans[cell].0;
        self.spans[cell] = (start + from as u32, start + to as u32);
        if let Some(filled) = self.filled.0.get_mut(cell / 64) {
            *filled &= !(u64::from(from >= to) << (cell % 64));
        }
    }

    /// Adds the next of many values; [`Spans::seal`] once all are there.
    #[inline(always)]
    pub fn add(&mut self, start: usize, end: usize) {
        // A record has 4 MiB at most.
        self.spans.push((start as u32, end as u32));
    }

    /// Notes which values are filled, all at once: four instructions each, not ten.
    #[inline]
    pub fn seal(&mut self) {
        for (word, spans) in self.filled.0.iter_mut().zip(self.spans.chunks(64)) {
            let bit = |bits, (start, end): &Span| bits << 1 | u64::from(start < end);
            *word = spans.iter().rev().fold(0, bit);
        }
    }

    /// Adds a value.
    #[inline]
    pub fn push(&mut self, start: usize, end: usize) {
        let at = self.spans.len();
        if let Some(word) = self.filled.0.get_mut(at / 64) {
            *word |= u64::from(start < end) << (at % 64);
        }
        self.add(start, end);
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
        Values::of(&self.text, &self.spans, None)
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
    /// Those of a record that is not there.
    pub const NONE: Values<'static> =
        Values { text: &[], spans: &[], filled: &Filled([0; WORDS]), between: None };

    /// For values that stand in `text`; `between` stands between them and in none.
    pub fn of(text: &'a [u8], spans: &'a Spans, between: Option<u8>) -> Values<'a> {
        Values { text, spans: &spans.spans, filled: &spans.filled, between }
    }

    /// Returns the value of a cell as it stands; empty if there is none.
    #[inline]
    pub fn get(&self, cell: usize) -> &'a [u8] {
        let (start, end) = self.span(cell);
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Returns where in the text the value of a cell stands.
    #[inline(always)]
    pub fn span(&self, cell: usize) -> Span {
        self.spans.get(cell).copied().unwrap_or_default()
    }

    /// Returns the text from the value of a cell on, and how long the value is: whoever
    /// copies it may copy sixteen bytes at once.
    #[inline(always)]
    pub fn reach(&self, cell: usize) -> (&'a [u8], usize) {
        let (start, end) = self.span(cell);
        match self.text.get(start as usize..) {
            Some(rest) if (end - start) as usize <= rest.len() => (rest, (end - start) as usize),
            _ => (&[], 0),
        }
    }

    /// Returns the same text with other values in it.
    pub fn with(&self, spans: &'a Spans) -> Values<'a> {
        Values::of(self.text, spans, self.between)
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Returns each value.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(move |cell| self.get(cell))
    }

    /// Returns which of them are not empty.
    #[inline]
    pub fn filled(&self) -> &'a Filled {
        self.filled
    }

    /// Returns all values with what stands between them, and the byte of that which is
    /// in no value.
    pub fn stretch(&self) -> (&'a [u8], Option<u8>) {
        let first = self.spans.first().map_or(0, |(start, _)| *start as usize);
        let last = self.spans.last().map_or(0, |(_, end)| *end as usize);
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
