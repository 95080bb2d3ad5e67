//! What went wrong with a record: where, which rule, who must act.
//!
//! A fault is never filtered to `None`: classifying one and losing one must
//! not look alike.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::code::Code;
use crate::hl7::Path;

/// Whether the same step may succeed later with nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// A connection lost, a server busy.
    Later,
    /// A refused key, a full disk, a bad record.
    Never,
}

/// Where in which extract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The extract's file name.
    pub extract: Arc<str>,
    /// The record, counted from 1; the header is not a record.
    pub record: u64,
    /// The line the record begins on, counted from 1.
    pub line: u64,
}

/// One record that did not become a message. Its text names fields and places,
/// never a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where the record stands.
    pub at: Position,
    /// What is wrong, and who must act.
    pub code: Code,
    /// The column that is wrong, by its canonical name; empty for a whole row.
    pub column: Cow<'static, str>,
    /// The HL7 field that needs it.
    pub field: Option<Path>,
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} record {} (line {})", self.extract, self.record, self.line)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} ", self.at, self.code.id())?;
        match (self.column.as_ref(), self.field) {
            ("", None) => {}
            ("", Some(field)) => write!(out, "{field}: ")?,
            (column, None) => write!(out, "{column}: ")?,
            (column, Some(field)) => write!(out, "{column} ({field}): ")?,
        }
        out.write_str(self.code.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_and_what_and_no_more() {
        let at = Position { extract: "patients.csv".into(), record: 14, line: 15 };
        let field = "PID-10".parse().ok();
        let fault = Fault { at, code: Code::R001, column: "race".into(), field };
        assert_eq!(
            fault.to_string(),
            "patients.csv record 14 (line 15): R001 race (PID-10): \
             not a CDC race or ethnicity code of this kind"
        );
    }
}
