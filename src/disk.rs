//! Durable writes and moves: the only file that creates, renames and removes.
//!
//! Everything here is durable when it returns: the file synced, and the folder
//! that names it. A sync that failed is never tried again, since the second one
//! can say "done" about pages the first one lost; it comes back as
//! [`DiskError::NotDurable`], and the process ends without reporting anything
//! as done.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::crashpoint::crashpoint;

/// A file system operation that did not work.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The operation failed and changed nothing that counts.
    #[error("{what} {}: {err}", path.display())]
    Failed {
        /// The operation, as a verb.
        what: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// Why it failed.
        err: io::Error,
    },
    /// Nothing can be said about what is on the disk.
    #[error("{} could not be made durable: {err}", path.display())]
    NotDurable {
        /// The file or folder that was synced.
        path: PathBuf,
        /// Why the sync failed.
        err: io::Error,
    },
}

impl DiskError {
    /// Returns the error that the system gave.
    pub fn source_error(&self) -> &io::Error {
        match self {
            DiskError::Failed { err, .. } | DiskError::NotDurable { err, .. } => err,
        }
    }

    /// True where the target of a move existed already.
    pub fn is_exists(&self) -> bool {
        self.source_error().kind() == io::ErrorKind::AlreadyExists
    }

    /// True where a file cannot be moved to another file system.
    pub fn is_elsewhere(&self) -> bool {
        self.source_error().kind() == io::ErrorKind::CrossesDevices
    }

    /// True where the disk is full or the quota is used up.
    pub fn is_full(&self) -> bool {
        let kind = self.source_error().kind();
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// The result of a disk operation.
pub type Result<T> = std::result::Result<T, DiskError>;

/// Names the operation and the path of a failed call.
pub fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    move |err| DiskError::Failed { what, path: path.to_path_buf(), err }
}

/// Returns what was read of a file; none if there is no such file.
///
/// # Errors
/// [`DiskError::Failed`] if it is there and could not be read.
pub fn if_there<T>(path: &Path, read: io::Result<T>) -> Result<Option<T>> {
    match read {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(failed("read", path)),
    }
}

/// A new file that is being written; see [`create`].
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
}

/// Creates a file of ours (mode 0600) that must not exist yet.
///
/// # Errors
/// [`DiskError::Failed`] if it exists or cannot be created.
pub fn create(path: &Path) -> Result<NewFile> {
    crashpoint("disk.create").map_err(failed("create", path))?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed("create", path))?;
    Ok(NewFile { file, path: path.to_path_buf() })
}

/// Creates a file that must not exist yet and that the folder's group may read
/// (mode 0640, whatever the umask): others pick it up from there.
///
/// # Errors
/// As [`create`].
pub fn create_shared(path: &Path) -> Result<NewFile> {
    let new = create(path)?;
    // A share without modes refuses: there whoever mounted it said who reads.
    let _ = new.file.set_permissions(Permissions::from_mode(0o640));
    Ok(new)
}

/// Opens a file of ours to write on from byte `at`, and makes it if there is none; what
/// stands behind `at` is cut off.
///
/// # Errors
/// [`DiskError::Failed`].
pub fn append(path: &Path, at: u64) -> Result<NewFile> {
    crashpoint("disk.append").map_err(failed("open", path))?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed("open", path))?;
    let mut file = NewFile { file, path: path.to_path_buf() };
    file.cut(at)?;
    Ok(file)
}

impl NewFile {
    /// Writes the next bytes.
    ///
    /// # Errors
    /// [`DiskError::Failed`], a full disk among its reasons.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        crashpoint("disk.write").map_err(failed("write", &self.path))?;
        self.file.write_all(bytes).map_err(failed("write", &self.path))
    }

    /// Cuts the file back to `len` bytes; the next write goes there.
    ///
    /// # Errors
    /// [`DiskError::Failed`].
    pub fn cut(&mut self, len: u64) -> Result<()> {
        use std::io::Seek;
        crashpoint("disk.cut").map_err(failed("cut", &self.path))?;
        self.file.set_len(len).map_err(failed("cut", &self.path))?;
        self.file.seek(io::SeekFrom::Start(len)).map_err(failed("cut", &self.path))?;
        Ok(())
    }

    /// Makes the file and its name durable.
    ///
    /// # Errors
    /// [`DiskError::NotDurable`].
    pub fn finish(self) -> Result<()> {
        crashpoint("disk.sync")
            .and_then(|()| self.file.sync_all())
            .map_err(|err| DiskError::NotDurable { path: self.path.clone(), err })?;
        sync_folder_of(&self.path)?;
        crashpoint("disk.written").map_err(failed("write", &self.path))
    }
}

/// Writes a whole new file and makes it durable, in place of one of that name.
///
/// # Errors
/// [`DiskError`]; half of the file may then be there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    remove(path)?;
    let mut file = create(path)?;
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    file.write(head)?;
    file.write(tail)?;
    file.finish()
}

/// Copies a file into a whole new file and makes it durable, in place of one of that name.
///
/// # Errors
/// [`DiskError`]; half of the file may then be there.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(failed("open", from))?;
    copy_from(&mut source, from, to).map(|_| ())
}

fn copy_from(source: &mut dyn Read, from: &Path, to: &Path) -> Result<u64> {
    remove(to)?;
    let mut file = create(to)?;
    let (mut buffer, mut written) = (vec![0; 1 << 18], 0);
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return file.finish().map(|()| written),
            Ok(count) => {
                file.write(&buffer[..count])?;
                written += count as u64;
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(failed("read", from)(err)),
        }
    }
}

/// Copies the first `bytes` of a file, which must have as many, as [`copy`] does.
///
/// # Errors
/// [`DiskError`]; half of the file may then be there.
pub fn copy_first(from: &Path, to: &Path, bytes: u64) -> Result<()> {
    let source = File::open(from).map_err(failed("open", from))?;
    let written = copy_from(&mut source.take(bytes), from, to)?;
    if written < bytes {
        return Err(failed("read", from)(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

/// Makes a file that somebody else wrote durable, and its name.
///
/// # Errors
/// [`DiskError`].
pub fn sync(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(failed("open", path))?;
    NewFile { file, path: path.to_path_buf() }.finish()
}

/// Opens a regular file and nothing else: a FIFO would hang its reader for ever.
///
/// # Errors
/// Those of opening; `InvalidInput` for what is no regular file.
pub fn open_regular(path: &Path, follow: bool) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK;
    if !follow {
        flags |= OFlags::NOFOLLOW;
    }
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// Copies a regular file of somebody else as [`copy`] does, with the time it was written.
///
/// # Errors
/// [`DiskError`]; half of the file may then be there.
pub fn copy_in(from: &Path, to: &Path) -> Result<()> {
    let mut source = open_regular(from, false).map_err(failed("open", from))?;
    let written = source.metadata().and_then(|found| found.modified());
    copy_from(&mut source, from, to)?;
    let copy = OpenOptions::new().write(true).open(to);
    let kept = copy.and_then(|copy| copy.set_modified(written?));
    kept.map_err(failed("date", to))
}

/// Moves a file at one instant, over a file of that name, and makes the move durable.
///
/// # Errors
/// [`DiskError`]; after [`DiskError::NotDurable`] the file is at either place.
#[expect(clippy::disallowed_methods, reason = "the one place that renames")]
pub fn shift(from: &Path, to: &Path) -> Result<()> {
    crashpoint("disk.shift").map_err(failed("move", from))?;
    fs::rename(from, to).map_err(failed("move", from))?;
    sync_move(from, to)
}

/// Moves a file at one instant to a name that must be free, and makes the move
/// durable. No link and removal: a crash between the two would leave both names, and
/// whoever takes the new one away would be given the file again.
///
/// # Errors
/// [`DiskError::is_exists`] says true if the name was taken.
#[expect(clippy::disallowed_methods, reason = "where the system cannot refuse a taken name")]
pub fn shift_new(from: &Path, to: &Path) -> Result<()> {
    crashpoint("disk.shift_new").map_err(failed("move", from))?;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // A file system that knows no such rename: look first.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if to.symlink_metadata().is_ok() {
                return Err(failed("move", to)(io::ErrorKind::AlreadyExists.into()));
            }
            fs::rename(from, to).map_err(failed("move", from))?;
        }
        Err(err) => return Err(failed("move", from)(err.into())),
    }
    sync_move(from, to)
}

/// Removes a file if it is there, and makes that durable.
///
/// # Errors
/// [`DiskError`].
pub fn remove(path: &Path) -> Result<()> {
    crashpoint("disk.remove").map_err(failed("remove", path))?;
    match fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(err) => Err(failed("remove", path)(err)),
    }
}

/// Removes a folder if nothing is in it, and makes that durable.
///
/// # Errors
/// [`DiskError`].
pub fn remove_empty(folder: &Path) -> Result<()> {
    crashpoint("disk.remove_empty").map_err(failed("remove", folder))?;
    match fs::remove_dir(folder) {
        Ok(()) => sync_folder_of(folder),
        Err(err) => match err.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound => Ok(()),
            _ => Err(failed("remove", folder)(err)),
        },
    }
}

/// Removes a scratch folder and all that is in it, if it is there. When that is durable
/// nobody asks: [`sweep`] finds it again.
///
/// # Errors
/// [`DiskError::Failed`].
pub fn clear(folder: &Path) -> Result<()> {
    if_there(folder, fs::remove_dir_all(folder)).map(|_| ())
}

/// Clears the scratch folders below `within` whose processes are no more: what was killed
/// takes nothing away. `whose` reads the number of its process off a name. What cannot be
/// removed is somebody else's.
pub fn sweep(within: &Path, whose: impl Fn(&str) -> Option<&str>) {
    for entry in fs::read_dir(within).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(&whose).and_then(|text| text.parse::<u32>().ok());
        let is_gone = |process: u32| !Path::new("/proc").join(process.to_string()).exists();
        if process.is_some_and(is_gone) {
            let _ = clear(&entry.path());
        }
    }
}

/// Makes a folder of ours (mode 0700) and those above it, if they are not there.
///
/// # Errors
/// [`DiskError`].
pub fn folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        folder(above)?;
    }
    crashpoint("disk.folder").map_err(failed("make folder", path))?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(err) if !path.is_dir() => Err(failed("make folder", path)(err)),
        // Whoever made it first may not have synced it.
        _ => sync_folder_of(path),
    }
}

/// Takes a file's permissions away from everybody but its owner.
///
/// # Errors
/// [`DiskError::Failed`], for example where the file belongs to someone else.
pub fn make_private(path: &Path) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed("protect", path))
}

/// Returns how many bytes are free for us on the file system of a folder.
///
/// # Errors
/// [`DiskError::Failed`].
pub fn free(folder: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(folder);
    let found = found.map_err(|err| failed("look at the disk of", folder)(err.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Makes the names in a folder durable, whoever made them.
///
/// # Errors
/// [`DiskError::NotDurable`].
pub fn sync_folder(folder: &Path) -> Result<()> {
    let not_durable = |err| DiskError::NotDurable { path: folder.to_path_buf(), err };
    crashpoint("disk.sync_folder")
        .and_then(|()| File::open(folder))
        .and_then(|file| file.sync_all())
        .map_err(not_durable)
}

fn sync_move(from: &Path, to: &Path) -> Result<()> {
    sync_folder_of(to)?;
    if from.parent() != to.parent() {
        sync_folder_of(from)?;
    }
    crashpoint("disk.shifted").map_err(failed("move", from))
}

fn sync_folder_of(path: &Path) -> Result<()> {
    sync_folder(match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Pieces;

    #[test]
    fn a_taken_name_is_refused_and_both_files_stay() {
        let place = tempfile::tempdir().unwrap();
        let (one, two) = (place.path().join("one"), place.path().join("two"));
        write(&one, b"1").unwrap();
        write(&two, b"2").unwrap();
        assert!(shift_new(&one, &two).unwrap_err().is_exists());
        assert_eq!(fs::read(&one).unwrap(), b"1");
        assert_eq!(fs::read(&two).unwrap(), b"2");
        shift_new(&one, &place.path().join("three")).unwrap();
        assert!(!one.exists());
    }

    #[test]
    fn what_we_make_is_ours_alone() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("a/b");
        folder(&inner).unwrap();
        write(&inner.join("c"), b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&inner.join("c"))), (0o700, 0o600));
    }

    #[test]
    fn only_folders_of_processes_that_are_gone_are_swept() {
        let place = tempfile::tempdir().unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let named = |what: String| place.path().join(what);
        let (gone, here) = (format!("x.{}", ended.id()), format!("x.{}", std::process::id()));
        for name in [&gone, &here, "x.none", "y"] {
            folder(&named(name.to_string())).unwrap();
            write(&named(name.to_string()).join("file"), b"1").unwrap();
        }
        sweep(place.path(), |name| name.strip_prefix("x."));
        assert!(!named(gone).exists());
        assert!([here, "x.none".into(), "y".into()].into_iter().all(|name| named(name).exists()));
        clear(&named("y".to_string())).unwrap();
        clear(&named("y".to_string())).unwrap();
        assert!(!named("y".to_string()).exists());
    }

    #[test]
    fn a_file_is_written_on_from_where_it_counts() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a");
        for (at, bytes) in [(0, b"one, two"), (5, b"and more")] {
            let mut file = append(&path, at).unwrap();
            file.write(bytes).unwrap();
            file.finish().unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"one, and more");
    }

    #[test]
    fn a_cut_file_goes_on_where_it_was_cut() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a");
        let mut file = create(&path).unwrap();
        file.write(b"keep, drop").unwrap();
        file.cut(4).unwrap();
        file.write(b"!").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"keep!");
    }

    #[test]
    fn a_copy_is_whole_or_an_error() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let interrupted = || Err(io::ErrorKind::Interrupted.into());
        let mut source = Pieces(vec![Ok(b"one"), interrupted(), Ok(b", two")]);
        assert_eq!(copy_from(&mut source, &at("a"), &at("b")).unwrap(), 8);
        assert_eq!(fs::read(at("b")).unwrap(), b"one, two", "an interrupted read is read again");
        let mut source = Pieces(vec![Ok(b"one"), Err(io::Error::other("a bad sector"))]);
        let err = copy_from(&mut source, &at("a"), &at("b")).unwrap_err();
        assert!(matches!(&err, DiskError::Failed { what: "read", path, .. } if *path == at("a")));

        write(&at("long"), b"12345").unwrap();
        copy_first(&at("long"), &at("short"), 3).unwrap();
        assert_eq!(fs::read(at("short")).unwrap(), b"123");
        copy_first(&at("long"), &at("short"), 5).unwrap();
        let err = copy_first(&at("long"), &at("short"), 6).unwrap_err();
        assert_eq!(err.source_error().kind(), io::ErrorKind::UnexpectedEof, "it has only five");
        assert!(copy(&at("absent"), &at("short")).is_err());
        assert!(copy_first(&at("absent"), &at("short"), 1).is_err());
    }

    #[test]
    fn what_a_share_brought_keeps_its_time_and_is_a_regular_file() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        write(&at("a"), b"x").unwrap();
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        File::options().write(true).open(at("a")).unwrap().set_modified(then).unwrap();
        copy_in(&at("a"), &at("b")).unwrap();
        assert_eq!(fs::metadata(at("b")).unwrap().modified().unwrap(), then);
        std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
        assert!(copy_in(&at("link"), &at("c")).is_err(), "a link may lead anywhere");
        assert!(open_regular(&at("link"), true).is_ok(), "where a link is wanted it is followed");
        let err = open_regular(place.path(), true).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::InvalidInput);
        assert!(!at("c").exists());
    }

    #[test]
    fn only_what_is_meant_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        folder(&at("full")).unwrap();
        write(&at("full/a"), b"x").unwrap();
        remove_empty(&at("full")).unwrap();
        assert!(at("full/a").exists(), "it is not empty");
        assert!(remove(&at("full")).is_err(), "it is no file");
        assert!(remove_empty(&at("full/a")).is_err(), "it is no folder");
        remove(&at("full/a")).unwrap();
        remove_empty(&at("full")).unwrap();
        assert!(!at("full").exists());
        remove_empty(&at("full")).unwrap();
        remove(&at("full")).unwrap();
    }

    #[test]
    fn a_name_without_a_folder_is_in_the_one_we_are_in() {
        sync_folder_of(Path::new("a")).unwrap();
        sync_folder_of(Path::new("/")).unwrap();
    }

    #[test]
    fn what_the_system_refuses_is_an_error_that_names_step_and_path() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        write(&at("file"), b"x").unwrap();
        let said = |err: DiskError| {
            let text = err.to_string().replace(place.path().to_str().unwrap(), "");
            text.split(':').next().unwrap().to_string()
        };
        assert_eq!(said(folder(&at("file/below")).unwrap_err()), "make folder /file");
        assert_eq!(said(shift(&at("none"), &at("b")).unwrap_err()), "move /none");
        assert_eq!(said(shift_new(&at("none"), &at("b")).unwrap_err()), "move /none");
        assert_eq!(said(append(&at("none/a"), 0).unwrap_err()), "open /none/a");
        assert_eq!(said(sync(&at("none")).unwrap_err()), "open /none");
        assert_eq!(said(make_private(&at("none")).unwrap_err()), "protect /none");
        assert_eq!(said(free(&at("none")).unwrap_err()), "look at the disk of /none");
        let err = sync_folder(&at("none")).unwrap_err();
        assert!(matches!(&err, DiskError::NotDurable { .. }), "nothing can be said of it");
        assert_eq!(said(err), "/none could not be made durable");
        assert!(if_there(&at("none"), fs::read(at("none"))).unwrap().is_none());
        assert!(if_there(place.path(), fs::read(place.path())).is_err());
        assert!(free(place.path()).unwrap() > 1 << 20, "there is room, and it is counted in bytes");
        for (kind, full) in [
            (io::ErrorKind::StorageFull, true),
            (io::ErrorKind::QuotaExceeded, true),
            (io::ErrorKind::PermissionDenied, false),
        ] {
            assert_eq!(failed("write", place.path())(kind.into()).is_full(), full, "{kind}");
        }
    }
}
