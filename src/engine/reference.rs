//! Reference extracts: providers and departments, read into their tables.

use std::borrow::Cow;

use super::drop::Account;
use super::error::EngineError;
use super::key::first_value;
use super::source::Source;
use crate::convert::{ProviderRow, References};
use crate::domain::{Code, Counts, ExtractKind, Fault, Layout, Notes, Position, Scope};
use crate::extract::{Reading, Row, Rows};

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

/// Reads a reference extract; a row that cannot be used goes to `refuse`.
///
/// # Errors
/// [`EngineError::Extract`] for a file that cannot be read, and those of `refuse`.
pub fn read(
    source: &Source,
    reading: &Reading,
    scope: &Scope,
    refuse: &mut dyn FnMut(&Fault, &str) -> Result<(), EngineError>,
) -> Result<(References, Account), EngineError> {
    let (layout, mut blocks) = source.open(reading, None).map_err(EngineError::Extract)?;
    let mut references = References::default();
    let mut counts = Counts::default();
    while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
        let before = counts.rows;
        let mut rows = Rows::new(&block, &layout);
        while let Some(row) = rows.next_row() {
            counts.rows += 1;
            match add(&mut references, &layout, scope, &row) {
                Ok(()) => counts.sent += 1,
                Err((code, column)) => {
                    counts.error += 1;
                    let extract = source.name.clone();
                    let at = Position { extract, record: before + row.number, line: row.line };
                    let text = String::from_utf8_lossy(&block.bytes[row.range.clone()]);
                    refuse(
                        &Fault { at, code, column, field: None },
                        text.trim_end_matches(['\r', '\n']),
                    )?;
                }
            }
        }
    }
    let account = Account { counts, notes: Notes::default(), unknown: layout.unknown };
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
