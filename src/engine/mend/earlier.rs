//! Where a batch file of the past is, and the control IDs it was transmitted with first.

use std::path::PathBuf;

use super::segments::{Segments, field};
use crate::batch::Earlier;
use crate::digest::Digest;
use crate::disk::failed;
use crate::domain::Kind;
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::ledger::BatchRow;

impl Engine {
    /// Returns the file of a batch, which must be as it was promised.
    pub(super) fn whole_batch(&self, batch: &BatchRow) -> Result<PathBuf, EngineError> {
        let Some(path) = self.batch_file(batch)? else {
            return Err(EngineError::Refused {
                what: format!(
                    "the file of {} is kept no more; restore it from a backup into sent/, or \
                     drop its extracts again",
                    batch.name
                ),
            });
        };
        let mut file = std::fs::File::open(&path).map_err(failed("open", &path))?;
        let (digest, _) = Digest::of_reader(&mut file).map_err(failed("read", &path))?;
        if digest != batch.digest {
            return Err(EngineError::Altered { file: batch.name.clone() });
        }
        Ok(path)
    }
}

/// Reads the control IDs that a batch file, or the one it was made of, had when it was
/// transmitted first.
///
/// # Errors
/// Those of the disk.
pub fn earlier(path: &std::path::Path) -> Result<Earlier, EngineError> {
    let (mut segments, mut segment) = (Segments::open(path)?, Vec::new());
    let mut earlier = Earlier::default();
    while segments.next(&mut segment)? {
        let first = || {
            let before = field(&segment, 12);
            let id = if before.is_empty() { field(&segment, 11) } else { before };
            String::from_utf8_lossy(id).into_owned()
        };
        match segment.get(..3) {
            Some(b"FHS") => earlier.file = first(),
            Some(b"BHS") => {
                let siu = field(&segment, 9) == b"SIU";
                let kind = if siu { Kind::Appointment } else { Kind::Patient };
                earlier.batches.entry(kind).or_insert_with(first);
            }
            _ => {}
        }
    }
    Ok(earlier)
}
