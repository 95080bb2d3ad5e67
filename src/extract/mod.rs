//! Extracts: bytes of a dropped file in, blocks of whole records out.
//!
//! Streaming: a block is 128 KiB as a rule, and nothing here grows with the file.
//! Positions count records from 1 (the header is none) and lines from 1. What a
//! column means and what becomes of a record is not known here.

mod blocks;
mod columns;
mod header;
mod places;
mod rows;

pub use blocks::{Block, Blocks, Limits, decoded};
pub use columns::{Vocabulary, VocabularyError};
pub use places::Places;
pub use rows::{Row, RowFault, Rows};

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
    /// The header lacks columns that must be there.
    #[error("the header has no column {}", columns.join(", "))]
    MissingColumns {
        /// Their canonical names.
        columns: Vec<String>,
    },
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
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ExtractError::Empty => "export it again; an empty export often means a failed query",
            ExtractError::Utf16 | ExtractError::HeaderNotText => "export it as UTF-8",
            ExtractError::MissingColumns { .. } => {
                "add the column to the export, or name it as `hl7drop` knows it \
                 (config/columns.toml lists every name)"
            }
            ExtractError::OpenQuote { .. } => {
                "the file was probably cut off while it was written: export it again"
            }
            ExtractError::RecordTooLong { .. } => {
                "look for a quote that is never closed, or a file that is no CSV"
            }
            ExtractError::Gzip { .. } => "the file was probably cut off: copy or export it again",
            ExtractError::Read(_) => "look at the file's permissions and at the disk",
        }
    }
}
