//! The interface file of a filled scope package: the commented template with the answers
//! written into it, each with its place in the document, and the questions above it.
//!
//! An answer that the checks refuse becomes a question, so what comes out always reads.

use std::path::Path;

use super::interface::read;
use super::problem::Problem;
use super::template::interface_file;
use crate::domain::{Answers, FilledKey, FilledRow, Value};

/// Columns before a comment, as the template has them.
const COMMENT_AT: usize = 41;

/// Writes the interface file `name`, which must be a good
/// [`InterfaceName`](crate::domain::InterfaceName), as if it lay in `folder`. Answers that
/// are refused are moved to the questions.
///
/// # Errors
/// Problems of no answer: a bug of ours.
pub fn filled(name: &str, answers: &mut Answers, folder: &Path) -> Result<String, Vec<Problem>> {
    loop {
        let (text, places) = write(name, answers);
        let Err(problems) = read(&text, folder) else { return Ok(headed(&text, answers)) };
        let mut moved = false;
        for problem in &problems {
            moved |= refuse(problem, &places, answers);
        }
        if !moved {
            return Err(problems);
        }
        answers.keys.retain(|answer| answer.section != REFUSED);
        answers.rows.retain(|row| row.section != REFUSED);
    }
}

/// The section of answers that were refused; they are dropped together.
const REFUSED: &str = "";

/// Which answer a line holds.
#[derive(Clone, Copy)]
enum Held {
    Key(usize),
    Row(usize),
}

/// Makes a question of the answer that a problem is about; false if it is about none.
fn refuse(problem: &Problem, places: &[Option<Held>], answers: &mut Answers) -> bool {
    let held = problem.line.checked_sub(1).and_then(|at| places.get(at).copied().flatten());
    let (section, spot) = match held {
        Some(Held::Key(at)) => (answers.keys[at].section, answers.keys[at].spot.clone()),
        Some(Held::Row(at)) => (answers.rows[at].section, answers.rows[at].spot.clone()),
        None => return false,
    };
    if section != REFUSED {
        let set = match held {
            Some(Held::Key(at)) => format!("set {} in [{section}]", answers.keys[at].key),
            _ => format!("write it as [[{section}]]"),
        };
        answers.ask(spot, problem.what.clone(), set);
    }
    match held {
        Some(Held::Key(at)) => answers.keys[at].section = REFUSED,
        Some(Held::Row(at)) => answers.rows[at].section = REFUSED,
        None => {}
    }
    true
}

/// Returns the file, and which answer each of its lines holds.
fn write(name: &str, answers: &Answers) -> (String, Vec<Option<Held>>) {
    let mut lines: Vec<(String, Option<Held>)> =
        interface_file(name).lines().map(|line| (line.to_string(), None)).collect();
    for (at, answer) in answers.keys.iter().enumerate() {
        put_key(&mut lines, answer, Held::Key(at));
    }
    for (at, row) in answers.rows.iter().enumerate() {
        put_row(&mut lines, row, Held::Row(at));
    }
    let mut text = String::new();
    for (line, _) in &lines {
        text.push_str(line);
        text.push('\n');
    }
    (text, lines.into_iter().map(|(_, held)| held).collect())
}

fn put_key(lines: &mut Vec<(String, Option<Held>)>, answer: &FilledKey, held: Held) {
    let header = format!("[{}]", answer.section);
    let is_header = |line: &str| line.strip_prefix('#').unwrap_or(line).starts_with(&header);
    let Some(start) = lines.iter().position(|(line, _)| is_header(line)) else { return };
    if let Some(on) = lines[start].0.strip_prefix('#').map(str::to_string) {
        lines[start].0 = on;
    }
    let own = |line: &str| {
        let line = line.strip_prefix('#').unwrap_or(line);
        line.split_once('=').is_some_and(|(key, _)| key.trim() == answer.key)
    };
    let end = |line: &str| line.starts_with('[') || line.starts_with("#[");
    let rest = &lines[start + 1..];
    let known = rest.iter().take_while(|(line, _)| !end(line)).position(|(line, _)| own(line));
    let setting = format!("{} = {}", answer.key, toml_of(&answer.value));
    let line = commented(&setting, &answer.spot.to_string());
    match known {
        Some(at) => lines[start + 1 + at] = (line, Some(held)),
        None => lines.insert(start + 1, (line, Some(held))),
    }
}

/// Puts a row behind the example of its kind.
fn put_row(lines: &mut Vec<(String, Option<Held>)>, row: &FilledRow, held: Held) {
    let header = format!("[[{}]]", row.section);
    let example = lines
        .iter()
        .position(|(line, _)| line.strip_prefix('#').unwrap_or(line).starts_with(&header));
    let Some(example) = example else { return };
    // Rows that were put here before stand between the example and this one.
    let next = lines[example + 1..].iter().position(|(line, _)| {
        let line = line.strip_prefix('#').unwrap_or(line);
        line.starts_with('[') && !line.starts_with(&header)
    });
    let at = next.map_or(lines.len(), |next| example + 1 + next);
    let mut new = vec![(commented(&header, &row.spot.to_string()), Some(held))];
    new.extend(
        row.keys.iter().map(|(key, value)| (format!("{key} = {}", toml_of(value)), Some(held))),
    );
    new.push((String::new(), None));
    lines.splice(at..at, new);
}

fn commented(setting: &str, comment: &str) -> String {
    format!("{setting:<width$}# {comment}", width = (COMMENT_AT).max(setting.len() + 1))
}

fn toml_of(value: &Value) -> String {
    match value {
        Value::Text(text) => toml::Value::String(text.clone()).to_string(),
        Value::Flag(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Names(names) => {
            let names = names.iter().map(|name| toml::Value::String(name.clone())).collect();
            toml::Value::Array(names).to_string()
        }
    }
}

/// Puts the questions and notes above the file.
fn headed(text: &str, answers: &Answers) -> String {
    let mut head = String::from(
        "# Read from a filled scope package by `hl7drop scope import`; each value has its place\n\
         # in the document beside it.\n",
    );
    if !answers.questions.is_empty() {
        head.push_str("#\n# Open questions; take out those that are answered:\n");
    }
    for (at, question) in answers.questions.iter().enumerate() {
        wrap(&mut head, &format!("{}. {question}", at + 1));
    }
    if !answers.notes.is_empty() {
        head.push_str("#\n# The document also says, and no setting holds:\n");
    }
    for (spot, note) in &answers.notes {
        wrap(&mut head, &format!("- {note} ({spot})"));
    }
    head + "#\n" + text
}

/// Writes a text as comments; a control character of the document must not end one.
fn wrap(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split(|char: char| char.is_whitespace() || char.is_control()) {
        if line.chars().count() + word.chars().count() > 96 && line.len() > 4 {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#   ");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}
