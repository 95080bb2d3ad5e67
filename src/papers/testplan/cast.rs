//! Who plays in a test plan: the made-up patients and appointments, at the departments and
//! with the providers that the interface's tables have.

use std::fmt::Write;

use super::super::sample::{self, Columns};
use crate::domain::{Event, ExternalId, ExtractKind, FilterBy, Kind, Scope};

/// A provider whom messages can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The ID in the extracts.
    pub id: String,
    /// The ID that stands for them in messages, where it is known.
    pub sent: String,
}

/// One row of `[[filter.*]]`, its names resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterCast {
    /// What is filtered.
    pub kind: Kind,
    /// By what.
    pub by: FilterBy,
    /// Each name with the ID it stands for.
    pub names: Vec<(String, String)>,
    /// An ID that is in no name.
    pub outside: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cast {
    /// Providers of the tables in force, or of the plan's own.
    pub providers: Vec<Provider>,
    /// Departments, likewise, by ID.
    pub departments: Vec<String>,
    /// Tables that the plan brings along, where none are in force.
    pub tables: Vec<(ExtractKind, Vec<Columns>)>,
    /// The filters.
    pub filters: Vec<FilterCast>,
}

impl Cast {
    /// Returns the ID of a provider or department whose records the filter of a kind lets
    /// through.
    pub fn inside(&self, kind: Kind, by: FilterBy) -> String {
        let filter = self.filters.iter().find(|one| one.kind == kind && one.by == by);
        let usable = |id: &String| self.providers.iter().any(|one| one.id == *id);
        if let Some(filter) = filter {
            let ids = || filter.names.iter().map(|(_, id)| id);
            let good = ids().find(|id| by == FilterBy::Department || usable(id));
            return good.or(ids().next()).cloned().unwrap_or_default();
        }
        match by {
            FilterBy::Provider => self.providers.first().map(|one| one.id.clone()),
            FilterBy::Department => self.departments.first().cloned(),
        }
        .unwrap_or_default()
    }

    /// Returns what stands for a provider in messages, where it is known.
    pub fn sent(&self, id: &str) -> Option<&str> {
        let found = self.providers.iter().find(|one| one.id == id)?;
        Some(found.sent.as_str()).filter(|sent| !sent.is_empty())
    }

    /// Adds tables of its own with the rows for these IDs and one more, where none are in
    /// force.
    pub fn bring(&mut self, by: FilterBy, ids: &[String]) {
        let mut ids: Vec<String> = ids.to_vec();
        let sample = match by {
            FilterBy::Provider => sample::provider(),
            FilterBy::Department => sample::department(),
        };
        let key = if by == FilterBy::Provider { "providerid" } else { "departmentid" };
        let known = sample.get(key).cloned().unwrap_or_default();
        // The one of the samples, and one that no filter can name: it is none of theirs.
        let spare = (1..).map(|at| (900 + at).to_string()).find(|id| !ids.contains(id));
        ids.extend(
            [known.clone()]
                .into_iter()
                .chain(spare)
                .filter(|id| !ids.contains(id))
                .collect::<Vec<_>>(),
        );
        let mut rows = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            let mut row = sample.clone();
            row.insert(key.to_string(), id.clone());
            if *id != known && by == FilterBy::Provider {
                let last = format!("TESTPROVIDER {id}");
                row.insert("npi".into(), npi(at));
                row.insert("schedulingname".into(), format!("{last}, PAT"));
                row.insert("lastname".into(), last);
                row.insert("firstname".into(), "PAT".into());
            } else if *id != known {
                row.insert("name".into(), format!("TEST DEPARTMENT {id}"));
            }
            rows.push(row);
        }
        match by {
            FilterBy::Provider => self.tables.push((ExtractKind::Providers, rows)),
            FilterBy::Department => self.tables.push((ExtractKind::Departments, rows)),
        }
    }
}

/// Returns a made-up NPI with a good check digit: Luhn over `80840` and the number.
fn npi(at: usize) -> String {
    let number = format!("1999{at:05}");
    let digits = format!("80840{number}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0') * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{number}{}", (10 - sum % 10) % 10)
}

/// Makes the people of one plan: each has IDs that nobody else has.
pub struct Actors<'a> {
    /// Under whose settings.
    pub scope: &'a Scope,
    /// Where they are seen.
    pub cast: &'a Cast,
    token: String,
    made: usize,
}

impl<'a> Actors<'a> {
    /// Begins with nobody.
    pub fn new(scope: &'a Scope, cast: &'a Cast, token: &str) -> Actors<'a> {
        Actors { scope, cast, token: token.to_string(), made: 0 }
    }

    /// Returns digits that nobody else has: those of the plan and a number.
    fn next(&mut self) -> String {
        self.made += 1;
        format!("{}{:03}", self.token, self.made)
    }

    /// Returns a patient whom the filter lets through.
    pub fn patient(&mut self) -> Columns {
        let core = self.next();
        let mut record = sample::patient(self.scope);
        let department = self.cast.inside(Kind::Patient, FilterBy::Department);
        let provider = self.cast.inside(Kind::Patient, FilterBy::Provider);
        let id = format!("9{core}");
        for (column, value) in [
            ("patientid", id.as_str()),
            ("enterpriseid", &id),
            ("departmentid", &department),
            ("primarydepartmentid", &department),
            ("primaryproviderid", &provider),
            // Who drops it into production by mistake tells nobody of it.
            ("testpatientyn", "Y"),
            ("deceaseddate", ""),
            ("lastmodified", "05/20/2026 09:15:12"),
        ] {
            record.insert(column.to_string(), value.to_string());
        }
        with_ids(&mut record, &self.scope.patient_ids, &core);
        record
    }

    /// Returns a booked appointment of a patient that the filter lets through.
    pub fn appointment(&mut self, patient: &Columns) -> Columns {
        let core = self.next();
        let mut record = sample::appointment(self.scope, Event::AppointmentScheduled);
        let id = format!("9{core}");
        let of_patient = patient.get("patientid").cloned().unwrap_or_default();
        for (column, value) in [
            ("appointmentid", id),
            ("patientid", of_patient),
            ("departmentid", self.cast.inside(Kind::Appointment, FilterBy::Department)),
            ("providerid", self.cast.inside(Kind::Appointment, FilterBy::Provider)),
            ("lastmodified", "05/20/2026 09:30:00".to_string()),
        ] {
            record.insert(column.to_string(), value);
        }
        with_ids(&mut record, &self.scope.appointment_ids, &core);
        record
    }
}

/// Returns a value of an external ID with these digits in it, its zeros before them.
pub fn id_value(id: &ExternalId, core: &str) -> String {
    let zeros = if id.leading_zeros || id.width.is_some() { 1 } else { 0 };
    let width = id.width.unwrap_or(0).max(core.len() + zeros);
    format!("{core:0>width$}")
}

fn with_ids(record: &mut Columns, ids: &[ExternalId], core: &str) {
    for id in ids {
        record.insert(format!("customfield_{}", id.custom_field_id), id_value(id, core));
    }
}

/// Returns the digits of a record.
pub fn core_of(record: &Columns, key: &str) -> String {
    record.get(key).and_then(|id| id.get(1..)).unwrap_or_default().to_string()
}

/// Writes rows as an extract: the IDs first, then the other columns by name.
///
/// # Errors
/// None that text has; as text.
pub fn extract(kind: ExtractKind, rows: &[Columns], delimiter: u8) -> Result<String, String> {
    let first = match kind {
        ExtractKind::Providers => "providerid",
        ExtractKind::Departments => "departmentid",
        ExtractKind::Patients => "patientid",
        ExtractKind::Appointments => "appointmentid",
    };
    let mut head: Vec<&String> = rows.iter().flat_map(Columns::keys).collect();
    head.sort_by_key(|name| (name.as_str() != first, name.as_str()));
    head.dedup();
    let failed = |err: csv::Error| err.to_string();
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(&head).map_err(failed)?;
    for row in rows {
        let cells = head.iter().map(|name| row.get(*name).map_or("", String::as_str));
        writer.write_record(cells).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|err| err.to_string())?;
    String::from_utf8(bytes).map_err(|err| err.to_string())
}

/// Returns a name that an extract of a kind can be dropped under.
pub fn name_of(scope: &Scope, kind: ExtractKind, word: &str) -> Option<String> {
    let patterns = scope.files.get(&kind)?;
    let plain = |pattern: &&glob::Pattern| !pattern.as_str().ends_with(".gz");
    let named = |pattern: &glob::Pattern| {
        let mut name = String::new();
        let mut rest = pattern.as_str().chars();
        while let Some(next) = rest.next() {
            match next {
                '*' if !name.contains(word) => {
                    let _ = write!(name, "-{word}");
                }
                '*' => {}
                '?' => name.push('x'),
                '[' => {
                    let inside: String = rest.by_ref().take_while(|one| *one != ']').collect();
                    name.extend(inside.chars().find(|one| *one != '!'));
                }
                other => name.push(other),
            }
        }
        // Without a wildcard every drop has the same name, which is as good.
        let own = patterns.iter().any(|one| one.matches(&name));
        let only = scope.files.iter().filter(|(_, all)| all.iter().any(|one| one.matches(&name)));
        (own && only.count() == 1 && !name.contains('/')).then_some(name)
    };
    patterns.iter().filter(plain).find_map(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_npi_has_a_good_check_digit() {
        for at in [0, 1, 27, 12_345] {
            assert!(crate::convert::is_npi(npi(at).as_bytes()), "{}", npi(at));
        }
    }

    #[test]
    fn an_extract_has_its_ids_first_and_its_texts_quoted() {
        let row = |id: &str, name: &str| {
            Columns::from([("lastname".into(), name.into()), ("patientid".into(), id.into())])
        };
        let text = extract(ExtractKind::Patients, &[row("1", "A,B"), row("2", "C")], b',').unwrap();
        assert_eq!(text, "patientid,lastname\n1,\"A,B\"\n2,C\n");
    }
}
