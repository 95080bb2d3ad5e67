//! What a spreadsheet does to an ID when it opens and saves a file: `0004471` becomes
//! `4471`, `1234567890123` becomes `1.23457E+12`, `4471` becomes `4471.0`, and `3-3`
//! or the race code `2106-3` becomes a date. The value is lost; nothing brings it back.

/// The months as spreadsheets of the Americas write them.
const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// True of an ID that a spreadsheet made a number or a date: `4.471E+03`, `4471.0`,
/// `3-Mar`, `Mar-06`.
pub(super) fn is_damaged(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    // One look at three bytes settles it for nearly every ID of nearly every file.
    match value {
        [.., _, _, b'.', _]
        | [.., _, b'.' | b'+' | b'-', _, _]
        | [.., b'.' | b'+' | b'-', _, _, _] => {
            is_power_of_ten(value) || is_fraction_of_nothing(value) || is_date(value)
        }
        _ => value.len() == 3 && is_fraction_of_nothing(value),
    }
}

/// True of `4.471E+03`: an ID of letters such as `12E45` has no sign in it.
fn is_power_of_ten(value: &[u8]) -> bool {
    let Some(at) = value.iter().position(|byte| matches!(byte, b'E' | b'e')) else { return false };
    let (mantissa, exponent) = (&value[..at], &value[at + 1..]);
    let whole = mantissa.split(|byte| *byte == b'.').take(3).collect::<Vec<_>>();
    whole.len() <= 2
        && whole.iter().all(|part| is_digits(part))
        && matches!(exponent, [b'+' | b'-', digits @ ..] if is_digits(digits))
}

/// True of `4471.0` and `4471.00`.
fn is_fraction_of_nothing(value: &[u8]) -> bool {
    let Some(at) = value.iter().position(|byte| *byte == b'.') else { return false };
    let zeros = &value[at + 1..];
    is_digits(&value[..at]) && !zeros.is_empty() && zeros.iter().all(|byte| *byte == b'0')
}

/// True of `3-Mar`, `13-Mar`, `Mar-06`.
fn is_date(value: &[u8]) -> bool {
    let month = |text: &[u8]| MONTHS.iter().any(|month| text.eq_ignore_ascii_case(*month));
    match value {
        [day @ .., b'-', m1, m2, m3] if is_digits(day) && day.len() <= 2 => month(&[*m1, *m2, *m3]),
        [m1, m2, m3, b'-', year @ ..] if is_digits(year) && year.len() == 2 => {
            month(&[*m1, *m2, *m3])
        }
        _ => false,
    }
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_made_of_an_id_is_seen() {
        for damaged in [
            "4.471E+03",
            "1.23457E+12",
            "1E+15",
            "1e+05",
            "2.5E-07",
            "1.2E+100",
            "4471.0",
            "7.0",
            "4471.00",
            "4471.000",
            " 4471.0 ",
            "3-Mar",
            "13-Mar",
            "Mar-06",
            "JAN-87",
            "1-jan",
        ] {
            assert!(is_damaged(damaged.as_bytes()), "{damaged}");
        }
    }

    #[test]
    fn an_id_that_only_looks_like_it_is_left_alone() {
        for good in [
            "",
            "7",
            "0004471",
            "12E45",
            "E+03",
            "A.0",
            "4471.5",
            "4471.",
            ".0",
            "2106-3",
            "EXT-0007",
            "a-b-c",
            "12-345",
            "1.2.840.0",
            "3-Mark",
            "103-Mar",
            "Mar-6",
            "Marc-06",
            "4.4.1E+03",
            "1E+",
            "E1E+03",
            "GRP-01",
            "12-ABC",
            "1.0.0",
        ] {
            assert!(!is_damaged(good.as_bytes()), "{good}");
        }
    }
}
