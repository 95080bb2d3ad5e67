//! Taking a file out of the inbox.

use std::path::PathBuf;

use super::{Seen, Spool, free_name};
use crate::disk;

/// Returns a name that is safe in a folder, a log line and a shell: what is neither
/// letter, digit, `-`, `_` nor `.` becomes `_`.
pub fn clean_name(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|char| if char.is_alphanumeric() || "-_.".contains(char) { char } else { '_' })
        .take(120)
        .collect();
    clean.trim_start_matches('.').to_string()
}

impl Spool {
    /// Claims a file with one rename; from then on it is ours alone.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn claim(&self, seen: &Seen) -> disk::Result<PathBuf> {
        let from = self.inbox.join(&seen.name);
        let to = free_name(&self.processing, &clean_name(&seen.name));
        disk::shift(&from, &to)?;
        if let Err(err) = disk::make_private(&to) {
            // Another user's file: the folder around it is private all the same.
            log::debug!("{err}");
        }
        Ok(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_before_they_are_ours() {
        assert_eq!(clean_name("patients 2026.csv"), "patients_2026.csv");
        assert_eq!(clean_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(clean_name("a\u{1b}[31m\nb"), "a__31m_b");
    }
}
