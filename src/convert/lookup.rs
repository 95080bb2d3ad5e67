//! A value on its way through a code table, and what becomes of one that the table
//! does not have (`interface.md` 6).

use super::program::{Blank, Output};
use crate::codes::{Found, Table, cdc_check_digit, is_private_language, standard};
use crate::domain::{Code, Note};
use crate::hl7::{Text, escape};

/// A code table with its rule for unknown values.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    pub table: &'static Table,
    pub unmapped: Unmapped,
}

/// What becomes of a value that a table does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unmapped {
    /// The record is refused.
    Refuse(Code),
    /// This code is written, with the value as its text.
    Default(String),
}

impl Lookup {
    /// Writes `code^text^system`, or the code alone.
    pub fn write(&self, value: &[u8], only_code: bool, out: &mut Output) -> Result<(), Code> {
        let Some((row, found)) = self.table.find(value) else {
            return self.unknown(value, only_code, out);
        };
        if found == Found::Word && self.is_guess(value) {
            out.note(Note::CodeFromWord);
        }
        let text = (!only_code).then_some(row.text.as_bytes());
        self.write_code(row.code.as_bytes(), text, out);
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
            self.write(entry, false, out)?;
        }
        Ok(())
    }

    /// True of a word where a code is expected. athenaNet's own words for the other
    /// tables are the rule, and so are both forms of a language's three letters.
    fn is_guess(&self, value: &[u8]) -> bool {
        match self.table.name() {
            "race" | "ethnicity" => true,
            "language" => value.len() != 3,
            _ => false,
        }
    }

    fn unknown(&self, value: &[u8], only_code: bool, out: &mut Output) -> Result<(), Code> {
        if self.is_newer(value) {
            out.note(Note::NewerCode);
            self.write_code(value, (!only_code).then_some(b""), out);
            return Ok(());
        }
        if self.is_private(value) {
            self.write_code(&value.to_ascii_lowercase(), (!only_code).then_some(b""), out);
            return Ok(());
        }
        match &self.unmapped {
            Unmapped::Refuse(code) => Err(*code),
            Unmapped::Default(code) => {
                out.note(Note::CodeUnknown);
                self.write_code(code.as_bytes(), (!only_code).then_some(value), out);
                Ok(())
            }
        }
    }

    fn write_code(&self, code: &[u8], text: Option<&[u8]>, out: &mut Output) {
        escape(code, Text::Line, &mut out.bytes);
        if let Some(text) = text {
            out.bytes.push(b'^');
            escape(text, Text::Line, &mut out.bytes);
            out.bytes.push(b'^');
            out.bytes.extend_from_slice(self.table.system().as_bytes());
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

    /// True of the range that ISO 639-2 leaves to local use.
    fn is_private(&self, value: &[u8]) -> bool {
        self.table.name() == "language" && std::str::from_utf8(value).is_ok_and(is_private_language)
    }
}
