//! Who approved which scope: a file beside the interface file, one line of JSON for each
//! approval, never rewritten.
//!
//! Each line names the digest of the line before it, so that a line that was changed or
//! taken out is noticed; and holds the whole scope that it is about, so that an auditor needs
//! nothing else. Whoever may write the file may also approve; what it proves is that nobody
//! did so unnoticed afterwards.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::agreed::Agreed;
use crate::convert::{Map, MapError};
use crate::crashpoint::crashpoint;
use crate::digest::Digest;
use crate::disk::{self, DiskError, failed};
use crate::domain::{Environment, Scope};

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who approved.
    pub name: String,
    /// The day they did, `2026-05-20`.
    pub date: String,
    /// When it was written down, unix seconds.
    pub at: i64,
    /// The user who wrote it down.
    pub by: String,
    /// The digest of the scope's canonical form.
    pub digest: String,
    /// The digest of the line before; empty of the first.
    pub before: String,
    /// The canonical form.
    pub scope: String,
}

/// Why approvals cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// The file system.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is not as it was written.
    #[error(
        "{path}, line {line}: {what}; restore the file from a backup, nothing is sent until then"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// How an interface stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is of the test environment, which is free.
    Free,
    /// Its scope was approved as it is.
    Approved {
        /// By whom.
        name: String,
        /// On which day.
        date: String,
    },
    /// Nobody approved it.
    #[default]
    Missing,
    /// It changed since somebody approved it.
    Changed {
        /// By whom.
        name: String,
        /// On which day.
        date: String,
        /// What is different since, a sentence each.
        changes: Vec<String>,
    },
    /// The approvals cannot be read.
    Unknown(String),
}

impl Standing {
    /// True where sending is allowed.
    pub fn allows(&self) -> bool {
        matches!(self, Standing::Free | Standing::Approved { .. })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Standing::Free => out.write_str("test needs no approval"),
            Standing::Approved { name, date } => write!(out, "approved by {name} on {date}"),
            Standing::Missing => out.write_str("nobody has approved it"),
            Standing::Changed { name, date, changes } => {
                write!(out, "it changed since {name} approved it on {date}")?;
                changes.iter().try_for_each(|change| write!(out, "\n  {change}"))
            }
            Standing::Unknown(what) => out.write_str(what),
        }
    }
}

/// Returns the file of an interface's approvals: `ridge.approvals.jsonl`.
pub fn path_of(interface_file: &Path) -> PathBuf {
    interface_file.with_extension("approvals.jsonl")
}

/// Reads the approvals of an interface, oldest first.
///
/// # Errors
/// [`ApprovalError`]: a file that cannot be read, or that was changed.
pub fn read(interface_file: &Path) -> Result<Vec<Approval>, ApprovalError> {
    let path = path_of(interface_file);
    Ok(parse(&text_of(&path)?, &path)?.into_iter().map(|(approval, _)| approval).collect())
}

fn text_of(path: &Path) -> Result<String, DiskError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(err) => Err(failed("read", path)(err)),
    }
}

/// Returns each approval with the digest of its line.
fn parse(text: &str, path: &Path) -> Result<Vec<(Approval, Digest)>, ApprovalError> {
    let mut approvals: Vec<(Approval, Digest)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let damaged =
            |what| ApprovalError::Damaged { path: path.to_path_buf(), line: at + 1, what };
        let approval: Approval =
            serde_json::from_str(line).map_err(|_| damaged("it is no approval"))?;
        let before = approvals.last().map(|(_, digest)| digest.to_string()).unwrap_or_default();
        if approval.before != before {
            return Err(damaged("the line before it was changed or taken out"));
        }
        if approval.digest != Digest::of(approval.scope.as_bytes()).to_string() {
            return Err(damaged("its scope was changed"));
        }
        approvals.push((approval, Digest::of(line.as_bytes())));
    }
    Ok(approvals)
}

/// Who approves, when, and who writes it down.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Who approved.
    pub name: String,
    /// The day they did.
    pub date: String,
    /// Unix seconds.
    pub at: i64,
    /// The user who writes it down.
    pub by: String,
}

/// Adds an approval behind the others, at one instant.
///
/// # Errors
/// [`ApprovalError`]; nothing was added then.
pub fn add(
    interface_file: &Path,
    agreed: &Agreed,
    signature: Signature,
) -> Result<Approval, ApprovalError> {
    let path = path_of(interface_file);
    let mut text = text_of(&path)?;
    let before = parse(&text, &path)?.last().map(|(_, digest)| digest.to_string());
    let scope = agreed.text();
    let approval = Approval {
        name: signature.name,
        date: signature.date,
        at: signature.at,
        by: signature.by,
        digest: Digest::of(scope.as_bytes()).to_string(),
        before: before.unwrap_or_default(),
        scope,
    };
    text.push_str(&serde_json::json!(approval).to_string());
    text.push('\n');
    let part = path.with_extension("part");
    crashpoint("approval.write").map_err(failed("write", &part))?;
    disk::write(&part, text.as_bytes())?;
    disk::shift(&part, &path)?;
    crashpoint("approval.written").map_err(failed("write", &path))?;
    Ok(approval)
}

/// Says how an interface stands: `text` is the checked interface file.
///
/// # Errors
/// A map that cannot be put together.
pub fn standing(interface_file: &Path, text: &str, scope: &Scope) -> Result<Standing, MapError> {
    if scope.environment == Environment::Test {
        return Ok(Standing::Free);
    }
    let map = Map::agreed(scope)?;
    let agreed = match Agreed::of(text, scope, &map) {
        Ok(agreed) => agreed,
        Err(what) => return Ok(Standing::Unknown(what)),
    };
    let approvals = match read(interface_file) {
        Ok(approvals) => approvals,
        Err(err) => return Ok(Standing::Unknown(err.to_string())),
    };
    // Only the last one counts: who goes back to an older scope approves it again.
    Ok(match approvals.into_iter().next_back() {
        None => Standing::Missing,
        Some(Approval { name, date, digest, .. }) if digest == agreed.digest().to_string() => {
            Standing::Approved { name, date }
        }
        Some(Approval { name, date, scope, .. }) => {
            let changes = Agreed::read(&scope).changes(&agreed);
            Standing::Changed { name, date, changes }
        }
    })
}
