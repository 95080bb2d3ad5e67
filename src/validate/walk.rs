//! One segment of ours, from value to value: the hot path of the quick check.
//!
//! A word of eight bytes is looked at at a time, for the separator or the control
//! character that ends a value. Runs of empty fields are one look, codes that were good
//! before are one comparison, and so is the end of a segment that many messages share.

use super::memo::{Known, Memo};
use super::scan::is_longer;
use super::standard::{Field, Kind, Leaf, Parts, Version};
use super::values;

/// Goes over a segment.
pub(super) struct Walk<'a> {
    version: &'static Version,
    /// From the segment on, as far as there is anything.
    text: &'a [u8],
    /// Its [`mark`]s.
    stops: &'a [u8],
    /// How much of it is too long.
    long: u64,
}

/// The same byte in every place of a word.
const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks in `stops` what ends a value or stands in it for something else: the separators,
/// the escape, and control characters. Sixteen bytes at a time, so that whoever looks for
/// the next of them has but to find a byte that is not zero.
pub(super) fn mark(text: &[u8], stops: &mut Vec<u8>) {
    stops.clear();
    // `\ ^ | ~` differ in two bits only.
    let is_stop = |byte: u8| u8::from((byte & 0xdd == 0x5c) | (byte < 0x20));
    stops.extend(text.iter().map(|byte| is_stop(*byte)));
    stops.extend([1; 8]);
}

/// Returns the eight bytes at a place; behind the last there is an end.
#[inline(always)]
pub(super) fn word(text: &[u8], at: usize) -> u64 {
    match text.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(word) => u64::from_le_bytes(*word),
        None => last_word(text, at),
    }
}

#[cold]
#[inline(never)]
fn last_word(text: &[u8], at: usize) -> u64 {
    let mut word = [b'\r'; 8];
    for (to, byte) in word.iter_mut().zip(text.iter().skip(at)) {
        *to = *byte;
    }
    u64::from_le_bytes(word)
}

/// Where a walk is, at the first byte of a field or of what stands between fields.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    number: u32,
    /// The next field that must have a value.
    required: u32,
}

impl<'a> Walk<'a> {
    /// For the segment that `text` begins with.
    pub fn of(version: &'static Version, text: &'a [u8], stops: &'a [u8]) -> Walk<'a> {
        Walk { version, text, stops, long: 0 }
    }

    /// Returns where the value that begins at a place ends, and what ends it.
    #[inline(always)]
    fn stop(&self, mut at: usize) -> Option<(usize, u8)> {
        loop {
            let word = self.stops.get(at..)?.first_chunk()?;
            let found = u64::from_le_bytes(*word);
            if found != 0 {
                at += found.trailing_zeros() as usize / 8;
                return Some((at, *self.text.get(at)?));
            }
            at += 8;
        }
    }

    /// Returns the length of the segment, its end counted, and how much of it is too long,
    /// if nothing else is wrong.
    pub fn run(mut self, parts: &'static Parts, memo: &mut Memo) -> Option<(usize, u64)> {
        let place = Place { at: 3, number: 0, required: parts.first_required };
        let end = self.fields(place, parts, memo, true)?;
        (end.required == u32::MAX).then_some((end.at + 1, self.long))
    }

    /// Goes over fields to the end of the segment; `alike` says whether its end may be one
    /// that is known.
    fn fields(
        &mut self,
        place: Place,
        parts: &'static Parts,
        memo: &mut Memo,
        alike: bool,
    ) -> Option<Place> {
        let text = self.text;
        let Place { mut at, mut number, mut required } = place;
        'fields: loop {
            match *text.get(at)? {
                b'\r' => return Some(Place { at, number, required }),
                b'|' => {
                    // Half of all fields are empty, and they stand together.
                    let bars = (word(text, at) ^ every(b'|')).trailing_zeros() / 8;
                    at += bars as usize;
                    number += bars;
                    continue;
                }
                _ => {}
            }
            let field = parts.quick.get((number as usize).checked_sub(1)?)?;
            let (begin, mut carets) = (at, 0);
            let mut is_simple = field.simple > 0;
            while is_simple {
                let stop;
                (at, stop) = self.stop(at)?;
                match stop {
                    b'^' if carets < field.carets => {
                        carets += 1;
                        at += 1;
                    }
                    b'|' | b'\r'
                        if at - begin > carets as usize && at - begin <= field.simple as usize =>
                    {
                        if number >= required {
                            (number == required).then_some(())?;
                            required = field.next_required;
                        }
                        continue 'fields;
                    }
                    _ => is_simple = false,
                }
            }
            let place = Place { at: begin, number, required };
            if field.alike && alike {
                return self.alike(place, field.id, parts, memo);
            }
            let has;
            (at, has) = self.other(begin, field, memo)?;
            if has && number >= required {
                (number == required).then_some(())?;
                required = field.next_required;
            }
        }
    }

    /// Goes over the end of a segment that many messages share, from field `id` on.
    #[inline(never)]
    fn alike(
        &mut self,
        place: Place,
        id: u16,
        parts: &'static Parts,
        memo: &mut Memo,
    ) -> Option<Place> {
        let rest = &self.text[place.at..];
        let rest = &rest[..=memchr::memchr(b'\r', rest)?];
        let key = memo.key_of_all(id, rest);
        let (at, required) = match memo.get(key, rest) {
            Some(known) if known.from == place.required => {
                self.long += known.long;
                (place.at + known.length, known.to)
            }
            _ => {
                let before = self.long;
                let end = self.fields(place, parts, memo, false)?;
                let (from, to, long) = (place.required, end.required, self.long - before);
                memo.learn(key, rest, Known { length: rest.len() - 1, from, to, long });
                (end.at, end.required)
            }
        };
        Some(Place { at, required, ..place })
    }

    /// Goes over a field that is not just text; returns where it ends, and whether it has
    /// a value.
    #[inline(never)]
    fn other(
        &mut self,
        begin: usize,
        field: &'static Field,
        memo: &mut Memo,
    ) -> Option<(usize, bool)> {
        if !field.coded {
            return self.parts(begin, field);
        }
        let key = memo.key(field.id, word(self.text, begin));
        if let Some(known) = memo.get(key, &self.text[begin..]) {
            self.long += known.long;
            return Some((begin + known.length, true));
        }
        let before = self.long;
        let (at, has) = self.parts(begin, field)?;
        if has {
            let (length, long) = (at - begin, self.long - before);
            memo.learn(key, &self.text[begin..=at], Known { length, from: 0, to: 0, long });
        }
        Some((at, has))
    }

    /// Goes over a field, repetition by repetition; returns where it ends, and whether it
    /// has a value.
    fn parts(&mut self, mut at: usize, field: &'static Field) -> Option<(usize, bool)> {
        let mut any = false;
        loop {
            let begin = at;
            let (parts, stop) = match self.phone(at, field) {
                Some((length, stop)) => {
                    at += length;
                    (1, stop)
                }
                None => self.repetition(&mut at, field)?,
            };
            any |= parts != 0;
            if at - begin > field.length as usize {
                self.long += long(&self.text[begin..at], field.length);
            }
            if parts != 0 && field.required_parts & !parts != 0 {
                return None;
            }
            match stop {
                b'|' | b'\r' => return Some((at, any)),
                b'~' if field.repeats => at += 1,
                _ => return None,
            }
        }
    }

    /// Goes over a repetition; bit n says that component n has a value.
    #[inline(always)]
    fn repetition(&mut self, place: &mut usize, field: &'static Field) -> Option<(u32, u8)> {
        let (mut at, mut parts) = (*place, 0);
        let mut leaves = field.leaves.iter();
        let mut bit = 1_u32;
        loop {
            let begin = at;
            let leaf = leaves.next();
            let mut end;
            (at, end) = self.stop(at)?;
            if end == b'\\' {
                (at, end) = self.escapes(at, leaf)?;
            }
            if at > begin {
                let leaf = leaf?;
                parts |= bit;
                if at - begin > leaf.free as usize {
                    self.check(begin, at, leaf)?;
                }
            }
            if end != b'^' {
                *place = at;
                return Some((parts, end));
            }
            at += 1;
            bit = bit.rotate_left(1);
        }
    }

    /// Goes over escapes to what ends the value.
    #[cold]
    fn escapes(&self, mut at: usize, leaf: Option<&Leaf>) -> Option<(usize, u8)> {
        let is_formatted = leaf.is_some_and(|leaf| leaf.kind == Kind::Formatted);
        loop {
            at += match self.text.get(at..)? {
                [b'\\', b'.', b'b', b'r', b'\\', ..] if is_formatted => 5,
                [b'\\', b'F' | b'S' | b'T' | b'R' | b'E', b'\\', ..] => 3,
                _ => return None,
            };
            let end;
            (at, end) = self.stop(at)?;
            if end != b'\\' {
                return Some((at, end));
            }
        }
    }

    /// Looks at a value that is long, or whose kind is not just any text.
    #[inline(never)]
    fn check(&mut self, begin: usize, end: usize, leaf: &Leaf) -> Option<()> {
        let value = &self.text[begin..end];
        if value.len() > leaf.length as usize {
            self.long += long(value, leaf.length);
        }
        let good = match leaf.kind {
            Kind::Ts | Kind::Dt if value.len() == 8 => is_day(value),
            Kind::Text | Kind::Formatted | Kind::Code => true,
            Kind::Si => values::is_sequence(value),
            Kind::Nm => values::is_number(value),
            Kind::Dt => values::is_date(value),
            Kind::Tm => values::is_time(value),
            Kind::Ts => values::is_stamp(value),
            Kind::Tn => values::is_telephone(value),
            Kind::Unknown | Kind::Absent => false,
        };
        let good = good && (leaf.table == 0 || self.version.table(leaf.table).has(value));
        good.then_some(())
    }

    /// Returns how long a telephone number is that stands at a place and is
    /// `(999)999-9999`, alone or with what belongs to it, `^PRN^PH^^1^999^9999999`; and
    /// what ends it. Half of a patient's separators stand in them, and seven values each.
    #[inline(always)]
    fn phone(&self, at: usize, field: &Field) -> Option<(usize, u8)> {
        if !field.is_phone {
            return None;
        }
        let bytes: &[u8; 36] = self.text.get(at..)?.first_chunk()?;
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let local = AREA.fits(word(0)) && LOCAL.fits(word(8));
        if !local || matches!(bytes[13], b'|' | b'~' | b'\r') {
            return local.then_some((13, bytes[13]));
        }
        let known = USE.fits(word(13))
            && matches!(&bytes[14..17], b"PRN" | b"WPN" | b"ORN")
            && matches!(&bytes[18..20], b"PH" | b"CP")
            && PARTS.fits(word(20))
            && NUMBER.fits(word(28))
            && matches!(bytes[35], b'|' | b'~' | b'\r');
        known.then_some((35, bytes[35]))
    }
}

const AREA: Shape = Shape::of(b"(999)999");
const LOCAL: Shape = Shape::of(b"-9999   ");
const USE: Shape = Shape::of(b"^   ^  ^");
const PARTS: Shape = Shape::of(b"^^1^999^");
const NUMBER: Shape = Shape::of(b"9999999 ");

/// Eight bytes of which some are given, some are digits, and some may be any.
struct Shape {
    given: u64,
    /// The bits that must be as given.
    same: u64,
    /// The bits that count from 0 to 9, and 6 for each: more than 9 make a fifth bit.
    digits: u64,
    six: u64,
}

impl Shape {
    /// Reads a shape in which `9` is any digit and a blank is anything.
    const fn of(text: &[u8; 8]) -> Shape {
        let (mut given, mut same, mut digits, mut six) = ([0; 8], [0; 8], [0; 8], [0; 8]);
        let mut at = 0;
        while at < 8 {
            (given[at], same[at], digits[at], six[at]) = match text[at] {
                b'9' => (b'0', 0xf0, 0x0f, 6),
                b' ' => (0, 0, 0, 0),
                other => (other, 0xff, 0, 0),
            };
            at += 1;
        }
        Shape {
            given: u64::from_le_bytes(given),
            same: u64::from_le_bytes(same),
            digits: u64::from_le_bytes(digits),
            six: u64::from_le_bytes(six),
        }
    }

    /// True if bytes have the shape.
    const fn fits(&self, word: u64) -> bool {
        let other = word ^ self.given;
        let many = ((other & self.digits) + self.six) & every(0x10);
        (other & self.same) | many == 0
    }
}

/// True of eight bytes that are a day.
fn is_day(value: &[u8]) -> bool {
    const DIGITS: Shape = Shape::of(b"99999999");
    let Some(bytes) = value.first_chunk() else { return false };
    let digit = |at: usize| bytes[at].wrapping_sub(b'0');
    let two = |at: usize| digit(at).wrapping_mul(10).wrapping_add(digit(at + 1));
    let same_in_all = (1..=12).contains(&two(4)) && (1..=28).contains(&two(6));
    DIGITS.fits(u64::from_le_bytes(*bytes)) && (same_in_all || values::is_date(value))
}

#[cold]
fn long(bytes: &[u8], length: u32) -> u64 {
    is_longer(bytes, length).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_what_it_says() {
        let shape = Shape::of(b"(999)9 -");
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut word = *b"(617)5x-";
                word[at] = byte;
                let fits = match at {
                    0 => byte == b'(',
                    4 => byte == b')',
                    6 => true,
                    7 => byte == b'-',
                    _ => byte.is_ascii_digit(),
                };
                assert_eq!(shape.fits(u64::from_le_bytes(word)), fits, "{at} {byte}");
            }
        }
    }
}
