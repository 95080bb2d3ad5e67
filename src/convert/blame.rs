//! Which column a field got what is wrong with it from: who mends a row looks for a column.

use super::program::{Input, Program, Refusal};
use crate::domain::Code;
use crate::hl7::Path;

impl Program {
    /// Returns the refusal of a whole field with the column that brought it about: of those
    /// that the field is made of the one with the longest value, and of a character that
    /// cannot be written, the first one with a character beyond ASCII.
    #[cold]
    pub(super) fn blamed(&self, mut refusal: Refusal, input: &Input<'_>) -> Refusal {
        let Some(field) = refusal.field.filter(|_| refusal.column.is_empty()) else {
            return refusal;
        };
        let named = self.rules_of(field).flat_map(columns_of);
        let columns =
            named.flat_map(|name| self.columns.iter().filter(move |one| one.name == name));
        let mut valued = columns.map(|column| (column, column.value(input)));
        let found = match refusal.code {
            Code::W001 => valued.find(|(_, value)| has_beyond_latin(value)),
            _ => valued.max_by_key(|(_, value)| value.len()),
        };
        if let Some((column, value)) = found
            && !value.is_empty()
        {
            refusal.column = column.name.clone();
        }
        refusal
    }

    fn rules_of(&self, field: Path) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter().flatten();
        let of_field =
            move |path: &Path| path.segment() == field.segment() && path.field() == field.field();
        rules.filter(move |(path, _)| of_field(path)).map(|(_, text)| text.as_str())
    }
}

/// Returns the columns of a template: `zip` and `state` of `{zip!:zip}^{state|state2}`.
fn columns_of(template: &str) -> impl Iterator<Item = &str> {
    let places = template.split('{').skip(1).filter_map(|text| text.split_once('}'));
    let names = places.flat_map(|(text, _)| text.split(':').next().unwrap_or("").split('|'));
    names.map(|name| name.trim_end_matches('!'))
}

fn has_beyond_latin(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| text.chars().any(|char| char > '\u{ff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_template_are_found_and_its_functions_are_none() {
        let text = "{dob!:date}^{lastname|firstname}~{zip:zip state}^X";
        let columns: Vec<&str> = columns_of(text).collect();
        assert_eq!(columns, ["dob", "lastname", "firstname", "zip"]);
    }
}
