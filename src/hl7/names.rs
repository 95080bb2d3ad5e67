//! HL7's names of fields: `config/hl7/names.tsv`. A line holds from its version on, until
//! the next line for the same field.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The names of one field, each with the version it holds from, oldest first.
type Names = Vec<(&'static str, &'static str)>;

static NAMES: LazyLock<HashMap<(&'static str, usize), Names>> = LazyLock::new(|| {
    let mut names: HashMap<(&'static str, usize), Names> = HashMap::new();
    let lines = include_str!("../../config/hl7/names.tsv").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let mut cells = line.split('\t');
        if let (Some(segment), Some(field), Some(since), Some(name)) =
            (cells.next(), cells.next(), cells.next(), cells.next())
            && let Ok(field) = field.parse()
        {
            names.entry((segment, field)).or_default().push((since, name));
        }
    }
    names
});

/// Returns HL7's name of a field in a version; empty where HL7 has no such field.
pub fn field_name(version: &str, segment: &str, field: usize) -> &'static str {
    let all = NAMES.get(&(segment, field));
    // Versions compare as text does: 2.3.1, 2.4, 2.5, 2.5.1.
    let mut known = all.into_iter().flatten().rev();
    known.find(|(since, _)| *since <= version).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_the_name_of_its_version() {
        assert_eq!(field_name("2.3.1", "PID", 3), "Patient Identifier List");
        assert_eq!(field_name("2.5.1", "MSH", 10), "Message Control ID");
        assert_eq!(field_name("2.5.1", "PID", 99), "");
        assert_eq!(field_name("2.5.1", "ZZZ", 1), "");
        for (_, names) in NAMES.iter() {
            assert!(names.is_sorted() && names.iter().all(|(_, name)| !name.is_empty()));
        }
    }
}
