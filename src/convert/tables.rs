//! The code tables of one interface: the standard ones with its own words in them,
//! each with its rule for what it does not have (`interface.md` 6).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::column::{Blank, Column};
use super::lookup::{Declined, Lookup, Unmapped};
use crate::codes::{Table, standard};
use crate::domain::{Code, CodeRules, UnmappedRule};

/// The tables that an interface has changed; the others are the standard ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    tables: BTreeMap<String, Arc<Table>>,
    rules: BTreeMap<String, CodeRules>,
}

/// Other forms of a table, which have its rules.
const FORMS: [&str; 3] = ["", "_b", "_hl7"];

impl Tables {
    /// Puts the words of an interface into its tables.
    pub fn agreed(rules: &BTreeMap<String, CodeRules>) -> Tables {
        let mut tables = BTreeMap::new();
        for (name, rules) in rules {
            for form in FORMS {
                let name = format!("{name}{form}");
                if let Some(table) = standard(&name) {
                    let own = table.with(&rules.words, rules.system.as_deref());
                    tables.insert(name, Arc::new(own));
                }
            }
        }
        Tables { tables, rules: rules.clone() }
    }

    /// Returns a table.
    pub fn get(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(name).or_else(|| standard(name))
    }

    fn rules(&self, name: &str) -> Option<&CodeRules> {
        let base = FORMS[1..].iter().find_map(|form| name.strip_suffix(form));
        self.rules.get(base.unwrap_or(name))
    }

    /// Returns the look-up of a field; `fault` is the field's own rule for an unknown
    /// value, `column` the one it comes from, `words` those for a patient who declined.
    pub fn lookup(
        &self,
        name: &str,
        fault: Option<Code>,
        column: Option<Column>,
        words: Blank,
    ) -> Option<Lookup> {
        let table = self.get(name)?.clone();
        let rules = self.rules(name);
        let of_table = unmapped(name);
        let may_decline = matches!(of_table, Unmapped::Refuse(Code::R001 | Code::L001));
        let refuse = |code: Option<Code>| match (code, &of_table) {
            (Some(code), _) => Unmapped::Refuse(code),
            (None, Unmapped::Refuse(code)) => Unmapped::Refuse(*code),
            (None, _) => Unmapped::Refuse(Code::C001),
        };
        let unmapped = match rules.and_then(|rules| rules.unmapped.as_ref()) {
            Some(UnmappedRule::Error) => refuse(fault),
            Some(UnmappedRule::Hold) => refuse(Some(Code::C002)),
            Some(UnmappedRule::Pass) => Unmapped::Pass,
            Some(UnmappedRule::Default(code)) => {
                // In the table's own form: `zho` is `chi` where ISO 639-2/B was agreed.
                let row = table.find(code.as_bytes()).map(|(row, _)| row.code.clone());
                Unmapped::Default(row.unwrap_or_else(|| code.clone()))
            }
            None if fault.is_some() => refuse(fault),
            None => of_table,
        };
        let text = rules.and_then(|rules| rules.declined.clone());
        let text = text.or_else(|| may_decline.then(String::new));
        let declined = text.zip(column);
        let declined = declined.map(|(text, column)| {
            Box::new(Declined {
                column: Column { blank: Blank::default(), ..column },
                words,
                bytes: text.into_bytes(),
            })
        });
        Some(Lookup { table, unmapped, declined, inverse: false, only_code: false })
    }
}

/// What becomes of a value that a table does not have (`interface.md` 6, 9). Who a
/// contact or a guarantor is to the patient is no reason to hold the patient; for an
/// insurance it is, I003, and the map says so.
fn unmapped(table: &str) -> Unmapped {
    match table {
        "race" | "ethnicity" | "ethnicity_hl7" => Unmapped::Refuse(Code::R001),
        "language" | "language_b" => Unmapped::Refuse(Code::L001),
        "relationship" => Unmapped::Default("OTH".to_string()),
        _ => Unmapped::Refuse(Code::C001),
    }
}
