//! A backup of all that a site knows, taken while it works; and the way back.
//!
//! | in the folder | what |
//! |---|---|
//! | `manifest.json` | every file with its digest; written last, so a folder without it is no backup |
//! | `settings/` | `hl7drop.toml` and the interface files; no keys, no passwords |
//! | `spool/` | `desk.db`, `maps.db`, `incidents.json`, each interface's `approvals.db` |
//! | `spool/<interface>/<environment>/` | `ledger.db`, the register's bytes that count, the indexes, the reference extracts in force, the batch files that are not delivered, `views.log` |
//!
//! Not in it: `sent/`, `archive/`, `error/`, whose files never change (a file copy is
//! enough), and extracts that were not taken in, which are dropped again.
//!
//! An older ledger must never send twice: `restore.rs` says how it is kept from that.

mod restore;
mod save;
mod since;

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::EngineError;
use super::mend::refused;
use crate::clock::Clock;
use crate::disk::failed;
use crate::domain::Environment;
use crate::ledger::{Ledger, Numbers};
use crate::spool::Spool;

pub use restore::{Plan, Restored, Was, plan, restore};
pub use save::{Saved, save};

/// The file that makes a folder a backup.
const MANIFEST: &str = "manifest.json";
/// The approvals of an interface, below its folder.
const APPROVALS: &str = "approvals.db";
/// The layout of the folder; another number is refused.
const FORMAT: u32 = 1;

/// Where a site has its things.
pub struct Place {
    /// The program's file.
    pub program: PathBuf,
    /// The folder of the interface files.
    pub settings: PathBuf,
    /// The folder of the interfaces' folders.
    pub spool: PathBuf,
    /// The time.
    pub clock: Clock,
}

/// What is in a backup.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout.
    pub format: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// When, unix seconds.
    pub made_at: i64,
    /// The ledgers.
    pub ledgers: Vec<LedgerNote>,
    /// Every file.
    pub files: Vec<FileNote>,
    /// What should be in it and is not, and why.
    pub left_out: Vec<String>,
}

/// How far a ledger was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerNote {
    /// Whose.
    pub interface: String,
    /// `test` or `production`.
    pub environment: String,
    /// The next control number.
    pub control: u64,
    /// The next file number.
    pub file: u64,
    /// The newest extract.
    pub extracts: i64,
    /// The newest decision of a person.
    pub actions: i64,
}

/// A file, by its path in the backup.
#[derive(Debug, Serialize, Deserialize)]
pub struct FileNote {
    /// Its path, with `/` between folders.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: String,
}

impl LedgerNote {
    /// Says how far a ledger is.
    fn of(interface: &str, environment: &str, ledger: &dyn Ledger) -> Result<Self, EngineError> {
        let Numbers { control, file } = ledger.numbers()?;
        Ok(LedgerNote {
            interface: interface.to_string(),
            environment: environment.to_string(),
            control,
            file,
            extracts: ledger.extracts(1)?.first().map_or(0, |row| row.id.0),
            actions: ledger.actions(1)?.first().map_or(0, |row| row.id),
        })
    }

    /// Returns `interface/environment`.
    pub fn owner(&self) -> String {
        format!("{}/{}", self.interface, self.environment)
    }

    /// True if it knows anything that `other` does not.
    fn is_ahead_of(&self, other: &LedgerNote) -> bool {
        self.control > other.control
            || self.file > other.file
            || self.extracts > other.extracts
            || self.actions > other.actions
    }
}

impl Place {
    /// Returns the interfaces that have a folder: those whose settings are gone too.
    fn interfaces(&self) -> Result<Vec<String>, EngineError> {
        let mut found = Vec::new();
        let Ok(listed) = std::fs::read_dir(&self.spool) else { return Ok(found) };
        for entry in listed {
            let entry = entry.map_err(failed("list", &self.spool))?;
            found.extend(entry.file_name().into_string().ok().filter(|_| entry.path().is_dir()));
        }
        found.sort();
        Ok(found)
    }

    /// Returns the folders of each ledger below the spool.
    fn spools(&self) -> Result<Vec<(String, String, Spool)>, EngineError> {
        let mut found = Vec::new();
        for interface in self.interfaces()? {
            for environment in [Environment::Test, Environment::Production] {
                let spool = self.of(&interface, environment.word());
                if spool.ledger().exists() {
                    found.push((interface.clone(), environment.word().to_string(), spool));
                }
            }
        }
        Ok(found)
    }

    /// Returns the folders of an interface in an environment.
    fn of(&self, interface: &str, environment: &str) -> Spool {
        Spool::at(&self.spool.join(interface).join(environment))
    }
}

/// Returns a path of a manifest below a folder; none if it leads out of it.
fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    (inside && !path.as_os_str().is_empty()).then(|| folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_leads_nowhere_else() {
        let at = Path::new("/backup");
        assert_eq!(below(at, "spool/maps.db"), Some("/backup/spool/maps.db".into()));
        for bad in ["../etc/passwd", "/etc/passwd", "spool/../../x", "", "."] {
            assert_eq!(below(at, bad), None, "{bad}");
        }
    }
}
