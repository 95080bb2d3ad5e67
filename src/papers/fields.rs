//! The field specification: every field of every message, where its value comes from, and
//! what it looks like.

use std::collections::BTreeMap;

use super::examples::Examples;
use crate::codes::standard;
use crate::convert::{Map, Template};
use crate::domain::{Event, Kind, Scope};
use crate::hl7::{Path, field_name};

/// One field of one message family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLine {
    /// The segment, with its count where a message has two of different content.
    pub segment: String,
    /// The field.
    pub field: Path,
    /// The one trigger event that this line is for; none: all of the family.
    pub only: Option<String>,
    /// HL7's name for it.
    pub name: &'static str,
    /// The columns it comes from, or what else.
    pub source: String,
    /// The code table, with its coding system.
    pub table: String,
    /// The rule, as `config/mapping.toml` writes it.
    pub rule: String,
    /// What it looks like; empty where the sample has no value for it.
    pub example: String,
}

/// Returns the fields of a message family, in the order in which messages have them.
pub fn lines(scope: &Scope, map: &Map, examples: &Examples, kind: Kind) -> Vec<FieldLine> {
    let segments = map.segments.iter().filter(|segment| segment.kinds.contains(&kind));
    let mut count: BTreeMap<[u8; 3], usize> = BTreeMap::new();
    segments.clone().for_each(|segment| *count.entry(segment.name).or_default() += 1);
    let mut seen: BTreeMap<[u8; 3], usize> = BTreeMap::new();
    let mut lines = Vec::new();
    for segment in segments {
        let at = seen.entry(segment.name).or_default();
        *at += 1;
        let name = match count.get(&segment.name) {
            Some(2..) => format!("{} ({at})", segment.name()),
            _ => segment.name().to_string(),
        };
        let mut line = |number: u8, only: Option<&String>, text: &[String], of: &[Template]| {
            let field = Path::of_field(segment.name, number);
            let rule = text.join("  or  ");
            lines.push(FieldLine {
                segment: name.clone(),
                field,
                only: only.cloned(),
                name: field_name(&scope.wire.hl7_version, segment.name(), number.into()),
                source: source(of),
                table: table(of, scope),
                example: example(examples, kind, only, (field, &rule)),
                rule,
            });
        };
        let mut numbers: Vec<u8> = segment.fields.keys().copied().collect();
        numbers.extend(segment.only.values().flat_map(BTreeMap::keys));
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            if let Some(rule) = segment.fields.get(&number) {
                line(number, None, &rule.text, &rule.templates);
            }
            for (trigger, fields) in &segment.only {
                if let Some(rule) = fields.get(&number) {
                    line(number, Some(trigger), &rule.text, &rule.templates);
                }
            }
        }
    }
    lines.retain(|line| !line.rule.is_empty());
    lines
}

/// Returns where a field's value comes from, in words.
fn source(templates: &[Template]) -> String {
    let mut sources: Vec<String> = Vec::new();
    for expression in templates.iter().flat_map(Template::expressions) {
        let words = expression.sources.iter().map(|name| match name.strip_prefix('@') {
            Some("control_id") => "the next control ID".to_string(),
            Some("set") => "count".to_string(),
            Some("clock") => "time of the run".to_string(),
            Some("start") => "date, starttime".to_string(),
            Some("end") => "date, starttime, duration".to_string(),
            Some("charset") => "the message's character set".to_string(),
            Some(setting) => format!("setting {setting}"),
            None => name.clone(),
        });
        sources.extend(words);
        match (expression.function.as_str(), expression.arguments.first()) {
            ("person", Some(person)) => sources.push(format!("{person}*")),
            ("provider" | "resource", _) => sources.push("providers table".to_string()),
            ("place" | "department", _) => sources.push("departments table".to_string()),
            _ => {}
        }
    }
    let mut once: Vec<String> = Vec::new();
    sources.into_iter().for_each(|one| {
        if !once.contains(&one) {
            once.push(one)
        }
    });
    if once.is_empty() { "constant".to_string() } else { once.join(", ") }
}

/// Returns the code tables of a field, each with its coding system.
fn table(templates: &[Template], scope: &Scope) -> String {
    let coded = |function: &str| ["code", "coded", "each"].contains(&function);
    let mut tables: Vec<String> = Vec::new();
    for expression in templates.iter().flat_map(Template::expressions) {
        let Some(name) = expression.arguments.first().filter(|_| coded(&expression.function))
        else {
            continue;
        };
        let base = name.trim_end_matches("_b").trim_end_matches("_hl7");
        let own = scope.codes.get(base).and_then(|rules| rules.system.as_deref());
        let system = own.or(standard(name).map(|table| table.system())).unwrap_or_default();
        let table = if system.is_empty() { name.clone() } else { format!("{name} ({system})") };
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables.join(", ")
}

/// Returns an example of a field as its rule makes it, of the first event that has one.
fn example(
    examples: &Examples,
    kind: Kind,
    only: Option<&String>,
    (field, rule): (Path, &str),
) -> String {
    let of_kind = |event: &&Event| {
        event.kind() == kind && only.is_none_or(|only| event.telling().trigger == only)
    };
    let found = examples
        .iter()
        .filter(|(event, _)| of_kind(event))
        .find_map(|(_, fields)| fields.iter().find(|one| one.field == field && one.rule == rule));
    found.map(|one| one.value.clone()).unwrap_or_default()
}
