//! Reference extracts: providers and departments, read into their tables.

use std::borrow::Cow;

use super::drop::Account;
use super::error::EngineError;
use super::key::first_value;
use super::render::without_break;
use super::source::Source;
use super::waiting::whose;
use crate::convert::{ProviderRow, References};
use crate::domain::{Code, Counts, ExtractKind, Fault, Layout, Position, Scope, Whose};
use crate::extract::{Reading, Row, Rows};

/// Returns the column of the ID in a reference extract; none of another kind.
pub fn id_column(kind: ExtractKind) -> Option<&'static str> {
    match kind {
        ExtractKind::Providers => Some("providerid"),
        ExtractKind::Departments => Some("departmentid"),
        ExtractKind::Patients | ExtractKind::Appointments => None,
    }
}

/// Puts the rows of the interface file into the tables, instead of the extracts'.
pub fn add_own(references: &mut References, scope: &Scope) {
    for (id, name) in &scope.departments {
        references.add_department(id.as_bytes(), name.as_bytes());
    }
    for (id, provider) in &scope.providers {
        let row = ProviderRow {
            id: id.as_bytes(),
            hl7_id: provider.hl7_id.as_bytes(),
            npi: provider.npi.as_bytes(),
            is_no_person: false,
            npi_missing: scope.npi_missing,
            last: provider.last.as_bytes(),
            first: provider.first.as_bytes(),
            scheduling: provider.scheduling.as_bytes(),
        };
        references.add_provider(row, scope.provider_ids);
    }
}

/// Is shown each row: its number, whose it is, and its fault and text if it cannot be used.
pub type See<'a> = dyn FnMut(u64, Whose, Option<(&Fault, &str)>) -> Result<(), EngineError> + 'a;

/// Reads a reference extract; each row goes to `see` with its number and whose it is, one
/// that cannot be used with its fault and its text.
///
/// # Errors
/// [`EngineError::Extract`] for a file that cannot be read, and those of `see`.
pub fn read(
    source: &Source,
    reading: &Reading,
    scope: &Scope,
    see: &mut See<'_>,
) -> Result<(References, Account), EngineError> {
    let (layout, mut blocks) = source.open(reading, None).map_err(EngineError::Extract)?;
    let mut references = References::default();
    let mut counts = Counts::default();
    while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
        let before = counts.rows;
        let mut rows = Rows::new(&block, &layout);
        while let Some(row) = rows.next_row() {
            counts.rows += 1;
            let text = without_break(&block.bytes[row.range.clone()]);
            let (record, whose) = (before + row.number, whose(&layout, false, &row, text));
            match add(&mut references, &layout, scope, &row) {
                Ok(()) => {
                    counts.sent += 1;
                    see(record, whose, None)?;
                }
                Err((code, column)) => {
                    counts.error += 1;
                    let at = Position { extract: source.name.clone(), record, line: row.line };
                    let fault = Fault { at, code, column, field: None };
                    see(record, whose, Some((&fault, &String::from_utf8_lossy(text))))?;
                }
            }
        }
    }
    let (notes, changes) = Default::default();
    let account = Account { counts, notes, unknown: layout.unknown, changes };
    Ok((references, account))
}

fn add(
    references: &mut References,
    layout: &Layout,
    scope: &Scope,
    row: &Row<'_>,
) -> Result<(), (Code, Cow<'static, str>)> {
    if let Some(fault) = &row.fault {
        return Err((fault.code, fault.column.clone().into()));
    }
    let value = |column: &str| first_value(layout.cells(column), row.values);
    let required = |column: &'static str| match value(column) {
        [] => Err((Code::M001, Cow::from(column))),
        value => Ok(value),
    };
    if layout.kind == ExtractKind::Departments {
        references.add_department(required("departmentid")?, required("name")?);
        return Ok(());
    }
    let row = ProviderRow {
        id: required("providerid")?,
        hl7_id: value("hl7providerid"),
        npi: value("npi"),
        is_no_person: is_no_person(value("entitytype")),
        npi_missing: scope.npi_missing,
        last: value("lastname"),
        first: value("firstname"),
        scheduling: value("schedulingname"),
    };
    references.add_provider(row, scope.provider_ids);
    Ok(())
}

/// True of athenaNet's `entitytype` of rooms and devices: `Non-Person`, however spelt.
fn is_no_person(entity: &[u8]) -> bool {
    let letters = entity.iter().filter(|byte| byte.is_ascii_alphabetic());
    letters.map(u8::to_ascii_lowercase).eq(*b"nonperson")
}
