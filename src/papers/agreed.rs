//! The canonical form of a scope: every line that the vendor was promised, its digest, and
//! what is different between two of them.
//!
//! Two kinds of lines: the settings of the interface file with the defaults among them, and
//! the rule of every field, so that a field map that changes with a new version of the
//! program is a change of what was promised, too. Left out is what the vendor does not see:
//! comments, test, secrets, paths of this machine, how extracts are read ([`NOT_AGREED`]).

use std::fmt;

use super::examples::Examples;
use super::fields::lines;
use crate::config::settings::{Setting, settings};
use crate::convert::Map;
use crate::digest::Digest;
use crate::domain::{Event, Kind, Scope};

/// The first line of the canonical form; another form has another number.
const FORM: &str = "hl7drop scope 1";

/// What is no part of the agreement, and why: a section, or `section.key`; `*.key` in any.
pub const NOT_AGREED: &[(&str, &str)] = &[
    ("project.environment", "which of the two the file is switched to"),
    ("extract", "how the practice writes its extracts"),
    ("columns", "what the practice calls its columns"),
    ("providers", "data of the practice"),
    ("departments", "data of the practice"),
    ("connectivity.test", "the test environment is free"),
    ("pickup", "how files are taken on this machine"),
    ("contact", "whom the practice tells of what is wrong"),
    ("alerts", "what the practice watches for"),
    ("expect", "what the practice watches for"),
    ("guard", "when a person of the practice is asked first"),
    ("backfill.messages_per_minute", "how fast a backfill goes"),
    ("backfill.messages_per_file", "how large its files are"),
    ("backfill.windows", "when a backfill goes on"),
    ("*.key_file", "a secret of this machine"),
    ("*.passphrase_file", "a secret of this machine"),
    ("*.passphrase_env", "a secret of this machine"),
    ("*.password_file", "a secret of this machine"),
    ("*.password_env", "a secret of this machine"),
    ("*.known_hosts", "a path of this machine"),
];

/// One line of what was agreed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The section of the interface file, or `ADT message`, `SIU message`.
    pub section: String,
    /// The key, or the field.
    pub key: String,
    /// The value, or the rule.
    pub value: String,
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[{}] {} = {}", self.section, self.key, self.value)
    }
}

/// What was agreed, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// In the order of the interface file.
    pub lines: Vec<Line>,
}

/// Returns why a setting is no part of the agreement; none: it is one.
pub fn why_not(setting: &Setting) -> Option<&'static str> {
    let place = setting.place();
    let path = setting.path();
    let named = |name: &str| match name.strip_prefix("*.") {
        Some(key) => setting.key == key,
        None => path == name || place == name || place.starts_with(&format!("{name}.")),
    };
    NOT_AGREED.iter().find(|(name, _)| named(name)).map(|(_, why)| *why)
}

impl Agreed {
    /// Takes the canonical form of a checked interface file and its map.
    ///
    /// # Errors
    /// The text is not the one that was checked.
    pub fn of(text: &str, scope: &Scope, map: &Map) -> Result<Agreed, String> {
        let settings = settings(text).map_err(|_| "the interface file is no TOML".to_string())?;
        let value = |section: &str, key: &str| {
            let found = settings.iter().find(|one| one.section == section && one.key == key);
            found.map(Setting::text)
        };
        let is_promised = |setting: &Setting| {
            let of = |key: &str| value(&setting.section, key);
            let folder = setting.key == "folder" && of("method").as_deref() == Some("folder");
            match setting.place().as_str() {
                // A section that has its defaults only is none.
                "connectivity.production" if of("method").is_none() => false,
                "connectivity.production" => !folder,
                "endpoint" => of("environment").as_deref() == Some("production") && !folder,
                _ => true,
            }
        };
        let promised = settings.iter().filter(|one| why_not(one).is_none() && is_promised(one));
        let mut all: Vec<Line> = promised
            .map(|one| Line {
                section: one.section.clone(),
                key: one.key.clone(),
                value: one.value.clone(),
            })
            .collect();
        for kind in [Kind::Patient, Kind::Appointment] {
            let family = if kind == Kind::Patient { "ADT message" } else { "SIU message" };
            for line in lines(scope, map, &Examples::new(), kind) {
                let only = line.only.map(|only| format!(" of {only}")).unwrap_or_default();
                let count = line.segment.split_once(' ').map_or("", |(_, count)| count);
                let blank = if count.is_empty() { "" } else { " " };
                let key = format!("{}{blank}{count}{only}", line.field);
                all.push(Line { section: family.to_string(), key, value: line.rule });
            }
        }
        Ok(Agreed { lines: all })
    }

    /// Reads what [`Agreed::text`] wrote; lines that are none are left out.
    pub fn read(text: &str) -> Agreed {
        let line = |line: &str| {
            let (section, rest) = line.strip_prefix('[')?.split_once("] ")?;
            let (key, value) = rest.split_once(" = ")?;
            let [section, key, value] = [section, key, value].map(str::to_string);
            Some(Line { section, key, value })
        };
        Agreed { lines: text.lines().filter_map(line).collect() }
    }

    /// Returns the canonical form.
    pub fn text(&self) -> String {
        let mut text = format!("{FORM}\n");
        self.lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        text
    }

    /// Returns the digest of the canonical form.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text().as_bytes())
    }

    /// Says in words what is different in `new`, a sentence each.
    pub fn changes(&self, new: &Agreed) -> Vec<String> {
        let find = |lines: &[Line], line: &Line| {
            lines.iter().find(|one| one.section == line.section && one.key == line.key).cloned()
        };
        let mut said = Vec::new();
        let mut whole: Vec<&str> = Vec::new();
        for line in &new.lines {
            match find(&self.lines, line) {
                Some(old) if old.value == line.value => {}
                Some(old) => said.push(changed(&old, line)),
                None if is_row(&line.section, &self.lines) => {
                    if !whole.contains(&line.section.as_str()) {
                        whole.push(&line.section);
                        said.push(format!("new: {}", row(&line.section, &new.lines)));
                    }
                }
                None => said.push(format!("new: {}", named(line))),
            }
        }
        for line in self.lines.iter().filter(|line| find(&new.lines, line).is_none()) {
            if is_row(&line.section, &new.lines) {
                if !whole.contains(&line.section.as_str()) {
                    whole.push(&line.section);
                    said.push(format!("no longer: {}", row(&line.section, &self.lines)));
                }
            } else {
                said.push(format!("no longer: {}", named(line)));
            }
        }
        said
    }
}

/// True of a row that one side has whole and the other, `others`, not at all.
fn is_row(section: &str, others: &[Line]) -> bool {
    section.contains('[') && !others.iter().any(|line| line.section == section)
}

fn row(section: &str, lines: &[Line]) -> String {
    let keys = lines.iter().filter(|line| line.section == section);
    let keys: Vec<String> = keys.map(|line| format!("{} = {}", line.key, line.value)).collect();
    format!("{section}: {}", keys.join(", "))
}

fn named(line: &Line) -> String {
    match line.section.strip_suffix(" message") {
        Some(family) => format!("{} in {family} messages, filled by {}", line.key, line.value),
        None => line.to_string(),
    }
}

fn changed(old: &Line, new: &Line) -> String {
    let event = Event::ALL.into_iter().find(|event| event.telling().key == new.key);
    if let (Some(event), "enable") = (event, new.section.as_str()) {
        let told = if new.value == "true" { "is sent now" } else { "is no longer sent" };
        return format!("{} ({}) {told}", new.key, event.telling().trigger);
    }
    match new.section.strip_suffix(" message") {
        Some(family) => format!(
            "{} in {family} messages was filled by {}, and is by {}",
            new.key, old.value, new.value
        ),
        None => format!("[{}] {} was {}, and is {}", new.section, new.key, old.value, new.value),
    }
}
