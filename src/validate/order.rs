//! Which segments messages have, in their order.

use std::collections::HashMap;

use super::grammar::Progress;
use super::quick::Header;

/// Sequences of segments, each with a number.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// The sequence without its last segment, and that segment's [`part`].
    all: Vec<(u32, u64)>,
    known: HashMap<(u32, u64), u32>,
}

impl Orders {
    /// Returns the sequence of no segment, behind a header.
    pub const fn root(header: u32) -> u32 {
        u32::MAX - header
    }

    /// Returns a sequence with one more segment.
    pub fn then(&mut self, order: u32, part: u64) -> u32 {
        let new = self.all.len() as u32;
        let known = *self.known.entry((order, part)).or_insert(new);
        if known == new {
            self.all.push((order, part));
        }
        known
    }

    /// Returns how many sequences there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns how many segments a sequence has.
    pub fn length(&self, order: u32) -> u32 {
        self.parts(order).len() as u32
    }

    /// Says whether a message can have these segments after its MSH, with these set IDs.
    pub fn is_good(&self, order: u32, header: &Header) -> bool {
        is_good(&self.parts(order), header)
    }

    fn parts(&self, mut order: u32) -> Vec<u64> {
        let mut parts = Vec::new();
        while let Some((before, part)) = self.all.get(order as usize) {
            parts.push(*part);
            order = *before;
        }
        parts.reverse();
        parts
    }
}

fn is_good(parts: &[u64], header: &Header) -> bool {
    let (mut at, mut missing) = (Progress::default(), false);
    let mut sets: Vec<([u8; 3], u32)> = Vec::new();
    let mut good = header.grammar.step(&mut at, *b"MSH", &mut |_| missing = true);
    for part in parts {
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

/// Returns what is to be known of the segment that a text begins with: its name, and its set
/// ID if it has one.
pub(super) fn part(text: &[u8], counted: bool) -> u64 {
    let mut part = [0; 8];
    part.iter_mut().zip(&text[..3]).for_each(|(to, byte)| *to = *byte);
    if counted {
        let ends = |byte: &u8| matches!(byte, b'|' | b'\r');
        let digits = text[4..].iter().take(5).take_while(|byte| !ends(byte));
        part[3..].iter_mut().zip(digits).for_each(|(to, byte)| *to = *byte);
    }
    u64::from_le_bytes(part)
}
