//! Extracts that come through the page: into the inbox, whole or not at all.
//!
//! Each file is written under a name that no pass takes. When all of them are there to
//! the last byte they get their names; one that is given up leaves nothing.

use std::path::PathBuf;

use super::error::EngineError;
use super::pass::Engine;
use crate::crashpoint::crashpoint;
use crate::digest::{Digest, Digester};
use crate::disk::{self, NewFile, failed};
use crate::domain::{ExtractKind, is_unfinished};
use crate::spool::Spool;

/// Names of unfinished uploads begin so: with a dot, which no pass takes.
const BEFORE: &str = ".upload-";

/// ... and end so.
const BEHIND: &str = ".part";

/// No file system takes longer names, with what stands around them.
const NAME_BYTES_MAX: usize = 200;

/// Files on their way into the inbox. Dropped without [`Upload::finish`], it takes them
/// away again.
pub struct Upload<'a> {
    engine: &'a Engine,
    files: Vec<Uploaded>,
    open: Option<(NewFile, Digester)>,
}

/// One file of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Its name in the inbox.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Of its bytes; the ledger knows the extract by it.
    pub digest: Digest,
    part: PathBuf,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Its name.
    #[error("{0}")]
    Name(String),
    /// The machine.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<disk::DiskError> for UploadError {
    fn from(err: disk::DiskError) -> UploadError {
        UploadError::Engine(err.into())
    }
}

impl Engine {
    /// Begins an upload.
    ///
    /// # Errors
    /// The disk's.
    pub fn upload(&self) -> Result<Upload<'_>, EngineError> {
        self.spool.make()?;
        Ok(Upload { engine: self, files: Vec::new(), open: None })
    }

    /// Takes away what uploads left that a crash ended. Only for who alone takes uploads.
    ///
    /// # Errors
    /// The disk's.
    pub fn clear_uploads(&self) -> Result<(), EngineError> {
        let inbox = &self.spool.inbox;
        let Ok(entries) = std::fs::read_dir(inbox) else { return Ok(()) };
        for entry in entries {
            let entry = entry.map_err(failed("list", inbox))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(BEFORE) && name.ends_with(BEHIND) {
                disk::remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Upload<'_> {
    /// Begins the next file, under the name that it had where it came from.
    ///
    /// # Errors
    /// [`UploadError::Name`] if no pass would take it, or one of that name waits.
    pub fn file(&mut self, name: &str) -> Result<(), UploadError> {
        self.end()?;
        let name = self.checked(name)?;
        let part = self.engine.spool.inbox.join(format!("{BEFORE}{}{BEHIND}", unique()?));
        let file = disk::create(&part)?;
        self.open = Some((file, Digester::default()));
        self.files.push(Uploaded { name, bytes: 0, digest: Digest::of(b""), part });
        Ok(())
    }

    /// Writes the next bytes of the file begun last.
    ///
    /// # Errors
    /// The disk's, a full one among them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let (Some((file, digester)), Some(last)) = (&mut self.open, self.files.last_mut()) else {
            return Ok(());
        };
        file.write(bytes)?;
        digester.update(bytes);
        last.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Ends the last file; returns all of them. They are whole on the disk and not in the
    /// inbox yet.
    ///
    /// # Errors
    /// The disk's.
    pub fn whole(&mut self) -> Result<&[Uploaded], UploadError> {
        self.end()?;
        Ok(&self.files)
    }

    /// Puts all files into the inbox, each at one instant, with their markers where the
    /// interface waits for those.
    ///
    /// # Errors
    /// [`UploadError::Name`] if one of that name came meanwhile; the others stay out too,
    /// but for those that are in already.
    pub fn finish(mut self) -> Result<Vec<Uploaded>, UploadError> {
        self.end()?;
        let inbox = &self.engine.spool.inbox;
        for file in &self.files {
            free(&self.engine.spool, &file.name)?;
        }
        crashpoint("upload.before").map_err(failed("move", inbox))?;
        for file in &self.files {
            match disk::shift_new(&file.part, &inbox.join(&file.name)) {
                Err(err) if err.is_exists() => return Err(waits(&file.name)),
                other => other?,
            }
            let marker = &self.engine.agreement.scope.pickup.done_marker;
            if !marker.is_empty() {
                disk::write(&inbox.join(format!("{}{marker}", file.name)), b"")?;
            }
        }
        crashpoint("upload.after").map_err(failed("move", inbox))?;
        Ok(std::mem::take(&mut self.files))
    }

    fn end(&mut self) -> Result<(), UploadError> {
        if let (Some((file, digester)), Some(last)) = (self.open.take(), self.files.last_mut()) {
            file.finish()?;
            last.digest = digester.finish();
        }
        Ok(())
    }

    /// Returns the name under which a pass will take the file.
    fn checked(&self, given: &str) -> Result<String, UploadError> {
        // Some browsers send the whole path.
        let name = given.rsplit(['/', '\\']).next().unwrap_or_default().trim().to_string();
        let wrong = |what: String| Err(UploadError::Name(what));
        if name.is_empty() {
            return wrong("choose a file first".to_string());
        }
        if name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return wrong("the file's name is too long, or holds control characters".to_string());
        }
        let shown = shown(&name);
        if name.starts_with('.') || is_unfinished(&name) {
            return wrong(format!("{shown}: files of such a name are never taken; rename it"));
        }
        let scope = &self.engine.agreement.scope;
        let kinds: Vec<ExtractKind> = ExtractKind::ALL
            .into_iter()
            .filter(|kind| scope.files[kind].iter().any(|pattern| pattern.matches(&name)))
            .collect();
        if kinds.is_empty() {
            let patterns: Vec<&str> =
                scope.files.values().flatten().map(|one| one.as_str()).collect();
            return wrong(format!(
                "{shown}: no pattern of the interface takes a file of that name; it takes {}",
                patterns.join(", ")
            ));
        }
        if self.files.iter().any(|file| file.name == name) {
            return wrong(format!("{shown} was chosen twice"));
        }
        free(&self.engine.spool, &name)?;
        Ok(name)
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        self.open = None;
        for file in &self.files {
            if let Err(err) = disk::remove(&file.part) {
                log::error!("an upload that was given up: {err}");
            }
        }
    }
}

/// Two people may upload at the same time.
fn unique() -> Result<String, UploadError> {
    let mut bytes = [0; 8];
    let random = getrandom::fill(&mut bytes).map_err(std::io::Error::other);
    random.map_err(failed("name a file in", std::path::Path::new("inbox/")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn free(spool: &Spool, name: &str) -> Result<(), UploadError> {
    match spool.inbox.join(name).symlink_metadata() {
        Ok(_) => Err(waits(name)),
        Err(_) => Ok(()),
    }
}

fn waits(name: &str) -> UploadError {
    UploadError::Name(format!(
        "a file {} is in the inbox already and not taken yet; wait for the next run, or give \
         this one another name",
        shown(name)
    ))
}

fn shown(name: &str) -> String {
    name.chars().filter(|char| !char.is_control()).take(80).collect()
}
