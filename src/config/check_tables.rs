//! `[providers.*]` and `[departments]`: rows of the reference tables that an interface
//! file has itself. They stand instead of the extracts' rows of the same IDs: whoever
//! mends one here need not wait for the next export.

use std::collections::BTreeMap;

use toml::Spanned;

use super::check::{Check, Place};
use super::raw::{self, Text};
use crate::codes::npi_check_digit;
use crate::domain::Provider;

impl Check<'_> {
    /// Checks the providers, by athenaNet's ID.
    pub fn providers(
        &mut self,
        rows: BTreeMap<Spanned<String>, raw::Provider>,
    ) -> BTreeMap<String, Provider> {
        let mut providers = BTreeMap::new();
        for (id, row) in rows {
            self.not_empty(&id, "provider ID");
            let (start, id) = (id.span().start, id.into_inner());
            let npi = self.cell("npi", row.npi);
            if !npi.is_empty() && !npi_check_digit(&npi) {
                let what = format!(
                    "the NPI of provider {id} is not ten digits with their check digit; correct it"
                );
                self.problem(start, what);
            }
            let provider = Provider {
                hl7_id: self.cell("hl7providerid", row.hl7providerid),
                npi,
                last: self.cell("lastname", row.lastname),
                first: self.cell("firstname", row.firstname),
                scheduling: self.cell("schedulingname", row.schedulingname),
            };
            providers.insert(id, provider);
        }
        providers
    }

    /// Checks the departments' names, by athenaNet's ID.
    pub fn departments(
        &mut self,
        rows: BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> BTreeMap<String, String> {
        let place = Place { name: "departments", start: 0 };
        let mut departments = BTreeMap::new();
        for (id, name) in rows {
            self.not_empty(&id, "department ID");
            if let Some(name) = self.text(place, id.as_ref(), Some(name), "\"RIVERBEND MAIN\"") {
                departments.insert(id.into_inner(), name.into_inner());
            }
        }
        departments
    }

    fn not_empty(&mut self, id: &Spanned<String>, what: &str) {
        if id.as_ref().trim().is_empty() {
            self.problem(id.span().start, format!("a {what} is empty; write athenaNet's ID"));
        }
    }

    fn cell(&mut self, key: &str, value: Text) -> String {
        let value = value.and_then(|value| self.one_line(key, value));
        value.map(|value| value.into_inner().trim().to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    #[test]
    fn rows_of_the_tables_are_read_by_their_ids() {
        assert!(scope(GOOD).providers.is_empty() && scope(GOOD).departments.is_empty());
        let text = "[providers.27]\nnpi = \"1234567893\"\nlastname = \"SEUSS\"\n\
                    [departments]\n12 = \"MAIN\"";
        let scope = scope(&added(text));
        let seuss =
            Provider { npi: "1234567893".into(), last: "SEUSS".into(), ..Provider::default() };
        assert_eq!(scope.providers, BTreeMap::from([("27".to_string(), seuss)]));
        assert_eq!(scope.departments, BTreeMap::from([("12".to_string(), "MAIN".to_string())]));
    }

    #[test]
    fn a_row_that_no_message_could_use_is_told() {
        let text = "[providers.27]\nnpi = \"1234567890\"\n[providers.\"\"]\nlastname = \"A\\tB\"\n\
                    [departments]\n12 = \" \"\n13 = 5";
        assert_eq!(
            problems(&added(text)),
            [
                "line 15: the NPI of provider 27 is not ten digits with their check digit; correct it",
                "line 17: a provider ID is empty; write athenaNet's ID",
                "line 18: `lastname` holds a tab, a line break or another control character; remove it",
                "line 20: `12` is empty; write 12 = \"RIVERBEND MAIN\"",
                "line 21: `13`: invalid type: integer `5`, expected a text in quotes",
            ]
        );
    }
}
