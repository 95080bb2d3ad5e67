//! One field of ours, value by value: what the quick check does where nothing is known yet.
//!
//! Telephone numbers, mail addresses, days and times are never the same twice, so these have
//! ways of their own.

use super::paths::Seen;
use super::quick::Header;
use super::scan::is_longer;
use super::standard::{Field, Kind, Leaf, Version};
use super::values;
use super::word::{every, is_plain, stops, word};

/// A value was gone over: where it began and ended, and whether there was one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub begin: usize,
    pub end: usize,
    pub has: bool,
}

/// Goes over the field that a text begins with.
struct Value<'a> {
    text: &'a [u8],
    version: &'static Version,
    seen: &'a mut Seen,
}

impl<'a> Value<'a> {
    /// For the field that `text` begins with.
    fn of(text: &'a [u8], version: &'static Version, seen: &'a mut Seen) -> Value<'a> {
        Value { text, version, seen }
    }

    /// Goes over the field, repetition by repetition; returns its length, and whether it has
    /// a value.
    #[inline(never)]
    fn field(mut self, field: &'static Field) -> Option<(usize, bool)> {
        let (mut at, mut any) = (0, false);
        loop {
            let begin = at;
            let (parts, stop) = self.repetition(&mut at, field)?;
            any |= parts != 0;
            if at - begin > field.length as usize {
                self.seen.long += long(&self.text[begin..at], field.length);
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
            (at, end) = stop(self.text, at, &mut self.seen.high)?;
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
    fn escapes(&mut self, mut at: usize, leaf: Option<&Leaf>) -> Option<(usize, u8)> {
        let is_formatted = leaf.is_some_and(|leaf| leaf.kind == Kind::Formatted);
        loop {
            at += match self.text.get(at..)? {
                [b'\\', b'.', b'b', b'r', b'\\', ..] if is_formatted => 5,
                [b'\\', b'F' | b'S' | b'T' | b'R' | b'E', b'\\', ..] => 3,
                _ => return None,
            };
            let end;
            (at, end) = stop(self.text, at, &mut self.seen.high)?;
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
            self.seen.long += long(value, leaf.length);
        }
        let good = match leaf.kind {
            Kind::Ts | Kind::Dt if is_moment(value, leaf.kind) => true,
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
}

/// Returns how long a telephone number is that is `(999)999-9999`, alone or with what belongs
/// to it, `^PRN^PH^^1^999^9999999`; or a mail address; and what ends it. Half of a patient's
/// separators stand in them, and seven values each.
#[inline(always)]
fn known_phone(text: &[u8], field: &Field, high: &mut bool) -> Option<(usize, u8)> {
    let bytes: &[u8; 36] = text.first_chunk()?;
    if bytes.starts_with(MAIL) {
        return mail(text, field, high);
    }
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let ends = |byte: u8| matches!(byte, b'|' | b'~' | b'\r');
    (AREA.fits(word(0)) && LOCAL.fits(word(8))).then_some(())?;
    if ends(bytes[13]) {
        return Some((13, bytes[13]));
    }
    let known = USE.fits(word(13))
        && matches!(&bytes[14..17], b"PRN" | b"WPN" | b"ORN")
        && matches!(&bytes[18..20], b"PH" | b"CP")
        && PARTS.fits(word(20))
        && NUMBER.fits(word(28))
        && ends(bytes[35]);
    known.then_some((35, bytes[35]))
}

/// Returns how long a mail address is, and what ends it.
#[inline(never)]
fn mail(text: &[u8], field: &Field, high: &mut bool) -> Option<(usize, u8)> {
    let (end, stop) = stop(text, MAIL.len(), high)?;
    let length = end - MAIL.len();
    let most = field.leaves.get(3)?.free as usize;
    let good = matches!(stop, b'|' | b'~' | b'\r') && (1..=most).contains(&length);
    good.then_some((end, stop))
}

/// Returns where the value that begins at a place ends, and what ends it.
#[inline(always)]
fn stop(text: &[u8], mut at: usize, high: &mut bool) -> Option<(usize, u8)> {
    loop {
        let found = stops(word(text, at));
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        let stop = *text.get(at)?;
        if !is_plain(stop) {
            return Some((at, stop));
        }
        *high |= stop >= 0x80;
        at += 1;
    }
}

/// Goes over a field of which nothing is known.
#[inline(never)]
pub(super) fn other(
    text: &[u8],
    at: usize,
    field: &'static Field,
    header: &Header,
    seen: &mut Seen,
) -> Option<Step> {
    let (length, has) = Value::of(text.get(at..)?, header.version, seen).field(field)?;
    Some(Step { begin: at, end: at + length, has })
}

/// Goes over the first components of a field, if they are good as any text is; returns what
/// follows them, which is mostly the same in many messages.
#[inline(always)]
pub(super) fn any_text<'t>(
    text: &'t [u8],
    first: u64,
    field: &Field,
    high: &mut bool,
) -> Option<&'t [u8]> {
    let (mut base, mut carets) = (0, 0);
    let mut found = stops(first);
    loop {
        while found == 0 {
            base += 8;
            found = stops(word(text, base));
        }
        let at = base + found.trailing_zeros() as usize / 8;
        found &= found - 1;
        match *text.get(at)? {
            b'^' if carets < field.carets => carets += 1,
            b'|' | b'\r' | b'^' => {
                let good = at > carets as usize && at <= field.simple as usize;
                return good.then(|| &text[at..]);
            }
            stop if is_plain(stop) => *high |= stop >= 0x80,
            _ => return None,
        }
    }
}

/// Goes over a field that is a day or a time as ours are; returns what follows it.
#[inline(always)]
pub(super) fn time<'t>(text: &'t [u8], field: &Field) -> Option<&'t [u8]> {
    let length = if matches!(text.get(8)?, b'|' | b'\r') { 8 } else { 14 };
    let (value, rest) = text.split_at_checked(length)?;
    let good = matches!(rest.first()?, b'|' | b'\r')
        && length <= field.simple as usize
        && is_moment(value, field.kind);
    good.then_some(rest)
}

/// Goes over a telephone number or a mail address; returns what follows it.
#[inline(always)]
pub(super) fn phone<'t>(text: &'t [u8], field: &Field, seen: &mut Seen) -> Option<&'t [u8]> {
    let (length, stop) = known_phone(text, field, &mut seen.high)?;
    let (value, rest) = text.split_at_checked(length)?;
    if length > field.length as usize {
        seen.long += u64::from(is_long(value, field.length));
    }
    (stop != b'~' || field.repeats).then_some(rest)
}

#[cold]
#[inline(never)]
fn is_long(text: &[u8], length: u32) -> bool {
    is_longer(text, length)
}

/// What a mail address has before it.
const MAIL: &[u8] = b"^NET^Internet^";

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

/// True of a day, `YYYYMMDD`, and of a time, `YYYYMMDDHHMM[SS]`, as ours are.
#[inline(always)]
fn is_moment(value: &[u8], kind: Kind) -> bool {
    match (value.split_at_checked(8), kind) {
        (Some((day, [])), Kind::Ts | Kind::Dt) => is_day(day),
        (Some((day, [h, o, m, i])), Kind::Ts) => {
            is_day(day) && is_below(*h, *o, 24) && is_below(*m, *i, 60)
        }
        (Some((day, [h, o, m, i, s, e])), Kind::Ts) => {
            is_day(day) && is_below(*h, *o, 24) && is_below(*m, *i, 60) && is_below(*s, *e, 60)
        }
        _ => false,
    }
}

/// True of two digits that are less than so many.
fn is_below(tens: u8, ones: u8, most: u8) -> bool {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    tens <= 9 && ones <= 9 && tens * 10 + ones < most
}

/// True of eight bytes that are a day of any month: none is after the 28th.
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
