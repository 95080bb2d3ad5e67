//! The vocabulary: which header names mean which column (`interface.md` 5.2).
//!
//! Names are compared without case, blanks, `_`, `-` and `.`: `Patient ID`,
//! `PATIENT_ID` and `patientid` are one.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::domain::ExtractKind;

/// Every column that is known, by kind of extract.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    kinds: BTreeMap<ExtractKind, KindColumns>,
}

#[derive(Clone, Debug)]
struct KindColumns {
    required: Vec<String>,
    ids: Vec<String>,
    names: HashMap<String, String>,
    ignored: Vec<String>,
}

/// What is wrong with a vocabulary file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("columns: {0}")]
pub struct VocabularyError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKind {
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    ids: Vec<String>,
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

    /// Takes the header names of a site, which go before all others: each with the
    /// column that it means, or an empty text if it is of no use (`interface.md` 5.2).
    ///
    /// # Errors
    /// A column that is none of this kind, and two names that are one.
    pub fn learn(
        &mut self,
        kind: ExtractKind,
        names: &BTreeMap<String, String>,
    ) -> Result<(), VocabularyError> {
        let wrong = |what: String| VocabularyError(format!("{}: {what}", kind.word()));
        let mut taken = HashMap::new();
        for (name, column) in names {
            if !column.is_empty() && !self.is_column(kind, column) {
                let what = format!("`{column}`, which `{name}` is to mean, is no column; ");
                return Err(wrong(what + "config/columns.toml has all of them to choose from"));
            }
            if let Some(before) = taken.insert(normal(name), name) {
                return Err(wrong(format!("`{before}` and `{name}` are one name; keep one")));
            }
        }
        let columns = self.kinds.get_mut(&kind).ok_or_else(|| wrong("no such kind".into()))?;
        for (name, column) in names {
            let name = normal(name);
            columns.ignored.retain(|ignored| *ignored != name);
            columns.names.remove(&name);
            if column.is_empty() {
                columns.ignored.push(name);
            } else {
                columns.names.insert(name, column.clone());
            }
        }
        Ok(())
    }

    /// Returns the column that a header name means in this kind of extract.
    pub fn column(&self, kind: ExtractKind, name: &str) -> Option<String> {
        let name = normal(name);
        if let Some(column) = self.kinds.get(&kind)?.names.get(&name) {
            return Some(column.clone());
        }
        if let Some(id) = name.strip_prefix("customfield").filter(|id| !id.is_empty()) {
            return Some(format!("customfield_{id}"));
        }
        None
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

    /// True of a column of IDs or codes.
    pub fn is_id(&self, kind: ExtractKind, column: &str) -> bool {
        self.kinds.get(&kind).is_some_and(|columns| columns.ids.iter().any(|id| id == column))
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
    let mut needed = raw.required.iter().chain(&raw.ids);
    if let Some(column) = needed.find(|column| names.get(&normal(column)) != Some(*column)) {
        let what = format!("{}: {column} is asked for and no column", kind.word());
        return Err(VocabularyError(what));
    }
    let ignored = raw.ignored.iter().map(|name| normal(name)).collect();
    Ok(KindColumns { required: raw.required, ids: raw.ids, names, ignored })
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
    fn the_names_of_a_site_go_before_all_others() {
        let mut vocabulary = Vocabulary::standard().unwrap();
        let kind = ExtractKind::Appointments;
        let names = |names: &[(&str, &str)]| -> BTreeMap<String, String> {
            names.iter().map(|(name, column)| (name.to_string(), column.to_string())).collect()
        };
        let site = names(&[
            ("Visit Reason", "appointmentreason"),
            ("Appt Status", "appointmentstatus"),
            ("Custom Field 7", "customfield_8"),
            ("departmentname", ""),
        ]);
        assert!(vocabulary.is_ignored(kind, "apptstatus"));
        vocabulary.learn(kind, &site).unwrap();
        let column = |name| vocabulary.column(kind, name);
        assert_eq!(column("VISIT_REASON").as_deref(), Some("appointmentreason"));
        assert_eq!(column("apptstatus").as_deref(), Some("appointmentstatus"));
        assert_eq!(column("customfield_7").as_deref(), Some("customfield_8"));
        assert!(!vocabulary.is_ignored(kind, "apptstatus"));
        assert!(vocabulary.is_ignored(kind, "departmentname"));
        let mut told =
            |site: &[(&str, &str)]| vocabulary.learn(kind, &names(site)).unwrap_err().to_string();
        assert_eq!(
            told(&[("x", "lastnmae")]),
            "columns: appointments: `lastnmae`, which `x` is to mean, is no column; \
             config/columns.toml has all of them to choose from"
        );
        assert_eq!(
            told(&[("Chart No", "patientid"), ("chart_no", "patientid")]),
            "columns: appointments: `Chart No` and `chart_no` are one name; keep one"
        );
    }

    #[test]
    fn a_name_that_means_two_columns_is_refused() {
        let text = format!("[patients]\n[patients.columns]\na = ['x']\nb = ['X']\n{REST}");
        let err = Vocabulary::read(&text).unwrap_err();
        assert_eq!(err.to_string(), "columns: patients: `X` means a and b");
    }
}
