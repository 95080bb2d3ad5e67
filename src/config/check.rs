//! The checks that every section shares: each tells what is wrong and goes on.
//!
//! A check returns `None` only after it has told a problem (or another one has
//! told of the same key), so that a scope without problems is complete.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::problem::{Problem, line_of};
use super::raw::{Number, Text};
use super::shape::Shape;

/// The file under check and what was found so far.
pub(super) struct Check<'a> {
    text: &'a str,
    folder: &'a Path,
    told: BTreeSet<String>,
    problems: Vec<Problem>,
}

/// A section or a row of the file.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// As it is written between the brackets.
    pub name: &'static str,
    /// The byte it begins at; 0 if the file does not have it.
    pub start: usize,
}

/// Opens a section; an absent one is empty.
pub(super) fn open<T: Default>(name: &'static str, section: Option<Spanned<T>>) -> (Place, T) {
    match section {
        Some(section) => (Place { name, start: section.span().start }, section.into_inner()),
        None => (Place { name, start: 0 }, T::default()),
    }
}

impl<'a> Check<'a> {
    /// Goes on from what the shape of the file already told.
    pub fn new<T>(text: &'a str, folder: &'a Path, shape: Shape<T>) -> (Check<'a>, T) {
        let Shape { raw, told, problems } = shape;
        (Check { text, folder, told, problems }, raw)
    }

    /// Returns what was assembled, or every problem in the order of the lines.
    pub fn finish<T>(mut self, assembled: Option<T>) -> Result<T, Vec<Problem>> {
        match assembled {
            Some(assembled) if self.problems.is_empty() => Ok(assembled),
            _ => {
                self.problems.sort_by_key(|problem| problem.line);
                // One default for many rows is told once.
                self.problems.dedup();
                Err(self.problems)
            }
        }
    }

    /// Tells a problem at a byte of the file.
    pub fn problem(&mut self, start: usize, what: String) {
        self.problems.push(Problem { line: line_of(self.text, start), what });
    }

    /// Tells that a key is missing, unless it is there and could not be read.
    pub fn missing(&mut self, place: Place, key: &str, example: &str) {
        let path = format!("{}.{key}", place.name);
        let told = |told: &String| {
            path.strip_prefix(told.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if !self.told.iter().any(told) {
            let what = format!("`{key}` is missing in [{}]; write {key} = {example}", place.name);
            self.problem(place.start, what);
        }
    }

    /// Returns a text that must be there, not empty, and on one line.
    pub fn text(&mut self, place: Place, key: &str, value: Text, example: &str) -> Text {
        let Some(value) = value else {
            self.missing(place, key, example);
            return None;
        };
        if value.as_ref().trim().is_empty() {
            self.problem(value.span().start, format!("`{key}` is empty; write {key} = {example}"));
            return None;
        }
        self.one_line(key, value)
    }

    /// Returns a text without control characters.
    pub fn one_line(&mut self, key: &str, value: Spanned<String>) -> Text {
        if value.as_ref().chars().any(char::is_control) {
            let what = format!(
                "`{key}` holds a tab, a line break or another control character; remove it"
            );
            self.problem(value.span().start, what);
            return None;
        }
        Some(value)
    }

    /// Returns a text that goes into an ST field of a header: no separators, at
    /// most `max` characters, so that it needs no escape and fits its field.
    pub fn st(&mut self, key: &str, value: Spanned<String>, max: usize) -> Option<String> {
        let value = self.one_line(key, value)?;
        let start = value.span().start;
        let value = value.into_inner();
        if let Some(bad) = value.chars().find(|&bad| "|^~\\&".contains(bad)) {
            self.problem(start, format!("`{key}` holds `{bad}`, an HL7 separator; leave it out"));
            return None;
        }
        self.fits(key, start, value, max)
    }

    /// Returns a text of at most `max` characters.
    pub fn fits(&mut self, key: &str, start: usize, value: String, max: usize) -> Option<String> {
        let length = value.chars().count();
        if length > max {
            let what =
                format!("`{key}` has {length} characters; shorten it, its field takes {max}");
            self.problem(start, what);
            return None;
        }
        Some(value)
    }

    /// Returns what one of a few words stands for.
    pub fn word<T: Copy>(
        &mut self,
        place: Place,
        key: &str,
        value: Text,
        words: &[(&str, T)],
    ) -> Option<T> {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let Some(value) = value else {
            self.missing(place, key, &all.join(" or "));
            return None;
        };
        let found = words.iter().find(|(word, _)| word == value.as_ref()).map(|(_, what)| *what);
        if found.is_none() {
            let what = format!("`{}` is no {key}; write {}", value.as_ref(), all.join(" or "));
            self.problem(value.span().start, what);
        }
        found
    }

    /// Returns a whole number within bounds.
    pub fn number(
        &mut self,
        place: Place,
        key: &str,
        value: Number,
        bounds: RangeInclusive<i64>,
    ) -> Option<i64> {
        let (low, high) = (bounds.start(), bounds.end());
        let Some(value) = value else {
            self.missing(place, key, &low.to_string());
            return None;
        };
        let number = *value.as_ref();
        if !bounds.contains(&number) {
            let what = format!("`{key}` is {number}; write a number from {low} to {high}");
            self.problem(value.span().start, what);
            return None;
        }
        Some(number)
    }

    /// Returns a path, taken from the folder of the file if it is relative. A bad
    /// one is not shown: somebody may have put the secret itself there.
    pub fn path(&mut self, key: &str, value: Spanned<String>) -> Option<PathBuf> {
        let path = value.as_ref();
        if path.is_empty() || path.chars().any(char::is_control) {
            self.problem(
                value.span().start,
                format!("`{key}` is not a path; write where the file or folder is"),
            );
            return None;
        }
        if path.starts_with('~') {
            self.problem(
                value.span().start,
                format!("`{key}` begins with `~`; write the whole path"),
            );
            return None;
        }
        Some(self.whole_path(path))
    }

    /// Returns a path, taken from the folder of the file if it is relative.
    pub fn whole_path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Returns a name template: letters, digits, `.`, `_`, `-` and the `known`
    /// placeholders, among which it must hold `must`.
    pub fn name_template(
        &mut self,
        key: &str,
        value: Spanned<String>,
        known: &[&str],
        must: &str,
    ) -> Option<String> {
        let told = self.problems.len();
        let start = value.span().start;
        let text = value.into_inner();
        let mut rest = text.as_str();
        let mut literal = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            literal.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                self.problem(start, format!("`{key}` has a {{ without its }}; write both or none"));
                return None;
            };
            if !known.contains(&name) {
                let known = known.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>();
                let what = format!(
                    "{{{name}}} is no placeholder of `{key}`; it takes {}",
                    known.join(", ")
                );
                self.problem(start, what);
            }
            rest = after;
        }
        literal.push_str(rest);
        let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if let Some(bad) = literal.chars().find(|&letter| !good(letter)) {
            let what = format!(
                "`{key}` holds {bad:?}; use letters, digits, `.`, `_`, `-` and placeholders"
            );
            self.problem(start, what);
        }
        if !text.contains(&format!("{{{must}}}")) {
            self.problem(
                start,
                format!("`{key}` does not hold {{{must}}}; add it, as it makes each name its own"),
            );
        }
        (self.problems.len() == told).then_some(text)
    }
}
