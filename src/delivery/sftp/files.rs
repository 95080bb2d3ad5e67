//! The verbs of a delivery, over SFTP version 3 (draft-ietf-secsh-filexfer-02).

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use libssh2_sys as raw;
use ssh2::{ErrorCode, File, FileStat, OpenFlags, OpenType, RenameFlags};

use super::Limits;
use super::finish::{Last, Looked};
use super::line::Line;
use super::login::log_in;
use crate::crashpoint;
use crate::delivery::announced::Announced;
use crate::delivery::{Delivery, DeliveryError, Listed, Result, Server, copied};
use crate::digest::Digest;
use crate::domain;

/// libssh2 has many requests under way only within one call, and waits a round trip at
/// its end. So blocks are large where the line is fast, and larger where it is long: of
/// what `sftp(1)` does at 20 ms, 256 KiB blocks give 0.18, 4 MiB 0.80 and 16 MiB all.
/// Without a delay 4 MiB are as fast, and take 25 MiB less memory.
const BLOCK_BYTES_NEAR: usize = 4 << 20;
const BLOCK_BYTES_FAR: usize = 16 << 20;
/// A round trip from which on a server is far.
const FAR: Duration = Duration::from_millis(5);
/// Small enough to pass within a request's limit on the slowest line.
const BLOCK_BYTES_MIN: usize = 256 << 10;
/// The round trip from which on a small file's close is worth sending along: on a shorter one it
/// saves nothing, and may be answered before what it went along with was asked for.
const ALONG_FROM: Duration = Duration::from_millis(5);
/// The slowest line that a file's limit is made for.
const BYTES_PER_SECOND_MIN: u64 = 64 << 10;
const FILE_TIME_MIN: Duration = Duration::from_secs(60);

/// A folder of an SFTP server, logged in.
pub struct Sftp {
    // The order counts: the line ends first, so that nothing waits for it.
    pub(super) line: Line,
    pub(super) sftp: ssh2::Sftp,
    user: String,
    folder: String,
}

impl Sftp {
    /// Connects, checks the host key, logs in, and looks for the folder.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub fn open(to: &domain::Sftp, limits: Limits) -> Result<Sftp> {
        let line = Line::connect(to, limits)?;
        log_in(&line, &to.user, &to.login)?;
        let sftp = open_sftp(&line)?;
        let (user, folder) = (to.user.clone(), to.folder.clone());
        let sftp = Sftp { line, sftp, user, folder };
        sftp.look_for_folder()?;
        Ok(sftp)
    }

    /// A server may refuse to tell; then the first upload will.
    fn look_for_folder(&self) -> Result<()> {
        let path = if self.folder.is_empty() { "." } else { &self.folder };
        match self.sftp.stat(Path::new(path)) {
            Ok(found) if found.perm.is_some() && !found.is_dir() => Err(self.no_folder()),
            Ok(_) => Ok(()),
            Err(err) => match err.code() {
                ErrorCode::SFTP(raw::LIBSSH2_FX_NO_SUCH_FILE | raw::LIBSSH2_FX_NO_SUCH_PATH) => {
                    Err(self.no_folder())
                }
                ErrorCode::SFTP(_) => Ok(()),
                ErrorCode::Session(_) => Err(self.line.lost("look at the folder", err.message())),
            },
        }
    }

    fn no_folder(&self) -> DeliveryError {
        DeliveryError::NoFolder { server: self.line.server.clone(), path: self.folder.clone() }
    }

    pub(super) fn failed(
        &self,
        step: &'static str,
        path: &str,
        err: &ssh2::Error,
    ) -> DeliveryError {
        match err.code() {
            ErrorCode::SFTP(status) => self.status(step, path, status),
            ErrorCode::Session(_) => self.line.lost(step, err.message()),
        }
    }

    /// Gives a status that the server answered with its class.
    pub(super) fn status(&self, step: &'static str, path: &str, status: i32) -> DeliveryError {
        let (server, path) = (self.line.server.clone(), path.to_string());
        match status {
            raw::LIBSSH2_FX_NO_SUCH_FILE | raw::LIBSSH2_FX_NO_SUCH_PATH => {
                DeliveryError::NotFound { path }
            }
            raw::LIBSSH2_FX_PERMISSION_DENIED | raw::LIBSSH2_FX_WRITE_PROTECT => {
                DeliveryError::Denied { server, step, path }
            }
            raw::LIBSSH2_FX_OP_UNSUPPORTED => DeliveryError::Unsupported { server, step },
            raw::LIBSSH2_FX_FILE_ALREADY_EXISTS => DeliveryError::Exists { path },
            raw::LIBSSH2_FX_NO_SPACE_ON_FILESYSTEM | raw::LIBSSH2_FX_QUOTA_EXCEEDED => {
                DeliveryError::Full { server, path }
            }
            // What is behind the server is gone; or it did not answer at all,
            // and libssh2 made the error up.
            raw::LIBSSH2_FX_NO_CONNECTION
            | raw::LIBSSH2_FX_CONNECTION_LOST
            | raw::LIBSSH2_FX_INVALID_HANDLE
            | 0 => self.line.lost(step, format!("SFTP status {status}")),
            _ => DeliveryError::Refused { server, step, path },
        }
    }

    /// As [`Sftp::failed`], for what libssh2 passes through the standard library,
    /// where the status survives only as the text that it is known by.
    fn failed_io(&self, step: &'static str, path: &str, err: &io::Error) -> DeliveryError {
        let text = err.to_string();
        let named =
            |status: &i32| ssh2::Error::from_errno(ErrorCode::SFTP(*status)).message() == text;
        match (raw::LIBSSH2_FX_EOF..=raw::LIBSSH2_FX_LINK_LOOP).find(named) {
            Some(status) => self.status(step, path, status),
            None => self.line.lost(step, text),
        }
    }

    fn stat(&self, path: &str) -> Result<Option<u64>> {
        self.sized(path, self.sftp.stat(Path::new(path)))
    }

    pub(super) fn sized(
        &self,
        path: &str,
        found: std::result::Result<FileStat, ssh2::Error>,
    ) -> Result<Option<u64>> {
        const STEP: &str = "tell the size of";
        match found {
            Ok(found) => match found.size {
                Some(size) => Ok(Some(size)),
                None => Err(self.status(STEP, path, raw::LIBSSH2_FX_OP_UNSUPPORTED)),
            },
            Err(err) => match self.failed(STEP, path, &err) {
                DeliveryError::NotFound { .. } => Ok(None),
                err => Err(err),
            },
        }
    }

    /// OpenSSH says of a taken name only that it failed (status 4), and ProFTPD that it
    /// does not allow it (status 3).
    fn if_taken(&self, path: &str, err: DeliveryError) -> DeliveryError {
        if !matches!(err, DeliveryError::Refused { .. } | DeliveryError::Denied { .. }) {
            return err;
        }
        match self.stat(path) {
            Ok(Some(_)) => DeliveryError::Exists { path: path.to_string() },
            Err(lost) if lost.is_broken() => lost,
            _ => err,
        }
    }

    fn not_renamed(&self, from: &str, to: &str, err: &ssh2::Error) -> DeliveryError {
        match self.failed("rename", from, err) {
            DeliveryError::Exists { .. } => DeliveryError::Exists { path: to.to_string() },
            err => self.if_taken(to, err),
        }
    }

    /// No append, no reading, no attributes set later: object stores behind
    /// SFTP refuse them.
    fn create(&self, path: &str) -> Result<File> {
        const STEP: &str = "create";
        self.line.point("sftp.open", STEP)?;
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        self.sftp.open_mode(path, flags, 0o644, OpenType::File).map_err(|err| {
            match self.failed(STEP, path, &err) {
                DeliveryError::NotFound { .. } => self.no_folder(),
                err => self.if_taken(path, err),
            }
        })
    }

    fn write(&self, file: &mut File, path: &str, mut block: &[u8], end: Instant) -> Result<()> {
        const STEP: &str = "write";
        self.line.point("sftp.write", STEP)?;
        while !block.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.line.lost(STEP, "the whole file took too long"));
            }
            self.line.limit(left.min(self.line.limits.request));
            match file.write(block) {
                Ok(count) => block = &block[count..],
                Err(err) => return Err(self.failed_io(STEP, path, &err)),
            }
        }
        self.line.limit(self.line.limits.request);
        Ok(())
    }

    /// Steps 4 to 7, and a look at another name if one is given.
    fn send(
        &mut self,
        name: &str,
        from: &mut dyn Read,
        bytes: u64,
        other: Option<&str>,
    ) -> Result<Looked> {
        let (path, other) = (self.path(name), other.map(|other| self.path(other)));
        let mut source = Announced::new(from, bytes);
        let least = bytes.clamp(1, BLOCK_BYTES_MIN as u64) as usize;
        let mut block = vec![0; least];
        let mut count = source.next(&mut block)?;
        let began = Instant::now();
        let end = began + file_time(bytes);
        if bytes <= BLOCK_BYTES_MIN as u64 {
            return self.send_small(&path, &block[..count], end, other.as_deref());
        }
        let mut file = self.create(&path)?;
        // It answered one request, so this is what a round trip takes.
        let most = most(began.elapsed());
        while count > 0 {
            let began = Instant::now();
            self.write(&mut file, &path, &block[..count], end)?;
            block.resize(next_pace(block.len(), began.elapsed(), most), 0);
            count = source.next(&mut block)?;
        }
        let last = Last { path: &path, bytes, end, along: false, other: other.as_deref() };
        Ok(self.finish(file, &last)?.flatten())
    }

    /// Writes a file that is one block in memory: a small one costs round trips, so its close
    /// goes along with what comes before it.
    fn send_small(
        &mut self,
        path: &str,
        block: &[u8],
        end: Instant,
        other: Option<&str>,
    ) -> Result<Looked> {
        let bytes = block.len() as u64;
        // Without another name to be looked at this may be the final one.
        let mut may_go_along = other.is_some() && !crashpoint::counted();
        loop {
            let began = Instant::now();
            let mut file = self.create(path)?;
            let along = may_go_along && began.elapsed() >= ALONG_FROM;
            if bytes > 0 {
                self.write(&mut file, path, block, end)?;
            }
            let last = Last { path, bytes, end, along, other };
            if let Some(looked) = self.finish(file, &last)? {
                return Ok(looked);
            }
            // What was asked of the old SFTP session would be taken for answers of the next.
            self.sftp = open_sftp(&self.line)?;
            let removed = self.sftp.unlink(Path::new(path));
            // Nobody is at fault: where it may not be removed the next try has another name.
            removed.map_err(|err| self.line.lost("remove", err.message()))?;
            may_go_along = false;
        }
    }
}

impl Delivery for Sftp {
    fn server(&self) -> Server {
        let (address, host_key) = (self.line.server.clone(), self.line.fingerprint.clone());
        let folder = match self.folder.trim_end_matches('/') {
            "" if !self.folder.is_empty() => "/",
            folder => folder,
        };
        let place = format!("sftp {}@{address}, folder {folder:?}", self.user);
        Server { address, place, host_key }
    }

    fn path(&self, name: &str) -> String {
        match self.folder.as_str() {
            "" => name.to_string(),
            folder => format!("{}/{name}", folder.trim_end_matches('/')),
        }
    }

    fn size(&mut self, name: &str) -> Result<Option<u64>> {
        self.line.point("sftp.stat", "tell the size of")?;
        self.stat(&self.path(name))
    }

    fn upload(&mut self, name: &str, from: &mut dyn Read, bytes: u64) -> Result<()> {
        self.send(name, from, bytes, None).map(|_| ())
    }

    /// The look goes along with the end of the upload.
    fn upload_and_look(
        &mut self,
        name: &str,
        from: &mut dyn Read,
        bytes: u64,
        other: &str,
    ) -> Result<Result<Option<u64>>> {
        match self.send(name, from, bytes, Some(other))? {
            Some(looked) => Ok(looked),
            None => Ok(self.size(other)),
        }
    }

    fn digest(&mut self, name: &str) -> Result<Digest> {
        const STEP: &str = "read";
        let path = self.path(name);
        self.line.point("sftp.read", STEP)?;
        let file = self.sftp.open(&path).map_err(|err| self.failed(STEP, &path, &err))?;
        let mut file = InTime { file, size: None, read: 0, began: Instant::now() };
        file.size = file.file.stat().ok().and_then(|found| found.size);
        let read = Digest::of_reader(&mut file);
        read.map(|(digest, _)| digest).map_err(|err| self.failed_io(STEP, &path, &err))
    }

    /// Some servers overwrite in a rename, so the new name is looked at first.
    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        const STEP: &str = "rename";
        let (from, to) = (self.path(from), self.path(to));
        match self.stat(&to) {
            Ok(Some(_)) => return Err(DeliveryError::Exists { path: to }),
            Err(err) if err.is_broken() => return Err(err),
            // A server that does not tell still refuses, or renames.
            Ok(None) | Err(_) => {}
        }
        self.line.point("sftp.rename", STEP)?;
        let renamed =
            self.sftp.rename(Path::new(&from), Path::new(&to), Some(RenameFlags::empty()));
        self.line.point("sftp.renamed", STEP)?;
        renamed.map_err(|err| self.not_renamed(&from, &to, &err))
    }

    /// One round trip for both, where the server answers in order.
    fn publish(
        &mut self,
        from: &str,
        to: &str,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Result<Option<u64>>> {
        const STEP: &str = "rename";
        let (from, to) = (self.path(from), self.path(to));
        let rename =
            || self.sftp.rename(Path::new(&from), Path::new(&to), Some(RenameFlags::empty()));
        let look = || self.sftp.stat(Path::new(&to));
        self.line.point("sftp.rename", STEP)?;
        let renamed = self.line.begin(rename);
        let found = self.line.begin(look);
        meanwhile();
        let renamed = renamed.unwrap_or_else(rename);
        self.line.point("sftp.renamed", STEP)?;
        if let Err(err) = &renamed
            && let ErrorCode::Session(_) = err.code()
        {
            return Err(self.failed(STEP, &from, err));
        }
        // It must be asked in any case: its answer is on its way.
        let found = found.unwrap_or_else(look);
        renamed.map_err(|err| self.not_renamed(&from, &to, &err))?;
        Ok(self.sized(&to, found))
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        const STEP: &str = "remove";
        let path = self.path(name);
        self.line.point("sftp.remove", STEP)?;
        match self.sftp.unlink(Path::new(&path)) {
            Ok(()) => Ok(()),
            Err(err) => match self.failed(STEP, &path, &err) {
                DeliveryError::NotFound { .. } => Ok(()),
                err => Err(err),
            },
        }
    }

    fn list(&mut self) -> Result<Vec<Listed>> {
        const STEP: &str = "list";
        self.line.point("sftp.list", STEP)?;
        let folder = if self.folder.is_empty() { "." } else { &self.folder };
        let found = self.sftp.readdir(Path::new(folder));
        let found = found.map_err(|err| match self.failed(STEP, folder, &err) {
            DeliveryError::NotFound { .. } => self.no_folder(),
            err => err,
        })?;
        let mut files = Vec::new();
        for (path, found) in found {
            let plain = found.perm.is_none() || found.is_file();
            let name = path.file_name().and_then(|name| name.to_str());
            if let (true, Some(name)) = (plain, name) {
                let modified = found.mtime.and_then(|time| i64::try_from(time).ok());
                files.push(Listed { name: name.to_string(), bytes: found.size, modified });
            }
        }
        Ok(files)
    }

    fn fetch(&mut self, name: &str, to: &mut dyn Write, limit: u64) -> Result<u64> {
        const STEP: &str = "read";
        let path = self.path(name);
        self.line.point("sftp.fetch", STEP)?;
        let file = self.sftp.open(&path).map_err(|err| self.failed(STEP, &path, &err))?;
        let mut file = InTime { file, size: None, read: 0, began: Instant::now() };
        copied(&mut file, to, &path, limit, &|err| self.failed_io(STEP, &path, err))
    }
}

fn open_sftp(line: &Line) -> Result<ssh2::Sftp> {
    line.session.sftp().map_err(|err| match err.code() {
        // libssh2 says the same where the line broke; over one that is whole the server
        // opens another channel.
        ErrorCode::Session(raw::LIBSSH2_ERROR_CHANNEL_FAILURE)
            if line.session.channel_session().is_ok() =>
        {
            DeliveryError::Unsupported {
                server: line.server.clone(),
                step: "open SFTP for this user",
            }
        }
        _ => line.lost("open SFTP", err.message()),
    })
}

/// A file that is read back, and not for ever: a server that gives a byte now and then
/// passes each limit of a request.
struct InTime {
    file: File,
    /// Where the server tells it; else what was read so far counts.
    size: Option<u64>,
    read: u64,
    began: Instant,
}

impl Read for InTime {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.began.elapsed() > file_time(self.size.unwrap_or(self.read)) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the whole file took too long"));
        }
        let count = self.file.read(buffer)?;
        self.read += count as u64;
        Ok(count)
    }
}

/// Returns how long a file of so many bytes may take.
fn file_time(bytes: u64) -> Duration {
    Duration::from_secs(bytes / BYTES_PER_SECOND_MIN).max(FILE_TIME_MIN)
}

/// Returns the size of the next block, from the last one and how long it took:
/// large on a fast line, and on a slow one far from a request's limit.
fn next_pace(last: usize, took: Duration, most: usize) -> usize {
    let next = match took.as_secs() {
        0..2 => last * 2,
        2..6 => last,
        _ => last / 4,
    };
    next.clamp(BLOCK_BYTES_MIN, most)
}

/// Returns the largest block for a line of this round trip.
fn most(round_trip: Duration) -> usize {
    if round_trip < FAR { BLOCK_BYTES_NEAR } else { BLOCK_BYTES_FAR }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_minute_and_what_a_slow_line_needs() {
        assert_eq!(file_time(0), Duration::from_secs(60));
        assert_eq!(file_time(64 << 20), Duration::from_secs(1024));
    }

    #[test]
    fn blocks_grow_on_a_fast_line_and_shrink_on_a_slow_one() {
        let (fast, fair, slow) =
            (Duration::from_millis(9), Duration::from_secs(3), Duration::from_secs(9));
        let (near, far) = (most(Duration::from_millis(1)), most(Duration::from_millis(20)));
        assert_eq!((near, far), (BLOCK_BYTES_NEAR, BLOCK_BYTES_FAR));
        assert_eq!(next_pace(BLOCK_BYTES_MIN, fast, near), 512 << 10);
        assert_eq!(next_pace(near, fast, near), near);
        assert_eq!(next_pace(near, fast, far), 2 * near);
        assert_eq!(next_pace(1 << 20, fair, far), 1 << 20);
        assert_eq!(next_pace(near, slow, near), 1 << 20);
        assert_eq!(next_pace(BLOCK_BYTES_MIN, slow, far), BLOCK_BYTES_MIN);
    }
}
