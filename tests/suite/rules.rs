//! `tests/RULES.md` held to the specification: each row of its tables has a row there, each
//! code and each column is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hl7drop::domain::{Code, ExtractKind};
use hl7drop::extract::Vocabulary;

use crate::site::{Site, ok};

/// Reads the specification; without it CI fails.
fn specification() -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/spec/interface.md");
    let text = fs::read_to_string(&path).ok();
    assert!(text.is_some() || std::env::var_os("CI").is_none(), "{} is missing", path.display());
    text
}

/// Returns what stands between two headings.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).map_or(rest, |(part, _)| part)
}

/// Returns the cells of each row of the tables in a text, without their heads.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("|---"));
        if !line.starts_with("| ") || is_head {
            continue;
        }
        // A bar of the text itself is written `\|`.
        let line = line.replace("\\|", "\u{1}");
        let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|"));
        rows.push(cells.collect());
    }
    rows
}

/// Says which rows of the specification have no rule.
fn without_rule(spec: &[String], rules: &str) -> Vec<String> {
    let plain = |text: &str| text.replace(['`', '*'], "");
    let rules: Vec<String> = rows(rules).iter().map(|row| plain(&row[0])).collect();
    let has = |row: &&String| rules.iter().any(|rule| rule.starts_with(&plain(row)));
    spec.iter().filter(|row| !has(row)).cloned().collect()
}

#[test]
fn every_row_of_the_specification_has_its_rule() {
    let Some(spec) = specification() else { return };
    let rules = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/RULES.md"));
    let rules = rules.unwrap();
    for (from, to, ours, least) in [
        ("### 5.2a", "### 5.3", ("## 5 Input", "## 6"), 9),
        ("## 6. Code sets", "## 7", ("## 6 Codes", "## 7"), 15),
        ("## 7. Events", "## 8", ("## 7 Events", "## 8"), 16),
        ("## 8. Ambiguities", "## 9", ("## 8 Ambiguities", "## 9"), 29),
    ] {
        let is_number = |cell: &str| cell.len() < 3 && cell.parse::<u8>().is_ok();
        let first = |row: &Vec<String>| match is_number(&row[0]) {
            true => format!("{} ", row[0]),
            false => row[0].clone(),
        };
        let spec: Vec<String> = rows(between(&spec, from, to)).iter().map(first).collect();
        assert!(spec.len() >= least, "{from}: {} rows", spec.len());
        let part = between(&rules, ours.0, ours.1);
        assert_eq!(without_rule(&spec, part), [""; 0], "{from}");
        let cut = part.replacen("\n| ", "\n| other: ", 200);
        assert_eq!(without_rule(&spec, &cut).len(), spec.len(), "{from}");
    }
    assert!(!rules.contains("**open**"), "something is open");
}

/// The codes of section 9, each with the state of its row.
fn codes(spec: &str) -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for row in rows(between(spec, "## 9. IMQM", "## 10")) {
        for word in row[2].split(|char: char| !char.is_ascii_alphanumeric()) {
            let (letter, digits) = word.split_at(word.len().min(1));
            let is_letter = letter.bytes().all(|byte| byte.is_ascii_uppercase());
            if is_letter && digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit())
            {
                codes.insert(word.to_string(), row[1].clone());
            }
        }
    }
    codes
}

#[test]
fn every_code_of_the_specification_stands_in_its_class_and_is_explained() {
    let Some(spec) = specification() else { return };
    let codes = codes(&spec);
    assert_eq!(codes.len(), 21, "{codes:?}");
    let site = Site::new();
    for (id, state) in codes {
        let code = Code::of_id(&id).unwrap_or_else(|| panic!("{id} is none of ours"));
        assert_eq!(code.owner().queue_state().to_string(), state, "{id}");
        let said = ok(site.run(["explain", &id]), 0).out;
        let lines: Vec<&str> = said.lines().collect();
        let [what, hint] = lines.as_slice() else { panic!("{said}") };
        assert_eq!(*what, format!("{id} {state}: {}", code.text()));
        let hint = hint.strip_prefix("  what to do: ").unwrap_or_else(|| panic!("{said}"));
        assert!(hint.len() > 20 && code.text().len() > 8, "{said}");
    }
}

/// Columns of 5.3 and 5.4 that have another name with us, and what stands for them.
const OTHERWISE: &[(&str, &str)] =
    &[("customfield_ID", "customfield_41"), ("referringproviderid/npi/..", "referringprovidernpi")];

/// Returns the columns of a first cell: `lastname, firstname`, `guarantordob, ..phone`,
/// `insuranceN_ircid, _ircname`. What follows dots has a beginning of the first one before it.
fn columns(cell: &str, is_column: &dyn Fn(&str) -> bool) -> Vec<String> {
    let cell = cell.split(" (or ").next().unwrap().replace("insuranceN", "insurance1");
    let names: Vec<&str> = cell.split(',').map(str::trim).collect();
    let first = names[0];
    let whole = |name: &&str| -> String {
        if let Some(rest) = name.strip_prefix("..") {
            let starts = (1..first.len()).rev().map(|end| format!("{}{rest}", &first[..end]));
            return starts.into_iter().find(|one| is_column(one)).unwrap_or(name.to_string());
        }
        match name.strip_prefix('_') {
            Some(rest) => format!("{}_{rest}", first.split('_').next().unwrap()),
            None => name.to_string(),
        }
    };
    names.iter().map(whole).collect()
}

#[test]
fn every_column_of_the_specification_is_known() {
    let Some(spec) = specification() else { return };
    let vocabulary = Vocabulary::standard().unwrap();
    for (from, to, kind, least) in [
        ("### 5.3 patients", "### 5.4", ExtractKind::Patients, 95),
        ("### 5.4 appointments", "providers: `", ExtractKind::Appointments, 30),
    ] {
        let is_column = |name: &str| vocabulary.is_column(kind, name);
        let mut seen = 0;
        for row in rows(between(&spec, from, to)) {
            if row[0].starts_with("patient columns") {
                continue;
            }
            for name in columns(&row[0], &is_column) {
                let known = OTHERWISE.iter().find(|(theirs, _)| *theirs == name);
                let name = known.map_or(name.as_str(), |(_, ours)| ours);
                assert!(is_column(name), "{from}: {name} of {:?}", row[0]);
                seen += 1;
            }
        }
        assert!(seen >= least, "{from}: {seen} columns");
    }
}
