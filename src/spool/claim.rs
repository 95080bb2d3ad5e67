//! Taking a file out of the inbox.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Seen, Spool, free_name};
use crate::disk::{self, failed};
use crate::domain::ExtractKind;

/// A file that is being copied in; nothing lists it.
const HALF: &str = ".claimed.new";

/// Returns a name that is safe in a folder, a log line and a shell: what is neither
/// letter, digit, `-`, `_` nor `.` becomes `_`.
pub fn clean_name(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|char| if char.is_alphanumeric() || "-_.".contains(char) { char } else { '_' })
        .take(120)
        .collect();
    clean.trim_start_matches('.').to_string()
}

impl Spool {
    /// Claims a file with one rename; from then on it is ours alone. It waits in the
    /// folder of its kind, since its cleaned name may match no pattern any more.
    ///
    /// An inbox on another file system (a share that is mounted there) allows no such rename:
    /// then the file is copied and removed. False if it was written to meanwhile; then it stays.
    /// A crash in between leaves both, and the same bytes are taken in once.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn claim(&self, seen: &Seen, kind: ExtractKind) -> disk::Result<bool> {
        let folder = self.processing.join(kind.word());
        disk::folder(&folder)?;
        let from = self.inbox.join(&seen.name);
        let to = free_name(&folder, &clean_name(&seen.name));
        match disk::shift(&from, &to) {
            Err(err) if err.is_elsewhere() => return bring(&from, seen, &to, &folder),
            shifted => shifted?,
        }
        if let Err(err) = disk::make_private(&to) {
            // Another user's file: the folder around it is private all the same.
            log::debug!("{err}");
        }
        Ok(true)
    }

    /// Returns the claimed files of a kind, oldest first, then by name.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn claimed(&self, kind: ExtractKind) -> disk::Result<Vec<PathBuf>> {
        let folder = self.processing.join(kind.word());
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for name in Spool::list(&folder)? {
            let path = folder.join(name);
            let modified = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
            found.push((modified.map_err(failed("look at", &path))?, path));
        }
        found.sort();
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

/// Copies a file in, and takes it away where it was; see [`Spool::claim`].
fn bring(from: &Path, seen: &Seen, to: &Path, folder: &Path) -> disk::Result<bool> {
    let half = folder.join(HALF);
    disk::copy_in(from, &half)?;
    // What was copied is what had settled, or somebody writes on.
    if !seen.is_still(from) || !seen.has_size_of(&half) {
        disk::remove(&half)?;
        return Ok(false);
    }
    disk::shift(&half, to)?;
    disk::remove(from)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_before_they_are_ours() {
        assert_eq!(clean_name("patients 2026.csv"), "patients_2026.csv");
        assert_eq!(clean_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(clean_name("a\u{1b}[31m\nb"), "a__31m_b");
    }

    /// What [`bring`] does with a file that was changed after it was seen.
    fn brought(change: impl Fn(&Path)) -> (bool, Vec<String>, Vec<String>) {
        let place = tempfile::tempdir().unwrap();
        let (share, folder) = (place.path().join("share"), place.path().join("ours"));
        [&share, &folder].into_iter().for_each(|folder| disk::folder(folder).unwrap());
        let from = share.join("a.csv");
        disk::write(&from, b"one").unwrap();
        let seen = super::super::looked(&share).unwrap().remove(0);
        change(&from);
        let brought = bring(&from, &seen, &folder.join("a.csv"), &folder).unwrap();
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            entries.map(|one| one.unwrap().file_name().into_string().unwrap()).collect()
        };
        (brought, names(&share), names(&folder))
    }

    #[test]
    fn what_was_written_to_while_it_was_copied_stays_and_nothing_of_it_is_ours() {
        let (here, none) = (vec!["a.csv".to_string()], Vec::<String>::new());
        assert_eq!(brought(|_| {}), (true, none.clone(), here.clone()));
        let grown = |path: &Path| {
            let mut file = disk::append(path, 3).unwrap();
            file.write(b", two").unwrap();
        };
        assert_eq!(brought(grown), (false, here.clone(), none.clone()));
        let rewritten = |path: &Path| {
            disk::remove(path).unwrap();
            disk::write(path, b"two").unwrap();
        };
        assert_eq!(brought(rewritten), (false, here, none), "as long, and another file");
    }
}
