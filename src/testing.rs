//! What unit tests of several modules share.

use std::io::{self, Read};

/// What is read in these pieces, errors among them.
pub struct Pieces(pub Vec<io::Result<&'static [u8]>>);

impl Read for Pieces {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = (!self.0.is_empty()).then(|| self.0.remove(0)) else { return Ok(0) };
        let piece = piece?;
        block[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}
