//! All settings of an interface file, the defaults among them, key by key: what is shown,
//! compared and signed.
//!
//! This walks the file, not the checked scope, so that no setting can be forgotten: a key
//! that is added tomorrow is shown and signed tomorrow.

use serde::Deserialize;
use toml::Value;

use super::interface::DEFAULTS;
use super::problem::Problem;
use super::shape;

/// One setting of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The section; of a row with what tells it apart: `external_ids.patient[21]`.
    pub section: String,
    /// The key.
    pub key: String,
    /// The value, as TOML writes it.
    pub value: String,
    /// Whether the file says nothing else than the default.
    pub is_default: bool,
}

impl Setting {
    /// Returns the section without what tells its row apart.
    pub fn place(&self) -> String {
        let mut plain = String::new();
        let mut rest = self.section.as_str();
        while let Some((before, after)) = rest.split_once('[') {
            plain.push_str(before);
            rest = after.split_once(']').map_or("", |(_, after)| after);
        }
        plain + rest
    }

    /// Returns `section.key`, without what tells a row apart.
    pub fn path(&self) -> String {
        format!("{}.{}", self.place(), self.key)
    }

    /// Returns the value as text: without quotes where it is a text.
    pub fn text(&self) -> String {
        match self.value.parse::<Value>() {
            Ok(Value::String(text)) => text,
            _ => self.value.clone(),
        }
    }
}

/// Returns the settings of a file that was checked, in the order of the template.
///
/// # Errors
/// The text is not TOML, which a checked one is.
pub fn settings(text: &str) -> Result<Vec<Setting>, Vec<Problem>> {
    let table = shape::merged(text, DEFAULTS, &["enable"])?;
    let table = toml::Table::deserialize(toml::de::Deserializer::from(table))
        .map_err(|err| vec![Problem { line: 0, what: err.message().to_string() }])?;
    let mut settings = Vec::new();
    walk(&table, "", &mut settings);
    let defaults: toml::Table = toml::from_str(DEFAULTS).unwrap_or_default();
    for setting in &mut settings {
        let known = known(&defaults, &setting.place(), &setting.key);
        setting.is_default = known.is_some_and(|known| known.to_string() == setting.value);
    }
    let order = order();
    let rank = |setting: &Setting| {
        let place = setting.place();
        let of = |section: &str, key: &str| {
            order.iter().position(|(known, at)| known == section && at == key)
        };
        let section = order.iter().position(|(known, _)| *known == place);
        (section.unwrap_or(usize::MAX), of(&place, &setting.key).unwrap_or(usize::MAX))
    };
    settings.sort_by_cached_key(|one| {
        let (section, key) = rank(one);
        (section, one.section.clone(), key, one.key.clone())
    });
    Ok(settings)
}

/// Returns what `config/defaults.toml` says above a key; none: it has no default.
pub fn meaning(place: &str, key: &str) -> Option<String> {
    let (mut section, mut above) = (String::new(), String::new());
    let mut last = None;
    for line in DEFAULTS.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            above.push_str(if above.is_empty() { "" } else { " " });
            above.push_str(comment);
        } else if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_string();
            above.clear();
        } else {
            let is_key = line.split_once('=').is_some_and(|(name, _)| name.trim() == key);
            if is_key {
                if above != "As above." {
                    last = Some(above.clone());
                }
                if section == place {
                    return last;
                }
            }
            above.clear();
        }
    }
    None
}

fn known<'a>(defaults: &'a toml::Table, place: &str, key: &str) -> Option<&'a Value> {
    let mut table = defaults;
    for step in place.split('.') {
        table = match table.get(step)? {
            Value::Table(table) => table,
            Value::Array(rows) => rows.first()?.as_table()?,
            _ => return None,
        };
    }
    table.get(key)
}

fn walk(table: &toml::Table, section: &str, settings: &mut Vec<Setting>) {
    let join = |key: &str| match section {
        "" => key.to_string(),
        section => format!("{section}.{key}"),
    };
    for (key, value) in table {
        match value {
            Value::Table(inner) => walk(inner, &join(key), settings),
            Value::Array(rows) if rows.iter().all(Value::is_table) && !rows.is_empty() => {
                for (at, row) in rows.iter().filter_map(Value::as_table).enumerate() {
                    walk(row, &format!("{}[{}]", join(key), name_of(row, at)), settings);
                }
            }
            value => settings.push(Setting {
                section: section.to_string(),
                key: key.clone(),
                value: value.to_string(),
                is_default: false,
            }),
        }
    }
}

/// Returns what tells a row apart from the others, whichever place it has among them.
fn name_of(row: &toml::Table, at: usize) -> String {
    let known =
        ["custom_field_id", "field", "name", "extract", "by"].iter().find_map(|key| row.get(*key));
    match known {
        Some(Value::String(name)) => name.replace(['[', ']'], ""),
        _ => (at + 1).to_string(),
    }
}

/// Returns the sections and keys of the template, in its order.
fn order() -> Vec<(String, String)> {
    let (mut order, mut section) = (Vec::new(), String::new());
    for line in include_str!("../../config/interface.toml").lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if line.starts_with('[') {
            let end = line.find(']').unwrap_or(line.len());
            section = line[..end].trim_matches(['[', ']']).to_string();
        } else if let Some((key, _)) = line.split_once('=') {
            order.push((section.clone(), key.trim().to_string()));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, switched_on};
    use super::*;

    #[test]
    fn every_setting_is_there_with_its_default_and_its_meaning() {
        let settings = settings(GOOD).unwrap();
        let of = |path: &str| settings.iter().find(|one| one.path() == path).unwrap();
        assert_eq!(of("wire.receiving_application").text(), "RIDGE");
        assert!(!of("wire.receiving_application").is_default);
        assert_eq!(of("wire.hl7_version").value, "\"2.3.1\"");
        assert!(of("wire.hl7_version").is_default);
        assert_eq!(settings[0].path(), "project.interface", "the template's order");
        let meaning = meaning("connectivity.production", "verify").unwrap();
        assert!(meaning.starts_with("What is compared before the rename"), "{meaning}");
    }

    #[test]
    fn a_row_is_told_apart_by_what_it_is_about_not_by_its_place() {
        let row = |id: &str| {
            format!(
                "[[external_ids.patient]]\nname = \"x\"\ncustom_field_id = \"{id}\"\n\
                 category = \"c{id}\"\nfield = \"PID-3\"\n"
            )
        };
        let both = settings(&added(&(row("41") + &row("7")))).unwrap();
        let turned = settings(&added(&(row("7") + &row("41")))).unwrap();
        assert_eq!(both, turned);
        let one = both.iter().find(|one| one.section == "external_ids.patient[41]").unwrap();
        assert_eq!(
            (one.place(), one.path()),
            ("external_ids.patient".into(), "external_ids.patient.name".into())
        );
    }

    #[test]
    fn no_key_of_the_template_is_lost() {
        let settings = settings(&switched_on()).unwrap();
        for (section, key) in order() {
            let found = settings
                .iter()
                .any(|one| one.place() == section && one.key == key.trim_matches('"'));
            assert!(found, "{section} {key}");
        }
    }
}
