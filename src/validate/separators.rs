//! The five separators of a message, and what each byte means under them.

/// What a byte means to the scan.
pub(super) mod class {
    /// A character of a value.
    pub const PLAIN: u8 = 0;
    /// Between fields.
    pub const FIELD: u8 = 1;
    /// Between components.
    pub const COMPONENT: u8 = 2;
    /// Between repetitions.
    pub const REPETITION: u8 = 3;
    /// Before and after an escape.
    pub const ESCAPE: u8 = 4;
    /// Between subcomponents.
    pub const SUB: u8 = 5;
    /// Not ASCII.
    pub const HIGH: u8 = 6;
    /// A control character.
    pub const CONTROL: u8 = 7;
}

/// The separators that a header segment names.
#[derive(Clone, Debug)]
pub(super) struct Separators {
    /// Field, component, repetition, escape, subcomponent.
    named: [u8; 5],
    classes: [u8; 256],
}

/// What everybody uses.
const CUSTOM: [u8; 5] = *b"|^~\\&";

impl Default for Separators {
    fn default() -> Separators {
        Separators::of(CUSTOM)
    }
}

impl Separators {
    fn of(named: [u8; 5]) -> Separators {
        let mut classes = [class::PLAIN; 256];
        classes[..0x20].fill(class::CONTROL);
        classes[0x7f] = class::CONTROL;
        classes[0x80..].fill(class::HIGH);
        for (at, byte) in named.iter().enumerate() {
            classes[usize::from(*byte)] = at as u8 + 1;
        }
        Separators { named, classes }
    }

    /// Reads them off MSH, FHS or BHS. Some senders leave the last ones out, and 2.7
    /// has a sixth, for truncation.
    pub fn read(header: &[u8]) -> Option<Separators> {
        let field = *header.get(3)?;
        let rest = &header[4..];
        let end = rest.iter().position(|&byte| byte == field).unwrap_or(rest.len());
        if !(4..=5).contains(&end) {
            return None;
        }
        let named = [field, rest[0], rest[1], rest[2], rest[3]];
        let good = named.iter().enumerate().all(|(at, byte)| {
            byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric() && !named[..at].contains(byte)
        });
        good.then(|| Separators::of(named))
    }

    /// True of those that everybody uses.
    pub fn are_custom(&self) -> bool {
        self.named == CUSTOM
    }

    /// Returns the class of every byte.
    pub fn classes(&self) -> &[u8; 256] {
        &self.classes
    }

    pub fn field(&self) -> u8 {
        self.named[0]
    }

    pub fn component(&self) -> u8 {
        self.named[1]
    }

    pub fn escape(&self) -> u8 {
        self.named[3]
    }

    /// Returns a field of a segment as it stands; the first of a header segment is the
    /// separator itself.
    pub fn nth<'a>(&self, segment: &'a [u8], number: usize) -> &'a [u8] {
        let rest = &segment[self.begin_of(segment, number)..];
        rest.split(|byte| *byte == self.field()).next().unwrap_or_default()
    }

    /// Returns where a field begins; of one that is not there, the end.
    pub fn begin_of(&self, segment: &[u8], number: usize) -> usize {
        let header = matches!(segment.get(..3), Some(b"MSH" | b"FHS" | b"BHS"));
        let before = if header { number - 1 } else { number };
        let mut separators = memchr::memchr_iter(self.field(), segment);
        match before.checked_sub(1) {
            None => 0,
            Some(skipped) => separators.nth(skipped).map_or(segment.len(), |at| at + 1),
        }
    }

    /// Returns a component of a field's first repetition.
    pub fn component_of<'a>(&self, field: &'a [u8], number: usize) -> &'a [u8] {
        let first = field.split(|byte| *byte == self.named[2]).next().unwrap_or_default();
        first.split(|byte| *byte == self.component()).nth(number - 1).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_different_characters_are_separators() {
        assert!(Separators::read(b"MSH|^~\\&|A").unwrap().are_custom());
        assert!(Separators::read(b"MSH|^~\\&#|A").unwrap().are_custom());
        let others = Separators::read(b"MSH*:+?!*A:B").unwrap();
        assert_eq!(others.nth(b"PID*1*2", 2), b"2");
        assert_eq!(others.component_of(others.nth(b"MSH*:+?!*A:B", 3), 2), b"B");
        for bad in ["MSH", "MSH|", "MSH|^~\\|A", "MSH|^~^&|A", "MSH|^~\\A|A", "MSH^~\\&^A"] {
            assert!(Separators::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
