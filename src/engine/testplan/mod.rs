//! The test plan at work: it is written with a rehearsal, run against the vendor's test
//! server, and kept in a folder.
//!
//! ```text
//! write:  tables in force -> cast -> scenes -> rehearsal (a spool that is thrown away) -> folder
//! run:    folder -> drop, pass, look -> compare with what is frozen in the folder -> results
//! ```
//! Never in production: each of the two refuses it.

mod casting;
pub mod folder;
mod perform;
mod rehearse;
mod run;
mod write;

pub use run::{Tried, run};
pub use write::{Written, write};

use super::error::EngineError;
use super::pass::Engine;
use crate::config::settings::settings;
use crate::convert::Map;
use crate::domain::{Environment, MissingRows};
use crate::papers::agreed::{Agreed, Line};

/// Sections of the interface file that are not agreed and decide how extracts are read.
const READING: [&str; 4] = ["extract", "columns", "providers", "departments"];

/// What a plan must fit: the scope, and how extracts are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What was agreed.
    pub agreed: Agreed,
    /// How extracts are read.
    pub reading: Agreed,
}

impl Terms {
    /// Reads them off the checked interface file.
    ///
    /// # Errors
    /// A map that cannot be put together.
    pub fn of(engine: &Engine, text: &str) -> Result<Terms, EngineError> {
        let scope = &engine.agreement.scope;
        let agreed = Agreed::of(text, scope, &Map::agreed(scope)?).map_err(refused)?;
        let settings = settings(text).map_err(|_| refused("the interface file is no TOML"))?;
        let reads = |place: &str| {
            READING.iter().any(|one| place == *one || place.starts_with(&format!("{one}.")))
        };
        let lines = settings.into_iter().filter(|one| reads(&one.place())).map(|one| Line {
            section: one.section,
            key: one.key,
            value: one.value,
        });
        Ok(Terms { agreed, reading: Agreed { lines: lines.collect() } })
    }

    /// Says what is different from those that a plan was written under.
    pub fn changes(&self, plan: &crate::papers::testplan::Plan) -> Vec<String> {
        let mut changes = Vec::new();
        if self.agreed.digest().to_string() != plan.digest {
            changes.extend(Agreed::read(&plan.scope).changes(&self.agreed));
            if changes.is_empty() {
                changes.push("the scope".to_string());
            }
        }
        changes.extend(Agreed::read(&plan.reading).changes(&self.reading));
        changes
    }
}

fn refused(what: impl Into<String>) -> EngineError {
    EngineError::Refused { what: what.into() }
}

/// Refuses production.
fn test_only(engine: &Engine) -> Result<(), EngineError> {
    match engine.agreement.scope.environment {
        Environment::Test => Ok(()),
        Environment::Production => Err(refused(
            "a test plan is never of production: set environment = \"test\" in the interface file",
        )),
    }
}

/// Takes away what would make something else of a scenario than it is about: nothing waits
/// for a file to settle, no small drop is held, and nothing that others dropped is cancelled
/// since the plan's extracts do not have it.
fn on_stage(engine: &mut Engine) {
    let scope = &mut engine.agreement.scope;
    scope.pickup.settle_ms = 0;
    scope.guard.rows_min = u64::MAX;
    scope.events.missing_rows = MissingRows::Ignore;
}
