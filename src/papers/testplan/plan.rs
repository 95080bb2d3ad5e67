//! The plan as a document: what people of both sides read, review and tick.

use super::{Check, Phase, Plan, Scenario, Step};
use crate::clock::shown;
use crate::package::{Block, Paper};

/// Writes the plan; `expected` gives the text of a file of expected messages.
pub fn plan(plan: &Plan, zone: &jiff::tz::TimeZone, expected: &dyn Fn(&str) -> String) -> Paper {
    let title = format!("Test plan of the interface {}", plan.interface);
    let mut paper = Paper { title, ..Paper::default() };
    head(&mut paper, plan, zone);
    overview(&mut paper, plan);
    if !plan.doubts.is_empty() {
        paper.chapter("Where to look first");
        paper.text(
            "Here the messages that the program makes are not what is known without it. Either \
             is a mistake, or a setting of this interface says so.",
        );
        paper.blocks.push(Block::Lines(plan.doubts.clone()));
    }
    paper.chapter("3. Scenarios");
    for scenario in &plan.scenarios {
        of_scenario(&mut paper, scenario, expected);
    }
    paper
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_string).to_vec()
}

fn head(paper: &mut Paper, plan: &Plan, zone: &jiff::tz::TimeZone) {
    paper.chapter("1. About this plan");
    let at = shown(plan.at, zone);
    let count = plan.scenarios.len().to_string();
    let rows = vec![
        cells(["Interface", &plan.interface]),
        cells(["Written", &format!("{at} by {}, hl7drop {}", plan.by, plan.version)]),
        cells(["Digest of the scope", &plan.digest]),
        cells(["Scenarios", &count]),
        cells(["Reviewed by, on", ""]),
    ];
    paper.table("This plan", &["What", "Value"], rows, "");
    for text in [
        "It was written from the interface's own settings. All patients in it are made up, and \
         marked as test patients. Providers and departments are those of the tables in force.",
        "The expected messages were made once, with the plan, and are never made again. Somebody \
         who knows the scope reads them before the first run. A point is a value that is known \
         without the program: it must stand in the expected message and in the one that goes out.",
        "Left aside in each comparison: MSH-7 (time) and MSH-10 (control ID). In the IDs each run \
         has four digits of its own instead of those of the plan, so that a run can be repeated.",
        "Unit phase: the extracts of this plan against the vendor's test server. End-user phase: \
         people of both sides with their own applications. Nothing of it is for production.",
    ] {
        paper.text(text);
    }
    paper.text(format!("The digits of the plan are {}.", plan.token));
    if !plan.tables.is_empty() {
        let files: Vec<&str> = plan.tables.iter().map(|one| one.file.as_str()).collect();
        paper.text(format!("Drop the tables first: {}.", files.join(", ")));
    }
}

fn overview(paper: &mut Paper, plan: &Plan) {
    paper.chapter("2. Overview");
    let row = |one: &Scenario| {
        let told: Vec<&str> =
            one.steps.iter().flat_map(|step| &step.told).map(String::as_str).collect();
        let told = if told.is_empty() { "nothing".to_string() } else { told.join(", ") };
        cells([&one.id, &one.title, &one.about, &told, "", ""])
    };
    let rows = plan.scenarios.iter().map(row).collect();
    let head = ["No", "Scenario", "About", "Messages", "Unit", "End-user"];
    paper.table("Scenarios", &head, rows, "");
}

fn of_scenario(paper: &mut Paper, scenario: &Scenario, expected: &dyn Fn(&str) -> String) {
    paper.section(&format!("{} {}", scenario.id, scenario.title));
    paper.text(format!("{} ({})", scenario.purpose, scenario.about));
    for (at, step) in scenario.steps.iter().enumerate() {
        of_step(paper, at + 1, step, expected);
    }
    let mut rows = Vec::new();
    for (phase, checks) in [(Phase::Unit, &scenario.unit), (Phase::EndUser, &scenario.end_user)] {
        let row = |one: &Check| cells([phase.word(), &one.side, &one.who, &one.what, ""]);
        rows.extend(checks.iter().map(row));
    }
    let head = ["Phase", "Side", "Who", "What", "Result, name, date"];
    paper.table(&format!("{}: who looks at what", scenario.id), &head, rows, "");
}

fn of_step(paper: &mut Paper, number: usize, step: &Step, expected: &dyn Fn(&str) -> String) {
    let files: Vec<&str> = step.extracts.iter().map(|one| one.file.as_str()).collect();
    paper.text(format!("Drop {number}: {} Files: {}.", step.say, files.join(", ")));
    let row = |(extract, column, value): &(String, String, String)| cells([extract, column, value]);
    let rows = step.focus.iter().map(row).collect();
    paper.table("What matters in them", &["Extract", "Column", "Value"], rows, "");
    let told = if step.told.is_empty() { "nothing".to_string() } else { step.told.join(", ") };
    let waits = match step.waits.as_slice() {
        [] => String::new(),
        codes => format!(" Records wait for a person: {}.", codes.join(", ")),
    };
    paper.text(format!("Must be sent: {told}.{waits}"));
    let text = expected(&step.expected);
    if !text.is_empty() {
        paper.blocks.push(Block::Lines(text.lines().map(str::to_string).collect()));
    }
    let row = |point: &super::Point| {
        let value = if point.value.is_empty() { "empty" } else { &point.value };
        cells([&point.message.to_string(), &point.field, value, &point.say])
    };
    let rows: Vec<Vec<String>> = step.points.iter().map(row).collect();
    if !rows.is_empty() {
        paper.table("Points", &["Message", "Field", "Value", "Because"], rows, "");
    }
}
