//! From the bytes of a file to UTF-8 text: gzip taken apart, other encodings turned
//! into UTF-8, both as the bytes come.

use std::io::{self, BufRead, Cursor, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};
use flate2::bufread::MultiGzDecoder;

use super::ExtractError;
use crate::domain::Encoding;

/// How far gzip data may grow. Real extracts grow fivefold to fiftyfold; deflate cannot
/// do more than about a thousandfold, and only on bytes that are all alike.
pub(super) const GROWTH_MAX: u64 = 400;
/// What is let pass before that is looked at.
const GROWTH_FREE: u64 = 16 << 20;
/// Bytes that are decoded at once.
const CHUNK: usize = 1 << 16;
/// Stands in the text for what cannot be decoded: no UTF-8 has this byte, so its row is
/// refused like any other row that is not UTF-8.
const UNREADABLE: u8 = 0xff;

const FILE: &str = "the file";
const UNPACKED: &str = "the decompressed file";
const DECODED: &str = "the file as UTF-8";

/// The text of a file.
pub struct Text {
    /// UTF-8, as far as the file can be decoded.
    pub reader: Box<dyn Read + Send>,
    /// What byte offsets in it count from, for people.
    pub name: &'static str,
}

impl Text {
    /// Returns the text of a file: of gzip all members, decoded as `encoding` says.
    ///
    /// # Errors
    /// [`ExtractError`]: what the first read fails with, UTF-16 where it was not agreed.
    pub fn of(
        mut file: impl BufRead + Send + 'static,
        encoding: Encoding,
    ) -> Result<Text, ExtractError> {
        if file.fill_buf().map_err(ExtractError::Read)?.starts_with(&[0x1f, 0x8b]) {
            let decoder = MultiGzDecoder::new(Counted { file, bytes: 0 });
            return decoded(Box::new(Gzip { decoder, bytes: 0 }), UNPACKED, encoding);
        }
        decoded(Box::new(file), FILE, encoding)
    }

    /// True where the text is the file, byte for byte.
    pub fn is_file(&self) -> bool {
        self.name == FILE
    }
}

fn decoded(
    mut reader: Box<dyn Read + Send>,
    name: &'static str,
    encoding: Encoding,
) -> Result<Text, ExtractError> {
    let mut head = Vec::new();
    let read = reader.by_ref().take(3).read_to_end(&mut head);
    read.map_err(|err| ExtractError::of_read(err, 0))?;
    let utf16 = match head[..] {
        [0xff, 0xfe, ..] => Some((UTF_16LE, 2)),
        [0xfe, 0xff, ..] => Some((UTF_16BE, 2)),
        // A header is ASCII at least at its beginning.
        [0, _, ..] if encoding == Encoding::Utf16 => Some((UTF_16BE, 0)),
        [_, 0, ..] if encoding == Encoding::Utf16 => Some((UTF_16LE, 0)),
        _ => None,
    };
    let is_utf8 = head.starts_with(b"\xef\xbb\xbf");
    let (decoder, unassigned): (_, fn(u8) -> bool) = match (utf16, encoding) {
        (Some(_), Encoding::Utf8) => return Err(ExtractError::Utf16),
        (Some((encoding, mark)), _) => {
            head.drain(..mark);
            (encoding.new_decoder_without_bom_handling(), |_| false)
        }
        (None, Encoding::Utf16) if !is_utf8 && !head.is_empty() => {
            return Err(ExtractError::NotUtf16);
        }
        // The two differ in what is no text in ISO 8859-1.
        (None, Encoding::Windows1252) if !is_utf8 => {
            let decoder = WINDOWS_1252.new_decoder_without_bom_handling();
            (decoder, |byte| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d))
        }
        (None, Encoding::Latin1) if !is_utf8 => {
            let decoder = WINDOWS_1252.new_decoder_without_bom_handling();
            (decoder, |byte| matches!(byte, 0x80..=0x9f))
        }
        (None, _) => return Ok(Text { reader: Box::new(Cursor::new(head).chain(reader)), name }),
    };
    let reader = Cursor::new(head).chain(reader);
    let decoding = Decoding { reader, decoder, unassigned, text: Vec::new(), at: 0, at_end: false };
    Ok(Text { reader: Box::new(decoding), name: DECODED })
}

/// Counts the bytes that are taken from it.
struct Counted<R> {
    file: R,
    bytes: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.bytes += count as u64;
        self.file.consume(count);
    }
}

/// Takes gzip apart, and stops where it grows as no extract does.
struct Gzip<R> {
    decoder: MultiGzDecoder<Counted<R>>,
    bytes: u64,
}

/// Gzip data that is made to fill disks.
#[derive(Debug, thiserror::Error)]
#[error("more than {GROWTH_MAX}-fold")]
pub(super) struct Bomb;

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.bytes += count as u64;
        let grown = self.bytes > self.decoder.get_ref().bytes.saturating_mul(GROWTH_MAX);
        if grown && self.bytes > GROWTH_FREE {
            return Err(io::Error::other(Bomb));
        }
        Ok(count)
    }
}

/// Turns text of another encoding into UTF-8.
struct Decoding<R> {
    reader: R,
    decoder: Decoder,
    /// Bytes that stand for no character.
    unassigned: fn(u8) -> bool,
    text: Vec<u8>,
    at: usize,
    at_end: bool,
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.at_end {
            let mut bytes = vec![0; CHUNK];
            let count = self.reader.read(&mut bytes)?;
            self.at_end = count == 0;
            self.text.clear();
            self.at = 0;
            let unassigned = self.unassigned;
            let mut runs = bytes[..count].split(|byte| unassigned(*byte)).peekable();
            while let Some(run) = runs.next() {
                self.decode(run);
                if runs.peek().is_some() {
                    self.text.push(UNREADABLE);
                }
            }
        }
        let count = (&self.text[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

impl<R> Decoding<R> {
    fn decode(&mut self, mut run: &[u8]) {
        loop {
            let old = self.text.len();
            let most = self.decoder.max_utf8_buffer_length_without_replacement(run.len());
            self.text.resize(old + most.unwrap_or(CHUNK), 0);
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                run,
                &mut self.text[old..],
                self.at_end,
            );
            self.text.truncate(old + written);
            run = &run[read..];
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.text.push(UNREADABLE),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file in pieces of one byte and more.
    fn read(bytes: &[u8], encoding: Encoding) -> Result<Vec<u8>, ExtractError> {
        let mut whole = Vec::new();
        for size in [1, 7, 1 << 20] {
            let file = io::BufReader::with_capacity(size, Cursor::new(bytes.to_vec()));
            let mut text = Text::of(file, encoding)?;
            let mut read = Vec::new();
            text.reader.read_to_end(&mut read).unwrap();
            assert!(whole.is_empty() || whole == read, "{size}");
            whole = read;
        }
        Ok(whole)
    }

    #[test]
    fn text_of_every_encoding_is_utf8() {
        let text = "patientid,lastname\n1,NU\u{d1}EZ \u{20ac}\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for encoding in [Encoding::Auto, Encoding::Utf16, Encoding::Windows1252] {
            assert_eq!(read(&marked(b"\xff\xfe", &little), encoding).unwrap(), text.as_bytes());
            assert_eq!(read(&marked(b"\xfe\xff", &big), encoding).unwrap(), text.as_bytes());
        }
        assert_eq!(read(&little, Encoding::Utf16).unwrap(), text.as_bytes());
        assert_eq!(read(&big, Encoding::Utf16).unwrap(), text.as_bytes());
        let windows = b"NU\xd1EZ \x80";
        assert_eq!(read(windows, Encoding::Windows1252).unwrap(), "NU\u{d1}EZ \u{20ac}".as_bytes());
        assert_eq!(read(b"NU\xd1EZ", Encoding::Latin1).unwrap(), "NU\u{d1}EZ".as_bytes());
        // A mark goes before the setting, and stays for whoever reads the header.
        let marked = marked(b"\xef\xbb\xbf", text.as_bytes());
        assert_eq!(read(&marked, Encoding::Windows1252).unwrap(), marked);
        assert_eq!(read(b"", Encoding::Utf16).unwrap(), b"");
    }

    #[test]
    fn what_cannot_be_decoded_stays_unreadable_and_costs_nothing_beside_it() {
        assert_eq!(read(b"a\xd1b", Encoding::Auto).unwrap(), b"a\xd1b");
        assert_eq!(read(b"a\x81\x8db", Encoding::Windows1252).unwrap(), b"a\xff\xffb");
        assert_eq!(read(b"\x92a\x80", Encoding::Latin1).unwrap(), b"\xffa\xff");
        // Half a surrogate pair, and half a character at the end.
        assert_eq!(read(b"a\0\x3d\xd8b\0c", Encoding::Utf16).unwrap(), b"a\xffb\xff");
    }

    #[test]
    fn utf16_is_an_error_only_where_it_was_not_agreed() {
        let refused = |bytes: &[u8], encoding| read(bytes, encoding).unwrap_err().to_string();
        assert_eq!(refused(b"\xff\xfea\0", Encoding::Utf8), "the file is UTF-16 text");
        assert_eq!(refused(b"abc", Encoding::Utf16), "the file is not UTF-16 text");
    }

    #[test]
    fn gzip_data_that_grows_as_no_extract_does_is_stopped() {
        use flate2::{Compression, write::GzEncoder};
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        io::copy(&mut io::repeat(b'\n').take(64 << 20), &mut packed).unwrap();
        let packed = packed.finish().unwrap();
        let mut text = Text::of(Cursor::new(packed), Encoding::Auto).unwrap();
        assert!(!text.is_file());
        let err = io::copy(&mut text.reader, &mut io::sink()).unwrap_err();
        assert!(err.get_ref().unwrap().is::<Bomb>());
        assert_eq!(
            ExtractError::of_read(err, 9).to_string(),
            "the gzip data grows more than 400-fold"
        );
    }
}
