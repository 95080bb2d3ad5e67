//! The records of one block, each with its position, checked for shape.

use std::io::Cursor;
use std::ops::Range;

use csv::{ByteRecord, Position};
use memchr::memchr;

use super::blocks::{Block, csv_reader};
use super::damage::is_damaged;
use super::json::Cells;
use super::split::split;
use crate::domain::{Code, Layout, Record, Spans, Values};

/// One record.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its values.
    pub values: Values<'a>,
    /// Which record of the block it is, counted from 1.
    pub number: u64,
    /// The line it begins on, counted from 1.
    pub line: u64,
    /// Its bytes within the block.
    pub range: Range<usize>,
    /// What is wrong with its shape, if anything.
    pub fault: Option<RowFault>,
}

/// A record that cannot be looked at value by value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// What is wrong.
    pub code: Code,
    /// The column, where one is to blame, and where in the file it is not text.
    pub column: String,
}

/// Walks the records of a block.
pub struct Rows<'a> {
    block: &'a Block,
    layout: &'a Layout,
    records: Records<'a>,
    /// What is not read where it stands.
    record: Record,
    number: u64,
    /// Where the next record may begin, and on which line.
    at: usize,
    line: u64,
}

/// Where the records come from.
enum Records<'a> {
    Delimited {
        spans: Spans,
        /// For records of an uncommon shape.
        odd: Option<Odd<'a>>,
        /// The block holds a NUL or bytes that are not UTF-8: look at every value.
        suspect: bool,
    },
    Json(Cells),
}

/// Reads single records with `csv`.
struct Odd<'a> {
    reader: csv::Reader<Cursor<&'a [u8]>>,
    record: ByteRecord,
}

impl<'a> Rows<'a> {
    /// Begins at the first record.
    pub fn new(block: &'a Block, layout: &'a Layout) -> Rows<'a> {
        let records = match layout.json {
            Some(_) => Records::Json(Cells::default()),
            None => Records::Delimited {
                spans: Spans::default(),
                odd: None,
                // One pass over the block, so that a good block costs nothing a value.
                suspect: std::str::from_utf8(&block.bytes).is_err()
                    || memchr(0, &block.bytes).is_some(),
            },
        };
        let (record, line) = (Record::default(), block.first_line);
        Rows { block, layout, records, record, number: 0, at: 0, line }
    }

    /// Returns the next record, or `None` after the last.
    pub fn next_row(&mut self) -> Option<Row<'_>> {
        let (block, layout) = (self.block, self.layout);
        let bytes = block.bytes.as_slice();
        self.skip_blank_lines();
        let (begin, line) = (self.at, self.line);
        if begin == bytes.len() {
            return None;
        }
        self.number += 1;
        let number = self.number;
        let (values, fault) = match &mut self.records {
            Records::Delimited { spans, odd, suspect } => {
                let values = match split(bytes, begin, layout.delimiter, true, spans) {
                    Some(found) => {
                        (self.at, self.line) = (found.end, line + found.lines);
                        let between = found.bare.then_some(layout.delimiter);
                        Values::of(bytes, spans, between)
                    }
                    None => {
                        let odd = odd.get_or_insert_with(|| Odd::new(bytes, layout));
                        self.at = odd.read(begin, &mut self.record);
                        let breaks = memchr::memchr_iter(b'\n', &bytes[begin..self.at]);
                        self.line = line + breaks.count() as u64;
                        self.record.values()
                    }
                };
                (values, shape_fault(values, layout, *suspect))
            }
            Records::Json(cells) => {
                let end = begin + memchr(b'\n', &bytes[begin..]).unwrap_or(bytes.len() - begin);
                (self.at, self.line) = ((end + 1).min(bytes.len()), line + 1);
                let fault = cells.read(&bytes[begin..end], layout, &mut self.record);
                (self.record.values(), fault)
            }
        };
        let range = begin..self.at;
        let fault = fault.map(|fault| placed(fault, block, layout, range.clone()));
        Some(Row { values, number, line, range, fault })
    }

    /// Goes to where a record begins: behind lines with nothing in them, of JSON behind
    /// those with blanks only.
    fn skip_blank_lines(&mut self) {
        let is_json = matches!(self.records, Records::Json(_));
        while let Some(rest) = self.block.bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            let blanks = match is_json {
                false => rest.iter().take_while(|byte| **byte == b'\r').count(),
                true => rest
                    .iter()
                    .take_while(|byte| !b"\n".contains(byte) && byte.is_ascii_whitespace())
                    .count(),
            };
            match rest.get(blanks) {
                None => self.at += blanks,
                Some(b'\n') => {
                    self.at += blanks + 1;
                    self.line += 1;
                }
                Some(_) => {
                    self.at += if is_json { 0 } else { blanks };
                    return;
                }
            }
        }
    }
}

impl<'a> Odd<'a> {
    fn new(bytes: &'a [u8], layout: &Layout) -> Odd<'a> {
        let mut reader = csv_reader(Cursor::new(bytes), layout.delimiter, 1 << 10);
        // Or the first seek would read the first record as a header.
        reader.set_byte_headers(ByteRecord::new());
        Odd { reader, record: ByteRecord::new() }
    }

    /// Reads the record that begins at a byte; returns where it ends.
    fn read(&mut self, begin: usize, record: &mut Record) -> usize {
        let (reader, found) = (&mut self.reader, &mut self.record);
        let mut place = Position::new();
        place.set_byte(begin as u64);
        // A reader of bytes in memory that is flexible about widths cannot fail.
        let _ = reader.seek_raw(std::io::SeekFrom::Start(begin as u64), place);
        let _ = reader.read_byte_record(found);
        record.clear();
        found.iter().for_each(|value| record.push(value));
        to_usize(reader.position().byte()).max(begin + 1)
    }
}

/// Adds to a fault of undecodable bytes where in the file they are.
fn placed(fault: RowFault, block: &Block, layout: &Layout, range: Range<usize>) -> RowFault {
    let start = range.start;
    let unreadable = std::str::from_utf8(&block.bytes[range]).err();
    let Some(err) = unreadable.filter(|_| fault.code == Code::V002) else { return fault };
    let at = block.offset + (start + err.valid_up_to()) as u64;
    let comma = if fault.column.is_empty() { "" } else { ", " };
    let column = format!("{}{comma}byte {at} of {}", fault.column, layout.text);
    RowFault { column, ..fault }
}

/// Returns what is wrong with a record's shape; `suspect` has every value looked at
/// for a NUL and for bytes that are not UTF-8.
pub(super) fn shape_fault(record: Values<'_>, layout: &Layout, suspect: bool) -> Option<RowFault> {
    if record.len() != layout.width {
        return Some(RowFault { code: Code::V001, column: String::new() });
    }
    if suspect {
        for (at, value) in record.iter().enumerate() {
            let code = if memchr(0, value).is_some() {
                Code::V003
            } else if std::str::from_utf8(value).is_err() {
                Code::V002
            } else {
                continue;
            };
            let name = layout.column_at(at).map(str::to_string);
            let column = name.unwrap_or_else(|| format!("column {}", at + 1));
            return Some(RowFault { code, column });
        }
    }
    let damaged = layout.ids.iter().find(|id| is_damaged(record.get(id.cell)));
    if let Some(id) = damaged {
        return Some(RowFault { code: Code::X003, column: id.column.clone() });
    }
    layout.repeated.iter().find_map(|(column, cells)| {
        let mut values = cells
            .iter()
            .map(|&cell| record.get(cell).trim_ascii())
            .filter(|value| !value.is_empty());
        let first = values.next();
        values
            .any(|value| Some(value) != first)
            .then(|| RowFault { code: Code::V004, column: column.clone() })
    })
}

fn to_usize(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cell, ExtractKind, Id};

    type Told = (u64, u64, Option<(Code, String)>);

    fn faults(text: &[u8]) -> Vec<Told> {
        let cell = |column: &str| Cell::Own(column.to_string());
        let cells = vec![cell("departmentid"), cell("name"), cell("name")];
        let mut layout = Layout::new(ExtractKind::Departments, b',', String::new(), cells);
        layout.ids.push(Id { cell: 0, column: "departmentid".into(), leading_zeros: false });
        let block = Block { bytes: text.to_vec(), first_line: 2, offset: 100 };
        let mut rows = Rows::new(&block, &layout);
        let mut found = Vec::new();
        while let Some(row) = rows.next_row() {
            found.push((row.number, row.line, row.fault.map(|fault| (fault.code, fault.column))));
        }
        found
    }

    #[test]
    fn a_row_of_the_wrong_shape_is_told_with_its_place() {
        let text = b"1,A,A\n2,B\n3,\"C\nC\",\n\n4,D,E\n5,\xff,\n6,\0,\n7,G,G\n1E+15,,\n";
        let name = || "name".to_string();
        assert_eq!(
            faults(text),
            [
                (1, 2, None),
                (2, 3, Some((Code::V001, String::new()))),
                (3, 4, None),
                (4, 7, Some((Code::V004, name()))),
                (5, 8, Some((Code::V002, "name, byte 128 of the file".to_string()))),
                (6, 9, Some((Code::V003, name()))),
                (7, 10, None),
                (8, 11, Some((Code::X003, "departmentid".to_string()))),
            ]
        );
    }

    /// A record: its values, where it begins, and the line it begins on.
    type Seen = (Vec<Vec<u8>>, usize, u64);

    /// What `csv` makes of a block.
    fn by_csv(bytes: &[u8]) -> Vec<Seen> {
        let mut reader = csv_reader(bytes, b',', 1 << 13);
        let (mut record, mut all) = (ByteRecord::new(), Vec::new());
        while reader.read_byte_record(&mut record).unwrap() {
            let at = to_usize(record.position().unwrap().byte());
            let blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let begin = at + bytes[at..].iter().take_while(blank).count();
            let line = 1 + bytes[..begin].iter().filter(|byte| **byte == b'\n').count() as u64;
            all.push((record.iter().map(<[u8]>::to_vec).collect(), begin, line));
        }
        all
    }

    fn by_us(bytes: &[u8]) -> Vec<Seen> {
        let layout = Layout::new(ExtractKind::Departments, b',', String::new(), Vec::new());
        let block = Block { bytes: bytes.to_vec(), first_line: 1, offset: 0 };
        let (mut rows, mut all) = (Rows::new(&block, &layout), Vec::new());
        while let Some(row) = rows.next_row() {
            let values: Vec<Vec<u8>> = row.values.iter().map(<[u8]>::to_vec).collect();
            let (text, between) = row.values.stretch();
            let is_in_text = |value: &Vec<u8>| memchr::memmem::find(text, value).is_some();
            assert!(values.iter().all(is_in_text));
            assert!(between.is_none() || !values.iter().any(|value| value.contains(&b',')));
            all.push((values, row.range.start, row.line));
        }
        all
    }

    #[test]
    fn records_of_every_shape_are_those_of_csv() {
        for text in [
            "a,b\n",
            "a,b",
            ",\n,\n",
            "a\n\n\r\nb\r\n",
            "\"a\",\"b,c\"\n\"\"\n",
            "\"a\nb\",c\r\n\"x\"\r\nd",
            "\"a\"\"b\",c\nd\n",
            "\"a\"b,c\n",
            "5\" nail,\"x\"\n",
            "a\rb\nc,\"\r\",d\n",
            "12345678,12345678,\"q\",1234567890123456,\n",
            "a,\"b\"",
            "\"open\nx,y",
        ] {
            assert_eq!(by_us(text.as_bytes()), by_csv(text.as_bytes()), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn split_records_are_those_of_csv(text in "[a-c,\"\r\n ]{0,120}|([a-z]{0,12},|\"[a,\n]{0,9}\"[,\n]){0,40}") {
            proptest::prop_assert_eq!(by_us(text.as_bytes()), by_csv(text.as_bytes()));
        }
    }
}
