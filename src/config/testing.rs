//! What the tests of the checks share: a good interface file to spoil.

use std::path::Path;

use super::interface::read;
use super::problem::Problem;
use super::template::interface_file;
use crate::domain::Scope;

/// A good file of 14 lines.
pub(super) const GOOD: &str = r#"[project]
interface = "ridge-hie"
context_id = "195900"
practice = "Lakeside Family Medicine"
environment = "test"
[wire]
receiving_application = "RIDGE"
[connectivity.test]
method = "sftp"
host = "127.0.0.1"
user = "ridge"
key_file = "keys/ridge"
known_hosts = "keys/known_hosts"
folder = "/inbound"
"#;

/// Reads a file that must be good.
pub(super) fn scope(text: &str) -> Scope {
    read(text, Path::new("/etc/hl7drop")).unwrap()
}

/// Returns what is told of a file that must not be good.
pub(super) fn problems(text: &str) -> Vec<String> {
    let told = read(text, Path::new("/etc/hl7drop")).unwrap_err();
    told.iter().map(Problem::to_string).collect()
}

/// Returns the good file with one line changed.
pub(super) fn changed(line: &str, into: &str) -> String {
    let (line, into) = (format!("{line}\n"), format!("{into}\n"));
    assert!(GOOD.contains(&line), "{line}");
    GOOD.replace(&line, &into)
}

/// Returns the good file with lines added, from line 15 on.
pub(super) fn added(lines: &str) -> String {
    format!("{GOOD}{lines}\n")
}

/// Returns the template with every `#key` and `#[section]` switched on.
pub(super) fn switched_on() -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|first: char| first != ' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    interface_file("ridge-hie").lines().map(on).collect()
}
