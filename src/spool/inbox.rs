//! What lies in the inbox, and whether it has settled (`delivery.md` section 2).
//!
//! A file is taken only after two looks agree on its size, times and identity. Only
//! regular files count: a symlink, FIFO, device or folder is left where it is.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::disk::{self, failed};
use crate::domain::is_unfinished;

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

impl Seen {
    fn of(name: String, found: &fs::Metadata) -> Seen {
        let modified = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        Seen { name, bytes: found.len(), modified, identity: (found.dev(), found.ino()) }
    }

    /// True if a look at the file finds the same once more.
    pub(super) fn is_still(&self, path: &Path) -> bool {
        let found = path.symlink_metadata();
        found.is_ok_and(|found| Seen::of(self.name.clone(), &found) == *self)
    }

    /// True if a file has as many bytes.
    pub(super) fn has_size_of(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok_and(|found| found.len() == self.bytes)
    }
}

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
        // A file can be gone between the listing and the look.
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if name.starts_with('.') || is_unfinished(&name) || !metadata.is_file() {
            continue;
        }
        seen.push(Seen::of(name, &metadata));
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

/// Returns the files that have a marker beside them, `patients.csv.done`, and those that
/// have none yet. A marker whose file is gone is removed: a crash after the claim left it,
/// and it would speak for the next file of that name before that is whole.
///
/// # Errors
/// [`disk::DiskError`].
pub fn marked(inbox: &Path, marker: &str) -> disk::Result<(Vec<Seen>, Vec<Seen>)> {
    let is_marker = |seen: &Seen| seen.name.len() > marker.len() && seen.name.ends_with(marker);
    let (markers, files): (Vec<Seen>, Vec<Seen>) = looked(inbox)?.into_iter().partition(is_marker);
    let mut named = HashSet::new();
    for found in &markers {
        let file = &found.name[..found.name.len() - marker.len()];
        // The file came first, so it is there if it ever was, listed or not.
        if inbox.join(file).symlink_metadata().is_err() {
            disk::remove(&inbox.join(&found.name))?;
        }
        named.insert(file);
    }
    Ok(files.into_iter().partition(|seen| named.contains(seen.name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_whose_names_are_text_are_looked_at_oldest_first() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let odd_bytes = place.path().join(OsStr::from_bytes(b"pat\xffents.csv"));
        disk::write(&odd_bytes, b"x").unwrap();
        for (name, seconds) in [("b.csv", 5), ("a.csv", 5), ("z.csv", 4), (".c.csv", 3)] {
            disk::write(&at(name), b"x").unwrap();
            let file = fs::File::options().write(true).open(at(name)).unwrap();
            let then = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_modified(then).unwrap();
        }
        disk::folder(&at("folder")).unwrap();
        disk::folder(&at(".folder")).unwrap();
        std::os::unix::fs::symlink(at("a.csv"), at("link.csv")).unwrap();
        let names: Vec<_> =
            looked(place.path()).unwrap().into_iter().map(|seen| seen.name).collect();
        assert_eq!(names, ["z.csv", "a.csv", "b.csv"]);
        assert_eq!(odd(place.path()).unwrap(), ["folder", "link.csv"]);
        assert!(odd_bytes.exists(), "it is left alone");
    }

    #[test]
    fn what_is_the_same_at_both_looks_has_settled() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(settled(place.path(), Duration::MAX).unwrap(), (vec![], vec![]), "no wait");
        let at = |name: &str| place.path().join(name);
        ["still.csv", "grows.csv"].iter().for_each(|name| disk::write(&at(name), b"x").unwrap());
        let over = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::SeqCst;
        let (ready, moving) = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut bytes = 1;
                while !over.load(order) {
                    let mut file = disk::append(&at("grows.csv"), bytes).unwrap();
                    file.write(b"x").unwrap();
                    bytes += 1;
                }
            });
            let looks = settled(place.path(), Duration::from_secs(1));
            over.store(true, order);
            looks.unwrap()
        });
        let names = |seen: Vec<Seen>| seen.into_iter().map(|seen| seen.name).collect::<Vec<_>>();
        assert_eq!(
            (names(ready), names(moving)),
            (vec!["still.csv".into()], vec!["grows.csv".into()])
        );
    }

    #[test]
    fn a_marker_speaks_for_its_file_and_for_no_later_one() {
        let place = tempfile::tempdir().unwrap();
        let put = |name: &str| disk::write(&place.path().join(name), b"x").unwrap();
        ["a.csv", "b.csv", "b.csv.done", "c.csv.done", ".done"].into_iter().for_each(put);
        let names = |seen: Vec<Seen>| seen.into_iter().map(|seen| seen.name).collect::<Vec<_>>();
        let (ready, waiting) = marked(place.path(), ".done").unwrap();
        assert_eq!((names(ready), names(waiting)), (vec!["b.csv".into()], vec!["a.csv".into()]));
        assert!(!place.path().join("c.csv.done").exists());
        put("c.csv");
        let (ready, _) = marked(place.path(), ".done").unwrap();
        assert_eq!(names(ready), ["b.csv"]);
    }
}
