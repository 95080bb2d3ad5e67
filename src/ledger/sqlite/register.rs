//! The register in its two parts: a log of entries, and an index of their places.
//!
//! The log is a file beside the ledger that only grows at its end. How much of it
//! counts stands in the ledger and moves with the commit of a drop, so what a crash
//! or an abandoned drop left behind that end was never there. Entries of an extract
//! get their places when the extract ends: one that is read twice, or not at all,
//! costs a cut and no look at the index.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::compact::{current, lengths, named};
use super::query::{all, one};
use super::{Sqlite, row};
use crate::crashpoint::crashpoint;
use crate::disk::{self, NewFile};
use crate::domain::{Claim, Kind, Known};
use crate::ledger::register::{HEAD, Head, Kept, Register, claims, damaged, letter, unsealed};
use crate::ledger::{ExtractId, LedgerError, Result};

/// The counter of the log's bytes that count.
pub(super) const BYTES: &str = "register";

/// The counter of the entries that were written to the log.
pub(super) const ENTRIES: &str = "register_entries";

/// The counter of the logs that were written anew, twice each: it is odd while one counts
/// and has not got its name.
pub(super) const MOVED: &str = "register_moved";

/// Bytes that an entry's head, ID and external IDs are read with at first; nearly all fit.
const READ: usize = 128;
/// Bytes that wait to be written.
const BUFFER: usize = 1 << 20;

/// The log of one ledger.
pub(super) struct Log {
    pub(super) path: PathBuf,
    /// None until something is read.
    pub(super) reader: RefCell<Option<Arc<File>>>,
    /// Of who only reads: which log the reader is of. Another process may write it anew.
    generation: Option<Cell<u64>>,
    writer: Option<NewFile>,
    buffer: Vec<u8>,
    /// Whether the index had no entry when that was asked first; not asked once there is one.
    is_empty: OnceLock<bool>,
    /// Bytes that count for good.
    pub(super) committed: u64,
    /// Where the extract begun last begins.
    pub(super) begun: u64,
    /// Where the next entry goes.
    pub(super) end: u64,
}

/// An entry that was read, without what is kept.
struct Found {
    head: Head,
    id: Vec<u8>,
    claims: Vec<Claim>,
    /// Where it begins.
    place: u64,
}

impl Found {
    fn read(bytes: &[u8], place: u64) -> Result<Found> {
        let head = Head::read(bytes)?;
        let id = bytes[HEAD..HEAD + head.id].to_vec();
        Ok(Found { head, id, claims: claims(&head, bytes), place })
    }
}

impl Log {
    /// Opens the log of the ledger at `ledger`; who writes ends what a crash left half done.
    pub fn open(ledger: &Path, conn: &Connection, writes: bool) -> Result<Log> {
        let path = ledger.with_extension("register");
        if writes {
            named(&path, conn)?;
        }
        let (committed, there) = lengths(&path, conn)?;
        if there < committed {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let text = format!("{name} has {there} bytes and {committed} were written");
            return Err(LedgerError::Damaged(text));
        }
        let (reader, is_empty) = (RefCell::new(None), OnceLock::new());
        let (writer, buffer) = (None, Vec::new());
        let (begun, end) = (committed, committed);
        let generation = (!writes).then(|| Cell::new(u64::MAX));
        Ok(Log { path, generation, reader, writer, buffer, is_empty, committed, begun, end })
    }

    /// Begins an extract: what is added belongs to it.
    pub fn begin_extract(&mut self) {
        self.begun = self.end;
    }

    /// Adds entries.
    pub fn add(&mut self, entries: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(entries);
        self.end += entries.len() as u64;
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Takes the entries of the extract begun last away again.
    pub fn undo(&mut self) -> Result<()> {
        self.buffer.clear();
        self.end = self.begun;
        match &mut self.writer {
            Some(writer) => Ok(writer.cut(self.end)?),
            None => Ok(()),
        }
    }

    /// Makes the entries of the extract begun last durable, and gives each its place in
    /// the index. They count once the ledger's commit says so.
    pub fn index(&mut self, conn: &Connection) -> Result<()> {
        if self.begun == self.end {
            return Ok(());
        }
        self.flush()?;
        if let Some(writer) = self.writer.take() {
            writer.finish()?;
        }
        let sql = "INSERT INTO register (kind, id, place) VALUES ($1, $2, $3) \
                   ON CONFLICT (kind, id) DO UPDATE SET place = excluded.place";
        let (mut put, mut entries) = (conn.prepare_cached(sql)?, 0);
        self.walk(self.begun, &mut |place, found| {
            let place = row::big(place)?;
            entries += 1;
            let id = std::str::from_utf8(&found.id).map_err(|_| damaged())?;
            put.execute((word(found.head.kind), id, place))?;
            for claim in &found.claims {
                put.execute((claim_word(found.head.kind), hex(claim), place))?;
            }
            Ok(())
        })?;
        row::set_counter(conn, BYTES, self.end)?;
        row::set_counter(conn, ENTRIES, row::counter(conn, ENTRIES)? + entries)?;
        self.begun = self.end;
        Ok(())
    }

    /// What was added counts.
    pub fn commit(&mut self) {
        (self.committed, self.begun) = (self.end, self.end);
    }

    /// What was added never was; the next to write cuts it off.
    pub fn abandon(&mut self) {
        self.writer = None;
        self.buffer.clear();
        (self.begun, self.end) = (self.committed, self.committed);
    }

    /// Returns what is known of a record.
    pub fn known(&self, conn: &Connection, kind: Kind, id: &[u8]) -> Result<Option<Known>> {
        self.twice(|| Ok(self.find(conn, kind, id)?.map(|found| found.head.known)))
    }

    /// Returns where what counts for good ends.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// Keeps where the log ends once an extract has its entries in it.
    pub fn ends(&self, conn: &Connection, extract: ExtractId) -> Result<()> {
        let values = row::sealed(vec![extract.0.into(), row::big(self.end)?.into()]);
        conn.prepare_cached("INSERT INTO register_end (extract, place, seal) VALUES ($1, $2, $3)")?
            .execute(params_from_iter(values))?;
        Ok(())
    }

    /// Returns where the newest entry of a record begins.
    pub fn entered(&self, conn: &Connection, kind: Kind, id: &[u8]) -> Result<Option<u64>> {
        Ok(self.find(conn, kind, id)?.map(|found| found.place))
    }

    /// Returns the external IDs of a record.
    pub fn claims(&self, conn: &Connection, kind: Kind, id: &[u8]) -> Result<Vec<Claim>> {
        self.twice(|| Ok(self.find(conn, kind, id)?.map_or(Vec::new(), |found| found.claims)))
    }

    /// Returns whose an external ID is.
    pub fn owner(&self, conn: &Connection, kind: Kind, claim: &Claim) -> Result<Option<Vec<u8>>> {
        self.twice(|| {
            let Some(place) = self.place(conn, claim_word(kind), &hex(claim))? else {
                return Ok(None);
            };
            let had = self.at(place)?;
            if had.head.kind != kind || !had.claims.contains(claim) {
                return Err(damaged());
            }
            let has = self.find(conn, kind, &had.id)?;
            let has = has.is_some_and(|found| found.claims.contains(claim));
            Ok(has.then_some(had.id))
        })
    }

    /// Returns what is kept of a record.
    pub fn kept(&self, conn: &Connection, kind: Kind, id: &[u8]) -> Result<Option<Kept>> {
        self.twice(|| {
            let Some(found) = self.find(conn, kind, id)? else { return Ok(None) };
            let Found { head, place, .. } = found;
            if head.kept == 0 {
                return Ok(None);
            }
            let mut values = vec![0; head.sealed_kept()];
            let at = place + head.sealed() as u64;
            self.reader()?.read_exact_at(&mut values, at).map_err(|_| damaged())?;
            values.truncate(unsealed(&values)?.len());
            Ok(Some(Kept { columns: head.known.columns, values }))
        })
    }

    /// Asks again where an answer was damaged: another process may have written the log
    /// anew between our look at the index and the one at the file.
    fn twice<T>(&self, ask: impl Fn() -> Result<T>) -> Result<T> {
        match ask() {
            Err(LedgerError::Damaged(_)) if self.generation.is_some() => ask(),
            answer => answer,
        }
    }

    /// Returns where the index says that an entry begins, and sees that it is the log of
    /// that index which is read.
    fn place(&self, conn: &Connection, kind: &str, id: &str) -> Result<Option<u64>> {
        let found = place(conn, kind, id)?;
        if let Some(generation) = &self.generation {
            let now = row::counter(conn, MOVED)?;
            if generation.replace(now) != now {
                // There is none before the first entry.
                let file = File::open(current(&self.path, now)).ok().map(Arc::new);
                self.reader.replace(file);
            }
        }
        Ok(found)
    }

    /// Returns how many entries there are, each read and found whole.
    pub fn check(&self, conn: &Connection) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        if self.committed == 0 {
            return Ok(problems);
        }
        let mut query = conn.prepare("SELECT kind, id FROM register")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, id): (String, String) = (row.get(0)?, row.get(1)?);
            let looked = match kind.as_str() {
                "P" => self.kept(conn, Kind::Patient, id.as_bytes()).map(|_| ()),
                "A" => self.kept(conn, Kind::Appointment, id.as_bytes()).map(|_| ()),
                _ => self.check_claim(conn, &kind, &id),
            };
            if let Err(err) = looked {
                problems.push(format!("the register: {err}"));
                break;
            }
        }
        Ok(problems)
    }

    /// An external ID stands where an entry has it.
    fn check_claim(&self, conn: &Connection, kind: &str, id: &str) -> Result<()> {
        let found = self.at(self.place(conn, kind, id)?.ok_or_else(damaged)?)?;
        let has = found.claims.iter().any(|claim| hex(claim) == id);
        if has && claim_word(found.head.kind) == kind { Ok(()) } else { Err(damaged()) }
    }

    fn find(&self, conn: &Connection, kind: Kind, id: &[u8]) -> Result<Option<Found>> {
        // Of a first extract everything is new, and a look-up would be a tenth of its time.
        if self.begun == 0 && self.is_empty(conn)? {
            return Ok(None);
        }
        // What is no text has no entry: a record with such an ID is refused.
        let Ok(text) = std::str::from_utf8(id) else { return Ok(None) };
        let Some(place) = self.place(conn, word(kind), text)? else { return Ok(None) };
        let found = self.at(place)?;
        if found.head.kind != kind || found.id != id {
            return Err(damaged());
        }
        Ok(Some(found))
    }

    /// True if the index has no entry, as far as the extracts before this one go.
    fn is_empty(&self, conn: &Connection) -> Result<bool> {
        if let Some(known) = self.is_empty.get() {
            return Ok(*known);
        }
        let sql = "SELECT 1 FROM register LIMIT 1";
        let first: Option<i64> = conn.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(*self.is_empty.get_or_init(|| first.is_none()))
    }

    /// Reads the entry that begins at a place, without what is kept.
    fn at(&self, place: u64) -> Result<Found> {
        let mut bytes = [0; READ];
        let filled = self.read_at(&mut bytes, place)?;
        let shape = Head::shape(&bytes[..filled])?;
        if shape.sealed() <= filled {
            return Found::read(&bytes[..filled], place);
        }
        let mut long = vec![0; shape.sealed()];
        self.reader()?.read_exact_at(&mut long, place).map_err(|_| damaged())?;
        Found::read(&long, place)
    }

    /// Walks the entries from `at` to the end.
    fn walk(&self, mut at: u64, see: &mut dyn FnMut(u64, Found) -> Result<()>) -> Result<()> {
        let file = File::open(&self.path).map_err(|err| failed("open", &self.path, &err))?;
        let mut reader = BufReader::with_capacity(BUFFER, file);
        reader.seek(SeekFrom::Start(at)).map_err(|_| damaged())?;
        let mut entry = Vec::new();
        while at < self.end {
            entry.resize(HEAD, 0);
            reader.read_exact(&mut entry).map_err(|_| damaged())?;
            let shape = Head::shape(&entry)?;
            entry.resize(shape.whole(), 0);
            reader.read_exact(&mut entry[HEAD..]).map_err(|_| damaged())?;
            see(at, Found::read(&entry, at)?)?;
            at += shape.whole() as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        crashpoint("ledger.register")?;
        if self.writer.is_none() {
            // What nobody committed is cut off here.
            let at = self.end - self.buffer.len() as u64;
            self.writer = Some(disk::append(&self.path, at)?);
        }
        if let Some(writer) = &mut self.writer {
            writer.write(&self.buffer)?;
        }
        self.buffer.clear();
        Ok(())
    }

    fn reader(&self) -> Result<Arc<File>> {
        if let Some(file) = &*self.reader.borrow() {
            return Ok(file.clone());
        }
        let file = File::open(&self.path).map_err(|err| failed("open", &self.path, &err))?;
        let file = Arc::new(file);
        self.reader.replace(Some(file.clone()));
        Ok(file)
    }

    fn read_at(&self, bytes: &mut [u8], place: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.reader()?.read_at(&mut bytes[filled..], place + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                Err(err) => return Err(failed("read", &self.path, &err)),
            }
        }
        Ok(filled)
    }
}

impl Register for Sqlite {
    fn known(&self, kind: Kind, id: &[u8]) -> Result<Option<Known>> {
        self.register.known(&self.conn, kind, id)
    }

    fn each(&self, kind: Kind, see: &mut dyn FnMut(&[u8], Known)) -> Result<()> {
        let mut query = self.conn.prepare("SELECT id FROM register WHERE kind = $1")?;
        let mut rows = query.query([word(kind)])?;
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            let known = self.known(kind, id.as_bytes())?.ok_or_else(damaged)?;
            see(id.as_bytes(), known);
        }
        Ok(())
    }

    fn count(&self, kind: Kind, limit: u64) -> Result<u64> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM register WHERE kind = $1 LIMIT $2)";
        let mut query = self.conn.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let count: i64 = query.query_row((word(kind), limit), |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn end(&self) -> Result<u64> {
        Ok(self.register.committed())
    }

    fn entered(&self, kind: Kind, id: &[u8]) -> Result<Option<u64>> {
        self.register.entered(&self.conn, kind, id)
    }

    fn end_of(&self, extract: ExtractId) -> Result<Option<u64>> {
        let sql = "SELECT extract, place, seal FROM register_end WHERE extract = $1";
        one(&self.conn, sql, [extract.0], |found| {
            row::check_seal(found, 0, 2)?;
            row::number(found, 1)
        })
    }

    fn kept(&self, kind: Kind, id: &[u8]) -> Result<Option<Kept>> {
        self.register.kept(&self.conn, kind, id)
    }

    fn claims(&self, kind: Kind, id: &[u8]) -> Result<Vec<Claim>> {
        self.register.claims(&self.conn, kind, id)
    }

    fn owner(&self, kind: Kind, claim: &Claim) -> Result<Option<Vec<u8>>> {
        self.register.owner(&self.conn, kind, claim)
    }

    fn columns(&self) -> Result<Vec<(u32, Vec<String>)>> {
        let sql = "SELECT id, names, seal FROM register_columns ORDER BY id";
        all(&self.conn, sql, [], row::columns)
    }

    fn keep_columns(&mut self, names: &[String]) -> Result<u32> {
        self.in_drop(|conn, _, _| keep_columns(conn, names))
    }

    fn remember(&mut self, entries: &[u8]) -> Result<()> {
        self.in_drop(|_, _, log| log.add(entries))
    }
}

/// Returns the number of a list of columns, which is made if it is new.
fn keep_columns(conn: &Connection, names: &[String]) -> Result<u32> {
    let names = names.join(" ");
    let sql = "SELECT id FROM register_columns WHERE names = $1";
    if let Some(id) = conn.query_row(sql, [&names], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    let next = "SELECT coalesce(max(id), 0) + 1 FROM register_columns";
    let id: u32 = conn.query_row(next, [], |row| row.get(0))?;
    row::insert_columns(conn, id, &names)?;
    Ok(id)
}

/// Returns the place that the index has for a record or an external ID.
fn place(conn: &Connection, kind: &str, id: &str) -> Result<Option<u64>> {
    let sql = "SELECT place FROM register WHERE kind = $1 AND id = $2";
    let mut query = conn.prepare_cached(sql)?;
    let place: Option<i64> = query.query_row((kind, id), |row| row.get(0)).optional()?;
    place.map(|place| u64::try_from(place).map_err(|_| damaged())).transpose()
}

/// Returns what an external ID stands under in the index.
pub(super) fn hex(claim: &Claim) -> String {
    claim.value.iter().fold(String::with_capacity(32), |mut hex, byte| {
        for digit in [byte >> 4, byte & 0xf] {
            hex.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
        hex
    })
}

pub(super) fn claim_word(kind: Kind) -> &'static str {
    match letter(kind) {
        b'P' => "p",
        _ => "a",
    }
}

pub(super) fn word(kind: Kind) -> &'static str {
    match letter(kind) {
        b'P' => "P",
        _ => "A",
    }
}

pub(super) fn failed(what: &str, path: &Path, err: &std::io::Error) -> LedgerError {
    LedgerError::Failed(format!("{what} {}: {err}", path.display()))
}
