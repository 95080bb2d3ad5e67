//! The segments of a batch file of ours, one after the other, whatever ends them: a file
//! need not fit into memory.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use memchr::memchr2;

use crate::disk::{DiskError, failed};

/// Reads a batch file segment by segment.
pub struct Segments {
    reader: BufReader<File>,
    path: std::path::PathBuf,
}

impl Segments {
    /// Opens a batch file.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(path: &Path) -> Result<Segments, DiskError> {
        let file = File::open(path).map_err(failed("open", path))?;
        let reader = BufReader::with_capacity(1 << 18, file);
        Ok(Segments { reader, path: path.to_path_buf() })
    }

    /// Reads the next segment into `segment`, without what ends it; false at the end.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn next(&mut self, segment: &mut Vec<u8>) -> Result<bool, DiskError> {
        segment.clear();
        loop {
            let buffer = self.reader.fill_buf().map_err(failed("read", &self.path))?;
            if buffer.is_empty() {
                return Ok(!segment.is_empty());
            }
            let end = memchr2(b'\r', b'\n', buffer);
            segment.extend_from_slice(&buffer[..end.unwrap_or(buffer.len())]);
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            // A CRLF leaves an empty one.
            if end.is_some() && !segment.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// Returns a field of a segment, counted as HL7 counts.
pub fn field(segment: &[u8], number: usize) -> &[u8] {
    let header = matches!(segment.get(..3), Some(b"MSH" | b"FHS" | b"BHS"));
    let number = if header { number - 1 } else { number };
    segment.split(|&byte| byte == b'|').nth(number).unwrap_or_default()
}

/// Returns the first component of a repetition of a field.
pub fn first(repetition: &[u8]) -> &[u8] {
    repetition.split(|&byte| byte == b'^').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;

    #[test]
    fn segments_are_told_apart_by_every_line_ending() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("batch");
        for end in ["\r", "\r\n", "\n"] {
            let text = ["FHS|^~\\&|A|||||||||7", "MSH|^~\\&|B", "FTS|1", ""].join(end);
            disk::write(&path, text.as_bytes()).unwrap();
            let (mut segments, mut found) = (Segments::open(&path).unwrap(), Vec::new());
            let mut segment = Vec::new();
            while segments.next(&mut segment).unwrap() {
                found.push(String::from_utf8(segment.clone()).unwrap());
            }
            assert_eq!(found.len(), 3, "{end:?}");
            assert_eq!(field(found[0].as_bytes(), 12), b"7");
            assert_eq!(field(found[2].as_bytes(), 1), b"1");
        }
    }
}
