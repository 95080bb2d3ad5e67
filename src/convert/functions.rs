//! The functions of the map: what is done to a value on its way into a field.
//!
//! | in a template | writes |
//! |---|---|
//! | `{a}` | text (ST): escaped, line breaks as blanks |
//! | `{a:formatted}` | text (FT): line breaks as `\.br\` |
//! | `{a:date}` | `YYYYMMDD` |
//! | `{a:time}` | `YYYYMMDDHHMMSS`, or `YYYYMMDD` where the value is a date |
//! | `{a:minutes}` | a whole number above zero |
//! | `{a:code T D}` | the code of table T; D if the value is empty |
//! | `{a:coded T F}` | `code^text^system`; F is the fault of an unknown value |
//! | `{a:each T}` | the same for each entry, `;` or TAB between them, `~` written |
//! | `{a:phone U E}` | XTN with use U and equipment E |
//! | `{a:local}` | XTN-1 only |
//! | `{a:email}` | XTN of an e-mail address |
//! | `{a:name}` | XPN from `LAST, FIRST` |
//! | `{:person P}` | XCN from the columns Pid, Pnpi, Plastname, Pfirstname |
//! | `{a:provider}`, `{a:resource}` | XCN, and CE of AIG-3, from the providers extract |
//! | `{a:place N}`, `{a:department N}` | PL, and `id^name`, from the departments extract, or column N |
//! | `{a:zip S}` | a ZIP code; S is the column of its state |
//! | `{a:yes}` | `Y`, unless the value is a no |
//! | `{a:width N}` | an ID that must have at least N characters |

use super::program::{Column, Input, Output, Scene};
use super::references::{is_npi, split_name, write_person};
use super::values;
use crate::codes::{Found, Table, cdc_check_digit, is_private_language};
use crate::domain::{Code, Note, ProviderIds};
use crate::hl7::{Text, escape};

/// One function with its arguments, resolved.
#[derive(Clone, Debug)]
pub(super) enum Function {
    Text,
    Formatted,
    Date,
    Time,
    Minutes,
    Code {
        table: &'static Table,
        default: Option<String>,
        fault: Code,
    },
    Coded {
        table: &'static Table,
        fault: Code,
    },
    Each {
        table: &'static Table,
        fault: Code,
        blank: Vec<String>,
    },
    Phone {
        usage: String,
        equipment: String,
    },
    Local,
    Email,
    Name,
    Person(Box<PersonColumns>),
    Provider,
    Resource,
    Place {
        name: Column,
    },
    Department {
        name: Column,
    },
    Zip {
        state: Column,
    },
    Yes,
    Width(usize),
    /// Switched off by `unless`.
    Nothing,
}

/// The columns of a person who is no row of the providers extract.
#[derive(Clone, Debug, Default)]
pub(super) struct PersonColumns {
    pub id: Column,
    pub npi: Column,
    pub last: Column,
    pub first: Column,
}

impl Function {
    /// Writes a value that is not empty; says whether anything was written.
    pub fn write(&self, value: &[u8], scene: &Scene<'_>, out: &mut Output) -> Result<bool, Code> {
        let before = out.bytes.len();
        match self {
            Function::Text => text(value, Text::Line, out),
            Function::Formatted => text(value, Text::Formatted, out),
            Function::Date => {
                values::write_date(values::date(value).ok_or(Code::T001)?, &mut out.bytes);
            }
            Function::Time => match values::date_time(value).ok_or(Code::T001)? {
                (date, Some(time)) => {
                    values::write_second(date.to_datetime(time), &mut out.bytes);
                }
                (date, None) => values::write_date(date, &mut out.bytes),
            },
            Function::Minutes => {
                let minutes = minutes(value).ok_or(Code::N001)?;
                out.bytes.extend_from_slice(minutes.to_string().as_bytes());
            }
            Function::Code { table, fault, .. } => coded(table, *fault, value, true, out)?,
            Function::Coded { table, fault } => coded(table, *fault, value, false, out)?,
            Function::Each { table, fault, blank } => each(table, *fault, blank, value, out)?,
            Function::Phone { usage, equipment } => phone(value, usage, equipment, out),
            Function::Local => phone(value, "", "", out),
            Function::Email => {
                out.bytes.extend_from_slice(b"^NET^Internet^");
                text(value, Text::Line, out);
            }
            Function::Name => {
                let (last, first) = split_name(value);
                text(last, Text::Line, out);
                if !first.is_empty() {
                    out.bytes.push(b'^');
                    text(first, Text::Line, out);
                }
            }
            Function::Provider => {
                scene.references.write_provider(value, scene.ids, &mut out.bytes)?;
            }
            Function::Resource => {
                scene.references.write_resource(value, scene.ids, &mut out.bytes)?;
            }
            Function::Place { name } => {
                let name = name.value(scene.input);
                scene.references.write_department(value, name, true, &mut out.bytes)?;
            }
            Function::Department { name } => {
                let name = name.value(scene.input);
                scene.references.write_department(value, name, false, &mut out.bytes)?;
            }
            Function::Zip { state } => {
                if values::zip_lost_its_zero(value, state.value(scene.input)) {
                    out.bytes.push(b'0');
                    out.note(Note::ZipRestored);
                }
                text(value, Text::Line, out);
            }
            Function::Yes => {
                if !["N", "NO", "FALSE", "0"]
                    .iter()
                    .any(|no| value.eq_ignore_ascii_case(no.as_bytes()))
                {
                    out.bytes.push(b'Y');
                }
            }
            Function::Width(width) => {
                if value.len() < *width {
                    return Err(Code::X003);
                }
                text(value, Text::Line, out);
            }
            Function::Person(_) | Function::Nothing => return Ok(false),
        }
        Ok(out.bytes.len() > before)
    }

    /// Writes what is said where no source has a value.
    pub fn write_without(&self, scene: &Scene<'_>, out: &mut Output) -> Result<bool, Code> {
        match self {
            Function::Code { default: Some(default), .. } => {
                out.bytes.extend_from_slice(default.as_bytes());
                Ok(true)
            }
            Function::Person(columns) => columns.write(scene, out),
            _ => Ok(false),
        }
    }
}

impl PersonColumns {
    /// Returns the column to look at for a fault.
    pub fn blamed(&self, input: Input<'_>) -> &Column {
        if self.npi.value(input).is_empty() { &self.id } else { &self.npi }
    }

    fn write(&self, scene: &Scene<'_>, out: &mut Output) -> Result<bool, Code> {
        let value = |column: &Column| column.value(scene.input);
        let (id, npi) = (value(&self.id), value(&self.npi));
        let (last, first) = (value(&self.last), value(&self.first));
        let before = out.bytes.len();
        if !npi.is_empty() && (scene.ids == ProviderIds::Npi || id.is_empty()) {
            if !is_npi(npi) {
                return Err(Code::P002);
            }
            write_person(npi, last, first, b"NPI", b"NPI", &mut out.bytes);
        } else if !id.is_empty() && scene.ids == ProviderIds::Athena {
            write_person(id, last, first, b"ATHENA", b"PRN", &mut out.bytes);
        } else if !id.is_empty() {
            scene.references.write_provider(id, scene.ids, &mut out.bytes)?;
        } else {
            write_person(b"", last, first, b"", b"", &mut out.bytes);
        }
        Ok(out.bytes.len() > before)
    }
}

fn text(value: &[u8], text: Text, out: &mut Output) {
    if escape(value, text, &mut out.bytes) > 0 {
        out.note(Note::ControlCharacter);
    }
}

/// Reads a whole number of minutes, one day at most.
pub(super) fn minutes(value: &[u8]) -> Option<u32> {
    let digits = !value.is_empty() && value.len() <= 5 && value.iter().all(u8::is_ascii_digit);
    let minutes = std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()?;
    (1..=1440).contains(&minutes).then_some(minutes)
}

fn coded(
    table: &'static Table,
    fault: Code,
    value: &[u8],
    only_code: bool,
    out: &mut Output,
) -> Result<(), Code> {
    let Some((row, found)) = table.find(value) else {
        return newer(table, fault, value, out);
    };
    // athenaNet's own words for the other tables are the rule, not worth a note.
    if found == Found::Word && matches!(table.name(), "race" | "ethnicity" | "language") {
        out.note(Note::CodeFromWord);
    }
    escape(row.code.as_bytes(), Text::Line, &mut out.bytes);
    if !only_code {
        out.bytes.push(b'^');
        escape(row.text.as_bytes(), Text::Line, &mut out.bytes);
        out.bytes.push(b'^');
        out.bytes.extend_from_slice(table.system().as_bytes());
    }
    Ok(())
}

/// A code that our table does not have, but that has the form of one (`interface.md`
/// 6): CDC codes carry a check digit, ISO 639-2 keeps a range for local use.
fn newer(table: &Table, fault: Code, value: &[u8], out: &mut Output) -> Result<(), Code> {
    let text = std::str::from_utf8(value).map_err(|_| fault)?;
    let other = match table.name() {
        "race" => "ethnicity",
        "ethnicity" => "race",
        "language" if is_private_language(text) => {
            out.bytes.extend_from_slice(text.to_ascii_lowercase().as_bytes());
            return Ok(());
        }
        _ => return Err(fault),
    };
    let elsewhere = crate::codes::standard(other).is_some_and(|other| other.find(value).is_some());
    if elsewhere || !cdc_check_digit(text) {
        return Err(fault);
    }
    out.note(Note::NewerCode);
    out.bytes.extend_from_slice(value);
    out.bytes.extend_from_slice(b"^^");
    out.bytes.extend_from_slice(table.system().as_bytes());
    Ok(())
}

fn each(
    table: &'static Table,
    fault: Code,
    blank: &[String],
    value: &[u8],
    out: &mut Output,
) -> Result<(), Code> {
    let mut first = true;
    for entry in value.split(|byte| matches!(byte, b';' | b'\t')).map(<[u8]>::trim_ascii) {
        if entry.is_empty() || blank.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(entry))
        {
            continue;
        }
        if !first {
            out.bytes.push(b'~');
        }
        first = false;
        coded(table, fault, entry, false, out)?;
    }
    Ok(())
}

/// Writes XTN: `(aaa)nnn-nnnn^use^equip^^1^aaa^nnnnnnn`, without a use XTN-1 only.
/// What is not ten digits goes to XTN-9 as it stands (`interface.md` 3.3).
fn phone(value: &[u8], usage: &str, equipment: &str, out: &mut Output) {
    let digits = values::phone(value);
    if let Some(digits) = &digits {
        values::write_local(digits, &mut out.bytes);
    }
    if !usage.is_empty() {
        for part in [usage, equipment] {
            out.bytes.push(b'^');
            out.bytes.extend_from_slice(part.as_bytes());
        }
    }
    match &digits {
        Some(digits) if !usage.is_empty() => {
            out.bytes.extend_from_slice(b"^^1^");
            out.bytes.extend_from_slice(&digits[..3]);
            out.bytes.push(b'^');
            out.bytes.extend_from_slice(&digits[3..]);
        }
        Some(_) => {}
        None => {
            let carets: &[u8] = if usage.is_empty() { b"^^^^^^^^" } else { b"^^^^^^" };
            out.bytes.extend_from_slice(carets);
            text(value, Text::Line, out);
            out.note(Note::PhoneUnformatted);
        }
    }
}
