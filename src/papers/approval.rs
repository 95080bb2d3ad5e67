//! How an interface stands: whether its scope is the one that was approved last.

use std::fmt;

use super::agreed::Agreed;
use crate::domain::Approval;

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
    /// Holds a scope to the approval that was made last: who goes back to an older scope
    /// approves it again.
    pub fn of(agreed: &Agreed, last: Option<&Approval>) -> Standing {
        match last {
            None => Standing::Missing,
            Some(Approval { name, date, digest, .. }) if *digest == agreed.digest().to_string() => {
                Standing::Approved { name: name.clone(), date: date.clone() }
            }
            Some(Approval { name, date, scope, .. }) => {
                let changes = Agreed::read(scope).changes(agreed);
                Standing::Changed { name: name.clone(), date: date.clone(), changes }
            }
        }
    }

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
