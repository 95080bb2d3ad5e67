//! The bytes of one upload: exactly as many as were announced.

use std::io::{self, ErrorKind, Read};

use super::{DeliveryError, Result};

/// Gives a file's bytes in blocks. A source that ends early or goes on too long
/// is an error before its last block is handed out, so that a wrong file never
/// gets the size of a right one.
pub(super) struct Announced<'a> {
    from: &'a mut dyn Read,
    left: u64,
}

impl<'a> Announced<'a> {
    pub(super) fn new(from: &'a mut dyn Read, bytes: u64) -> Announced<'a> {
        Announced { from, left: bytes }
    }

    /// Fills the front of `block` and returns how many bytes that were; 0 at the end.
    ///
    /// # Errors
    /// [`DeliveryError::Source`].
    pub(super) fn next(&mut self, block: &mut [u8]) -> Result<usize> {
        let count = self.left.min(block.len() as u64) as usize;
        self.from.read_exact(&mut block[..count]).map_err(too_short)?;
        self.left -= count as u64;
        if self.left == 0 {
            self.end()?;
        }
        Ok(count)
    }

    fn end(&mut self) -> Result<()> {
        match self.from.read_exact(&mut [0]) {
            Err(err) if err.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(err) => Err(DeliveryError::Source(err)),
            Ok(()) => Err(DeliveryError::Source(io::Error::new(
                ErrorKind::InvalidData,
                "it has more bytes than it should have",
            ))),
        }
    }
}

fn too_short(err: io::Error) -> DeliveryError {
    DeliveryError::Source(match err.kind() {
        ErrorKind::UnexpectedEof => {
            io::Error::new(err.kind(), "it has fewer bytes than it should have")
        }
        _ => err,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(mut from: &[u8], announced: u64) -> (Vec<Vec<u8>>, bool) {
        let mut source = Announced::new(&mut from, announced);
        let (mut blocks, mut block) = (Vec::new(), [0; 4]);
        loop {
            match source.next(&mut block) {
                Ok(0) => return (blocks, true),
                Ok(count) => blocks.push(block[..count].to_vec()),
                Err(_) => return (blocks, false),
            }
        }
    }

    #[test]
    fn the_last_block_comes_only_if_it_is_the_last() {
        assert_eq!(blocks(b"", 0), (vec![], true));
        assert_eq!(blocks(b"12345", 5), (vec![b"1234".to_vec(), b"5".to_vec()], true));
        assert_eq!(blocks(b"12345", 4), (vec![], false));
        assert_eq!(blocks(b"12345678", 9), (vec![b"1234".to_vec(), b"5678".to_vec()], false));
        assert_eq!(blocks(b"1", 0), (vec![], false));
    }

    /// A disk that gives some bytes and then an error.
    struct Failing<'a>(&'a [u8]);

    impl Read for Failing<'_> {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            match self.0.read(block)? {
                0 => Err(io::Error::other("a bad sector")),
                count => Ok(count),
            }
        }
    }

    #[test]
    fn a_disk_that_fails_is_told_in_its_own_words_wherever_it_does() {
        for (bytes, announced) in [(&b"1234"[..], 4), (b"123", 4), (b"", 0)] {
            let mut from = Failing(bytes);
            let mut source = Announced::new(&mut from, announced);
            let err = source.next(&mut [0; 4]).unwrap_err();
            assert!(matches!(&err, DeliveryError::Source(_)), "{err}");
            assert_eq!(err.to_string(), "cannot read what is to be sent: a bad sector");
        }
    }
}
