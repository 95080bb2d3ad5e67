//! What the folders tell of the time after a backup: which numbers were given, which
//! batch files went out, which extracts were taken in.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::restore::ASIDE;
use crate::digest::Digest;
use crate::disk::{self, failed};
use crate::engine::error::EngineError;
use crate::ledger::{Ledger, Numbers};
use crate::spool::{Spool, name_of};

/// Numbers are left out for at least so many files and messages after a backup ...
const FILES: u64 = 1000;
const MESSAGES: u64 = 1_000_000;
/// ... and for one file each so many seconds since then, and so many messages each second.
/// So a second restore of one backup never meets the numbers of the first.
const FILE_SECONDS: u64 = 10;
const MESSAGES_A_SECOND: u64 = 1000;

/// Bytes in which a file shows how its segments end.
const HEAD: u64 = 4096;
const DAY: i64 = 24 * 3600;

/// What was done after a backup, as far as the folders tell.
#[derive(Debug, Default)]
pub struct Since {
    /// Batch files in `sent/` that the backup does not know.
    pub sent: Vec<PathBuf>,
    /// Batch files in `outbox/` that it does not know: they may have gone out.
    pub promised: Vec<PathBuf>,
    /// Batch files that it knows as not delivered, and that lie in `sent/`.
    pub went: Vec<String>,
    /// Extracts in `archive/` that it does not know.
    pub extracts: Vec<PathBuf>,
    /// The highest numbers that were found, each one more.
    pub numbers: Numbers,
}

/// Looks into the folders.
///
/// # Errors
/// Those of the disk and of the backup's ledger.
pub fn since(spool: &Spool, ledger: &dyn Ledger, made_at: i64) -> Result<Since, EngineError> {
    let mut since = Since { numbers: ledger.numbers()?, ..Since::default() };
    let open: Vec<String> = ledger.undelivered()?.into_iter().map(|row| row.batch.name).collect();
    for file in shelf(&spool.sent, None)? {
        let name = name_of(&file);
        match ledger.batch(&name)? {
            None => since.sent.push(file),
            Some(batch) if open.contains(&name) && digest(&file)? == batch.digest => {
                since.went.push(name);
            }
            Some(_) => {}
        }
    }
    for folder in [&spool.outbox, &spool.staged].into_iter().filter(|folder| folder.is_dir()) {
        for name in Spool::list(folder)? {
            // What is in `.staged` was promised or not: nobody knows any more.
            if ledger.batch(&name)?.is_none() {
                since.promised.push(folder.join(name));
            }
        }
    }
    // A day is that of the practice, and two days at most from that of UTC.
    let first = Timestamp::from_second(made_at - 2 * DAY);
    let first = first.map_or_else(|_| String::new(), |at| at.to_string()[..10].to_string());
    for file in shelf(&spool.archive, Some(&first))? {
        if ledger.extract(&digest(&file)?)?.is_none() {
            since.extracts.push(file);
        }
    }
    let earlier = set_aside(spool)?;
    for file in since.sent.iter().chain(&since.promised).chain(&earlier) {
        let found = highest(file)?;
        since.numbers.control = since.numbers.control.max(found.control);
        since.numbers.file = since.numbers.file.max(found.file);
    }
    Ok(since)
}

/// Returns the batch files that a restore before this one set aside.
fn set_aside(spool: &Spool) -> Result<Vec<PathBuf>, EngineError> {
    let folder = spool.root.join(ASIDE);
    let mut files = Vec::new();
    if folder.is_dir() {
        for restore in Spool::days(&folder)? {
            files.extend(shelf(&restore.join("sent"), None)?);
            let outbox = restore.join("outbox");
            if outbox.is_dir() {
                files.extend(Spool::list(&outbox)?.into_iter().map(|name| outbox.join(name)));
            }
        }
    }
    Ok(files)
}

/// Returns the numbers to go on with: none that was given since the backup, however much
/// was done that the folders do not tell.
pub fn jump(found: Numbers, seconds: i64) -> Numbers {
    let seconds = seconds.max(0).unsigned_abs();
    Numbers {
        control: found.control + MESSAGES + seconds * MESSAGES_A_SECOND,
        file: found.file + FILES + seconds / FILE_SECONDS,
    }
}

fn shelf(shelf: &Path, from: Option<&str>) -> Result<Vec<PathBuf>, EngineError> {
    if !shelf.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Spool::list_shelf(shelf)?;
    let day = |file: &Path| file.parent().map(name_of).unwrap_or_default();
    files.retain(|file| from.is_none_or(|from| day(file).as_str() >= from));
    Ok(files)
}

fn digest(file: &Path) -> Result<Digest, EngineError> {
    let read = File::open(file).and_then(|mut opened| Digest::of_reader(&mut opened));
    Ok(read.map_err(failed("read", file))?.0)
}

/// Reads the highest numbers of a batch file, each one more: FHS-9 and MSH-10. A segment
/// at a time, so that a large file costs no memory.
fn highest(path: &Path) -> Result<Numbers, EngineError> {
    let read = || -> std::io::Result<Numbers> {
        let mut file = File::open(path)?;
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        let end = if head.contains(&b'\r') { b'\r' } else { b'\n' };
        let mut lines = BufReader::new(file);
        let (mut found, mut line) = (Numbers { control: 0, file: 0 }, Vec::new());
        while lines.read_until(end, &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            let fields: Vec<&str> = text.trim().split('|').collect();
            match fields.first().copied() {
                Some("MSH") => {
                    let number = fields.get(9).and_then(|id| id.split('M').next());
                    found.control = found.control.max(after(number));
                }
                Some("FHS") => {
                    let number = fields.get(8).and_then(|name| name.rsplit('-').next());
                    found.file = found.file.max(after(number));
                }
                _ => {}
            }
            line.clear();
        }
        Ok(found)
    };
    Ok(read().map_err(disk::failed("read", path))?)
}

/// Returns the number after one that is written; none is no evidence.
fn after(number: Option<&str>) -> u64 {
    number.and_then(|number| number.parse().ok()).map_or(0, |number: u64| number.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_file_tells_which_numbers_it_took() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.hl7");
        for end in ["\r", "\r\n", "\n"] {
            let lines = [
                "FHS|^~\\&|A|99999|B|B|20261122135221||99999-000121|c|2026112213522|",
                "MSH|^~\\&|A|99999^X|B|B|2026||ADT^A28|480M99999|T|2.3.1",
                "PID|1|99999M1||7",
                "MSH|^~\\&|A|99999^X|B|B|2026||ADT^A28|481M99999|T|2.3.1",
                "",
            ];
            disk::write(&path, lines.join(end).as_bytes()).unwrap();
            assert_eq!(highest(&path).unwrap(), Numbers { control: 482, file: 122 }, "{end:?}");
        }
        disk::write(&path, b"nothing of ours").unwrap();
        assert_eq!(highest(&path).unwrap(), Numbers { control: 0, file: 0 });
    }

    #[test]
    fn a_later_restore_goes_on_behind_an_earlier_one() {
        let then = Numbers { control: 500, file: 20 };
        let (first, second) = (jump(then, 3600), jump(then, 2 * 3600));
        assert!(first.file >= 1020 && first.control >= 1_000_500);
        assert!(second.file - first.file >= 360 && second.control - first.control >= 3_600_000);
        assert_eq!(jump(then, -5), jump(then, 0), "a clock that went back");
    }
}
