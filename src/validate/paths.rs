//! What good messages are made of after their MSH, learned as they come: the hot path of the
//! quick check.
//!
//! A message is a walk from place to place. At a place stands a value, which is held to its
//! data type; then a stretch that is the same in many messages, codes and names of segments
//! and separators, which is compared. A stretch is found by going over it field by field,
//! once; then it leads from one place to the next for every message that comes there. That is
//! right because a place is all that the rest of a message depends on: the field, the segments
//! before it and which required fields had a value.

use std::collections::HashMap;

use super::edge::{Edge, Odd};
use super::field::{Step, any_text, other, phone, time};
use super::order::{Orders, part};
use super::quick::Header;
use super::standard::{Field, Parts, Way};
use super::word::word;

/// What is remembered at most, a few megabytes; then all of it is learned anew. Our own
/// messages need some hundred places, and a stretch for each code, provider and insurance.
const NODES_MAX: usize = 1 << 12;
const EDGES_MAX: usize = 1 << 14;
const BYTES_MAX: usize = 256;

/// The most stretches that are tried at a place behind a value.
const TRIES_MAX: usize = 16;

/// Places in the table of codes.
const PLACES: usize = 1 << 13;

/// Spreads a hash over its high bits.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// No edge.
pub(super) const NONE: u32 = u32::MAX;

/// The end of a message, as a place.
const END: u32 = u32::MAX;

/// What was learned.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    known: HashMap<Place, u32>,
    /// Where messages begin, by their header.
    starts: Vec<u32>,
    edges: Vec<Edge>,
    /// The first edges from places of codes, by the code.
    codes: Vec<u32>,
    orders: Orders,
}

/// What was seen in a message in which nothing is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Its length.
    pub length: usize,
    pub segments: u64,
    /// How much of it is longer than HL7 allows.
    pub long: u64,
    /// True if there is something that is not ASCII.
    pub high: bool,
}

/// Where in a message something stands, and what matters of all that was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    /// Which segments: an index of `orders`.
    order: u32,
    /// [`Field::id`] of the field at hand; 0 at the beginning of a message.
    field: u16,
    /// The required fields of the segment that had a value, the first one in bit 0.
    filled: u64,
}

/// A place, and what it says.
#[derive(Clone, Copy, Debug)]
struct Node {
    way: Way,
    /// The first edge from here, where they are not found by a code.
    first: u32,
    place: Place,
    spot: Option<Spot>,
}

/// A field of a segment.
#[derive(Clone, Copy, Debug)]
struct Spot {
    parts: &'static Parts,
    /// Counted from 1.
    number: usize,
    field: &'static Field,
}

/// Where the search for the next place is.
#[derive(Clone, Copy)]
struct Cursor {
    at: usize,
    order: u32,
    filled: u64,
}

impl Paths {
    /// Goes over the segments of a message that follow its header; returns what was seen, if
    /// nothing is wrong. `root` is the header's number.
    pub fn message(&mut self, root: u32, header: &Header, text: &[u8]) -> Option<Seen> {
        let places = self.nodes.len().max(self.orders.count());
        if self.edges.len() > EDGES_MAX || places > NODES_MAX {
            *self = Paths::default();
        }
        let mut seen = Seen::default();
        let (mut rest, mut from) = (text, self.start(root));
        while let Some(node) = self.nodes.get(from as usize) {
            let first = word(rest, 0);
            let (end, edge) = match (node.way, node.spot) {
                (Way::Code, _) => {
                    let next = self.codes.get(place_of(from, first)).copied().unwrap_or(NONE);
                    (Some(rest), self.edge(from, next, first, rest))
                }
                (Way::Text, Some(spot)) => {
                    self.behind(from, node, any_text(rest, first, spot.field, &mut seen.high))
                }
                (Way::Time, Some(spot)) => self.behind(from, node, time(rest, spot.field)),
                (Way::Phone, Some(spot)) => {
                    self.behind(from, node, phone(rest, spot.field, &mut seen))
                }
                _ => (None, None),
            };
            if let Some((after, edge)) = end.zip(edge)
                && !edge.is_odd
            {
                rest = after.get(edge.length as usize..)?;
                from = edge.to;
                continue;
            }
            let end = end.map(|end| rest.len() - end.len());
            let at = text.len() - rest.len();
            let (at, to) =
                self.look(from, header, text, (at, end.map(|end| at + end)), &mut seen)?;
            (rest, from) = (text.get(at..)?, to);
        }
        seen.length = text.len() - rest.len();
        Some(seen)
    }

    /// Returns what stands behind a value, and the stretch there, if it is known.
    #[inline(always)]
    fn behind<'t>(
        &self,
        from: u32,
        node: &Node,
        end: Option<&'t [u8]>,
    ) -> (Option<&'t [u8]>, Option<&Edge>) {
        let edge = end.and_then(|rest| self.edge(from, node.first, word(rest, 0), rest));
        (end, edge)
    }

    /// Returns the stretch that a text begins with, if it is known at a place.
    #[inline(always)]
    fn edge(&self, from: u32, mut next: u32, word: u64, text: &[u8]) -> Option<&Edge> {
        loop {
            let edge = self.edges.get(next as usize)?;
            if (word ^ edge.first) & edge.mask == 0 && edge.from == from && edge.goes_on(text) {
                return Some(edge);
            }
            next = edge.next;
        }
    }

    /// The same, of any kind of place.
    fn edge_at(&self, from: u32, node: &Node, text: &[u8]) -> Option<&Edge> {
        let word = word(text, 0);
        let next = match node.way {
            Way::Code => *self.codes.get(place_of(from, word))?,
            _ => node.first,
        };
        self.edge(from, next, word, text)
    }

    /// Goes over a value of which not enough was known, or over a stretch behind it.
    #[inline(never)]
    fn look(
        &mut self,
        from: u32,
        header: &Header,
        text: &[u8],
        (begin, end): (usize, Option<usize>),
        seen: &mut Seen,
    ) -> Option<(usize, u32)> {
        let node = *self.nodes.get(from as usize)?;
        let step = match (end, node.spot) {
            (None, Some(spot)) => other(text, begin, spot.field, header, seen)?,
            _ => Step { begin, end: end.unwrap_or(begin), has: true },
        };
        if step.has
            && let Some(edge) = self.edge_at(from, &node, text.get(step.end..)?)
        {
            let Odd { own, segments, long, high } = edge.odd;
            let at = step.end + edge.length as usize;
            let longest = node.spot.map_or(0, |spot| spot.field.length as usize);
            let fits = own == 0 || own as usize + step.end - step.begin <= longest;
            if fits && (edge.to != END || is_end(text, at)) {
                seen.segments += u64::from(segments);
                seen.long += u64::from(long);
                seen.high |= high;
                return Some((at, edge.to));
            }
        }
        self.grow(from, header, text, step, seen)
    }
}

/// How places are found, and what leads from one to the next.
impl Paths {
    /// Returns the place where messages with a header begin.
    fn start(&mut self, root: u32) -> u32 {
        if let Some(known) = self.starts.get(root as usize) {
            return *known;
        }
        let new = self.starts.len() as u32;
        let place = Place { order: Orders::root(new), field: 0, filled: 0 };
        let start = self.node(place, None);
        self.starts.push(start);
        self.start(root)
    }

    fn node(&mut self, place: Place, spot: Option<Spot>) -> u32 {
        let new = self.nodes.len() as u32;
        let known = *self.known.entry(place).or_insert(new);
        if known == new {
            let way = spot.map_or(Way::Code, |spot| spot.field.way);
            self.nodes.push(Node { way, first: NONE, place, spot });
        }
        known
    }

    /// Goes over what follows a value, field by field, to the next place; remembers the
    /// stretch, if it hangs on nothing else. Returns where that place is.
    #[cold]
    #[inline(never)]
    fn grow(
        &mut self,
        from: u32,
        header: &Header,
        text: &[u8],
        step: Step,
        seen: &mut Seen,
    ) -> Option<(usize, u32)> {
        let node = *self.nodes.get(from as usize)?;
        let Place { order, filled, .. } = node.place;
        let mut cursor = Cursor { at: step.end, order, filled };
        let (mut own, mut keep, long) = (0, step.has, seen.long);
        let to = match node.spot {
            None => self.segment(header, text, &mut cursor)?,
            Some(spot) => {
                let whole = whole_field(text, spot, header, step, seen)?;
                cursor.at = whole.end;
                keep = whole.has;
                if node.way == Way::Text && whole.end > step.end {
                    // What is before a tail says nothing of it only where neither is too long,
                    // and there is one repetition.
                    own = whole.end - step.end;
                    keep &= seen.long == long && !text[step.end..whole.end].contains(&b'~');
                }
                if whole.has {
                    cursor.filled |= spot.required();
                }
                self.next(header, text, spot, &mut cursor)?
            }
        };
        let segments = if to == END { self.orders.length(cursor.order) } else { 0 };
        seen.segments += u64::from(segments);
        let bytes = text.get(step.end..cursor.at)?;
        if keep && (1..=BYTES_MAX).contains(&bytes.len()) {
            let long = (seen.long - long) as u32;
            let odd = Odd { own: own as u32, segments, long, high: !bytes.is_ascii() };
            let at = place_of(from, word(text, step.end));
            self.learn(at, Edge::new(from, to, bytes, odd));
        }
        Some((cursor.at, to))
    }

    /// Remembers a stretch; the longest is tried first, since others may be its beginning.
    fn learn(&mut self, at: usize, mut edge: Edge) {
        self.codes.resize(PLACES, NONE);
        let Some(node) = self.nodes.get_mut(edge.from as usize) else { return };
        let first = match node.way {
            Way::Code => &mut self.codes[at],
            _ => &mut node.first,
        };
        let (new, mut before, mut tries) = (self.edges.len() as u32, NONE, 0);
        let mut next = *first;
        while let Some(known) = self.edges.get(next as usize) {
            if known.length >= edge.length {
                before = next;
            }
            (next, tries) = (known.next, tries + 1);
        }
        // Trying so many would cost more than going over the field.
        if tries >= TRIES_MAX {
            return;
        }
        edge.next = self.edges.get(before as usize).map_or(*first, |before| before.next);
        match self.edges.get_mut(before as usize) {
            Some(before) => before.next = new,
            None => *first = new,
        }
        self.edges.push(edge);
    }

    /// Goes on from the end of a field to the next one that has something in it, in the next
    /// segment if there is none in this one.
    fn next(
        &mut self,
        header: &Header,
        text: &[u8],
        mut spot: Spot,
        cursor: &mut Cursor,
    ) -> Option<u32> {
        if text.get(cursor.at) == Some(&b'~') {
            cursor.at += 1;
            return Some(self.at(spot, *cursor));
        }
        let bars = text.get(cursor.at..)?.iter().take_while(|byte| **byte == b'|').count();
        cursor.at += bars;
        spot.number += bars;
        if *text.get(cursor.at)? != b'\r' {
            spot.field = spot.parts.quick.get(spot.number - 1)?;
            return Some(self.at(spot, *cursor));
        }
        (spot.parts.required & !u128::from(cursor.filled) == 0).then_some(())?;
        cursor.at += 1;
        match is_end(text, cursor.at) {
            true => self.orders.is_good(cursor.order, header).then_some(END),
            false => self.segment(header, text, cursor),
        }
    }

    /// Begins a segment, and goes over its set ID, if it has one of one digit.
    fn segment(&mut self, header: &Header, text: &[u8], cursor: &mut Cursor) -> Option<u32> {
        let rest = text.get(cursor.at..)?;
        let [a, b, c, b'|', set, end, ..] = *rest.first_chunk::<6>()? else { return None };
        let parts = header.version.segment([a, b, c])?;
        cursor.order = self.orders.then(cursor.order, part(rest, parts.counted));
        cursor.filled = 0;
        cursor.at += 3;
        let mut spot = Spot { parts, number: 0, field: parts.quick.first()? };
        if parts.counted && set.is_ascii_digit() && matches!(end, b'|' | b'\r') {
            spot.number = 1;
            cursor.at += 2;
            cursor.filled = spot.required();
        }
        self.next(header, text, spot, cursor)
    }

    fn at(&mut self, spot: Spot, cursor: Cursor) -> u32 {
        let Cursor { order, filled, .. } = cursor;
        self.node(Place { order, field: spot.field.id, filled }, Some(spot))
    }
}

impl Spot {
    /// Returns the field's bit, if it must have a value.
    fn required(&self) -> u64 {
        let bit = 1_u128 << (self.number - 1) & self.parts.required;
        // One of a higher number would be missed at the end of its segment; none is known.
        bit as u64
    }
}

/// Goes over a field whose value was gone over as far as it may be any text.
fn whole_field(
    text: &[u8],
    spot: Spot,
    header: &Header,
    step: Step,
    seen: &mut Seen,
) -> Option<Step> {
    let field = spot.field;
    let whole = match (field.way, text.get(step.end)?) {
        (Way::Code, _) => other(text, step.end, field, header, seen)?,
        (Way::Text, b'^') => other(text, step.begin, field, header, seen)?,
        _ => step,
    };
    let is_other = field.is_event && text[whole.begin..whole.end] != *header.trigger;
    (!is_other).then_some(whole)
}

/// True where a message ends.
fn is_end(text: &[u8], at: usize) -> bool {
    text.len() == at || text.get(at..).is_some_and(|rest| rest.starts_with(b"MSH"))
}

/// Returns where the first edge of a code is found, by the four bytes it begins with: codes
/// that share them are tried in turn.
#[inline(always)]
fn place_of(from: u32, word: u64) -> usize {
    let mixed = (u64::from(word as u32) ^ u64::from(from) << 32).wrapping_mul(MIX);
    (mixed >> 51) as usize % PLACES
}
