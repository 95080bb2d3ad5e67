//! Single records of an extract, each read where it stands.
//!
//! One parser for all of them: building one costs more than reading a record with it
//! (with a parser for each look-up 636,000 appointments took 26 s on the cores, now 10 s).

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use csv::{ByteRecord, Position};
use memchr::memchr;

use super::blocks::csv_reader;
use super::json::Cells;
use super::rows::shape_fault;
use super::split::split;
use crate::domain::{Layout, Record, Spans, Values};

/// Bytes read at once: most records are shorter.
const READ: usize = 1024;

/// Reads the records of one file in any order.
pub struct Places<'a, R> {
    records: Records<R>,
    layout: &'a Layout,
}

enum Records<R> {
    Delimited(Box<Delimited<R>>),
    Json { reader: BufReader<R>, line: Vec<u8>, cells: Cells, record: Record },
}

struct Delimited<R> {
    reader: csv::Reader<R>,
    /// What was read at the place asked for.
    bytes: [u8; READ],
    filled: usize,
    spans: Spans,
    bare: bool,
    /// The record, where `csv` had to read it.
    odd: Option<(ByteRecord, Record)>,
}

impl<'a, R: Read + Seek> Places<'a, R> {
    /// Will read from `reader`, whose records have this header.
    pub fn new(reader: R, layout: &'a Layout) -> Places<'a, R> {
        let records = if layout.json.is_some() {
            let reader = BufReader::with_capacity(READ, reader);
            let (line, cells, record) = (Vec::new(), Cells::default(), Record::default());
            Records::Json { reader, line, cells, record }
        } else {
            let mut reader = csv_reader(reader, layout.delimiter, READ);
            // Or the first seek would read the file's own, and there may be a title first.
            reader.set_byte_headers(ByteRecord::new());
            let (bytes, filled, spans) = ([0; READ], 0, Spans::default());
            let delimited = Delimited { reader, bytes, filled, spans, bare: false, odd: None };
            Records::Delimited(Box::new(delimited))
        };
        Places { records, layout }
    }

    /// Reads the record that begins at a byte of the file; false if none well shaped does.
    pub fn read(&mut self, place: u64) -> bool {
        match &mut self.records {
            Records::Delimited(delimited) => delimited.read(place, self.layout),
            Records::Json { reader, line, cells, record } => {
                line.clear();
                let at = SeekFrom::Start(place);
                if reader.seek(at).is_err() || reader.read_until(b'\n', line).is_err() {
                    return false;
                }
                cells.read(line.trim_ascii_end(), self.layout, record).is_none()
            }
        }
    }

    /// Returns the record that was read last.
    pub fn record(&self) -> Values<'_> {
        match &self.records {
            Records::Delimited(delimited) => delimited.values(self.layout.delimiter),
            Records::Json { record, .. } => record.values(),
        }
    }

    /// Returns the header.
    pub fn layout(&self) -> &'a Layout {
        self.layout
    }
}

impl<R: Read + Seek> Delimited<R> {
    fn read(&mut self, place: u64, layout: &Layout) -> bool {
        let found = self.fill(place).is_ok() && {
            let bytes = &self.bytes[..self.filled];
            let at_end = bytes.len() < READ;
            let blank = bytes.first().is_none_or(|byte| matches!(byte, b'\r' | b'\n'));
            match split(bytes, 0, layout.delimiter, at_end, &mut self.spans) {
                Some(found) if !blank => {
                    (self.bare, self.odd) = (found.bare, None);
                    true
                }
                _ => self.read_odd(place),
            }
        };
        if !found {
            return false;
        }
        let values = self.values(layout.delimiter);
        let (text, _) = values.stretch();
        let suspect = !text.is_ascii() || memchr(0, text).is_some();
        shape_fault(values, layout, suspect).is_none()
    }

    /// Fills the bytes from a place on, as far as the file goes.
    fn fill(&mut self, place: u64) -> std::io::Result<()> {
        let reader = self.reader.get_mut();
        reader.seek(SeekFrom::Start(place))?;
        self.filled = 0;
        while self.filled < READ {
            match reader.read(&mut self.bytes[self.filled..]) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    fn read_odd(&mut self, place: u64) -> bool {
        let (found, record) = self.odd.get_or_insert_default();
        let there = self.reader.seek_raw(SeekFrom::Start(place), Position::new()).is_ok()
            && self.reader.read_byte_record(found).unwrap_or(false);
        record.clear();
        found.iter().for_each(|value| record.push(value));
        there
    }

    fn values(&self, delimiter: u8) -> Values<'_> {
        match &self.odd {
            Some((_, record)) => record.values(),
            None => {
                let between = self.bare.then_some(delimiter);
                Values::of(&self.bytes[..self.filled], &self.spans, between)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::domain::{Cell, ExtractKind};

    #[test]
    fn records_are_read_in_any_order_and_bad_ones_not_at_all() {
        let text = b"a,1\n\"b\nb\",\"2,2\"\nno\nc,\xff\nd,4";
        let cells = ["patientid", "lastname"].map(|name| Cell::Own(name.to_string())).to_vec();
        let layout = Layout::new(ExtractKind::Patients, b',', String::new(), cells);
        let mut places = Places::new(Cursor::new(text), &layout);
        for (place, values) in
            [(23, ["d", "4"]), (4, ["b\nb", "2,2"]), (0, ["a", "1"]), (4, ["b\nb", "2,2"])]
        {
            assert!(places.read(place), "{place}");
            assert!(places.record().iter().eq(values.iter().map(|value| value.as_bytes())));
        }
        // Too few values; not UTF-8; behind the end.
        for place in [16, 19, 99] {
            assert!(!places.read(place), "{place}");
        }
        assert!(places.read(0));
    }
}
