//! NDJSON: one record a line, in the nesting of athenaNet's API, read as if it were a
//! row of a flat extract.
//!
//! | in a record | read as |
//! |---|---|
//! | `"lastname": "A"` | column `lastname` |
//! | `"insurances": [{"sequencenumber": 1, "ircid": 7}]` | `insurance1_ircid` |
//! | `"customfields": [{"customfieldid": 21, "customfieldvalue": "x"}]` | `customfield_21` |
//! | `"race": ["2106-3", "1002-5"]` | `2106-3;1002-5` |
//! | `"appointmentnotes": [{"notetext": "a"}, {"notetext": "b"}]` | the lines `a` and `b` |
//! | `true`, `12`, `1.50` | the same text |
//! | `null` | no value |
//!
//! A file has no header, so it is read once to learn its names ([`Names`]), in the order
//! in which they first appear, whatever the number of workers. A number is kept as it is
//! written, never as a float: `0004471` cannot be a JSON number, `4471` may have been one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ExtractError;
use super::header::bind;
use super::reading::Reading;
use super::rows::{RowFault, shape_fault};
use crate::domain::{Code, ExtractKind, Layout, Name, Record};

/// Lists whose entries become columns of their own: insurances, then custom fields.
const LISTS: [&str; 3] = ["insurances", "customfields", "appointmentcustomfields"];

/// A JSON object: its names and values, both as they stand in the line.
struct Object<'l>(Vec<(Cow<'l, str>, &'l RawValue)>);

struct ObjectVisitor;

/// A name or a text; borrowed, unless it holds an escape.
struct Text<'l>(Cow<'l, str>);

struct TextVisitor;

impl<'de: 'l, 'l> Deserialize<'de> for Object<'l> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Object<'l>, D::Error> {
        from.deserialize_map(ObjectVisitor).map(Object)
    }
}

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            entries.push((name, map.next_value()?));
        }
        Ok(entries)
    }
}

impl<'de: 'l, 'l> Deserialize<'de> for Text<'l> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text<'l>, D::Error> {
        from.deserialize_str(TextVisitor).map(Text)
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_string()))
    }
}

/// Is given each name of a record and its value, as JSON.
type Put<'p> = dyn FnMut(&str, &str) -> Result<(), RowFault> + 'p;

/// Takes a record apart and hands out its values under the names that they have in a
/// flat extract.
fn walk(line: &str, put: &mut Put<'_>) -> Result<(), RowFault> {
    let Object(entries) = serde_json::from_str(line).map_err(|err| RowFault {
        code: Code::V005,
        column: format!("character {} of the line", err.column()),
    })?;
    let mut lists = [false; LISTS.len()];
    for (name, value) in &entries {
        let value = value.get();
        let list = LISTS.iter().position(|list| name.eq_ignore_ascii_case(list));
        let Some(list) = list.filter(|_| value.starts_with('[') || value == "null") else {
            put(name, value)?;
            continue;
        };
        if std::mem::replace(&mut lists[list], true) {
            return Err(fault(Code::V006, LISTS[list]));
        }
        let taken = match list {
            0 => insurances(value, put),
            _ => custom_fields(value, put),
        };
        taken.map_err(|err| err.of(LISTS[list]))?;
    }
    Ok(())
}

fn fault(code: Code, column: &str) -> RowFault {
    RowFault { code, column: column.to_string() }
}

/// What is wrong within a list: with a column that it has, or with itself.
enum ListFault {
    Row(RowFault),
    List(Code),
}

impl ListFault {
    fn of(self, list: &str) -> RowFault {
        match self {
            ListFault::Row(row) => row,
            ListFault::List(code) => fault(code, list),
        }
    }
}

impl From<RowFault> for ListFault {
    fn from(row: RowFault) -> ListFault {
        ListFault::Row(row)
    }
}

impl From<Code> for ListFault {
    fn from(code: Code) -> ListFault {
        ListFault::List(code)
    }
}

/// Reads a list of objects; `null` is an empty one.
fn objects(list: &str) -> Result<Vec<Object<'_>>, Code> {
    let objects: Option<Vec<Object<'_>>> = serde_json::from_str(list).map_err(|_| Code::V007)?;
    Ok(objects.unwrap_or_default())
}

fn insurances(list: &str, put: &mut Put<'_>) -> Result<(), ListFault> {
    let mut flat = String::new();
    for (insurance, place) in objects(list)?.iter().zip(1..) {
        let number = insurance.text("sequencenumber")?;
        let number = match number.as_bytes() {
            [] => Cow::Owned(format!("{place}")),
            [b'1'..=b'9'] => number,
            _ => return Err(Code::V007.into()),
        };
        for (name, value) in &insurance.0 {
            flat.clear();
            flat.extend(["insurance", &number, "_", name]);
            put(&flat, value.get())?;
        }
    }
    Ok(())
}

fn custom_fields(list: &str, put: &mut Put<'_>) -> Result<(), ListFault> {
    let mut flat = String::new();
    for field in objects(list)? {
        let id = field.text("customfieldid")?;
        if id.is_empty() {
            return Err(Code::V007.into());
        }
        let given = field.value("customfieldvalue")?;
        let given = given.filter(|value| !matches!(*value, "null" | "\"\""));
        let option = field.value("optionid")?;
        flat.clear();
        flat.extend(["customfield_", &id]);
        put(&flat, given.or(option).unwrap_or("null"))?;
    }
    Ok(())
}

impl<'l> Object<'l> {
    /// Returns the value of a name, which may stand there once.
    fn value(&self, name: &str) -> Result<Option<&'l str>, Code> {
        let mut found = self.0.iter().filter(|(one, _)| one.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.get());
        if found.next().is_some() { Err(Code::V006) } else { Ok(value) }
    }

    /// Returns the text of a name; empty if there is none.
    fn text(&self, name: &str) -> Result<Cow<'l, str>, Code> {
        match self.value(name)? {
            Some(value) => scalar(value).ok_or(Code::V007),
            None => Ok(Cow::Borrowed("")),
        }
    }
}

/// Returns the text of a value that is neither list nor object; of a text that cannot
/// be decoded (half a surrogate pair) there is none either.
fn scalar(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes() {
        [b'"', ..] => serde_json::from_str(value).ok().map(|Text(text)| text),
        [b'[' | b'{', ..] => None,
        b"null" => Some(Cow::Borrowed("")),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// The names of the records of one file, in the order in which they first appear.
#[derive(Default)]
pub(super) struct Names {
    places: HashMap<String, usize>,
    names: Vec<String>,
}

impl Names {
    /// Takes names that are known.
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n str>) -> Names {
        let names: Vec<String> = names.map(str::to_string).collect();
        Names { places: names.iter().cloned().zip(0..).collect(), names }
    }

    /// Learns the names of the records of a block; what is no record is passed over.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        for line in bytes.split(|byte| *byte == b'\n') {
            let Ok(line) = std::str::from_utf8(line) else { continue };
            // A bad record is told when it is read; what of it was good counts.
            let _ = walk(line, &mut |name, _| {
                if !self.places.contains_key(name) {
                    self.places.insert(name.to_string(), self.names.len());
                    self.names.push(name.to_string());
                }
                Ok(())
            });
        }
    }

    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns the layout of the records, as that of a header with these names would be.
    ///
    /// # Errors
    /// [`ExtractError::MissingNames`].
    pub(super) fn layout(
        &self,
        reading: &Reading,
        kind: ExtractKind,
    ) -> Result<Layout, ExtractError> {
        let bound = bind(reading, kind, b',', self.names.join(","), &self.names);
        let mut layout = bound.map_err(|err| match err {
            ExtractError::MissingColumns { columns } => ExtractError::MissingNames { columns },
            other => other,
        })?;
        let name = |(name, cell): (&String, usize)| {
            let id = layout.ids.iter().find(|id| id.cell == cell);
            let meaning = Name {
                cell,
                column: layout.column_at(cell).unwrap_or_default().to_string(),
                is_id: id.is_some(),
                leading_zeros: id.is_some_and(|id| id.leading_zeros),
            };
            (name.clone(), meaning)
        };
        layout.json = Some(self.names.iter().zip(0..).map(name).collect());
        Ok(layout)
    }
}

/// Reads records one by one under a layout.
#[derive(Debug, Default)]
pub(super) struct Cells {
    text: Vec<u8>,
    /// Where in `text` the value of each cell is, if it has one.
    spans: Vec<Option<(usize, usize)>>,
}

impl Cells {
    /// Reads one line into `record`, which then has a value for each cell; returns what
    /// is wrong with it.
    pub(super) fn read(
        &mut self,
        line: &[u8],
        layout: &Layout,
        record: &mut Record,
    ) -> Option<RowFault> {
        self.text.clear();
        self.spans.clear();
        self.spans.resize(layout.width, None);
        let wrong = match std::str::from_utf8(line) {
            Ok(line) => walk(line, &mut |name, value| self.put(name, value, layout)).err(),
            Err(_) => Some(fault(Code::V002, "")),
        };
        record.clear();
        for span in &self.spans {
            record.push(span.map_or(&[], |(from, to)| &self.text[from..to]));
        }
        wrong.or_else(|| shape_fault(record.values(), layout, false))
    }

    fn put(&mut self, name: &str, value: &str, layout: &Layout) -> Result<(), RowFault> {
        // Every name of the file has been learned, but for those behind what is wrong
        // with a record that is refused for it.
        let Some(name) = layout.json.as_ref().and_then(|names| names.get(name)) else {
            return Ok(());
        };
        let from = self.text.len();
        let Some(span) = self.spans.get_mut(name.cell).filter(|span| span.is_none()) else {
            return Err(fault(Code::V006, &name.column));
        };
        if !name.column.is_empty() {
            write(value, name, &mut self.text).map_err(|code| fault(code, &name.column))?;
        }
        *span = Some((from, self.text.len()));
        Ok(())
    }
}

/// Writes a value as the text of its cell.
fn write(value: &str, name: &Name, out: &mut Vec<u8>) -> Result<(), Code> {
    match value.as_bytes() {
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => out.extend_from_slice(text),
        [b'"', ..] => {
            let text = scalar(value).ok_or(Code::V002)?;
            if text.contains('\0') {
                return Err(Code::V003);
            }
            out.extend_from_slice(text.as_bytes());
        }
        b"null" => {}
        [b'[', ..] => list(value, name, out)?,
        [b'{', ..] => return Err(Code::V007),
        number @ [b'-' | b'0'..=b'9', ..] => {
            let whole = number.iter().all(u8::is_ascii_digit);
            if name.is_id && (name.leading_zeros || !whole) {
                return Err(Code::X003);
            }
            out.extend_from_slice(number);
        }
        word => out.extend_from_slice(word),
    }
    Ok(())
}

/// Writes a list, if the column takes one.
fn list(value: &str, name: &Name, out: &mut Vec<u8>) -> Result<(), Code> {
    let between = match name.column.as_str() {
        "race" => b';',
        "appointmentnotes" => b'\n',
        _ => return Err(Code::V007),
    };
    let entries: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| Code::V007)?;
    let mut first = true;
    for entry in entries {
        let mut entry = entry.get();
        if between == b'\n' && entry.starts_with('{') {
            let note: Object<'_> = serde_json::from_str(entry).map_err(|_| Code::V007)?;
            entry = note.value("notetext")?.ok_or(Code::V007)?;
        }
        if entry.starts_with(['[', '{']) {
            return Err(Code::V007);
        }
        if !first {
            out.push(between);
        }
        first = false;
        write(entry, name, out)?;
    }
    Ok(())
}
