//! The end of an upload: synced, measured, closed, and a look at another name, in as few
//! round trips as the evidence allows.
//!
//! Every write was answered before, so what the sync and the size are about is at the server
//! whatever order it works in. The close and the look share a round trip. Of a small file all
//! four do, but only under a temporary name: see [`Last::along`].
//!
//! libssh2 keeps what is under way in the SFTP session, a place for each kind. So each answer
//! is fetched, even where another has shown already that the upload failed: the next request
//! of its kind would take it for its own.

use std::path::Path;
use std::time::Instant;

use libssh2_sys as raw;
use ssh2::{Error, ErrorCode, File};

use super::files::Sftp;
use crate::delivery::{DeliveryError, Result};

/// What a look at the other name said; none if nobody looked.
pub(super) type Looked = Option<Result<Option<u64>>>;

type Answer<T> = std::result::Result<T, Error>;

/// What is to be finished.
pub(super) struct Last<'a> {
    pub path: &'a str,
    /// How many bytes it must have.
    pub bytes: u64,
    /// When it must be done.
    pub end: Instant,
    /// Whether its size and its close go along with the sync. Never of a file that the vendor
    /// can take: where the close is answered first, it must be removed and sent once more.
    pub along: bool,
    /// A name to be looked at.
    pub other: Option<&'a str>,
}

impl Sftp {
    /// Lets the server sync the file, where it can, compares the size on the open handle,
    /// while no poller can have the file, and closes it. Returns `None` where it was closed
    /// so soon that nobody can be asked any more what came of the others: then the SFTP
    /// session is of no more use.
    pub(super) fn finish(&self, mut file: File, last: &Last<'_>) -> Result<Option<Looked>> {
        let (line, path) = (&self.line, last.path);
        line.point("sftp.fsync", "sync")?;
        let synced = line.begin(|| file.fsync());
        let (mut told, mut closed) = (None, None);
        if last.along {
            line.point("sftp.fstat", "tell the size of")?;
            told = line.begin(|| file.stat());
            let open = synced.is_none() || told.is_none();
            line.point("sftp.close", "close")?;
            closed = line.begin(|| file.close());
            if open && closed.is_some() {
                return Ok(None);
            }
        }
        let other = last.other.map(Path::new);
        let mut looked =
            other.filter(|_| last.along).and_then(|other| line.begin(|| self.sftp.stat(other)));

        // A large file may take a slow disk longer than any other request.
        let left = last.end.saturating_duration_since(Instant::now());
        line.limit(left.max(line.limits.request));
        let synced = self.alive("sync", path, synced.unwrap_or_else(|| file.fsync()))?;
        line.limit(line.limits.request);
        if !last.along {
            // Not before the sync is answered: libssh2 gives up on an answer a minute after it
            // was asked for, and a sync may take longer.
            line.point("sftp.fstat", "tell the size of")?;
        }
        let told = self.alive("tell the size of", path, told.unwrap_or_else(|| file.stat()))?;
        if !last.along {
            line.point("sftp.close", "close")?;
            closed = line.begin(|| file.close());
            looked = other.and_then(|other| line.begin(|| self.sftp.stat(other)));
        }
        let closed = self.alive("close", path, closed.unwrap_or_else(|| file.close()))?;
        let looked = other.map(|other| looked.unwrap_or_else(|| self.sftp.stat(other)));

        self.synced(path, synced)?;
        self.measured(last, told)?;
        closed.map_err(|err| self.failed("close", path, &err))?;
        let other = last.other.unwrap_or_default();
        Ok(Some(looked.map(|looked| self.sized(other, looked))))
    }

    /// Nobody waits for more answers on a line that is lost.
    fn alive<T>(&self, step: &'static str, path: &str, answer: Answer<T>) -> Result<Answer<T>> {
        match answer {
            Err(err) if matches!(err.code(), ErrorCode::Session(_)) => {
                Err(self.failed(step, path, &err))
            }
            answer => Ok(answer),
        }
    }

    fn synced(&self, path: &str, synced: Answer<()>) -> Result<()> {
        match synced {
            Ok(()) => Ok(()),
            Err(err) => match err.code() {
                // What servers answer that do not know the extension or withhold it.
                ErrorCode::SFTP(
                    raw::LIBSSH2_FX_OP_UNSUPPORTED
                    | raw::LIBSSH2_FX_BAD_MESSAGE
                    | raw::LIBSSH2_FX_PERMISSION_DENIED,
                ) => Ok(()),
                _ => Err(self.failed("sync", path, &err)),
            },
        }
    }

    fn measured(&self, last: &Last<'_>, told: Answer<ssh2::FileStat>) -> Result<()> {
        const STEP: &str = "tell the size of";
        let (path, expected) = (last.path, last.bytes);
        let found = told.map_err(|err| self.failed(STEP, path, &err))?;
        match found.size {
            Some(found) if found == expected => Ok(()),
            Some(found) => {
                let (server, path) = (self.line.server.clone(), path.to_string());
                Err(DeliveryError::WrongSize { server, path, expected, found })
            }
            None => Err(self.status(STEP, path, raw::LIBSSH2_FX_OP_UNSUPPORTED)),
        }
    }
}
