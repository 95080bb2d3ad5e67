//! An approval: that somebody agreed to a scope as it was.

use serde::Serialize;

/// One approval, with the whole scope that it is about: an auditor needs nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// The canonical form.
    pub scope: String,
}
