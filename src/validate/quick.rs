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
            let (text, segment) = (rest, &rest[..end]);
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
                known.long += check(text, end, &self.headers[header?], &mut self.segments)?;
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
fn check(
    text: &[u8],
    end: usize,
    header: &Header,
    segments: &mut Vec<(Box<[u8]>, u64)>,
) -> Option<u64> {
    let segment = &text[..end];
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
    let unusual = unusual(&segment[4..]);
    if unusual & 1 != 0 {
        return None;
    }
    let walk = Walk { version: header.version, text, end, at: 4, long: 0 };
    let long = walk.run(&parts.quick)?;
    // What is not ASCII needs the message's own character set.
    if unusual != 0 {
        let good = header.charset == Charset::Utf8 && std::str::from_utf8(segment).is_ok();
        return good.then_some(long);
    }
    if let Some(slot) = slot {
        if segments.is_empty() {
            segments.resize(SEGMENTS, Default::default());
        }
        segments[slot] = (segment.into(), long);
    }
    Some(long)
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

/// Returns bit 0 if a byte stands in no value of ours, and bit 7 if one is not ASCII. No
/// way out early, so that it is done sixteen bytes at a time.
fn unusual(bytes: &[u8]) -> u8 {
    // Nothing of ours has subcomponents.
    let bad = |byte: u8| u8::from((byte < 0x20) | (byte == 0x7f) | (byte == b'&'));
    bytes.iter().fold(0, |seen, &byte| seen | bad(byte) | (byte & 0x80))
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

/// Goes from field to field of one segment, each by what stands in the tables for it:
/// half of all fields are empty, and cost a look at one byte.
struct Walk<'a> {
    version: &'static Version,
    /// From the segment on, as far as there is anything: what is behind its end is read
    /// eight bytes at a time, and not looked at.
    text: &'a [u8],
    end: usize,
    at: usize,
    long: u64,
}

impl Walk<'_> {
    /// Returns how much is too long, if nothing else is wrong.
    fn run(mut self, fields: &'static [Field]) -> Option<u64> {
        let mut fields = fields.iter();
        loop {
            let field = fields.next()?;
            match self.byte() {
                Some(b'|') if !field.required => {}
                None if !field.required => break,
                None | Some(b'|') => return None,
                Some(_) => {
                    self.field(field)?;
                    if self.at == self.end {
                        break;
                    }
                }
            }
            self.at += 1;
        }
        fields.as_slice().iter().all(|field| !field.required).then_some(self.long)
    }

    /// Returns the byte at hand; none at the end of the segment.
    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        if self.at < self.end { self.text.get(self.at).copied() } else { None }
    }

    /// Goes over a field, which is not empty, up to the separator behind it.
    #[inline(always)]
    fn field(&mut self, field: &'static Field) -> Option<()> {
        let mut any = false;
        loop {
            let begin = self.at;
            let parts = self.repetition(field)?;
            any |= parts != 0;
            if self.at - begin > field.length as usize {
                self.long += long(&self.text[begin..self.at], field.length);
            }
            if parts != 0 && field.required_parts & !parts != 0 {
                return None;
            }
            if self.byte() != Some(b'~') {
                break;
            }
            if !field.repeats {
                return None;
            }
            self.at += 1;
        }
        (any || !field.required).then_some(())
    }

    /// Goes over a repetition; bit n says that component n has a value.
    #[inline(always)]
    fn repetition(&mut self, field: &'static Field) -> Option<u32> {
        // At once over a telephone number as we write it: half of a patient's
        // separators stand in them, and seven values each.
        if field.is_phone
            && let Some(length) = phone(&self.text[self.at..self.end])
        {
            self.at += length;
            return Some(1);
        }
        let (mut parts, mut component) = (0, 0);
        loop {
            if self.byte() != Some(b'^') {
                let begin = self.at;
                let leaf = field.leaves.get(component);
                self.value(leaf)?;
                if self.at > begin {
                    parts |= 1 << (component & 31);
                    self.check(begin, *leaf?)?;
                }
                if self.byte() != Some(b'^') {
                    return Some(parts);
                }
            }
            self.at += 1;
            component += 1;
        }
    }

    /// Goes to the end of a value.
    #[inline(always)]
    fn value(&mut self, leaf: Option<&Leaf>) -> Option<()> {
        loop {
            self.separator();
            if self.byte() != Some(b'\\') {
                return Some(());
            }
            self.escape(leaf)?;
        }
    }

    /// Goes to the next separator or escape, or the end.
    #[inline(always)]
    fn separator(&mut self) {
        while let Some(word) = self.text.get(self.at..).and_then(|rest| rest.first_chunk()) {
            // `\ ^ | ~` differ in two bits only.
            let found = zeros((u64::from_le_bytes(*word) & every(0xdd)) ^ every(0x5c));
            if found != 0 {
                self.at = (self.at + found.trailing_zeros() as usize / 8).min(self.end);
                return;
            }
            self.at += 8;
            if self.at >= self.end {
                self.at = self.end;
                return;
            }
        }
        while let Some(byte) = self.byte()
            && !matches!(byte, b'\\' | b'^' | b'|' | b'~')
        {
            self.at += 1;
        }
    }

    #[cold]
    fn escape(&mut self, leaf: Option<&Leaf>) -> Option<()> {
        let rest = &self.text[self.at..self.end];
        let is_formatted = leaf.is_some_and(|leaf| leaf.kind == Kind::Formatted);
        self.at += match rest {
            [b'\\', b'.', b'b', b'r', b'\\', ..] if is_formatted => 5,
            [b'\\', b'F' | b'S' | b'T' | b'R' | b'E', b'\\', ..] => 3,
            _ => return None,
        };
        Some(())
    }

    #[inline(always)]
    fn check(&mut self, begin: usize, leaf: Leaf) -> Option<()> {
        let value = &self.text[begin..self.at];
        if value.len() > leaf.length as usize {
            self.long += long(value, leaf.length);
        }
        (leaf.is_any || typed(self.version, value, leaf)).then_some(())
    }
}

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
