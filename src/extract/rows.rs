//! The records of one block, each with its position, checked for shape.

use std::ops::Range;

use csv::ByteRecord;
use memchr::memchr;

use super::blocks::{Block, csv_reader};
use super::damage::is_damaged;
use super::json::Cells;
use crate::domain::{Code, Layout};

/// One record.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its values.
    pub values: &'a ByteRecord,
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
    record: ByteRecord,
    number: u64,
}

/// Where the records come from.
enum Records<'a> {
    Delimited {
        reader: csv::Reader<&'a [u8]>,
        /// The block holds a NUL or bytes that are not UTF-8: look at every value.
        suspect: bool,
    },
    Json {
        cells: Cells,
        /// Where the next line begins in the block, and its number in the file.
        at: usize,
        line: u64,
    },
}

/// The line a record begins on, its bytes within the block, and what is wrong with it.
type Found = (u64, Range<usize>, Option<RowFault>);

impl<'a> Rows<'a> {
    /// Begins at the first record.
    pub fn new(block: &'a Block, layout: &'a Layout) -> Rows<'a> {
        let records = match layout.json {
            Some(_) => Records::Json { cells: Cells::default(), at: 0, line: block.first_line },
            None => Records::Delimited {
                reader: csv_reader(&block.bytes, layout.delimiter),
                // One pass over the block, so that a good block costs nothing a value.
                suspect: std::str::from_utf8(&block.bytes).is_err()
                    || memchr(0, &block.bytes).is_some(),
            },
        };
        Rows { block, layout, records, record: ByteRecord::new(), number: 0 }
    }

    /// Returns the next record, or `None` after the last.
    pub fn next_row(&mut self) -> Option<Row<'_>> {
        let (block, layout, record) = (self.block, self.layout, &mut self.record);
        let (line, range, fault) = match &mut self.records {
            Records::Delimited { reader, suspect } => {
                next_delimited(block, layout, reader, *suspect, record)?
            }
            Records::Json { cells, at, line } => next_json(block, layout, cells, at, line, record)?,
        };
        self.number += 1;
        let fault = fault.map(|fault| self.placed(fault, range.clone()));
        Some(Row { values: &self.record, number: self.number, line, range, fault })
    }

    /// Adds to a fault of undecodable bytes where in the file they are.
    fn placed(&self, fault: RowFault, range: Range<usize>) -> RowFault {
        let start = range.start;
        let unreadable = std::str::from_utf8(&self.block.bytes[range]).err();
        let Some(err) = unreadable.filter(|_| fault.code == Code::V002) else { return fault };
        let at = self.block.offset + (start + err.valid_up_to()) as u64;
        let comma = if fault.column.is_empty() { "" } else { ", " };
        let column = format!("{}{comma}byte {at} of {}", fault.column, self.layout.text);
        RowFault { column, ..fault }
    }
}

fn next_delimited(
    block: &Block,
    layout: &Layout,
    reader: &mut csv::Reader<&[u8]>,
    suspect: bool,
    record: &mut ByteRecord,
) -> Option<Found> {
    // A reader of bytes in memory that is flexible about widths cannot fail.
    if !reader.read_byte_record(record).unwrap_or(false) {
        return None;
    }
    let position = record.position();
    let before = position.map_or(0, |position| to_usize(position.byte()));
    let end = to_usize(reader.position().byte());
    // The reader stands before blank lines and before the LF of a CRLF; the record
    // begins behind them.
    let bytes = &block.bytes[before..end];
    let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let skipped_lines = bytes[..skipped].iter().filter(|&&byte| byte == b'\n').count() as u64;
    let line =
        block.first_line + position.map_or(0, |position| position.line() - 1) + skipped_lines;
    let fault = shape_fault(record, layout, suspect);
    Some((line, before + skipped..end, fault))
}

/// Reads the next line that is not blank; `at` and `next_line` say where it may begin.
fn next_json(
    block: &Block,
    layout: &Layout,
    cells: &mut Cells,
    at: &mut usize,
    next_line: &mut u64,
    record: &mut ByteRecord,
) -> Option<Found> {
    while let Some(rest) = block.bytes.get(*at..).filter(|rest| !rest.is_empty()) {
        let end = *at + memchr(b'\n', rest).unwrap_or(rest.len());
        let (range, line) = (*at..end, *next_line);
        *at = end + 1;
        *next_line += 1;
        let text = &block.bytes[range.clone()];
        if !text.trim_ascii().is_empty() {
            let fault = cells.read(text, layout, record);
            return Some((line, range, fault));
        }
    }
    None
}

/// Returns what is wrong with a record's shape; `suspect` has every value looked at
/// for a NUL and for bytes that are not UTF-8.
pub(super) fn shape_fault(record: &ByteRecord, layout: &Layout, suspect: bool) -> Option<RowFault> {
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
    let damaged = layout.ids.iter().find(|id| record.get(id.cell).is_some_and(is_damaged));
    if let Some(id) = damaged {
        return Some(RowFault { code: Code::X003, column: id.column.clone() });
    }
    layout.repeated.iter().find_map(|(column, cells)| {
        let mut values = cells
            .iter()
            .filter_map(|&cell| record.get(cell))
            .map(<[u8]>::trim_ascii)
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
}
