//! What went out against what was expected. Left aside are MSH-7 and MSH-10, which every run
//! has its own of; the digits of a run stand in the IDs where the plan has its own.

use super::point::Place;
use super::{Plan, Step};

/// What went out of one drop, and what became of the rest of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Went {
    /// The messages, their segments as lines, in order.
    pub messages: Vec<String>,
    /// The codes of the records that wait, sorted.
    pub waits: Vec<String>,
    /// How many records were counted as filtered.
    pub filtered: u64,
}

/// Fields of MSH that every run has its own of.
const OWN: [usize; 2] = [7, 10];

/// Splits a batch file into its messages; what stands around them is left out.
pub fn messages(batch: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(batch);
    let mut messages: Vec<String> = Vec::new();
    for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        match (line.get(..3), messages.last_mut()) {
            (Some("FHS" | "BHS" | "BTS" | "FTS"), _) => {}
            (Some("MSH"), _) | (_, None) => messages.push(line.to_string()),
            (_, Some(message)) => {
                message.push('\n');
                message.push_str(line);
            }
        }
    }
    messages
}

/// Writes messages as people read them: a segment a line, a blank line between two.
pub fn readable(messages: &[String]) -> String {
    let mut text = messages.join("\n\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Reads what [`readable`] wrote, and a person may have mended.
pub fn read(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    let parts = text.split("\n\n").map(|part| part.trim_matches('\n').to_string());
    parts.filter(|part| !part.is_empty()).collect()
}

/// Returns MSH-9 without its structure: `SIU^S14`.
pub fn told(message: &str) -> String {
    let field = message.lines().next().and_then(|msh| msh.split('|').nth(8)).unwrap_or_default();
    field.split('^').take(2).collect::<Vec<_>>().join("^")
}

/// Puts the digits of a run where the plan has its own.
pub fn of_run(text: &str, plan: &Plan, token: &str) -> String {
    text.replace(&plan.token, token)
}

/// Says what is otherwise than the step has it, a sentence each. `expected` is the text of its
/// file; `token` are the digits of the run. Values stand in it: the people are made up.
pub fn differences(
    plan: &Plan,
    step: &Step,
    expected: &str,
    token: &str,
    went: &Went,
) -> Vec<String> {
    let mut said = Vec::new();
    let expected: Vec<String> =
        read(expected).iter().map(|one| of_run(&without_own(one), plan, token)).collect();
    if expected.len() != went.messages.len() {
        let types = |all: &[String]| {
            let types: Vec<String> = all.iter().map(|one| told(one)).collect();
            if types.is_empty() { "nothing".to_string() } else { types.join(", ") }
        };
        said.push(format!(
            "{} was expected, and {} went out",
            types(&expected),
            types(&went.messages)
        ));
    }
    for (at, (wanted, found)) in expected.iter().zip(&went.messages).enumerate() {
        let found = without_own(found);
        let lines = unequal(wanted, &found);
        said.extend(lines.into_iter().map(|line| format!("message {}: {line}", at + 1)));
    }
    said.extend(missed(plan, step, token, &went.messages));
    if step.waits != went.waits {
        let list = |codes: &[String]| match codes {
            [] => "no record was to wait".to_string(),
            codes => format!("a record was to wait with {}", codes.join(", ")),
        };
        let found = if went.waits.is_empty() { "none does".into() } else { went.waits.join(", ") };
        said.push(format!("{}; waiting: {found}", list(&step.waits)));
    }
    if step.filtered != went.filtered {
        said.push(format!(
            "{} records were to be filtered, and {} were",
            step.filtered, went.filtered
        ));
    }
    said
}

/// Says which points do not hold.
pub fn missed(plan: &Plan, step: &Step, token: &str, messages: &[String]) -> Vec<String> {
    let wrong = |point: &super::Point| {
        let value = of_run(&point.value, plan, token);
        let field = &point.field;
        let Some(place) = Place::read(field) else {
            return Some(format!("`{field}` is no place in a message"));
        };
        let Some(message) = message(messages, point.message) else {
            return Some(format!(
                "{}: {field} of message {} must be `{value}`, and there is no such message",
                point.say, point.message
            ));
        };
        let wanted = if value.is_empty() { "empty".to_string() } else { format!("`{value}`") };
        let found = place.shown(message);
        (!place.holds(message, &value))
            .then(|| format!("{}: {field} must be {wanted}, and is {found}", point.say))
    };
    step.points.iter().filter_map(wrong).collect()
}

fn message(messages: &[String], number: usize) -> Option<&String> {
    messages.get(number.checked_sub(1)?)
}

/// Takes out what every run has its own of.
fn without_own(message: &str) -> String {
    let mut lines = message.lines();
    let mut msh: Vec<&str> = lines.next().unwrap_or_default().split('|').collect();
    for field in OWN {
        if let Some(value) = msh.get_mut(field - 1) {
            *value = "";
        }
    }
    let rest = lines.map(str::to_string);
    std::iter::once(msh.join("|")).chain(rest).collect::<Vec<_>>().join("\n")
}

fn unequal(wanted: &str, found: &str) -> Vec<String> {
    if wanted == found {
        return Vec::new();
    }
    let names = |message: &str| {
        let names = message.lines().map(|line| line.get(..3).unwrap_or(line).to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    let (of_wanted, of_found) = (names(wanted), names(found));
    if of_wanted != of_found {
        return vec![format!("the segments {of_wanted} were expected, and there are {of_found}")];
    }
    let mut said = Vec::new();
    for (wanted, found) in wanted.lines().zip(found.lines()).filter(|(one, other)| one != other) {
        let name = wanted.get(..3).unwrap_or_default();
        let first = usize::from(name == "MSH");
        let of = |line: &str, at: usize| line.split('|').nth(at).unwrap_or_default().to_string();
        let fields = wanted.split('|').count().max(found.split('|').count());
        for at in (1..fields).filter(|at| of(wanted, *at) != of(found, *at)) {
            let (wanted, found) = (of(wanted, at), of(found, at));
            said.push(format!("{name}-{} is `{found}`; `{wanted}` was expected", at + first));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::papers::testplan::{FORM, Point};

    const MESSAGE: &str = "MSH|^~\\&|A|B|C|D|20260520||SIU^S12|7M1|T\nSCH|9731|2\nPID|1||9731";

    fn plan() -> Plan {
        let json = serde_json::json!({
            "form": FORM, "interface": "i", "version": "", "at": 0, "by": "", "digest": "",
            "scope": "", "reading": "", "token": "7319", "tables": [], "scenarios": [],
            "doubts": [], "files": {},
        });
        serde_json::from_value(json).unwrap()
    }

    fn step(points: Vec<Point>) -> Step {
        Step {
            say: String::new(),
            extracts: Vec::new(),
            focus: Vec::new(),
            told: vec!["SIU^S12".into()],
            waits: Vec::new(),
            filtered: 0,
            expected: String::new(),
            points,
        }
    }

    fn said(expected: &str, found: &[&str]) -> Vec<String> {
        let messages = found.iter().map(|one| (*one).to_string()).collect();
        let went = Went { messages, ..Went::default() };
        differences(&plan(), &step(Vec::new()), expected, "1234", &went)
    }

    #[test]
    fn time_and_control_id_are_left_aside_and_the_digits_of_the_run_stand_in_the_ids() {
        let frozen = MESSAGE.replace("9731", "97319001");
        let went = MESSAGE.replace("9731", "91234001").replace("20260520", "20270101");
        assert_eq!(said(&frozen, &[&went.replace("7M1", "900M1")]), [""; 0]);
        let other = went.replace("|2\n", "|3\n");
        assert_eq!(said(&frozen, &[&other]), ["message 1: SCH-2 is `3`; `2` was expected"]);
        assert_eq!(said(&frozen, &[&frozen]).len(), 2, "the plan's own digits are another run's");
    }

    #[test]
    fn messages_too_many_too_few_and_of_another_shape_are_told() {
        let two = format!("{MESSAGE}\n\n{MESSAGE}\n");
        assert_eq!(said(&two, &[MESSAGE]), ["SIU^S12, SIU^S12 was expected, and SIU^S12 went out"]);
        assert_eq!(said("", &[MESSAGE]), ["nothing was expected, and SIU^S12 went out"]);
        let longer = format!("{MESSAGE}\nPV1|1");
        let told =
            "message 1: the segments MSH SCH PID were expected, and there are MSH SCH PID PV1";
        assert_eq!(said(MESSAGE, &[&longer]), [told]);
        assert_eq!(said(MESSAGE, &[&MESSAGE.replace("|T", "|P")]).len(), 1, "MSH-11 counts");
    }

    #[test]
    fn a_point_and_what_waits_are_looked_at_beside_the_frozen_message() {
        let point = |message, field: &str, value: &str| Point {
            message,
            field: field.into(),
            value: value.into(),
            say: "so it is".into(),
        };
        let points = vec![point(1, "SCH-2", "2"), point(1, "SCH-2", "3"), point(2, "SCH-2", "2")];
        let went =
            Went { messages: vec![MESSAGE.to_string()], waits: vec!["R001".into()], filtered: 1 };
        let said = differences(&plan(), &step(points), MESSAGE, "1234", &went);
        assert_eq!(
            said,
            [
                "so it is: SCH-2 must be `3`, and is `2`",
                "so it is: SCH-2 of message 2 must be `2`, and there is no such message",
                "no record was to wait; waiting: R001",
                "0 records were to be filtered, and 1 were",
            ]
        );
    }

    #[test]
    fn a_batch_file_is_split_whatever_ends_its_lines_and_stands_around() {
        for end in ["\r", "\n", "\r\n"] {
            let lines = ["FHS|^~\\&", "BHS|^~\\&", "MSH|1", "PID|1", "MSH|2", "BTS|2", "FTS|1"];
            let batch: String = lines.iter().map(|line| format!("{line}{end}")).collect();
            let split = messages(batch.as_bytes());
            assert_eq!(split, ["MSH|1\nPID|1", "MSH|2"]);
            assert_eq!(read(&readable(&split)), split);
        }
        assert_eq!(messages(b"MSH|1\rPID|1\r"), ["MSH|1\nPID|1"], "no wrappers");
        assert_eq!(read(&readable(&[])), [""; 0]);
    }
}
