//! One delimited record, split where it stands.
//!
//! The `csv` crate copies every value into a record, a byte at a time: 5,300 of the
//! 53,000 instructions of a patient. Here the delimiters of a line are found eight bytes
//! at a time and only the places of the values are kept, a sixth of that. What is not
//! of the common shape is left to `csv`: a quote inside quotes, anything behind a
//! closing quote, a carriage return that ends a line. A property test holds the two
//! together.

use memchr::{memchr, memchr_iter, memchr2};

use crate::domain::Spans;

/// A record that was split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Where the next one may begin.
    pub end: usize,
    /// Line breaks in it, its own end among them.
    pub lines: u64,
    /// No value has quotes around it, and so none has the delimiter in it.
    pub bare: bool,
}

/// Splits the record that begins at `begin`, which is no line break. `None` of one that
/// `csv` must read, and of one that `bytes` may not hold the end of, unless they are the
/// end of the file.
pub(super) fn split(
    bytes: &[u8],
    begin: usize,
    delimiter: u8,
    at_end: bool,
    spans: &mut Spans,
) -> Option<Split> {
    spans.clear();
    let (end, next) = line_end(bytes, begin, at_end)?;
    let split = match memchr2(b'\r', b'"', &bytes[begin..end]) {
        None => {
            plain_cells(bytes, begin, end, delimiter, false, spans);
            Some(Split { end: next, lines: 1, bare: true })
        }
        Some(_) => quoted(bytes, begin, (end, next), delimiter, at_end, spans),
    };
    spans.seal();
    split
}

/// Splits a record with a quote or a carriage return in its first line.
fn quoted(
    bytes: &[u8],
    begin: usize,
    (mut end, mut next): (usize, usize),
    delimiter: u8,
    at_end: bool,
    spans: &mut Spans,
) -> Option<Split> {
    let (mut at, mut lines, mut bare) = (begin, 1, true);
    if memchr(b'\r', &bytes[begin..end]).is_some() {
        return None;
    }
    loop {
        if bytes.get(at) != Some(&b'"') {
            match plain_cells(bytes, at, end, delimiter, true, spans) {
                Some(quote) => at = quote,
                None => return Some(Split { end: next, lines, bare }),
            }
        }
        bare = false;
        let close = at + 1 + memchr(b'"', &bytes[at + 1..])?;
        spans.add(at + 1, close);
        if close > end {
            // The value has line breaks in it.
            lines += memchr_iter(b'\n', &bytes[at..close]).count() as u64;
            (end, next) = line_end(bytes, close, at_end)?;
            if memchr(b'\r', &bytes[close..end]).is_some() {
                return None;
            }
        }
        at = close + 2;
        match bytes.get(close + 1) {
            _ if close + 1 == end => return Some(Split { end: next, lines, bare }),
            Some(byte) if *byte == delimiter => {}
            _ => return None,
        }
    }
}

/// Returns where the line ends, and where the next one begins.
#[inline]
fn line_end(bytes: &[u8], from: usize, at_end: bool) -> Option<(usize, usize)> {
    match memchr(b'\n', &bytes[from..]) {
        Some(found) => {
            let newline = from + found;
            let cr = newline > from && bytes[newline - 1] == b'\r';
            Some((newline - usize::from(cr), newline + 1))
        }
        None => at_end.then_some((bytes.len(), bytes.len())),
    }
}

/// Puts down the cells of a line up to its end; or, with `quotes`, up to the first that
/// has quotes around it, which begins where it says.
#[inline(always)]
fn plain_cells(
    bytes: &[u8],
    begin: usize,
    end: usize,
    delimiter: u8,
    quotes: bool,
    spans: &mut Spans,
) -> Option<usize> {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let every = u64::from_ne_bytes([delimiter; 8]);
    let (mut start, mut at) = (begin, begin);
    let words = bytes[begin..end].chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default()) ^ every;
        // The high bit of each byte that is zero now, and of no other.
        let mut found = !(((word & LOW) + LOW) | word | LOW);
        while found != 0 {
            let cell_end = at + found.trailing_zeros() as usize / 8;
            spans.add(start, cell_end);
            start = cell_end + 1;
            if quotes && bytes.get(start) == Some(&b'"') {
                return Some(start);
            }
            found &= found - 1;
        }
        at += 8;
    }
    for (cell_end, _) in (at..).zip(rest).filter(|(_, byte)| **byte == delimiter) {
        spans.add(start, cell_end);
        start = cell_end + 1;
        if quotes && bytes.get(start) == Some(&b'"') {
            return Some(start);
        }
    }
    spans.add(start, end);
    None
}
