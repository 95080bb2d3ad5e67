//! How the extracts of one kind are written, as far as an interface file says it.

use std::collections::BTreeMap;

/// What an interface file says of the extracts of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// `[extract.*]` delimiter; none: it is found in the header.
    pub delimiter: Option<u8>,
    /// `[extract.*]` encoding.
    pub encoding: Encoding,
    /// `[extract.appointments]` snapshot: each extract holds all appointments there are.
    pub snapshot: bool,
    /// `[columns.*]`: the site's own header names and the columns they mean, by their
    /// canonical names; an empty one is of no use.
    pub columns: BTreeMap<String, String>,
    /// The columns of external IDs; true where zeros at the front count, so that a JSON
    /// number cannot hold them.
    pub external_ids: BTreeMap<String, bool>,
}

/// What bytes mean. A byte order mark goes before every one but [`Encoding::Utf8`],
/// with which a mark of UTF-16 is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, or UTF-16 where a byte order mark says so. Nothing else is ever guessed:
    /// bytes that are not UTF-8 are a fault of their row.
    #[default]
    Auto,
    /// UTF-8 and nothing else.
    Utf8,
    /// Windows-1252, what Windows programs in the Americas call "ANSI".
    Windows1252,
    /// ISO 8859-1.
    Latin1,
    /// UTF-16, little or big endian as its mark or its first character shows.
    Utf16,
}
