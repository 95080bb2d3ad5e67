//! Escapes, both ways, in one pass (HL7 2.3.1 chapter 2.9, `interface.md` 3.4).
//!
//! One pass over the bytes and never a chain of replacements: replacing `&` after
//! `\` had been replaced would escape the escape.

/// How line breaks inside a value are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// ST, TX and all but FT: a line break becomes one blank.
    Line,
    /// FT: a line break becomes `\.br\`.
    Formatted,
}

/// True of the bytes that cannot stand as they are: the five separators and
/// control characters.
const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | 0x7f | b'|' | b'^' | b'~' | b'\\' | b'&')
}

/// The same as a table: most values have none, and one look-up a byte is all they cost.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        special[byte] = is_special(byte as u8);
        byte += 1;
    }
    special
};

/// True of a byte that cannot stand as it is.
#[inline]
pub fn needs_escape(byte: u8) -> bool {
    SPECIAL[usize::from(byte)]
}

/// True if no byte needs an escape. No way out early, so that it is done sixteen
/// bytes at a time: a whole record costs less here than its values one by one.
pub fn is_plain(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |special, &byte| special | is_special_fast(byte))
}

/// [`is_special`] in fewer steps: `\\ ^ | ~` differ in two bits only.
const fn is_special_fast(byte: u8) -> bool {
    ((byte | 0x22) == 0x7e) | (byte == b'&') | (byte < 0x20) | (byte == 0x7f)
}

/// The same, `between` aside, which stands between values.
pub fn is_plain_between(bytes: &[u8], between: u8) -> bool {
    !bytes
        .iter()
        .fold(false, |special, &byte| special | (is_special_fast(byte) & (byte != between)))
}

/// Writes a value escaped; returns how many control characters were left out.
///
/// A value of just `""` writes nothing: on the wire it would mean "delete what
/// you have", which no extract can ask for.
pub fn escape(value: &[u8], text: Text, out: &mut Vec<u8>) -> usize {
    write(value, text, false, out)
}

/// Writes a value escaped, its control characters too: `\X1B\`.
pub fn escape_controls(value: &[u8], text: Text, out: &mut Vec<u8>) {
    write(value, text, true, out);
}

fn write(value: &[u8], text: Text, controls: bool, out: &mut Vec<u8>) -> usize {
    if !value.iter().any(|&byte| needs_escape(byte)) {
        if value != b"\"\"" {
            out.extend_from_slice(value);
        }
        return 0;
    }
    let begin = out.len();
    let mut left_out = 0;
    let mut before = 0;
    for &byte in value {
        match byte {
            b'\\' => out.extend_from_slice(b"\\E\\"),
            b'|' => out.extend_from_slice(b"\\F\\"),
            b'^' => out.extend_from_slice(b"\\S\\"),
            b'~' => out.extend_from_slice(b"\\R\\"),
            b'&' => out.extend_from_slice(b"\\T\\"),
            b'\n' if before == b'\r' => {}
            b'\r' | b'\n' if text == Text::Formatted => out.extend_from_slice(b"\\.br\\"),
            b'\r' | b'\n' | b'\t' => out.push(b' '),
            0..0x20 | 0x7f if controls => {
                let digits = b"0123456789ABCDEF";
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'X', digits[high], digits[low], b'\\']);
            }
            0..0x20 | 0x7f => left_out += 1,
            _ => out.push(byte),
        }
        before = byte;
    }
    if &out[begin..] == b"\"\"" {
        out.truncate(begin);
    }
    left_out
}

/// Returns a component's value without its escapes; `\.br\` becomes a line break.
/// An escape that the standard does not know is kept as it stands.
pub fn unescape(component: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(component.len());
    let mut rest = component;
    while let Some(start) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..start]);
        rest = &rest[start..];
        let Some(len) = rest[1..].iter().position(|&byte| byte == b'\\') else { break };
        let (code, whole) = (&rest[1..=len], &rest[..len + 2]);
        match code {
            b"E" => out.push(b'\\'),
            b"F" => out.push(b'|'),
            b"S" => out.push(b'^'),
            b"R" => out.push(b'~'),
            b"T" => out.push(b'&'),
            b".br" => out.push(b'\n'),
            [b'X', digits @ ..] => match hex(digits) {
                Some(bytes) => out.extend_from_slice(&bytes),
                None => out.extend_from_slice(whole),
            },
            _ => out.extend_from_slice(whole),
        }
        rest = &rest[len + 2..];
    }
    out.extend_from_slice(rest);
    out
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_special_byte_is_seen_in_either_way() {
        for byte in 0..=255 {
            assert_eq!(is_special(byte), is_special_fast(byte), "{byte}");
            assert_eq!(is_special(byte), needs_escape(byte), "{byte}");
            assert_eq!(is_plain(&[b'a', byte]), !is_special(byte), "{byte}");
            assert_eq!(is_plain_between(&[byte; 20], b'|'), !is_special(byte) || byte == b'|');
        }
    }

    fn escaped(value: &str, text: Text) -> (String, usize) {
        let mut out = Vec::new();
        let left_out = escape(value.as_bytes(), text, &mut out);
        (String::from_utf8(out).unwrap(), left_out)
    }

    #[test]
    fn every_separator_is_escaped_once() {
        let all = r"a\b|c^d~e&f";
        assert_eq!(escaped(all, Text::Line).0, r"a\E\b\F\c\S\d\R\e\T\f");
        assert_eq!(unescape(escaped(all, Text::Line).0.as_bytes()), all.as_bytes());
        assert_eq!(escaped(r"\F\", Text::Line).0, r"\E\F\E\");
    }

    #[test]
    fn a_line_break_becomes_a_blank_or_a_break() {
        assert_eq!(escaped("a\r\nb\nc\rd", Text::Line).0, "a b c d");
        assert_eq!(escaped("a\r\nb\nc", Text::Formatted).0, r"a\.br\b\.br\c");
    }

    #[test]
    fn control_characters_are_left_out_and_counted() {
        assert_eq!(escaped("a\u{0}b\u{1b}c\u{7f}\t", Text::Line), ("abc ".to_string(), 3));
        let mut out = Vec::new();
        escape_controls(b"a\x1bb\x7f\t&", Text::Line, &mut out);
        assert_eq!(out, br"a\X1B\b\X7F\ \T\");
        assert_eq!(unescape(&out), b"a\x1bb\x7f &");
    }

    #[test]
    fn two_quotes_never_ask_the_receiver_to_delete() {
        assert_eq!(escaped("\"\"", Text::Line).0, "");
        assert_eq!(escaped("a\"\"", Text::Line).0, "a\"\"");
    }

    #[test]
    fn unknown_and_broken_escapes_stay_as_they_are() {
        for text in [r"\Z\", r"\H\bold\N\", r"a\", r"\X4\", r"\Xzz\"] {
            assert_eq!(unescape(text.as_bytes()), text.as_bytes(), "{text}");
        }
        assert_eq!(unescape(br"\X0D0A\"), b"\r\n");
    }

    proptest::proptest! {
        #[test]
        fn any_value_without_control_characters_survives(value in "[^\\x00-\\x1f\\x7f]*") {
            proptest::prop_assume!(value != "\"\"");
            let mut out = Vec::new();
            proptest::prop_assert_eq!(escape(value.as_bytes(), Text::Line, &mut out), 0);
            proptest::prop_assert!(!out.iter().any(|byte| b"|^~&".contains(byte)));
            proptest::prop_assert_eq!(unescape(&out), value.as_bytes());
        }

        #[test]
        fn no_bytes_can_break_out_of_their_component(value: Vec<u8>) {
            let mut out = Vec::new();
            escape(&value, Text::Formatted, &mut out);
            proptest::prop_assert!(!out.iter().any(|&byte| byte < 0x20 || b"|^~&".contains(&byte)));
        }
    }
}
