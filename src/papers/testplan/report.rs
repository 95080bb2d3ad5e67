//! What came of a plan: both phases, and what is missing before go-live.

use serde::Serialize;

use super::{Outcome, Phase, Plan, Results, Scenario};
use crate::package::{Block, Paper};

/// How one scenario stands in one phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stands {
    /// All was as it must be.
    Passed,
    /// Something was not.
    Failed,
    /// Nobody tried.
    Open,
}

impl Stands {
    fn of(outcome: Option<&Outcome>) -> Stands {
        match outcome {
            None => Stands::Open,
            Some(outcome) if outcome.passed => Stands::Passed,
            Some(_) => Stands::Failed,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Stands::Passed => "passed",
            Stands::Failed => "FAILED",
            Stands::Open => "open",
        }
    }
}

/// One scenario in both phases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its number.
    pub scenario: String,
    /// What it is called.
    pub title: String,
    /// How it stands in the unit phase.
    pub unit: Stands,
    /// How it stands in the end-user phase.
    pub end_user: Stands,
    /// The newest outcome of the unit phase.
    pub unit_outcome: Option<Outcome>,
    /// The newest outcome of the end-user phase.
    pub end_user_outcome: Option<Outcome>,
}

/// The whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whose.
    pub interface: String,
    /// The digest of the scope that the plan was written of.
    pub digest: String,
    /// Who reviewed the plan, and when.
    pub reviewed: Option<(String, String)>,
    /// Each scenario.
    pub scenarios: Vec<Row>,
    /// What is missing before go-live, a sentence each; nothing if all is there.
    pub missing: Vec<String>,
}

/// What is known besides the plan and its results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// What changed in the settings since the plan was written.
    pub changes: Vec<String>,
    /// Files of the plan that are not as they were read.
    pub altered: Vec<String>,
    /// Why production may not send yet; none if it may.
    pub production: Option<String>,
}

/// Puts the report together.
pub fn report(plan: &Plan, results: &Results, around: &Around) -> Report {
    let row = |scenario: &Scenario| {
        let of = |phase| results.newest(&scenario.id, phase);
        let (unit, end_user) = (of(Phase::Unit), of(Phase::EndUser));
        Row {
            scenario: scenario.id.clone(),
            title: scenario.title.clone(),
            unit: Stands::of(unit),
            end_user: Stands::of(end_user),
            unit_outcome: unit.cloned(),
            end_user_outcome: end_user.cloned(),
        }
    };
    let scenarios: Vec<Row> = plan.scenarios.iter().map(row).collect();
    let reviewed = results.review.as_ref().map(|one| (one.name.clone(), one.date.clone()));
    Report {
        interface: plan.interface.clone(),
        digest: plan.digest.clone(),
        missing: missing(&scenarios, reviewed.is_some(), around),
        reviewed,
        scenarios,
    }
}

fn missing(rows: &[Row], reviewed: bool, around: &Around) -> Vec<String> {
    let mut missing = Vec::new();
    if !around.changes.is_empty() {
        missing.push(format!(
            "the settings changed since the plan was written: {}; write it anew",
            around.changes.join("; ")
        ));
    }
    if !around.altered.is_empty() {
        missing.push(format!(
            "files of the plan are not as they were read: {}; review them again",
            around.altered.join(", ")
        ));
    }
    if !reviewed {
        missing.push("nobody has reviewed the expected messages".to_string());
    }
    for phase in Phase::ALL {
        let stands = |row: &Row| if phase == Phase::Unit { row.unit } else { row.end_user };
        for (how, word) in [(Stands::Failed, "failed"), (Stands::Open, "not tried")] {
            let ids: Vec<&str> = rows
                .iter()
                .filter(|row| stands(row) == how)
                .map(|row| row.scenario.as_str())
                .collect();
            if !ids.is_empty() {
                missing.push(format!("{} phase, {word}: {}", phase.word(), ids.join(", ")));
            }
        }
    }
    missing.extend(around.production.iter().map(|why| format!("production: {why}")));
    missing
}

/// Writes it as a document.
pub fn paper(report: &Report) -> Paper {
    let title = format!("Test report of the interface {}", report.interface);
    let mut paper = Paper { title, ..Paper::default() };
    paper.chapter("1. Before go-live");
    if report.missing.is_empty() {
        paper.text("Nothing is missing: both phases are passed, and production may send.");
    } else {
        paper.text("This is missing:");
        paper.blocks.push(Block::Lines(report.missing.clone()));
    }
    let reviewed = match &report.reviewed {
        Some((name, date)) => format!("The plan was reviewed by {name} on {date}."),
        None => "The plan was reviewed by nobody.".to_string(),
    };
    paper.text(reviewed);
    paper.text(format!("Digest of the scope: {}.", report.digest));
    paper.chapter("2. Both phases");
    let said = |outcome: &Option<Outcome>| match outcome {
        Some(one) => format!("{}, {}", one.by, one.date),
        None => String::new(),
    };
    let row = |row: &Row| {
        let [unit, end_user] = [row.unit.word(), row.end_user.word()].map(str::to_string);
        let (of_unit, of_user) = (said(&row.unit_outcome), said(&row.end_user_outcome));
        let batches = row.unit_outcome.as_ref().map(|one| one.batches.join(", "));
        let batches = batches.unwrap_or_default();
        vec![row.scenario.clone(), row.title.clone(), unit, of_unit, batches, end_user, of_user]
    };
    let rows = report.scenarios.iter().map(row).collect();
    let head = ["No", "Scenario", "Unit", "By, on", "Batch files", "End-user", "By, on"];
    paper.table("Scenarios", &head, rows, "");
    paper.chapter("3. What was noted");
    let mut any = false;
    for row in &report.scenarios {
        for outcome in [&row.unit_outcome, &row.end_user_outcome].into_iter().flatten() {
            any |= noted(&mut paper, row, outcome);
        }
    }
    if !any {
        paper.text("Nothing.");
    }
    paper
}

fn noted(paper: &mut Paper, row: &Row, outcome: &Outcome) -> bool {
    let mut lines = outcome.differences.clone();
    if !outcome.note.is_empty() {
        lines.push(outcome.note.clone());
    }
    if lines.is_empty() {
        return false;
    }
    paper.section(&format!("{} {}, {}", row.scenario, row.title, outcome.phase.word()));
    paper.blocks.push(Block::Lines(lines));
    true
}
