//! A file to be read: opened with care, its bytes counted as they pass.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::ahead::Ahead;
use super::error::EngineError;
use crate::digest::Digest;
use crate::disk::open_regular;
use crate::domain::{Encoding, ExtractKind, Layout};
use crate::extract::{Blocks, ExtractError, Limits, Reading, Text};

/// One extract of a drop.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its name for people.
    pub name: Arc<str>,
    /// What it holds.
    pub kind: ExtractKind,
    /// SHA-256 of its bytes, where the ledger is to know it again by that.
    digest: Option<Digest>,
    /// Its size.
    pub bytes: u64,
    /// Which file it is, and since when it stands where it stands.
    pub inode: u64,
    /// Whether it is UTF-8, whatever was agreed: records that were kept as text.
    kept: bool,
    /// What its records are, where no header says it and they had to be read for it.
    learned: Arc<OnceLock<Layout>>,
}

/// Is told how long work goes on; the command line draws a bar from it.
pub trait Progress: Sync {
    /// Work on something begins; `total` bytes.
    fn begin(&self, what: &str, total: u64);
    /// So many bytes more.
    fn advance(&self, bytes: u64);
    /// It is over.
    fn end(&self);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}

impl Source {
    /// Looks at a file: its size and digest.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn of(path: &Path, name: &str, kind: ExtractKind, follow: bool) -> io::Result<Source> {
        let mut file = open_regular(path, follow)?;
        let inode = mark(&file.metadata()?);
        let (digest, bytes) = Digest::of_reader(&mut file)?;
        let (path, name, learned) = (path.to_path_buf(), name.into(), Arc::default());
        let (digest, kept) = (Some(digest), false);
        Ok(Source { path, name, kind, digest, bytes, inode, kept, learned })
    }

    /// Looks at a file that no ledger will know: no digest, which would be a tenth of
    /// the time of converting it.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn unpromised(path: &Path, name: &str, kind: ExtractKind) -> io::Result<Source> {
        let found = open_regular(path, true)?.metadata()?;
        let (bytes, inode) = (found.len(), mark(&found));
        let (path, name, learned) = (path.to_path_buf(), name.into(), Arc::default());
        Ok(Source { path, name, kind, digest: None, bytes, inode, kept: false, learned })
    }

    /// Says that its records were kept by a ledger, under the header of `layout`: they are
    /// UTF-8, and no header may say what they are.
    pub fn is_kept(mut self, layout: &Layout) -> Source {
        self.kept = true;
        if layout.json.is_some() {
            self.learned.get_or_init(|| layout.clone());
        }
        self
    }

    /// Returns its digest, for the ledger.
    ///
    /// # Errors
    /// [`EngineError::NoDigest`] of one that no ledger was to know.
    pub fn digest(&self) -> Result<Digest, EngineError> {
        self.digest.ok_or(EngineError::NoDigest)
    }

    /// Begins to read it: its header, and the blocks that follow. Where the header is
    /// in the records, all of them are read for it, the first time.
    ///
    /// # Errors
    /// [`ExtractError`].
    pub fn open(
        &self,
        reading: &Reading,
        progress: Option<Arc<dyn Progress + Send>>,
    ) -> Result<(Layout, Blocks), ExtractError> {
        let open = |progress| {
            let mut text = self.text(reading, progress)?;
            if !text.is_file() {
                let ahead = Ahead::of(text.reader).map_err(ExtractError::Read)?;
                text.reader = Box::new(ahead);
            }
            Blocks::open(text, reading, self.kind, Limits::default())
        };
        let (header, blocks) = open(progress)?;
        let layout = match header.or_else(|| self.learned.get().cloned()) {
            Some(layout) => layout,
            None => {
                let layout = open(None)?.1.learn(reading, self.kind)?;
                self.learned.get_or_init(|| layout).clone()
            }
        };
        Ok((layout, blocks))
    }

    /// True if its text is the file byte for byte: neither compressed nor decoded.
    ///
    /// # Errors
    /// [`ExtractError`].
    pub fn is_text(&self, reading: &Reading) -> Result<bool, ExtractError> {
        Ok(self.text(reading, None)?.is_file())
    }

    fn text(
        &self,
        reading: &Reading,
        progress: Option<Arc<dyn Progress + Send>>,
    ) -> Result<Text, ExtractError> {
        let file = open_regular(&self.path, true).map_err(ExtractError::Read)?;
        let counted = Counted { file, progress };
        let encoding = if self.kept { Encoding::Utf8 } else { reading.form(self.kind).encoding };
        Text::of(BufReader::with_capacity(1 << 18, counted), encoding)
    }
}

/// Returns what tells a file from another with the same bytes, and from itself once it
/// was moved: one that comes back out of `archive/` is dropped anew.
fn mark(found: &Metadata) -> u64 {
    let parts = [found.ino().cast_signed(), found.ctime(), found.ctime_nsec()];
    let bytes = parts.map(i64::to_le_bytes).concat();
    let [a, b, c, d, e, f, g, h, ..] = Digest::of(&bytes).bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

struct Counted {
    file: File,
    progress: Option<Arc<dyn Progress + Send>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if let Some(progress) = &self.progress {
            progress.advance(count as u64);
        }
        Ok(count)
    }
}
