//! What the made-up records of `sample` become under one interface: the example of each field.

use std::collections::BTreeMap;

use jiff::civil::DateTime;

use super::sample::{self, Columns};
use crate::convert::{Bound, Compiler, Explained, Input, Map, ProviderRow, References};
use crate::domain::{Cell, Event, ExtractKind, Kind, Layout, Record, Scope};
use crate::extract::{Vocabulary, VocabularyError};

/// The fields of one message of each event, in the order in which it has them; none where
/// the settings refuse the sample.
pub type Examples = BTreeMap<Event, Vec<Explained>>;

/// The time at which examples are made, so that they are the same every day.
pub fn clock() -> DateTime {
    DateTime::constant(2026, 5, 20, 11, 0, 0, 0)
}

/// Converts the samples.
///
/// # Errors
/// A map that cannot be compiled, which an agreement would have told; as text.
pub fn examples(scope: &Scope, map: &Map) -> Result<Examples, String> {
    let references = references(scope);
    let patient = sample::patient(scope);
    let (of_patient, patient) = laid_out(ExtractKind::Patients, &patient);
    let compiler = Compiler::new(map, scope, clock(), is_column);
    let mut examples = Examples::new();
    for event in Event::ALL {
        let explained = match event.kind() {
            Kind::Patient => {
                let program = compiler.program(event, Bound::Patient(&of_patient));
                let input = Input { own: patient.values(), patient: None };
                program.map_err(|err| err.to_string())?.explain(input, &references)
            }
            Kind::Appointment => {
                let columns = sample::appointment(scope, event);
                let (layout, own) = laid_out(ExtractKind::Appointments, &columns);
                let bound = Bound::Appointment(&layout, Some(&of_patient));
                let program = compiler.program(event, bound).map_err(|err| err.to_string())?;
                let input = Input { own: own.values(), patient: Some(patient.values()) };
                program.explain(input, &references)
            }
        };
        examples.extend(explained.ok().map(|fields| (event, fields)));
    }
    Ok(examples)
}

fn laid_out(kind: ExtractKind, columns: &Columns) -> (Layout, Record) {
    let cells = columns.keys().map(|name| Cell::Own(name.clone())).collect();
    (Layout::new(kind, b',', String::new(), cells), columns.values().collect())
}

fn references(scope: &Scope) -> References {
    let (provider, department) = (sample::provider(), sample::department());
    let of = |column: &str| provider.get(column).map_or(&b""[..], String::as_bytes);
    let mut references = References::default();
    let row = ProviderRow {
        id: of("providerid"),
        npi: of("npi"),
        last: of("lastname"),
        first: of("firstname"),
        scheduling: of("schedulingname"),
        npi_missing: scope.npi_missing,
        ..ProviderRow::default()
    };
    references.add_provider(row, scope.provider_ids);
    let of = |column: &str| department.get(column).map_or(&b""[..], String::as_bytes);
    references.add_department(of("departmentid"), of("name"));
    references
}

/// True of a column that extracts of the kind may have.
pub fn is_column(kind: Kind, name: &str) -> bool {
    static VOCABULARY: std::sync::LazyLock<Result<Vocabulary, VocabularyError>> =
        std::sync::LazyLock::new(Vocabulary::standard);
    let kind = match kind {
        Kind::Patient => ExtractKind::Patients,
        Kind::Appointment => ExtractKind::Appointments,
    };
    VOCABULARY.as_ref().is_ok_and(|vocabulary| vocabulary.is_column(kind, name))
}
