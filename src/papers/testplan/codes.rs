//! Scenes of code tables: the interface's own words, a value that a table does not have, and
//! a patient who declined to say.

use super::super::sample::Columns;
use super::scenes::{APPOINTMENTS, Dropped, PATIENTS, Scene, Stage, changed, later};
use crate::codes::{cdc_check_digit, standard};
use crate::domain::{CodeRules, Event, Kind, UnmappedRule};

/// A table that patients' columns go through.
struct Table {
    name: &'static str,
    column: &'static str,
    field: &'static str,
    /// The code of a record with a value that it does not have; none: it goes out as OTH.
    fault: Option<&'static str>,
    /// Whether the code stands alone.
    alone: bool,
    /// Whether a patient may decline to say.
    declines: bool,
}

/// `interface.md` 6 and 9.
#[rustfmt::skip]
const TABLES: [Table; 6] = [
    Table { name: "race", column: "race", field: "PID-10", fault: Some("R001"), alone: false, declines: true },
    Table { name: "ethnicity", column: "ethnicitycode", field: "PID-22", fault: Some("R001"), alone: false, declines: true },
    Table { name: "language", column: "language6392code", field: "PID-15", fault: Some("L001"), alone: false, declines: true },
    Table { name: "sex", column: "sex", field: "PID-8", fault: Some("C001"), alone: true, declines: false },
    Table { name: "marital", column: "maritalstatus", field: "PID-16", fault: Some("C001"), alone: true, declines: false },
    Table { name: "relationship", column: "nextkinrelationship", field: "NK1-3", fault: None, alone: false, declines: false },
];

/// A word that no table has.
const STRANGE: &str = "no such code";

/// Adds them.
pub fn add(stage: &mut Stage<'_>) {
    standard_codes(stage);
    for table in &TABLES {
        let rules = stage.scope.codes.get(table.name).cloned().unwrap_or_default();
        own_words(stage, table, &rules);
        unknown(stage, table, &rules);
        if table.declines {
            declined(stage, table, &rules);
        }
    }
    newer_race(stage);
    statuses(stage);
}

fn about(table: &str) -> String {
    format!("Code table {table}")
}

fn chosen(stage: &Stage<'_>, choice: &str) -> bool {
    stage.scope.fields.contains(choice)
}

/// True where a table writes other codes than its own name says.
fn in_another_form(stage: &Stage<'_>, table: &str) -> bool {
    table == "ethnicity" && chosen(stage, "ethnicity_style=hl7")
        || table == "language" && chosen(stage, "language_form=b")
}

/// Tells of patients in the last drop, and holds one field of each to a value.
fn told(
    stage: &mut Stage<'_>,
    rows: Vec<Columns>,
    column: &str,
    points: &[(&str, &str, String)],
) -> Option<Vec<Dropped>> {
    let count = rows.len();
    let mut drops = stage.seen(Kind::Patient, rows, column)?;
    let last = drops.last_mut()?;
    let per = points.len() / count.max(1);
    for (at, (field, value, say)) in points.iter().enumerate() {
        stage.point(&mut last.points, at / per.max(1) + 1, (field, value, say));
    }
    Some(drops)
}

fn push(
    stage: &mut Stage<'_>,
    (name, title): (String, String),
    (table, purpose): (&str, String),
    drops: Vec<Dropped>,
    sees: &str,
) {
    stage.scenes.push(Scene {
        name,
        title,
        about: about(table),
        purpose,
        drops,
        does: format!("Give a test patient such a value for {table}."),
        sees: sees.to_string(),
    });
}

/// The codes of the sample patient, each with its coding system.
fn standard_codes(stage: &mut Stage<'_>) {
    let patient = stage.actors.patient();
    let system = |name: &str| {
        let own = stage.scope.codes.get(name).and_then(|rules| rules.system.clone());
        own.unwrap_or_else(|| {
            standard(name).map(|table| table.system().to_string()).unwrap_or_default()
        })
    };
    let (race, language) = (system("race"), system("language"));
    let mut points = vec![
        ("PID-10.1", "2106-3", "the race is a CDC code".to_string()),
        ("PID-10.3", race.as_str(), "its coding system is the one that was agreed".to_string()),
        ("PID-15.1", "eng", "the language is a code of ISO 639-2".to_string()),
        ("PID-15.3", &language, "its coding system is the one that was agreed".to_string()),
        ("PID-16", "M", "the marital status is a code of table 0002".to_string()),
        ("NK1-3.1", "SPO", "a relationship in words is a code of table 0063".to_string()),
    ];
    points.push(match chosen(stage, "ethnicity_style=hl7") {
        true => ("PID-22.1", "N", "the ethnic group is a code of table 0189".to_string()),
        false => ("PID-22.1", "2186-5", "the ethnic group is a CDC code".to_string()),
    });
    // An interface's own words go before what a table has.
    let own = |value: &str| {
        let words = stage.scope.codes.values().flat_map(|rules| &rules.words);
        words.clone().any(|own| own.word.eq_ignore_ascii_case(value))
    };
    let is_own = ["2106-3", "eng", "M", "SPOUSE", "2186-5"].into_iter().any(own);
    let Some(drops) = (!is_own).then(|| told(stage, vec![patient], "race", &points)).flatten()
    else {
        return;
    };
    let purpose = "Codes go out with their text and coding system.".to_string();
    let heads = ("codes".to_string(), "Codes of the standard tables".to_string());
    push(stage, heads, ("of each kind", purpose), drops, "Race, language and so on are shown.");
}

fn own_words(stage: &mut Stage<'_>, table: &Table, rules: &CodeRules) {
    if rules.words.is_empty() || in_another_form(stage, table.name) {
        return;
    }
    let mut rows = Vec::new();
    let mut wanted = Vec::new();
    let place = if table.alone { table.field.to_string() } else { format!("{}.1", table.field) };
    for own in &rules.words {
        let patient = stage.actors.patient();
        rows.push(changed(&patient, table.column, &own.word));
        let say = format!("`{}` is {}", own.word, own.code);
        wanted.push((place.clone(), own.code.clone(), say));
    }
    let points: Vec<(&str, &str, String)> = wanted
        .iter()
        .map(|(field, value, say)| (field.as_str(), value.as_str(), say.clone()))
        .collect();
    let Some(drops) = told(stage, rows, table.column, &points) else { return };
    let purpose = "Each word of the practice goes out as the code that was agreed.".to_string();
    let heads = (format!("codes-{}-own", table.name), format!("Own words for {}", table.name));
    push(stage, heads, (table.name, purpose), drops, "Each patient shows what was agreed.");
}

/// A value that the table does not have: it waits, or goes out as was agreed.
fn unknown(stage: &mut Stage<'_>, table: &Table, rules: &CodeRules) {
    let patient = stage.actors.patient();
    let row = changed(&patient, table.column, STRANGE);
    let heads =
        (format!("codes-{}-unknown", table.name), format!("Unknown value for {}", table.name));
    let rule = rules.unmapped.as_ref();
    let default = match rule {
        Some(UnmappedRule::Default(code)) => Some(code.clone()),
        None if table.fault.is_none() => Some("OTH".to_string()),
        _ => None,
    };
    let first = if table.alone { table.field.to_string() } else { format!("{}.1", table.field) };
    let second = format!("{}.2", table.field);
    let (points, purpose) = match (rule, &default) {
        (_, Some(code)) if in_another_form(stage, table.name) => {
            (Vec::new(), format!("An unknown value goes out as {code}, in its own form."))
        }
        (_, Some(code)) => {
            let mut points = vec![(first.as_str(), code.as_str(), format!("it is {code}"))];
            if !table.alone {
                points.push((&second, STRANGE, "its text is the value".to_string()));
            }
            (points, format!("An unknown value goes out as {code}, with the value as its text."))
        }
        (Some(UnmappedRule::Pass), _) => {
            let points = vec![(first.as_str(), STRANGE, "it is the value as it was".to_string())];
            (points, "An unknown value goes out as it is.".to_string())
        }
        _ => {
            let code = match rule {
                Some(UnmappedRule::Hold) => "C002",
                _ => table.fault.unwrap_or("C001"),
            };
            if !stage.on(Event::PatientAdded) {
                return;
            }
            let mut drop = Dropped::new("A patient is registered with a value nobody knows.").with(
                PATIENTS,
                &[&row],
                &["patientid", table.column],
            );
            drop.waits = vec![code.to_string()];
            let purpose = format!("A record with an unknown value waits as {code}.");
            push(stage, heads, (table.name, purpose), vec![drop], "Nothing of it is there.");
            return;
        }
    };
    let Some(drops) = told(stage, vec![row], table.column, &points) else { return };
    push(stage, heads, (table.name, purpose), drops, "The patient is there.");
}

fn declined(stage: &mut Stage<'_>, table: &Table, rules: &CodeRules) {
    let patient = stage.actors.patient();
    let row = changed(&patient, table.column, "declined");
    let text = rules.declined.clone().unwrap_or_default();
    let purpose = match text.as_str() {
        "" => "Of a patient who declined to say the field is left empty.".to_string(),
        text => format!("Of a patient who declined to say, {text} is sent."),
    };
    let say = "the patient declined to say".to_string();
    let Some(drops) = told(stage, vec![row], table.column, &[(table.field, &text, say)]) else {
        return;
    };
    let heads = (
        format!("codes-{}-declined", table.name),
        format!("A patient who declined to say: {}", table.name),
    );
    push(stage, heads, (table.name, purpose), drops, "No value is shown that was not given.");
}

/// A CDC code that is newer than our table has its check digit and goes out.
fn newer_race(stage: &mut Stage<'_>) {
    let known = standard("race").zip(standard("ethnicity"));
    let is_new = |code: &String| {
        known.is_some_and(|(race, ethnicity)| {
            cdc_check_digit(code)
                && race.find(code.as_bytes()).is_none()
                && ethnicity.find(code.as_bytes()).is_none()
        })
    };
    let Some(code) = (0..10).map(|check| format!("9876-{check}")).find(is_new) else { return };
    let patient = stage.actors.patient();
    let row = changed(&patient, "race", &code);
    let say = "the code goes out".to_string();
    let Some(drops) = told(stage, vec![row], "race", &[("PID-10.1", &code, say)]) else { return };
    let purpose = "A code with a good check digit goes out, even if the table is older.".into();
    let heads = ("codes-race-newer".to_string(), "A race newer than the table".to_string());
    push(stage, heads, ("race", purpose), drops, "The patient is there, with or without a race.");
}

/// Words of the practice for the status of an appointment.
fn statuses(stage: &mut Stage<'_>) {
    let words = stage.scope.codes.get("status").map(|rules| rules.words.clone());
    for (at, own) in words.unwrap_or_default().iter().enumerate() {
        let events: &[Event] = match own.code.as_str() {
            "2" => &[Event::AppointmentCheckedIn],
            "3" | "4" => &[Event::AppointmentCheckedIn, Event::AppointmentCheckedOut],
            "x" if stage.on(Event::AppointmentScheduled) => &[Event::AppointmentCancelled],
            "f" => &[],
            _ => continue,
        };
        let patient = stage.actors.patient();
        let booked = stage.actors.appointment(&patient);
        let now = changed(&booked, "appointmentstatus", &own.word);
        let now = changed(&now, "lastmodified", &later(20));
        let focus = ["appointmentid", "appointmentstatus"];
        let first = Dropped::new("A patient is registered, and an appointment is booked.")
            .with(PATIENTS, &[&patient], &["patientid"])
            .with(APPOINTMENTS, &[&booked], &focus)
            .told(stage.told(&[Event::PatientAdded, Event::AppointmentScheduled]));
        let mut second = Dropped::new("Its status is a word of the practice.")
            .with(APPOINTMENTS, &[&now], &focus)
            .told(stage.told(events));
        for (at, event) in second.told.iter().enumerate() {
            stage.typed(&mut second.points, at + 1, *event);
        }
        stage.scenes.push(Scene {
            name: format!("status-word-{}", at + 1),
            title: format!("Own word for a status: {}", own.word),
            about: about("status"),
            purpose: format!("`{}` means athenaNet's status {}.", own.word, own.code),
            drops: vec![first, second],
            does: format!("Bring an appointment into the status `{}`.", own.word),
            sees: "The appointment shows the status that this means.".to_string(),
        });
    }
}
