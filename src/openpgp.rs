//! OpenPGP encryption of a file by the real `gpg` program.
//!
//! Recipients are pinned by whole fingerprints, so no web of trust is asked; keys come from
//! the home that was agreed and from nowhere else. What `gpg` is given is digested as it is
//! read, and what it writes as it is written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::child;
use crate::crashpoint::crashpoint;
use crate::digest::{Digest, Digester};
use crate::disk::{self, DiskError, NewFile, failed};
use crate::domain::{Again, Encryption};

/// The program; it is looked for as the shell does.
const PROGRAM: &str = "gpg";
/// What a file has at least.
const TIME_MIN: Duration = Duration::from_secs(60);
/// ... and what a large one has; a small machine encrypts ten times as fast.
const BYTES_PER_SECOND_MIN: u64 = 2 << 20;
/// What is passed on at once.
const BLOCK_BYTES: u64 = 256 << 10;
/// What is kept of what it says; a line or two.
const SAID_BYTES_MAX: u64 = 4096;
/// A day, in seconds.
const DAY: i64 = 24 * 3600;

/// Why a file could not be encrypted. Texts name keys and folders, never what is in a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenPgpError {
    /// The program cannot be started.
    #[error("cannot run gpg ({0}); install GnuPG (Debian: apt install gnupg)")]
    Program(String),
    /// The home cannot be used.
    #[error("gpg home {home}: {what}")]
    Home {
        /// The folder.
        home: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// A recipient's key cannot be used.
    #[error("OpenPGP key {fingerprint}: {what}")]
    Key {
        /// Whose it is.
        fingerprint: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// It ended otherwise than it should.
    #[error("gpg could not encrypt the file: {0}")]
    Failed(String),
    /// What was to be encrypted cannot be read.
    #[error("cannot read the file to encrypt: {0}")]
    Source(io::Error),
    /// What it writes cannot be kept.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl OpenPgpError {
    /// Returns whether another try can help before somebody acts.
    pub fn again(&self) -> Again {
        match self {
            OpenPgpError::Program(_) | OpenPgpError::Home { .. } | OpenPgpError::Key { .. } => {
                Again::Never
            }
            _ => Again::Later,
        }
    }
}

type Result<T> = std::result::Result<T, OpenPgpError>;

/// A recipient whose key can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The whole fingerprint of its key.
    pub fingerprint: String,
    /// Until when the key can be used, unix seconds; none: no end is set.
    pub until: Option<i64>,
}

/// What an encryption read and wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// SHA-256 and size of what was read.
    pub read: (Digest, u64),
    /// SHA-256 and size of what was written.
    pub written: (Digest, u64),
}

/// Looks whether a file could be encrypted for each recipient.
///
/// # Errors
/// [`OpenPgpError`], of the first that cannot be used.
pub fn look(with: &Encryption) -> Result<Vec<Recipient>> {
    check_home(&with.home)?;
    with.recipients.iter().map(|one| recipient(&with.home, one)).collect()
}

/// Returns in how many days, rounded down, a key that can be used now cannot be any more,
/// where that is soon.
pub fn ends_soon(recipient: &Recipient, now: i64) -> Option<i64> {
    const SOON_DAYS: i64 = 30;
    let days = (recipient.until? - now) / DAY;
    (days <= SOON_DAYS).then_some(days)
}

/// Encrypts a file for all recipients into a new file `to`, durable when it returns. After an
/// error half of it may be there.
///
/// # Errors
/// [`OpenPgpError`].
pub fn encrypt(with: &Encryption, from: &mut File, to: &Path) -> Result<Encrypted> {
    look(with)?;
    let bytes = from.metadata().map_err(OpenPgpError::Source)?.len();
    let limit = Duration::from_secs(bytes / BYTES_PER_SECOND_MIN).max(TIME_MIN);
    let mut command = gpg(&with.home);
    for one in &with.recipients {
        command.args(["--recipient", one]);
    }
    crashpoint("openpgp.begin").map_err(failed("encrypt into", to))?;
    let mut new = disk::create(to)?;
    crashpoint("openpgp.created").map_err(failed("encrypt into", to))?;
    let mut child = command
        .args(["--no-encrypt-to", "--no-auto-key-locate"])
        .args(["--output", "-", "--encrypt"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot_run)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(input), Some(mut output), Some(mut errors)) = pipes else {
        return Err(OpenPgpError::Failed("it has no pipes".to_string()));
    };
    let (read, written, said, ended) = thread::scope(|scope| {
        let fed = scope.spawn(move || feed(from, input));
        let said = scope.spawn(move || said(&mut errors));
        // It also ends one that hangs, and with it what the other three wait for.
        let ended = scope.spawn(|| child::wait(&mut child, limit));
        let written = keep(&mut output, &mut new);
        drop(output);
        (fed.join(), written, said.join(), ended.join())
    });
    let bug = |_| OpenPgpError::Failed("a thread of ours broke down".to_string());
    let (read, said, ended) = (read.map_err(bug)?, said.map_err(bug)?, ended.map_err(bug)?);
    let written = written?;
    succeeded(ended, limit, &said)?;
    let read = read?;
    crashpoint("openpgp.written").map_err(failed("encrypt into", to))?;
    new.finish()?;
    crashpoint("openpgp.encrypted").map_err(failed("encrypt into", to))?;
    Ok(Encrypted { read, written })
}

/// It must be there, and nobody else's: who can put a key there can read what we send.
fn check_home(home: &Path) -> Result<()> {
    let wrong = |what: String| OpenPgpError::Home { home: home.display().to_string(), what };
    let found = fs::metadata(home).map_err(|err| {
        wrong(format!(
            "{err}; make it with `mkdir -m 700`, then `gpg --homedir {} --import FILE`",
            home.display()
        ))
    })?;
    if !found.is_dir() {
        return Err(wrong("it is no folder".to_string()));
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Err(wrong(format!("others can get at it; run: chmod 700 {}", home.display())));
    }
    Ok(())
}

/// Asks for one key. The output is `gpg`'s form for programs (its `doc/DETAILS`).
fn recipient(home: &Path, fingerprint: &str) -> Result<Recipient> {
    let wrong = |what: &str| OpenPgpError::Key {
        fingerprint: fingerprint.to_string(),
        what: what.to_string(),
    };
    let mut command = gpg(home);
    command.args(["--with-colons", "--fixed-list-mode", "--list-keys", fingerprint]);
    let text = listed(&mut command)?;
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<&str>>());
    let field = |line: &[&str], at: usize| line.get(at).copied().unwrap_or_default().to_string();
    let Some(key) = lines.by_ref().find(|line| field(line, 0) == "pub") else {
        return Err(wrong(&format!(
            "it is not in {}; import the vendor's key: gpg --homedir {0} --import FILE",
            home.display()
        )));
    };
    let own = lines.by_ref().find(|line| field(line, 0) == "fpr");
    if own.is_none_or(|line| field(&line, 9) != fingerprint) {
        return Err(wrong("it is a subkey; write the fingerprint of the key that it belongs to"));
    }
    match field(&key, 1).as_str() {
        "e" => return Err(wrong("it has expired; ask the vendor for its renewal and import that")),
        "r" => return Err(wrong("it is revoked; ask the vendor for a new one, import and pin it")),
        "d" | "i" | "n" => return Err(wrong("it is disabled or not valid; ask the vendor")),
        _ => {}
    }
    if !field(&key, 11).contains('E') {
        let what = "it has no subkey that can be used to encrypt (none, expired or revoked); ask \
                    the vendor for one and import it";
        return Err(wrong(what));
    }
    // The subkeys that can encrypt: `e`, and neither expired, revoked, invalid nor disabled.
    let usable = lines.filter(|line| {
        field(line, 0) == "sub"
            && field(line, 11).contains('e')
            && !matches!(field(line, 1).as_str(), "e" | "r" | "i" | "d" | "n")
    });
    let end = |line: &[&str]| field(line, 6).parse::<i64>().ok();
    let ends: Vec<Option<i64>> = usable.map(|line| end(&line)).collect();
    // One without an end outlasts the others; and nothing outlasts the key itself.
    let last = if ends.contains(&None) { None } else { ends.into_iter().flatten().max() };
    let until = end(&key).into_iter().chain(last).min();
    Ok(Recipient { fingerprint: fingerprint.to_string(), until })
}

/// Returns what it lists; that it lists nothing says enough.
fn listed(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(cannot_run)?;
    let output = child.stdout.take();
    let mut text = Vec::new();
    let (read, ended) = thread::scope(|scope| {
        let ended = scope.spawn(|| child::wait(&mut child, TIME_MIN));
        (output.map(|mut output| output.read_to_end(&mut text)), ended.join())
    });
    match (read, ended) {
        (Some(Ok(_)), Ok(Ok(Some(_)))) => Ok(String::from_utf8_lossy(&text).into_owned()),
        _ => Err(OpenPgpError::Failed("it did not list its keys".to_string())),
    }
}

/// The program, as it is always called: no settings but ours, no terminal, no network.
fn gpg(home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--homedir").arg(home);
    command.args(["--no-options", "--batch", "--no-tty", "--quiet", "--disable-dirmngr"]);
    // A whole fingerprint is all the trust there is; no trust database is kept.
    command.args(["--trust-model", "always"]);
    // What it says is looked at and shown.
    command.env("LC_ALL", "C").process_group(0);
    command
}

fn cannot_run(err: io::Error) -> OpenPgpError {
    OpenPgpError::Program(err.to_string())
}

/// Passes all bytes on, in blocks of one size whatever the pipe gives; returns their digest
/// and how many they were.
fn pass_on<R: Read>(
    from: &mut R,
    broke: fn(io::Error) -> OpenPgpError,
    to: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<(Digest, u64)> {
    let (mut block, mut digest, mut bytes) = (Vec::new(), Digester::default(), 0);
    loop {
        block.clear();
        let count = from.by_ref().take(BLOCK_BYTES).read_to_end(&mut block).map_err(broke)?;
        if count == 0 {
            return Ok((digest.finish(), bytes));
        }
        digest.update(&block);
        bytes += count as u64;
        to(&block)?;
    }
}

fn feed(from: &mut File, mut input: ChildStdin) -> Result<(Digest, u64)> {
    // Where it has ended before it read all, it says why.
    let ended = |_| OpenPgpError::Failed("it did not read all of the file".to_string());
    pass_on(from, OpenPgpError::Source, &mut |block| input.write_all(block).map_err(ended))
}

fn keep(output: &mut ChildStdout, new: &mut NewFile) -> Result<(Digest, u64)> {
    let broke = |err| OpenPgpError::Failed(format!("its output broke off: {err}"));
    pass_on(output, broke, &mut |block| Ok(new.write(block)?))
}

/// Returns what it says, and reads on to the end, so that it is never held up.
fn said(errors: &mut ChildStderr) -> String {
    let mut said = Vec::new();
    let _ = errors.by_ref().take(SAID_BYTES_MAX).read_to_end(&mut said);
    let _ = io::copy(errors, &mut io::sink());
    let lines = String::from_utf8_lossy(&said);
    let lines = lines.lines().map(|line| line.trim_start_matches("gpg: ").trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

fn succeeded(ended: io::Result<Option<ExitStatus>>, limit: Duration, said: &str) -> Result<()> {
    match ended {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(_)) if !said.is_empty() => Err(OpenPgpError::Failed(said.to_string())),
        Ok(Some(status)) => Err(OpenPgpError::Failed(format!("it ended with {status}"))),
        Ok(None) => {
            let what = format!("it did not end within {} s and was killed", limit.as_secs());
            Err(OpenPgpError::Failed(what))
        }
        Err(err) => Err(OpenPgpError::Failed(format!("its end is not known: {err}"))),
    }
}
