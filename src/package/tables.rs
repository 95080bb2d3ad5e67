//! From tables of cells to answers: which table is which, and what its rows say.
//!
//! A table is known by what stands in it, not by its number: the editions of the package
//! count differently. Its number is for people, who look for the place.

use super::archive::{PackageError, main_part};
use super::document::{self, Cell, Table};
use super::labels::{Said, event_of, has, plain, said};
use super::rows::{external_ids, filters};
use crate::domain::{Answers, Event, Kind, Spot, Value};

/// What a table of the package holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// Table 1.
    Project,
    /// Table 3.
    Enable,
    /// Tables 4 and 5.
    ExternalIds,
    /// Table 6.
    Filters,
    /// Table 7.
    Status,
    /// Table 8.
    ProviderId,
    /// Who signed.
    Approval,
    /// Something without a setting.
    Other,
}

/// The rows of table 1: the words of a label, and the key they mean. The first that fits
/// counts, so `vendor type` goes before `vendor`.
const PROJECT: &[(&[&str], &str)] = &[
    (&["context id", "context", "contextid", "practice id"], "context_id"),
    (&["event number", "event no", "event id", "project number", "event"], "event_number"),
    (&["vendor type", "type of vendor", "system type"], "vendor_type"),
    (&["interface name", "interface"], "interface"),
    (&["time zone", "timezone"], "timezone"),
    (&["practice name", "practice", "client name", "client"], "practice"),
    (&["vendor name", "vendor", "trading partner", "third party"], "vendor"),
];

/// Labels of table 1 that hold one of the words above and mean somebody or something else.
const PEOPLE: &[&str] = &[
    "contact", "contacts", "phone", "email", "e mail", "manager", "address", "analyst", "version",
    "title", "fax", "lead",
];

/// Reads a filled package.
///
/// # Errors
/// [`PackageError`]: it is no such document, or one to be refused.
pub fn read(bytes: &[u8]) -> Result<Answers, PackageError> {
    let document = document::read(&main_part(bytes)?)?;
    let mut answers = Answers::default();
    if document.tracked {
        let what =
            "it has changes that nobody has accepted or rejected yet; they were read as accepted";
        let set = "accept or reject them in Word, and read it again if that changes anything";
        answers.ask(Spot::of("the document"), what, set);
    }
    let holds: Vec<Holds> = document.tables.iter().map(holds).collect();
    let found = |what| holds.contains(&what);
    if !found(Holds::Project) || !found(Holds::Enable) {
        let missing = match (found(Holds::Project), found(Holds::Enable)) {
            (true, _) => "none that enables the seven events",
            (_, true) => "none with the project's context ID and practice",
            _ => "none with the project's context ID or the seven events",
        };
        let count = document.tables.len();
        return Err(PackageError::Other(format!(
            "it has {count} tables, and {missing}; give the filled \"Outbound Patients and Appointments\" package"
        )));
    }
    for (table, holds) in document.tables.iter().zip(&holds) {
        let name = name(table, *holds);
        match holds {
            Holds::Project => project(table, &name, &mut answers),
            Holds::Enable => enable(table, &name, &mut answers),
            Holds::ExternalIds => external_ids(table, &name, &mut answers),
            Holds::Filters => filters(table, &name, &mut answers),
            Holds::Status => status(table, &name, &mut answers),
            Holds::ProviderId => provider_id(table, &name, &mut answers),
            Holds::Approval | Holds::Other => other(table, &name, &mut answers),
        }
    }
    unsaid(&holds, &mut answers);
    Ok(answers)
}

fn holds(table: &Table) -> Holds {
    let text = |row: &Vec<Cell>| plain(&row.iter().map(Cell::text).collect::<Vec<_>>().join(" "));
    let rows: Vec<String> = table.rows.iter().map(text).collect();
    let all = rows.join(" ");
    let lead = plain(&table.lead.join(" "));
    let head = rows.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
    let firsts: Vec<String> = labels(table).map(|(_, label, _)| label).collect();
    let events = |label: &String| event_of(label);
    let named: Vec<Event> = rows.iter().filter_map(events).collect();
    let patients = named.iter().filter(|event| event.kind() == Kind::Patient).count();
    let known = firsts.iter().filter(|label| project_key(label).is_some()).count();
    match () {
        () if has(&head, &["custom field", "custom fields", "custom field id"]) => {
            Holds::ExternalIds
        }
        () if named.len() >= 3
            && (has(&format!("{head} {lead}"), &["sch 25", "sch25", "filler status code"])
                || (patients == 0 && has(&all, &["booked", "arrived"]))) =>
        {
            Holds::Status
        }
        () if patients > 0 && named.len() >= 3 => Holds::Enable,
        () if has(&all, &["filter", "filters", "filtering"])
            || (has(&lead, &["filter", "filters", "filtering"])
                && has(&all, &["provider", "department"])) =>
        {
            Holds::Filters
        }
        () if has(&all, &["npi"]) && has(&all, &["athenanet", "athenanet id", "athena"]) => {
            Holds::ProviderId
        }
        () if known >= 2 && firsts.iter().any(|one| project_key(one) == Some("context_id")) => {
            Holds::Project
        }
        () if has(&format!("{lead} {head}"), &["approval", "approved", "approved by"]) => {
            Holds::Approval
        }
        () => Holds::Other,
    }
}

/// Returns what people call a table: the number of its caption, which stands above it or in
/// its first row, or else the number that it has in the package.
fn name(table: &Table, holds: Holds) -> String {
    let first = table.rows.first().map(|row| row.iter().map(Cell::text).collect::<Vec<_>>());
    let first = first.unwrap_or_default().join(" ");
    let captions = std::iter::once(&first).chain(table.lead.iter().rev());
    for caption in captions {
        let mut words = caption.split(|char: char| !char.is_alphanumeric());
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("table"))
            && let Some(number) = words.find_map(|word| word.parse::<u8>().ok())
        {
            return format!("table {number}");
        }
    }
    let usual = match holds {
        Holds::Project => "table 1",
        Holds::Enable => "table 3",
        Holds::ExternalIds => "the table of external IDs",
        Holds::Filters => "table 6",
        Holds::Status => "table 7",
        Holds::ProviderId => "table 8",
        Holds::Approval => "the table of the scope approval",
        Holds::Other => "a table without number",
    };
    usual.to_string()
}

/// Returns each label of a table with its row and what stands behind it: a row is
/// `label | value`, or has several such pairs.
fn labels(table: &Table) -> impl Iterator<Item = (usize, String, &[Cell])> {
    table.rows.iter().enumerate().flat_map(|(at, row)| {
        let step = if row.len() >= 4 && row.len().is_multiple_of(2) { 2 } else { row.len() };
        row.chunks(step).filter_map(move |pair| {
            let (label, value) = pair.split_first()?;
            Some((at + 1, plain(&label.text()), value))
        })
    })
}

fn project_key(label: &str) -> Option<&'static str> {
    let known = PROJECT.iter().find(|(words, _)| has(label, words))?;
    (!has(label, PEOPLE)).then_some(known.1)
}

fn value_of(cells: &[Cell]) -> String {
    let ticked: Vec<String> = cells
        .iter()
        .flat_map(Cell::ticks)
        .filter(|(on, label)| *on && !label.is_empty())
        .map(|(_, label)| label)
        .collect();
    let texts = cells.iter().filter(|cell| cell.ticks().is_empty()).map(Cell::text);
    ticked.into_iter().chain(texts).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn project(table: &Table, name: &str, answers: &mut Answers) {
    for (row, label, cells) in labels(table) {
        let (spot, value) = (Spot::row(name, row), value_of(cells));
        match project_key(&label) {
            _ if cells.is_empty() => {}
            Some(key) if value.is_empty() => {
                // A message without these two cannot be; the others are for people.
                if ["context_id", "practice"].contains(&key) {
                    answers.ask(
                        spot,
                        format!("the {key} is empty"),
                        format!("set {key} in [project]"),
                    );
                }
            }
            Some("context_id") => context_id(&value, spot, answers),
            Some(key) => answers.answer("project", key, Value::Text(value), spot),
            None if value.is_empty() => {}
            None => answers.notes.push((spot, format!("{label}: {value}"))),
        }
    }
}

fn context_id(value: &str, spot: Spot, answers: &mut Answers) {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() || value.split(' ').count() > 1 {
        let set = "set context_id in [project] to its digits";
        answers.ask(spot, "the context ID is not one number", set);
    } else {
        answers.answer("project", "context_id", Value::Text(digits), spot);
    }
}

fn enable(table: &Table, name: &str, answers: &mut Answers) {
    for (at, row) in table.rows.iter().enumerate() {
        let label = plain(&row.iter().map(Cell::text).collect::<Vec<_>>().join(" "));
        let Some(event) = event_of(&label) else { continue };
        let (spot, key) = (Spot::row(name, at + 1), event.telling().key);
        match said(row) {
            Said::Yes => answers.answer("enable", key, Value::Flag(true), spot),
            Said::No => answers.answer("enable", key, Value::Flag(false), spot),
            Said::Unclear | Said::Nothing => {
                answers.answer("enable", key, Value::Flag(false), spot.clone());
                let what = format!("whether {key} is wanted cannot be told");
                answers.ask(spot, what, format!("set {key} in [enable]; it is off until then"));
            }
        }
    }
    for event in Event::ALL {
        let key = event.telling().key;
        if !answers.keys.iter().any(|answer| answer.key == key) {
            answers.answer("enable", key, Value::Flag(false), Spot::of(name));
            let what = format!("there is no row for {key}");
            answers.ask(
                Spot::of(name),
                what,
                format!("set {key} in [enable]; it is off until then"),
            );
        }
    }
    let on =
        answers.keys.iter().any(|one| one.section == "enable" && one.value == Value::Flag(true));
    if !on {
        let what = "none of the seven events is ticked";
        answers.ask(Spot::of(name), what, "set what is wanted in [enable]");
    }
}

fn status(table: &Table, name: &str, answers: &mut Answers) {
    for (at, row) in table.rows.iter().enumerate() {
        let Some((value, cells)) = row.split_last() else { continue };
        let label = plain(&cells.iter().map(Cell::text).collect::<Vec<_>>().join(" "));
        let (spot, value) = (Spot::row(name, at + 1), value_of(std::slice::from_ref(value)));
        if has(&label, &["no show", "noshow", "no shows"]) {
            if !value.is_empty() && !value.eq_ignore_ascii_case("cancelled") {
                answers.answer("appointments", "no_show_status", Value::Text(value), spot);
            }
            continue;
        }
        let Some(event) = event_of(&label).filter(|event| event.kind() == Kind::Appointment) else {
            continue;
        };
        let telling = event.telling();
        if value.is_empty() {
            let what = format!("the SCH-25 value of {} is empty", telling.key);
            let set = format!(
                "it stays {}, or set {} in [appointments.status]",
                telling.status, telling.key
            );
            answers.ask(spot, what, set);
        } else if value != telling.status {
            answers.answer("appointments.status", telling.key, Value::Text(value), spot);
        }
    }
}

fn provider_id(table: &Table, name: &str, answers: &mut Answers) {
    let mut chosen: Vec<(&str, usize)> = Vec::new();
    let which = |text: &str| {
        let text = plain(text);
        let npi = has(&text, &["npi", "national provider identifier"]);
        let athena = has(&text, &["athena", "athenanet", "athenahealth", "provider id"]);
        match (npi, athena) {
            (true, false) => Some("npi"),
            (false, true) => Some("athena"),
            _ => None,
        }
    };
    for (at, row) in table.rows.iter().enumerate() {
        let label = row.first().map(Cell::text).unwrap_or_default();
        let ticks: Vec<(bool, String)> = row.iter().flat_map(Cell::ticks).collect();
        for (on, beside) in &ticks {
            let beside = if beside.is_empty() { &label } else { beside };
            chosen.extend(which(beside).filter(|_| *on).map(|word| (word, at + 1)));
        }
        if let ([], [_, values @ ..]) = (ticks.as_slice(), row.as_slice()) {
            chosen.extend(which(&value_of(values)).map(|word| (word, at + 1)));
        }
    }
    chosen.dedup_by_key(|(word, _)| *word);
    match chosen.as_slice() {
        [(word, row)] => {
            let value = Value::Text((*word).to_string());
            answers.answer("provider_id", "use", value, Spot::row(name, *row));
        }
        _ => {
            let what = "which ID stands for a provider is not chosen, or both are";
            let set = "set use in [provider_id]: \"npi\" or \"athena\"; it is \"npi\" until then";
            answers.ask(Spot::of(name), what, set);
        }
    }
}

/// Keeps what is filled in and has no setting, so that nobody has to look for it.
fn other(table: &Table, name: &str, answers: &mut Answers) {
    for (at, row) in table.rows.iter().enumerate() {
        let Some((label, cells)) = row.split_first() else { continue };
        let value = value_of(cells);
        let ticked = row.iter().flat_map(Cell::ticks).any(|(on, _)| on);
        let text = match (cells.is_empty(), value.is_empty(), ticked) {
            (false, false, _) => format!("{}: {value}", label.text()),
            (_, _, true) => format!("{} [ticked]", label.text()),
            _ => continue,
        };
        answers.notes.push((Spot::row(name, at + 1), text));
    }
}

/// Asks for what a whole table would have said.
fn unsaid(holds: &[Holds], answers: &mut Answers) {
    let document = || Spot::of("the document");
    for key in ["context_id", "practice"] {
        let asked = answers.questions.iter().any(|question| question.what.contains(key));
        if answers.text("project", key).is_none() && !asked && key == "practice" {
            answers.ask(
                Spot::of("table 1"),
                "the practice's name is not there",
                "set practice in [project]",
            );
        }
    }
    for (what, table, set) in [
        (
            Holds::ExternalIds,
            "tables 4 and 5",
            "[[external_ids.patient]] and [[external_ids.appointment]]: none until then",
        ),
        (
            Holds::Filters,
            "table 6",
            "[[filter.patients]] and [[filter.appointments]]: all are told of until then",
        ),
        (Holds::Status, "table 7", "[appointments.status]: the package's own words until then"),
        (Holds::ProviderId, "table 8", "[provider_id]: NPIs until then"),
    ] {
        if !holds.contains(&what) {
            answers.ask(document(), format!("it has no {table}"), format!("look for {set}"));
        }
    }
    let what = "no table says how files reach the vendor";
    let set = "set host, user, key and folder in [connectivity.test] and [connectivity.production]; \
               files go into a folder beside this one until then";
    answers.ask(document(), what, set);
    let what = "it does not say what MSH-5 calls the vendor's system";
    answers.ask(document(), what, "set receiving_application in [wire]; ask the vendor");
}
