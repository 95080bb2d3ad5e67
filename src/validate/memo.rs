//! What was good is good wherever it comes again, byte for byte: codes, and whole ends of
//! segments that many messages share.

/// Places; a few hundred codes, providers and insurances are all that most practices have.
const PLACES: usize = 1 << 12;

/// The longest that is remembered, in bytes; so the whole takes a megabyte at most.
const BYTES_MAX: usize = 256;

/// Spreads a hash over its high bits.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// What was learned, each at a place by its hash.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo(Vec<Entry>);

#[derive(Clone, Debug, Default)]
struct Entry {
    kind: u32,
    /// With the byte that ends it.
    bytes: Box<[u8]>,
    known: Known,
}

/// What is known of a stretch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Without the byte that ends it.
    pub length: usize,
    /// Which required field was the next one before and behind it, where it is many fields.
    pub from: u32,
    pub to: u32,
    /// How much of it is longer than HL7 allows.
    pub long: u64,
}

/// Where a stretch would be, and of what kind it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    kind: u32,
    place: usize,
}

impl Memo {
    /// Returns where a field would be that begins with these eight bytes.
    #[inline(always)]
    pub fn key(&self, field: u16, word: u64) -> Key {
        let mixed = (word ^ u64::from(field) << 20).wrapping_mul(MIX);
        Key { kind: u32::from(field), place: (mixed >> 52) as usize % PLACES }
    }

    /// Returns where a stretch would be that goes from a field to the end of its segment.
    pub fn key_of_all(&self, field: u16, bytes: &[u8]) -> Key {
        let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(MIX);
        let words = bytes.chunks_exact(8);
        let rest = words.remainder().iter().fold(0, |rest, byte| rest << 8 | u64::from(*byte));
        let word = |word: &[u8]| u64::from_le_bytes(word.try_into().unwrap_or_default());
        let hash = words.map(word).fold(mix(bytes.len() as u64, rest), mix);
        // Fields have the numbers below.
        Key { kind: u32::from(field) | 1 << 16, place: (hash >> 52) as usize % PLACES }
    }

    /// Returns what is known of the stretch that `text` begins with, if it was good before.
    #[inline(always)]
    pub fn get(&self, key: Key, text: &[u8]) -> Option<Known> {
        let entry = self.0.get(key.place)?;
        (entry.kind == key.kind && text.starts_with(&entry.bytes)).then_some(entry.known)
    }

    /// Remembers what is good, with the byte that ends it.
    #[cold]
    pub fn learn(&mut self, key: Key, bytes: &[u8], known: Known) {
        if bytes.len() <= BYTES_MAX {
            self.0.resize(PLACES, Entry::default());
            self.0[key.place] = Entry { kind: key.kind, bytes: bytes.into(), known };
        }
    }
}
