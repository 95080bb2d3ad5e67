//! `[extract.*]`: which dropped files hold what.

use std::collections::BTreeMap;

use glob::Pattern;
use toml::Spanned;

use super::check::{Check, open};
use super::raw;
use crate::domain::ExtractKind;

impl Check<'_> {
    /// Checks the file patterns of each kind.
    pub fn extracts(&mut self, section: raw::Extracts) -> BTreeMap<ExtractKind, Vec<Pattern>> {
        let sections = [
            (ExtractKind::Providers, "extract.providers", section.providers),
            (ExtractKind::Departments, "extract.departments", section.departments),
            (ExtractKind::Patients, "extract.patients", section.patients),
            (ExtractKind::Appointments, "extract.appointments", section.appointments),
        ];
        let mut kind_of: BTreeMap<Pattern, ExtractKind> = BTreeMap::new();
        let mut files = BTreeMap::new();
        for (kind, name, section) in sections {
            let (place, extract) = open(name, section);
            let Some(list) = extract.files else {
                self.missing(place, "files", &format!("[\"{}*.csv\"]", kind.word()));
                continue;
            };
            let mut patterns = Vec::new();
            for text in list.into_inner() {
                let start = text.span().start;
                let Some(pattern) = self.pattern(text) else { continue };
                let other = *kind_of.entry(pattern.clone()).or_insert(kind);
                if other != kind {
                    let what = format!(
                        "`{pattern}` stands under extract.{} too; a file holds one kind",
                        other.word()
                    );
                    self.problem(start, what);
                }
                patterns.push(pattern);
            }
            files.insert(kind, patterns);
        }
        files
    }

    fn pattern(&mut self, text: Spanned<String>) -> Option<Pattern> {
        let start = text.span().start;
        let text = text.into_inner();
        let bad = || text.is_empty() || text.contains('/') || text.chars().any(char::is_control);
        let pattern = Pattern::new(&text).ok().filter(|_| !bad());
        if pattern.is_none() {
            let what = format!(
                "{text:?} is no file pattern; write a name in the inbox such as \"patients*.csv\", \
                 with * ? [ab] as wildcards and no folder"
            );
            self.problem(start, what);
        }
        pattern
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GOOD, added, problems, scope};
    use super::*;

    #[test]
    fn plain_names_and_dated_ones_match_without_settings() {
        let files = scope(GOOD).files;
        for kind in ExtractKind::ALL {
            let matches = |name: &str| files[&kind].iter().any(|pattern| pattern.matches(name));
            let word = kind.word();
            assert!(matches(&format!("{word}.csv")) && matches(&format!("{word}_0822.csv.gz")));
            assert!(!matches(&format!("{word}.txt")) && !matches("other.csv"));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let text = "[extract.patients]\nfiles = [\"a[.csv\", \"in/a.csv\", \"\", \"p*.csv\"]";
        let told = |line: usize, text: &str| {
            format!(
                "line {line}: \"{text}\" is no file pattern; write a name in the inbox such as \
                 \"patients*.csv\", with * ? [ab] as wildcards and no folder"
            )
        };
        assert_eq!(
            problems(&added(text)),
            [told(16, "a[.csv"), told(16, "in/a.csv"), told(16, "")]
        );
    }

    #[test]
    fn a_file_holds_one_kind() {
        let text = "[extract.patients]\nfiles = [\"*.csv\"]\n\
                    [extract.appointments]\nfiles = [\"*.csv\"]";
        let told = "line 18: `*.csv` stands under extract.patients too; a file holds one kind";
        assert_eq!(problems(&added(text)), [told]);
    }
}
