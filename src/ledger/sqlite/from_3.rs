//! From schema 3 to 4: what can be done to a batch and a record that waits has grown,
//! extracts know their drop, and an entry of the register knows when its record changed.
//!
//! Every row is found whole by its seal of then before it gets one of now. As long as
//! schema 4 is not released, the tables and rows it ends with are those of `schema.sql` and
//! `row.rs`; whoever makes schema 5 gives this step copies of both that never change again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::{Connection, Row, params_from_iter};

use super::query::all;
use super::register::{BYTES, ENTRIES};
use super::row::{self, BATCH, check_seal, counter, number, parsed, sealed, set_counter};
use super::upgrade::add_missing;
use crate::disk;
use crate::domain::{Counts, ExtractKind, Notes};
use crate::ledger::register::{SEAL, damaged, seal, unsealed};
use crate::ledger::{
    DeliveryRow, ExtractId, ExtractRow, Failure, LedgerError, NewExtract, Receipt, Result, Stage,
    Temp,
};

/// Bytes of an entry of the register before its ID, then; now there are 8 more.
const HEAD: usize = 40;
/// Bytes of an external ID in an entry.
const CLAIM: usize = 24;

/// Tables whose rows are written anew.
const AWAY: &str = "
    DROP INDEX delivery_open;
    ALTER TABLE delivery RENAME TO delivery_3;
    ALTER TABLE extract RENAME TO extract_3;
    ALTER TABLE fault RENAME TO fault_3;
    ALTER TABLE action RENAME TO action_3;
";

const GONE: &str = "
    DROP TABLE delivery_3;
    DROP TABLE extract_3;
    DROP TABLE fault_3;
    DROP TABLE action_3;
";

/// Whose they were was not kept: a number that is no digest, so that no row replaces them.
const FAULTS: &str = "
    INSERT INTO fault (id, extract, record, line, code, state, place, field, source, action,
                       whose, modified, times)
    SELECT id, extract, record, line, code, state, place, field, source, action,
           printf('%032x', id), 0, 1 FROM fault_3
";

/// Does it.
pub(super) fn step(conn: &Connection, ledger: &Path) -> Result<()> {
    conn.execute_batch(AWAY)?;
    add_missing(conn)?;
    deliveries(conn)?;
    extracts(conn)?;
    conn.execute_batch(FAULTS)?;
    actions(conn)?;
    conn.execute_batch(GONE)?;
    register(conn, &ledger.with_extension("register"))
}

fn deliveries(conn: &Connection) -> Result<()> {
    let sql = format!(
        "SELECT {BATCH}, d.batch, d.endpoint, d.stage, d.temp, d.place, d.rename_at, d.tries, \
         d.resent, d.failures, d.failure, d.failure_stopped, d.failure_at, d.again_at, d.path, \
         d.bytes, d.evidence, d.server, d.host_key, d.delivered_at, d.seal \
         FROM delivery_3 d JOIN batch b ON b.number = d.batch"
    );
    for row in all(conn, &sql, [], delivery)? {
        row::put_delivery(conn, &row)?;
    }
    Ok(())
}

fn delivery(row: &Row<'_>) -> Result<DeliveryRow> {
    check_seal(row, 8, 27)?;
    let word: String = row.get(10)?;
    let stage = Stage::ALL.into_iter().find(|stage| stage.word() == word);
    let temp = Option::zip(row.get(11)?, row.get(12)?).map(|(name, place)| Temp { name, place });
    let failure = match row.get::<_, Option<String>>(17)? {
        Some(what) => Some(Failure {
            what,
            stopped: row.get::<_, i64>(18)? != 0,
            at: row.get(19)?,
            again_at: row.get(20)?,
            stage: None,
        }),
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
    let endpoint: String = row.get(9)?;
    Ok(DeliveryRow {
        stage: stage.ok_or_else(|| LedgerError::Damaged("a stage cannot be read".into()))?,
        temp,
        rename_at: row.get(13)?,
        tries: number(row, 14)?,
        resent: number(row, 15)?,
        failures: number(row, 16)?,
        failure,
        receipt,
        ..DeliveryRow::waiting(&row::batch(row)?, &endpoint)
    })
}

/// Extracts of one drop were taken in at one time, into one batch.
fn extracts(conn: &Connection) -> Result<()> {
    let sql = "SELECT id, digest, name, kind, bytes, inode, header, records, sent, filtered, \
               error, duplicate, messages, notes, batch, taken_at, seal FROM extract_3 ORDER BY id";
    let mut before: Option<ExtractRow> = None;
    for mut row in all(conn, sql, [], extract)? {
        if let Some(before) = &before {
            let same = row.extract.taken_at == before.extract.taken_at
                && (row.batch == before.batch || row.batch.is_none() || before.batch.is_none());
            if same {
                row.drop = before.drop;
            }
        }
        row::insert_extract(conn, &row)?;
        let batch =
            row.batch.or(before.filter(|one| one.drop == row.drop).and_then(|one| one.batch));
        before = Some(ExtractRow { batch, ..row });
    }
    Ok(())
}

fn extract(row: &Row<'_>) -> Result<ExtractRow> {
    check_seal(row, 0, 16)?;
    let unread = |what: &str| LedgerError::Damaged(format!("{what} of an extract cannot be read"));
    let word: String = row.get(3)?;
    let kind = ExtractKind::ALL.into_iter().find(|kind| kind.word() == word);
    let notes: String = row.get(13)?;
    let id = ExtractId(row.get(0)?);
    Ok(ExtractRow {
        id,
        extract: NewExtract {
            digest: parsed(row, 1)?,
            name: row.get(2)?,
            kind: kind.ok_or_else(|| unread("the kind"))?,
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
        notes: Notes(serde_json::from_str(&notes).map_err(|_| unread("a note"))?),
        batch: row.get::<_, Option<i64>>(14)?.map(i64::unsigned_abs),
        drop: id,
        left_at: None,
    })
}

/// The chain of decisions, link by link: the seals change, so the links do.
fn actions(conn: &Connection) -> Result<()> {
    let sql = "SELECT id, verb, about, actor, why, at, before, seal FROM action_3 ORDER BY id";
    let rows = all(conn, sql, [], |row| {
        check_seal(row, 0, 7)?;
        let texts = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        Ok((row.get(0)?, texts, row.get(5)?, row.get(6)?, row.get(7)?))
    })?;
    let (mut last, mut next, mut link) = (String::new(), 1, String::new());
    for (id, [verb, about, actor, why], at, before, seal) in rows {
        let (id, at): (i64, i64) = (id, at);
        let (before, seal): (String, String) = (before, seal);
        if id != next || before != last {
            return Err(LedgerError::Damaged(format!("action {next} was taken out or put in")));
        }
        (last, next) = (seal, id + 1);
        let texts: [String; 4] = [verb, about, actor, why];
        let [verb, about, actor, why] = texts.map(rusqlite::types::Value::from);
        // Where things stood was not written down then.
        let (was, now) = (String::new().into(), String::new().into());
        let values =
            sealed(vec![id.into(), verb, about, was, now, actor, why, at.into(), link.into()]);
        link = match values.last() {
            Some(rusqlite::types::Value::Text(seal)) => seal.clone(),
            _ => String::new(),
        };
        conn.prepare_cached(
            "INSERT INTO action (id, verb, about, was, now, actor, why, at, before, seal) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )?
        .execute(params_from_iter(values))?;
    }
    Ok(())
}

/// The entries that the index names are written again behind all others, so that a crash
/// leaves those of then as they were: what lies behind the bytes that count is cut off.
fn register(conn: &Connection, log: &Path) -> Result<()> {
    let committed = counter(conn, BYTES)?;
    let places: Vec<i64> =
        all(conn, "SELECT DISTINCT place FROM register ORDER BY place", [], |row| Ok(row.get(0)?))?;
    if places.is_empty() {
        return Ok(());
    }
    let read = |err: std::io::Error| LedgerError::Failed(format!("read {}: {err}", log.display()));
    let file = File::open(log).map_err(read)?;
    let mut writer = disk::append(log, committed)?;
    let (mut end, count) = (committed, places.len() as u64);
    conn.execute_batch("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new BIGINT NOT NULL)")?;
    let mut moved = conn.prepare("INSERT INTO temp.moved (old, new) VALUES ($1, $2)")?;
    for place in places {
        let entry = entry(&file, place.unsigned_abs())?;
        writer.write(&entry)?;
        moved.execute((place, row::big(end)?))?;
        end += entry.len() as u64;
    }
    drop(moved);
    writer.finish()?;
    conn.execute_batch(
        "UPDATE register SET place = (SELECT new FROM temp.moved WHERE old = place);
         DROP TABLE temp.moved;",
    )?;
    // As many of then at least, which count no more, and as many of now.
    set_counter(conn, ENTRIES, 2 * count)?;
    set_counter(conn, BYTES, end)
}

/// Reads the entry of then at a place; returns it as it is written now.
fn entry(file: &File, place: u64) -> Result<Vec<u8>> {
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, place).map_err(|_| damaged())?;
    let length = |at: usize| -> usize {
        let bytes = std::array::from_fn(|byte| head[at + byte]);
        u32::from_le_bytes(bytes) as usize
    };
    let (id, kept, claims) = (length(8), length(12), usize::from(head[39]));
    let ends = HEAD + id + claims * CLAIM;
    let whole = ends + kept + if kept == 0 { 0 } else { SEAL };
    // No entry of then was that long, and a broken length must not ask for all memory.
    if whole > 1 << 24 {
        return Err(damaged());
    }
    let mut old = vec![0; whole];
    file.read_exact_at(&mut old, place).map_err(|_| damaged())?;
    let (sealed, kept) = old.split_at(ends);
    if seal(&sealed[SEAL..]) != sealed[..SEAL] {
        return Err(damaged());
    }
    unsealed(kept)?;
    // When a record changed last was not kept: the next row of it is no older one.
    let mut new = [&[0; SEAL], &sealed[SEAL..HEAD], &[0; 8], &sealed[HEAD..]].concat();
    let seal = seal(&new[SEAL..]);
    new[..SEAL].copy_from_slice(&seal);
    new.extend_from_slice(kept);
    Ok(new)
}
