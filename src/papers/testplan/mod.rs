//! The test plan of an interface: what is dropped, what must come of it, who looks at what
//! in which phase, and what came of that.
//!
//! ```text
//! Scope + Cast --scenes--> Scenario (rows, points) --the engine, once--> Plan (frozen)
//! Plan + what went out --compare, point--> Outcome --> Results --report--> a paper
//! ```
//! Two things see a mistake of the converter. The expected messages are written once, read
//! by a person, and never made again. And each scenario has *points*, values that are known
//! without the converter; they are held against the converter's messages when the plan is
//! written and against every message that went out.

pub mod cast;
mod codes;
pub mod compare;
mod filters;
mod ids;
mod plan;
pub mod point;
pub mod report;
pub mod scenes;
mod words;

pub use plan::plan;
pub use words::{end_user, unit};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What `plan.json` begins with; another form has another number.
pub const FORM: &str = "hl7drop testplan 1";

/// A plan as it was written; only a new plan changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORM`].
    pub form: String,
    /// Whose.
    pub interface: String,
    /// The program that wrote it.
    pub version: String,
    /// When, unix seconds.
    pub at: i64,
    /// Who called the program.
    pub by: String,
    /// The digest of the scope it was written of.
    pub digest: String,
    /// That scope, in its canonical form.
    pub scope: String,
    /// The settings that say how its extracts are read, in the same form.
    pub reading: String,
    /// The digits in every ID of the plan that each run has others for.
    pub token: String,
    /// Extracts of tables that it brings along, where there were none in force.
    pub tables: Vec<Extract>,
    /// What is tried, in order.
    pub scenarios: Vec<Scenario>,
    /// Where the converter and what is known without it did not agree when it was written.
    pub doubts: Vec<String>,
    /// The SHA-256 of each file that a person reads and a run relies on, by its path.
    pub files: BTreeMap<String, String>,
}

/// One thing that is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Its number, `03`.
    pub id: String,
    /// Its name in file names, `appointment-updated`.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// The part of the scope that it is about.
    pub about: String,
    /// What the point of it is, in words.
    pub purpose: String,
    /// What is dropped, one drop after the other.
    pub steps: Vec<Step>,
    /// Who looks at what in the unit phase.
    pub unit: Vec<Check>,
    /// Who looks at what in the end-user phase.
    pub end_user: Vec<Check>,
}

/// One drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What happens in the practice.
    pub say: String,
    /// What is dropped.
    pub extracts: Vec<Extract>,
    /// The columns that matter: extract, column, value.
    pub focus: Vec<(String, String, String)>,
    /// The message types that must come of it, in order: `SIU^S14`.
    pub told: Vec<String>,
    /// The codes of the records that must wait instead.
    pub waits: Vec<String>,
    /// How many records must be counted as filtered.
    pub filtered: u64,
    /// The file of the expected messages.
    pub expected: String,
    /// What must stand in them.
    pub points: Vec<Point>,
}

/// A file to drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// Its path in the folder of the plan; the last part is its name in the inbox.
    pub file: String,
}

impl Extract {
    /// Returns the name that it is dropped under.
    pub fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }
}

/// A value that is known without the converter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The message of the step, from 1.
    pub message: usize,
    /// The place, as [`point::Place`] reads it.
    pub field: String,
    /// What must stand there; empty: nothing.
    pub value: String,
    /// What that says.
    pub say: String,
}

/// Who looks at what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `practice` or `vendor`.
    pub side: String,
    /// Who.
    pub who: String,
    /// What they do, and what they must see.
    pub what: String,
}

/// The two phases of the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Made-up extracts against the vendor's test server.
    Unit,
    /// People of both sides with their own applications.
    EndUser,
}

impl Phase {
    /// Both, in order.
    pub const ALL: [Phase; 2] = [Phase::Unit, Phase::EndUser];

    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Unit => "unit",
            Phase::EndUser => "end-user",
        }
    }
}

/// What came of one scenario in one phase; the newest counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario's number.
    pub scenario: String,
    /// In which phase.
    pub phase: Phase,
    /// Whether all was as it must be.
    pub passed: bool,
    /// Who says so: a person, or `hl7drop testplan run`.
    pub by: String,
    /// The day, `2026-05-20`.
    pub date: String,
    /// When it was written down, unix seconds.
    pub at: i64,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What was otherwise than expected, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// The batch files that went out, so that the vendor finds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batches: Vec<String>,
    /// The digits that stood in the IDs instead of the plan's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
}

/// That a person read the extracts and the expected messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Who.
    pub name: String,
    /// The day, `2026-05-20`.
    pub date: String,
    /// When it was written down, unix seconds.
    pub at: i64,
    /// The user who wrote it down.
    pub by: String,
    /// The files as they were read.
    pub files: BTreeMap<String, String>,
}

/// What came of a plan so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// The SHA-256 of the `plan.json` that they are of.
    pub plan: String,
    /// The last review.
    pub review: Option<Review>,
    /// Each outcome, oldest first.
    pub outcomes: Vec<Outcome>,
}

impl Results {
    /// Returns the newest outcome of a scenario in a phase.
    pub fn newest(&self, scenario: &str, phase: Phase) -> Option<&Outcome> {
        let of = |one: &&Outcome| one.scenario == scenario && one.phase == phase;
        self.outcomes.iter().rev().find(of)
    }
}
