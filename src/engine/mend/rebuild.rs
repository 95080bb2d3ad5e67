//! A new batch file of messages that were delivered: new control IDs and file number, the
//! rest as it was, and FHS-12 and BHS-12 say what it was first (`interface.md` 3.5).
//!
//! The vendor gets what was true then; whoever asks for it knows what they have got since.

use std::collections::HashSet;

use super::earlier::earlier;
use super::segments::{Segments, field};
use super::{Mended, refused};
use crate::batch::Envelope;
use crate::convert::Output;
use crate::disk;
use crate::domain::Kind;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::engine::selfcheck;
use crate::engine::writer::Writer;
use crate::ledger::{BatchRow, Ledger, Sign, Stage};

/// Bytes of messages that are put into the file at once.
const BUFFER: usize = 1 << 20;

/// Makes a new file of a delivered batch, or of some messages of it.
pub fn rebuild(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    name: &str,
    messages: &[String],
    request: &str,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    let Some(old) = ledger.batch(name)?.filter(|old| !old.is_manifest()) else {
        return refused(format!("there is no batch {name} that has messages"));
    };
    if let Some((made, ..)) = ledger.rebuilt()?.into_iter().find(|(.., asked)| asked == request) {
        return refused(format!("this request was carried out before, as batch {made}"));
    }
    let rows = ledger.deliveries(old.number)?;
    if let Some(row) = rows.iter().find(|row| row.stage != Stage::Delivered) {
        return refused(format!(
            "{name} to {} is {}: only what was delivered is made anew; see `hl7drop delivery`",
            row.endpoint, row.stage
        ));
    }
    let path = engine.whole_batch(&old)?;
    let numbers = ledger.numbers()?;
    let clock = engine.clock.civil(&engine.agreement.scope.timezone);
    let envelope = Envelope::new(&engine.agreement.scope, numbers.file, clock);
    let envelope = envelope.again(earlier(&path)?);
    let new = envelope.file_name().to_string();
    let staged = engine.spool.staged.join(&new);
    disk::remove(&staged)?;
    let mut writer = Writer::create(&staged, envelope, numbers.control)?;
    writer.hold_to(&engine.agreement.agreed);
    let mut wanted: HashSet<&[u8]> = messages.iter().map(String::as_bytes).collect();
    let line_ending = engine.agreement.scope.wire.line_ending.bytes();
    let some = !messages.is_empty();
    let mut copy = Copy { writer: &mut writer, line_ending, output: Output::default(), kind: None };
    let (mut segments, mut segment, mut takes) = (Segments::open(&path)?, Vec::new(), false);
    while segments.next(&mut segment)? {
        match segment.get(..3) {
            Some(b"FHS" | b"BHS" | b"BTS" | b"FTS") => {}
            Some(b"MSH") => {
                takes = !some || wanted.remove(field(&segment, 10));
                if takes {
                    copy.begin(&segment)?;
                }
            }
            _ if takes => copy.add(&segment),
            _ => {}
        }
    }
    copy.flush()?;
    if !wanted.is_empty() {
        drop(writer);
        disk::remove(&staged)?;
        let missing = wanted.len();
        return refused(format!("{missing} of the control IDs are in no message of {name}"));
    }
    let Some(written) = writer.finish(false)?.pop() else {
        return refused(format!("{name} holds no message"));
    };
    selfcheck::around(std::slice::from_ref(&written))?;
    let batch = BatchRow {
        number: numbers.file,
        name: new.clone(),
        digest: written.digest.ok_or(EngineError::NoDigest)?,
        bytes: written.bytes,
        first_control: numbers.control,
        messages: written.messages,
        made_at: engine.clock.unix(),
    };
    let known = |name: &&str| engine.agreement.scope.endpoint(name).is_some();
    let endpoints: Vec<&str> = rows.iter().map(|row| row.endpoint.as_str()).filter(known).collect();
    if endpoints.is_empty() {
        return refused(format!("the settings know no endpoint that {name} went to any more"));
    }
    ledger.commit_rebuilt(&batch, old.number, &endpoints, request, sign)?;
    disk::shift(&staged, &engine.spool.outbox.join(&new))?;
    Ok(Mended { records: batch.messages, batch: Some(new), ..Mended::default() })
}

/// Copies messages, and leaves the places of their control IDs open.
struct Copy<'a> {
    writer: &'a mut Writer,
    line_ending: &'static [u8],
    output: Output,
    kind: Option<Kind>,
}

impl Copy<'_> {
    fn begin(&mut self, msh: &[u8]) -> Result<(), EngineError> {
        let siu = field(msh, 9).starts_with(b"SIU");
        let kind = Some(if siu { Kind::Appointment } else { Kind::Patient });
        if kind != self.kind || self.output.bytes.len() >= BUFFER {
            self.flush()?;
            self.kind = kind;
        }
        let out = &mut self.output;
        for (at, part) in msh.split(|&byte| byte == b'|').enumerate() {
            if at > 0 {
                out.bytes.push(b'|');
            }
            // MSH-10: the separator itself is MSH-1.
            match at {
                9 => out.slots.push(out.bytes.len()),
                _ => out.bytes.extend_from_slice(part),
            }
        }
        out.bytes.extend_from_slice(self.line_ending);
        Ok(())
    }

    fn add(&mut self, segment: &[u8]) {
        self.output.bytes.extend_from_slice(segment);
        self.output.bytes.extend_from_slice(self.line_ending);
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        if let Some(kind) = self.kind {
            self.writer.append(kind, &self.output)?;
        }
        self.output.clear();
        Ok(())
    }
}
