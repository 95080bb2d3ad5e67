//! Rows as SQLite keeps them: the columns, the seals, and the way back.

use std::fmt::Write;
use std::str::FromStr;

use rusqlite::types::{FromSql, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};

use super::error::wrong_value;
use crate::digest::Digest;
use crate::domain::{Code, Counts, ExtractKind, Fault, Position, RecordKey, Whose};
use crate::ledger::{
    BatchRow, DeliveryRow, Encrypted, ExtractId, ExtractRow, Failure, FaultRow, LedgerError,
    NewExtract, NewFault, Receipt, Result, Stage, Temp, Wait,
};

/// The columns of a batch, with its seal.
pub(super) const BATCH: &str =
    "b.number, b.name, b.digest, b.bytes, b.first_control, b.messages, b.made_at, b.seal";

/// The columns of a delivery, with its seal; they stand behind [`BATCH`].
pub(super) const DELIVERY: &str = "d.batch, d.endpoint, d.stage, d.temp, d.place, \
     d.rename_at, d.tries, d.resent, d.failures, d.failure, d.failure_stopped, d.failure_at, \
     d.again_at, d.path, d.bytes, d.evidence, d.server, \
     d.host_key, d.delivered_at, d.held_until, d.answer_within, d.answered_at, d.out_name, \
     d.out_digest, d.out_bytes, d.seal";

/// The columns of an extract, with its seal.
pub(super) const EXTRACT: &str = "e.id, e.digest, e.name, e.kind, e.bytes, e.inode, e.header, e.records, \
     e.sent, e.filtered, e.error, e.duplicate, e.messages, e.notes, e.batch, e.taken_at, e.drop_id, \
     e.seal";

/// The columns of a fault and of its extract.
pub(super) const FAULT: &str = "f.id, f.extract, f.record, f.line, f.code, f.place, f.field, \
     f.source, e.name, e.taken_at, f.whose, f.modified, coalesce(f.since, e.taken_at), f.times";

const BATCH_END: usize = 7;
const DELIVERY_END: usize = 33;
const EXTRACT_END: usize = 17;

/// Returns a number as SQL has it.
pub(super) fn big(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| LedgerError::Failed(format!("{number} is too large")))
}

/// Closes the values of a row with their seal.
pub(super) fn sealed(mut values: Vec<Value>) -> Vec<Value> {
    let seal = seal(values.iter().map(ValueRef::from));
    values.push(Value::Text(seal));
    values
}

/// Refuses a row whose columns `from..end` are not those that column `end` seals.
pub(super) fn check_seal(row: &Row<'_>, from: usize, end: usize) -> Result<()> {
    let values = (from..end).map(|at| row.get_ref(at)).collect::<rusqlite::Result<Vec<_>>>()?;
    if seal(values.into_iter()) == row.get::<_, String>(end)? {
        return Ok(());
    }
    let column = row.as_ref().column_name(from)?.to_string();
    Err(LedgerError::Damaged(format!("the row of a {column} was changed from outside")))
}

fn seal<'a>(values: impl Iterator<Item = ValueRef<'a>>) -> String {
    let mut text = String::new();
    for value in values {
        // Writing into a string cannot fail.
        let _ = match value {
            ValueRef::Integer(number) => write!(text, "{number};"),
            ValueRef::Text(bytes) => {
                write!(text, "{}:{};", bytes.len(), String::from_utf8_lossy(bytes))
            }
            _ => write!(text, "-;"),
        };
    }
    let mut digest = Digest::of(text.as_bytes()).to_string();
    digest.truncate(16);
    digest
}

/// Reads a counter.
pub(super) fn counter(conn: &Connection, name: &str) -> Result<u64> {
    let mut query = conn.prepare_cached("SELECT name, value, seal FROM counter WHERE name = $1")?;
    let mut found = query.query_and_then([name], |row| {
        check_seal(row, 0, 2)?;
        number(row, 1)
    })?;
    found.next().unwrap_or_else(|| Err(wrong_value("counter")))
}

/// Writes a counter, new or known.
pub(super) fn set_counter(conn: &Connection, name: &str, value: u64) -> Result<()> {
    let values = sealed(vec![name.to_string().into(), big(value)?.into()]);
    conn.prepare_cached(
        "INSERT INTO counter (name, value, seal) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, seal = excluded.seal",
    )?
    .execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

/// Writes a new list of columns of the register.
pub(super) fn insert_columns(conn: &Connection, id: u32, names: &str) -> Result<()> {
    let values = sealed(vec![i64::from(id).into(), names.to_string().into()]);
    let sql = "INSERT INTO register_columns (id, names, seal) VALUES ($1, $2, $3)";
    conn.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

/// Reads a list of columns of the register: its number, names and seal.
pub(super) fn columns(row: &Row<'_>) -> Result<(u32, Vec<String>)> {
    check_seal(row, 0, 2)?;
    let names: String = row.get(1)?;
    Ok((row.get(0)?, names.split_ascii_whitespace().map(str::to_string).collect()))
}

/// Reads a batch from the columns [`BATCH`].
pub(super) fn batch(row: &Row<'_>) -> Result<BatchRow> {
    check_seal(row, 0, BATCH_END)?;
    Ok(BatchRow {
        number: number(row, 0)?,
        name: row.get(1)?,
        digest: parsed(row, 2)?,
        bytes: number(row, 3)?,
        first_control: number(row, 4)?,
        messages: number(row, 5)?,
        made_at: row.get(6)?,
    })
}

/// Writes a new batch.
pub(super) fn insert_batch(conn: &Connection, batch: &BatchRow) -> Result<()> {
    let values = sealed(vec![
        big(batch.number)?.into(),
        batch.name.clone().into(),
        batch.digest.to_string().into(),
        big(batch.bytes)?.into(),
        big(batch.first_control)?.into(),
        big(batch.messages)?.into(),
        batch.made_at.into(),
    ]);
    conn.prepare_cached(
        "INSERT INTO batch (number, name, digest, bytes, first_control, messages, made_at, seal) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )?
    .execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

/// Reads a delivery from the columns [`BATCH`] and [`DELIVERY`].
pub(super) fn delivery(row: &Row<'_>) -> Result<DeliveryRow> {
    let batch = batch(row)?;
    check_seal(row, BATCH_END + 1, DELIVERY_END)?;
    let word: String = row.get(10)?;
    let stage = Stage::ALL.into_iter().find(|stage| stage.word() == word);
    let temp = match (row.get::<_, Option<String>>(11)?, row.get::<_, Option<String>>(12)?) {
        (Some(name), Some(place)) => Some(Temp { name, place }),
        _ => None,
    };
    let failure = match row.get::<_, Option<String>>(17)? {
        Some(what) => {
            let (stopped, at) = (row.get::<_, i64>(18)? != 0, row.get(19)?);
            Some(Failure { what, stopped, again_at: row.get(20)?, stage: None, at })
        }
        None => None,
    };
    let receipt = match row.get::<_, Option<String>>(21)? {
        Some(path) => Some(Receipt {
            path,
            bytes: number(row, 22)?,
            evidence: row.get(23)?,
            server: row.get(24)?,
            host_key: row.get(25)?,
            at: row.get(26)?,
        }),
        None => None,
    };
    let wait = match row.get::<_, Option<i64>>(28)? {
        Some(within_s) => Some(Wait { within_s, answered_at: row.get(29)? }),
        None => None,
    };
    let encrypted = match row.get::<_, Option<String>>(30)? {
        Some(name) => Some(Encrypted { name, digest: parsed(row, 31)?, bytes: number(row, 32)? }),
        None => None,
    };
    Ok(DeliveryRow {
        encrypted,
        batch,
        endpoint: row.get(9)?,
        stage: stage.ok_or_else(|| wrong_value("stage"))?,
        temp,
        rename_at: row.get(13)?,
        tries: number(row, 14)?,
        resent: number(row, 15)?,
        failures: number(row, 16)?,
        failure,
        receipt,
        wait,
        held_until: row.get(27)?,
    })
}

/// Writes a delivery, new or known.
pub(super) fn put_delivery(conn: &Connection, row: &DeliveryRow) -> Result<()> {
    let failure = row.failure.as_ref();
    let receipt = row.receipt.as_ref();
    let encrypted = row.encrypted.as_ref();
    let text = |text: Option<&String>| Value::from(text.cloned());
    let values = sealed(vec![
        big(row.batch.number)?.into(),
        row.endpoint.clone().into(),
        row.stage.word().to_string().into(),
        text(row.temp.as_ref().map(|temp| &temp.name)),
        text(row.temp.as_ref().map(|temp| &temp.place)),
        row.rename_at.into(),
        big(row.tries)?.into(),
        big(row.resent)?.into(),
        big(row.failures)?.into(),
        text(failure.map(|failure| &failure.what)),
        failure.map(|failure| i64::from(failure.stopped)).into(),
        failure.map(|failure| failure.at).into(),
        failure.and_then(|failure| failure.again_at).into(),
        text(receipt.map(|receipt| &receipt.path)),
        receipt.map(|receipt| big(receipt.bytes)).transpose()?.into(),
        text(receipt.map(|receipt| &receipt.evidence)),
        text(receipt.map(|receipt| &receipt.server)),
        text(receipt.map(|receipt| &receipt.host_key)),
        receipt.map(|receipt| receipt.at).into(),
        row.held_until.into(),
        row.wait.as_ref().map(|wait| wait.within_s).into(),
        row.wait.as_ref().and_then(|wait| wait.answered_at).into(),
        text(encrypted.map(|file| &file.name)),
        encrypted.map(|file| file.digest.to_string()).into(),
        encrypted.map(|file| big(file.bytes)).transpose()?.into(),
    ]);
    conn.prepare_cached(
        "INSERT INTO delivery (batch, endpoint, stage, temp, place, rename_at, tries, resent, \
         failures, failure, failure_stopped, failure_at, again_at, path, bytes, evidence, server, \
         host_key, delivered_at, held_until, answer_within, answered_at, out_name, out_digest, \
         out_bytes, seal) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20, $21, $22, $23, $24, $25, $26) \
         ON CONFLICT (batch, endpoint) DO UPDATE SET stage = excluded.stage, \
         temp = excluded.temp, place = excluded.place, rename_at = excluded.rename_at, \
         tries = excluded.tries, resent = excluded.resent, failures = excluded.failures, \
         failure = excluded.failure, failure_stopped = excluded.failure_stopped, \
         failure_at = excluded.failure_at, again_at = excluded.again_at, path = excluded.path, \
         bytes = excluded.bytes, evidence = excluded.evidence, server = excluded.server, \
         host_key = excluded.host_key, delivered_at = excluded.delivered_at, \
         held_until = excluded.held_until, answer_within = excluded.answer_within, \
         answered_at = excluded.answered_at, out_name = excluded.out_name, \
         out_digest = excluded.out_digest, out_bytes = excluded.out_bytes, seal = excluded.seal",
    )?
    .execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

/// Reads an extract from the columns [`EXTRACT`].
pub(super) fn extract(row: &Row<'_>) -> Result<ExtractRow> {
    check_seal(row, 0, EXTRACT_END)?;
    let word: String = row.get(3)?;
    let kind = ExtractKind::ALL.into_iter().find(|kind| kind.word() == word);
    let notes: String = row.get(13)?;
    let notes = serde_json::from_str(&notes).map_err(|_| wrong_value("notes"))?;
    Ok(ExtractRow {
        id: ExtractId(row.get(0)?),
        extract: NewExtract {
            digest: parsed(row, 1)?,
            name: row.get(2)?,
            kind: kind.ok_or_else(|| wrong_value("kind"))?,
            bytes: number(row, 4)?,
            inode: row.get::<_, i64>(5)?.cast_unsigned(),
            header: row.get(6)?,
            taken_at: row.get(15)?,
        },
        counts: Counts {
            rows: number(row, 7)?,
            sent: number(row, 8)?,
            filtered: number(row, 9)?,
            error: number(row, 10)?,
            duplicate: number(row, 11)?,
            messages: number(row, 12)?,
        },
        notes: crate::domain::Notes(notes),
        batch: row.get::<_, Option<i64>>(14)?.map(|_| number(row, 14)).transpose()?,
        drop: ExtractId(row.get(16)?),
    })
}

/// Writes a new extract.
pub(super) fn insert_extract(conn: &Connection, row: &ExtractRow) -> Result<()> {
    let (extract, counts) = (&row.extract, &row.counts);
    let notes = serde_json::to_string(&row.notes.0)
        .map_err(|err| LedgerError::Failed(format!("the notes cannot be written: {err}")))?;
    let values = sealed(vec![
        row.id.0.into(),
        extract.digest.to_string().into(),
        extract.name.clone().into(),
        extract.kind.word().to_string().into(),
        big(extract.bytes)?.into(),
        extract.inode.cast_signed().into(),
        extract.header.clone().into(),
        big(counts.rows)?.into(),
        big(counts.sent)?.into(),
        big(counts.filtered)?.into(),
        big(counts.error)?.into(),
        big(counts.duplicate)?.into(),
        big(counts.messages)?.into(),
        notes.into(),
        row.batch.map(big).transpose()?.into(),
        extract.taken_at.into(),
        row.drop.0.into(),
    ]);
    conn.prepare_cached(
        "INSERT INTO extract (id, digest, name, kind, bytes, inode, header, records, sent, filtered, \
         error, duplicate, messages, notes, batch, taken_at, drop_id, seal) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )?
    .execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

/// Reads a fault from the columns [`FAULT`].
pub(super) fn fault(row: &Row<'_>) -> Result<FaultRow> {
    let code: String = row.get(4)?;
    let field: Option<String> = row.get(6)?;
    let field = field.map(|field| field.parse().map_err(|_| wrong_value("field"))).transpose()?;
    let name: String = row.get(8)?;
    Ok(FaultRow {
        id: row.get(0)?,
        extract: ExtractId(row.get(1)?),
        fault: Fault {
            at: Position { extract: name.into(), record: number(row, 2)?, line: number(row, 3)? },
            code: Code::of_id(&code).ok_or_else(|| wrong_value("code"))?,
            column: row.get::<_, String>(5)?.into(),
            field,
        },
        source: row.get(7)?,
        at: row.get(9)?,
        whose: whose(row, 10)?,
        since: row.get(12)?,
        times: number(row, 13)?,
    })
}

/// Reads which record a fault is of from two columns.
pub(super) fn whose(row: &Row<'_>, from: usize) -> Result<Whose> {
    let text: String = row.get(from)?;
    let key = u128::from_str_radix(&text, 16).map_err(|_| wrong_value("whose"))?;
    Ok(Whose { key: RecordKey(key.to_be_bytes()), modified: number(row, from + 1)? })
}

/// Writes a new fault. A drop may have millions: nothing but the field is copied.
pub(super) fn insert_fault(
    conn: &Connection,
    id: i64,
    extract: ExtractId,
    new: &NewFault<'_>,
) -> Result<()> {
    let fault = new.fault;
    conn.prepare_cached(
        "INSERT INTO fault (id, extract, record, line, code, state, place, field, source, whose, \
         modified, since, times) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )?
    .execute(rusqlite::params![
        id,
        extract.0,
        big(fault.at.record)?,
        big(fault.at.line)?,
        fault.code.id(),
        fault.code.owner().queue_state().to_string(),
        fault.column,
        fault.field.map(|field| field.to_string()),
        new.source,
        format!("{:032x}", u128::from_be_bytes(new.whose.key.0)),
        big(new.whose.modified)?,
        new.before.map(|(since, _)| since),
        big(new.times())?,
    ])?;
    Ok(())
}

/// Reads one value, if there is a row and it is not NULL.
pub(super) fn value<T: FromSql>(conn: &Connection, sql: &str) -> Result<Option<T>> {
    let found = conn.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(found.flatten())
}

pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| wrong_value("a number"))
}

pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| wrong_value("digest"))
}
