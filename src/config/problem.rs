//! One thing wrong with a configuration file, and where.

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Problem {
    /// The line, counted from 1; 1 where a whole section is missing.
    pub line: usize,
    /// What is wrong and what to write instead; never a secret.
    pub what: String,
}

/// Returns the line, counted from 1, that holds the byte at `offset`.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + before(text, offset).iter().filter(|&&byte| byte == b'\n').count()
}

/// Returns the column in characters, counted from 1, of the byte at `offset`.
pub(super) fn column_of(text: &str, offset: usize) -> usize {
    let before = before(text, offset);
    let line = before.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    1 + String::from_utf8_lossy(line).chars().count()
}

fn before(text: &str, offset: usize) -> &[u8] {
    &text.as_bytes()[..offset.min(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_end_with_the_text() {
        let text = "a\nb\u{e9}c\n";
        assert_eq!((line_of(text, 0), column_of(text, 0)), (1, 1));
        assert_eq!((line_of(text, 5), column_of(text, 5)), (2, 3));
        assert_eq!((line_of(text, 99), column_of(text, 99)), (3, 1));
        assert_eq!((line_of("", 1), column_of("", 1)), (1, 1));
    }
}
