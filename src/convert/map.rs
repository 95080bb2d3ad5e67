//! The field map: `config/mapping.toml` as read, then as one interface agreed on it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::column::Translating;
use super::tables::Tables;
use super::template::{Template, TemplateError};
use crate::domain::{CHOICES, ExternalId, Kind, Mapped, MappingRow, Scope, Translations};
use crate::hl7::Path;

/// Which column feeds which field, for one interface.
#[derive(Clone, Debug)]
pub struct Map {
    /// In the order in which a message writes them.
    pub segments: Vec<SegmentRule>,
    /// Values that mean "no value", lower case, by column; `*` is every column.
    pub blank: BTreeMap<String, Vec<String>>,
    /// The code tables.
    pub(super) tables: Tables,
    /// What people mapped.
    pub translations: Translations,
}

/// One segment of a message.
#[derive(Clone, Debug)]
pub struct SegmentRule {
    /// Its three letters.
    pub name: [u8; 3],
    /// The families that have it.
    pub kinds: Vec<Kind>,
    /// True if its columns are the patient's, in SIU messages too.
    pub patient: bool,
    /// Written only if one of these has a value; none: always.
    pub when: Vec<String>,
    /// Written only if none of these has one.
    pub unless: Vec<String>,
    /// Fault if one of `lone_columns` has a value, but none of `when`.
    pub lone: Option<String>,
    /// See `lone`.
    pub lone_columns: Vec<String>,
    /// Fault if it is written, but the one before it in its count is not.
    pub after: Option<String>,
    /// Fault if it is written, and a day has passed.
    pub past: Option<PastRule>,
    /// How often it is tried, with `#` counting.
    pub times: u32,
    /// Its fields, ascending.
    pub fields: BTreeMap<u8, FieldRule>,
    /// Fields that are different for a trigger event.
    pub only: BTreeMap<String, BTreeMap<u8, FieldRule>>,
    /// Written only where `[fields]` chose one of these words; none: always.
    chosen: Vec<String>,
    /// Fields that are different where `[fields]` chose this word.
    with: BTreeMap<String, BTreeMap<u8, FieldRule>>,
    /// Fields that are different from an HL7 version on, oldest first.
    since: Vec<(usize, BTreeMap<u8, FieldRule>)>,
}

/// A segment is at fault once the day in a column of its has passed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastRule {
    /// The fault.
    pub fault: String,
    /// The column.
    pub column: String,
}

/// How many insurances a patient's record has.
const INSURANCES: u32 = 3;

/// The HL7 versions that are spoken, oldest first.
pub(super) const VERSIONS: &[&str] = &["2.3.1", "2.4", "2.5", "2.5.1"];

/// One field: its templates, the first that gives a value wins.
#[derive(Clone, Debug)]
pub struct FieldRule {
    /// As written, for `--explain`.
    pub text: Vec<String>,
    /// As parsed.
    pub templates: Vec<Template>,
}

/// What is wrong with a map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The text is not such a file.
    #[error("mapping: {0}")]
    Text(String),
    /// A template cannot be read or compiled.
    #[error("mapping of {field}: {what}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMap {
    #[serde(default)]
    blank: BTreeMap<String, Vec<String>>,
    segment: Vec<RawSegment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSegment {
    name: String,
    r#in: Vec<String>,
    #[serde(default)]
    patient: bool,
    #[serde(default)]
    when: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    lone: Option<String>,
    #[serde(default)]
    lone_columns: Vec<String>,
    after: Option<String>,
    past: Option<PastRule>,
    times: Option<u32>,
    fields: BTreeMap<String, toml::Value>,
    #[serde(default)]
    only: BTreeMap<String, BTreeMap<String, toml::Value>>,
    #[serde(default)]
    chosen: Vec<String>,
    #[serde(default)]
    with: BTreeMap<String, BTreeMap<String, toml::Value>>,
    #[serde(default)]
    since: BTreeMap<String, BTreeMap<String, toml::Value>>,
}

impl Map {
    /// Reads a map; the standard one is `config/mapping.toml`.
    ///
    /// # Errors
    /// [`MapError`] names the field.
    pub fn read(text: &str) -> Result<Map, MapError> {
        let raw: RawMap = toml::from_str(text).map_err(|err| MapError::Text(err.to_string()))?;
        Ok(Map {
            segments: raw.segment.into_iter().map(segment).collect::<Result<_, _>>()?,
            blank: blank(raw.blank),
            tables: Tables::default(),
            translations: Translations::default(),
        })
    }

    /// Returns the embedded map as this interface agreed on it: its external IDs and
    /// its own rows put in.
    ///
    /// # Errors
    /// A row of `[[mapping]]` that is no template, or for a segment we do not send.
    pub fn agreed(scope: &Scope) -> Result<Map, MapError> {
        let mut map = Map::read(include_str!("../../config/mapping.toml"))?;
        map.speak(&scope.wire.hl7_version);
        map.choose(&scope.fields);
        map.tables = Tables::agreed(&scope.codes);
        for id in &scope.patient_ids {
            map.put_external_id(id, true)?;
        }
        for id in &scope.appointment_ids {
            map.put_external_id(id, false)?;
        }
        for row in &scope.mapping {
            map.put_row(row)?;
        }
        Ok(map)
    }

    /// Takes the fields of every version up to the one that is spoken.
    fn speak(&mut self, version: &str) {
        let spoken = VERSIONS.iter().position(|known| *known == version).unwrap_or_default();
        for segment in &mut self.segments {
            for (since, fields) in std::mem::take(&mut segment.since) {
                if since <= spoken {
                    segment.fields.extend(fields);
                }
            }
        }
    }

    /// Takes the segments and fields of every word that was chosen.
    fn choose(&mut self, chosen: &BTreeSet<String>) {
        self.segments.retain(|segment| {
            segment.chosen.is_empty() || segment.chosen.iter().any(|word| chosen.contains(word))
        });
        for segment in &mut self.segments {
            for (word, fields) in std::mem::take(&mut segment.with) {
                if chosen.contains(&word) {
                    segment.fields.extend(fields);
                }
            }
        }
    }

    /// Puts an external ID into its field (`interface.md` 8.4, 8.5): in PID-3 after
    /// athenaNet's own, elsewhere instead of the default, which stays for records
    /// without one.
    fn put_external_id(&mut self, id: &ExternalId, patient: bool) -> Result<(), MapError> {
        let (field, target) = (id.target.field, id.target);
        let wrong =
            |what: &str| MapError::Field { field: field.to_string(), what: what.to_string() };
        // Neither a segment that comes more than once nor one that all messages have.
        let takes = |segment: &SegmentRule| {
            let own = match patient {
                true => segment.patient,
                false => segment.kinds == [Kind::Appointment],
            };
            own && segment.when.is_empty() && segment.times == 1
        };
        let others = self.names_of(takes);
        let segment = self.segments.iter_mut().find(|one| one.is(field) && takes(one));
        let segment = segment.ok_or_else(|| {
            wrong(&format!("no external ID goes there; write a field of {others}"))
        })?;
        let number = u8::try_from(field.field()).map_err(|_| wrong("no such field"))?;
        let text = external_id(id);
        let mut rules: Vec<&mut FieldRule> =
            segment.only.values_mut().filter_map(|fields| fields.get_mut(&number)).collect();
        rules.extend(segment.fields.get_mut(&number));
        let filled = rules.iter().any(|rule| !rule.text.is_empty());
        if filled && !target.listed && !target.replaces {
            let what = format!("it is filled already; write {field}! to put the ID there instead");
            return Err(wrong(&what));
        }
        for rule in rules {
            let text = if rule.text.is_empty() {
                vec![text.clone()]
            } else if target.replaces {
                std::iter::once(text.clone()).chain(rule.text.clone()).collect()
            } else {
                rule.text.iter().map(|one| format!("{one}~{text}")).collect()
            };
            *rule = field_rule(field, text)?;
        }
        if let Entry::Vacant(empty) = segment.fields.entry(number) {
            empty.insert(field_rule(field, vec![text])?);
        }
        Ok(())
    }

    /// Returns what people mapped the values of a column to, if they did; `instead` are
    /// the cells that count where it has none.
    pub(super) fn translating(
        &self,
        column: &str,
        instead: Vec<usize>,
    ) -> Option<Box<Translating>> {
        let table = self.translations.table(Mapped::of_column(column)?)?.clone();
        Some(Box::new(Translating { table, instead }))
    }

    fn put_row(&mut self, row: &MappingRow) -> Result<(), MapError> {
        let wrong =
            |what: &str| MapError::Field { field: row.field.to_string(), what: what.to_string() };
        let number = u8::try_from(row.field.field()).map_err(|_| wrong("no such field"))?;
        let rule = field_rule(row.field, row.value.clone())?;
        let mut found = false;
        for segment in self.segments.iter_mut().filter(|segment| segment.is(row.field)) {
            found = true;
            segment.only.values_mut().for_each(|fields| {
                fields.remove(&number);
            });
            if rule.templates.is_empty() {
                segment.fields.remove(&number);
            } else {
                segment.fields.insert(number, rule.clone());
            }
        }
        let others = self.names_of(|_| true);
        let lost = || wrong(&format!("no message has this segment; write a field of {others}"));
        if found { Ok(()) } else { Err(lost()) }
    }

    /// Returns the segments that are so, as a message names them, for people.
    fn names_of(&self, are: impl Fn(&SegmentRule) -> bool) -> String {
        let mut names: Vec<&str> =
            self.segments.iter().filter(|one| are(one)).map(SegmentRule::name).collect();
        names.dedup();
        names.join(", ")
    }
}

impl SegmentRule {
    fn is(&self, path: Path) -> bool {
        self.name == path.segment().as_bytes()
    }

    /// Returns the segment's name.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name).unwrap_or("???")
    }
}

/// Returns the template of an external ID: as CX or EI where such is listed, elsewhere
/// the value alone, in its component.
fn external_id(id: &ExternalId) -> String {
    let pad = if id.zero_pad { " pad" } else { "" };
    let width = id.width.map_or(String::new(), |width| format!(":width {width}{pad}"));
    let column = format!("{{customfield_{}{width}}}", id.custom_field_id);
    let field = id.target.field;
    if !id.target.listed {
        let before = field.component().unwrap_or(1).saturating_sub(1);
        return format!("{}{column}", "^".repeat(before));
    }
    match (field.segment(), id.authority.as_str()) {
        ("SCH", "") => column,
        ("SCH", authority) => format!("{column}^{authority}"),
        (_, authority) => format!("{column}^^^{authority}^{}", id.id_type),
    }
}

/// Returns the blank words of each column: a row is for all columns that it names, and
/// `#` in a name is 1, 2 and 3.
fn blank(rows: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let mut blank: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (names, words) in rows {
        for name in names.split_whitespace() {
            let counts = if name.contains('#') { 1..=INSURANCES } else { 1..=1 };
            for count in counts {
                let words = words.iter().map(|word| word.to_lowercase());
                blank.entry(name.replace('#', &count.to_string())).or_default().extend(words);
            }
        }
    }
    blank
}

fn segment(raw: RawSegment) -> Result<SegmentRule, MapError> {
    let wrong = |what: String| MapError::Field { field: raw.name.clone(), what };
    let name: [u8; 3] =
        raw.name.as_bytes().try_into().map_err(|_| wrong("a segment has three letters".into()))?;
    let kinds = raw
        .r#in
        .iter()
        .map(|word| match word.as_str() {
            "ADT" => Ok(Kind::Patient),
            "SIU" => Ok(Kind::Appointment),
            other => Err(wrong(format!("`{other}` is neither ADT nor SIU"))),
        })
        .collect::<Result<_, _>>()?;
    let mut since = Vec::new();
    for (version, raw) in raw.since {
        let at = VERSIONS.iter().position(|known| *known == version);
        let at = at.ok_or_else(|| wrong(format!("`{version}` is no HL7 version of ours")))?;
        since.push((at, fields(name, raw)?));
    }
    since.sort_by_key(|(at, _)| *at);
    for choice in raw.with.keys().chain(&raw.chosen) {
        let known = CHOICES.iter().any(|(key, words)| {
            choice.split_once('=').is_some_and(|(name, word)| name == *key && words.contains(&word))
        });
        if !known {
            return Err(wrong(format!("`{choice}` is no choice of [fields]")));
        }
    }
    let with = raw.with.into_iter().map(|(choice, raw)| Ok((choice, fields(name, raw)?)));
    let with = with.collect::<Result<_, MapError>>()?;
    Ok(SegmentRule {
        name,
        chosen: raw.chosen,
        with,
        since,
        kinds,
        patient: raw.patient,
        when: raw.when,
        unless: raw.unless,
        lone: raw.lone,
        lone_columns: raw.lone_columns,
        after: raw.after,
        past: raw.past,
        times: raw.times.unwrap_or(1),
        fields: fields(name, raw.fields)?,
        only: raw
            .only
            .into_iter()
            .map(|(trigger, raw)| Ok((trigger, fields(name, raw)?)))
            .collect::<Result<_, _>>()?,
    })
}

fn fields(
    segment: [u8; 3],
    raw: BTreeMap<String, toml::Value>,
) -> Result<BTreeMap<u8, FieldRule>, MapError> {
    let mut fields = BTreeMap::new();
    for (number, value) in raw {
        let name = format!("{}-{number}", String::from_utf8_lossy(&segment));
        let wrong = |what: &str| MapError::Field { field: name.clone(), what: what.to_string() };
        let path: Path = name.parse().map_err(|_| wrong("not a field number"))?;
        let text = match value {
            toml::Value::String(text) => Some(vec![text]),
            toml::Value::Array(list) => {
                list.iter().map(|item| item.as_str().map(str::to_string)).collect()
            }
            _ => None,
        };
        let text = text.ok_or_else(|| wrong("a template or a list of templates is needed"))?;
        let number = u8::try_from(path.field()).map_err(|_| wrong("not a field number"))?;
        fields.insert(number, field_rule(path, text)?);
    }
    Ok(fields)
}

fn field_rule(field: Path, text: Vec<String>) -> Result<FieldRule, MapError> {
    let wrong =
        |err: TemplateError| MapError::Field { field: field.to_string(), what: err.to_string() };
    let templates =
        text.iter().map(|one| Template::parse(one).map_err(wrong)).collect::<Result<_, _>>()?;
    Ok(FieldRule { text, templates })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_map_reads_and_names_each_segment_of_the_grammar() {
        let map = Map::read(include_str!("../../config/mapping.toml")).unwrap();
        let order = |kind| -> Vec<&str> {
            map.segments
                .iter()
                .filter(|segment| segment.kinds.contains(&kind))
                .map(SegmentRule::name)
                .collect()
        };
        let adt = ["MSH", "EVN", "PID", "PD1", "NK1", "NK1", "PV1", "GT1", "IN1"];
        assert_eq!(order(Kind::Patient), adt);
        let siu = ["MSH", "SCH", "NTE", "NTE", "PID", "PD1", "PV1", "RGS", "AIG", "AIL", "AIP"];
        assert_eq!(order(Kind::Appointment), siu);
    }

    #[test]
    fn a_map_that_cannot_be_read_names_the_field() {
        let text = "[[segment]]\nname = 'PID'\nin = ['ADT']\nfields = { 5 = '{lastname' }\n";
        assert_eq!(
            Map::read(text).unwrap_err().to_string(),
            "mapping of PID-5: `{lastname`: `{` without `}`; write both"
        );
        let text = "[[segment]]\nname = 'PID'\nin = ['ORU']\nfields = {}\n";
        assert_eq!(
            Map::read(text).unwrap_err().to_string(),
            "mapping of PID: `ORU` is neither ADT nor SIU"
        );
    }
}
