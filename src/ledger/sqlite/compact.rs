//! The register's log written anew: what counts is copied, entry by entry and each under its
//! own seals, into a file beside it; one commit gives the index its new places and says that
//! the new file counts; then it gets the name.
//!
//! | after a crash | means | done by who opens it to write |
//! |---|---|---|
//! | `ledger.register-new`, the counter `register_moved` is even | it does not count | removed |
//! | `ledger.register-new`, the counter is odd | it counts | gets its name |
//! | the counter is odd, no such file | it has its name | the counter becomes even |

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params_from_iter};

use super::Sqlite;
use super::query::all;
use super::register::{BYTES, ENTRIES, Log, MOVED, claim_word, failed, hex, word};
use super::row::{self, big};
use crate::crashpoint::crashpoint;
use crate::disk::{self, NewFile};
use crate::ledger::Result;
use crate::ledger::register::{HEAD, Head, claims, damaged, unsealed};

/// Bytes gathered before a write, and read at once.
const BUFFER: usize = 1 << 20;

impl Log {
    /// Writes the log anew if at least half of its entries count no more and it has so many
    /// bytes; returns how many bytes it has less.
    pub fn compact(&mut self, conn: &Connection, least: u64) -> Result<u64> {
        let entries = row::counter(conn, ENTRIES)?;
        if self.committed < least.max(1) || entries == 0 {
            return Ok(0);
        }
        let sql = "SELECT count(*) FROM register WHERE kind IN ('P', 'A')";
        let live: u64 = row::value::<i64>(conn, sql)?.unwrap_or(0).unsigned_abs();
        if live * 2 > entries {
            return Ok(0);
        }
        let new = anew(&self.path);
        disk::remove(&new)?;
        let file = disk::create(&new)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let done = self.copied(conn, file, live).and_then(|bytes| {
            crashpoint("ledger.compact.before")?;
            conn.execute_batch("COMMIT")?;
            Ok(bytes)
        });
        let bytes = match done {
            Ok(bytes) => bytes,
            Err(err) => {
                // The step's own error is the one to tell.
                let _ = conn.execute_batch("ROLLBACK");
                return Err(err);
            }
        };
        crashpoint("ledger.compact.after")?;
        let less = self.committed - bytes;
        self.reader.replace(None);
        (self.committed, self.begun, self.end) = (bytes, bytes, bytes);
        named(&self.path, conn)?;
        Ok(less)
    }

    /// Copies what counts, and says in the index where it stands; returns how many bytes
    /// that are.
    fn copied(&self, conn: &Connection, file: NewFile, live: u64) -> Result<u64> {
        let mut places = Vec::new();
        {
            let mut query = conn.prepare("SELECT place FROM register WHERE kind IN ('P', 'A')")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                places.push(row::number(row, 0)?);
            }
        }
        places.sort_unstable();
        // An external ID that no entry says it has any more is nobody's.
        conn.execute("UPDATE register SET place = -1 - place WHERE kind IN ('p', 'a')", [])?;
        let sql = "UPDATE register SET place = $1 WHERE kind = $2 AND id = $3 AND place = $4";
        let mut move_to = conn.prepare(sql)?;
        let mut ends = Ends::of(conn)?;
        let mut from = Entries::of(self)?;
        let (mut file, mut buffer, mut end) = (file, Vec::with_capacity(BUFFER), 0);
        for &place in &places {
            let (head, entry) = from.at(place)?;
            let (old, new) = (big(place)?, big(end)?);
            ends.up_to(conn, place, end)?;
            let id = std::str::from_utf8(&entry[HEAD..HEAD + head.id]).map_err(|_| damaged())?;
            if move_to.execute((new, word(head.kind), id, old))? != 1 {
                return Err(damaged());
            }
            for claim in claims(&head, entry) {
                move_to.execute((new, claim_word(head.kind), hex(&claim), -1 - old))?;
            }
            end += entry.len() as u64;
            buffer.extend_from_slice(entry);
            if buffer.len() >= BUFFER {
                file.write(&buffer)?;
                buffer.clear();
            }
        }
        file.write(&buffer)?;
        file.finish()?;
        ends.up_to(conn, u64::MAX, end)?;
        conn.execute("DELETE FROM register WHERE kind IN ('p', 'a') AND place < 0", [])?;
        row::set_counter(conn, BYTES, end)?;
        row::set_counter(conn, ENTRIES, live)?;
        row::set_counter(conn, MOVED, row::counter(conn, MOVED)? + 1)?;
        Ok(end)
    }
}

impl Sqlite {
    /// Returns where the register's log is, and which of all that were written it is: it is
    /// written anew now and then.
    ///
    /// # Errors
    /// Those of the store.
    pub fn log(&self) -> Result<(PathBuf, u64)> {
        let (path, now) = (&self.register.path, row::counter(&self.conn, MOVED)?);
        Ok((current(path, now), now))
    }
}

/// Returns where a log that is written anew lies until it has its name.
fn anew(path: &Path) -> PathBuf {
    path.with_extension("register-new")
}

/// Returns where the log is that counts, by that counter.
pub(super) fn current(path: &Path, moved: u64) -> PathBuf {
    let new = anew(path);
    if moved % 2 == 1 && new.exists() { new } else { path.to_path_buf() }
}

/// Ends what a crash left half done: a log that was written anew and counts gets its name,
/// one that does not count goes.
pub(super) fn named(path: &Path, conn: &Connection) -> Result<()> {
    let (new, moved) = (anew(path), row::counter(conn, MOVED)?);
    match (moved % 2 == 1, new.exists()) {
        (true, true) => disk::shift(&new, path)?,
        (false, true) => disk::remove(&new)?,
        (_, false) => {}
    }
    if moved % 2 == 1 {
        crashpoint("ledger.register_named")?;
        row::set_counter(conn, MOVED, moved + 1)?;
    }
    Ok(())
}

/// Returns how many bytes of a log count, and how many there are. Another process may give
/// it other ones between the two looks.
pub(super) fn lengths(path: &Path, conn: &Connection) -> Result<(u64, u64)> {
    let look = || -> Result<(u64, u64)> {
        let committed = row::counter(conn, BYTES)?;
        match std::fs::metadata(path) {
            Ok(found) => Ok((committed, found.len())),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok((committed, 0)),
            Err(err) => Err(failed("look at", path, &err)),
        }
    };
    match look()? {
        (committed, there) if there < committed => look(),
        lengths => Ok(lengths),
    }
}

/// Where the log ended when extracts did, on their way to where that is in the new one.
struct Ends {
    /// The place and the extract, the first last.
    left: Vec<(u64, i64)>,
}

impl Ends {
    fn of(conn: &Connection) -> Result<Ends> {
        let sql = "SELECT extract, place, seal FROM register_end ORDER BY place DESC";
        let left = all(conn, sql, [], |found| {
            row::check_seal(found, 0, 2)?;
            Ok((row::number(found, 1)?, found.get(0)?))
        })?;
        Ok(Ends { left })
    }

    /// Moves those up to an entry's old place: its new one is the first behind them.
    fn up_to(&mut self, conn: &Connection, old: u64, new: u64) -> Result<()> {
        while let Some((_, extract)) = self.left.pop_if(|(place, _)| *place <= old) {
            let values = row::sealed(vec![extract.into(), big(new)?.into()]);
            let sql =
                "INSERT OR REPLACE INTO register_end (extract, place, seal) VALUES ($1, $2, $3)";
            conn.prepare_cached(sql)?.execute(params_from_iter(values))?;
        }
        Ok(())
    }
}

/// The entries of a log, read forwards.
struct Entries<'a> {
    log: &'a Log,
    reader: BufReader<File>,
    at: u64,
    entry: Vec<u8>,
}

impl Entries<'_> {
    fn of(log: &Log) -> Result<Entries<'_>> {
        let file = File::open(&log.path).map_err(|err| failed("open", &log.path, &err))?;
        let reader = BufReader::with_capacity(BUFFER, file);
        Ok(Entries { log, reader, at: 0, entry: Vec::new() })
    }

    /// Reads the entry that begins at a place, all of it, and holds it to its seals.
    fn at(&mut self, place: u64) -> Result<(Head, &[u8])> {
        if place < self.at || place >= self.log.committed {
            return Err(damaged());
        }
        let skipped = i64::try_from(place - self.at).map_err(|_| damaged())?;
        self.reader.seek_relative(skipped).map_err(|_| damaged())?;
        self.entry.resize(HEAD, 0);
        self.reader.read_exact(&mut self.entry).map_err(|_| damaged())?;
        let whole = Head::shape(&self.entry)?.whole();
        if whole as u64 > self.log.committed - place {
            return Err(damaged());
        }
        self.entry.resize(whole, 0);
        self.reader.read_exact(&mut self.entry[HEAD..]).map_err(|_| damaged())?;
        self.at = place + whole as u64;
        let head = Head::read(&self.entry)?;
        unsealed(&self.entry[head.sealed()..])?;
        Ok((head, &self.entry))
    }
}

#[cfg(test)]
mod tests {
    use super::Sqlite;
    use crate::digest::Digest;
    use crate::domain::{
        Claim, Code, Counts, ExtractKind, Fault, Fingerprint, Kind, Known, Notes, Position,
    };
    use crate::ledger::{Entry, Kept, Ledger, NewExtract, NewFault, Numbers, Register, Retention};

    fn known(version: u8) -> Known {
        Known {
            fingerprint: Fingerprint([version; 16]),
            status: None,
            announced: true,
            columns: 1,
            modified: u64::from(version),
        }
    }

    fn claim(value: u8) -> Claim {
        Claim { category: [7; 8], value: [value; 16] }
    }

    fn extract(digest: Digest) -> NewExtract {
        NewExtract {
            digest,
            name: "a.csv".into(),
            kind: ExtractKind::Patients,
            bytes: 1,
            inode: 1,
            header: String::new(),
            taken_at: 1,
        }
    }

    /// Tells of patients 0 to 99 in one version each; the odd ones have an external ID, which
    /// patient 1 gives up in time.
    fn tell(ledger: &mut Sqlite, version: u8) {
        let mut entries = Vec::new();
        for patient in 0..100_u8 {
            let own = (patient % 2 == 1 && (patient != 1 || version < 3)).then(|| claim(patient));
            let claims: Vec<Claim> = own.into_iter().collect();
            let (id, kept) = (patient.to_string(), vec![version; 20]);
            let (kind, known) = (Kind::Patient, known(version));
            Entry { kind, id: id.as_bytes(), known, claims: &claims, kept: &kept }
                .write(&mut entries);
        }
        ledger.begin_drop().unwrap();
        let id = ledger.begin_extract(&extract(Digest::of(&[version]))).unwrap();
        ledger.remember(&entries).unwrap();
        ledger.end_extract(id, &Counts::default(), &Notes::default()).unwrap();
        let next = ledger.numbers().unwrap();
        ledger.commit_drop(&[], &["test"], next).unwrap();
    }

    fn is_whole(ledger: &Sqlite, version: u8) {
        assert_eq!(ledger.integrity().unwrap(), [""; 0]);
        for patient in 0..100_u8 {
            let id = patient.to_string();
            let found = ledger.known(Kind::Patient, id.as_bytes()).unwrap();
            assert_eq!(found, Some(known(version)), "{id}");
            let kept = ledger.kept(Kind::Patient, id.as_bytes()).unwrap();
            assert_eq!(kept, Some(Kept { columns: 1, values: vec![version; 20] }));
            let owner = ledger.owner(Kind::Patient, &claim(patient)).unwrap();
            let owns = patient % 2 == 1 && patient != 1;
            assert_eq!(owner, owns.then(|| id.into_bytes()), "{patient}");
        }
    }

    #[test]
    fn a_log_that_is_mostly_dead_is_written_anew_and_says_the_same() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ledger.db");
        let mut ledger = Sqlite::open(&path, "ridge/test").unwrap();
        let reader = Sqlite::peek(&path, "ridge/test").unwrap().unwrap();
        tell(&mut ledger, 1);
        assert_eq!(ledger.compact_register(0).unwrap(), 0, "all of it counts");
        (2..=4).for_each(|version| tell(&mut ledger, version));
        is_whole(&reader, 4);
        let before = std::fs::metadata(path.with_extension("register")).unwrap().len();
        assert_eq!(ledger.compact_register(before + 1).unwrap(), 0, "it is small");
        let less = ledger.compact_register(0).unwrap();
        let after = std::fs::metadata(path.with_extension("register")).unwrap().len();
        assert!(after < before / 3 && before - after == less, "{before} {after} {less}");
        is_whole(&ledger, 4);
        is_whole(&reader, 4);
        drop(ledger);
        let mut ledger = Sqlite::open(&path, "ridge/test").unwrap();
        is_whole(&ledger, 4);
        tell(&mut ledger, 5);
        is_whole(&ledger, 5);
        let first = Numbers { control: 1, file: 1 };
        assert_eq!(
            (ledger.compact_register(0).unwrap() > 0, ledger.numbers().unwrap()),
            (true, first)
        );
        is_whole(&ledger, 5);
    }

    #[test]
    fn where_an_extract_ended_is_still_before_what_was_told_later() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = Sqlite::open(&place.path().join("ledger.db"), "ridge/test").unwrap();
        let entry = |id: &str| {
            let mut out = Vec::new();
            let (kind, id) = (Kind::Patient, id.as_bytes());
            Entry { kind, id, known: known(9), claims: &[], kept: b"" }.write(&mut out);
            out
        };
        let drop = |ledger: &mut Sqlite, ids: &[&str], error: u64| {
            ledger.begin_drop().unwrap();
            let name = format!("{}.csv", ids.concat());
            let id = ledger.begin_extract(&extract(Digest::of(name.as_bytes()))).unwrap();
            ids.iter().for_each(|id| ledger.remember(&entry(id)).unwrap());
            if error > 0 {
                let at = Position { extract: name.into(), record: 1, line: 2 };
                let fault = Fault { at, code: Code::M001, column: "".into(), field: None };
                ledger.queue_fault(id, &NewFault::first(&fault, "x")).unwrap();
            }
            let counts = Counts { rows: error, error, ..Counts::default() };
            ledger.end_extract(id, &counts, &Notes::default()).unwrap();
            let next = ledger.numbers().unwrap();
            ledger.commit_drop(&[], &["test"], next).unwrap();
            id
        };
        drop(&mut ledger, &["a", "b"], 0);
        let bad = drop(&mut ledger, &["c"], 1);
        drop(&mut ledger, &["b", "c", "d"], 0);
        drop(&mut ledger, &["b", "d", "e"], 0);
        let last = drop(&mut ledger, &["b"], 1);
        let side = |ledger: &Sqlite| {
            let behind = |id: &str, end| {
                ledger.entered(Kind::Patient, id.as_bytes()).unwrap().unwrap() >= end
            };
            let end = ledger.end_of(bad).unwrap().unwrap();
            let told = ["a", "b", "c", "d", "e"].map(|id| behind(id, end));
            (told, ledger.end_of(last).unwrap() == Some(ledger.end().unwrap()))
        };
        let wanted = ([false, true, true, true, true], true);
        assert_eq!(side(&ledger), wanted);
        assert!(ledger.compact_register(0).unwrap() > 0);
        assert_eq!(side(&ledger), wanted);
    }

    #[test]
    fn what_is_damaged_is_not_written_anew() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ledger.db");
        let mut ledger = Sqlite::open(&path, "ridge/test").unwrap();
        (1..=4).for_each(|version| tell(&mut ledger, version));
        drop(ledger);
        let log = path.with_extension("register");
        let mut bytes = std::fs::read(&log).unwrap();
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
        crate::disk::write(&log, &bytes).unwrap();
        let mut ledger = Sqlite::open(&path, "ridge/test").unwrap();
        let said = ledger.compact_register(0).unwrap_err().to_string();
        assert!(said.contains("an entry of its register is not as it was written"), "{said}");
        drop(ledger);
        assert_eq!(std::fs::read(&log).unwrap(), bytes);
        assert!(Sqlite::open(&path, "ridge/test").is_ok());
        assert!(!path.with_extension("register-new").exists());
    }
}
