//! The folders of one interface in one environment: they own the files.
//!
//! Only we write below `processing`, `outbox`, `sent`, `archive`, `error`; others
//! write into `inbox`, and there we only take away. Every move is one rename.

mod claim;
mod glance;
mod inbox;
mod shelf;

pub use claim::clean_name;
pub use glance::{Glance, identity};
pub use inbox::{Seen, looked, marked, odd, settled};
pub use shelf::name_of;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::{self, failed};
use crate::domain::{drop_of_word, drop_word, rebuilt_batch};

/// How often, and how many times, a lock that is held for moments is asked for.
const BOOK_LOOK: Duration = Duration::from_millis(10);
const BOOK_LOOKS: u32 = 500;

/// The folders, and the lock.
#[derive(Clone, Debug)]
pub struct Spool {
    /// All of it.
    pub root: PathBuf,
    /// Others write here.
    pub inbox: PathBuf,
    /// Claimed, being converted.
    pub processing: PathBuf,
    /// Promised, on its way.
    pub outbox: PathBuf,
    /// Written, not yet promised.
    pub staged: PathBuf,
    /// What goes out instead of batch files: encrypted, for one endpoint each. It is made
    /// where one is wanted.
    pub encrypted: PathBuf,
    /// Delivered batch files, by day.
    pub sent: PathBuf,
    /// Extracts that were converted, by day.
    pub archive: PathBuf,
    /// Extracts that could not be read, each with its why-file.
    pub error: PathBuf,
    /// The reference extracts in force.
    pub reference: PathBuf,
    /// What people asked for while a pass was at work, a file each.
    pub requests: PathBuf,
    /// Response files of the vendor: those that were read, by day.
    pub responses: PathBuf,
    /// Response files that could not be used, each with its why-file.
    pub odd: PathBuf,
    /// Where each message stands: an index for each drop.
    pub index: PathBuf,
    /// A backfill that is to come, or under way.
    pub backfill: PathBuf,
    /// Its extracts, cut into small ones.
    pub slices: PathBuf,
}

/// The lock of a spool; it is gone with its owner.
#[derive(Debug)]
pub struct Lock(File);

/// Let go by name, not by closing alone: a program that is started at this moment (`gpg`, the
/// command of an alert) has a copy of the open file until it becomes itself, and the copy alone
/// would keep the lock, so the next pass would find an interface at work where nobody is.
impl Drop for Lock {
    fn drop(&mut self) {
        // What fails here is let go with the last copy all the same.
        let _ = self.0.unlock();
    }
}

impl Spool {
    /// Names the folders under `root`; makes none.
    pub fn at(root: &Path) -> Spool {
        Spool {
            root: root.to_path_buf(),
            inbox: root.join("inbox"),
            processing: root.join("processing"),
            outbox: root.join("outbox"),
            staged: root.join("outbox/.staged"),
            encrypted: root.join("outbox/.encrypted"),
            sent: root.join("sent"),
            archive: root.join("archive"),
            error: root.join("error"),
            reference: root.join("reference"),
            requests: root.join("requests"),
            responses: root.join("responses"),
            odd: root.join("responses/odd"),
            index: root.join("index"),
            backfill: root.join("backfill"),
            slices: root.join("backfill/slices"),
        }
    }

    /// Every folder, outer ones first.
    pub fn folders(&self) -> [&Path; 15] {
        [
            &self.root,
            &self.inbox,
            &self.processing,
            &self.outbox,
            &self.staged,
            &self.sent,
            &self.archive,
            &self.error,
            &self.reference,
            &self.requests,
            &self.responses,
            &self.odd,
            &self.index,
            &self.backfill,
            &self.slices,
        ]
    }

    /// Makes the folders that are not there, mode 0700.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn make(&self) -> disk::Result<()> {
        self.folders().into_iter().try_for_each(disk::folder)
    }

    /// Returns where the encrypted file of this final name is, for an endpoint.
    pub fn encrypted_file(&self, endpoint: &str, name: &str) -> PathBuf {
        self.encrypted.join(encrypted_name(endpoint, name))
    }

    /// Returns the ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger.db")
    }

    /// Returns the index of a drop, by its number.
    pub fn index_of(&self, drop: u64) -> PathBuf {
        match rebuilt_batch(drop) {
            None => self.index.join(format!("{drop:012}.idx")),
            Some(_) => self.index.join(format!("{}.idx", drop_word(drop))),
        }
    }

    /// Returns the numbers of the drops that have an index, oldest first.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn indexes(&self) -> disk::Result<Vec<u64>> {
        if !self.index.is_dir() {
            return Ok(Vec::new());
        }
        let names = Spool::list(&self.index)?;
        Ok(names.iter().filter_map(|name| drop_of_word(name.strip_suffix(".idx")?)).collect())
    }

    /// Returns the lock's file.
    pub fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Returns the file of the lock that a daemon holds as long as it watches.
    pub fn watch_lock_file(&self) -> PathBuf {
        self.root.join("watch.lock")
    }

    /// Returns the file of the book of incidents.
    pub fn incidents(&self) -> PathBuf {
        self.root.join("incidents.json")
    }

    /// Takes the lock, or returns `None` if another process has it.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn lock(&self) -> disk::Result<Option<Lock>> {
        take(self.lock_file())
    }

    /// Returns the file of the lock of those who write down a look at patient data.
    pub fn views_lock_file(&self) -> PathBuf {
        self.root.join("views.lock")
    }

    /// Takes that lock, or returns `None` if another process has it.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn lock_views(&self) -> disk::Result<Option<Lock>> {
        take(self.views_lock_file())
    }

    /// Takes the lock of a backfill that is being prepared; passes go on beside it.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn lock_backfill(&self) -> disk::Result<Option<Lock>> {
        take(self.backfill_lock_file())
    }

    /// Returns the file of that lock.
    pub fn backfill_lock_file(&self) -> PathBuf {
        self.root.join("backfill.lock")
    }

    /// Returns the folder of records that are converted again.
    pub fn again(&self) -> PathBuf {
        self.processing.join("again")
    }

    /// Returns a path in a folder whose name, cleaned, is free there.
    pub fn free_in(folder: &Path, name: &str) -> PathBuf {
        free_name(folder, &clean_name(name))
    }

    /// Takes the lock of a daemon; passes of others go on beside it.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn lock_watch(&self) -> disk::Result<Option<Lock>> {
        take(self.watch_lock_file())
    }

    /// Lists the regular files of a folder by name, without those that begin with a dot.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn list(folder: &Path) -> disk::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
            let entry = entry.map_err(failed("list", folder))?;
            let is_file = entry.file_type().map_err(failed("look at", &entry.path()))?.is_file();
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_file && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Lists the files of the newest day in `sent` that has any: who puts an older
    /// ledger back meets them, and looking at all of them would take longer each day.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn newest_sent(&self) -> disk::Result<Vec<String>> {
        let mut days = Spool::days(&self.sent)?;
        while let Some(day) = days.pop() {
            let names = Spool::list(&day)?;
            if !names.is_empty() {
                return Ok(names);
            }
        }
        Ok(Vec::new())
    }

    /// Lists the files of a shelf (`sent`, `archive`): those of its days' folders.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn list_shelf(shelf: &Path) -> disk::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for day in Spool::days(shelf)? {
            found.extend(Spool::list(&day)?.into_iter().map(|name| day.join(name)));
        }
        Ok(found)
    }

    /// Lists the folders of a shelf, oldest first.
    ///
    /// # Errors
    /// [`disk::DiskError`].
    pub fn days(shelf: &Path) -> disk::Result<Vec<PathBuf>> {
        let mut days = Vec::new();
        for entry in fs::read_dir(shelf).map_err(failed("list", shelf))? {
            let day = entry.map_err(failed("list", shelf))?.path();
            if day.is_dir() {
                days.push(day);
            }
        }
        days.sort();
        Ok(days)
    }
}

/// Returns the name of an encrypted file here; that of an endpoint has no dot in it.
pub fn encrypted_name(endpoint: &str, name: &str) -> String {
    format!("{endpoint}.{name}")
}

/// Takes the lock of this file, if it is free.
fn take(path: PathBuf) -> disk::Result<Option<Lock>> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(err)) => return Err(failed("lock", &path)(err)),
    }
    // Whose lock it is, for people; the lock itself is the kernel's.
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(failed("write", &path))?;
    Ok(Some(Lock(file)))
}

/// Takes the lock of the book of incidents beside it: for as long as a small file is read
/// and written, so whoever has it is waited for.
///
/// # Errors
/// [`disk::DiskError`], also when it is not to be had for long.
pub fn lock_book(book: &Path) -> disk::Result<Lock> {
    let path = book.with_extension("lock");
    for _ in 0..BOOK_LOOKS {
        if let Some(lock) = take(path.clone())? {
            return Ok(lock);
        }
        std::thread::sleep(BOOK_LOOK);
    }
    Err(failed("lock", &path)(std::io::ErrorKind::WouldBlock.into()))
}

/// Returns `folder/name`, or with a number before its extension the first that is free.
fn free_name(folder: &Path, name: &str) -> PathBuf {
    let (stem, extension) = match name.find('.').filter(|at| *at > 0) {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    };
    let numbered = (2_u32..).map(|count| folder.join(format!("{stem}-{count}{extension}")));
    let mut names = std::iter::once(folder.join(name)).chain(numbered);
    names.find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_book_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let book = folder.path().join("incidents.json");
        let lock = lock_book(&book).unwrap();
        let err = lock_book(&book).unwrap_err();
        assert_eq!(err.source_error().kind(), std::io::ErrorKind::WouldBlock);
        let second = std::thread::scope(|scope| {
            let waits = scope.spawn(|| lock_book(&book).is_ok());
            drop(lock);
            waits.join().unwrap()
        });
        assert!(second, "it was let go");
    }

    #[test]
    fn where_no_index_was_ever_made_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::at(folder.path());
        assert_eq!(spool.indexes().unwrap(), [0; 0]);
        spool.make().unwrap();
        for drop in [7, 12] {
            disk::write(&spool.index_of(drop), b"x").unwrap();
        }
        disk::write(&spool.index.join("notes.txt"), b"x").unwrap();
        assert_eq!(spool.indexes().unwrap(), [7, 12]);
    }

    #[test]
    fn a_program_that_is_just_being_started_keeps_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::at(folder.path());
        let lock = spool.lock().unwrap().unwrap();
        // What a process between fork and exec has of it.
        let copy = lock.0.try_clone().unwrap();
        assert!(spool.lock().unwrap().is_none(), "it is held");
        drop(lock);
        assert!(spool.lock().unwrap().is_some(), "whoever held it is gone");
        drop(copy);
    }
}
