//! A reader of batch files: for tests, for checking our own output, for
//! acknowledgements. It borrows and unescapes only what is asked for.

use std::collections::HashSet;

use super::escape::unescape;
use super::path::Path;

/// One segment, without its terminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a>(&'a [u8]);

/// One message: MSH and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its segments; the first is MSH.
    pub segments: Vec<Segment<'a>>,
}

/// One batch: BHS .. BTS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// BHS.
    pub header: Segment<'a>,
    /// Its messages.
    pub messages: Vec<Message<'a>>,
}

/// One batch file: FHS .. FTS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchFile<'a> {
    /// FHS.
    pub header: Segment<'a>,
    /// Its batches.
    pub batches: Vec<Batch<'a>>,
}

/// What is wrong with a batch file, and in which segment (counted from 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment}: {what}")]
pub struct ReadError {
    /// The segment, counted from 1.
    pub segment: usize,
    /// What is wrong; names fields, never values.
    pub what: String,
}

impl<'a> Segment<'a> {
    /// Returns the three letters.
    pub fn name(&self) -> &'a [u8] {
        &self.0[..self.0.len().min(3)]
    }

    /// Returns a field as it stands on the wire, counted as HL7 counts: field 1 of
    /// MSH, FHS and BHS is the separator itself.
    pub fn field(&self, number: usize) -> &'a [u8] {
        let header = matches!(self.name(), b"MSH" | b"FHS" | b"BHS");
        match (header, number) {
            (true, 1) => self.0.get(3..4).unwrap_or_default(),
            (true, _) => self.0.split(|&byte| byte == b'|').nth(number - 1).unwrap_or_default(),
            (false, _) => self.0.split(|&byte| byte == b'|').nth(number).unwrap_or_default(),
        }
    }

    /// Returns a component of the first repetition, unescaped.
    pub fn component(&self, field: usize, component: usize) -> Vec<u8> {
        let first = self.field(field).split(|&byte| byte == b'~').next().unwrap_or_default();
        let part = first.split(|&byte| byte == b'^').nth(component - 1).unwrap_or_default();
        unescape(part)
    }

    /// Returns the bytes of the segment.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Message<'a> {
    /// Returns the first segment of a name.
    pub fn segment(&self, name: &str) -> Option<Segment<'a>> {
        self.segments.iter().copied().find(|segment| segment.name() == name.as_bytes())
    }

    /// Returns a field of the first segment of its name, as it stands on the wire.
    pub fn field(&self, path: Path) -> &'a [u8] {
        self.segment(path.segment()).map_or(&[], |segment| segment.field(path.field()))
    }

    /// Returns MSH-10.
    pub fn control_id(&self) -> &'a [u8] {
        self.segments.first().map_or(&[], |msh| msh.field(10))
    }
}

impl<'a> BatchFile<'a> {
    /// Reads a whole file, and holds it to its own counts and control IDs.
    ///
    /// # Errors
    /// [`ReadError`] names the first segment that breaks the grammar of
    /// `interface.md` 3.1, a count that is wrong, or a control ID that comes twice.
    pub fn read(bytes: &'a [u8]) -> Result<BatchFile<'a>, ReadError> {
        let body = bytes.strip_suffix(b"\r").ok_or_else(|| fault(0, "no terminator at the end"))?;
        let mut segments = body.split(|&byte| byte == b'\r').map(Segment).enumerate().peekable();
        let header = expect(segments.next(), "FHS")?;
        let mut file = BatchFile { header, batches: Vec::new() };
        while segments.peek().is_some_and(|(_, segment)| segment.name() == b"BHS") {
            let header = expect(segments.next(), "BHS")?;
            let mut messages: Vec<Message<'a>> = Vec::new();
            let trailer = loop {
                let Some((at, segment)) = segments.next() else {
                    return Err(fault(0, "ends without BTS"));
                };
                match (segment.name(), messages.last_mut()) {
                    (b"BTS", _) => break (at, segment),
                    (b"MSH", _) => messages.push(Message { segments: vec![segment] }),
                    (b"FHS" | b"BHS" | b"FTS", _) => return Err(fault(at, "BTS is missing")),
                    (name, Some(message)) if name.len() == 3 => message.segments.push(segment),
                    _ => return Err(fault(at, "no message begins with it")),
                }
            };
            count(trailer, messages.len())?;
            file.batches.push(Batch { header, messages });
        }
        let trailer = segments.next().ok_or_else(|| fault(0, "ends without FTS"))?;
        expect(Some(trailer), "FTS")?;
        count(trailer, file.batches.len())?;
        match segments.next() {
            Some((at, _)) => Err(fault(at, "something follows FTS")),
            None => file.unique(),
        }
    }

    /// Returns every message, in order.
    pub fn messages(&self) -> impl Iterator<Item = &Message<'a>> {
        self.batches.iter().flat_map(|batch| &batch.messages)
    }

    fn unique(self) -> Result<BatchFile<'a>, ReadError> {
        let mut seen = HashSet::new();
        if self.messages().all(|message| seen.insert(message.control_id())) {
            return Ok(self);
        }
        Err(fault(0, "a control ID (MSH-10) comes twice"))
    }
}

fn fault(at: usize, what: &str) -> ReadError {
    ReadError { segment: at + 1, what: what.to_string() }
}

fn expect<'a>(found: Option<(usize, Segment<'a>)>, name: &str) -> Result<Segment<'a>, ReadError> {
    match found {
        Some((_, segment)) if segment.name() == name.as_bytes() => Ok(segment),
        Some((at, _)) => Err(fault(at, &format!("{name} is missing"))),
        None => Err(fault(0, &format!("{name} is missing"))),
    }
}

fn count((at, trailer): (usize, Segment<'_>), found: usize) -> Result<(), ReadError> {
    let said = trailer.field(1);
    if said == found.to_string().as_bytes() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(said);
    Err(fault(at, &format!("the count says {said}, and there are {found}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|A||||1||ADT^A28|7\rPID|1||9^x\\T\\y~8\r\
                        BTS|1\rFTS|1\r";

    #[test]
    fn a_file_is_read_by_its_grammar() {
        let file = BatchFile::read(FILE.as_bytes()).unwrap();
        let message = &file.batches[0].messages[0];
        assert_eq!(message.control_id(), b"7");
        let pid = message.segment("PID").unwrap();
        assert_eq!(pid.field(3), b"9^x\\T\\y~8");
        assert_eq!(pid.component(3, 2), b"x&y");
        assert_eq!(message.field("MSH-9".parse().unwrap()), b"ADT^A28");
        assert_eq!(message.field("MSH-1".parse().unwrap()), b"|");
    }

    #[test]
    fn a_file_that_breaks_a_rule_is_refused_with_its_segment() {
        let broken = [
            (FILE.replace("BTS|1", "BTS|2"), "segment 5: the count says 2, and there are 1"),
            (FILE.replace("FTS|1", "FTS|9"), "segment 6: the count says 9, and there are 1"),
            (FILE.replace("BTS|1\r", ""), "segment 5: BTS is missing"),
            (FILE.replace("FTS|1\r", ""), "segment 1: ends without FTS"),
            (FILE.replace("FHS", "MSH"), "segment 1: FHS is missing"),
            (format!("{FILE}X\r"), "segment 7: something follows FTS"),
            (FILE.trim_end().to_string(), "segment 1: no terminator at the end"),
        ];
        for (text, what) in broken {
            assert_eq!(BatchFile::read(text.as_bytes()).unwrap_err().to_string(), what);
        }
    }

    #[test]
    fn a_control_id_that_comes_twice_is_refused() {
        let twice = FILE.replace("BTS|1", "MSH|^~\\&|A||||1||ADT^A28|7\rBTS|2");
        let err = BatchFile::read(twice.as_bytes()).unwrap_err();
        assert_eq!(err.what, "a control ID (MSH-10) comes twice");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = BatchFile::read(&bytes);
        }
    }
}
