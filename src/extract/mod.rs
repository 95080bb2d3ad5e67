//! Extracts: bytes of a dropped file in, blocks of whole records out.
//!
//! `unpack` makes text of the bytes, `blocks` cuts it, `rows` reads the records of a
//! block, be they delimited or JSON (`json`), under the layout that `header` bound.
//!
//! Streaming: a block is 128 KiB as a rule, and nothing here grows with the file.
//! Positions count records from 1 (the header is none) and lines from 1. What a
//! column means and what becomes of a record is not known here.

mod blocks;
mod columns;
mod damage;
mod header;
mod json;
mod kept;
mod places;
mod reading;
mod rows;
mod split;
mod unpack;

pub use blocks::{Block, Blocks, Limits};
pub use columns::{Vocabulary, VocabularyError};
pub use kept::kept;
pub use places::Places;
pub use reading::Reading;
pub use rows::{Row, RowFault, Rows};
pub use unpack::Text;

/// Why a whole file cannot be read. Texts name lines and columns, never values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// Not one byte, or nothing but blank lines.
    #[error("the file is empty")]
    Empty,
    /// Text of two bytes a character.
    #[error("the file is UTF-16 text")]
    Utf16,
    /// Text that should have two bytes a character.
    #[error("the file is not UTF-16 text")]
    NotUtf16,
    /// Gzip data that is made to fill disks.
    #[error("the gzip data grows more than {}-fold", unpack::GROWTH_MAX)]
    Bomb,
    /// The header lacks columns that must be there.
    #[error("the header has no column {}", columns.join(", "))]
    MissingColumns {
        /// Their canonical names.
        columns: Vec<String>,
    },
    /// The records lack names that must be there.
    #[error("no record has a {}", columns.join(", a "))]
    MissingNames {
        /// Their canonical names.
        columns: Vec<String>,
    },
    /// The records have more names than any real ones.
    #[error("the records up to line {line} have more than {max} different names")]
    TooManyNames {
        /// Where it was seen.
        line: u64,
        /// The limit.
        max: usize,
    },
    /// JSON, but not one record a line.
    #[error("the file is one JSON document, not a JSON object on each line")]
    JsonDocument,
    /// The header is not text.
    #[error("the header is not UTF-8 text")]
    HeaderNotText,
    /// The file ends inside quotes.
    #[error("a quote opened in the record that begins on line {line} is never closed")]
    OpenQuote {
        /// Where the record begins.
        line: u64,
    },
    /// One record is longer than any real one.
    #[error("the record that begins on line {line} is longer than {bytes_max} bytes")]
    RecordTooLong {
        /// Where the record begins.
        line: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// More text than any extract should have.
    #[error("the file has more than {mib_max} MiB of text")]
    TooLarge {
        /// The limit.
        mib_max: u64,
    },
    /// Compressed data that breaks off or is damaged.
    #[error("the gzip data is cut off or damaged after {bytes} decompressed bytes")]
    Gzip {
        /// How much was good.
        bytes: u64,
    },
    /// The file could not be read.
    #[error("the file cannot be read: {0}")]
    Read(std::io::Error),
}

impl ExtractError {
    /// Returns what an error of reading means, `bytes` into the text.
    pub(crate) fn of_read(err: std::io::Error, bytes: u64) -> ExtractError {
        use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        match err.kind() {
            UnexpectedEof | InvalidInput | InvalidData => ExtractError::Gzip { bytes },
            _ if err.get_ref().is_some_and(|inner| inner.is::<unpack::Bomb>()) => {
                ExtractError::Bomb
            }
            _ => ExtractError::Read(err),
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ExtractError::Empty => "export it again; an empty export often means a failed query",
            ExtractError::Utf16 => {
                "export it as UTF-8, or set encoding = \"utf-16\" in its section of [extract]"
            }
            ExtractError::HeaderNotText => {
                "export it as UTF-8, or set encoding = \"windows-1252\" in its section of [extract]"
            }
            ExtractError::NotUtf16 => "set encoding = \"auto\" in its section of [extract]",
            ExtractError::Bomb => "no extract does; ask whoever made the file what it is",
            ExtractError::MissingColumns { .. } => {
                "add the column to the export, or name it as `hl7drop` knows it \
                 (config/columns.toml lists every name)"
            }
            ExtractError::MissingNames { .. } => {
                "add it to the export, or name it as `hl7drop` knows it (config/columns.toml \
                 lists every name); each line is one patient or appointment, not a list of them"
            }
            ExtractError::TooManyNames { .. } => {
                "names must be those of columns, not values such as IDs: export it as the API does"
            }
            ExtractError::JsonDocument => {
                "write a record a line, for example with jq -c '.patients[]'"
            }
            ExtractError::OpenQuote { .. } => {
                "the file was probably cut off while it was written: export it again"
            }
            ExtractError::RecordTooLong { .. } => {
                "look for a quote that is never closed, or a file that is neither CSV nor NDJSON"
            }
            ExtractError::TooLarge { .. } => {
                "ask whoever made it what it is; if it is right, raise file_mib_max in [pickup]"
            }
            ExtractError::Gzip { .. } => "the file was probably cut off: copy or export it again",
            ExtractError::Read(_) => "look at the file's permissions and at the disk",
        }
    }
}
