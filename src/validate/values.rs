//! The forms of the primitive data types (`interface.md` 3.3, 3.4; HL7 2.5.1 chapter 2A).

/// SI: a whole number that is not negative.
pub(super) fn is_sequence(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_digit)
}

/// NM: digits, one sign before, one point inside.
pub(super) fn is_number(value: &[u8]) -> bool {
    if is_sequence(value) {
        return true;
    }
    let digits = match value {
        [b'+' | b'-', rest @ ..] => rest,
        _ => value,
    };
    let points = digits.iter().filter(|&&byte| byte == b'.').count();
    digits.len() > points
        && points <= 1
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// DT: `YYYY[MM[DD]]` of a day that exists.
pub(super) fn is_date(value: &[u8]) -> bool {
    let Some(number) = number(value) else { return false };
    match value.len() {
        4 => true,
        6 => (1..=12).contains(&(number % 100)),
        8 => is_day(number / 10_000, number / 100 % 100, number % 100),
        _ => false,
    }
}

fn is_day(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// TM: `HH[MM[SS[.S[S[S[S]]]]]][+/-ZZZZ]`.
pub(super) fn is_time(value: &[u8]) -> bool {
    let clock = without_offset(value);
    clock.is_some_and(is_clock)
}

/// TS: `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`.
pub(super) fn is_stamp(value: &[u8]) -> bool {
    let Some(value) = without_offset(value) else { return false };
    match value.split_at_checked(8) {
        Some((date, b"")) => is_date(date),
        Some((date, clock)) => is_date(date) && is_clock(clock),
        None => is_date(value),
    }
}

/// Takes a good offset from the end; none if there is a bad one.
fn without_offset(value: &[u8]) -> Option<&[u8]> {
    let Some(at) = value.len().checked_sub(5).filter(|&at| matches!(value[at], b'+' | b'-')) else {
        return Some(value);
    };
    let offset = number(&value[at + 1..])?;
    (offset / 100 < 24 && offset % 100 < 60).then_some(&value[..at])
}

fn is_clock(value: &[u8]) -> bool {
    let (whole, fraction) = match value.iter().position(|&byte| byte == b'.') {
        Some(at) => (&value[..at], Some(&value[at + 1..])),
        None => (value, None),
    };
    let good = fraction.is_none_or(|digits| {
        whole.len() == 6 && (1..=4).contains(&digits.len()) && number(digits).is_some()
    });
    let Some(number) = number(whole) else { return false };
    good && match whole.len() {
        2 => number < 24,
        4 => number / 100 < 24 && number % 100 < 60,
        6 => number / 10_000 < 24 && number / 100 % 100 < 60 && number % 100 < 60,
        _ => false,
    }
}

/// TN: `[NN ][(999)]999-9999[X99999][B99999][C any text]`, as HAPI has it.
pub(super) fn is_telephone(value: &[u8]) -> bool {
    // Nearly every one of ours; the rest of this costs three times as much.
    if let [b'(', a @ .., b')', b, c, d, b'-', e, f, g, h] = value
        && a.len() == 3
    {
        let digits = [*b, *c, *d, *e, *f, *g, *h];
        return a.iter().chain(&digits).all(u8::is_ascii_digit);
    }
    let mut rest = value;
    if let Some(blank) = rest.iter().take(3).position(|&byte| byte == b' ') {
        if blank == 0 || number(&rest[..blank]).is_none() {
            return false;
        }
        rest = &rest[blank + 1..];
    }
    if let [b'(', area @ ..] = rest {
        let [a, b, c, b')', local @ ..] = area else { return false };
        if number(&[*a, *b, *c]).is_none() {
            return false;
        }
        rest = local;
    }
    let Some((local, mut rest)) = rest.split_at_checked(8) else { return false };
    if local[3] != b'-' || number(&local[..3]).is_none() || number(&local[4..]).is_none() {
        return false;
    }
    for letter in [b'X', b'B'] {
        if let [first, digits @ ..] = rest
            && *first == letter
        {
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=5).contains(&count) {
                return false;
            }
            rest = &digits[count..];
        }
    }
    matches!(rest, [] | [b'C', ..])
}

/// Digits and nothing else, few enough to count with.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// What an escape, without its escape characters, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// A character, or highlighting.
    Text,
    /// A formatting command, for FT.
    Formatting,
    /// Nothing that HL7 knows.
    Bad,
}

/// Reads an escape: what stands between two escape characters.
pub(super) fn escape(code: &[u8]) -> Escape {
    match code {
        b"F" | b"S" | b"T" | b"R" | b"E" | b"H" | b"N" => Escape::Text,
        [b'X' | b'C' | b'M', digits @ ..] => {
            let even = !digits.is_empty() && digits.len().is_multiple_of(2);
            match even && digits.iter().all(u8::is_ascii_hexdigit) {
                true => Escape::Text,
                false => Escape::Bad,
            }
        }
        [b'Z', rest @ ..] if !rest.is_empty() => Escape::Text,
        b".br" | b".fi" | b".nf" | b".ce" | b".sp" => Escape::Formatting,
        [b'.', b's', b'p', count @ ..] | [b'.', b'i' | b't', b'n' | b'i', count @ ..] => {
            let digits = match count {
                [b'+' | b'-', rest @ ..] => rest,
                _ => count,
            };
            if number(digits).is_some() { Escape::Formatting } else { Escape::Bad }
        }
        [b'.', b's', b'k', count @ ..] if number(count).is_some() => Escape::Formatting,
        _ => Escape::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn holds(check: fn(&[u8]) -> bool, good: &[&str], bad: &[&str]) {
        for value in good {
            assert!(check(value.as_bytes()), "{value} is good");
        }
        for value in bad {
            assert!(!check(value.as_bytes()), "{value} is bad");
        }
    }

    #[test]
    fn numbers() {
        holds(is_sequence, &["0", "1", "12"], &["", "-1", "1.0", "a", " 1"]);
        let good = ["0", "-12", "+3.5", ".5", "5.", "00123"];
        holds(is_number, &good, &["", "-", ".", "1e3", "1,5", "1.2.3", "1 "]);
    }

    #[test]
    fn dates_and_times() {
        let bad = ["", "26", "202613", "20260229", "20261301", "20260431", "2026052", "2026-1-1"];
        holds(is_date, &["2026", "202602", "20240229", "20260228", "20261231"], &bad);
        let bad = ["", "1", "24", "1260", "126", "120060", "12.5", "1200+99", "1200+2400"];
        holds(is_time, &["12", "0000", "235959", "120000.1234", "1200-0500"], &bad);
        let good =
            ["2026", "20260520", "2026052010", "202605201000", "20260520100000.5", "2026+0100"];
        let good = [&good[..], &["20260520100000-0400"]].concat();
        holds(is_stamp, &good, &["", "2026052", "202605202400", "20260520T10", "2026052010000"]);
    }

    #[test]
    fn telephone_numbers() {
        let good = ["(617)555-0101", "555-0101", "1 (617)555-0101", "(617)555-0101X12B3Cwork"];
        let bad = ["", "617-555-0101", "(617) 555-0101", "6175550101", "(617)555-01", "555-0101X"];
        holds(is_telephone, &good, &bad);
        holds(
            is_telephone,
            &[],
            &["x@example.org", "(617555-0101", "555-0101X123456", " 555-0101"],
        );
    }

    #[test]
    fn escapes() {
        for code in ["F", "E", "H", "X0D0A", "C2842", "Zlocal"] {
            assert_eq!(escape(code.as_bytes()), Escape::Text, "{code}");
        }
        for code in [".br", ".sp", ".sp3", ".sp+2", ".in-4", ".ti+2", ".sk5", ".ce"] {
            assert_eq!(escape(code.as_bytes()), Escape::Formatting, "{code}");
        }
        for code in ["", "f", "X", "X0", "Xzz", "Z", ".sk", ".in", ".xy", "F ", "bold"] {
            assert_eq!(escape(code.as_bytes()), Escape::Bad, "{code}");
        }
    }
}
