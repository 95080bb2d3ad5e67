//! How long each field may be (`config/hl7/fields.tsv`, made from the tables of the
//! specification). HL7 counts a repetition with its separators, after escaping.

use std::collections::HashMap;
use std::sync::LazyLock;

use memchr::memchr_iter;

use super::map::VERSIONS;
use crate::hl7::Path;

/// A length without a limit.
pub(super) const NO_LIMIT: usize = usize::MAX;

/// Of each field the lengths, with the version each holds from, oldest first.
type Limits = HashMap<(&'static str, usize), Vec<(usize, usize)>>;

/// Returns the most characters that a repetition of a field may have in a version.
pub(super) fn limit(path: Path, version: &str) -> usize {
    static LIMITS: LazyLock<Limits> =
        LazyLock::new(|| read(include_str!("../../config/hl7/fields.tsv")));
    let spoken = VERSIONS.iter().position(|known| *known == version).unwrap_or_default();
    let mut lengths = LIMITS.get(&(path.segment(), path.field())).into_iter().flatten();
    let length = lengths.rfind(|(since, _)| *since <= spoken);
    length.map_or(NO_LIMIT, |(_, length)| *length)
}

/// A line is `segment field since type length use repeats table`.
fn read(tsv: &'static str) -> Limits {
    let mut limits = Limits::new();
    for line in tsv.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [segment, field, since, _, length, ..] = cells.as_slice() else { continue };
        let since = VERSIONS.iter().position(|known| known == since);
        if let (Ok(field), Some(since)) = (field.parse(), since) {
            let length = length.parse().unwrap_or(NO_LIMIT);
            limits.entry((*segment, field)).or_default().push((since, length));
        }
    }
    limits
}

/// True if a repetition of a field has more characters than that. They are counted only
/// where there are bytes enough.
pub(super) fn has_longer(written: &[u8], limit: usize) -> bool {
    let characters = |one: &[u8]| one.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    let is_longer = |one: &[u8]| one.len() > limit && characters(one) > limit;
    let mut begin = 0;
    let mut ends = memchr_iter(b'~', written).chain([written.len()]);
    ends.any(|end| is_longer(&written[std::mem::replace(&mut begin, end + 1)..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_that_of_the_version() {
        for (segment, field, version, wanted) in [
            (b"PID", 5, "2.3.1", 48),
            (b"PID", 5, "2.4", 250),
            (b"PID", 5, "2.5.1", 250),
            (b"PID", 13, "2.3.1", 40),
            (b"IN1", 36, "2.5", 15),
            (b"GT1", 48, "2.3.1", 2),
            (b"GT1", 48, "2.5.1", 3),
            (b"ZZZ", 1, "2.5", NO_LIMIT),
        ] {
            let path = Path::of_field(*segment, field);
            assert_eq!(limit(path, version), wanted, "{path} {version}");
        }
    }

    #[test]
    fn a_field_is_as_long_as_its_longest_repetition() {
        let lengths =
            |written: &[u8]| (0..9).take_while(|limit| has_longer(written, *limit)).count();
        assert_eq!(lengths(b"ab^c~abcdef~x"), 6);
        assert_eq!(lengths("\u{e9}\u{e9}".as_bytes()), 2);
        assert_eq!(lengths(b""), 0);
    }
}
