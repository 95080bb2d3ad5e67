//! Delivery into a folder on this machine or on a mounted share.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::announced::Announced;
use super::{Delivery, DeliveryError, Listed, Result, Server, copied};
use crate::digest::Digest;
use crate::disk::{self, DiskError};

/// What is read and written at a time.
const BLOCK_BYTES: usize = 256 * 1024;

/// A folder that the vendor picks up from. Files get mode 0640: the group of the folder
/// reads them, others do not.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Looks at the folder; it is never made.
    ///
    /// # Errors
    /// [`DeliveryError::NoFolder`], [`DeliveryError::Denied`].
    pub fn open(root: &Path) -> Result<Folder> {
        // For receipts: the folder as the system knows it, without `..`.
        let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        let folder = Folder { root };
        match fs::metadata(&folder.root) {
            Ok(found) if found.is_dir() => folder.synced(),
            Ok(_) => Err(folder.no_folder()),
            Err(err) => Err(folder.failed("look at", "", &err)),
        }
    }

    /// A run that ended between a rename and its sync left a name that is seen and
    /// may not be on the disk: nobody may take it for delivered before it is.
    fn synced(self) -> Result<Folder> {
        match disk::sync_folder(&self.root) {
            Ok(()) => Ok(self),
            // It cannot be synced, or not by us; a rename will say so.
            Err(err)
                if matches!(
                    err.source_error().kind(),
                    ErrorKind::InvalidInput | ErrorKind::PermissionDenied
                ) =>
            {
                Ok(self)
            }
            Err(err) => Err(self.failed("sync", "", err.source_error())),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// With the folder's number: where a share is not mounted, an empty folder of the
    /// same name is not the place.
    fn place(&self) -> String {
        let number = fs::metadata(&self.root).map_or(0, |found| found.ino());
        format!("folder {} (inode {number})", self.address())
    }

    fn address(&self) -> String {
        self.root.display().to_string()
    }

    fn no_folder(&self) -> DeliveryError {
        DeliveryError::NoFolder { server: "this machine".to_string(), path: self.address() }
    }

    /// Gives an error of the system its class.
    fn failed(&self, step: &'static str, name: &str, err: &io::Error) -> DeliveryError {
        let (server, path) = (self.address(), self.path(name));
        match err.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory if !self.root.is_dir() => {
                self.no_folder()
            }
            ErrorKind::NotFound => DeliveryError::NotFound { path },
            ErrorKind::AlreadyExists => DeliveryError::Exists { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                DeliveryError::Denied { server, step, path }
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                DeliveryError::Full { server, path }
            }
            _ => DeliveryError::Lost { server, step, what: err.to_string() },
        }
    }

    fn on_disk(&self, step: &'static str, name: &str) -> impl Fn(DiskError) -> DeliveryError {
        move |err| self.failed(step, name, err.source_error())
    }

    fn open_for_reading(&self, name: &str) -> Result<File> {
        File::open(self.at(name)).map_err(|err| self.failed("read", name, &err))
    }
}

impl Delivery for Folder {
    fn server(&self) -> Server {
        Server { address: self.address(), place: self.place(), host_key: String::new() }
    }

    fn path(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn size(&mut self, name: &str) -> Result<Option<u64>> {
        match fs::metadata(self.at(name)) {
            Ok(found) => Ok(Some(found.len())),
            Err(err) => match self.failed("look at", name, &err) {
                DeliveryError::NotFound { .. } => Ok(None),
                err => Err(err),
            },
        }
    }

    fn upload(&mut self, name: &str, from: &mut dyn Read, bytes: u64) -> Result<()> {
        let mut source = Announced::new(from, bytes);
        let mut block = vec![0; BLOCK_BYTES];
        let mut count = source.next(&mut block)?;
        let mut file = disk::create_shared(&self.at(name)).map_err(self.on_disk("create", name))?;
        while count > 0 {
            file.write(&block[..count]).map_err(self.on_disk("write", name))?;
            count = source.next(&mut block)?;
        }
        file.finish().map_err(self.on_disk("sync", name))?;
        match self.size(name)? {
            Some(found) if found == bytes => Ok(()),
            found => Err(DeliveryError::WrongSize {
                server: self.address(),
                path: self.path(name),
                expected: bytes,
                found: found.unwrap_or(0),
            }),
        }
    }

    fn digest(&mut self, name: &str) -> Result<Digest> {
        let mut file = self.open_for_reading(name)?;
        let read = Digest::of_reader(&mut file);
        read.map(|(digest, _)| digest).map_err(|err| self.failed("read", name, &err))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        disk::shift_new(&self.at(from), &self.at(to)).map_err(|err| {
            let name = if err.is_exists() { to } else { from };
            self.failed("rename", name, err.source_error())
        })
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        disk::remove(&self.at(name)).map_err(self.on_disk("remove", name))
    }

    fn list(&mut self) -> Result<Vec<Listed>> {
        let failed = |err: io::Error| self.failed("list", "", &err);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Taken away between the two looks.
            let Ok(found) = entry.metadata() else { continue };
            if let (true, Ok(name)) = (found.is_file(), entry.file_name().into_string()) {
                let (bytes, modified) = (Some(found.len()), Some(found.mtime()));
                files.push(Listed { name, bytes, modified });
            }
        }
        Ok(files)
    }

    fn fetch(&mut self, name: &str, to: &mut dyn Write, limit: u64) -> Result<u64> {
        let mut file = self.open_for_reading(name)?;
        let failed = |err: &io::Error| self.failed("read", name, err);
        copied(&mut file, to, &self.path(name), limit, &failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::conform::conform;

    #[test]
    fn a_folder_conforms() {
        let place = tempfile::tempdir().unwrap();
        conform(&mut || Box::new(Folder::open(place.path()).unwrap()));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_and_not_made() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("share");
        let err = Folder::open(&root).unwrap_err();
        assert!(matches!(&err, DeliveryError::NoFolder { path, .. } if path.ends_with("/share")));
        assert!(!root.exists());

        fs::create_dir(&root).unwrap();
        let mut folder = Folder::open(&root).unwrap();
        fs::remove_dir(&root).unwrap();
        let err = folder.upload("a", &mut io::empty(), 0).unwrap_err();
        assert!(matches!(err, DeliveryError::NoFolder { .. }), "gone since: {err}");
        assert!(matches!(folder.size("a"), Err(DeliveryError::NoFolder { .. })));
    }

    #[test]
    fn a_folder_that_we_may_not_write_to_denies_by_name() {
        // Not even root makes files there.
        let mut folder = Folder::open(Path::new("/sys")).unwrap();
        let err = folder.upload("a.hl7", &mut io::empty(), 0).unwrap_err();
        let said =
            "/sys does not allow us to create /sys/a.hl7; ask the vendor for that permission";
        assert_eq!(err.to_string(), said);
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_no_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let err = Folder::open(file.path()).unwrap_err();
        assert!(matches!(err, DeliveryError::NoFolder { .. }));
    }
}
