//! What HL7 calls its fields: `config/hl7/names.tsv`, names of 2.5.1.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Path;

/// Returns HL7's name of a field of a segment that is sent.
pub fn field_name(field: Path) -> Option<&'static str> {
    static NAMES: LazyLock<HashMap<(&str, usize), &str>> = LazyLock::new(|| {
        let line = |line: &'static str| {
            let mut cells = line.split('\t');
            let (segment, field) = (cells.next()?, cells.next()?.parse().ok()?);
            Some(((segment, field), cells.next()?))
        };
        include_str!("../../config/hl7/names.tsv").lines().filter_map(line).collect()
    });
    NAMES.get(&(field.segment(), field.field())).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_hl7s_names() {
        assert_eq!(field_name("PID-5".parse().unwrap()), Some("Patient Name"));
        assert_eq!(field_name("SCH-25".parse().unwrap()), Some("Filler Status Code"));
        assert_eq!(field_name("ZZZ-1".parse().unwrap()), None);
    }
}
