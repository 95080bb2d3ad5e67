//! Mapping tables that people keep beside what was agreed: a value of an extract that
//! nobody knows, and the one that is meant (scope package, table 20: Map Messages).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a mapping is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mapped {
    /// The ID of a provider.
    Provider,
    /// The ID of a department.
    Department,
    /// The package ID of an insurance; where there is none, the name of its plan.
    Insurance,
}

/// The most characters of a value, in or out.
pub const VALUE_MAX: usize = 200;

/// Returns what is wrong with a value that is to be mapped, or mapped to; none if nothing
/// is.
pub fn wrong_value(value: &str) -> Option<&'static str> {
    match value {
        "" => Some("is empty"),
        _ if value.trim() != value => Some("begins or ends with a blank"),
        _ if value.chars().any(char::is_control) => Some("has control characters"),
        _ if value.chars().count() > VALUE_MAX => Some("has more than 200 characters"),
        _ => None,
    }
}

/// Values in, values out, of one kind.
pub type Translation = HashMap<Vec<u8>, Vec<u8>>;

/// The mappings of one interface: its own before those of all.
#[derive(Clone, Debug, Default)]
pub struct Translations {
    tables: BTreeMap<Mapped, Arc<Translation>>,
}

impl Mapped {
    /// Every kind.
    pub const ALL: [Mapped; 3] = [Mapped::Provider, Mapped::Department, Mapped::Insurance];

    /// Returns the word that people type.
    pub const fn word(self) -> &'static str {
        match self {
            Mapped::Provider => "provider",
            Mapped::Department => "department",
            Mapped::Insurance => "insurance",
        }
    }

    /// Reads the word that people type.
    pub fn of_word(word: &str) -> Option<Mapped> {
        Mapped::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Returns the kind of the values of a column, by its canonical name, `patient.`
    /// before it or not; `None` if they are not mapped.
    pub fn of_column(column: &str) -> Option<Mapped> {
        match column.strip_prefix("patient.").unwrap_or(column) {
            "providerid" | "primaryproviderid" | "pcpid" | "referringproviderid" => {
                Some(Mapped::Provider)
            }
            "departmentid" | "primarydepartmentid" => Some(Mapped::Department),
            other => other.ends_with("_insurancepackageid").then_some(Mapped::Insurance),
        }
    }

    /// Returns the column whose value is mapped where `column` has none: an insurance
    /// without a package ID may be known by the name of its plan.
    pub fn instead_of(column: &str) -> Option<String> {
        let insurance = column.strip_suffix("_insurancepackageid")?;
        Some(format!("{insurance}_insuranceplanname"))
    }
}

impl Translations {
    /// Adds a mapping, in place of an earlier one of the value.
    pub fn add(&mut self, kind: Mapped, value: &str, becomes: &str) {
        let table = Arc::make_mut(self.tables.entry(kind).or_default());
        table.insert(value.as_bytes().to_vec(), becomes.as_bytes().to_vec());
    }

    /// Returns the table of a kind, if there is one.
    pub fn table(&self, kind: Mapped) -> Option<&Arc<Translation>> {
        self.tables.get(&kind)
    }

    /// True if nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_line_without_blanks_around_it() {
        assert_eq!(wrong_value("ENDO 2"), None);
        for bad in ["", " 12", "12 ", "1\n2", &"x".repeat(201)] {
            assert!(wrong_value(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn a_column_is_of_one_kind_whoever_it_belongs_to() {
        for (column, kind) in [
            ("providerid", Some(Mapped::Provider)),
            ("patient.primaryproviderid", Some(Mapped::Provider)),
            ("departmentid", Some(Mapped::Department)),
            ("insurance2_insurancepackageid", Some(Mapped::Insurance)),
            ("insurance2_insuranceplanname", None),
            ("lastname", None),
        ] {
            assert_eq!(Mapped::of_column(column), kind, "{column}");
        }
        let plan = Mapped::instead_of("patient.insurance1_insurancepackageid");
        assert_eq!(plan.as_deref(), Some("patient.insurance1_insuranceplanname"));
        assert_eq!(Mapped::instead_of("providerid"), None);
        for kind in Mapped::ALL {
            assert_eq!(Mapped::of_word(kind.word()), Some(kind));
        }
    }
}
