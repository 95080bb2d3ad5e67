//! What HL7 2.3.1 to 2.5.1 say of segments, data types and tables: `config/hl7/*.tsv`.
//!
//! The files are made by `scripts/hl7_fields.py`. A line holds from its version on,
//! until the next line for the same field; so only what changes is told twice.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::grammar::Grammar;
use super::message::COUNTED;

/// The versions that are known, oldest first.
const VERSIONS: [&str; 4] = ["2.3.1", "2.4", "2.5", "2.5.1"];

/// Places for the segments of a version, a fourth of them taken.
const PLACES: usize = 128;

/// A length without a limit.
const NO_LIMIT: u32 = u32::MAX;

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// ST, TX: any text.
    Text,
    /// FT: text with formatting commands.
    Formatted,
    /// ID, IS: a code.
    Code,
    Si,
    Nm,
    Dt,
    Tm,
    /// DTM, which a TS begins with.
    Ts,
    Tn,
    /// A data type whose parts are not in the tables; nothing is said of it.
    Unknown,
    /// Not in this version.
    Absent,
}

/// A field of a segment, or a component of a data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Of the value itself, where it has no parts.
    pub kind: Kind,
    /// The longest repetition, separators counted.
    pub length: u32,
    pub required: bool,
    pub repeats: bool,
    /// The same few in many messages: codes, and people and places that have one.
    pub coded: bool,
    /// Which of [`Version::parts`]; 0: it has none.
    pub parts: u16,
    /// Which of [`Version::table`]; 0: none that is checked.
    pub table: u16,
}

/// The codes of a table.
#[derive(Debug)]
pub(super) struct Codes {
    /// True of HL7's own tables: a value outside is wrong.
    pub closed: bool,
    /// By their hash, the first free place from there on; 0 is free.
    packed: Vec<u64>,
    /// Those of more than eight bytes.
    long: Vec<&'static str>,
}

impl Codes {
    fn of(closed: bool, codes: &'static str) -> Codes {
        let mut table = Codes { closed, packed: Vec::new(), long: Vec::new() };
        let codes: Vec<&str> = codes.split(';').collect();
        table.packed.resize((codes.len() * 4).next_power_of_two(), 0);
        for code in codes {
            match packed(code.as_bytes()) {
                None => table.long.push(code),
                Some(code) => {
                    let mut at = table.place(code);
                    while table.packed[at] != 0 {
                        at = (at + 1) % table.packed.len();
                    }
                    table.packed[at] = code;
                }
            }
        }
        table
    }

    fn place(&self, code: u64) -> usize {
        let hash = code.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        hash as usize & (self.packed.len() - 1)
    }

    /// True if the table has the code.
    pub fn has(&self, code: &[u8]) -> bool {
        let Some(code) = packed(code) else {
            return self.long.iter().any(|known| known.as_bytes() == code);
        };
        let mut at = self.place(code);
        loop {
            match self.packed[at] {
                0 => return false,
                known if known == code => return true,
                _ => at = (at + 1) & (self.packed.len() - 1),
            }
        }
    }
}

/// A code of one to eight bytes as a number that is not 0.
fn packed(code: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..code.len())?.copy_from_slice(code);
    Some(u64::from_le_bytes(bytes)).filter(|code| *code != 0)
}

/// One data type, or the fields of one segment.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// In their order, the first at 0.
    pub items: Vec<Item>,
    /// Bit n is set if item n is required.
    pub required: u128,
    /// The same for the quick check; of a segment only.
    pub quick: Vec<Field>,
    /// Its first field is a set ID, or would be.
    pub counted: bool,
}

/// A field as the quick check wants it: all that could be looked up is.
#[derive(Debug)]
pub(super) struct Field {
    /// Which field of which version it is, never 0: what was good in one says nothing of another.
    pub id: u16,
    /// How it is gone over.
    pub way: Way,
    /// Of its first component.
    pub kind: Kind,
    pub length: u32,
    /// Up to so many bytes, with so many `^` in them, the field is good whatever they are;
    /// a time is, if it is one.
    pub simple: u32,
    pub carets: u32,
    pub repeats: bool,
    /// Of its components; bit n is set if component n is required.
    pub required_parts: u32,
    /// EVN-1, which says the same as MSH-9.
    pub is_event: bool,
    /// Its components; itself, if it has none.
    pub leaves: Vec<Leaf>,
}

/// How the quick check goes over a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its first components are any text.
    Text,
    /// As [`Item::coded`].
    Code,
    /// A day or a time.
    Time,
    /// XTN.
    Phone,
    /// Part by part.
    Other,
}

/// A component as the quick check wants it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub kind: Kind,
    pub table: u16,
    pub length: u32,
    /// Up to so many bytes whatever stands there is good: text, or a code that no table
    /// holds.
    pub free: u32,
}

/// One version of HL7.
#[derive(Debug)]
pub(super) struct Version {
    segments: Vec<([u8; 3], Parts)>,
    /// Which of them, by the hash of its name, the first free place from there on; 0 is free.
    places: [u8; PLACES],
    parts: Vec<Parts>,
    tables: Vec<Codes>,
    grammars: Vec<Grammar>,
}

/// The names of data types, and of tables, by their index.
#[derive(Default)]
struct Names {
    types: HashMap<&'static str, u16>,
    tables: HashMap<&'static str, u16>,
}

/// Each is read when it is first asked for: most interfaces speak one.
static KNOWN: [OnceLock<Option<Version>>; VERSIONS.len()] =
    [const { OnceLock::new() }; VERSIONS.len()];

impl Version {
    /// Returns the version of this name, if it is known.
    pub fn of(name: &[u8]) -> Option<&'static Version> {
        Version::at(VERSIONS.iter().position(|known| known.as_bytes() == name)?)
    }

    /// Returns the newest version that is known.
    pub fn newest() -> Option<&'static Version> {
        Version::at(VERSIONS.len() - 1)
    }

    fn at(version: usize) -> Option<&'static Version> {
        // A file of ours that cannot be read leaves a version out, which a test would see.
        KNOWN.get(version)?.get_or_init(|| Version::read(version)).as_ref()
    }

    /// Returns the fields of a segment; none if its fields are not in the tables.
    pub fn segment(&self, name: [u8; 3]) -> Option<&Parts> {
        let mut place = place_of(name);
        loop {
            let at = usize::from(self.places[place % PLACES]).checked_sub(1)?;
            let (known, parts) = self.segments.get(at)?;
            if *known == name {
                return Some(parts);
            }
            place += 1;
        }
    }

    /// Returns the components of a data type; 0 has none.
    pub fn parts(&self, index: u16) -> &Parts {
        &self.parts[usize::from(index)]
    }

    /// Returns a table; 0 is empty.
    pub fn table(&self, index: u16) -> &Codes {
        &self.tables[usize::from(index)]
    }

    /// Returns the grammar of a message type and event.
    pub fn grammar(&self, message: &[u8], trigger: &[u8]) -> Option<&Grammar> {
        self.grammars.iter().find(|grammar| grammar.is_of(message, trigger))
    }

    fn read(version: usize) -> Option<Version> {
        let (mut names, mut tables) = (Names::default(), vec![Codes::of(false, "")]);
        for row in rows(include_str!("../../config/hl7/tables.tsv")) {
            let [number, kind, since, codes] = row[..] else { return None };
            if !holds(since, version)? {
                continue;
            }
            let codes = Codes::of(kind == "closed", codes);
            let next = u16::try_from(tables.len()).ok()?;
            match names.tables.insert(number, next) {
                Some(before) => {
                    names.tables.insert(number, before);
                    tables[usize::from(before)] = codes;
                }
                None => tables.push(codes),
            }
        }
        let types = grouped(include_str!("../../config/hl7/types.tsv"), version)?;
        for (at, (name, _)) in types.iter().enumerate() {
            names.types.insert(name, u16::try_from(at + 1).ok()?);
        }
        let mut parts = vec![Parts::default()];
        for (_, rows) in &types {
            parts.push(names.parts(rows)?);
        }
        let fields = grouped(include_str!("../../config/hl7/fields.tsv"), version)?;
        let mut segments = fields
            .iter()
            .map(|(name, rows)| Some((name.as_bytes().try_into().ok()?, names.parts(rows)?)))
            .collect::<Option<Vec<([u8; 3], Parts)>>>()?;
        let mut places = [0; PLACES];
        for (at, (name, _)) in segments.iter().enumerate() {
            let mut place = place_of(*name);
            while places[place % PLACES] != 0 {
                place += 1;
            }
            places[place % PLACES] = u8::try_from(at + 1).ok()?;
        }
        let mut ids = (u16::try_from(version).ok()? << 14) + 1..;
        for (name, segment) in &mut segments {
            let fields = segment.items.iter().map(|item| Some(field(item, ids.next()?, &parts)));
            segment.quick = fields.collect::<Option<_>>()?;
            segment.counted = COUNTED.contains(&&*name);
            if name == b"EVN" {
                segment.quick.iter_mut().take(1).for_each(|field| field.is_event = true);
            }
        }
        let grammars = Grammar::all(version)?;
        Some(Version { segments, places, parts, tables, grammars })
    }
}

fn place_of([a, b, c]: [u8; 3]) -> usize {
    (u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9e37_79b9) >> 25) as usize
}

/// Looks up everything about a field.
fn field(item: &Item, id: u16, parts: &[Parts]) -> Field {
    let components = &parts[usize::from(item.parts)];
    let leaf = |(at, component): (usize, &Item)| {
        let inner = match component.parts {
            0 => component,
            inner => parts[usize::from(inner)].items.first().unwrap_or(component),
        };
        // The table of a CE field is that of its first component.
        let of_field = if at == 0 { item.table } else { 0 };
        let tables = [inner.table, component.table, of_field];
        let table = tables.into_iter().find(|table| *table != 0).unwrap_or(0);
        leaf_of(inner.kind, table, component.length)
    };
    let leaves = match item.parts {
        0 => vec![leaf_of(item.kind, item.table, NO_LIMIT)],
        _ => components.items.iter().enumerate().map(leaf).collect(),
    };
    let Item { length, repeats, coded, .. } = *item;
    // Only XTN begins with a TN; from 2.5 on it is known by its seven digits' NM.
    let kinds: Vec<Kind> = leaves.iter().take(7).map(|leaf| leaf.kind).collect();
    let is_phone = matches!(
        kinds[..],
        [Kind::Tn | Kind::Text, Kind::Code, Kind::Code, Kind::Text, Kind::Nm, Kind::Nm, Kind::Nm]
    );
    let required_parts = components.required as u32;
    // Those that may be any text; one that must be there must be looked for.
    let free = leaves.iter().take_while(|leaf| leaf.free > 0).count();
    let free = if required_parts == 0 { free } else { free.min(1) };
    let lengths = leaves.iter().take(free).map(|leaf| leaf.free);
    let simple = match (required_parts & !1, kinds.first()) {
        (0, Some(Kind::Ts | Kind::Dt)) => leaves[0].length.min(length),
        (0, _) => lengths.min().map_or(0, |least| least.min(length)),
        _ => 0,
    };
    let way = match kinds.first() {
        _ if coded => Way::Code,
        Some(Kind::Ts | Kind::Dt) => Way::Time,
        _ if is_phone => Way::Phone,
        _ if simple > 0 => Way::Text,
        _ => Way::Other,
    };
    Field {
        id,
        way,
        kind: leaves[0].kind,
        length,
        simple,
        carets: free.saturating_sub(1) as u32,
        repeats,
        required_parts,
        is_event: false,
        leaves,
    }
}

fn leaf_of(kind: Kind, table: u16, length: u32) -> Leaf {
    let is_any = table == 0 && matches!(kind, Kind::Text | Kind::Formatted | Kind::Code);
    Leaf { kind, table, length, free: if is_any { length } else { 0 } }
}

impl Names {
    fn parts(&self, rows: &[Option<[&'static str; 5]>]) -> Option<Parts> {
        let items = rows.iter().map(|row| self.item(*row)).collect::<Option<Vec<Item>>>()?;
        let bit = |(at, item): (usize, &Item)| u128::from(item.required) << at;
        let required = items.iter().enumerate().map(bit).fold(0, |all, bit| all | bit);
        Some(Parts { items, required, ..Parts::default() })
    }

    fn item(&self, row: Option<[&'static str; 5]>) -> Option<Item> {
        let Some([kind, length, usage, repeats, table]) = row else {
            let length = NO_LIMIT;
            let (required, repeats, coded) = (false, true, false);
            let kind = Kind::Absent;
            return Some(Item { kind, length, required, repeats, coded, parts: 0, table: 0 });
        };
        Some(Item {
            kind: kind_of(kind),
            length: if length == "-" { NO_LIMIT } else { length.parse().ok()? },
            required: usage == "R",
            repeats: repeats == "many",
            coded: matches!(kind, "CE" | "CWE" | "ID" | "IS" | "SI" | "NM" | "PL" | "XCN" | "XON"),
            parts: self.types.get(kind).copied().unwrap_or(0),
            table: self.tables.get(table).copied().unwrap_or(0),
        })
    }
}

fn kind_of(name: &str) -> Kind {
    match name {
        "ST" | "TX" => Kind::Text,
        "FT" => Kind::Formatted,
        "ID" | "IS" => Kind::Code,
        "SI" => Kind::Si,
        "NM" => Kind::Nm,
        "DT" => Kind::Dt,
        "TM" => Kind::Tm,
        "DTM" => Kind::Ts,
        "TN" => Kind::Tn,
        _ => Kind::Unknown,
    }
}

/// Returns the rows of a file; its first line says what the columns are.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(|line| line.split('\t').collect())
}

/// True if what is said since a version holds in another.
pub(super) fn holds(since: &str, version: usize) -> Option<bool> {
    Some(VERSIONS.iter().position(|known| *known == since)? <= version)
}

/// The rows of one name, by number from 1; none where the version has no such number.
type Group = (&'static str, Vec<Option<[&'static str; 5]>>);

fn grouped(text: &'static str, version: usize) -> Option<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows(text) {
        let (name, number, since) =
            (*row.first()?, row.get(1)?.parse::<usize>().ok()?, row.get(2)?);
        if !holds(since, version)? {
            continue;
        }
        let told: Option<[&str; 5]> = match row.get(3..)? {
            ["-"] => None,
            cells => Some(cells.try_into().ok()?),
        };
        let at = groups.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        let items = &mut groups[at].1;
        if items.len() < number {
            items.resize(number, None);
        }
        items[number - 1] = told;
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(version: &Version, segment: &[u8; 3], number: usize) -> Item {
        version.segment(*segment).unwrap().items[number - 1]
    }

    #[test]
    fn every_version_is_read_whole() {
        for name in VERSIONS {
            let version = Version::of(name.as_bytes()).unwrap();
            for segment in [b"FHS", b"BTS", b"MSH", b"EVN", b"PID", b"IN1", b"SCH", b"AIP"] {
                assert!(version.segment(*segment).is_some(), "{segment:?}");
            }
            assert!(version.segment(*b"ZPD").is_none());
        }
    }

    #[test]
    fn no_two_fields_of_any_versions_have_one_id() {
        let versions = VERSIONS.map(|name| Version::of(name.as_bytes()).unwrap());
        let segments = versions.iter().flat_map(|version| &version.segments);
        let mut ids: Vec<u16> =
            segments.flat_map(|(_, parts)| parts.quick.iter().map(|field| field.id)).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn a_field_is_as_its_version_has_it() {
        let (old, new) = (Version::of(b"2.3.1").unwrap(), Version::newest().unwrap());
        // interface.md 3.2: PID-3 CX 20 R *, 250 in 2.5.1; SCH-11 is optional from 2.5;
        // FHS-3 ST, HD from 2.5; PID-33 is not in 2.3.1.
        let lengths = [old, new].map(|version| field(version, b"PID", 3).length);
        assert_eq!(lengths, [20, 250]);
        assert!(field(old, b"PID", 3).required && field(old, b"PID", 3).repeats);
        let required = [old, new].map(|version| field(version, b"SCH", 11).required);
        assert_eq!(required, [true, false]);
        assert_eq!(field(old, b"FHS", 3).parts, 0);
        assert_eq!(new.parts(field(new, b"FHS", 3).parts).items.len(), 3);
        assert_eq!(old.segment(*b"PID").unwrap().items.len(), 30);
    }

    #[test]
    fn a_table_is_as_its_version_has_it() {
        let (old, new) = (Version::of(b"2.3.1").unwrap(), Version::of(b"2.4").unwrap());
        let class = |version: &Version, code: &[u8]| {
            version.table(field(version, b"PV1", 2).table).has(code)
        };
        assert_eq!([class(old, b"N"), class(new, b"N"), class(old, b"O")], [false, true, true]);
        let action = old.table(field(old, b"RGS", 2).table);
        assert!(action.closed && action.has(b"U") && !action.has(b"X"));
    }
}
