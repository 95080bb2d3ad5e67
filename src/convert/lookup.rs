//! A value on its way through a code table, and what becomes of one that the table
//! does not have (`interface.md` 6).

use std::sync::Arc;

use super::column::{Blank, Column};
use super::output::{Output, put};
use super::scene::Scene;
use crate::codes::{
    Found, Row, Table, cdc_check_digit, inverse_relationship, is_private_language, standard,
};
use crate::domain::{Code, Note};
use crate::hl7::{Text, escape};

/// A code table with its rules.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    pub table: Arc<Table>,
    pub unmapped: Unmapped,
    /// What is written where the patient may decline to say, and did.
    pub declined: Option<Box<Declined>>,
    /// True where a relationship goes out as seen from the other side.
    pub inverse: bool,
    /// True where the code goes out alone.
    pub only_code: bool,
}

/// What becomes of a value that a table does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unmapped {
    /// The record is refused.
    Refuse(Code),
    /// The value is written as it stands, where the code would be.
    Pass,
    /// This code is written, with the value as its text.
    Default(String),
}

/// What is written where the patient declined to say.
#[derive(Clone, Debug)]
pub(super) struct Declined {
    /// The column; it knows no word that means "no value".
    pub column: Column,
    /// The words for it.
    pub words: Blank,
    /// As it goes out; empty where it is only counted.
    pub bytes: Vec<u8>,
}

impl Lookup {
    /// Writes `code^text^system`, or the code alone.
    pub fn write(&self, value: &[u8], out: &mut Output) -> Result<(), Code> {
        let Some((mut row, found)) = self.table.find(value) else {
            return self.unknown(value, out);
        };
        if found == Found::Word && self.is_guess(value) {
            out.note(Note::CodeFromWord);
        }
        if self.inverse {
            row = self.inverse_of(row);
        }
        // Nearly every row needs no escape, and is laid out already.
        match row.coded() {
            Some((coded, _)) if self.only_code => put((coded, row.code.len()), &mut out.bytes),
            Some(coded) => put(coded, &mut out.bytes),
            None => self.write_code(row.code.as_bytes(), row.text.as_bytes(), out),
        }
        Ok(())
    }

    /// Writes each entry of a list, `;` or TAB between them, as repetitions.
    pub fn write_each(&self, value: &[u8], blank: &Blank, out: &mut Output) -> Result<(), Code> {
        let mut first = true;
        for entry in value.split(|byte| matches!(byte, b';' | b'\t')).map(<[u8]>::trim_ascii) {
            if entry.is_empty() || blank.has(entry) {
                continue;
            }
            if !first {
                out.bytes.push(b'~');
            }
            first = false;
            self.write(entry, out)?;
        }
        Ok(())
    }

    /// Writes what was agreed for a patient who declined; says whether one did.
    pub fn write_declined(&self, scene: &Scene<'_>, out: &mut Output) -> bool {
        let Some(declined) = &self.declined else { return false };
        if !declined.words.has(declined.column.value(&scene.raw)) {
            return false;
        }
        out.note(Note::Declined);
        out.bytes.extend_from_slice(&declined.bytes);
        !declined.bytes.is_empty()
    }

    fn inverse_of<'a>(&'a self, row: &'a Row) -> &'a Row {
        let inverse = inverse_relationship(&row.code).as_bytes();
        self.table.find(inverse).map_or(row, |(row, _)| row)
    }

    /// True of a word where a code is expected. athenaNet's own words for the other
    /// tables are the rule, and so are both forms of a language's three letters.
    fn is_guess(&self, value: &[u8]) -> bool {
        match self.table.name() {
            "race" | "ethnicity" => true,
            "language" | "language_b" => value.len() != 3,
            _ => false,
        }
    }

    fn unknown(&self, value: &[u8], out: &mut Output) -> Result<(), Code> {
        if self.is_newer(value) {
            out.note(Note::NewerCode);
            self.write_code(value, b"", out);
            return Ok(());
        }
        if self.is_private(value) {
            self.write_code(&value.to_ascii_lowercase(), b"", out);
            return Ok(());
        }
        match &self.unmapped {
            Unmapped::Refuse(code) => return Err(*code),
            // A code mistyped, or of the other kind, is no word that could be passed on.
            _ if self.is_mistyped(value) => return Err(Code::R001),
            Unmapped::Pass => {
                escape(value, Text::Line, &mut out.bytes);
            }
            Unmapped::Default(code) => self.write_code(code.as_bytes(), value, out),
        }
        out.note(Note::CodeUnknown);
        Ok(())
    }

    fn write_code(&self, code: &[u8], text: &[u8], out: &mut Output) {
        escape(code, Text::Line, &mut out.bytes);
        if !self.only_code {
            out.bytes.push(b'^');
            escape(text, Text::Line, &mut out.bytes);
            if !self.table.system().is_empty() {
                out.bytes.push(b'^');
                out.bytes.extend_from_slice(self.table.system().as_bytes());
            } else if text.is_empty() {
                out.bytes.pop();
            }
        }
    }

    /// True of a CDC code that is newer than our table: its check digit is right, and
    /// it is none of the other kind.
    fn is_newer(&self, value: &[u8]) -> bool {
        let other = match self.table.name() {
            "race" => "ethnicity",
            "ethnicity" => "race",
            _ => return false,
        };
        let elsewhere = standard(other).is_some_and(|other| other.find(value).is_some());
        !elsewhere && std::str::from_utf8(value).is_ok_and(cdc_check_digit)
    }

    fn is_mistyped(&self, value: &[u8]) -> bool {
        matches!(self.table.name(), "race" | "ethnicity" | "ethnicity_hl7")
            && matches!(value, [number @ .., b'-', check] if number.len() == 4
                && number.iter().chain([check]).all(u8::is_ascii_digit))
    }

    /// True of the range that ISO 639-2 leaves to local use.
    fn is_private(&self, value: &[u8]) -> bool {
        matches!(self.table.name(), "language" | "language_b")
            && std::str::from_utf8(value).is_ok_and(is_private_language)
    }
}
