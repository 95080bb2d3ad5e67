//! A copy of an extract's text that lies beside it while a drop is read: of one that is
//! compressed or no UTF-8, and in which records are looked up.

use std::path::{Path, PathBuf};

use super::error::EngineError;
use crate::disk::{self, NewFile};

/// Name of the plain copy of a patients extract that is compressed or no UTF-8.
pub(super) const PLAIN: &str = ".patients.plain";

/// A copy of an extract's text; removed when it is dropped.
pub(super) struct Plain {
    pub(super) path: PathBuf,
    file: Option<NewFile>,
    pub(super) base: Option<u64>,
}

impl Plain {
    pub(super) fn create(scratch: &Path) -> Result<Plain, EngineError> {
        let path = scratch.join(PLAIN);
        disk::remove(&path)?;
        let file = Some(disk::create(&path)?);
        Ok(Plain { path, file, base: None })
    }

    pub(super) fn add(&mut self, offset: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.base.get_or_insert(offset);
        match &mut self.file {
            Some(file) => Ok(file.write(bytes)?),
            None => Ok(()),
        }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.file = None;
        // What is left behind by a crash goes with the next one of its name.
        if let Err(err) = disk::remove(&self.path) {
            log::warn!("{err}");
        }
    }
}
