//! Text eight bytes at a time.

/// The same byte in every place of a word.
pub(super) const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Returns the eight bytes at a place; behind the last there are ends of segments.
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

/// Returns the high bit of each byte that ends a value or may: the separators, the escape,
/// control characters; and what is not ASCII or is `]`, `_` or `}`, which must be passed over.
#[inline(always)]
pub(super) const fn stops(word: u64) -> u64 {
    // Each sum has the high bit where the byte is none of them, and none is more than a byte.
    let low = every(0x7f);
    let separators = ((word & every(0x5c)) ^ every(0x5c)) + low;
    let sub = ((word ^ every(b'&')) & low) + low;
    let control = (word | every(0x80)) - every(0x20);
    (!(separators & sub & control) | word) & every(0x80)
}

/// True of a byte that [`stops`] finds and that is part of a value all the same.
#[inline(always)]
pub(super) const fn is_plain(byte: u8) -> bool {
    byte >= 0x80 || matches!(byte, b']' | b'_' | b'}')
}

/// Returns the bits of a word's first bytes, of so many.
pub(super) const fn first_bytes(count: usize) -> u64 {
    if count < 8 { (1 << (8 * count)) - 1 } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_may_end_a_value_is_a_stop() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                for other in [0, b' ', b'A', b'|', 0x7f, 0x80, 0xff] {
                    let mut bytes = [other; 8];
                    bytes[at] = byte;
                    let found = stops(u64::from_le_bytes(bytes)) >> (8 * at) & 0xff;
                    let ends = byte < 0x20 || b"|^~\\&\x7f".contains(&byte);
                    assert_eq!(found == 0x80, ends || is_plain(byte), "{byte} at {at}");
                }
            }
        }
    }

    #[test]
    fn behind_the_end_there_are_ends() {
        assert_eq!(word(b"ABCDEFGHIJ", 1).to_le_bytes(), *b"BCDEFGHI");
        assert_eq!(word(b"ABC", 1).to_le_bytes(), *b"BC\r\r\r\r\r\r");
        assert_eq!(word(b"ABC", 7).to_le_bytes(), [b'\r'; 8]);
        assert_eq!([first_bytes(0), first_bytes(2), first_bytes(8)], [0, 0xffff, u64::MAX]);
    }
}
