//! What lies in the inbox, and whether it has settled (`delivery.md` section 2).
//!
//! A file is taken only after two looks agree on its size, times and identity. Only
//! regular files count: a symlink, FIFO, device or folder is left where it is.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::disk::{self, failed};

/// One look at one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name; only names that are text are taken.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was written last, nanoseconds since 1970.
    pub modified: i128,
    /// Which file it is.
    identity: (u64, u64),
}

/// Names that exporters and copying programs use while they write.
const UNFINISHED: &[&str] = &[".part", ".tmp", ".filepart", ".partial", ".swp", "~"];

/// Looks at the inbox: its regular files, oldest first, then by name.
///
/// # Errors
/// [`disk::DiskError`].
pub fn looked(inbox: &Path) -> disk::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for entry in fs::read_dir(inbox).map_err(failed("list", inbox))? {
        let entry = entry.map_err(failed("list", inbox))?;
        let Ok(name) = entry.file_name().into_string() else {
            log::warn!("inbox: a file whose name is not text is left alone; rename it");
            continue;
        };
        let unfinished = UNFINISHED.iter().any(|end| name.to_ascii_lowercase().ends_with(end));
        // A file can be gone between the listing and the look.
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if name.starts_with('.') || unfinished || !metadata.is_file() {
            continue;
        }
        seen.push(Seen {
            name,
            bytes: metadata.len(),
            modified: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
            identity: (metadata.dev(), metadata.ino()),
        });
    }
    seen.sort_by(|one, other| (one.modified, &one.name).cmp(&(other.modified, &other.name)));
    Ok(seen)
}

/// Returns the names of what is no regular file and will never be taken: a FIFO would
/// hang its reader, a link may lead anywhere. Names that begin with a dot are nobody's.
///
/// # Errors
/// [`disk::DiskError`].
pub fn odd(inbox: &Path) -> disk::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(inbox).map_err(failed("list", inbox))? {
        let entry = entry.map_err(failed("list", inbox))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A file can be gone between the listing and the look.
        let is_file = entry.file_type().map_or(true, |kind| kind.is_file());
        if !is_file && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Looks twice, `settle` apart, and returns what both looks agree on, and what is
/// still being written. A `settle` of zero looks once.
///
/// # Errors
/// [`disk::DiskError`].
pub fn settled(inbox: &Path, settle: Duration) -> disk::Result<(Vec<Seen>, Vec<Seen>)> {
    let first = looked(inbox)?;
    if first.is_empty() || settle.is_zero() {
        return Ok((first, Vec::new()));
    }
    std::thread::sleep(settle);
    let second = looked(inbox)?;
    Ok(second.into_iter().partition(|seen| first.contains(seen)))
}
