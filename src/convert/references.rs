//! Providers and departments: looked up by ID, kept as the bytes that go out.
//!
//! A provider is written the same way in every field and every message, so it is
//! escaped once, when its extract is read, and copied from then on.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::output::Constant;
use crate::codes::{Fnv, npi_check_digit};
use crate::domain::{Code, Note, NpiMissing, ProviderIds};
use crate::hl7::{Text, escape};

/// XCN-9 and XCN-13 of an NPI, and of an athenaNet ID.
const NPI: (&[u8], &[u8]) = (b"NPI", b"NPI");
const ATHENA: (&[u8], &[u8]) = (b"ATHENA", b"PRN");

/// What the reference extracts said.
#[derive(Clone, Debug, Default)]
pub struct References {
    providers: HashMap<Vec<u8>, Provider, ById>,
    departments: HashMap<Vec<u8>, Department, ById>,
}

/// Four look-ups a record: the hash that resists an attacker took 3 % of a conversion.
type ById = BuildHasherDefault<Fnv>;

#[derive(Clone, Debug)]
struct Provider {
    /// The ID that goes out, or the fault of using this provider.
    id: Result<Vec<u8>, Code>,
    /// XCN and CE of AIG-3, whole, if there is an ID.
    whole: [Constant; 2],
    /// The NPI that was agreed is not there, and something else goes out.
    lacks_npi: bool,
    /// As `[[filter.*]]` may call this provider.
    names: Vec<String>,
    /// What follows it in XCN.
    person: Vec<u8>,
    /// What follows it in CE of AIG-3.
    resource: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Department {
    /// `id^name`.
    short: Constant,
    /// PL: `id^name^^name`.
    place: Constant,
    /// As `[[filter.*]]` may call it.
    name: String,
}

/// One row of a providers extract; texts as they were dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProviderRow<'a> {
    /// athenaNet's ID.
    pub id: &'a [u8],
    /// athenaNet's ID for HL7 messages, where it is another one (8.13); may be empty.
    pub hl7_id: &'a [u8],
    /// NPI; may be empty.
    pub npi: &'a [u8],
    /// True of a room or a device, which has no NPI (8.12).
    pub is_no_person: bool,
    /// What stands for it without an NPI.
    pub npi_missing: NpiMissing,
    /// Family name.
    pub last: &'a [u8],
    /// Given name.
    pub first: &'a [u8],
    /// `LAST, FIRST`, as schedules show it.
    pub scheduling: &'a [u8],
}

impl References {
    /// Adds a provider; the last of an ID stands.
    pub fn add_provider(&mut self, row: ProviderRow<'_>, ids: ProviderIds) {
        let (mut last, mut first) = (row.last, row.first);
        if last.is_empty() && first.is_empty() {
            (last, first) = split_name(row.scheduling);
        }
        let athena = if row.hl7_id.is_empty() { row.id } else { row.hl7_id };
        let (id, (authority, id_type)) = match ids {
            ProviderIds::Npi if is_npi(row.npi) => (Ok(row.npi), NPI),
            ProviderIds::Npi if row.npi.is_empty() => match row.npi_missing {
                _ if row.is_no_person => (Ok(athena), ATHENA),
                NpiMissing::Error => (Err(Code::P002), NPI),
                NpiMissing::AthenaId => (Ok(athena), ATHENA),
                NpiMissing::Empty => (Ok(&b""[..]), (&b""[..], &b""[..])),
            },
            // A wrong one is mended, never covered up.
            ProviderIds::Npi => (Err(Code::P002), NPI),
            ProviderIds::Athena => (Ok(athena), ATHENA),
        };
        let lacks_npi = ids == ProviderIds::Npi && row.npi.is_empty() && id.is_ok();
        let id = id.map(|id| {
            let mut out = Vec::new();
            escape(id, Text::Line, &mut out);
            out
        });
        let mut person = Vec::new();
        write_rest(last, first, authority, id_type, &mut person);
        let mut resource = Vec::new();
        let mut shown = Vec::new();
        if row.scheduling.is_empty() {
            for (at, name) in [last, first].into_iter().filter(|name| !name.is_empty()).enumerate()
            {
                shown.extend_from_slice(if at > 0 { b", " } else { b"" });
                shown.extend_from_slice(name);
            }
        } else {
            shown.extend_from_slice(row.scheduling);
        }
        if !shown.is_empty() {
            resource.push(b'^');
            escape(&shown, Text::Line, &mut resource);
        }
        let comma = [last, first].join(&b", "[..]);
        let blank = [first, last].join(&b" "[..]);
        let mut names = [row.scheduling, &comma, &blank].map(folded).to_vec();
        names.dedup();
        let whole = [&person, &resource].map(|rest| {
            let id = id.as_deref().unwrap_or_default();
            Constant::of([id, rest.as_slice()].concat())
        });
        let provider = Provider { id, whole, lacks_npi, names, person, resource };
        self.providers.insert(row.id.to_vec(), provider);
    }

    /// Takes all of another.
    pub fn absorb(&mut self, other: References) {
        self.providers.extend(other.providers);
        self.departments.extend(other.departments);
    }

    /// Adds a department; the last of an ID stands.
    pub fn add_department(&mut self, id: &[u8], name: &[u8]) {
        self.departments.insert(id.to_vec(), department(id, name));
    }

    /// Returns the IDs of the providers who have this ID or name, ascending; none where
    /// there is no provider at all.
    pub fn providers_called(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        let folded = folded(name.as_bytes());
        let found = self
            .providers
            .iter()
            .filter(|(id, provider)| *id == name.as_bytes() || provider.names.contains(&folded));
        (!self.providers.is_empty()).then(|| ids(found.map(|(id, _)| id)))
    }

    /// As [`References::providers_called`], of departments.
    pub fn departments_called(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        let folded = folded(name.as_bytes());
        let found = self
            .departments
            .iter()
            .filter(|(id, department)| *id == name.as_bytes() || department.name == folded);
        (!self.departments.is_empty()).then(|| ids(found.map(|(id, _)| id)))
    }

    /// Returns the providers whom messages can name: each by its ID in the extracts, with
    /// what stands for it in messages.
    pub fn usable_providers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut usable: Vec<(&[u8], &[u8])> = self
            .providers
            .iter()
            .filter_map(|(id, one)| Some((id.as_slice(), one.id.as_ref().ok()?.as_slice())))
            .collect();
        usable.sort_unstable();
        usable.into_iter()
    }

    /// Returns the IDs of the departments, ascending.
    pub fn department_ids(&self) -> impl Iterator<Item = &[u8]> {
        let mut ids: Vec<&[u8]> = self.departments.keys().map(Vec::as_slice).collect();
        ids.sort_unstable();
        ids.into_iter()
    }

    /// Returns how many providers and departments there are.
    pub fn len(&self) -> (usize, usize) {
        (self.providers.len(), self.departments.len())
    }

    /// True if there are none of either.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// Writes a provider as XCN, or as the resource of AIG-3: `id^scheduling name`.
    /// `hl7_id` is what the record itself calls athenaNet's ID for HL7 messages; it
    /// counts where athenaNet's IDs were agreed. Notes a provider who lacks the NPI that
    /// was agreed, and for whom something else goes out.
    ///
    /// # Errors
    /// P001 unknown, P002 without the NPI that was agreed.
    pub fn write_provider(
        &self,
        id: &[u8],
        hl7_id: &[u8],
        ids: ProviderIds,
        resource: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<Note>, Code> {
        let own = (ids == ProviderIds::Athena && !hl7_id.is_empty()).then_some(hl7_id);
        match self.providers.get(id) {
            Some(provider) => {
                match (own, &provider.id) {
                    (Some(own), _) => {
                        escape(own, Text::Line, out);
                        let rest = if resource { &provider.resource } else { &provider.person };
                        out.extend_from_slice(rest);
                    }
                    (None, Ok(_)) => provider.whole[usize::from(resource)].put(out),
                    (None, Err(code)) => return Err(*code),
                }
                return Ok(provider.lacks_npi.then_some(Note::NpiMissing));
            }
            // Without a providers extract an athenaNet ID says all there is to say.
            None if self.providers.is_empty() && ids == ProviderIds::Athena => {
                escape(own.unwrap_or(id), Text::Line, out);
                if !resource {
                    write_rest(b"", b"", ATHENA.0, ATHENA.1, out);
                }
            }
            None => return Err(Code::P001),
        }
        Ok(None)
    }

    /// Writes a department as PL (`place`) or as `id^name`. `name` is what the
    /// record itself calls it; it counts where there is no departments extract.
    ///
    /// # Errors
    /// D001 unknown.
    pub fn write_department(
        &self,
        id: &[u8],
        name: &[u8],
        place: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Code> {
        let own;
        let department = match self.departments.get(id) {
            Some(department) => department,
            None if self.departments.is_empty() => {
                own = department(id, name);
                &own
            }
            None => return Err(Code::D001),
        };
        if place {
            department.place.put(out)
        } else {
            department.short.put(out)
        }
        Ok(())
    }
}

fn department(id: &[u8], name: &[u8]) -> Department {
    let mut short = Vec::new();
    escape(id, Text::Line, &mut short);
    let mut place = short.clone();
    if !name.is_empty() {
        let mut text = Vec::new();
        escape(name, Text::Line, &mut text);
        short.push(b'^');
        short.extend_from_slice(&text);
        place.clone_from(&short);
        place.extend_from_slice(b"^^");
        place.extend_from_slice(&text);
    }
    let [short, place] = [short, place].map(Constant::of);
    Department { short, place, name: folded(name) }
}

/// Returns a name as names are compared: without regard to case and to how many blanks
/// stand where (8.9).
fn folded(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name).to_lowercase();
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn ids<'a>(found: impl Iterator<Item = &'a Vec<u8>>) -> Vec<Vec<u8>> {
    let mut ids: Vec<Vec<u8>> = found.cloned().collect();
    ids.sort();
    ids
}

/// True of ten digits with a good check digit (`interface.md` 6, NPI).
pub fn is_npi(npi: &[u8]) -> bool {
    std::str::from_utf8(npi).is_ok_and(npi_check_digit)
}

/// Splits `LAST, FIRST`; text without a comma is all family name.
pub fn split_name(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().position(|&byte| byte == b',') {
        Some(comma) => (name[..comma].trim_ascii(), name[comma + 1..].trim_ascii()),
        None => (name, b""),
    }
}

/// Writes XCN: `id^family^given^^^^^^authority^^^^type`; without an ID the names only.
pub fn write_person(
    id: &[u8],
    last: &[u8],
    first: &[u8],
    authority: &[u8],
    id_type: &[u8],
    out: &mut Vec<u8>,
) {
    escape(id, Text::Line, out);
    let (authority, id_type) =
        if id.is_empty() { (&b""[..], &b""[..]) } else { (authority, id_type) };
    write_rest(last, first, authority, id_type, out);
}

/// Writes what follows the ID in XCN.
fn write_rest(last: &[u8], first: &[u8], authority: &[u8], id_type: &[u8], out: &mut Vec<u8>) {
    let names = [last, first];
    let used = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    for name in &names[..used] {
        out.push(b'^');
        escape(name, Text::Line, out);
    }
    if !authority.is_empty() {
        out.extend_from_slice(&b"^^^^^^^^"[used..]);
        out.extend_from_slice(authority);
        out.extend_from_slice(b"^^^^");
        out.extend_from_slice(id_type);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(row: ProviderRow<'_>, ids: ProviderIds) -> (Result<String, Code>, String) {
        let mut references = References::default();
        references.add_provider(row, ids);
        let (mut person, mut resource) = (Vec::new(), Vec::new());
        let result = references.write_provider(row.id, b"", ids, false, &mut person);
        let _ = references.write_provider(row.id, b"", ids, true, &mut resource);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (result.map(|_| text(person)), text(resource))
    }

    const SEUSS: ProviderRow<'_> = ProviderRow {
        id: b"27",
        npi: b"1234567893",
        last: b"SEUSS",
        first: b"DOROTHY",
        hl7_id: b"",
        scheduling: b"SEUSS, DOROTHY",
        is_no_person: false,
        npi_missing: NpiMissing::Error,
    };

    #[test]
    fn a_provider_goes_out_under_the_agreed_id() {
        let (person, resource) = provider(SEUSS, ProviderIds::Npi);
        assert_eq!(person.unwrap(), "1234567893^SEUSS^DOROTHY^^^^^^NPI^^^^NPI");
        assert_eq!(resource, "1234567893^SEUSS, DOROTHY");
        let (person, resource) = provider(SEUSS, ProviderIds::Athena);
        assert_eq!(person.unwrap(), "27^SEUSS^DOROTHY^^^^^^ATHENA^^^^PRN");
        assert_eq!(resource, "27^SEUSS, DOROTHY");
    }

    #[test]
    fn an_id_for_hl7_goes_before_athenanets_other_id() {
        let (person, resource) =
            provider(ProviderRow { hl7_id: b"H27", ..SEUSS }, ProviderIds::Athena);
        assert_eq!(person.unwrap(), "H27^SEUSS^DOROTHY^^^^^^ATHENA^^^^PRN");
        assert_eq!(resource, "H27^SEUSS, DOROTHY");
        let mut references = References::default();
        references.add_provider(SEUSS, ProviderIds::Athena);
        let mut out = Vec::new();
        references.write_provider(b"27", b"H9", ProviderIds::Athena, true, &mut out).unwrap();
        assert_eq!(out, b"H9^SEUSS, DOROTHY", "the record's own word counts most");
        let (person, _) = provider(ProviderRow { hl7_id: b"H27", ..SEUSS }, ProviderIds::Npi);
        assert_eq!(person.unwrap(), "1234567893^SEUSS^DOROTHY^^^^^^NPI^^^^NPI");
    }

    #[test]
    fn a_bad_npi_is_a_fault_only_where_it_was_agreed() {
        let bad = ProviderRow { npi: b"1234567890", ..SEUSS };
        assert_eq!(provider(bad, ProviderIds::Npi).0, Err(Code::P002));
        assert!(provider(bad, ProviderIds::Athena).0.is_ok());
    }

    #[test]
    fn a_provider_without_npi_goes_out_as_agreed() {
        let lacking = ProviderRow { npi: b"", ..SEUSS };
        assert_eq!(provider(lacking, ProviderIds::Npi).0, Err(Code::P002));
        let with = |npi_missing| ProviderRow { npi_missing, ..lacking };
        let athena = "27^SEUSS^DOROTHY^^^^^^ATHENA^^^^PRN".to_string();
        let (person, resource) = provider(with(NpiMissing::AthenaId), ProviderIds::Npi);
        assert_eq!((person, resource.as_str()), (Ok(athena.clone()), "27^SEUSS, DOROTHY"));
        let (person, resource) = provider(with(NpiMissing::Empty), ProviderIds::Npi);
        assert_eq!(
            (person.unwrap().as_str(), resource.as_str()),
            ("^SEUSS^DOROTHY", "^SEUSS, DOROTHY")
        );
        let room = ProviderRow { is_no_person: true, ..lacking };
        assert_eq!(provider(room, ProviderIds::Npi).0, Ok(athena));
        // A wrong NPI is no missing one.
        let wrong = ProviderRow { npi: b"1234567890", ..with(NpiMissing::AthenaId) };
        assert_eq!(provider(wrong, ProviderIds::Npi).0, Err(Code::P002));
        let mut references = References::default();
        references.add_provider(room, ProviderIds::Npi);
        let noted = references.write_provider(b"27", b"", ProviderIds::Npi, true, &mut Vec::new());
        assert_eq!(noted, Ok(Some(Note::NpiMissing)));
    }

    #[test]
    fn a_full_name_is_split_at_its_comma() {
        let row = ProviderRow { last: b"", first: b"", scheduling: b"KLEIN, JO", ..SEUSS };
        let (person, resource) = provider(row, ProviderIds::Npi);
        assert_eq!(person.unwrap(), "1234567893^KLEIN^JO^^^^^^NPI^^^^NPI");
        assert_eq!(resource, "1234567893^KLEIN, JO");
    }

    #[test]
    fn an_unknown_id_is_a_fault_once_there_is_an_extract_to_be_in() {
        let mut references = References::default();
        let mut out = Vec::new();
        assert_eq!(references.write_department(b"9", b"East", true, &mut out), Ok(()));
        assert_eq!(out, b"9^East^^East");
        references.add_department(b"1", b"MAIN");
        assert_eq!(references.write_department(b"9", b"", true, &mut out), Err(Code::D001));
        let unknown = references.write_provider(b"9", b"", ProviderIds::Npi, false, &mut out);
        assert_eq!(unknown, Err(Code::P001));
    }
}
