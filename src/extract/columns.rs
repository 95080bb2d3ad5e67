//! The vocabulary: which header names mean which column (`interface.md` 5.2).
//!
//! Names are compared without case, blanks, `_`, `-` and `.`: `Patient ID`,
//! `PATIENT_ID` and `patientid` are one.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::domain::ExtractKind;

/// Every column that is known, by kind of extract.
#[derive(Debug)]
pub struct Vocabulary {
    kinds: BTreeMap<ExtractKind, KindColumns>,
}

#[derive(Debug)]
struct KindColumns {
    required: Vec<String>,
    names: HashMap<String, String>,
    ignored: Vec<String>,
}

/// What is wrong with a vocabulary file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("columns: {0}")]
pub struct VocabularyError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKind {
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    ignored: Vec<String>,
    columns: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    patients: RawKind,
    appointments: RawKind,
    providers: RawKind,
    departments: RawKind,
}

/// Returns a header name as names are compared.
pub fn normal(name: &str) -> String {
    name.chars()
        .filter(|char| !char.is_whitespace() && !"_-.\u{feff}".contains(*char))
        .flat_map(char::to_lowercase)
        .collect()
}

impl Vocabulary {
    /// Reads a vocabulary; the standard one is `config/columns.toml`.
    ///
    /// # Errors
    /// A text that is not such a file, or a name that means two columns.
    pub fn read(text: &str) -> Result<Vocabulary, VocabularyError> {
        let raw: RawFile = toml::from_str(text).map_err(|err| VocabularyError(err.to_string()))?;
        let mut kinds = BTreeMap::new();
        for (kind, raw) in [
            (ExtractKind::Patients, raw.patients),
            (ExtractKind::Appointments, raw.appointments),
            (ExtractKind::Providers, raw.providers),
            (ExtractKind::Departments, raw.departments),
        ] {
            kinds.insert(kind, kind_columns(kind, raw)?);
        }
        Ok(Vocabulary { kinds })
    }

    /// Returns the embedded vocabulary.
    ///
    /// # Errors
    /// None in a program that passed its tests.
    pub fn standard() -> Result<Vocabulary, VocabularyError> {
        Vocabulary::read(include_str!("../../config/columns.toml"))
    }

    /// Returns the column that a header name means in this kind of extract.
    pub fn column(&self, kind: ExtractKind, name: &str) -> Option<String> {
        let name = normal(name);
        if let Some(id) = name.strip_prefix("customfield").filter(|id| !id.is_empty()) {
            return Some(format!("customfield_{id}"));
        }
        self.kinds.get(&kind)?.names.get(&name).cloned()
    }

    /// True of a header name that is known to have no use.
    pub fn is_ignored(&self, kind: ExtractKind, name: &str) -> bool {
        let name = normal(name);
        name.is_empty()
            || self.kinds.get(&kind).is_some_and(|columns| columns.ignored.contains(&name))
    }

    /// Returns the columns that an extract of this kind must have.
    pub fn required(&self, kind: ExtractKind) -> &[String] {
        self.kinds.get(&kind).map_or(&[], |columns| &columns.required)
    }

    /// True of a canonical column name of this kind.
    pub fn is_column(&self, kind: ExtractKind, column: &str) -> bool {
        column.starts_with("customfield_")
            || self.kinds.get(&kind).is_some_and(|columns| {
                columns.names.get(&normal(column)).is_some_and(|name| name == column)
            })
    }
}

fn kind_columns(kind: ExtractKind, raw: RawKind) -> Result<KindColumns, VocabularyError> {
    let mut names: HashMap<String, String> = HashMap::new();
    for (column, aliases) in raw.columns {
        for name in std::iter::once(&column).chain(&aliases) {
            let before = names.insert(normal(name), column.clone());
            if let Some(before) = before {
                let what = format!("{}: `{name}` means {before} and {column}", kind.word());
                return Err(VocabularyError(what));
            }
        }
    }
    if let Some(column) =
        raw.required.iter().find(|column| names.get(&normal(column)) != Some(*column))
    {
        return Err(VocabularyError(format!(
            "{}: {column} is required and no column",
            kind.word()
        )));
    }
    let ignored = raw.ignored.iter().map(|name| normal(name)).collect();
    Ok(KindColumns { required: raw.required, names, ignored })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str =
        "[appointments]\ncolumns = {}\n[providers]\ncolumns = {}\n[departments]\ncolumns = {}\n";

    #[test]
    fn names_are_one_whatever_their_case_and_punctuation() {
        let text = format!(
            "[patients]\nrequired = ['patientid']\n[patients.columns]\npatientid = ['pat id']\n{REST}"
        );
        let vocabulary = Vocabulary::read(&text).unwrap();
        for name in ["patientid", "Patient ID", "PATIENT_ID", "pat-id", "\u{feff}patient.id"] {
            let column = vocabulary.column(ExtractKind::Patients, name);
            assert_eq!(column.as_deref(), Some("patientid"), "{name}");
        }
        let custom = vocabulary.column(ExtractKind::Patients, "Custom Field 71");
        assert_eq!(custom.as_deref(), Some("customfield_71"));
        assert_eq!(vocabulary.column(ExtractKind::Appointments, "pat id"), None);
    }

    #[test]
    fn a_name_that_means_two_columns_is_refused() {
        let text = format!("[patients]\n[patients.columns]\na = ['x']\nb = ['X']\n{REST}");
        let err = Vocabulary::read(&text).unwrap_err();
        assert_eq!(err.to_string(), "columns: patients: `X` means a and b");
    }
}
