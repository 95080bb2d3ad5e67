//! A stretch of messages that is compared, not read: what stands between one value and the next.

use super::paths::NONE;
use super::word::{first_bytes, word};

/// A stretch from one place to the next.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    /// Its first eight bytes, as far as there are so many.
    pub first: u64,
    pub mask: u64,
    /// The next words, and the last eight bytes, where there are more.
    words: Box<[[u8; 16]]>,
    last: [u8; 16],
    pub length: u32,
    pub from: u32,
    pub to: u32,
    /// The next edge to be tried.
    pub next: u32,
    /// What is to be looked at or counted where it is taken, and whether there is anything.
    pub odd: Odd,
    pub is_odd: bool,
}

/// What is not usual about a stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Odd {
    /// How much of it is part of the value before it.
    pub own: u32,
    /// How many segments a message has that ends with it.
    pub segments: u32,
    pub long: u32,
    pub high: bool,
}

impl Edge {
    /// True if the rest of it stands in a text, too.
    #[inline(always)]
    pub fn goes_on(&self, text: &[u8]) -> bool {
        let length = self.length as usize;
        if length <= 8 {
            return true;
        }
        let Some(text) = text.get(..length) else { return false };
        let Some(last) = text.last_chunk::<16>() else {
            return text[8..] == self.last[24 - length..];
        };
        let (words, _) = text.as_chunks::<16>();
        *last == self.last && words.iter().zip(&self.words).all(|(here, known)| here == known)
    }

    /// A stretch of these bytes, behind a value of which `odd.own` bytes of it are a part.
    pub fn new(from: u32, to: u32, bytes: &[u8], odd: Odd) -> Edge {
        let (words, _) = bytes.as_chunks::<16>();
        let last = match bytes.last_chunk::<16>() {
            Some(last) => *last,
            None => {
                let mut last = [0; 16];
                last[16 - bytes.len()..].copy_from_slice(bytes);
                last
            }
        };
        Edge {
            first: word(bytes, 0),
            mask: first_bytes(bytes.len()),
            words: words.into(),
            last,
            length: bytes.len() as u32,
            from,
            to,
            next: NONE,
            odd,
            is_odd: odd != Odd::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_stretch_counts() {
        for length in 1..60 {
            let known: Vec<u8> = (b'A'..).take(length).collect();
            let edge = Edge::new(0, 1, &known, Odd::default());
            let is =
                |text: &[u8]| (word(text, 0) ^ edge.first) & edge.mask == 0 && edge.goes_on(text);
            let text = [known.as_slice(), b"and more"].concat();
            assert!(is(&text) && is(&known), "{length}");
            assert!(!is(&known[..length - 1]), "{length}");
            for at in 0..length {
                let mut other = text.clone();
                other[at] ^= 0x20;
                assert!(!is(&other), "{length}: {at}");
            }
        }
    }
}
