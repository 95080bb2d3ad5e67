//! The character set of a whole message (`interface.md` 3.4). Most messages are plain
//! ASCII and are left as they are; what is here is for the others.

use super::output::Output;
use super::program::Refusal;
use crate::domain::{Charset, Code, Note};
use crate::hl7::{Path, Text, escape};

/// Turns the message that begins at `begin` into the agreed character set. `place` is
/// where MSH-18 goes, with the number of the field before it.
pub(super) fn finish(
    charset: Charset,
    begin: usize,
    place: Option<(usize, u8)>,
    out: &mut Output,
) -> Result<(), Refusal> {
    // No way out early, so that it is done sixteen bytes at a time.
    if out.bytes[begin..].iter().fold(0, |all, byte| all | byte) < 0x80 {
        return Ok(());
    }
    if let Some(((place, last), name)) = place.zip(charset.name()) {
        let owed = usize::from(18 - last);
        // Where a later field follows, the separators up to it are there.
        let there = out.bytes[place..].iter().take(owed).take_while(|byte| **byte == b'|').count();
        let bars = std::iter::repeat_n(b'|', owed - there);
        out.bytes.splice(place + there..place + there, bars.chain(name.bytes()));
    }
    match charset {
        Charset::Utf8 => Ok(()),
        Charset::Latin1 => latin1(begin, out),
        Charset::Ascii => {
            ascii(begin, out);
            Ok(())
        }
    }
}

/// Writes the message in ISO 8859-1, in its own place: it only gets shorter.
fn latin1(begin: usize, out: &mut Output) -> Result<(), Refusal> {
    let (mut from, mut to) = (begin, begin);
    let first = out.slots.partition_point(|slot| *slot < begin);
    let mut slots = out.slots[first..].iter_mut().peekable();
    while let Some(&byte) = out.bytes.get(from) {
        if let Some(slot) = slots.next_if(|slot| **slot == from) {
            *slot = to;
        }
        let (written, width) = match (byte, out.bytes.get(from + 1)) {
            (..0x80, _) => (byte, 1),
            (0xc2 | 0xc3, Some(next)) => (byte << 6 | (next & 0x3f), 2),
            _ => return Err(unwritable(&out.bytes[begin..to])),
        };
        out.bytes[to] = written;
        from += width;
        to += 1;
    }
    out.bytes.truncate(to);
    Ok(())
}

/// Says which field a message has come to, by what is written of it.
fn unwritable(before: &[u8]) -> Refusal {
    let segment = before.rsplit(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let fields = segment.iter().filter(|&&byte| byte == b'|').count();
    let field = segment.first_chunk::<3>().and_then(|name| {
        let number = if name == b"MSH" { fields + 1 } else { fields };
        Some(Path::of_field(*name, u8::try_from(number).ok()?))
    });
    Refusal { code: Code::W001, column: "".into(), field }
}

/// Writes the message in ASCII: letters lose their marks, other scripts are spelt out.
fn ascii(begin: usize, out: &mut Output) {
    out.note(Note::Transliterated);
    let message = out.bytes.split_off(begin);
    let first = out.slots.partition_point(|slot| *slot < begin);
    let mut rest = message.as_slice();
    while !rest.is_empty() {
        let at = begin + message.len() - rest.len();
        let plain = rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        // A control number goes where the bytes before it end.
        let grown = out.bytes.len();
        for slot in out.slots[first..].iter_mut().filter(|slot| (at..=at + plain).contains(*slot)) {
            *slot = *slot - at + grown;
        }
        out.bytes.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let end = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
        spell(&rest[..end], &mut out.bytes);
        rest = &rest[end..];
    }
}

fn spell(text: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(text);
    let spelt = deunicode::deunicode_with_tofu_cow(&text, "?");
    // Some letters are spelt with the signs that separate fields.
    let before = out.len();
    escape(spelt.trim_end().as_bytes(), Text::Line, out);
    let alone = matches!(out[..before].last(), Some(b'|' | b'^' | b'~' | b'&') | None);
    if out.len() == before && !text.is_empty() && alone {
        out.push(b'?');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(charset: Charset, text: &str) -> Result<(Vec<u8>, Vec<usize>), Refusal> {
        let mut out = Output { bytes: b"before\r".to_vec(), slots: vec![3], ..Output::default() };
        let begin = out.bytes.len();
        out.bytes.extend_from_slice(text.as_bytes());
        let slot = text.find('#').unwrap();
        out.slots.push(begin + slot);
        let place = text.find('@').map(|at| (begin + at + 1, 12));
        finish(charset, begin, place, &mut out)?;
        Ok((out.bytes.split_off(begin), out.slots))
    }

    const TEXT: &str = "MSH|^~\\&|A|Cl\u{ed}nica||#|@\rPID|1||\u{d1}a\u{df}\r";

    #[test]
    fn utf_8_is_named_where_it_is_needed() {
        let (bytes, slots) = finished(Charset::Utf8, TEXT).unwrap();
        let named = TEXT.replace('@', "@||||||UNICODE UTF-8");
        assert_eq!(String::from_utf8(bytes).unwrap(), named);
        assert_eq!(slots, [3, 7 + TEXT.find('#').unwrap()]);
        let later = TEXT.replace('@', "@||||||||X");
        let named = TEXT.replace('@', "@||||||UNICODE UTF-8||X");
        assert_eq!(finished(Charset::Utf8, &later).unwrap().0, named.as_bytes(), "MSH-20");
        let plain = finished(Charset::Utf8, "MSH|#|@\r").unwrap().0;
        assert_eq!(plain, b"MSH|#|@\r");
    }

    #[test]
    fn latin_1_has_one_byte_a_letter_and_the_control_number_moves_along() {
        let (bytes, slots) = finished(Charset::Latin1, TEXT).unwrap();
        assert_eq!(bytes, b"MSH|^~\\&|A|Cl\xednica||#|@||||||8859/1\rPID|1||\xd1a\xdf\r");
        assert_eq!(bytes[slots[1] - 7], b'#');
        let text = "MSH|#|\u{e9}|@\rPID|1|\u{e9}|x^\u{141}\r";
        let err = finished(Charset::Latin1, text).unwrap_err();
        assert_eq!((err.code, err.field), (Code::W001, "PID-3".parse().ok()));
        let err = finished(Charset::Latin1, "MSH|^~\\&|\u{141}|#|@\r").unwrap_err();
        assert_eq!(err.field, "MSH-3".parse().ok());
    }

    #[test]
    fn ascii_spells_out_and_escapes_what_it_spells() {
        let (bytes, slots) = finished(Charset::Ascii, TEXT).unwrap();
        assert_eq!(bytes, b"MSH|^~\\&|A|Clinica||#|@\rPID|1||Nass\r");
        assert_eq!(bytes[slots[1] - 7], b'#');
        let text = "MSH|#\rPID|\u{674e}\u{660e}^\u{ff06}|\u{200b}|e\u{301}\r";
        let (bytes, _) = finished(Charset::Ascii, text).unwrap();
        assert_eq!(bytes, b"MSH|#\rPID|Li Ming^\\T\\|?|e\r");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_more_or_fewer_fields_in_ascii(text in "[^\\x00-\\x1f\\x7f|^~&\\\\]*") {
            let text = format!("MSH|#\rPID|{text}|x\r");
            let (bytes, _) = finished(Charset::Ascii, &text).unwrap();
            proptest::prop_assert!(bytes.is_ascii());
            let count = |bytes: &[u8]| bytes.iter().filter(|byte| b"|^~&\r".contains(byte)).count();
            proptest::prop_assert_eq!(count(&bytes), count(text.as_bytes()));
        }
    }
}
