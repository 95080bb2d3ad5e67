//! The register in its two parts: a log of entries, and an index of their places.
//!
//! The log is a file beside the ledger that only grows at its end. How much of it
//! counts stands in the ledger and moves with the commit of a drop, so what a crash
//! or an abandoned drop left behind that end was never there. Entries of an extract
//! get their places when the extract ends: one that is read twice, or not at all,
//! costs a cut and no look at the index.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::{Connection, OptionalExtension};

use super::{Sqlite, all, row};
use crate::crashpoint::crashpoint;
use crate::disk::{self, NewFile};
use crate::domain::{Kind, Known};
use crate::ledger::register::{HEAD, Head, Kept, Register, damaged, first, letter, unsealed};
use crate::ledger::{LedgerError, Result};

/// The counter of the log's bytes that count.
pub(super) const BYTES: &str = "register";

/// Bytes that an entry's head and ID are read with at first; nearly all fit.
const READ: usize = 128;
/// Bytes that wait to be written.
const BUFFER: usize = 1 << 20;

/// The log of one ledger.
pub(super) struct Log {
    path: PathBuf,
    reader: OnceLock<File>,
    writer: Option<NewFile>,
    buffer: Vec<u8>,
    /// Bytes that count for good.
    committed: u64,
    /// Where the extract begun last begins.
    begun: u64,
    /// Where the next entry goes.
    end: u64,
}

impl Log {
    /// Opens the log of the ledger at `ledger`.
    pub fn open(ledger: &Path, conn: &Connection) -> Result<Log> {
        let path = ledger.with_extension("register");
        let committed = row::counter(conn, BYTES)?;
        let there = match std::fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => 0,
            Err(err) => return Err(failed("look at", &path, &err)),
        };
        if there < committed {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let text = format!("{name} has {there} bytes and {committed} were written");
            return Err(LedgerError::Damaged(text));
        }
        let (reader, writer, buffer) = (OnceLock::new(), None, Vec::new());
        Ok(Log { path, reader, writer, buffer, committed, begun: committed, end: committed })
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
        let mut put = conn.prepare_cached(sql)?;
        self.walk(self.begun, &mut |place, kind, id| {
            put.execute((word(kind), id, row::big(place)?))?;
            Ok(())
        })?;
        row::set_counter(conn, BYTES, self.end)?;
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
        Ok(self.find(conn, kind, id)?.map(|(head, _)| head.known))
    }

    /// Returns what is kept of a record.
    pub fn kept(&self, conn: &Connection, kind: Kind, id: &[u8]) -> Result<Option<Kept>> {
        let Some((head, place)) = self.find(conn, kind, id)? else { return Ok(None) };
        if head.kept == 0 {
            return Ok(None);
        }
        let mut values = vec![0; head.sealed_kept()];
        let at = place + (HEAD + head.id) as u64;
        self.reader()?.read_exact_at(&mut values, at).map_err(|_| damaged())?;
        values.truncate(unsealed(&values)?.len());
        Ok(Some(Kept { columns: head.columns, values }))
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
            let kind = if kind == word(Kind::Patient) { Kind::Patient } else { Kind::Appointment };
            if let Err(err) = self.kept(conn, kind, id.as_bytes()) {
                problems.push(format!("the register: {err}"));
                break;
            }
        }
        Ok(problems)
    }

    fn find(&self, conn: &Connection, kind: Kind, id: &[u8]) -> Result<Option<(Head, u64)>> {
        // What is no text has no entry: a record with such an ID is refused.
        let Ok(text) = std::str::from_utf8(id) else { return Ok(None) };
        let mut query =
            conn.prepare_cached("SELECT place FROM register WHERE kind = $1 AND id = $2")?;
        let place: Option<i64> =
            query.query_row((word(kind), text), |row| row.get(0)).optional()?;
        let Some(place) = place else { return Ok(None) };
        let place = u64::try_from(place).map_err(|_| damaged())?;
        let mut bytes = [0; READ];
        let filled = self.read_at(&mut bytes, place)?;
        let shape = Head::shape(&bytes[..filled])?;
        let (head, found) = if HEAD + shape.id <= filled {
            (Head::read(&bytes[..filled])?, bytes[HEAD..HEAD + shape.id].to_vec())
        } else {
            let mut long = vec![0; HEAD + shape.id];
            self.reader()?.read_exact_at(&mut long, place).map_err(|_| damaged())?;
            (Head::read(&long)?, long.split_off(HEAD))
        };
        if head.kind != kind || found != id {
            return Err(damaged());
        }
        Ok(Some((head, place)))
    }

    /// Walks the entries from `at` to the end: place, kind, ID.
    fn walk(&self, mut at: u64, see: &mut dyn FnMut(u64, Kind, &str) -> Result<()>) -> Result<()> {
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
            let (head, id, whole) = first(&entry)?;
            see(at, head.kind, std::str::from_utf8(id).map_err(|_| damaged())?)?;
            at += whole as u64;
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

    fn reader(&self) -> Result<&File> {
        if let Some(file) = self.reader.get() {
            return Ok(file);
        }
        let file = File::open(&self.path).map_err(|err| failed("open", &self.path, &err))?;
        Ok(self.reader.get_or_init(|| file))
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

    fn kept(&self, kind: Kind, id: &[u8]) -> Result<Option<Kept>> {
        self.register.kept(&self.conn, kind, id)
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

fn word(kind: Kind) -> &'static str {
    match letter(kind) {
        b'P' => "P",
        _ => "A",
    }
}

fn failed(what: &str, path: &Path, err: &std::io::Error) -> LedgerError {
    LedgerError::Failed(format!("{what} {}: {err}", path.display()))
}
