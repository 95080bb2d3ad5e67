//! Values as extracts write them, read strictly: dates, times, phones, digits.
//!
//! Nothing is guessed: what is not one of the forms of `interface.md` 5.1 and 5.2a
//! is `None`, and the record gets a fault.

use jiff::civil::{Date, DateTime, Time};

/// Years that a date in a patient's record can have.
const YEARS: std::ops::RangeInclusive<i16> = 1850..=2150;

/// Reads `MM/DD/YYYY`, `M/D/YYYY`, `YYYY-MM-DD` or `YYYYMMDD`.
pub fn date(text: &[u8]) -> Option<Date> {
    // As nearly every extract writes it, and five times a record.
    if let [m1, m2, b'/', d1, d2, b'/', y1, y2, y3, y4] = text {
        let year = number(&[*y1, *y2, *y3, *y4])?;
        return checked(year, number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    }
    let (year, month, day) = if let Some(slash) = text.iter().position(|&byte| byte == b'/') {
        let rest = &text[slash + 1..];
        let second = rest.iter().position(|&byte| byte == b'/')?;
        let year = rest.get(second + 1..)?;
        if year.len() != 4 {
            return None;
        }
        (number(year)?, number(&text[..slash])?, number(&rest[..second])?)
    } else {
        match text {
            [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] | [y1, y2, y3, y4, m1, m2, d1, d2] => {
                (number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)
            }
            _ => return None,
        }
    };
    checked(year, month, day)
}

fn checked(year: u32, month: u32, day: u32) -> Option<Date> {
    let year = i16::try_from(year).ok().filter(|year| YEARS.contains(year))?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Writes a date as HL7 has it; `None`, and nothing, of what is none.
pub fn copy_date(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match text.first_chunk().filter(|_| text.len() == 10).and_then(common_date) {
        Some(digits) => out.extend_from_slice(&digits),
        None => write_date(date(text)?, out),
    }
    Some(())
}

/// Writes a date, and the time behind it, if there is one.
pub fn copy_time(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if let Some((day, [b' ', clock @ ..])) = text.split_first_chunk()
        && let (Some(day), Some(clock)) = (common_date(day), common_time(clock))
    {
        out.extend_from_slice(&day);
        out.extend_from_slice(&clock);
        return Some(());
    }
    match date_time(text)? {
        (date, Some(time)) => write_second(date.to_datetime(time), out),
        (date, None) => write_date(date, out),
    }
    Some(())
}

/// Returns the digits of `MM/DD/YYYY`, as nearly every extract writes a date, year first:
/// five dates a record are moved for 40 instructions each, read and written for 200.
/// `None` also of good ones: of the last days of a month.
fn common_date(text: &[u8; 10]) -> Option<[u8; 8]> {
    let [m1, m2, b'/', d1, d2, b'/', y1, y2, y3, y4] = *text else { return None };
    let digits = [y1, y2, y3, y4, m1, m2, d1, d2];
    let [century, year, month, day] = pairs(digits)?;
    let good = (1..=12).contains(&month) && (1..=28).contains(&day);
    (good && YEARS.contains(&(i16::from(century) * 100 + i16::from(year)))).then_some(digits)
}

/// Returns the digits of `HH:MM:SS`.
fn common_time(text: &[u8]) -> Option<[u8; 6]> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *text else { return None };
    let [hour, minute, second, _] = pairs([h1, h2, m1, m2, s1, s2, b'0', b'0'])?;
    (hour < 24 && minute < 60 && second < 60).then_some([h1, h2, m1, m2, s1, s2])
}

/// Reads eight digits as four numbers of two, all at once.
fn pairs(digits: [u8; 8]) -> Option<[u8; 4]> {
    const ALL: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(digits);
    let (zeros, high) = (b'0' as u64 * ALL, 0xf0 * ALL);
    let is_number = word & high == zeros && (word.wrapping_add(6 * ALL)) & high == zeros;
    // In each two bytes, the first digit ten times and the second once.
    let [_, a, _, b, _, c, _, d] = (word & (0x0f * ALL)).wrapping_mul(2561).to_le_bytes();
    is_number.then_some([a, b, c, d])
}

/// Reads `HH:MM`, `HH:MM:SS`, `H:MM AM`, `HH:MM:SS PM`; fractions of a second are cut.
pub fn time(text: &[u8]) -> Option<Time> {
    let narrow = |value: u32| i8::try_from(value).ok();
    if let [h1, h2, b':', m1, m2, b':', s1, s2] = text {
        let [hour, minute, second] = [[*h1, *h2], [*m1, *m2], [*s1, *s2]].map(|two| number(&two));
        return Time::new(narrow(hour?)?, narrow(minute?)?, narrow(second?)?, 0).ok();
    }
    let (clock, half) = match text {
        [clock @ .., b'a' | b'A', b'm' | b'M'] => (clock.trim_ascii_end(), Some(0)),
        [clock @ .., b'p' | b'P', b'm' | b'M'] => (clock.trim_ascii_end(), Some(12)),
        _ => (text, None),
    };
    let clock = clock.split(|&byte| byte == b'.').next()?;
    let mut parts = clock.split(|&byte| byte == b':');
    let (hour, minute) = (number(parts.next()?)?, parts.next().filter(|part| part.len() == 2)?);
    let second = match parts.next() {
        Some(part) if part.len() == 2 => number(part)?,
        Some(_) => return None,
        None => 0,
    };
    if parts.next().is_some() {
        return None;
    }
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    Time::new(narrow(hour)?, narrow(number(minute)?)?, narrow(second)?, 0).ok()
}

/// Reads a date that may be followed by a time, a blank or a `T` between them.
pub fn date_time(text: &[u8]) -> Option<(Date, Option<Time>)> {
    let Some(gap) = text.iter().position(|byte| matches!(byte, b' ' | b'T')) else {
        return Some((date(text)?, None));
    };
    let clock = text[gap + 1..].trim_ascii();
    let clock = clock.strip_suffix(b"Z").unwrap_or(clock);
    Some((date(&text[..gap])?, Some(time(clock)?)))
}

/// Reads one to four digits; nothing else.
fn number(digits: &[u8]) -> Option<u32> {
    if !(1..=4).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

/// Writes `YYYYMMDD`.
pub fn write_date(date: Date, out: &mut Vec<u8>) {
    let year = date.year().unsigned_abs();
    let [[a, b], [c, d]] = [pair((year / 100) as u8), pair((year % 100) as u8)];
    let [[e, f], [g, h]] = [date.month(), date.day()].map(|part| pair(part.unsigned_abs()));
    out.extend_from_slice(&[a, b, c, d, e, f, g, h]);
}

/// Writes `YYYYMMDDHHMM`: appointment times (`interface.md` 3.3).
pub fn write_minute(at: DateTime, out: &mut Vec<u8>) {
    write_date(at.date(), out);
    let [[a, b], [c, d]] = [at.hour(), at.minute()].map(|part| pair(part.unsigned_abs()));
    out.extend_from_slice(&[a, b, c, d]);
}

/// Writes `YYYYMMDDHHMMSS`: all other times.
pub fn write_second(at: DateTime, out: &mut Vec<u8>) {
    write_minute(at, out);
    out.extend_from_slice(&pair(at.second().unsigned_abs()));
}

/// Two digits.
fn pair(value: u8) -> [u8; 2] {
    [b'0' + value / 10 % 10, b'0' + value % 10]
}

/// Reads the ten digits of a North American number, a leading 1 dropped; text with
/// letters in it (an extension) is none.
pub fn phone(text: &[u8]) -> Option<[u8; 10]> {
    // The four forms that nearly all have.
    let common = match *text {
        [a, b, c, d, e, f, g, h, i, j]
        | [a, b, c, b'-', d, e, f, b'-', g, h, i, j]
        | [b'(', a, b, c, b')', d, e, f, b'-', g, h, i, j]
        | [b'(', a, b, c, b')', b' ', d, e, f, b'-', g, h, i, j] => [a, b, c, d, e, f, g, h, i, j],
        _ => return any_phone(text),
    };
    if common.iter().all(u8::is_ascii_digit) { Some(common) } else { any_phone(text) }
}

fn any_phone(text: &[u8]) -> Option<[u8; 10]> {
    let mut digits = [0; 11];
    let mut count = 0;
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                *digits.get_mut(count)? = byte;
                count += 1;
            }
            b' ' | b'(' | b')' | b'-' | b'.' | b'+' | b'/' => {}
            _ => return None,
        }
    }
    match count {
        10 => digits[..10].try_into().ok(),
        11 if digits[0] == b'1' => digits[1..].try_into().ok(),
        _ => None,
    }
}

/// Reads the nine digits of a social security number, `-` or blanks between them.
pub fn ssn(text: &[u8]) -> Option<[u8; 9]> {
    let mut digits = [0; 9];
    let mut count = 0;
    for &byte in text.iter().filter(|byte| !matches!(byte, b'-' | b' ')) {
        *digits.get_mut(count)? = byte;
        count += 1;
    }
    (count == 9 && digits.iter().all(u8::is_ascii_digit)).then_some(digits)
}

/// Writes `(aaa)nnn-nnnn`: no blank after `)`, which strict receivers refuse (3.3).
pub fn write_local(digits: &[u8; 10], out: &mut Vec<u8>) {
    let [a, b, c, d, e, f, g, h, i, j] = *digits;
    out.extend_from_slice(&[b'(', a, b, c, b')', d, e, f, b'-', g, h, i, j]);
}

/// Writes XTN-5 to XTN-7 and what is before them: `^^1^aaa^nnnnnnn`.
pub fn write_parts(digits: &[u8; 10], out: &mut Vec<u8>) {
    let [a, b, c, d, e, f, g, h, i, j] = *digits;
    out.extend_from_slice(&[b'^', b'^', b'1', b'^', a, b, c, b'^', d, e, f, g, h, i, j]);
}

/// States whose ZIP codes begin with 0, and so lose it in spreadsheets.
const ZERO_STATES: &[&[u8]] = &[b"CT", b"MA", b"ME", b"NH", b"NJ", b"PR", b"RI", b"VI", b"VT"];

/// True of a ZIP code of 4 or 8 digits in a state whose codes begin with 0 (5.2a).
pub fn zip_lost_its_zero(zip: &[u8], state: &[u8]) -> bool {
    matches!(zip.len(), 4 | 8)
        && zip.iter().all(u8::is_ascii_digit)
        && ZERO_STATES.iter().any(|known| known.eq_ignore_ascii_case(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<String> {
        let mut out = Vec::new();
        let copied = copy_time(text.as_bytes(), &mut out);
        // The short ways say what the long ones do.
        let mut read = Vec::new();
        let found = date_time(text.as_bytes()).map(|(date, time)| match time {
            Some(time) => write_second(date.to_datetime(time), &mut read),
            None => write_date(date, &mut read),
        });
        assert_eq!((copied, &out), (found, &read), "{text}");
        let mut day = Vec::new();
        if copy_date(text.as_bytes(), &mut day).is_some() {
            assert_eq!(day, out, "{text}");
        }
        copied.map(|()| String::from_utf8(out).unwrap())
    }

    proptest::proptest! {
        #[test]
        fn a_time_is_the_same_by_the_short_way(
            text in "[0-3][0-9]/[0-4][0-9]/[0-2][0-9]{3}( [0-2:][0-9/:]:[0-6][0-9:]:[0-6][0-9:])?"
        ) {
            written(&text);
        }
    }

    #[test]
    fn every_form_of_a_date_is_read() {
        for text in ["05/20/2026", "5/20/2026", "2026-05-20", "20260520"] {
            assert_eq!(written(text).as_deref(), Some("20260520"), "{text}");
        }
        for text in ["05/20/2026 09:15:12", "2026-05-20T09:15:12.250Z", "20260520 9:15:12 AM"] {
            assert_eq!(written(text).as_deref(), Some("20260520091512"), "{text}");
        }
        assert_eq!(written("05/20/2026 12:05 AM").as_deref(), Some("20260520000500"));
        assert_eq!(written("05/20/2026 2:10 PM").as_deref(), Some("20260520141000"));
    }

    #[test]
    fn what_is_no_date_is_never_guessed() {
        for text in [
            "",
            "05/20/26",
            "13/01/2026",
            "02/30/2026",
            "20/05/2026",
            "2026-5-20",
            "44197",
            "4.4E+4",
            "05/20/0026",
            "05/20/2026 25:00",
            "05/20/2026 13:00 PM",
            "05/20/2026 9:5",
            "tomorrow",
            "05/20/2026 10:00:00:00",
            "//",
            "+5/20/2026",
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }

    #[test]
    fn a_phone_has_ten_digits_or_is_none() {
        for text in ["6175550101", "(617) 555-0101", "617-555-0101", "+1 617 555 0101"] {
            assert_eq!(phone(text.as_bytes()), Some(*b"6175550101"), "{text}");
        }
        for text in ["555-0101", "617555010", "26175550101", "6175550101 x5", ""] {
            assert_eq!(phone(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_zip_gets_its_zero_back_only_where_it_can_have_lost_one() {
        assert!(zip_lost_its_zero(b"2134", b"MA"));
        assert!(zip_lost_its_zero(b"21340001", b"ma"));
        assert!(!zip_lost_its_zero(b"2134", b"NE"));
        assert!(!zip_lost_its_zero(b"02134", b"MA"));
        assert!(!zip_lost_its_zero(b"2134a", b"MA"));
    }
}
