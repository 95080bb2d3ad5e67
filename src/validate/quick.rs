//! The way most of our own messages go: one look, and nothing is wrong.
//!
//! Reading back what was written must cost little beside writing it. So this knows only what a good message looks
//! like, and learns its headers and the order of its segments from messages that the
//! full check found good. It says yes or "I do not know"; then the full check decides,
//! and it alone tells what is wrong. A property test holds the two together.

use super::grammar::{Grammar, Progress};
use super::message::{COUNTED, Charset};
use super::scan::is_longer;
use super::standard::{Field, Kind, Leaf, Version};
use super::values;

/// Headers, orders of segments and whole segments that are remembered.
const HEADERS_MAX: usize = 16;
const ORDERS: usize = 1024;
const SEGMENTS: usize = 1024;

/// Segments that many messages have alike: the provider's and the department's.
const ALIKE: [[u8; 3]; 3] = [*b"PD1", *b"PV1", *b"RGS"];

/// What was learned.
#[derive(Clone, Debug, Default)]
pub(super) struct Quick {
    headers: Vec<Header>,
    /// What messages with a header consisted of, each at a place by its hash.
    orders: Vec<(usize, Vec<u64>)>,
    /// Whole segments that were good, by a part of their hash, and what in them was
    /// too long.
    segments: Vec<(Box<[u8]>, u64)>,
    /// The order of the message at hand.
    order: Vec<u64>,
}

/// What is known of good messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub segments: u64,
    /// Repetitions and components that are longer than HL7 allows.
    pub long: u64,
}

/// An MSH that was good, MSH-10 left open, and what it says.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub bytes: Box<[u8]>,
    pub version: &'static Version,
    pub grammar: &'static Grammar,
    pub charset: Charset,
    pub trigger: Box<[u8]>,
}

/// Spreads a hash over its high bits.
const MIX: u64 = 0x517c_c1b7_2722_0a95;

impl Quick {
    /// Says that messages are good, but for what is too long; or that it does not know.
    pub fn knows(&mut self, messages: &[u8]) -> Option<Known> {
        let (mut known, mut rest) = (Known::default(), messages);
        let mut header: Option<usize> = None;
        self.order.clear();
        while let Some(end) = memchr::memchr(b'\r', rest) {
            let segment = &rest[..end];
            rest = &rest[end + 1..];
            known.segments += 1;
            if segment.starts_with(b"MSH") {
                if header.is_some_and(|at| !self.knows_order(at)) {
                    return None;
                }
                header = Some(self.headers.iter().position(|one| *one.bytes == *segment)?);
                self.order.clear();
            } else {
                self.order.push(part_of_order(segment)?);
                known.long += check(segment, &self.headers[header?], &mut self.segments)?;
            }
        }
        (rest.is_empty() && self.knows_order(header?)).then_some(known)
    }

    /// Learns the header of a message that the full check found good.
    pub fn learn(&mut self, header: Header) {
        let is_new = self.headers.iter().all(|known| known.bytes != header.bytes);
        if is_new && self.headers.len() < HEADERS_MAX {
            self.headers.push(header);
        }
    }

    /// Says whether the segments at hand are as the grammar has them; asked again of
    /// the same ones, it remembers.
    fn knows_order(&mut self, at: usize) -> bool {
        let header = &self.headers[at];
        let place = (hash(&self.order) + at) % ORDERS;
        self.orders.resize(ORDERS, (0, Vec::new()));
        let (known_at, known) = &mut self.orders[place];
        if *known_at == at && *known == self.order && !known.is_empty() {
            return true;
        }
        let good = is_good_order(header, &self.order);
        if good {
            *known_at = at;
            known.clone_from(&self.order);
        }
        good
    }
}

/// Returns a segment's part in the order: its name, and its set ID if it has one.
fn part_of_order(segment: &[u8]) -> Option<u64> {
    let name: [u8; 3] = segment.get(..3)?.try_into().ok()?;
    let mut part = [name[0], name[1], name[2], 0, 0, 0, 0, 0];
    if COUNTED.contains(&&name) {
        let set = segment.get(4..)?;
        let end = set.iter().take(5).position(|&byte| byte == b'|').unwrap_or(set.len());
        part.get_mut(3..3 + end)?.copy_from_slice(&set[..end]);
    }
    Some(u64::from_le_bytes(part))
}

/// Says whether a message can have these segments after its MSH.
fn is_good_order(header: &Header, order: &[u64]) -> bool {
    let (mut at, mut missing) = (Progress::default(), false);
    let mut sets: Vec<([u8; 3], u32)> = Vec::new();
    let mut good = header.grammar.step(&mut at, *b"MSH", &mut |_| missing = true);
    for part in order {
        let [a, b, c, set @ ..] = part.to_le_bytes();
        let name = [a, b, c];
        good &= header.grammar.step(&mut at, name, &mut |_| missing = true);
        let digits = set.iter().take_while(|byte| **byte != 0);
        let number = digits.fold(0, |number, digit| number * 10 + u32::from(digit & 0x0f));
        if set[0] == 0 {
            continue;
        }
        let last = match sets.iter_mut().find(|(known, _)| *known == name) {
            Some((_, last)) => std::mem::replace(last, number),
            None => {
                sets.push((name, number));
                0
            }
        };
        good &= number == 1 || number == last + 1;
    }
    header.grammar.end(&mut at, &mut |_| missing = true);
    good && !missing
}

fn hash(order: &[u64]) -> usize {
    let mix = |hash: u64, part: &u64| (hash.rotate_left(5) ^ part).wrapping_mul(MIX);
    (order.iter().fold(0, mix) >> 54) as usize
}

/// Says how much of a segment is too long, where nothing else is wrong in it.
fn check(segment: &[u8], header: &Header, segments: &mut Vec<(Box<[u8]>, u64)>) -> Option<u64> {
    let name: [u8; 3] = segment.get(..3)?.try_into().ok()?;
    if segment.get(3) != Some(&b'|') {
        return None;
    }
    let slot = ALIKE.contains(&name).then(|| slot_of(segment));
    if let Some(slot) = slot
        && let Some((known, long)) = segments.get(slot)
        && **known == *segment
    {
        return Some(*long);
    }
    if name == *b"EVN" {
        let after = segment[4..].strip_prefix(&*header.trigger)?;
        after.first().is_none_or(|byte| *byte == b'|').then_some(())?;
    }
    let parts = header.version.segment(name)?;
    let mut walk = Walk::new(header.version, &parts.quick, segment);
    if !walk.run() || !walk.is_whole() {
        return None;
    }
    // What is not ASCII needs the message's own character set.
    if walk.high {
        let good = header.charset == Charset::Utf8 && std::str::from_utf8(segment).is_ok();
        return good.then_some(walk.long);
    }
    if let Some(slot) = slot {
        if segments.is_empty() {
            segments.resize(SEGMENTS, Default::default());
        }
        segments[slot] = (segment.into(), walk.long);
    }
    Some(walk.long)
}

/// Two headers can have one segment, but not two versions: a file has one.
fn slot_of(segment: &[u8]) -> usize {
    let mut hash = segment.len() as u64;
    let words = segment.chunks_exact(8);
    let rest = words.remainder();
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(MIX);
    for word in words {
        hash = mix(hash, u64::from_le_bytes(word.try_into().unwrap_or_default()));
    }
    for &byte in rest {
        hash = mix(hash, byte.into());
    }
    (hash >> 54) as usize % SEGMENTS
}

/// The same byte in every place of a word.
const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Returns a word with the high bit set where a byte is zero.
const fn zeros(word: u64) -> u64 {
    !(((word & every(0x7f)) + every(0x7f)) | word | every(0x7f))
}

fn least_of(least: u8, byte: &u8) -> u8 {
    least.min(*byte)
}

fn most_of(most: u8, byte: &u8) -> u8 {
    most.max(*byte)
}

/// Returns how long a telephone number is that stands at the beginning and is
/// `(999)999-9999`, alone or with what belongs to it: `^PRN^PH^^1^999^9999999`.
#[inline(never)]
fn phone(bytes: &[u8]) -> Option<usize> {
    let shape: &[u8; 13] = bytes.first_chunk()?;
    let [b'(', a, b, c, b')', d, e, f, b'-', g, h, i, j] = shape else { return None };
    let good = [a, b, c, d, e, f, g, h, i, j].iter().all(|byte| byte.is_ascii_digit());
    let ends = |at: usize| matches!(bytes.get(at), None | Some(b'|' | b'~'));
    if !good || ends(13) {
        return good.then_some(13);
    }
    let (usage, rest) = bytes[13..].split_first_chunk::<5>()?;
    let (equipment, rest) = rest.split_first_chunk::<6>()?;
    let parts: &[u8; 11] = rest.first_chunk()?;
    let known = matches!(usage, b"^PRN^" | b"^WPN^" | b"^ORN^")
        && matches!(equipment, b"PH^^1^" | b"CP^^1^")
        && parts[3] == b'^'
        && parts[..3].iter().chain(&parts[4..]).all(u8::is_ascii_digit);
    (known && ends(35)).then_some(35)
}

/// Goes from separator to separator; what it holds stays in registers.
struct Walk<'a> {
    version: &'static Version,
    fields: std::slice::Iter<'static, Field>,
    segment: &'a [u8],
    field: &'static Field,
    /// The components of the field that are still to come.
    leaves: &'static [Leaf],
    value_at: usize,
    repetition_at: usize,
    /// Bit n is set if component n has a value; kept where one is required.
    components: u32,
    /// The field has a value.
    any: bool,
    long: u64,
    /// There are bytes that are not ASCII.
    high: bool,
    /// Separators before here belong to an escape.
    skip_to: usize,
}

impl<'a> Walk<'a> {
    fn new(version: &'static Version, fields: &'static [Field], segment: &'a [u8]) -> Walk<'a> {
        Walk {
            version,
            fields: fields[1..].iter(),
            segment,
            field: &fields[0],
            leaves: &fields[0].leaves,
            value_at: 4,
            repetition_at: 4,
            components: 0,
            any: false,
            long: 0,
            high: false,
            skip_to: 0,
        }
    }

    /// Returns true if every value is as it should be, as far as the segment goes.
    #[inline(always)]
    fn run(&mut self) -> bool {
        let segment = self.segment;
        let Some(bytes) = segment.get(4..) else { return false };
        let words = bytes.chunks_exact(8);
        let (rest, mut at) = (words.remainder(), 4);
        // The two ends of all bytes are found sixteen at a time.
        let (least, most) = (bytes.iter().fold(255, least_of), bytes.iter().fold(0, most_of));
        // Nothing of ours has subcomponents.
        let sub = memchr::memchr(b'&', bytes).is_some();
        if sub || least < 0x20 || most >= 0x7f && bytes.contains(&0x7f) {
            return false;
        }
        self.high = most >= 0x80;
        self.phone(4);
        for word in words {
            let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
            // `\ ^ | ~` differ in two bits only.
            let mut found = zeros((word & every(0xdd)) ^ every(0x5c));
            while found != 0 {
                let shift = found.trailing_zeros() & 0x38;
                if !self.separator(at + shift as usize / 8, (word >> shift) as u8) {
                    return false;
                }
                found &= found - 1;
            }
            at += 8;
        }
        for &byte in rest {
            if matches!(byte, b'\\' | b'^' | b'|' | b'~') && !self.separator(at, byte) {
                return false;
            }
            at += 1;
        }
        self.value(at) && self.end_field(at)
    }

    /// Returns true if nothing that is required is still to come.
    fn is_whole(&self) -> bool {
        self.fields.as_slice().iter().all(|field| !field.required)
    }

    #[inline(always)]
    fn separator(&mut self, at: usize, byte: u8) -> bool {
        if at < self.skip_to {
            return true;
        }
        // Most fields are empty.
        if at == self.repetition_at && byte == b'|' && !self.any {
            return !self.field.required && self.next_field(at);
        }
        if byte == b'\\' {
            let is_formatted = self.leaves.first().is_some_and(|leaf| leaf.kind == Kind::Formatted);
            if is_formatted && self.segment[at..].starts_with(b"\\.br\\") {
                self.skip_to = at + 5;
                return true;
            }
            self.skip_to = at + 3;
            let escape = self.segment.get(at + 1..at + 3);
            return matches!(escape, Some([b'F' | b'S' | b'T' | b'R' | b'E', b'\\']));
        }
        if at > self.value_at && !self.value(at) {
            return false;
        }
        self.value_at = at + 1;
        match byte {
            b'^' => {
                self.leaves = self.leaves.get(1..).unwrap_or_default();
                true
            }
            b'|' => self.end_field(at) && self.next_field(at),
            _ => {
                let good = self.field.repeats && self.end_repetition(at);
                self.begin(at + 1);
                good
            }
        }
    }

    #[inline(always)]
    fn next_field(&mut self, at: usize) -> bool {
        let Some(field) = self.fields.next() else { return false };
        (self.field, self.any, self.value_at) = (field, false, at + 1);
        self.begin(at + 1);
        true
    }

    #[inline(always)]
    fn begin(&mut self, at: usize) {
        self.leaves = &self.field.leaves;
        (self.repetition_at, self.components) = (at, 0);
        if self.field.is_phone {
            self.phone(at);
        }
    }

    /// Goes at once over a telephone number as we write it: half of a patient's
    /// separators stand in them, and seven values each.
    #[inline(always)]
    fn phone(&mut self, at: usize) {
        if self.field.is_phone
            && let Some(length) = phone(&self.segment[at..])
        {
            (self.any, self.value_at, self.skip_to) = (true, at + length, at + length);
        }
    }

    #[inline(always)]
    fn end_field(&mut self, at: usize) -> bool {
        (self.any || !self.field.required) && self.end_repetition(at)
    }

    #[inline(always)]
    fn end_repetition(&mut self, at: usize) -> bool {
        if at - self.repetition_at > self.field.length as usize {
            self.long += long(&self.segment[self.repetition_at..at], self.field.length);
        }
        self.components == 0 || self.field.required_parts & !self.components == 0
    }

    #[inline(always)]
    fn value(&mut self, at: usize) -> bool {
        if at == self.value_at {
            return true;
        }
        let Some(&leaf) = self.leaves.first() else { return false };
        self.any = true;
        if self.field.required_parts != 0 {
            let component = self.field.leaves.len() - self.leaves.len();
            self.components |= 1 << (component & 31);
        }
        if at - self.value_at > leaf.length as usize {
            self.long += long(&self.segment[self.value_at..at], leaf.length);
        }
        if leaf.is_any {
            return true;
        }
        typed(self.version, &self.segment[self.value_at..at], leaf)
    }
}

// The walk itself is not handed to these: it would have to leave its registers.

#[cold]
fn long(bytes: &[u8], length: u32) -> u64 {
    is_longer(bytes, length).into()
}

#[inline(never)]
fn typed(version: &Version, value: &[u8], leaf: Leaf) -> bool {
    let good = match leaf.kind {
        Kind::Text | Kind::Formatted | Kind::Code => true,
        Kind::Si => values::is_sequence(value),
        Kind::Nm => values::is_number(value),
        Kind::Dt => values::is_date(value),
        Kind::Tm => values::is_time(value),
        Kind::Ts => values::is_stamp(value),
        Kind::Tn => values::is_telephone(value),
        Kind::Unknown | Kind::Absent => false,
    };
    good && (leaf.table == 0 || version.table(leaf.table).has(value))
}
