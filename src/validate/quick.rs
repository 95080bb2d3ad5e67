//! The way most of our own messages go: one look, and nothing is wrong.
//!
//! Reading back what was written must cost little beside writing it. So this knows only what a good message looks
//! like, and learns its headers and the order of its segments from messages that the
//! full check found good. It says yes or "I do not know"; then the full check decides,
//! and it alone tells what is wrong. A property test holds the two together.

use super::grammar::{Grammar, Progress};
use super::memo::Memo;
use super::message::Charset;
use super::standard::Version;
use super::walk::{Walk, mark};

/// Headers and orders of segments that are remembered.
const HEADERS_MAX: usize = 16;
const ORDERS: usize = 1024;

/// What was learned.
#[derive(Clone, Debug, Default)]
pub(super) struct Quick {
    headers: Vec<Header>,
    /// What messages with a header consisted of, each at a place by its hash.
    orders: Vec<(usize, Vec<u64>)>,
    fields: Memo,
    /// The order of the message at hand, and what [`mark`] says of it.
    order: Vec<u64>,
    stops: Vec<u8>,
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
    /// With its end.
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
        while !rest.is_empty() {
            let begins = |header: &Header| rest.starts_with(&header.bytes);
            let at = self.headers.iter().position(begins)?;
            let body = self.headers[at].bytes.len();
            let (segments, long, end) = self.body(at, &rest[body..])?;
            known.segments += 1 + segments;
            known.long += long;
            rest = &rest[body + end..];
        }
        Some(known)
    }

    /// Learns the header of a message that the full check found good.
    pub fn learn(&mut self, header: Header) {
        let is_new = self.headers.iter().all(|known| known.bytes != header.bytes);
        if is_new && self.headers.len() < HEADERS_MAX {
            self.headers.push(header);
        }
    }

    /// Goes over what follows a header; returns how many segments, how much of them is
    /// too long, and where they end.
    fn body(&mut self, at: usize, text: &[u8]) -> Option<(u64, u64, usize)> {
        self.order.clear();
        mark(text, &mut self.stops);
        let (mut long, mut begin) = (0, 0);
        let header = &self.headers[at];
        while begin < text.len() && !text[begin..].starts_with(b"MSH") {
            let (rest, stops) = (&text[begin..], &self.stops[begin..]);
            let (part, length, found) = segment(rest, stops, header, &mut self.fields)?;
            self.order.push(part);
            begin += length;
            long += found;
        }
        let body = &text[..begin];
        let unusual = unusual(body);
        // What is not ASCII needs the message's own character set.
        let good = unusual == 0
            || unusual & 1 == 0
                && header.charset == Charset::Utf8
                && std::str::from_utf8(body).is_ok();
        (good && self.knows_order(at)).then_some((self.order.len() as u64, long, begin))
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
fn part_of_order(text: &[u8], counted: bool) -> Option<u64> {
    let [a, b, c, _, set, end, ..] = *text.first_chunk::<8>()?;
    let mut part = [a, b, c, 0, 0, 0, 0, 0];
    let ends = |byte: u8| matches!(byte, b'|' | b'\r');
    if counted && ends(end) && !ends(set) {
        part[3] = set;
    } else if counted {
        let digits = text[4..].iter().take(5).take_while(|byte| !ends(**byte));
        part[3..].iter_mut().zip(digits).for_each(|(to, byte)| *to = *byte);
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

/// Returns of the segment that `text` begins with its part in the order, its length, its
/// end counted, and how much of it is too long, where nothing else is wrong in it.
fn segment(
    text: &[u8],
    stops: &[u8],
    header: &Header,
    fields: &mut Memo,
) -> Option<(u64, usize, u64)> {
    let [a, b, c, b'|'] = *text.first_chunk()? else { return None };
    let parts = header.version.segment([a, b, c])?;
    if [a, b, c] == *b"EVN" {
        let after = text[4..].strip_prefix(&*header.trigger)?;
        after.first().is_some_and(|byte| matches!(byte, b'|' | b'\r')).then_some(())?;
    }
    let part = part_of_order(text, parts.counted)?;
    let (length, long) = Walk::of(header.version, text, stops).run(parts, fields)?;
    Some((part, length, long))
}

/// Returns bit 0 if a byte stands in no value of ours, and bit 7 if one is not ASCII. No
/// way out early, so that it is done sixteen bytes at a time. Control characters end a
/// value, and so are seen there.
fn unusual(bytes: &[u8]) -> u8 {
    // Nothing of ours has subcomponents.
    let bad = |byte: u8| u8::from((byte == 0x7f) | (byte == b'&'));
    bytes.iter().fold(0, |seen, &byte| seen | bad(byte) | (byte & 0x80))
}
