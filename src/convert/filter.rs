//! Which records are told of at all (scope package, table 6; `interface.md` 8.8, 8.9).
//!
//! The names of an interface file are resolved once a drop, against the reference tables
//! in force: a name that nobody has, or two have, would tell of the wrong people.

use std::collections::{BTreeMap, BTreeSet};

use super::column::{Blank, Column};
use super::map::Map;
use super::program::Input;
use super::references::References;
use crate::domain::{ExtractKind, Filter, FilterBy, Filters, Layout, Note, PatientDepartment};

/// A name or an ID of `[[filter.*]]` that stands for nobody, or for more than one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[[filter.{}]] by {}: {what}", kind.word(), by.word())]
pub struct FilterError {
    kind: ExtractKind,
    by: FilterBy,
    what: String,
    /// True if there is no table yet that it could be looked up in.
    pub waits: bool,
}

/// The filters of an interface, each name by its ID.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    patients: Ids,
    appointments: Ids,
    department: PatientDepartment,
}

type Ids = BTreeMap<FilterBy, BTreeSet<Vec<u8>>>;

/// The filter of one header's records.
#[derive(Clone, Debug, Default)]
pub struct Sieve {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// One of these must have one of the IDs.
    columns: Vec<Column>,
    ids: BTreeSet<Vec<u8>>,
    why: Note,
}

impl Resolved {
    /// Finds the ID of each name.
    ///
    /// # Errors
    /// Every name that is not of exactly one provider or department.
    pub fn of(filters: &Filters, references: &References) -> Result<Resolved, Vec<FilterError>> {
        let mut wrong = Vec::new();
        let mut ids = |kind, filter: &Filter| -> Ids {
            let mut all = Ids::new();
            for (&by, names) in filter {
                for name in names {
                    match id_of(references, by, name) {
                        Ok(id) => _ = all.entry(by).or_default().insert(id),
                        Err((what, waits)) => wrong.push(FilterError { kind, by, what, waits }),
                    }
                }
            }
            all
        };
        let patients = ids(ExtractKind::Patients, &filters.patients);
        let appointments = ids(ExtractKind::Appointments, &filters.appointments);
        let department = filters.patient_department;
        if wrong.is_empty() {
            Ok(Resolved { patients, appointments, department })
        } else {
            Err(wrong)
        }
    }

    /// Finds the ID of each name.
    ///
    /// # Errors
    /// The first that is not of exactly one provider or department.
    pub fn new(filters: &Filters, references: &References) -> Result<Resolved, FilterError> {
        Resolved::of(filters, references).map_err(|mut wrong| wrong.swap_remove(0))
    }

    /// Binds the filter of a header's kind.
    ///
    /// # Errors
    /// The columns that it needs and that the header does not have: without them it
    /// would keep everybody out.
    pub fn sieve(&self, map: &Map, layout: &Layout) -> Result<Sieve, Vec<String>> {
        let of_patients = layout.kind == ExtractKind::Patients;
        let ids = if of_patients { &self.patients } else { &self.appointments };
        let column = |names: &[&'static str]| Column {
            row: 0,
            cells: names.iter().flat_map(|name| layout.cells(name)).copied().collect(),
            blank: Blank::of(map.blank.get("*").cloned().unwrap_or_default()),
            name: names[0].into(),
            translating: map.translating(names[0], Vec::new()),
        };
        let (mut rules, mut missing) = (Vec::new(), Vec::new());
        for (&by, ids) in ids {
            let (why, columns) = match by {
                FilterBy::Provider if of_patients => {
                    (Note::OtherProvider, vec![column(&["primaryproviderid"])])
                }
                FilterBy::Provider => (Note::OtherProvider, vec![column(&["providerid"])]),
                FilterBy::Department if of_patients => {
                    (Note::OtherDepartment, self.department_of_patient(&column))
                }
                FilterBy::Department => (Note::OtherDepartment, vec![column(&["departmentid"])]),
            };
            // Of NDJSON only the names that have a value somewhere are known.
            if layout.json.is_none() && !columns.iter().any(Column::is_there) {
                missing.push(columns[0].name.to_string());
            }
            rules.push(Rule { columns, ids: ids.clone(), why });
        }
        if missing.is_empty() { Ok(Sieve { rules }) } else { Err(missing) }
    }

    fn department_of_patient(&self, column: &dyn Fn(&[&'static str]) -> Column) -> Vec<Column> {
        let (current, registration) = ("primarydepartmentid", "departmentid");
        match self.department {
            // The first cell that has a value counts.
            PatientDepartment::Current => vec![column(&[current, registration])],
            PatientDepartment::Registration => vec![column(&[registration])],
            PatientDepartment::Either => vec![column(&[current]), column(&[registration])],
        }
    }
}

impl Sieve {
    /// Returns why a record is not told of; none if it is.
    pub fn keeps_out(&self, input: Input<'_>) -> Option<Note> {
        let admits =
            |rule: &Rule| rule.columns.iter().any(|column| rule.ids.contains(column.value(&input)));
        self.rules.iter().find(|rule| !admits(rule)).map(|rule| rule.why)
    }
}

/// Returns the one ID that a name or an ID of the file stands for; else what is wrong, and
/// whether that is only the lack of a table.
fn id_of(references: &References, by: FilterBy, name: &str) -> Result<Vec<u8>, (String, bool)> {
    let (table, found) = match by {
        FilterBy::Provider => ("providers", references.providers_called(name)),
        FilterBy::Department => ("departments", references.departments_called(name)),
    };
    let Some(found) = found else {
        // Without a table digits can only be an ID, and a name cannot be looked up.
        return match name.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Ok(name.as_bytes().to_vec()),
            false => {
                let what = format!(
                    "`{name}` is looked up in the {table} extract, and there was none yet; drop \
                     one, or write the ID"
                );
                Err((what, true))
            }
        };
    };
    let shown = |id: &Vec<u8>| String::from_utf8_lossy(id).into_owned();
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => {
            let what = format!(
                "`{name}` is no ID and no name in the {table} extract in force; write one as it \
                 stands there"
            );
            Err((what, false))
        }
        many => {
            let what = format!(
                "`{name}` stands for {} in the {table} extract in force ({}); write the ID of the \
                 one that is meant",
                many.len(),
                many.iter().map(shown).collect::<Vec<_>>().join(", "),
            );
            Err((what, false))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::references::ProviderRow;
    use super::*;
    use crate::domain::{Cell, OnLeave, ProviderIds, Record};

    fn map() -> Map {
        Map::read("segment = []\n[blank]\n'*' = ['declined']").unwrap()
    }

    fn tables() -> References {
        let mut references = References::default();
        for (id, name) in [("12", "RIVERBEND  MAIN"), ("13", "West"), ("14", "west")] {
            references.add_department(id.as_bytes(), name.as_bytes());
        }
        let row =
            ProviderRow { id: b"27", last: b"SEUSS", first: b"DOROTHY", ..Default::default() };
        references.add_provider(row, ProviderIds::Athena);
        let row = ProviderRow { id: b"28", scheduling: b"XRAY ROOM", ..Default::default() };
        references.add_provider(row, ProviderIds::Athena);
        references
    }

    fn filters(by: FilterBy, name: &str, patient_department: PatientDepartment) -> Filters {
        let filter = Filter::from([(by, vec![name.to_string()])]);
        let on_leave = OnLeave::Update;
        Filters {
            patients: filter,
            appointments: Filter::new(),
            patient_department,
            on_leave,
            patients_first: false,
        }
    }

    fn resolved(references: &References, by: FilterBy, name: &str) -> Result<String, String> {
        let filters = filters(by, name, PatientDepartment::Current);
        match Resolved::new(&filters, references) {
            Err(err) => Err(err.to_string()),
            Ok(resolved) => {
                let ids = resolved.patients[&by].iter();
                let ids = ids.map(|id| String::from_utf8(id.clone()).unwrap());
                Ok(ids.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn a_name_stands_for_one_id_whatever_its_case_and_blanks() {
        let tables = tables();
        let department = |name| resolved(&tables, FilterBy::Department, name).unwrap();
        let provider = |name| resolved(&tables, FilterBy::Provider, name).unwrap();
        assert_eq!((department("12"), department("riverbend \tmain")), ("12".into(), "12".into()));
        assert_eq!(
            (provider("Seuss, Dorothy"), provider("dorothy seuss")),
            ("27".into(), "27".into())
        );
        assert_eq!((provider("27"), provider("Xray Room")), ("27".into(), "28".into()));
    }

    #[test]
    fn a_name_of_nobody_or_of_two_is_told_with_what_to_do() {
        let told = |name| resolved(&tables(), FilterBy::Department, name).unwrap_err();
        assert_eq!(
            told("WEST"),
            "[[filter.patients]] by department: `WEST` stands for 2 in the departments extract in \
             force (13, 14); write the ID of the one that is meant"
        );
        for name in ["River", "99"] {
            assert_eq!(
                told(name),
                format!(
                    "[[filter.patients]] by department: `{name}` is no ID and no name in the \
                     departments extract in force; write one as it stands there"
                )
            );
        }
    }

    #[test]
    fn without_tables_an_id_works_and_a_name_does_not() {
        let nothing = References::default();
        assert_eq!(resolved(&nothing, FilterBy::Provider, "027"), Ok("027".to_string()));
        assert_eq!(
            resolved(&nothing, FilterBy::Provider, "SEUSS").unwrap_err(),
            "[[filter.patients]] by provider: `SEUSS` is looked up in the providers extract, and \
             there was none yet; drop one, or write the ID"
        );
    }

    #[test]
    fn the_department_of_a_patient_is_the_one_that_was_agreed() {
        let cells = ["patientid", "primarydepartmentid", "departmentid"];
        let cells = cells.map(|name| Cell::Own(name.to_string())).to_vec();
        let layout = Layout::new(ExtractKind::Patients, b',', String::new(), cells);
        let kept_out = |which, current: &str, registration: &str| {
            let filters = filters(FilterBy::Department, "12", which);
            let resolved = Resolved::new(&filters, &References::default()).unwrap();
            let sieve = resolved.sieve(&map(), &layout).unwrap();
            let record: Record = ["1", current, registration].iter().collect();
            sieve.keeps_out(Input { own: record.values(), patient: None })
        };
        let out = Some(Note::OtherDepartment);
        use PatientDepartment::{Current, Either, Registration};
        for (current, registration, expected) in [
            ("12", "14", [None, out, None]),
            ("14", "12", [out, None, None]),
            ("", " 12 ", [None, None, None]),
            ("14", "", [out, out, out]),
            ("", "", [out, out, out]),
        ] {
            let found =
                [Current, Registration, Either].map(|which| kept_out(which, current, registration));
            assert_eq!(found, expected, "{current} {registration}");
        }
    }

    #[test]
    fn a_header_without_the_column_is_refused() {
        let cells = vec![Cell::Own("patientid".to_string())];
        let layout = Layout::new(ExtractKind::Patients, b',', String::new(), cells);
        let filters = filters(FilterBy::Provider, "27", PatientDepartment::Current);
        let resolved = Resolved::new(&filters, &References::default()).unwrap();
        let missing = resolved.sieve(&map(), &layout).unwrap_err();
        assert_eq!(missing, ["primaryproviderid"]);
    }
}
