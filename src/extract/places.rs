//! Single records of an extract, each read where it stands.
//!
//! One parser for all of them: building one costs more than reading a record with it
//! (with a parser for each look-up 636,000 appointments took 26 s on the cores, now 10 s).

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use csv::{ByteRecord, Position};
use memchr::memchr;

use super::json::Cells;
use super::rows::shape_fault;
use crate::domain::Layout;

/// Bytes read at once: most records are shorter.
const READ: usize = 1024;

/// Reads the records of one file in any order.
pub struct Places<'a, R> {
    records: Records<R>,
    layout: &'a Layout,
    record: ByteRecord,
}

enum Records<R> {
    Delimited(csv::Reader<R>),
    Json { reader: BufReader<R>, line: Vec<u8>, cells: Cells },
}

impl<'a, R: Read + Seek> Places<'a, R> {
    /// Will read from `reader`, whose records have this header.
    pub fn new(reader: R, layout: &'a Layout) -> Places<'a, R> {
        let records = if layout.json.is_some() {
            let reader = BufReader::with_capacity(READ, reader);
            Records::Json { reader, line: Vec::new(), cells: Cells::default() }
        } else {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .delimiter(layout.delimiter)
                .buffer_capacity(READ)
                .from_reader(reader);
            // Or the first seek would read the file's own, and there may be a title first.
            reader.set_byte_headers(ByteRecord::new());
            Records::Delimited(reader)
        };
        Places { records, layout, record: ByteRecord::new() }
    }

    /// Reads the record that begins at a byte of the file; false if none well shaped does.
    pub fn read(&mut self, place: u64) -> bool {
        let (at, record) = (SeekFrom::Start(place), &mut self.record);
        match &mut self.records {
            Records::Delimited(reader) => {
                if reader.seek_raw(at, Position::new()).is_err()
                    || !reader.read_byte_record(record).unwrap_or(false)
                {
                    return false;
                }
                let bytes = record.as_slice();
                let suspect = !bytes.is_ascii() || memchr(0, bytes).is_some();
                shape_fault(record, self.layout, suspect).is_none()
            }
            Records::Json { reader, line, cells } => {
                line.clear();
                if reader.seek(at).is_err() || reader.read_until(b'\n', line).is_err() {
                    return false;
                }
                cells.read(line.trim_ascii_end(), self.layout, record).is_none()
            }
        }
    }

    /// Returns the record that was read last.
    pub fn record(&self) -> &ByteRecord {
        &self.record
    }

    /// Returns the header.
    pub fn layout(&self) -> &'a Layout {
        self.layout
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
            assert_eq!(places.record(), &ByteRecord::from(values.to_vec()));
        }
        // Too few values; not UTF-8; behind the end.
        for place in [16, 19, 99] {
            assert!(!places.read(place), "{place}");
        }
        assert!(places.read(0));
    }
}
