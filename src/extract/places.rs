//! Single records of an extract, each read where it stands.
//!
//! One parser for all of them: building one costs more than reading a record with it
//! (600,000 look-ups took 10 s with a parser each, and take 1 s with one).

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
