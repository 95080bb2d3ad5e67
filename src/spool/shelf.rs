//! Where files come to rest: `sent`, `archive`, `error`.
//!
//! A shelf never overwrites: a second file of a name gets a number.

use std::path::{Path, PathBuf};

use super::{Spool, free_name};
use crate::disk;

impl Spool {
    /// Puts a delivered batch file on its shelf.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn shelve_sent(&self, file: &Path, day: &str) -> disk::Result<PathBuf> {
        shelve(file, &self.sent.join(day))
    }

    /// Puts a converted extract on its shelf.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn shelve_archive(&self, file: &Path, day: &str) -> disk::Result<PathBuf> {
        shelve(file, &self.archive.join(day))
    }

    /// Puts an extract that cannot be read into `error/`, its why-file first, so that
    /// no file ever lies there without one.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn shelve_error(&self, file: &Path, why: &str) -> disk::Result<PathBuf> {
        with_why(file, &self.error, &name_of(file), why)
    }

    /// Puts a response file that was read on its shelf, under the name it had.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn shelve_response(&self, file: &Path, name: &str, day: &str) -> disk::Result<PathBuf> {
        let folder = self.responses.join(day);
        disk::folder(&folder)?;
        let to = free_name(&folder, name);
        disk::shift(file, &to)?;
        Ok(to)
    }

    /// Puts a response file that cannot be used into `responses/odd/`, its why-file first.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn shelve_odd(&self, file: &Path, name: &str, why: &str) -> disk::Result<PathBuf> {
        with_why(file, &self.odd, name, why)
    }
}

fn with_why(file: &Path, folder: &Path, name: &str, why: &str) -> disk::Result<PathBuf> {
    let to = free_name(folder, name);
    let mut why_file = to.clone().into_os_string();
    why_file.push(".why.toml");
    disk::write(Path::new(&why_file), why.as_bytes())?;
    disk::shift(file, &to)?;
    Ok(to)
}

fn shelve(file: &Path, folder: &Path) -> disk::Result<PathBuf> {
    disk::folder(folder)?;
    let to = free_name(folder, &name_of(file));
    disk::shift(file, &to)?;
    Ok(to)
}

/// Returns the name of a file, as far as it is text; none is an empty one.
pub fn name_of(file: &Path) -> String {
    file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_never_overwrites() {
        let place = tempfile::tempdir().unwrap();
        let spool = Spool::at(place.path());
        spool.make().unwrap();
        let mut names = Vec::new();
        for text in ["one", "two", "three"] {
            let file = spool.processing.join("patients.csv.gz");
            disk::write(&file, text.as_bytes()).unwrap();
            let shelved = spool.shelve_archive(&file, "2026-05-20").unwrap();
            assert_eq!(std::fs::read_to_string(&shelved).unwrap(), text);
            names.push(name_of(&shelved));
        }
        assert_eq!(names, ["patients.csv.gz", "patients-2.csv.gz", "patients-3.csv.gz"]);
    }

    #[test]
    fn no_file_lies_in_error_without_its_reason() {
        let place = tempfile::tempdir().unwrap();
        let spool = Spool::at(place.path());
        spool.make().unwrap();
        for name in ["a.csv", "a-2.csv"] {
            let file = spool.processing.join("a.csv");
            disk::write(&file, b"x").unwrap();
            spool.shelve_error(&file, "what = \"x\"\n").unwrap();
            assert!(spool.error.join(format!("{name}.why.toml")).exists());
        }
        assert_eq!(Spool::list(&spool.error).unwrap().len(), 4);
    }
}
