//! The functions of the map: what is done to a value on its way into a field.
//!
//! | in a template | writes |
//! |---|---|
//! | `{a}` | text (ST): escaped, line breaks as blanks |
//! | `{a:formatted}` | text (FT): line breaks as `\.br\` |
//! | `{a:date}` | `YYYYMMDD` |
//! | `{a:time}` | `YYYYMMDDHHMMSS`, or `YYYYMMDD` where the value is a date |
//! | `{a:audit}` | the same, from the zone of athenaNet's audit into the interface's |
//! | `{a:minutes}` | a whole number above zero |
//! | `{a:code T D}` | the code of table T; D if the value is empty |
//! | `{a:coded T F}` | `code^text^system`; F is the fault of an unknown value, else the table's rule counts; `inverse`: as seen from the other side |
//! | `{a:each T}` | the same for each entry, `;` or TAB between them, `~` written |
//! | `{a:phone U E}` | XTN with use U and equipment E |
//! | `{a:local}` | XTN-1 only |
//! | `{a:email}` | XTN of an e-mail address |
//! | `{a:name}` | XPN from `LAST, FIRST` |
//! | `{:person P}` | XCN from the columns Pid, Pnpi, Plastname, Pfirstname or Pname |
//! | `{a:provider H}`, `{a:resource H}` | XCN, and CE of AIG-3, from the providers extract; column H has the ID for HL7 |
//! | `{a:place N}`, `{a:department N}` | PL, and `id^name`, from the departments extract, or column N |
//! | `{a:zip S}` | a ZIP code; S is the column of its state |
//! | `{a:yes X}` | `Y`, or setting X, unless the value is a no |
//! | `{a:ssn}` | the nine digits of a social security number; one that is masked is left out |
//! | `{a:width N}` | an ID that must have at least N characters; `pad`: or gets zeros |

use jiff::tz::TimeZone;

use super::column::{Blank, Column};
use super::lookup::Lookup;
use super::output::{Constant, Output};
use super::references::{is_npi, split_name, write_person};
use super::scene::Scene;
use super::values;
use crate::domain::{Code, Controls, Note, ProviderIds};
use crate::hl7::{Text, escape, escape_controls};

/// One function with its arguments, resolved.
#[derive(Clone, Debug)]
pub(super) enum Function {
    Text,
    Formatted,
    Date,
    Time,
    /// From the first zone into the second.
    Audit(TimeZone, TimeZone),
    Minutes,
    Code {
        lookup: Lookup,
        default: Option<String>,
    },
    Coded(Lookup),
    Each {
        lookup: Lookup,
        blank: Blank,
    },
    /// The use and the equipment as they stand in XTN, `^PRN^PH`.
    Phone(Constant),
    Local,
    Email,
    Name,
    Person(Box<PersonColumns>),
    Provider {
        hl7_id: Said,
        resource: bool,
    },
    Place {
        name: Said,
    },
    Department {
        name: Said,
    },
    Zip {
        state: Column,
    },
    /// What is written for a yes.
    Yes(Vec<u8>),
    Ssn,
    Width {
        least: usize,
        pad: bool,
    },
    /// Switched off by `unless`.
    Nothing,
}

/// What a record says itself of somebody whom it names by ID; nothing, if another ID
/// stands for that one: it would be said of the wrong one.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub own: Column,
    /// The column of the ID, where people mapped any.
    pub of: Option<Box<Column>>,
}

impl Said {
    #[inline]
    fn value<'a>(&'a self, scene: &Scene<'a>) -> &'a [u8] {
        match &self.of {
            _ if !self.own.is_there() => &[],
            Some(of) if of.is_translated(&scene.raw) => &[],
            _ => self.own.tidy(scene),
        }
    }
}

/// The columns of a person who is no row of the providers extract.
#[derive(Clone, Debug, Default)]
pub(super) struct PersonColumns {
    pub id: Column,
    pub npi: Column,
    pub last: Column,
    pub first: Column,
    /// `LAST, FIRST`, where the name is in one column.
    pub name: Column,
}

impl Function {
    /// Returns that of a phone, of this use and equipment.
    pub fn phone(usage: &str, equipment: &str) -> Function {
        Function::Phone(Constant::of(format!("^{usage}^{equipment}").into_bytes()))
    }

    /// Writes a value that is not empty, or nothing.
    pub fn write(&self, value: &[u8], scene: &Scene<'_>, out: &mut Output) -> Result<(), Code> {
        match self {
            Function::Text => text(value, Text::Line, scene, out),
            Function::Formatted => text(value, Text::Formatted, scene, out),
            Function::Date => values::copy_date(value, &mut out.bytes).ok_or(Code::T001),
            Function::Time => values::copy_time(value, &mut out.bytes).ok_or(Code::T001),
            Function::Audit(from, to) => audit(value, (from, to), out),
            Function::Code { lookup, .. } | Function::Coded(lookup) => lookup.write(value, out),
            Function::Each { lookup, blank } => lookup.write_each(value, blank, out),
            Function::Phone(usage) => phone(value, Some(usage), scene, out),
            Function::Local => phone(value, None, scene, out),
            Function::Email => email(value, scene, out),
            Function::Name => name(value, scene, out),
            Function::Provider { .. } | Function::Place { .. } | Function::Department { .. } => {
                self.look_up(value, scene, out)
            }
            Function::Zip { state } => zip(value, state, scene, out),
            Function::Minutes
            | Function::Yes(_)
            | Function::Ssn
            | Function::Width { .. }
            | Function::Person(_)
            | Function::Nothing => self.write_rare(value, scene, out),
        }
    }

    /// Writes what hardly any patient's record has.
    #[inline(never)]
    fn write_rare(&self, value: &[u8], scene: &Scene<'_>, out: &mut Output) -> Result<(), Code> {
        match self {
            Function::Minutes => {
                let minutes = minutes(value).ok_or(Code::N001)?;
                out.bytes.extend_from_slice(minutes.to_string().as_bytes());
            }
            Function::Yes(yes) => {
                let is = |no: &&str| value.eq_ignore_ascii_case(no.as_bytes());
                if !["N", "NO", "FALSE", "0"].iter().any(is) {
                    out.bytes.extend_from_slice(yes);
                }
            }
            Function::Ssn => match values::ssn(value) {
                Some(digits) => out.bytes.extend_from_slice(&digits),
                None => out.note(Note::SsnLeftOut),
            },
            Function::Width { least, pad } => {
                let lost = least.saturating_sub(value.len());
                if lost > 0 && !(*pad && value.iter().all(u8::is_ascii_digit)) {
                    return Err(Code::X003);
                }
                out.bytes.extend(std::iter::repeat_n(b'0', lost));
                text(value, Text::Line, scene, out)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes what the reference extracts say about an ID.
    fn look_up(&self, id: &[u8], scene: &Scene<'_>, out: &mut Output) -> Result<(), Code> {
        let (references, ids) = (scene.references, scene.ids);
        match self {
            Function::Place { name } => {
                references.write_department(id, name.value(scene), true, &mut out.bytes)
            }
            Function::Department { name } => {
                references.write_department(id, name.value(scene), false, &mut out.bytes)
            }
            Function::Provider { hl7_id, resource } => {
                let hl7_id = hl7_id.value(scene);
                let noted =
                    references.write_provider(id, hl7_id, ids, *resource, &mut out.bytes)?;
                noted.into_iter().for_each(|note| out.note(note));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes what is said where no source has a value.
    pub fn write_without(&self, scene: &Scene<'_>, out: &mut Output) -> Result<bool, Code> {
        match self {
            Function::Code { lookup, .. }
            | Function::Coded(lookup)
            | Function::Each { lookup, .. }
                if lookup.write_declined(scene, out) =>
            {
                Ok(true)
            }
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
    fn write(&self, scene: &Scene<'_>, out: &mut Output) -> Result<bool, Code> {
        let (id, npi) = (self.id.tidy(scene), self.npi.tidy(scene));
        let (mut last, mut first) = (self.last.tidy(scene), self.first.tidy(scene));
        if last.is_empty() && first.is_empty() {
            (last, first) = split_name(self.name.tidy(scene));
        }
        let before = out.bytes.len();
        if !npi.is_empty() && (scene.ids == ProviderIds::Npi || id.is_empty()) {
            match scene.ids {
                _ if is_npi(npi) => {}
                ProviderIds::Npi => return Err(Code::P002),
                // Not what was agreed on, so it is no reason to hold the record.
                ProviderIds::Athena => out.note(Note::NpiCheckDigit),
            }
            write_person(npi, last, first, b"NPI", b"NPI", &mut out.bytes);
        } else if !id.is_empty() && scene.ids == ProviderIds::Athena {
            write_person(id, last, first, b"ATHENA", b"PRN", &mut out.bytes);
        } else if !id.is_empty() {
            let noted =
                scene.references.write_provider(id, b"", scene.ids, false, &mut out.bytes)?;
            noted.into_iter().for_each(|note| out.note(note));
        } else {
            write_person(b"", last, first, b"", b"", &mut out.bytes);
        }
        Ok(out.bytes.len() > before)
    }
}

fn text(value: &[u8], text: Text, scene: &Scene<'_>, out: &mut Output) -> Result<(), Code> {
    if scene.plain && value != b"\"\"" {
        out.bytes.extend_from_slice(value);
        return Ok(());
    }
    if scene.controls == Controls::Escape {
        escape_controls(value, text, &mut out.bytes);
    } else if escape(value, text, &mut out.bytes) > 0 {
        if scene.controls == Controls::Refuse {
            return Err(Code::W002);
        }
        out.note(Note::ControlCharacter);
    }
    Ok(())
}

/// Writes a time, from the first zone into the second, or a date, which has no zone.
fn audit(value: &[u8], (from, to): (&TimeZone, &TimeZone), out: &mut Output) -> Result<(), Code> {
    match values::date_time(value).ok_or(Code::T001)? {
        (date, None) => values::write_date(date, &mut out.bytes),
        (date, Some(time)) => {
            let at = from.to_ambiguous_zoned(date.to_datetime(time));
            if at.is_ambiguous() {
                out.note(Note::AmbiguousTime);
            }
            // The first of two, as `interface.md` 8.25 has it.
            let at = at.compatible().map_err(|_| Code::T001)?;
            values::write_second(at.with_time_zone(to.clone()).datetime(), &mut out.bytes);
        }
    }
    Ok(())
}

fn email(value: &[u8], scene: &Scene<'_>, out: &mut Output) -> Result<(), Code> {
    out.bytes.extend_from_slice(b"^NET^Internet^");
    text(value, Text::Line, scene, out)
}

/// Writes XPN of `LAST, FIRST`.
fn name(value: &[u8], scene: &Scene<'_>, out: &mut Output) -> Result<(), Code> {
    let (last, first) = split_name(value);
    text(last, Text::Line, scene, out)?;
    if !first.is_empty() {
        out.bytes.push(b'^');
        text(first, Text::Line, scene, out)?;
    }
    Ok(())
}

fn zip(value: &[u8], state: &Column, scene: &Scene<'_>, out: &mut Output) -> Result<(), Code> {
    if values::zip_lost_its_zero(value, state.tidy(scene)) {
        out.bytes.push(b'0');
        out.note(Note::ZipRestored);
    }
    text(value, Text::Line, scene, out)
}

/// Reads a whole number of minutes, one day at most.
pub(super) fn minutes(value: &[u8]) -> Option<u32> {
    let digits = !value.is_empty() && value.len() <= 5 && value.iter().all(u8::is_ascii_digit);
    let minutes = std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()?;
    (1..=1440).contains(&minutes).then_some(minutes)
}

/// Writes XTN: `(aaa)nnn-nnnn^use^equip^^1^aaa^nnnnnnn`, without a use XTN-1 only.
/// What is not ten digits goes to XTN-9 as it stands (`interface.md` 3.3).
fn phone(
    value: &[u8],
    usage: Option<&Constant>,
    scene: &Scene<'_>,
    out: &mut Output,
) -> Result<(), Code> {
    let digits = values::phone(value);
    if let Some(digits) = &digits {
        values::write_local(digits, &mut out.bytes);
    }
    if let Some(usage) = usage {
        usage.put(&mut out.bytes);
    }
    match &digits {
        Some(digits) if usage.is_some() => values::write_parts(digits, &mut out.bytes),
        Some(_) => {}
        None => {
            let carets: &[u8] = if usage.is_none() { b"^^^^^^^^" } else { b"^^^^^^" };
            out.bytes.extend_from_slice(carets);
            text(value, Text::Line, scene, out)?;
            out.note(Note::PhoneUnformatted);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::civil::DateTime;

    use crate::convert::{Bound, Compiler, Input, Map, Output, ProviderRow, References};
    use crate::domain::{
        Cell, Code, Event, ExtractKind, Layout, LengthPolicy, Note, ProviderIds, Record,
    };

    /// Writes one field of one patient by a template; `code` is the fault, if any.
    fn field(template: &str, values: &[(&str, &str)]) -> (Result<String, Code>, Vec<Note>) {
        let scope = crate::config::interface::read(
            &crate::config::template::interface_file("test"),
            Path::new("/"),
        );
        let text = format!(
            "blank = {{ '*' = ['declined'] }}\n[[segment]]\nname = 'PID'\nin = ['ADT']\n\
             fields = {{ 3 = '{template}' }}\n"
        );
        let map = Map::read(&text).unwrap();
        let cells = values.iter().map(|(name, _)| Cell::Own((*name).to_string())).collect();
        let layout = Layout::new(ExtractKind::Patients, b',', String::new(), cells);
        let mut scope = scope.unwrap();
        scope.wire.length_policy = LengthPolicy::Ignore;
        scope.no_show_status = "NOSHOW".to_string();
        let compiler = Compiler::new(&map, &scope, DateTime::default(), |_, _| true);
        let program = compiler.program(Event::PatientAdded, Bound::Patient(&layout)).unwrap();
        let record: Record = values.iter().map(|(_, value)| *value).collect();
        let mut references = References::default();
        references.add_department(b"12", b"MAIN & EAST");
        let row =
            ProviderRow { id: b"27", npi: b"1234567893", last: b"SEUSS", ..Default::default() };
        references.add_provider(row, ProviderIds::Npi);
        let mut out = Output::default();
        let run = program.run(Input { own: record.values(), patient: None }, &references, &mut out);
        let text = String::from_utf8(out.bytes).unwrap();
        let value = text.strip_prefix("PID|||").unwrap_or_default().trim_end().to_string();
        (run.map(|()| value).map_err(|refusal| refusal.code), out.notes.0.into_keys().collect())
    }

    fn written(template: &str, value: &str) -> String {
        field(template, &[("a", value)]).0.unwrap()
    }

    fn refused(template: &str, value: &str) -> Code {
        field(template, &[("a", value)]).0.unwrap_err()
    }

    #[test]
    fn constants_are_written_only_with_a_value_beside_them() {
        assert_eq!(written("{a}^^^ATHENA^PI", "7"), "7^^^ATHENA^PI");
        assert_eq!(written("{a}^^^ATHENA^PI", " "), "");
        assert_eq!(written("^{a}^^", "7"), "^7", "no empty components at the end");
        assert_eq!(field("{a}~{b}~x{c}", &[("a", "1"), ("b", ""), ("c", "3")]).0.unwrap(), "1~x3");
        assert_eq!(field("{a|b}", &[("a", "declined"), ("b", "2")]).0.unwrap(), "2");
    }

    #[test]
    fn what_is_required_is_a_fault_when_it_is_empty() {
        assert_eq!(refused("{a!}", ""), Code::M001);
        assert_eq!(refused("{a!G001}", "Declined"), Code::G001);
    }

    #[test]
    fn codes_are_written_as_their_table_says() {
        assert_eq!(written("{a:code sex U}", ""), "U");
        assert_eq!(written("{a:code marital}", "x"), "A");
        assert_eq!(written("{a:coded language}", "chi"), "zho^Chinese^ISO6392");
        assert_eq!(written("{a:coded relationship}", "2"), "SPO^Spouse^HL70063");
        assert_eq!(
            written("{a:each race}", "2028-9; declined;2106-3"),
            "2028-9^Asian^CDCREC~2106-3^White^CDCREC"
        );
        assert_eq!(refused("{a:each race}", "2028-9;9999-1"), Code::R001);
        assert_eq!(refused("{a:each race}", "2135-2"), Code::R001, "an ethnicity is no race");
        assert_eq!(refused("{a:coded language}", "xx1"), Code::L001);
        assert_eq!(refused("{a:coded relationship I003}", "foe"), Code::I003);
        let (value, notes) = field("{a:coded relationship}", &[("a", "foe & friend")]);
        assert_eq!(value.unwrap(), r"OTH^foe \T\ friend^HL70063", "the text is kept");
        assert_eq!(notes, [Note::CodeUnknown]);
        assert_eq!(written("{a:coded language}", "QAA"), "qaa^^ISO6392");
        assert_eq!(written("{a:coded language_b}", "zho"), "chi^Chinese^ISO6392");
        let inverse = "{a:coded relationship inverse}";
        assert_eq!(written(inverse, "3"), "PAR^Parent^HL70063");
        assert_eq!(written(inverse, "12"), "OTH^Other^HL70063");
        assert_eq!(refused("{a:coded relationship I003 inverse}", "foe"), Code::I003);
        assert_eq!(refused("{a:coded ethnicity_hl7}", "2186-6"), Code::R001);
    }

    #[test]
    fn a_newer_cdc_code_passes_by_its_check_digit() {
        let digits = (0..10).map(|digit| format!("9998-{digit}"));
        let good: Vec<String> = digits.filter(|code| crate::codes::cdc_check_digit(code)).collect();
        let [code] = good.as_slice() else { panic!("one digit of ten is right: {good:?}") };
        let (value, notes) = field("{a:each race}", &[("a", code)]);
        assert_eq!((value.unwrap(), notes), (format!("{code}^^CDCREC"), vec![Note::NewerCode]));
    }

    #[test]
    fn phones_are_written_as_strict_receivers_read_them() {
        let phone = "{a:phone PRN PH}";
        assert_eq!(written(phone, "617-555-0101"), "(617)555-0101^PRN^PH^^1^617^5550101");
        assert_eq!(written("{a:local}", "(617) 555 0101"), "(617)555-0101");
        let (value, notes) = field(phone, &[("a", "555-0101 x2")]);
        assert_eq!(value.unwrap(), "^PRN^PH^^^^^^555-0101 x2");
        assert_eq!(notes, [Note::PhoneUnformatted]);
        assert_eq!(written("{a:email}", "a&b@example.org"), r"^NET^Internet^a\T\b@example.org");
    }

    #[test]
    fn people_and_places_come_from_the_reference_extracts() {
        assert_eq!(written("{a:provider}", "27"), "1234567893^SEUSS^^^^^^^NPI^^^^NPI");
        assert_eq!(written("{a:place}", "12"), r"12^MAIN \T\ EAST^^MAIN \T\ EAST");
        assert_eq!(refused("{a:provider}", "28"), Code::P001);
        assert_eq!(refused("{a:department}", "13"), Code::D001);
        let person = |values: &[(&str, &str)]| field("{:person p}", values).0;
        assert_eq!(
            person(&[("pnpi", "1234567893"), ("plastname", "HALE")]).unwrap(),
            "1234567893^HALE^^^^^^^NPI^^^^NPI"
        );
        assert_eq!(person(&[("plastname", "HALE"), ("pfirstname", "M")]).unwrap(), "^HALE^M");
        assert_eq!(person(&[("pnpi", "1234567890")]).unwrap_err(), Code::P002);
        assert_eq!(person(&[("pid", "99")]).unwrap_err(), Code::P001);
        assert_eq!(person(&[("pname", "HALE, MORGAN")]).unwrap(), "^HALE^MORGAN");
        let both = [("pname", "X, Y"), ("pnpi", "1234567893"), ("plastname", "HALE")];
        assert_eq!(person(&both).unwrap(), "1234567893^HALE^^^^^^^NPI^^^^NPI");
        assert_eq!(written("{a:name}", "RIVERA, LUZ M"), "RIVERA^LUZ M");
        assert_eq!(written("{a:name}", "RIVERA"), "RIVERA");
    }

    #[test]
    fn ids_keep_their_zeros_or_are_refused() {
        assert_eq!(written("{a:width 7}", "0004471"), "0004471");
        assert_eq!(refused("{a:width 7}", "4471"), Code::X003);
        assert_eq!(written("{a:width 7 pad}", "4471"), "0004471");
        assert_eq!(refused("{a:width 7 pad}", "A4471"), Code::X003);
    }

    #[test]
    fn the_rest_does_what_its_name_says() {
        assert_eq!(written("{a:yes}", "02/14/2020"), "Y");
        assert_eq!(written("{a:yes}", "n"), "");
        assert_eq!(written("{a:yes @no_show_status}", "true"), "NOSHOW");
        assert_eq!(written("{a:yes @receiving_facility}", "true"), "", "a setting that is empty");
        assert_eq!(written("{a:ssn}", "000-00-0001"), "000000001");
        let (value, notes) = field("{a:ssn}", &[("a", "*****5954")]);
        assert_eq!((value.unwrap().as_str(), notes.as_slice()), ("", &[Note::SsnLeftOut][..]));
        assert_eq!(written("{a:minutes}", "015"), "15");
        for wrong in ["0", "-5", "1.5", "1441", "15 min"] {
            assert_eq!(refused("{a:minutes}", wrong), Code::N001, "{wrong}");
        }
        assert_eq!(written("{a:formatted}", "x\ny"), r"x\.br\y");
        assert_eq!(refused("{a:date}", "02/30/2020"), Code::T001);
        let (value, notes) = field("{a:zip b}", &[("a", "2134"), ("b", "MA")]);
        assert_eq!(
            (value.unwrap().as_str(), notes.as_slice()),
            ("02134", &[Note::ZipRestored][..])
        );
        let both = [("a", "1"), ("b", "2")];
        assert_eq!(field("{a:date unless b}", &both).0.unwrap(), "", "switched off by b");
    }
}
