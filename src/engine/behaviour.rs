//! What a server was found to do, kept beside the ledger in `partners.json`: a delivery goes
//! by it where that is safer, and the next probe says what changed.
//!
//! It only ever makes us more careful, so it needs no seal, and nothing is lost with it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::EngineError;
use super::pass::Engine;
use crate::clock::shown;
use crate::delivery::Server;
use crate::disk;

/// What is tried, in words that stand in sentences.
pub(super) const LOOK: &str = "names can be looked at";
pub(super) const READ: &str = "files can be read back";
pub(super) const SAME: &str = "bytes stay as they were sent";
pub(super) const REFUSE: &str = "a name that is taken is refused";
pub(super) const RENAME: &str = "files can be renamed";
pub(super) const STAY: &str = "files stay after their rename";
pub(super) const REMOVE: &str = "files can be removed";

/// What one server was found to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// When it was tried, unix seconds.
    pub at: i64,
    /// [`Server::place`].
    pub place: String,
    /// [`Server::host_key`].
    pub host_key: String,
    /// Each thing that was tried, and whether it is so.
    pub found: BTreeMap<String, bool>,
}

impl Behaviour {
    /// True of a server that gives other bytes back than it got.
    pub fn alters(&self) -> bool {
        self.found.get(SAME) == Some(&false)
    }

    /// True of a server that renames onto a name that is taken.
    pub fn overwrites(&self) -> bool {
        self.found.get(REFUSE) == Some(&false)
    }

    /// Returns what is different now, a sentence each.
    fn changes(&self, now: &Behaviour) -> Vec<String> {
        if self.place != now.place {
            return Vec::new();
        }
        let word = |so: bool| if so { "yes" } else { "no" };
        let mut changes = Vec::new();
        if self.host_key != now.host_key {
            changes.push(format!("its host key is {}, and was {}", now.host_key, self.host_key));
        }
        for (what, so) in &now.found {
            if let Some(was) = self.found.get(what).filter(|was| *was != so) {
                changes.push(format!("{what}: {}, and before {}", word(*so), word(*was)));
            }
        }
        changes
    }
}

/// Returns what the server of an endpoint was found to do, if it was ever probed.
pub fn known(engine: &Engine, endpoint: &str) -> Option<Behaviour> {
    all(engine).remove(endpoint)
}

/// Keeps what was found, and returns what changed since the probe before, a sentence each.
///
/// # Errors
/// The disk's.
pub fn keep(engine: &Engine, endpoint: &str, now: Behaviour) -> Result<Vec<String>, EngineError> {
    // A check makes no folders.
    if !engine.spool.root.is_dir() {
        return Ok(Vec::new());
    }
    let mut all = all(engine);
    let zone = &engine.agreement.scope.timezone;
    let since = |before: &Behaviour| {
        let day = shown(before.at, zone);
        let changes = before.changes(&now).into_iter();
        changes.map(|what| format!("changed since {day}: {what}")).collect()
    };
    let changes = all.get(endpoint).map(since).unwrap_or_default();
    all.insert(endpoint.to_string(), now);
    let text = serde_json::to_vec_pretty(&all).unwrap_or_default();
    let part = file(engine).with_extension("part");
    disk::write(&part, &text)?;
    disk::shift(&part, &file(engine))?;
    Ok(changes)
}

/// Says so where the other end is not the one that was probed.
pub fn notice(engine: &Engine, endpoint: &str, known: &Behaviour, server: &Server) {
    if known.place != server.place || known.host_key != server.host_key {
        let day = shown(known.at, &engine.agreement.scope.timezone);
        log::warn!(
            "{endpoint} is not the server that was probed on {day}; `hl7drop check --partner` \
             finds out what this one does"
        );
    }
}

fn all(engine: &Engine) -> BTreeMap<String, Behaviour> {
    let text = std::fs::read(file(engine)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn file(engine: &Engine) -> PathBuf {
    engine.spool.root.join("partners.json")
}
