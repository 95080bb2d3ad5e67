//! The way most of our own messages go: one look, and nothing is wrong.
//!
//! Reading back what was written must cost little beside writing it. So this knows only what a good message looks
//! like, and learns its headers and the order of its segments from messages that the
//! full check found good. It says yes or "I do not know"; then the full check decides,
//! and it alone tells what is wrong. A property test holds the two together.

use super::grammar::Grammar;
use super::message::Charset;
use super::paths::Paths;
use super::standard::Version;

/// Headers that are remembered.
const HEADERS_MAX: usize = 16;

/// What was learned.
#[derive(Clone, Debug, Default)]
pub(super) struct Quick {
    headers: Vec<Header>,
    paths: Paths,
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

impl Quick {
    /// Says that messages are good, but for what is too long; or that it does not know.
    pub fn knows(&mut self, messages: &[u8]) -> Option<Known> {
        let (mut known, mut at) = (Known::default(), 0);
        while at < messages.len() {
            let begins = |header: &Header| messages[at..].starts_with(&header.bytes);
            let header = self.headers.iter().position(begins)?;
            at = self.body(header, messages, at + self.headers[header].bytes.len(), &mut known)?;
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

    /// Goes over what follows a header; returns where it ends.
    fn body(&mut self, at: usize, text: &[u8], begin: usize, known: &mut Known) -> Option<usize> {
        let header = &self.headers[at];
        let body = &text[begin..];
        let seen = self.paths.message(at as u32, header, body)?;
        known.long += seen.long;
        known.segments += 1 + seen.segments;
        // What is not ASCII needs the message's own character set.
        let good = !seen.high
            || header.charset == Charset::Utf8
                && std::str::from_utf8(body.get(..seen.length)?).is_ok();
        good.then_some(begin + seen.length)
    }
}
