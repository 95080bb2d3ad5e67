//! One message, whole: its bytes, its fields by HL7's names with the rule that makes each,
//! the row it came from, and all that happened to it.
//!
//! What is patient data is only here. A file that somebody took away makes its part a
//! sentence, and the rest is shown all the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::EngineError;
use super::pass::Engine;
use super::query::{Hit, Locator};
use super::source::Source;
use crate::convert::Bound;
use crate::disk::failed;
use crate::domain::{Event, ExtractKind};
use crate::extract::Rows;
use crate::hl7::field_name;
use crate::hl7::unescape;
use crate::index::{Index, Place, Target};
use crate::ledger::{
    ActionRow, AnswerRow, Answers, DeliveryRow, DropRow, ExtractRow, History, Ledger, Sqlite,
};

/// Bytes of a row that are looked at to find an ID in it.
const ROW_BYTES: usize = 1 << 16;

/// Actions that are looked through for those on one batch, the newest.
const ACTIONS: u64 = 10_000;

/// One message or row, whole.
#[derive(Debug)]
pub struct Whole {
    /// What a search tells of it.
    pub hit: Hit,
    /// The message as it stands in its batch file; why not, where it cannot be had. None
    /// of a row that made none.
    pub raw: Option<Result<String, String>>,
    /// Its fields.
    pub fields: Vec<Field>,
    /// The record as it was dropped, or why it cannot be had.
    pub source: Result<String, String>,
    /// Its extract.
    pub extract: Option<ExtractRow>,
    /// How far its batch is to each endpoint, with the receipts.
    pub deliveries: Vec<DeliveryRow>,
    /// What receivers answered about it.
    pub answers: Vec<AnswerRow>,
    /// What people decided about its batch, newest first.
    pub actions: Vec<ActionRow>,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `PID-3`.
    pub path: String,
    /// HL7's name for it.
    pub name: &'static str,
    /// As it stands on the wire: patient data.
    pub value: String,
    /// The template that makes it now, as the map writes it; none of fields that the
    /// program itself writes, or where the extract is gone.
    pub rule: Option<String>,
}

impl Engine {
    /// Returns all of one message or row. Who shows it to somebody says so with
    /// [`Engine::viewed`] first.
    ///
    /// # Errors
    /// [`EngineError::NoMessage`], [`EngineError::NoIndex`], and those of the ledger.
    pub fn whole(&self, locator: Locator) -> Result<Whole, EngineError> {
        let gone = || EngineError::NoMessage { locator: locator.to_string() };
        let ledger = Sqlite::peek(&self.spool.ledger(), &self.owner())?.ok_or_else(gone)?;
        let row = ledger.drop_row(locator.drop)?.ok_or_else(gone)?;
        let index = Index::open(&self.spool.index_of(locator.drop));
        let index = index.map_err(|err| self.no_index(locator.drop, &err))?;
        let hit = self.hit(&ledger, &row, &index, locator.target)?.ok_or_else(gone)?;
        let place = self.place(&index, locator)?;
        let extract = row.extracts.get(usize::from(place.extract)).cloned();
        let mut whole = Whole {
            hit,
            raw: None,
            fields: Vec::new(),
            source: self.source_row(extract.as_ref(), &place),
            extract,
            deliveries: Vec::new(),
            answers: Vec::new(),
            actions: Vec::new(),
        };
        if let Target::Message(nth) = locator.target
            && let Some((batch, at)) = row.batch_of(nth)
        {
            let entry = index.message(nth).map_err(|err| self.no_index(locator.drop, &err))?;
            let raw = match self.batch_file(batch)? {
                None => Err(format!(
                    "batch file {} is neither in outbox/ nor in sent/: somebody took it away, \
                     or its time to be kept was over",
                    batch.name
                )),
                Some(path) => Ok(message_at(&path, entry.offset)?),
            };
            let raw = raw.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            if let Ok(text) = &raw {
                let rules = self.rules(whole.extract.as_ref(), entry.event);
                whole.fields = fields(text, &self.agreement.scope.wire.hl7_version, &rules);
            }
            let control = batch.first_control + at;
            whole.raw = Some(raw);
            whole.deliveries = ledger.deliveries(batch.number)?;
            whole.answers = ledger.answers(control, control)?;
            whole.actions = ledger.actions(ACTIONS)?;
            whole.actions.retain(|action| action.about.contains(&batch.name));
        }
        Ok(whole)
    }

    pub(super) fn no_index(&self, drop: u64, err: &dyn std::fmt::Display) -> EngineError {
        let file = self.spool.index_of(drop).display().to_string();
        EngineError::NoIndex { file, why: err.to_string() }
    }

    fn place(&self, index: &Index, locator: Locator) -> Result<Place, EngineError> {
        let read = match locator.target {
            Target::Message(nth) => index.message(nth).map(|entry| entry.place),
            Target::Row(nth) => index.row(nth).map(|entry| entry.place),
        };
        read.map_err(|err| self.no_index(locator.drop, &err))
    }

    /// Reads the record from the archive, or says why it cannot be had.
    fn source_row(&self, extract: Option<&ExtractRow>, place: &Place) -> Result<String, String> {
        let extract = extract.filter(|_| place.record > 0).ok_or_else(|| {
            "which row it came from is not known: the index was made anew without its extract"
                .to_string()
        })?;
        let name = &extract.extract.name;
        let path = self.extract_file(extract).map_err(|err| err.to_string())?.ok_or_else(|| {
            format!(
                "the extract {name} is not in archive/ any more: somebody took it away, or its \
                 time to be kept was over"
            )
        })?;
        let source = Source::unpromised(&path, name, extract.extract.kind);
        let source = source.map_err(|err| format!("{name} cannot be opened: {err}"))?;
        let wrong = |err| format!("{name} cannot be read any more: {err}");
        let (layout, mut blocks) = source.open(&self.agreement.reading, None).map_err(wrong)?;
        while let Some(block) = blocks.next_block().map_err(wrong)? {
            if block.offset + (block.bytes.len() as u64) <= place.offset {
                blocks.reuse(block);
                continue;
            }
            let mut rows = Rows::new(&block, &layout);
            while let Some(row) = rows.next_row() {
                if block.offset + row.range.start as u64 == place.offset {
                    let text = String::from_utf8_lossy(&block.bytes[row.range.clone()]);
                    return Ok(text.trim_end().to_string());
                }
            }
            break;
        }
        Err(format!("{name} in archive/ has no such record: it is not as it was taken in"))
    }

    /// Returns the template of each field of an event, for the header of its extract.
    fn rules(&self, extract: Option<&ExtractRow>, event: Event) -> BTreeMap<String, String> {
        let bound = || {
            let extract = extract?;
            let path = self.extract_file(extract).ok()??;
            let kind = extract.extract.kind;
            let source = Source::unpromised(&path, &extract.extract.name, kind).ok()?;
            let (layout, _) = source.open(&self.agreement.reading, None).ok()?;
            let bound = match kind {
                ExtractKind::Appointments => Bound::Appointment(&layout, None),
                _ => Bound::Patient(&layout),
            };
            let clock = self.clock.civil(&self.agreement.scope.timezone);
            let programs = self.agreement.programs(bound, clock).ok()?;
            let mut rules = BTreeMap::new();
            for (path, text) in programs.of(event)?.rules() {
                rules.entry(path.to_string()).or_insert(text);
            }
            Some(rules)
        };
        bound().unwrap_or_default()
    }

    /// True if the row that an entry names has these IDs among its values. One that lies
    /// compressed is believed: to read every candidate of a page would take minutes.
    pub(super) fn row_has(
        &self,
        row: &DropRow,
        index: &Index,
        target: Target,
        ids: &[&String],
    ) -> Result<bool, EngineError> {
        let place = self.place(index, Locator { drop: row.number, target })?;
        let Some(extract) = row.extracts.get(usize::from(place.extract)) else { return Ok(true) };
        let Some(path) = self.extract_file(extract)? else { return Ok(true) };
        let source = Source::unpromised(&path, &extract.extract.name, extract.extract.kind);
        let is_text = source.ok().and_then(|it| it.is_text(&self.agreement.reading).ok());
        if is_text != Some(true) {
            return Ok(true);
        }
        let mut bytes = vec![0; ROW_BYTES];
        let read = File::open(&path).and_then(|file| file.read_at(&mut bytes, place.offset));
        bytes.truncate(read.map_err(failed("read", &path))?);
        Ok(ids.iter().all(|id| row_contains(&bytes, id.trim())))
    }
}

/// True if the first record of these bytes has a value that is the ID, whatever stands
/// between its values.
fn row_contains(bytes: &[u8], id: &str) -> bool {
    let of = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        reader.read_byte_record(&mut record).unwrap_or(false)
            && record.iter().any(|value| value.trim_ascii() == id.as_bytes())
    };
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let json = || {
        let values = line.split(|byte| matches!(byte, b'"' | b':' | b',' | b'}' | b' '));
        line.starts_with(b"{") && values.into_iter().any(|value| value == id.as_bytes())
    };
    b",\t|;".iter().any(|delimiter| of(*delimiter)) || json()
}

/// Reads the message that begins at `offset` of a batch file, with its terminators.
pub(super) fn message_at(path: &Path, offset: u64) -> Result<Vec<u8>, EngineError> {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut file = BufReader::with_capacity(8192, file);
        let mut message = Vec::new();
        loop {
            let begin = message.len();
            let more = file.read_until(b'\r', &mut message)?;
            let name = message.get(begin..begin + 3).unwrap_or_default();
            let ends = begin > 0 && matches!(name, b"MSH" | b"BHS" | b"BTS" | b"FTS");
            if more == 0 || ends {
                message.truncate(begin);
                return Ok(message);
            }
        }
    };
    Ok(read().map_err(failed("read", path))?)
}

/// True if one value of a message is this one.
pub(super) fn has_component(message: &[u8], value: &str) -> bool {
    let parts = message.split(|byte| matches!(byte, b'|' | b'^' | b'~' | b'&' | b'\r'));
    let mut parts = parts.filter(|part| part.len() >= value.len());
    parts.any(|part| part == value.as_bytes() || unescape(part) == value.as_bytes())
}

/// Takes a message apart; fields without a value are left out.
fn fields(message: &str, version: &str, rules: &BTreeMap<String, String>) -> Vec<Field> {
    let mut found = Vec::new();
    for segment in message.split('\r').filter(|segment| segment.len() > 3) {
        let mut values: Vec<&str> = segment.split('|').collect();
        let name = values.remove(0);
        if name == "MSH" {
            values.insert(0, "|");
        }
        for (at, value) in values.into_iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            let path = format!("{name}-{}", at + 1);
            let rule = rules.get(&path).cloned();
            let name = field_name(version, name, at + 1);
            found.push(Field { path, name, value: value.to_string(), rule });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_whole_value_of_a_row_whatever_its_form() {
        assert!(row_contains(b"7,\"Doe\nJon\",12\n8,Roe,13\n", "12"));
        assert!(!row_contains(b"7,\"Doe\nJon\",12\n8,Roe,13\n", "13"), "the next row's");
        assert!(!row_contains(b"7,Doe,120\n", "12"));
        assert!(row_contains(b"7\tDoe\t12\r\n", "12") && row_contains(b"7|Doe|12\n", "7"));
        assert!(row_contains(b"{\"patientid\": 12, \"a\":\"x\"}\n", "12"));
        assert!(!row_contains(b"{\"patientid\": 123}\n{\"patientid\": 12}\n", "12"));
    }

    #[test]
    fn a_value_of_a_message_is_whole_and_unescaped() {
        let message = b"MSH|^~\\&|A\rPID|1||9^^^X~A\\T\\8||Doe\r";
        assert!(has_component(message, "9") && has_component(message, "A&8"));
        assert!(!has_component(message, "8") && !has_component(message, "Do"));
    }

    #[test]
    fn fields_have_their_numbers_and_names() {
        let rules = [("PID-3".to_string(), "{patientid}".to_string())].into();
        let found = fields("MSH|^~\\&|A\rPID|1||9\r", "2.3.1", &rules);
        let paths: Vec<&str> = found.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["MSH-1", "MSH-2", "MSH-3", "PID-1", "PID-3"]);
        let pid = found.last().unwrap();
        assert_eq!((pid.name, pid.value.as_str()), ("Patient Identifier List", "9"));
        assert_eq!(pid.rule.as_deref(), Some("{patientid}"));
    }
}
