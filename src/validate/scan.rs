//! One segment, byte by byte: its fields, their parts and what stands in them.
//!
//! The hot path: our own batches go through here before they are published, so a
//! byte of a plain value costs one look into a table.

use super::finding::Place;
use super::rule::Rule;
use super::separators::{Separators, class};
use super::standard::{Item, Kind, Parts, Version};
use super::values::{self, Escape};
use crate::hl7::unescape;

/// What a segment is held to.
pub(super) struct Scan<'a> {
    pub separators: &'a Separators,
    /// None: a version or a segment that is not known, whose values are only read.
    pub spec: Option<(&'static Version, &'static Parts)>,
    pub segment: &'a [u8],
    /// The fields that may be empty all the same.
    pub excused: u128,
}

/// What else was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Bytes that are not ASCII.
    pub high: bool,
    /// Anything was found.
    pub found: bool,
}

/// Where the scan is.
struct Cursor<'a> {
    scan: &'a Scan<'a>,
    tell: &'a mut dyn FnMut(Rule, Place),
    place: Place,
    item: Option<Item>,
    seen: Seen,
    /// Bit n is set if field n + 1 has a value, and the same of the components.
    fields: u128,
    components: u128,
    /// Where the field, the repetition, the component and the value begin.
    field_at: usize,
    repetition_at: usize,
    component_at: usize,
    value_at: usize,
}

impl Scan<'_> {
    /// Reads the segment and tells what is wrong in it.
    pub fn run(&self, nth: u32, tell: &mut dyn FnMut(Rule, Place)) -> Seen {
        let bytes = self.segment;
        let name = [bytes[0], bytes[1], bytes[2]];
        let header = matches!(&name, b"MSH" | b"FHS" | b"BHS");
        // The first two fields of a header are the separators themselves.
        let (start, first) = match header {
            true => (after_separators(bytes), 3),
            false => (4.min(bytes.len()), 1),
        };
        let place = Place { field: first, repetition: 1, ..Place::of_segment(name, nth) };
        let mut cursor = Cursor {
            scan: self,
            tell,
            place,
            item: None,
            seen: Seen::default(),
            fields: if header { 0b11 } else { 0 },
            components: 0,
            field_at: start,
            repetition_at: start,
            component_at: start,
            value_at: start,
        };
        cursor.begin_field();
        cursor.read(start);
        cursor.end();
        cursor.seen
    }
}

fn after_separators(bytes: &[u8]) -> usize {
    let rest = bytes.get(4..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == bytes[3]);
    end.map_or(bytes.len(), |at| 4 + at + 1)
}

impl Cursor<'_> {
    fn read(&mut self, start: usize) {
        let bytes = self.scan.segment;
        let classes = self.scan.separators.classes();
        let mut at = start;
        while let Some(&byte) = bytes.get(at) {
            match classes[usize::from(byte)] {
                class::PLAIN => {}
                class::FIELD => {
                    self.end_field(at);
                    self.place.field = self.place.field.saturating_add(1);
                    self.field_at = at + 1;
                    (self.repetition_at, self.component_at) = (at + 1, at + 1);
                    self.value_at = at + 1;
                    self.begin_field();
                }
                class::COMPONENT => {
                    self.end_component(at);
                    self.place.component = self.place.component.saturating_add(1);
                    self.place.sub = 1;
                    (self.component_at, self.value_at) = (at + 1, at + 1);
                }
                class::REPETITION => {
                    self.end_repetition(at);
                    if self.place.repetition == 1 && self.item.is_some_and(|item| !item.repeats) {
                        self.tell_at(Rule::H202, 0);
                    }
                    self.place.repetition = self.place.repetition.saturating_add(1);
                    (self.place.component, self.place.sub) = (1, 1);
                    (self.repetition_at, self.component_at) = (at + 1, at + 1);
                    self.value_at = at + 1;
                    self.components = 0;
                }
                class::SUB => {
                    self.end_value(at);
                    self.place.sub = self.place.sub.saturating_add(1);
                    self.value_at = at + 1;
                }
                class::ESCAPE => at = self.escape(at),
                class::HIGH => self.seen.high = true,
                _ => {
                    let frame = matches!(byte, 0x0b | 0x1c);
                    self.tell_at(if frame { Rule::H003 } else { Rule::H506 }, 2);
                }
            }
            at += 1;
        }
        self.end_field(bytes.len());
    }

    /// Reads an escape; returns where its last character stands.
    fn escape(&mut self, at: usize) -> usize {
        let rest = &self.scan.segment[at + 1..];
        let escape = self.scan.separators.escape();
        let classes = self.scan.separators.classes();
        let part = |byte: &u8| matches!(classes[usize::from(*byte)], class::PLAIN | class::HIGH);
        let end = rest.iter().position(|byte| !part(byte));
        let Some(end) = end.filter(|&end| rest[end] == escape) else {
            self.tell_at(Rule::H501, 2);
            return at;
        };
        match values::escape(&rest[..end]) {
            Escape::Text => {}
            Escape::Formatting => {
                let known = self.leaf().map(|(leaf, _)| leaf.kind);
                if known.is_some_and(|kind| !matches!(kind, Kind::Formatted | Kind::Unknown)) {
                    self.tell_at(Rule::H502, 2);
                }
            }
            Escape::Bad => self.tell_at(Rule::H501, 2),
        }
        at + 1 + end
    }

    fn begin_field(&mut self) {
        self.place = Place { repetition: 1, component: 1, sub: 1, ..self.place };
        self.components = 0;
        let number = usize::from(self.place.field);
        self.item = self.scan.spec.and_then(|(_, parts)| parts.items.get(number - 1)).copied();
    }

    fn end_field(&mut self, at: usize) {
        if at > self.field_at {
            self.end_repetition(at);
            let unknown = self.item.is_none_or(|item| item.kind == Kind::Absent);
            if unknown && self.scan.spec.is_some() {
                self.tell_at(Rule::H204, 0);
            }
        }
    }

    fn end_repetition(&mut self, at: usize) {
        self.end_component(at);
        let Some(item) = self.item else { return };
        let bytes = &self.scan.segment[self.repetition_at..at];
        if is_longer(bytes, item.length) && bytes != b"\"\"" {
            self.tell_at(Rule::H203, 0);
        }
        let Some((version, _)) = self.scan.spec.filter(|_| item.parts != 0) else { return };
        let mut missing = version.parts(item.parts).required & !self.components;
        while missing != 0 && self.components != 0 {
            self.place.component = missing.trailing_zeros() as u16 + 1;
            self.tell_at(Rule::H206, 1);
            missing &= missing - 1;
        }
    }

    fn end_component(&mut self, at: usize) {
        self.end_value(at);
        let Some(item) = self.item.filter(|item| item.parts != 0) else { return };
        let Some((version, _)) = self.scan.spec else { return };
        let component = usize::from(self.place.component) - 1;
        let length = version.parts(item.parts).items.get(component).map(|part| part.length);
        let bytes = &self.scan.segment[self.component_at..at];
        if length.is_some_and(|length| is_longer(bytes, length)) {
            self.tell_at(Rule::H203, 1);
        }
    }

    fn end_value(&mut self, at: usize) {
        if at == self.value_at {
            return;
        }
        let value = &self.scan.segment[self.value_at..at];
        self.fields |= 1u128.checked_shl(u32::from(self.place.field) - 1).unwrap_or(0);
        self.components |= 1u128.checked_shl(u32::from(self.place.component) - 1).unwrap_or(0);
        // Two quotes ask the receiver to delete what it has, whatever the type.
        if value == b"\"\"" {
            return;
        }
        if let Some((leaf, table)) = self.leaf()
            && (table != 0 || leaf.kind != Kind::Text)
        {
            self.value(value, leaf.kind, table);
        }
    }

    /// Returns what the value at hand is held to, and its table.
    fn leaf(&mut self) -> Option<(Item, u16)> {
        let (version, _) = self.scan.spec?;
        let item = self.item?;
        let (component, sub) = (self.place.component, self.place.sub);
        if item.parts == 0 {
            if component == 1 && sub == 1 {
                return Some((item, item.table));
            }
            if !matches!(item.kind, Kind::Unknown | Kind::Absent) {
                self.tell_at(Rule::H207, 2);
            }
            return None;
        }
        let Some(part) = version.parts(item.parts).items.get(usize::from(component) - 1) else {
            self.tell_at(Rule::H205, 1);
            return None;
        };
        // The table of a CE field is that of its first component.
        let of_field = if component == 1 { item.table } else { 0 };
        let table = if part.table != 0 { part.table } else { of_field };
        if part.parts == 0 {
            if sub == 1 {
                return Some((*part, table));
            }
            if part.kind != Kind::Unknown {
                self.tell_at(Rule::H207, 2);
            }
            return None;
        }
        let Some(inner) = version.parts(part.parts).items.get(usize::from(sub) - 1) else {
            self.tell_at(Rule::H205, 2);
            return None;
        };
        let table = if inner.table != 0 || sub > 1 { inner.table } else { table };
        Some((*inner, table))
    }

    fn value(&mut self, value: &[u8], kind: Kind, table: u16) {
        let wrong = match kind {
            Kind::Si if !values::is_sequence(value) => Some(Rule::H301),
            Kind::Nm if !values::is_number(value) => Some(Rule::H302),
            Kind::Dt if !values::is_date(value) => Some(Rule::H303),
            Kind::Tm if !values::is_time(value) => Some(Rule::H304),
            Kind::Ts if !values::is_stamp(value) => Some(Rule::H305),
            Kind::Tn if !values::is_telephone(value) => Some(Rule::H306),
            _ => None,
        };
        if let Some(rule) = wrong {
            self.tell_at(rule, 2);
        }
        let Some((version, _)) = self.scan.spec.filter(|_| table != 0) else { return };
        let codes = version.table(table);
        if !codes.has(value) && !codes.has(&unescape(value)) {
            self.tell_at(if codes.closed { Rule::H401 } else { Rule::H402 }, 2);
        }
    }

    /// Tells which required fields have no value.
    fn end(&mut self) {
        let Some((_, parts)) = self.scan.spec else { return };
        let mut missing = parts.required & !self.fields & !self.scan.excused;
        self.place.repetition = 0;
        while missing != 0 {
            self.place.field = missing.trailing_zeros() as u16 + 1;
            self.tell_at(Rule::H201, 0);
            missing &= missing - 1;
        }
    }

    /// Tells of the field, or of its component or subcomponent too.
    #[cold]
    fn tell_at(&mut self, rule: Rule, depth: u8) {
        self.seen.found = true;
        let mut place = self.place;
        // A field without parts has no component to name.
        let parted = place.component > 1 || self.item.is_some_and(|item| item.parts != 0);
        if depth < 1 || !parted && place.sub == 1 {
            place.component = 0;
        }
        if depth < 2 || place.component == 0 || place.sub == 1 {
            place.sub = 0;
        }
        (self.tell)(rule, place);
    }
}

/// True if there are more characters than that: a byte that continues one in UTF-8 is
/// none of its own.
pub(super) fn is_longer(bytes: &[u8], length: u32) -> bool {
    let length = length as usize;
    let characters = || bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    bytes.len() > length && (bytes.is_ascii() || characters() > length)
}
