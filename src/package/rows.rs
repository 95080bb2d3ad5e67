//! Tables 4 and 5, external IDs, and table 6, filters: tables whose rows are rows of the
//! interface file.

use super::document::{Cell, Table};
use super::labels::{Said, has, plain, said};
use crate::domain::{Answers, FilledRow, Spot, Value};

/// Fields that take an ID whole; a component behind them means the field.
const LISTED: [&str; 9] =
    ["PID-2", "PID-3", "PID-4", "PID-18", "SCH-1", "SCH-2", "PV1-19", "PV1-50", "PV1-5"];

/// The columns of tables 4 and 5.
#[derive(Default)]
struct Columns {
    name: Option<usize>,
    id: Option<usize>,
    field: Option<usize>,
    category: Option<usize>,
    authority: Option<usize>,
    id_type: Option<usize>,
    width: Option<usize>,
    zeros: Option<usize>,
}

impl Columns {
    fn of(head: &[Cell]) -> Columns {
        let mut columns = Columns::default();
        for (at, cell) in head.iter().enumerate() {
            let label = plain(&cell.text());
            let says = |words: &[&str]| has(&label, words);
            let place = match () {
                () if says(&["leading zeros", "leading zero", "zeros"]) => &mut columns.zeros,
                () if says(&["length", "width", "digits", "characters"]) => &mut columns.width,
                () if says(&["hl7 field", "hl7", "segment", "field location"]) => {
                    &mut columns.field
                }
                () if says(&["category", "record number category"]) => &mut columns.category,
                () if says(&["assigning authority", "authority"]) => &mut columns.authority,
                () if says(&["identifier type", "id type"]) => &mut columns.id_type,
                () if says(&["custom field id", "field id", "id"]) && !says(&["name"]) => {
                    &mut columns.id
                }
                () if says(&["name", "custom field", "description", "external id"]) => {
                    &mut columns.name
                }
                () => continue,
            };
            place.get_or_insert(at);
        }
        columns
    }

    fn text(row: &[Cell], at: Option<usize>) -> String {
        at.and_then(|at| row.get(at)).map(Cell::text).unwrap_or_default()
    }
}

/// Reads table 4 or 5. Which of the two it is say its captions, else its fields.
pub fn external_ids(table: &Table, name: &str, answers: &mut Answers) {
    let is_head = |row: &Vec<Cell>| {
        let text = plain(&row.iter().map(Cell::text).collect::<Vec<_>>().join(" "));
        row.len() > 1 && has(&text, &["custom field", "custom fields", "custom field id"])
    };
    let Some(head) = table.rows.iter().position(is_head) else { return };
    let columns = Columns::of(&table.rows[head]);
    let above = table.rows.iter().take(head + 1).flatten().map(Cell::text);
    let captions = table.lead.last().cloned().into_iter().chain(above).collect::<Vec<_>>();
    let about = plain(&captions.join(" "));
    let of_appointments = has(&about, &["appointment", "appointments", "appt"]);
    let of_patients = has(&about, &["patient", "patients"]);
    for (at, row) in table.rows.iter().enumerate().skip(head + 1) {
        let spot = Spot::row(name, at + 1);
        let label = plain(&row.iter().map(Cell::text).collect::<Vec<_>>().join(" "));
        if row.len() < table.rows[head].len() && has(&label, &["leading zeros", "leading zero"]) {
            zeros_of_all(said(row), spot, answers);
            continue;
        }
        let field = hl7_field(&Columns::text(row, columns.field));
        let by_field = field.as_deref().map(|field| !field.starts_with("PID"));
        let section = match (of_patients, of_appointments, by_field) {
            (true, false, _) | (_, _, Some(false)) => "external_ids.patient",
            (false, true, _) | (_, _, Some(true)) => "external_ids.appointment",
            _ if name.ends_with('5') => "external_ids.appointment",
            _ => "external_ids.patient",
        };
        external_id(row, &columns, (section, field), spot, answers);
    }
}

fn external_id(
    row: &[Cell],
    columns: &Columns,
    (section, field): (&'static str, Option<String>),
    spot: Spot,
    answers: &mut Answers,
) {
    let mut name = Columns::text(row, columns.name);
    let raw_id = Columns::text(row, columns.id);
    if name.is_empty() && raw_id.is_empty() && field.is_none() {
        return;
    }
    let id: String = raw_id.chars().filter(char::is_ascii_digit).collect();
    if id.is_empty() || raw_id.split(' ').count() > 1 {
        let what = format!("the external ID {name:?} has no custom field ID");
        let set = format!("write it as [[{section}]]: athenaNet shows the ID of a custom field");
        return answers.ask(spot, what, set);
    }
    let Some(field) = field else {
        let what = format!("custom field {id} ({name}) has no HL7 field that can be read");
        return answers.ask(spot, what, format!("write it as [[{section}]] with its field"));
    };
    if name.is_empty() {
        name = format!("custom field {id}");
    }
    let mut category = Columns::text(row, columns.category);
    if category.is_empty() {
        category.clone_from(&name);
        let what = format!("custom field {id} ({name}) names no record number category");
        let set = format!(
            "its name stands as its category in [[{section}]]; two IDs of one category must share it"
        );
        answers.ask(spot.clone(), what, set);
    }
    let text = |value: String| Value::Text(value);
    let mut keys = vec![
        ("name", text(name)),
        ("custom_field_id", text(id)),
        ("category", text(category)),
        ("field", text(field)),
    ];
    let authority = Columns::text(row, columns.authority);
    if !authority.is_empty() {
        keys.push(("authority", text(authority)));
    }
    let id_type = Columns::text(row, columns.id_type);
    if !id_type.is_empty() {
        keys.push(("type", text(id_type)));
    }
    let width: String =
        Columns::text(row, columns.width).chars().filter(char::is_ascii_digit).collect();
    if let Ok(width) = width.parse() {
        keys.push(("width", Value::Number(width)));
    }
    match columns.zeros.and_then(|at| row.get(at)).map(|cell| said([cell])) {
        Some(Said::Yes) => keys.push(("leading_zeros", Value::Flag(true))),
        Some(Said::Unclear) => {
            let what = "whether its zeros at the front count cannot be told";
            answers.ask(spot.clone(), what, "set leading_zeros");
        }
        _ => {}
    }
    answers.rows.push(FilledRow { section, keys, spot });
}

/// Takes the one answer for all IDs that stand above it.
fn zeros_of_all(said: Said, spot: Spot, answers: &mut Answers) {
    match said {
        Said::Yes => {
            let ids = answers.rows.iter_mut().filter(|row| row.section.starts_with("external_ids"));
            for row in ids.filter(|row| !row.keys.iter().any(|(key, _)| *key == "leading_zeros")) {
                row.keys.push(("leading_zeros", Value::Flag(true)));
            }
        }
        Said::No => {}
        Said::Unclear | Said::Nothing => {
            let what = "whether IDs have zeros at the front that count is not answered";
            answers.ask(spot, what, "set leading_zeros of each external ID that has such");
        }
    }
}

/// Reads `PID-3`, `PID 3.1`, `pid.3`, `PID3`, `PV1.19` or `PID-3!`.
pub fn hl7_field(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_uppercase();
    let (text, mark) = match text.strip_suffix('!') {
        Some(text) => (text.trim_end(), "!"),
        None => (text.as_str(), ""),
    };
    let segment = text.get(..3)?;
    if !segment.starts_with(|first: char| first.is_ascii_uppercase())
        || !segment.chars().all(|char| char.is_ascii_alphanumeric())
    {
        return None;
    }
    let rest = text.get(3..)?.trim_start_matches(['-', '.', ' ', ':', '_']);
    let mut numbers = rest.split(['.', '-', ' ']).filter(|part| !part.is_empty());
    let field: u8 = numbers.next()?.parse().ok()?;
    let component = numbers.next().map(|part| part.parse::<u8>()).transpose().ok()?;
    if field == 0 || numbers.next().is_some() {
        return None;
    }
    let whole = format!("{segment}-{field}");
    match component {
        Some(component) if component > 1 || !LISTED.contains(&whole.as_str()) => {
            Some(format!("{whole}.{component}{mark}"))
        }
        _ => Some(format!("{whole}{mark}")),
    }
}

/// Where a filter is written by hand.
const BY_HAND: &str = "write it as [[filter.patients]] or [[filter.appointments]]";

/// Reads table 6: rows that say what they filter, by what, and the names.
pub fn filters(table: &Table, name: &str, answers: &mut Answers) {
    let mut head = String::new();
    for (at, row) in table.rows.iter().enumerate() {
        let spot = Spot::row(name, at + 1);
        let Some((last, before)) = row.split_last().filter(|(_, before)| !before.is_empty()) else {
            continue;
        };
        let label = plain(&before.iter().map(wanted).collect::<Vec<_>>().join(" "));
        if has(&plain(&last.text()), &["name", "names", "value", "values"]) {
            head = label;
            continue;
        }
        let lines: Vec<String> = last.lines().into_iter().filter(|line| !is_nobody(line)).collect();
        let boxes: Vec<bool> = before.iter().flat_map(Cell::ticks).map(|(on, _)| on).collect();
        let (off, on) = (!boxes.is_empty() && !boxes.contains(&true), boxes.contains(&true));
        match lines.is_empty() {
            true if on => answers.ask(spot, "a filter is ticked and names nobody", BY_HAND),
            true => {}
            false if off => {
                let what = "there are names beside a box that is not ticked; they were left out";
                answers.ask(spot, what, BY_HAND);
            }
            false => match meant(&label, &head) {
                Ok((sections, by)) => {
                    let names = names(&lines, by, &spot, answers);
                    for section in sections {
                        add_filter(section, by, names.clone(), spot.clone(), answers);
                    }
                }
                Err(what) => answers.ask(spot, what, BY_HAND),
            },
        }
    }
}

/// The words of table 6, and what they stand for.
const OF: [(&[&str], &str); 2] = [
    (&["patient", "patients", "adt"], "filter.patients"),
    (&["appointment", "appointments", "appt", "appts", "siu"], "filter.appointments"),
];
const BY: [(&[&str], &str); 2] = [
    (&["provider", "providers"], "provider"),
    (&["department", "departments", "location", "locations"], "department"),
];

/// Returns what a row filters and by what: as its own label says, or else the head's.
fn meant(label: &str, head: &str) -> Result<(Vec<&'static str>, &'static str), &'static str> {
    let said = |words: [(&[&str], &'static str); 2]| -> Vec<&'static str> {
        let of = |text: &str| {
            let found = words.iter().filter(|(words, _)| has(text, words));
            found.map(|(_, what)| *what).collect::<Vec<_>>()
        };
        let own = of(label);
        if own.is_empty() { of(head) } else { own }
    };
    let sections = said(OF);
    match said(BY).as_slice() {
        _ if sections.is_empty() => {
            Err("whether it is for patients or appointments cannot be told")
        }
        [by] => Ok((sections, by)),
        _ => Err("whether its names are providers or departments cannot be told"),
    }
}

/// Returns what a cell chose: the labels of its ticked boxes, or all of its text.
fn wanted(cell: &Cell) -> String {
    let ticks = cell.ticks();
    let labels: Vec<String> = ticks
        .iter()
        .filter(|(on, label)| *on && !label.is_empty())
        .map(|(_, l)| l.clone())
        .collect();
    if labels.is_empty() { cell.text() } else { labels.join(" ") }
}

fn is_nobody(line: &str) -> bool {
    let words =
        ["all", "none", "n a", "na", "no", "not applicable", "all providers", "all departments"];
    words.contains(&plain(line).as_str())
}

/// Splits names. Commas are part of `SEUSS, DOROTHY`, so only numbers are split there.
fn names(lines: &[String], by: &str, spot: &Spot, answers: &mut Answers) -> Vec<String> {
    let mut names = Vec::new();
    for line in lines.iter().flat_map(|line| line.split(';')) {
        let line = line.trim();
        let parts: Vec<&str> = line.split(',').map(str::trim).collect();
        if parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())) {
            names.extend(parts.iter().filter(|part| !part.is_empty()).map(ToString::to_string));
            continue;
        }
        if parts.len() > 1 && !(by == "provider" && parts.len() == 2) {
            let what = format!("{line:?} may be one name or {}", parts.len());
            let set = "it stands as one in `names`; split it there if it is several";
            answers.ask(spot.clone(), what, set);
        }
        if !line.is_empty() {
            names.push(line.to_string());
        }
    }
    names
}

/// Adds names to the row of their kind: there is one of each.
fn add_filter(
    section: &'static str,
    by: &'static str,
    names: Vec<String>,
    spot: Spot,
    answers: &mut Answers,
) {
    let same = |row: &&mut FilledRow| {
        row.section == section && row.keys.first() == Some(&("by", Value::Text(by.to_string())))
    };
    if let Some(row) = answers.rows.iter_mut().find(same) {
        if let Some((_, Value::Names(known))) = row.keys.get_mut(1) {
            known.extend(names);
        }
        return;
    }
    let keys = vec![("by", Value::Text(by.to_string())), ("names", Value::Names(names))];
    answers.rows.push(FilledRow { section, keys, spot });
}
