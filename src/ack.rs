//! Response files: the acknowledgements that a receiver writes about a batch file
//! (`interface.md` 3.5; HL7 2.3.1 chapter 2.23.2 and its batch protocol).
//!
//! A file holds a MSH and a MSA for each message, with or without FHS, BHS, BTS and FTS.
//! Receivers have their own ideas of HL7, so nothing more is asked of it than what is
//! needed not to misread it: each message is an acknowledgement, its code is one of table
//! 0008, what is counted is there, and what begins ends.
//!
//! It is read segment by segment: one that answers a million messages takes no more
//! memory than one that answers three. Texts of ours name fields and codes; what the
//! receiver wrote itself may hold patient data and is kept apart ([`Answer::said`]).

use std::collections::VecDeque;
use std::io::{self, BufRead};

use crate::domain::{AckCode, Answer};
use crate::hl7::unescape;

/// A segment of an acknowledgement is short; what is longer is no HL7.
const SEGMENT_BYTES_MAX: usize = 64 * 1024;
/// What is kept of a receiver's text.
const SAID_CHARS_MAX: usize = 200;

/// What a response file says, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// FHS-12: the file that is answered, if it is named.
    File(String),
    /// BHS-12: the batch that is answered, if it is named.
    Batch(String),
    /// One message is answered: the control ID in MSA-2, and the answer, whose number is
    /// for the caller to find out.
    Message(String, Answer),
}

/// Why a response file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// It is not what it should be; the segment, counted from 1, and what is wrong. Never
    /// holds a value.
    #[error("segment {segment}: {what}")]
    Damaged {
        /// The segment, counted from 1.
        segment: usize,
        /// What is wrong.
        what: String,
    },
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// The parts of a response file, one after the other. After an error there is nothing
/// more, and what came before it must be forgotten.
pub struct Parts<R> {
    from: R,
    reader: Reader,
    segment: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> Parts<R> {
    /// Begins to read.
    pub fn of(from: R) -> Parts<R> {
        let (file, batch) = (Level::None, Level::None);
        let reader = Reader { told: VecDeque::new(), at: 0, file, batch, message: None };
        Parts { from, reader, segment: Vec::new(), ended: false }
    }

    fn step(&mut self) -> Result<(), AckError> {
        let more = next(&mut self.from, &mut self.segment);
        if more.map_err(|err| self.reader.lift(err))? {
            self.reader.at += 1;
            return self.reader.segment(&self.segment);
        }
        self.ended = true;
        self.reader.end()
    }
}

impl<R: BufRead> Iterator for Parts<R> {
    type Item = Result<Part, AckError>;

    fn next(&mut self) -> Option<Result<Part, AckError>> {
        loop {
            if let Some(part) = self.reader.told.pop_front() {
                return Some(Ok(part));
            }
            if self.ended {
                return None;
            }
            if let Err(err) = self.step() {
                self.ended = true;
                self.reader.told.clear();
                return Some(Err(err));
            }
        }
    }
}

/// Reads the next segment that is not empty; false at the end. CR, LF and both end one,
/// and so do the bytes that frame messages on a line (MLLP).
fn next<R: BufRead>(from: &mut R, segment: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        segment.clear();
        let mut any = false;
        loop {
            let buffer = from.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = buffer.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0x0b | 0x1c));
            let count = end.unwrap_or(buffer.len());
            segment.extend_from_slice(&buffer[..count]);
            from.consume(count + usize::from(end.is_some()));
            if segment.len() > SEGMENT_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            if end.is_some() {
                break;
            }
        }
        let trimmed = segment.trim_ascii();
        let start = trimmed.strip_prefix(b"\xef\xbb\xbf").unwrap_or(trimmed).to_vec();
        if !start.is_empty() {
            *segment = start;
            return Ok(true);
        }
        if !any {
            return Ok(false);
        }
    }
}

/// How far a file or a batch is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    None,
    /// Open, with so many batches or messages so far.
    Open(u64),
    Closed,
}

struct Reader {
    told: VecDeque<Part>,
    at: usize,
    file: Level,
    batch: Level,
    message: Option<Message>,
}

/// A message that is being read.
struct Message {
    separators: Separators,
    /// Where it began.
    at: usize,
    answer: Option<(String, AckCode)>,
    what: Vec<String>,
    said: Vec<String>,
}

/// The separators that a header declares.
#[derive(Clone, Copy)]
struct Separators {
    field: u8,
    component: u8,
    repetition: u8,
}

impl Separators {
    fn of(header: &[u8]) -> Option<Separators> {
        let separators = Separators {
            field: *header.get(3)?,
            component: *header.get(4)?,
            repetition: *header.get(5)?,
        };
        let bad = |byte: u8| byte.is_ascii_alphanumeric() || byte.is_ascii_control();
        (!bad(separators.field) && !bad(separators.component)).then_some(separators)
    }

    /// Returns a field by HL7's number; of a header, field 1 is the separator.
    fn field<'a>(&self, segment: &'a [u8], number: usize) -> &'a [u8] {
        let header = matches!(segment.get(..3), Some(b"MSH" | b"FHS" | b"BHS"));
        let index = if header { number - 1 } else { number };
        segment.split(|byte| *byte == self.field).nth(index).unwrap_or_default()
    }

    fn component<'a>(&self, field: &'a [u8], number: usize) -> &'a [u8] {
        field.split(|byte| *byte == self.component).nth(number - 1).unwrap_or_default()
    }
}

impl Reader {
    fn damaged(&self, what: impl Into<String>) -> AckError {
        AckError::Damaged { segment: self.at, what: what.into() }
    }

    fn lift(&self, err: io::Error) -> AckError {
        match err.kind() {
            io::ErrorKind::FileTooLarge => AckError::Damaged {
                segment: self.at + 1,
                what: "it is longer than 64 KiB, so this is no acknowledgement".to_string(),
            },
            _ => AckError::Read(err),
        }
    }

    fn segment(&mut self, segment: &[u8]) -> Result<(), AckError> {
        match segment.get(..3) {
            Some(b"FHS") => self.open_file(segment),
            Some(b"BHS") => self.open_batch(segment),
            Some(b"MSH") => self.open_message(segment),
            Some(b"MSA") => self.acknowledgement(segment),
            Some(b"ERR") => self.error(segment),
            Some(b"BTS") => self.close_batch(segment),
            Some(b"FTS") => self.close_file(segment),
            _ if self.message.is_some() => Ok(()),
            _ => Err(self.damaged("no FHS, BHS or MSH begins it, so this is no HL7")),
        }
    }

    fn open_file(&mut self, segment: &[u8]) -> Result<(), AckError> {
        if self.at > 1 {
            return Err(self.damaged("FHS is not the first segment"));
        }
        let separators = self.separators(segment)?;
        self.file = Level::Open(0);
        self.told.push_back(Part::File(text(separators.field(segment, 12))));
        Ok(())
    }

    fn open_batch(&mut self, segment: &[u8]) -> Result<(), AckError> {
        self.close_message()?;
        if matches!(self.batch, Level::Open(_)) {
            return Err(self.damaged("BTS is missing before it"));
        }
        match &mut self.file {
            Level::Open(batches) => *batches += 1,
            Level::Closed => return Err(self.damaged("it stands behind FTS")),
            Level::None => {}
        }
        let separators = self.separators(segment)?;
        self.batch = Level::Open(0);
        self.told.push_back(Part::Batch(text(separators.field(segment, 12))));
        Ok(())
    }

    fn open_message(&mut self, segment: &[u8]) -> Result<(), AckError> {
        self.close_message()?;
        match &mut self.batch {
            Level::Open(messages) => *messages += 1,
            _ if self.file == Level::Closed => return Err(self.damaged("it stands behind FTS")),
            Level::Closed | Level::None => {}
        }
        let separators = self.separators(segment)?;
        let kind = separators.field(segment, 9);
        let code = separators.component(kind, 1);
        if !code.eq_ignore_ascii_case(b"ACK") {
            return Err(self.damaged("MSH-9 does not say ACK, so this message answers nothing"));
        }
        let (at, what, said) = (self.at, Vec::new(), Vec::new());
        self.message = Some(Message { separators, at, answer: None, what, said });
        Ok(())
    }

    fn separators(&self, header: &[u8]) -> Result<Separators, AckError> {
        Separators::of(header).ok_or_else(|| self.damaged("its header declares no separators"))
    }

    fn acknowledgement(&mut self, segment: &[u8]) -> Result<(), AckError> {
        let at = self.at;
        let damaged = |what: &str| AckError::Damaged { segment: at, what: what.to_string() };
        let Some(message) = &mut self.message else {
            return Err(damaged("MSH is missing before MSA"));
        };
        if message.answer.is_some() {
            return Err(damaged("a second MSA in one message"));
        }
        let separators = message.separators;
        let code = separators.field(segment, 1).trim_ascii();
        let code = AckCode::of(code)
            .ok_or_else(|| damaged("MSA-1 is none of AA, AE, AR, CA, CE and CR (table 0008)"))?;
        let control = text(separators.field(segment, 2));
        if control.is_empty() {
            return Err(damaged("MSA-2 is empty: no message is named"));
        }
        message.said.extend(words(separators.field(segment, 3)));
        // MSA-6, error condition (2.3.1 to 2.6).
        let condition = separators.field(segment, 6);
        if !condition.is_empty() {
            message.what.push(condition_text(separators.component(condition, 1)));
            message.said.extend(words(separators.component(condition, 2)));
        }
        message.answer = Some((control, code));
        Ok(())
    }

    /// ERR-1 until 2.4 (`PV1^1^3^103`); ERR-2 to ERR-8 from 2.5 on.
    fn error(&mut self, segment: &[u8]) -> Result<(), AckError> {
        let Some(message) = &mut self.message else {
            return Err(self.damaged("MSH is missing before ERR"));
        };
        let separators = message.separators;
        let old = separators.field(segment, 1);
        for place in old.split(|byte| *byte == separators.repetition) {
            if !place.is_empty() {
                let code = separators.component(place, 4);
                // The code is an element of its own: its first subcomponent is the identifier.
                let code = code.split(|byte| *byte == b'&').next().unwrap_or_default();
                message.what.push(place_text(separators, place, code, 3));
            }
        }
        let (place, code) = (separators.field(segment, 2), separators.field(segment, 3));
        if !place.is_empty() || !code.is_empty() {
            let code = separators.component(code, 1);
            message.what.push(place_text(separators, place, code, 3));
        }
        for number in [7, 8] {
            message.said.extend(words(separators.field(segment, number)));
        }
        Ok(())
    }

    fn close_message(&mut self) -> Result<(), AckError> {
        let Some(message) = self.message.take() else { return Ok(()) };
        let Some((control_id, code)) = message.answer else {
            let what = "the message that begins here has no MSA".to_string();
            return Err(AckError::Damaged { segment: message.at, what });
        };
        let what = match message.what.is_empty() {
            true if code.accepts() => String::new(),
            true => condition_of(code).to_string(),
            false => message.what.join("; "),
        };
        let said: String = message.said.join("; ").chars().take(SAID_CHARS_MAX).collect();
        self.told.push_back(Part::Message(control_id, Answer { control: 0, code, what, said }));
        Ok(())
    }

    fn close_batch(&mut self, segment: &[u8]) -> Result<(), AckError> {
        self.close_message()?;
        let Level::Open(messages) = self.batch else {
            return Err(self.damaged("BHS is missing before it"));
        };
        self.batch = Level::Closed;
        self.counted(segment, messages, "messages")
    }

    fn close_file(&mut self, segment: &[u8]) -> Result<(), AckError> {
        self.close_message()?;
        if matches!(self.batch, Level::Open(_)) {
            return Err(self.damaged("BTS is missing before it"));
        }
        let Level::Open(batches) = self.file else {
            return Err(self.damaged("FHS is missing before it"));
        };
        self.file = Level::Closed;
        self.counted(segment, batches, "batches")
    }

    /// Field 1 of a trailer may be left out; if it is there, it counts.
    fn counted(&self, segment: &[u8], found: u64, what: &str) -> Result<(), AckError> {
        let field = segment.get(3).copied().unwrap_or(b'|');
        let said = segment.split(|byte| *byte == field).nth(1).unwrap_or_default().trim_ascii();
        let said = std::str::from_utf8(said).ok().filter(|said| !said.is_empty());
        match said.map(str::parse::<u64>) {
            Some(Ok(said)) if said != found => {
                Err(self.damaged(format!("it counts {said} {what}, and there are {found}")))
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), AckError> {
        self.close_message()?;
        self.at += 1;
        if self.at == 1 {
            return Err(self.damaged("the file is empty"));
        }
        for (level, trailer) in [(self.batch, "BTS"), (self.file, "FTS")] {
            if matches!(level, Level::Open(_)) {
                return Err(
                    self.damaged(format!("the file ends without {trailer}: it was cut off"))
                );
            }
        }
        Ok(())
    }
}

/// Returns a value as text, cut to what IDs may have.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(value.trim_ascii())).chars().take(80).collect()
}

/// Returns the receiver's own words, on one line and without control characters.
fn words(value: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&unescape(value)).into_owned();
    let text: String =
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_string())
}

/// Says where and what: `PV1-3: table value not found (103)`.
fn place_text(separators: Separators, place: &[u8], code: &[u8], field: usize) -> String {
    let part = |number| {
        let value = separators.component(place, number).trim_ascii();
        let good = !value.is_empty() && value.len() <= 4;
        (good && value.iter().all(u8::is_ascii_alphanumeric))
            .then(|| String::from_utf8_lossy(value).into_owned())
    };
    let mut said = match (part(1), part(field)) {
        (Some(segment), Some(field)) => format!("{segment}-{field}"),
        (Some(segment), None) => segment,
        (None, _) => String::new(),
    };
    if let Some(count) = part(2).filter(|count| count != "1" && !said.is_empty()) {
        said.push_str(&format!(" of the segment {count}"));
    }
    match (said.is_empty(), code.is_empty()) {
        (false, true) => said,
        (true, _) => condition_text(code),
        (false, false) => format!("{said}: {}", condition_text(code)),
    }
}

/// Says a code of table 0357, message error condition.
fn condition_text(code: &[u8]) -> String {
    let words = match code {
        b"0" => "message accepted",
        b"100" => "segments in the wrong order",
        b"101" => "a required field is missing",
        b"102" => "wrong data type",
        b"103" => "table value not found",
        b"200" => "message type not supported",
        b"201" => "event code not supported",
        b"202" => "processing ID not supported",
        b"203" => "HL7 version not supported",
        b"204" => "unknown key identifier",
        b"205" => "duplicate key identifier",
        b"206" => "application record locked",
        b"207" => "an error inside the receiver's application",
        _ => "",
    };
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let plain = !code.is_empty() && code.len() <= 12 && code.iter().all(good);
    match (words, plain) {
        ("", false) => "an error that has no code".to_string(),
        ("", true) => {
            format!("code {}, which is the receiver's own", String::from_utf8_lossy(code))
        }
        (words, _) => format!("{words} ({})", String::from_utf8_lossy(code)),
    }
}

/// What a refusal means where nothing more is said (table 0008).
const fn condition_of(code: AckCode) -> &'static str {
    match code {
        AckCode::Ae => "the receiver's application found an error and did not say which",
        AckCode::Ar => "the receiver's application rejected it and did not say why",
        AckCode::Ce => "the receiver could not store it and did not say why",
        AckCode::Cr => "the receiver did not take it and did not say why",
        AckCode::Aa | AckCode::Ca => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<Vec<Part>, String> {
        let parts: Result<Vec<Part>, AckError> = Parts::of(text.as_bytes()).collect();
        parts.map_err(|err| err.to_string())
    }

    fn message(control: &str, code: AckCode, what: &str, said: &str) -> Part {
        let (what, said) = (what.to_string(), said.to_string());
        Part::Message(control.to_string(), Answer { control: 0, code, what, said })
    }

    const ONE: &str = "MSH|^~\\&|A|B|C|D|1||ACK^A28^ACK|1|T|2.3.1\rMSA|AA|7M99999\r";

    #[test]
    fn a_file_is_read_with_its_wrappers_or_without() {
        let wrapped = format!(
            "FHS|^~\\&|A|B|C|D|1||ACK||1|20260520110000000042\rBHS|^~\\&|||||||||9|77\r{ONE}\
             BTS|1\rFTS|1\r"
        );
        let [file, batch] = [Part::File("20260520110000000042".into()), Part::Batch("77".into())];
        let one = message("7M99999", AckCode::Aa, "", "");
        assert_eq!(parts(&wrapped).unwrap(), [file.clone(), batch.clone(), one.clone()]);
        assert_eq!(parts(ONE).unwrap(), std::slice::from_ref(&one));
        assert_eq!(parts(&format!("{ONE}{ONE}")).unwrap(), [one.clone(), one.clone()]);
        let lines = wrapped.replace('\r', "\r\n").replace("BTS|1", "BTS").replace("FTS|1", "FTS|");
        assert_eq!(parts(&format!("\u{feff}{lines}\n")).unwrap(), [file, batch, one.clone()]);
        // Framed as on a line, with an ending of its own, and a simple ACK.
        let framed =
            format!("\u{b}{}\u{1c}\r", ONE.replace("ACK^A28^ACK", "ack").replace('\r', "\n"));
        assert_eq!(parts(&framed).unwrap(), [one]);
        // An empty batch accepts everything.
        let empty = "BHS|^~\\&|||||||||9|77\rBTS|0\r";
        assert_eq!(parts(empty).unwrap(), [Part::Batch("77".into())]);
    }

    #[test]
    fn what_was_wrong_is_told_in_words_and_theirs_is_kept_apart() {
        let told = |msa: &str, rest: &str| {
            let text = format!("MSH|^~\\&|A|B|C|D|1||ACK|1|T|2.5\r{msa}\r{rest}");
            match parts(&text).unwrap().remove(0) {
                Part::Message(_, answer) => (answer.what, answer.said),
                other => panic!("{other:?}"),
            }
        };
        for (msa, rest, what, said) in [
            (
                "MSA|AE|7M1|Unknown department 12",
                "ERR|PV1^1^3^103\r",
                "PV1-3: table value not found (103)",
                "Unknown department 12",
            ),
            (
                "MSA|AE|7M1",
                "ERR|PID^1^5^101~NK1^2^2^102&wrong&HL70357\r",
                "PID-5: a required field is missing (101); NK1-2 of the segment 2: wrong data \
                 type (102)",
                "",
            ),
            (
                "MSA|CR|7M1",
                "ERR||PV1^1^3^1^2|103^Table value not found^HL70357|E|||no \\T\\ such|Dr. Who\r",
                "PV1-3: table value not found (103)",
                "no & such; Dr. Who",
            ),
            ("MSA|AR|7M1||||207^x", "", "an error inside the receiver's application (207)", "x"),
            ("MSA|AE|7M1", "ERR|^^^X-9\r", "code X-9, which is the receiver's own", ""),
            ("MSA|AE|7M1", "ERR|^^^Jane Doe\r", "an error that has no code", ""),
            ("MSA|AE|7M1", "ERR|JaneDoe^1^Smithers^103\r", "table value not found (103)", ""),
            ("MSA|AE|7M1", "", condition_of(AckCode::Ae), ""),
            ("MSA|AA|7M1|fine", "", "", "fine"),
        ] {
            assert_eq!(told(msa, rest), (what.to_string(), said.to_string()), "{msa} {rest}");
        }
        let long = format!("MSA|AE|7M1|{}", "x".repeat(5000));
        assert_eq!(told(&long, "").1.len(), SAID_CHARS_MAX);
    }

    #[test]
    fn what_cannot_be_trusted_is_refused_with_its_segment() {
        let (fhs, bhs) = ("FHS|^~\\&|A\r", "BHS|^~\\&|A\r");
        for (text, what) in [
            (String::new(), "segment 1: the file is empty"),
            ("\r\n\r\n".into(), "segment 1: the file is empty"),
            ("<html>".into(), "segment 1: no FHS, BHS or MSH begins it, so this is no HL7"),
            ("FHS".into(), "segment 1: its header declares no separators"),
            (format!("{ONE}{fhs}"), "segment 3: FHS is not the first segment"),
            (
                format!("{fhs}{bhs}{ONE}BTS|1\r"),
                "segment 6: the file ends without FTS: it was cut off",
            ),
            (format!("{bhs}{ONE}"), "segment 4: the file ends without BTS: it was cut off"),
            (format!("{bhs}{ONE}BTS|2\r"), "segment 4: it counts 2 messages, and there are 1"),
            (
                format!("{fhs}{bhs}BTS|0\rFTS|2\r"),
                "segment 4: it counts 2 batches, and there are 1",
            ),
            (format!("{bhs}{bhs}"), "segment 2: BTS is missing before it"),
            (format!("{fhs}{bhs}FTS|1\r"), "segment 3: BTS is missing before it"),
            (format!("{ONE}BTS|1\r"), "segment 3: BHS is missing before it"),
            (format!("{fhs}FTS|0\r{bhs}"), "segment 3: it stands behind FTS"),
            (format!("{fhs}FTS|0\r{ONE}"), "segment 3: it stands behind FTS"),
            (
                ONE.replace("ACK^A28^ACK", "ADT^A28"),
                "segment 1: MSH-9 does not say ACK, so this message answers nothing",
            ),
            (ONE.replace("MSA|", "PID|"), "segment 1: the message that begins here has no MSA"),
            (
                ONE.replace("|AA|", "|OK|"),
                "segment 2: MSA-1 is none of AA, AE, AR, CA, CE and CR (table 0008)",
            ),
            (ONE.replace("7M99999", ""), "segment 2: MSA-2 is empty: no message is named"),
            (format!("{ONE}MSA|AA|8M99999\r"), "segment 3: a second MSA in one message"),
            (format!("{fhs}MSA|AA|8\r"), "segment 2: MSH is missing before MSA"),
            (
                format!("{fhs}{}", "x".repeat(70_000)),
                "segment 2: it is longer than 64 KiB, so this is no acknowledgement",
            ),
        ] {
            assert_eq!(parts(&text).unwrap_err(), what, "{text:.80}");
        }
    }

    #[test]
    fn the_golden_acknowledgement_is_cut_nowhere_without_notice() {
        let golden = format!(
            "FHS|^~\\&|A|B|C|D|1||ACK||1|42\rBHS|^~\\&|||||||||9|77\r{}BTS|1\rFTS|1\r",
            ONE.replace("|AA|", "|AE|")
        );
        parts(&golden).unwrap();
        // Only what follows the `FTS` itself may be lost.
        for cut in 0..golden.len() - "|1\r".len() {
            assert!(parts(&golden[..cut]).is_err(), "cut at {cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = Parts::of(bytes.as_slice()).count();
        }

        #[test]
        fn no_mixture_of_segments_makes_the_reader_panic(
            which in proptest::collection::vec((0_usize..7, ".{0,20}"), 0..12)
        ) {
            let names = ["FHS|^~\\&", "BHS|^~\\&", "MSH|^~\\&", "MSA|", "ERR|", "BTS|", "FTS|"];
            let text: String =
                which.iter().map(|(at, more)| format!("{}{more}\r", names[*at])).collect();
            let _ = Parts::of(text.as_bytes()).count();
        }
    }
}
