//! The records of one block, each with its position, checked for shape.

use csv::ByteRecord;
use memchr::memchr;

use super::blocks::{Block, csv_reader};
use super::damage::is_damaged;
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
    pub range: std::ops::Range<usize>,
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
    reader: csv::Reader<&'a [u8]>,
    record: ByteRecord,
    number: u64,
    /// The block holds a NUL or bytes that are not UTF-8: look at every value.
    suspect: bool,
}

impl<'a> Rows<'a> {
    /// Begins at the first record.
    pub fn new(block: &'a Block, layout: &'a Layout) -> Rows<'a> {
        // One pass over the block, so that a good block costs nothing a value.
        let suspect =
            std::str::from_utf8(&block.bytes).is_err() || memchr(0, &block.bytes).is_some();
        let reader = csv_reader(&block.bytes, layout.delimiter);
        Rows { block, layout, reader, record: ByteRecord::new(), number: 0, suspect }
    }

    /// Returns the next record, or `None` after the last.
    pub fn next_row(&mut self) -> Option<Row<'_>> {
        // A reader of bytes in memory that is flexible about widths cannot fail.
        if !self.reader.read_byte_record(&mut self.record).unwrap_or(false) {
            return None;
        }
        self.number += 1;
        let position = self.record.position();
        let before = position.map_or(0, |position| to_usize(position.byte()));
        let end = to_usize(self.reader.position().byte());
        // The reader stands before blank lines and before the LF of a CRLF; the
        // record begins behind them.
        let bytes = &self.block.bytes[before..end];
        let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let skipped_lines = bytes[..skipped].iter().filter(|&&byte| byte == b'\n').count() as u64;
        let line = self.block.first_line
            + position.map_or(0, |position| position.line() - 1)
            + skipped_lines;
        let fault = shape_fault(&self.record, self.layout, self.suspect);
        let fault = fault.map(|fault| self.placed(fault, before + skipped, end));
        Some(Row {
            values: &self.record,
            number: self.number,
            line,
            range: before + skipped..end,
            fault,
        })
    }

    /// Adds to a fault of undecodable bytes where in the file they are.
    fn placed(&self, fault: RowFault, start: usize, end: usize) -> RowFault {
        let unreadable = std::str::from_utf8(&self.block.bytes[start..end]).err();
        let Some(err) = unreadable.filter(|_| fault.code == Code::V002) else { return fault };
        let at = self.block.offset + (start + err.valid_up_to()) as u64;
        let column = format!("{}, byte {at} of {}", fault.column, self.layout.text);
        RowFault { column, ..fault }
    }
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
            let name = layout.column(at).map(str::to_string);
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
