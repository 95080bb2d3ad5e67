//! A file cut into blocks at record ends, so that blocks can be read side by side.
//!
//! The cut must agree with the `csv` crate about what a quote is: it opens only at
//! the start of a value, and elsewhere it is a character like any other. (Counting
//! quotes would join two patients after a stray one: `5" NAIL`.) Between quotes the
//! search is `memchr`, several times faster than parsing (`performance.md`); that is
//! what lets two workers parse at once. A property test holds the two together.

use std::io::Read;

use memchr::{memchr, memrchr};

use super::ExtractError;
use super::header::{bind, delimiter_of, is_title};
use super::json::Names;
use super::reading::Reading;
use super::unpack::Text;
use crate::domain::{ExtractKind, Layout};

/// How large things may get.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes a block is read to.
    pub block_bytes: usize,
    /// Bytes of the longest record.
    pub record_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { block_bytes: 1 << 17, record_bytes_max: 4 << 20 }
    }
}

/// Whole records, in the order of the file.
#[derive(Debug)]
pub struct Block {
    /// Their bytes, line ends included.
    pub bytes: Vec<u8>,
    /// The line the first one begins on, counted from 1.
    pub first_line: u64,
    /// Where the block begins in the decompressed file.
    pub offset: u64,
}

/// Names that the records of a file can have; real ones have a few hundred.
const NAMES_MAX: usize = 4096;

/// Reads a file block by block; see [`Blocks::open`].
pub struct Blocks {
    reader: Box<dyn Read + Send>,
    limits: Limits,
    /// Between values; none: JSON has a record on each line.
    delimiter: Option<u8>,
    text: &'static str,
    rest: Vec<u8>,
    /// Buffers of blocks that are done with.
    spare: Vec<Vec<u8>>,
    line: u64,
    offset: u64,
    at_end: bool,
    /// Bytes that may be read.
    bytes_max: u64,
}

impl Blocks {
    /// Reads the header and binds it; the blocks that follow hold records only. NDJSON
    /// has no header, and so there is no layout yet: see [`Blocks::learn`].
    ///
    /// # Errors
    /// [`ExtractError`]: empty, not text, columns missing.
    pub fn open(
        text: Text,
        reading: &Reading,
        kind: ExtractKind,
        limits: Limits,
    ) -> Result<(Option<Layout>, Blocks), ExtractError> {
        let rest = Vec::with_capacity(limits.block_bytes + (limits.block_bytes >> 2));
        let Text { reader, name } = text;
        let (spare, delimiter, line, offset, at_end) = (Vec::new(), None, 1, 0, false);
        let (text, bytes_max) = (name, reading.bytes_max);
        let mut blocks = Blocks {
            reader,
            limits,
            delimiter,
            text,
            rest,
            spare,
            line,
            offset,
            at_end,
            bytes_max,
        };
        blocks.fill()?;
        if blocks.rest.starts_with(b"\xef\xbb\xbf") {
            blocks.drop_front(3);
        }
        if blocks.is_json()? {
            return Ok((None, blocks));
        }
        blocks.skip_title();
        let mut layout = blocks.header(reading, kind)?;
        layout.text = name;
        Ok((Some(layout), blocks))
    }

    /// Reads all records for their names. Whoever wants the records too opens the file
    /// once more.
    ///
    /// # Errors
    /// [`ExtractError`]: names missing or too many, and those of [`Blocks::next_block`].
    pub fn learn(mut self, reading: &Reading, kind: ExtractKind) -> Result<Layout, ExtractError> {
        let mut names = Names::default();
        while let Some(block) = self.next_block()? {
            names.learn(&block.bytes);
            self.reuse(block);
            if names.len() > NAMES_MAX {
                return Err(ExtractError::TooManyNames { line: self.line, max: NAMES_MAX });
            }
        }
        let mut layout = names.layout(reading, kind)?;
        layout.text = self.text;
        Ok(layout)
    }

    /// True of a file of JSON records; a document that is a list, or that goes over many
    /// lines, is none.
    fn is_json(&self) -> Result<bool, ExtractError> {
        let start = self.rest.trim_ascii_start();
        let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        match line {
            b"{" | b"[" | b"[]" => Err(ExtractError::JsonDocument),
            [b'[', rest @ ..] if rest.trim_ascii_start().starts_with(b"{") => {
                Err(ExtractError::JsonDocument)
            }
            [b'{', ..] => Ok(true),
            _ => Ok(false),
        }
    }

    fn skip_blank_lines(&mut self) {
        let blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let start = self.rest.iter().position(|byte| !blank(byte)).unwrap_or(self.rest.len());
        self.drop_front(start);
    }

    fn skip_title(&mut self) {
        self.skip_blank_lines();
        if is_title(&self.rest) {
            let end = memchr(b'\n', &self.rest).map_or(self.rest.len(), |at| at + 1);
            self.drop_front(end);
        }
    }

    fn header(&mut self, reading: &Reading, kind: ExtractKind) -> Result<Layout, ExtractError> {
        self.skip_blank_lines();
        if self.rest.is_empty() {
            return Err(ExtractError::Empty);
        }
        self.fill_line()?;
        let line = &self.rest[..memchr(b'\n', &self.rest).unwrap_or(self.rest.len())];
        if memchr(0, line).is_some() {
            return Err(ExtractError::Utf16);
        }
        let delimiter = reading.form(kind).delimiter.unwrap_or_else(|| delimiter_of(line));
        self.delimiter = Some(delimiter);
        let mut reader = csv_reader(self.rest.as_slice(), delimiter, 1 << 13);
        let mut record = csv::StringRecord::new();
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Err(ExtractError::Empty),
            Err(_) => return Err(ExtractError::HeaderNotText),
        }
        // The reader has passed the header's own end only; a CRLF may leave its LF.
        let mut end = usize::try_from(reader.position().byte()).unwrap_or(self.rest.len());
        end +=
            usize::from(self.rest[..end].ends_with(b"\r") && self.rest[end..].starts_with(b"\n"));
        let text = String::from_utf8_lossy(&self.rest[..end]).trim_end().to_string();
        // A quote left open in the header would swallow records, and name them as columns.
        if text.contains(['\n', '\r']) {
            return Err(ExtractError::OpenQuote { line: self.line });
        }
        let names: Vec<String> = record.iter().map(str::to_string).collect();
        self.drop_front(end);
        bind(reading, kind, delimiter, text, &names)
    }

    /// Reads on until the first line is whole: the rest of a header that goes over more than one
    /// block would be taken for a record.
    fn fill_line(&mut self) -> Result<(), ExtractError> {
        let (line, bytes_max) = (self.line, self.limits.record_bytes_max);
        while !self.at_end && memchr(b'\n', &self.rest).is_none() {
            if self.rest.len() >= bytes_max {
                return Err(ExtractError::RecordTooLong { line, bytes_max });
            }
            self.fill_to((self.rest.len() * 2).min(bytes_max))?;
        }
        Ok(())
    }

    /// Returns the next block, or `None` at the end.
    ///
    /// # Errors
    /// [`ExtractError`]: a record too long, a quote never closed, damaged gzip data,
    /// a file that cannot be read.
    pub fn next_block(&mut self) -> Result<Option<Block>, ExtractError> {
        let mut asked = self.limits.block_bytes;
        loop {
            if self.rest.len() < asked {
                self.fill_to(asked)?;
            }
            if self.rest.is_empty() {
                return Ok(None);
            }
            let found = match self.delimiter {
                Some(delimiter) => last_record_end(&self.rest, delimiter, self.at_end),
                None => last_line_end(&self.rest, self.at_end),
            };
            match found {
                Cut::At(end) => return Ok(Some(self.take(end))),
                Cut::OpenQuote(start) if self.at_end => {
                    let line = self.line + lines(&self.rest[..start]);
                    return Err(ExtractError::OpenQuote { line });
                }
                Cut::OpenQuote(_) | Cut::None => {}
            }
            if asked >= self.limits.record_bytes_max {
                let bytes_max = self.limits.record_bytes_max;
                return Err(ExtractError::RecordTooLong { line: self.line, bytes_max });
            }
            asked = (asked * 2).min(self.limits.record_bytes_max);
        }
    }

    fn take(&mut self, end: usize) -> Block {
        let mut next = self.spare.pop().unwrap_or_default();
        next.clear();
        next.reserve(self.rest.capacity());
        next.extend_from_slice(&self.rest[end..]);
        let mut bytes = std::mem::replace(&mut self.rest, next);
        bytes.truncate(end);
        let block = Block { first_line: self.line, offset: self.offset, bytes };
        self.line += lines(&block.bytes);
        self.offset += block.bytes.len() as u64;
        block
    }

    /// Takes back a block that is done with: its buffer serves another.
    pub fn reuse(&mut self, block: Block) {
        self.spare.push(block.bytes);
    }

    fn drop_front(&mut self, count: usize) {
        self.line += lines(&self.rest[..count]);
        self.offset += count as u64;
        self.rest.drain(..count);
    }

    fn fill(&mut self) -> Result<(), ExtractError> {
        self.fill_to(self.limits.block_bytes)
    }

    fn fill_to(&mut self, size: usize) -> Result<(), ExtractError> {
        while !self.at_end && self.rest.len() < size {
            let missing = (size - self.rest.len()) as u64;
            // Into room that nobody filled with zeros before.
            match self.reader.by_ref().take(missing).read_to_end(&mut self.rest) {
                Ok(0) => self.at_end = true,
                Ok(_) if self.offset + self.rest.len() as u64 > self.bytes_max => {
                    return Err(ExtractError::TooLarge { mib_max: self.bytes_max >> 20 });
                }
                Ok(_) => {}
                Err(err) => {
                    let bytes = self.offset + self.rest.len() as u64;
                    return Err(ExtractError::of_read(err, bytes));
                }
            }
        }
        Ok(())
    }
}

/// Returns a `csv` reader of records without a header, as every reader here is set.
pub(super) fn csv_reader<R: Read>(reader: R, delimiter: u8, buffer: usize) -> csv::Reader<R> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(buffer)
        .from_reader(reader)
}

fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[derive(Debug, PartialEq, Eq)]
enum Cut {
    /// A record ends before this byte.
    At(usize),
    /// No record ends here, and a quote opened at this byte is not closed.
    OpenQuote(usize),
    /// No record ends here.
    None,
}

/// Finds the last place in `bytes` that ends a record of JSON, which has no line breaks.
fn last_line_end(bytes: &[u8], at_end: bool) -> Cut {
    if at_end {
        return Cut::At(bytes.len());
    }
    memrchr(b'\n', bytes).map_or(Cut::None, |newline| Cut::At(newline + 1))
}

/// Finds the last place in `bytes` that ends a record; at the end of the file that
/// is the end, unless a quote is open.
fn last_record_end(bytes: &[u8], delimiter: u8, at_end: bool) -> Cut {
    let mut end = Cut::None;
    let mut at = 0;
    while let Some(found) = memchr(b'"', &bytes[at..]) {
        let quote = at + found;
        if let Some(newline) = memrchr(b'\n', &bytes[at..quote]) {
            end = Cut::At(at + newline + 1);
        }
        let opens = quote == 0
            || bytes[quote - 1] == delimiter
            || matches!(bytes[quote - 1], b'\r' | b'\n');
        if !opens {
            at = quote + 1;
            continue;
        }
        match closing_quote(bytes, quote + 1, at_end) {
            Some(close) => at = close + 1,
            None if at_end => return Cut::OpenQuote(quote),
            None if end == Cut::None => return Cut::OpenQuote(quote),
            None => return end,
        }
    }
    if at_end {
        return Cut::At(bytes.len());
    }
    memrchr(b'\n', &bytes[at..]).map_or(end, |newline| Cut::At(at + newline + 1))
}

/// Finds the quote that closes a value; two in a row are one inside it. The last
/// byte of a block cannot be told from the first of two, unless the file ends there.
fn closing_quote(bytes: &[u8], from: usize, at_end: bool) -> Option<usize> {
    let mut at = from;
    loop {
        let quote = at + memchr(b'"', bytes.get(at..)?)?;
        match bytes.get(quote + 1) {
            Some(b'"') => at = quote + 2,
            Some(_) => return Some(quote),
            None => return at_end.then_some(quote),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Vocabulary;
    use super::*;
    use crate::domain::Encoding;

    fn blocks(text: &[u8], block_bytes: usize) -> Result<(Layout, Vec<Block>), ExtractError> {
        let limits = Limits { block_bytes, record_bytes_max: 4096 };
        let text = Text::of(std::io::Cursor::new(text.to_vec()), Encoding::Auto)?;
        let reading = Reading::new(&Vocabulary::standard().unwrap(), &BTreeMap::new()).unwrap();
        let (header, mut blocks) = Blocks::open(text, &reading, ExtractKind::Departments, limits)?;
        let layout = header.unwrap();
        let mut all = Vec::new();
        while let Some(block) = blocks.next_block()? {
            all.push(block);
        }
        Ok((layout, all))
    }

    fn records(bytes: &[u8]) -> Vec<csv::ByteRecord> {
        let mut reader = csv_reader(bytes, b',', 1 << 13);
        reader.byte_records().map(Result::unwrap).collect()
    }

    #[test]
    fn a_header_may_be_longer_than_a_block() {
        let long = |columns: usize| {
            let more: String = (0..columns).map(|at| format!(",more{at:04}")).collect();
            format!("deptid,dept name{more}\n1,A\n2,B\n")
        };
        for block_bytes in [16, 100, 4096] {
            let (layout, blocks) = blocks(long(100).as_bytes(), block_bytes).unwrap();
            assert!(layout.header.ends_with(",more0099"), "{block_bytes}");
            let rows: Vec<u8> = blocks.into_iter().flat_map(|block| block.bytes).collect();
            assert_eq!(rows, b"1,A\n2,B\n", "{block_bytes}");
        }
        let err = blocks(long(1000).as_bytes(), 100).unwrap_err();
        assert!(matches!(err, ExtractError::RecordTooLong { line: 1, .. }), "{err}");
    }

    #[test]
    fn title_bom_and_crlf_are_passed_over() {
        let text =
            b"\xef\xbb\xbf\r\nReport Name: departments\r\ndeptid,dept name\r\n1,A\r\n2,B\r\n";
        let (layout, blocks) = blocks(text, 1024).unwrap();
        assert_eq!(layout.header, "deptid,dept name");
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].bytes, b"1,A\r\n2,B\r\n");
        assert_eq!((blocks[0].first_line, blocks[0].offset), (4, 49));
    }

    #[test]
    fn whole_files_that_cannot_be_read_say_why() {
        let why = |text: &[u8]| blocks(text, 64).unwrap_err().to_string();
        assert_eq!(why(b""), "the file is empty");
        assert_eq!(why(b"\r\n\r\n"), "the file is empty");
        assert_eq!(why(b"\xff\xfed\0"), "the header has no column departmentid, name");
        assert_eq!(why(b"d\0e\0p\0t\0"), "the file is UTF-16 text");
        assert_eq!(why(b"department\xff"), "the header is not UTF-8 text");
        assert_eq!(why(b"deptid\n1\n"), "the header has no column name");
        assert_eq!(
            why(b"deptid,name\n1,A\n2,\"cut"),
            "a quote opened in the record that begins on line 3 is never closed"
        );
        let long = [b"deptid,name\n1,\"".as_slice(), &[b'x'; 5000], b"\"\n"].concat();
        assert_eq!(why(&long), "the record that begins on line 2 is longer than 4096 bytes");
    }

    #[test]
    fn a_header_alone_is_a_file_without_records() {
        assert!(blocks(b"deptid,name\n", 64).unwrap().1.is_empty());
        assert!(blocks(b"deptid,name", 64).unwrap().1.is_empty());
    }

    #[test]
    fn gzip_is_read_through_all_its_members_and_cut_gzip_is_refused() {
        use flate2::{Compression, write::GzEncoder};
        use std::io::Write;
        let member = |text: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let whole = [member(b"deptid,name\n1,A\n"), member(b"2,B\n")].concat();
        let (_, all) = blocks(&whole, 64).unwrap();
        assert_eq!(
            all.iter().flat_map(|block| block.bytes.clone()).collect::<Vec<u8>>(),
            b"1,A\n2,B\n"
        );
        for cut in [whole.len() - 1, whole.len() - 9, member(b"deptid,name\n1,A\n").len() + 5] {
            let err = blocks(&whole[..cut], 64).unwrap_err();
            assert!(matches!(err, ExtractError::Gzip { .. }), "{cut}: {err}");
        }
    }

    proptest::proptest! {
        #[test]
        fn blocks_hold_the_records_of_the_whole_file(
            body in "[a,\"\r\n ]{0,300}",
            block_bytes in 16usize..80,
        ) {
            let text = format!("deptid,name\n{body}");
            match blocks(text.as_bytes(), block_bytes) {
                Ok((_, blocks)) => {
                    let joined: Vec<u8> =
                        blocks.iter().flat_map(|block| block.bytes.clone()).collect();
                    proptest::prop_assert_eq!(&joined, body.as_bytes());
                    let split: Vec<csv::ByteRecord> =
                        blocks.iter().flat_map(|block| records(&block.bytes)).collect();
                    proptest::prop_assert_eq!(split, records(body.as_bytes()));
                }
                Err(err) => {
                    let open = matches!(err, ExtractError::OpenQuote { .. });
                    proptest::prop_assert!(open, "{}", err);
                }
            }
        }
    }
}
