//! From text to raw structs: syntax, defaults, unknown keys, types.
//!
//! serde stops at the first key it does not know or cannot read. Here that key is
//! told, taken out, and serde is asked again, until all are told: an analyst
//! should not have to run the program once for each mistake.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::problem::{Problem, column_of, line_of};

/// A file that could be read, though perhaps not all of it.
pub(super) struct Shape<T> {
    /// What could be read, with the defaults where the file says nothing.
    pub raw: T,
    /// The keys that could not be read, such as `connectivity.test.port`.
    pub told: BTreeSet<String>,
    /// What was wrong with them.
    pub problems: Vec<Problem>,
}

/// Reads `text` over `defaults`, key by key; a section named in `whole` is taken
/// from one of the two, never from both. A `[[row]]` of the defaults is no row: it
/// says what each row of the text has by default.
///
/// # Errors
/// The text is not TOML, or something in it could not be set aside.
pub(super) fn read<T: DeserializeOwned>(
    text: &str,
    defaults: &str,
    whole: &[&str],
) -> Result<Shape<T>, Vec<Problem>> {
    let (mut table, mut reader) = over(text, defaults, whole)?;
    loop {
        match T::deserialize(Deserializer::from(table.clone())) {
            Ok(raw) => {
                return Ok(Shape { raw, told: reader.told, problems: reader.problems });
            }
            Err(err) => {
                if !reader.set_aside(table.get_mut(), &err) {
                    return Err(reader.problems);
                }
            }
        }
    }
}

/// Returns `text` over `defaults` as [`read`] does, without asking what its keys mean.
///
/// # Errors
/// The text is not TOML.
pub(super) fn merged<'a>(
    text: &'a str,
    defaults: &'a str,
    whole: &'a [&'a str],
) -> Result<Spanned<DeTable<'a>>, Vec<Problem>> {
    over(text, defaults, whole).map(|(table, _)| table)
}

fn over<'a>(
    text: &'a str,
    defaults: &'a str,
    whole: &'a [&'a str],
) -> Result<(Spanned<DeTable<'a>>, Reader<'a>), Vec<Problem>> {
    let mut table = parse(text)?;
    let defaults = parse(defaults)?;
    let mut homes = Vec::new();
    homes_of(defaults.get_ref(), "", &mut homes);
    let mut reader = Reader { text, whole, homes, told: BTreeSet::new(), problems: Vec::new() };
    reader.fill(table.get_mut(), defaults.get_ref(), "");
    Ok((table, reader))
}

fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Vec<Problem>> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(table);
    }
    errors.sort_by_key(start);
    let problem = |err: &Error| Problem {
        line: line_of(text, start(err)),
        what: format!("column {}: {}", column_of(text, start(err)), err.message()),
    };
    Err(errors.iter().map(problem).collect())
}

fn start(err: &Error) -> usize {
    err.span().map_or(0, |span| span.start)
}

struct Reader<'a> {
    text: &'a str,
    whole: &'a [&'a str],
    /// Each key of the defaults, and its section.
    homes: Vec<(String, String)>,
    told: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Puts into `table` what only `defaults` say.
    fn fill<'i>(&mut self, table: &mut DeTable<'i>, defaults: &DeTable<'i>, section: &str) {
        for (key, default) in defaults.iter() {
            let path = join(section, key.get_ref());
            if let Some(default) = row_of(default.get_ref()) {
                let rows = table.get_mut(key.get_ref().as_ref());
                if let Some(DeValue::Array(rows)) = rows.map(Spanned::get_mut) {
                    for row in rows.iter_mut() {
                        if let DeValue::Table(row) = row.get_mut() {
                            self.fill(row, default, &path);
                        }
                    }
                }
                continue;
            }
            match (table.get_mut(key.get_ref().as_ref()), default.get_ref()) {
                (Some(ours), DeValue::Table(default)) => {
                    let start = ours.span().start;
                    match ours.get_mut() {
                        DeValue::Table(_) if self.whole.contains(&path.as_str()) => {}
                        DeValue::Table(ours) => self.fill(ours, default, &path),
                        other => {
                            let line = line_of(self.text, start);
                            let what = format!("`{path}` is a section; write it as [{path}]");
                            self.problems.push(Problem { line, what });
                            self.told.insert(path);
                            *other = DeValue::Table(nowhere(default));
                        }
                    }
                }
                (Some(_), _) => {}
                (None, _) => {
                    let value = nowhere_value(default.get_ref());
                    table.insert(Spanned::new(0..0, key.get_ref().clone()), value);
                }
            }
        }
    }

    /// Tells an error and removes its key from `table`; false if it has none.
    fn set_aside(&mut self, table: &mut DeTable<'_>, err: &Error) -> bool {
        let path = err.span().and_then(|span| remove(table, &span, ""));
        let what = say(err.message(), path.as_deref().unwrap_or_default(), &self.homes);
        self.problems.push(Problem { line: line_of(self.text, start(err)), what });
        path.map(|path| self.told.insert(path)).is_some()
    }
}

/// Adds each key of the defaults with its section.
fn homes_of(table: &DeTable<'_>, section: &str, homes: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = key.get_ref();
        match value.get_ref() {
            DeValue::Table(inner) if section.is_empty() => homes_of(inner, key, homes),
            DeValue::Table(inner) => homes_of(inner, &format!("{section}.{key}"), homes),
            _ => homes.push((key.to_string(), section.to_string())),
        }
    }
}

/// Returns the defaults of each row of an array of tables.
fn row_of<'a, 'i>(default: &'a DeValue<'i>) -> Option<&'a DeTable<'i>> {
    let DeValue::Array(rows) = default else { return None };
    match rows.iter().next().map(Spanned::get_ref) {
        Some(DeValue::Table(row)) => Some(row),
        _ => None,
    }
}

/// Says serde's message in the words of the file.
fn say(message: &str, path: &str, homes: &[(String, String)]) -> String {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    if message.starts_with("unknown field") {
        return match key {
            "password" | "passphrase" => {
                format!("a secret does not stand in this file; write {key}_file or {key}_env")
            }
            // A `#` that was left before the line of a section is the usual reason.
            _ => match homes.iter().find(|(known, home)| known == key && home != section) {
                Some((_, home)) => {
                    format!(
                        "`{key}` stands in [{section}] and belongs to [{home}]; is there a # before [{home}]?"
                    )
                }
                None => message.to_string(),
            },
        };
    }
    if message == "invalid type: map, expected a sequence" {
        return format!("`{path}` may come more than once; write it as [[{path}]]");
    }
    let message = match message.split_once("expected struct") {
        Some((before, _)) => format!("{before}expected a section"),
        None => message
            .replace("expected i64", "expected a whole number")
            .replace("expected f64", "expected a number")
            .replace("expected a boolean", "expected true or false")
            .replace("expected a string", "expected a text in quotes")
            .replace("expected a sequence", "expected a list in brackets"),
    };
    if key.is_empty() { message } else { format!("`{key}`: {message}") }
}

/// Removes the entry whose key or value stands at `span`; returns its path.
fn remove(table: &mut DeTable<'_>, span: &std::ops::Range<usize>, section: &str) -> Option<String> {
    let here = table
        .iter()
        .find(|(key, value)| key.span() == *span || stands_at(value, span))
        .map(|(key, _)| key.get_ref().clone());
    if let Some(key) = here {
        table.remove(key.as_ref());
        return Some(join(section, &key));
    }
    for (key, value) in table.iter_mut() {
        let path = join(section, key.get_ref());
        let found = match value.get_mut() {
            DeValue::Table(inner) => remove(inner, span, &path),
            DeValue::Array(rows) => rows.iter_mut().find_map(|row| match row.get_mut() {
                DeValue::Table(inner) => remove(inner, span, &path),
                _ => None,
            }),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn stands_at(value: &Spanned<DeValue<'_>>, span: &std::ops::Range<usize>) -> bool {
    match value.get_ref() {
        _ if value.span() == *span => true,
        DeValue::Array(items) => items.iter().any(|item| item.span() == *span),
        _ => false,
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_string() } else { format!("{section}.{key}") }
}

/// Copies a default without its place, which would be a place in another text.
fn nowhere<'i>(table: &DeTable<'i>) -> DeTable<'i> {
    let mut copy = DeTable::new();
    for (key, value) in table.iter() {
        copy.insert(Spanned::new(0..0, key.get_ref().clone()), nowhere_value(value.get_ref()));
    }
    copy
}

fn nowhere_value<'i>(value: &DeValue<'i>) -> Spanned<DeValue<'i>> {
    let value = match value {
        DeValue::Table(table) => DeValue::Table(nowhere(table)),
        DeValue::Array(items) => {
            DeValue::Array(items.iter().map(|item| nowhere_value(item.get_ref())).collect())
        }
        other => other.clone(),
    };
    Spanned::new(0..0, value)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{added, changed, problems, scope};

    #[test]
    fn every_unknown_key_and_every_wrong_type_is_told_at_once() {
        let text = "\
[porject]
[project]
interfase = \"a\"
context_id = 195900
practice = [\"a\"]
environment = \"tset\"
[wire]
receiving_application = \"RIDGE\"
[connectivity.test]
method = \"folder\"
folder = \"out\"
port = \"22\"
[batch]
send_empty = \"no\"
[pickup]
settle_seconds = true
[[external_ids.patient]]
name = \"MRN\"
custom_field_id = \"41\"
category = \"MRN\"
feild = \"PID-3\"
[extract.patients]
files = \"patients.csv\"
[extract.providers]
files = [\"a\", 5]
[[mapping]]
field = \"PID-14\"
value = 5
";
        assert_eq!(
            problems(text),
            [
                "line 1: unknown field `porject`, expected one of `project`, `enable`, `extract`, \
                 `columns`, `providers`, `departments`, `wire`, `connectivity`, `endpoint`, \
                 `external_ids`, `filter`, `patients`, `insurance`, `events`, `fields`, `codes`, \
                 `mapping`, `appointments`, \
                 `provider_id`, `batch`, `manifest`, `guard`, `retention`, `backfill`, `pickup`, \
                 `contact`, `alerts`, \
                 `expect`",
                "line 2: `interface` is missing in [project]; write interface = \"ridge-hie\"",
                "line 3: unknown field `interfase`, expected one of `interface`, `context_id`, \
                 `practice`, `event_number`, `vendor`, `vendor_type`, `environment`, `timezone`, \
                 `audit_timezone`",
                "line 4: `context_id`: invalid type: integer `195900`, expected a text in quotes",
                "line 5: `practice`: invalid type: sequence, expected a text in quotes",
                "line 6: `tset` is no environment; write \"test\" or \"production\"",
                "line 12: `port`: invalid type: string \"22\", expected a whole number",
                "line 14: `send_empty`: invalid type: string \"no\", expected true or false",
                "line 16: `settle_seconds`: invalid type: boolean `true`, expected a number",
                "line 17: `field` is missing in [external_ids.patient]; write field = \"PID-2\"",
                "line 21: unknown field `feild`, expected one of `name`, `custom_field_id`, \
                 `category`, `field`, `authority`, `type`, `width`, `leading_zeros`, `zero_pad`",
                "line 23: `files`: invalid type: string \"patients.csv\", expected a list in \
                 brackets",
                "line 25: `files`: invalid type: integer `5`, expected a text in quotes",
                "line 28: `value`: invalid type: integer `5`, expected a text in quotes or a \
                 list of them",
            ]
        );
    }

    #[test]
    fn a_key_of_another_section_is_sent_home() {
        let text = "[connectivity.test]\nmethod = \"folder\"\nfolder = \"x\"\nsettle_seconds = 0\n";
        let told = problems(text);
        let home = "line 4: `settle_seconds` stands in [connectivity.test] and belongs to [pickup]; \
                    is there a # before [pickup]?";
        assert!(told.iter().any(|one| one == home), "{told:?}");
    }

    #[test]
    fn text_that_is_not_toml_is_told_with_line_and_column() {
        assert_eq!(
            problems("[project]\ninterface = \"a\ncontext_id = \n"),
            [
                "line 2: column 15: invalid basic string, expected `\"`",
                "line 3: column 14: string values must be quoted, expected literal string",
            ]
        );
        assert_eq!(
            problems(&added("[batch]\nsend_empty = true\nsend_empty = true")),
            ["line 17: column 1: duplicate key"]
        );
    }

    #[test]
    fn a_section_that_is_no_section_is_told() {
        let text = changed("[project]", "batch = \"x\"\npickup = []\n[project]");
        assert_eq!(
            problems(&text),
            [
                "line 1: `batch` is a section; write it as [batch]",
                "line 2: `pickup` is a section; write it as [pickup]",
            ]
        );
        assert_eq!(
            problems(&changed("[connectivity.test]", "[[connectivity.test]]")),
            ["line 8: `connectivity.test` is a section; write it as [connectivity.test]"]
        );
    }

    #[test]
    fn a_row_is_told_from_a_section_by_its_brackets() {
        let text = "appointments = 5\nmapping = [5]\n[external_ids.patient]\nname = \"MRN\"\n";
        assert_eq!(
            problems(&changed("[project]", &format!("{text}[project]"))),
            [
                "line 1: `appointments` is a section; write it as [appointments]",
                "line 2: `mapping`: invalid type: integer `5`, expected a section",
                "line 3: `external_ids.patient` may come more than once; write it as \
                 [[external_ids.patient]]",
            ]
        );
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_repeated() {
        let text = added("password = \"hunter2\"\npassphrase = \"hunter2\"");
        assert_eq!(
            problems(&text),
            [
                "line 15: a secret does not stand in this file; write password_file or \
                 password_env",
                "line 16: a secret does not stand in this file; write passphrase_file or \
                 passphrase_env",
            ]
        );
    }

    #[test]
    fn what_the_file_says_goes_before_the_default_key_by_key() {
        let scope = scope(&added("on_inferred = \"hold\"\n[pickup]\nempty_wait_seconds = 7"));
        assert_eq!(scope.pickup.empty_wait_s, 7);
        assert_eq!(scope.pickup.settle_ms, 2000);
        assert_eq!(scope.endpoints[0].protocol.on_inferred, crate::domain::OnDoubt::Hold);
        assert_eq!(scope.endpoints[0].protocol.infer_window_s, 3600);
    }
}
