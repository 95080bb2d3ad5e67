//! Who looked at patient data: when, and at which message.
//!
//! A file of its own beside the ledger: a drop holds the ledger's lock as long as it is
//! read, and a look must neither wait for it nor go unwritten. A line a look, each with a
//! seal over the one before, so that none can be changed or taken out unseen; synced
//! before anything is shown. It is bounded: a full file becomes `views.1.log`, in place of
//! the one before it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::error::EngineError;
use super::pass::Engine;
use crate::crashpoint::crashpoint;
use crate::digest::Digest;
use crate::disk::{self, failed};
use crate::ledger::Sign;

/// Bytes of a file that is full: some 50,000 looks.
const FULL: u64 = 8 << 20;

/// More bytes than a line has.
const LINE: u64 = 8192;

/// How often a lock of another look is tried, and how long each time.
const TRIES: (u32, Duration) = (300, Duration::from_millis(10));

/// A look at patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Who, with what, and when.
    pub sign: Sign,
    /// The message, by its name in a search; never a patient.
    pub what: String,
}

impl Engine {
    /// Takes down that somebody is about to see a message; durable when it returns.
    ///
    /// # Errors
    /// Those of the disk: then it must not be shown.
    pub fn viewed(&self, what: &str, sign: &Sign) -> Result<(), EngineError> {
        let path = self.spool.root.join("views.log");
        let _lock = self.views_lock()?;
        let read = File::open(&path).and_then(|file| end(&file));
        let (before, mut whole) = disk::if_there(&path, read)?.unwrap_or_default();
        if whole > FULL {
            disk::shift(&path, &self.spool.root.join("views.1.log"))?;
            whole = 0;
        }
        let line = json!({ "at": sign.at, "by": sign.by, "why": sign.why, "what": what });
        let line = format!("{line} {}\n", seal(&before, &line.to_string()));
        crashpoint("views.before").map_err(failed("write", &path))?;
        let mut file = disk::append(&path, whole)?;
        file.write(line.as_bytes())?;
        file.finish()?;
        crashpoint("views.after").map_err(failed("write", &path))?;
        Ok(())
    }

    /// Returns looks, newest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the disk, and a line that was changed.
    pub fn views(&self, limit: usize) -> Result<Vec<View>, EngineError> {
        let mut views = Vec::new();
        // The file before the oldest is gone, and with it what its first line follows.
        let older = self.spool.root.join("views.1.log").exists();
        let mut before = (!older).then(String::new);
        for name in ["views.1.log", "views.log"] {
            let path = self.spool.root.join(name);
            let text = disk::if_there(&path, fs::read_to_string(&path))?;
            let Some(text) = text else { continue };
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            for (at, line) in text[..whole].lines().enumerate() {
                let changed = || EngineError::ViewsChanged { file: name.to_string(), line: at + 1 };
                let (body, found) = line.rsplit_once(' ').ok_or_else(changed)?;
                if before.as_ref().is_some_and(|before| seal(before, body) != found) {
                    return Err(changed());
                }
                before = Some(found.to_string());
                views.push(read(body).ok_or_else(changed)?);
            }
        }
        views.reverse();
        views.truncate(limit);
        Ok(views)
    }

    fn views_lock(&self) -> Result<crate::spool::Lock, EngineError> {
        for _ in 0..TRIES.0 {
            if let Some(lock) = self.spool.lock_views()? {
                return Ok(lock);
            }
            sleep(TRIES.1);
        }
        let lock = self.spool.views_lock_file().display().to_string();
        Err(EngineError::Busy { interface: self.owner(), lock })
    }
}

/// Returns the last seal, and how many bytes are whole lines: what a crash left half
/// written is no line.
fn end(file: &File) -> io::Result<(String, u64)> {
    let from = file.metadata()?.len().saturating_sub(LINE);
    let mut bytes = Vec::new();
    let mut tail = file;
    tail.seek(SeekFrom::Start(from))?;
    tail.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let text = String::from_utf8_lossy(&bytes[..whole]);
    let seal = text.lines().next_back().map_or("", seal_of).to_string();
    Ok((seal, from + whole as u64))
}

fn seal_of(line: &str) -> &str {
    line.rsplit_once(' ').map_or("", |(_, seal)| seal)
}

fn seal(before: &str, body: &str) -> String {
    let mut seal = Digest::of(format!("{before} {body}").as_bytes()).to_string();
    seal.truncate(16);
    seal
}

fn read(body: &str) -> Option<View> {
    let value: Value = serde_json::from_str(body).ok()?;
    let text = |name: &str| Some(value.get(name)?.as_str()?.to_string());
    let sign = Sign { by: text("by")?, why: text("why")?, at: value.get("at")?.as_i64()? };
    Some(View { sign, what: text("what")? })
}
