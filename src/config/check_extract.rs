//! `[extract.*]` and `[columns.*]`: which dropped files hold what, and how they are
//! written.

use std::collections::BTreeMap;

use glob::Pattern;
use toml::Spanned;

use super::check::{Check, Place, open};
use super::raw::{self, Text};
use crate::domain::{Encoding, ExternalId, ExtractKind, Form};

/// What `delimiter` can be.
const DELIMITERS: &[(&str, Option<u8>)] = &[
    ("auto", None),
    ("comma", Some(b',')),
    ("tab", Some(b'\t')),
    ("pipe", Some(b'|')),
    ("semicolon", Some(b';')),
];

/// What `encoding` can be.
const ENCODINGS: &[(&str, Encoding)] = &[
    ("auto", Encoding::Auto),
    ("utf-8", Encoding::Utf8),
    ("windows-1252", Encoding::Windows1252),
    ("latin-1", Encoding::Latin1),
    ("utf-16", Encoding::Utf16),
];

type Files = BTreeMap<ExtractKind, Vec<Pattern>>;
type Forms = BTreeMap<ExtractKind, Form>;

impl Check<'_> {
    /// Checks the file patterns of each kind, and how its files are written.
    pub fn extracts(&mut self, section: raw::Extracts) -> (Files, Forms) {
        let sections = [
            (ExtractKind::Providers, "extract.providers", section.providers),
            (ExtractKind::Departments, "extract.departments", section.departments),
            (ExtractKind::Patients, "extract.patients", section.patients),
            (ExtractKind::Appointments, "extract.appointments", section.appointments),
        ];
        let mut kind_of: BTreeMap<Pattern, ExtractKind> = BTreeMap::new();
        let (mut files, mut forms) = (Files::new(), Forms::new());
        for (kind, name, section) in sections {
            let (place, extract) = open(name, section);
            let form = self.form(place, extract.delimiter, extract.encoding);
            let snapshot = self.snapshot(kind, place, extract.snapshot);
            forms.insert(kind, Form { snapshot, ..form });
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
                        "`{pattern}` stands under extract.{} too; a file holds one kind, remove it from one",
                        other.word()
                    );
                    self.problem(start, what);
                }
                patterns.push(pattern);
            }
            files.insert(kind, patterns);
        }
        (files, forms)
    }

    fn form(&mut self, place: Place, delimiter: Text, encoding: Text) -> Form {
        let delimiter = self.word(place, "delimiter", delimiter, DELIMITERS).flatten();
        let encoding = self.word(place, "encoding", encoding, ENCODINGS).unwrap_or_default();
        Form { delimiter, encoding, ..Form::default() }
    }

    fn snapshot(&mut self, kind: ExtractKind, place: Place, value: Option<Spanned<bool>>) -> bool {
        match value {
            Some(value) if kind != ExtractKind::Appointments => {
                let what = "`snapshot` is of [extract.appointments] only; leave it out";
                self.problem(value.span().start, what.to_string());
            }
            Some(value) => return value.into_inner(),
            None if kind == ExtractKind::Appointments => self.missing(place, "snapshot", "false"),
            None => {}
        }
        false
    }

    /// Checks the site's own header names; whether there are such columns is known
    /// where the vocabulary is.
    pub fn columns(&mut self, section: raw::Columns, forms: &mut Forms) {
        let sections = [
            (ExtractKind::Providers, section.providers),
            (ExtractKind::Departments, section.departments),
            (ExtractKind::Patients, section.patients),
            (ExtractKind::Appointments, section.appointments),
        ];
        for (kind, names) in sections {
            for (name, column) in names {
                if name.as_ref().trim().is_empty() {
                    let what = "a column name is empty; write the header's text".to_string();
                    self.problem(name.span().start, what);
                }
                let columns = &mut forms.entry(kind).or_default().columns;
                columns.insert(name.into_inner(), column.into_inner());
            }
        }
    }

    /// Tells the readers of extracts which columns are external IDs.
    pub fn id_columns(
        &self,
        patient: &[ExternalId],
        appointment: &[ExternalId],
        forms: &mut Forms,
    ) {
        let tables = [(ExtractKind::Patients, patient), (ExtractKind::Appointments, appointment)];
        for (kind, ids) in tables {
            let column =
                |id: &ExternalId| (format!("customfield_{}", id.custom_field_id), id.leading_zeros);
            forms.entry(kind).or_default().external_ids = ids.iter().map(column).collect();
        }
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
            for form in ["csv", "tsv", "ndjson"] {
                assert!(matches(&format!("{word}.{form}")), "{form}");
                assert!(matches(&format!("{word}_0822.{form}.gz")), "{form}");
            }
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
    fn each_kind_has_its_delimiter_its_encoding_and_its_names() {
        let forms = scope(GOOD).forms;
        assert!(forms.values().all(|form| *form == Form::default()), "{forms:?}");
        let text = "[extract.patients]\ndelimiter = \"tab\"\nencoding = \"windows-1252\"\n\
                    [columns.patients]\n\"Chart No\" = \"patientid\"\n\"Room\" = \"\"\n\
                    [[external_ids.patient]]\nname = \"MRN\"\ncustom_field_id = \"41\"\n\
                    category = \"MRN\"\nfield = \"PID-3\"\nwidth = 7";
        let form = &scope(&added(text)).forms[&ExtractKind::Patients];
        assert_eq!((form.delimiter, form.encoding), (Some(b'\t'), Encoding::Windows1252));
        let names = [("Chart No", "patientid"), ("Room", "")];
        let names = names.map(|(name, column)| (name.to_string(), column.to_string()));
        assert_eq!(form.columns, BTreeMap::from(names));
        assert!(form.external_ids["customfield_41"]);
    }

    #[test]
    fn what_is_no_delimiter_no_encoding_and_no_name_is_refused() {
        let text = "[extract.patients]\ndelimiter = \"|\"\nencoding = \"ansi\"\n\
                    [columns.patients]\n\" \" = \"patientid\"";
        assert_eq!(
            problems(&added(text)),
            [
                "line 16: `|` is no delimiter; write \"auto\" or \"comma\" or \"tab\" or \"pipe\" \
                 or \"semicolon\"",
                "line 17: `ansi` is no encoding; write \"auto\" or \"utf-8\" or \"windows-1252\" or \
                 \"latin-1\" or \"utf-16\"",
                "line 19: a column name is empty; write the header's text",
            ]
        );
    }

    #[test]
    fn a_file_holds_one_kind() {
        let text = "[extract.patients]\nfiles = [\"*.csv\"]\n\
                    [extract.appointments]\nfiles = [\"*.csv\"]";
        let told = "line 18: `*.csv` stands under extract.patients too; a file holds one kind, \
                    remove it from one";
        assert_eq!(problems(&added(text)), [told]);
    }
}
