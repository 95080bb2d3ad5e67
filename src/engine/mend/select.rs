//! Which records of the queue are meant, and what of them may be shown.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Code, Layout, Mapped};
use crate::engine::error::EngineError;
use crate::engine::key::first_value;
use crate::engine::pass::Engine;
use crate::extract::{Block, Reading, Rows, kept};
use crate::ledger::{Closing, ExtractId, ExtractRow, FaultRow, Ledger, LedgerError};

/// Columns of codes, which no patient has alone; those of IDs that are mapped are shown
/// too, and no other.
const CODES: [&str; 12] = [
    "appointmentstatus",
    "appointmenttypeid",
    "cancelreasonid",
    "contactrelationship",
    "contextid",
    "ethnicitycode",
    "event",
    "guarantorrelationshiptopatient",
    "language6392code",
    "maritalstatus",
    "nextkinrelationship",
    "race",
];

/// ... and of each insurance.
const INSURANCE_CODES: [&str; 3] =
    ["_insurancetypecode", "_relationshiptoinsured", "_relationshiptoinsuredid"];

/// The most characters of a value that is shown.
const SHOWN_MAX: usize = 60;

/// Which records of the queue are meant: those that all of it fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// All of them; else one of the others must be there.
    #[serde(default)]
    pub all: bool,
    /// By their numbers in the queue.
    #[serde(default)]
    pub ids: Vec<i64>,
    /// With this code: `D001`.
    pub code: Option<String>,
    /// With this column, by its canonical name.
    pub column: Option<String>,
    /// With this value of it, where it may be shown.
    pub value: Option<String>,
    /// Of the extracts of this name.
    pub file: Option<String>,
}

impl Selection {
    /// Returns the selection of some records by their numbers.
    pub fn of_ids(ids: Vec<i64>) -> Selection {
        Selection { ids, ..Selection::default() }
    }

    /// Returns it as the ledger closes it, where nothing of it need be read for that: the
    /// trail then says a code or a file, and not ten thousand numbers.
    pub(in crate::engine) fn closing(&self) -> Option<Closing> {
        let Selection { all, ids, code, column, value, file } = self;
        if *all || column.is_some() || value.is_some() {
            return None;
        }
        match (ids.as_slice(), code, file) {
            ([], Some(code), None) => Code::of_id(code).map(Closing::Code),
            ([], None, Some(file)) => Some(Closing::File(file.clone())),
            ([_, ..], None, None) => Some(Closing::Ids(ids.clone())),
            _ => None,
        }
    }

    /// True if nothing is said that a record must fit.
    pub fn is_empty(&self) -> bool {
        let Selection { all, ids, code, column, value, file } = self;
        let said = [code, column, value, file].into_iter().any(Option::is_some);
        !*all && ids.is_empty() && !said
    }

    /// Returns it in words.
    pub fn about(&self) -> String {
        let mut words = match self.ids.as_slice() {
            [] => "records".to_string(),
            [id] => format!("record {id}"),
            ids if ids.len() <= 20 => {
                let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
                format!("records {}", ids.join(", "))
            }
            ids => format!("{} records by number", ids.len()),
        };
        let said = [
            (" with ", &self.code),
            (" of column ", &self.column),
            (" of value ", &self.value),
            (" of ", &self.file),
        ];
        for (word, what) in said {
            if let Some(what) = what {
                words += word;
                words += what;
            }
        }
        if self.all { "all ".to_string() + &words } else { words }
    }

    /// True if a record fits; `headers` reads its value where that is asked for.
    pub fn fits(&self, row: &FaultRow, headers: &mut Headers<'_>) -> Result<bool, EngineError> {
        let Selection { ids, code, column, value, file, .. } = self;
        let good = (ids.is_empty() || ids.contains(&row.id))
            && code.as_deref().is_none_or(|code| code == row.fault.code.id())
            && column.as_deref().is_none_or(|column| column == column_of(row))
            && file.as_deref().is_none_or(|file| file == &*row.fault.at.extract);
        match value {
            Some(value) if good => Ok(headers.shown(row)?.as_ref() == Some(value)),
            _ => Ok(good),
        }
    }

    /// Returns the numbers of the records that fit.
    ///
    /// # Errors
    /// [`EngineError::NothingWaits`], and those of the ledger.
    pub fn ids(&self, engine: &Engine, ledger: &dyn Ledger) -> Result<Vec<i64>, EngineError> {
        let mut headers = Headers::new(ledger, &engine.agreement.reading);
        let mut ids = Vec::new();
        walk(ledger, &mut |row| {
            if self.fits(&row, &mut headers)? {
                ids.push(row.id);
            }
            Ok(())
        })?;
        if ids.is_empty() || self.is_empty() {
            return Err(EngineError::NothingWaits { what: self.about() });
        }
        Ok(ids)
    }
}

/// Shows each fault that waits, until one of them fails.
pub fn walk(
    ledger: &dyn Ledger,
    see: &mut dyn FnMut(FaultRow) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut failed = None;
    let walked = ledger.each_fault(&mut |row| {
        see(row).map_err(|err| {
            failed = Some(err);
            LedgerError::Failed("a record could not be looked at".to_string())
        })
    });
    match failed {
        Some(err) => Err(err),
        None => Ok(walked?),
    }
}

/// Returns the column of a fault, without the place of an unreadable byte.
pub fn column_of(row: &FaultRow) -> &str {
    let column = row.fault.column.split(',').next().unwrap_or_default();
    if column.starts_with("byte ") { "" } else { column }
}

/// True of a column whose values may be shown to whoever sees the queue.
pub fn is_shown(column: &str) -> bool {
    Mapped::of_column(column).is_some()
        || CODES.contains(&column)
        || INSURANCE_CODES.iter().any(|end| column.ends_with(end))
}

/// Reads records that were kept of extracts.
pub struct Headers<'a> {
    ledger: &'a dyn Ledger,
    reading: &'a Reading,
    extracts: HashMap<ExtractId, Option<(ExtractRow, Option<Layout>)>>,
}

impl<'a> Headers<'a> {
    /// Begins with none known.
    pub fn new(ledger: &'a dyn Ledger, reading: &'a Reading) -> Headers<'a> {
        Headers { ledger, reading, extracts: HashMap::new() }
    }

    /// Returns the extract of a record, and its layout as the settings have it today.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn of(
        &mut self,
        row: &FaultRow,
    ) -> Result<Option<&(ExtractRow, Option<Layout>)>, EngineError> {
        if !self.extracts.contains_key(&row.extract) {
            let found = self.ledger.extract_row(row.extract)?.map(|extract| {
                let (kind, header) = (extract.extract.kind, &extract.extract.header);
                let layout = kept(self.reading, kind, header, is_json(&row.source)).ok();
                (extract, layout)
            });
            self.extracts.insert(row.extract, found);
        }
        Ok(self.extracts.get(&row.extract).and_then(Option::as_ref))
    }

    /// Returns the value that a record is at fault for, if its column may be shown.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn shown(&mut self, row: &FaultRow) -> Result<Option<String>, EngineError> {
        let column = column_of(row);
        if !is_shown(column) {
            return Ok(None);
        }
        let Some((_, Some(layout))) = self.of(row)? else { return Ok(None) };
        let value = value(layout, &row.source, column);
        let instead = || Mapped::instead_of(column);
        Ok(value.or_else(|| value_of_instead(layout, &row.source, instead()?)))
    }
}

fn value_of_instead(layout: &Layout, source: &str, column: String) -> Option<String> {
    value(layout, source, &column)
}

/// Returns a value of a kept record, fit to be shown.
fn value(layout: &Layout, source: &str, column: &str) -> Option<String> {
    let block = Block { bytes: source.as_bytes().to_vec(), first_line: 1, offset: 0 };
    let mut rows = Rows::new(&block, layout);
    let row = rows.next_row()?;
    let cells = match layout.cells(column) {
        [] => layout.patient_cells(column),
        cells => cells,
    };
    let text = String::from_utf8_lossy(first_value(cells, row.values)).into_owned();
    let shown = text.chars().filter(|char| !char.is_control()).take(SHOWN_MAX).collect::<String>();
    (!shown.is_empty()).then_some(shown)
}

/// True of a record that was kept as an object.
pub fn is_json(source: &str) -> bool {
    source.trim_start().starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_of_a_patient_is_shown() {
        for column in ["departmentid", "insurance1_insurancepackageid", "race", "providerid"] {
            assert!(is_shown(column), "{column}");
        }
        for column in ["lastname", "dob", "patientid", "insurance1_insuranceidnumber", "ssn", ""] {
            assert!(!is_shown(column), "{column}");
        }
    }

    #[test]
    fn a_selection_is_told_in_words() {
        let selection = Selection {
            code: Some("D001".into()),
            column: Some("departmentid".into()),
            value: Some("ENDO2".into()),
            ..Selection::default()
        };
        assert_eq!(selection.about(), "records with D001 of column departmentid of value ENDO2");
        assert_eq!(Selection::of_ids(vec![3, 4]).about(), "records 3, 4");
        assert_eq!(Selection { all: true, ..Selection::default() }.about(), "all records");
        assert!(Selection::default().is_empty() && !selection.is_empty());
    }
}
