//! A cheap look from outside: is it as it was? It says no word about what is there.

use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a look saw; the default is nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance(u64);

impl Glance {
    /// Looks at the names in a folder, their sizes and times, in any order.
    pub fn of(folder: &Path) -> Glance {
        let Ok(entries) = fs::read_dir(folder) else { return Glance::default() };
        let seen = entries.filter_map(Result::ok).map(|entry| {
            // A file can be gone between the listing and the look.
            let metadata = entry.metadata().ok();
            hash(&(entry.file_name(), metadata.as_ref().map(stamp)))
        });
        Glance(seen.fold(0, u64::wrapping_add))
    }

    /// Looks at one file.
    pub fn of_file(path: &Path) -> Glance {
        fs::symlink_metadata(path)
            .map_or_else(|_| Glance::default(), |metadata| Glance(hash(&stamp(&metadata))))
    }
}

/// Returns which folder stands under this name, if one does.
pub fn identity(folder: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(folder).ok()?;
    Some((found.dev(), found.ino()))
}

fn stamp(metadata: &Metadata) -> (u64, u64, i64, i64) {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;

    #[test]
    fn what_changed_looks_otherwise_and_what_did_not_looks_the_same() {
        let place = tempfile::tempdir().unwrap();
        let look = || Glance::of(place.path());
        assert_eq!(look(), Glance::default());
        disk::write(&place.path().join("a"), b"x").unwrap();
        disk::write(&place.path().join("b"), b"y").unwrap();
        let two = look();
        assert_eq!(look(), two);
        disk::write(&place.path().join("b"), b"yy").unwrap();
        assert_ne!(look(), two);
        for name in ["a", "b"] {
            disk::remove(&place.path().join(name)).unwrap();
        }
        assert_eq!(look(), Glance::default());
        assert_eq!(Glance::of_file(&place.path().join("a")), Glance::default());
    }
}
