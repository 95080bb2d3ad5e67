//! Looking back, as SQLite does it: each question has an index of its own.

use rusqlite::Row;
use rusqlite::types::Value;

use super::error::wrong_value;
use super::query::{all, at_most, one};
use super::row::{self, BATCH, EXTRACT, FAULT, big};
use super::{RESUBMITTED, SUPERSEDED, Sqlite};
use crate::domain::{ExtractKind, QueueState};
use crate::ledger::{BatchRow, DropRow, ExtractId, FaultFound, FaultsLike, History, Result};

const STANDS: &str = "f.state, f.next_extract, f.next_record";
const FROM_FAULT: &str = "FROM fault f JOIN extract e ON e.id = f.extract";

impl Sqlite {
    fn whole_drop(&self, number: i64) -> Result<Option<DropRow>> {
        let sql = format!("SELECT {EXTRACT} FROM extract e WHERE e.drop_id = $1 ORDER BY e.id");
        let extracts = all(&self.conn, &sql, [number], row::extract)?;
        if extracts.is_empty() {
            return Ok(None);
        }
        let number = number.cast_unsigned();
        let mut row = DropRow { number, extracts, batches: Vec::new() };
        let first = row.extracts.iter().filter_map(|extract| extract.batch).min();
        let Some(mut next) = first else { return Ok(Some(row)) };
        // Its files have numbers without a gap, and hold what its extracts made.
        let (mut found, sql) = (0, format!("SELECT {BATCH} FROM batch b WHERE b.number = $1"));
        while found < row.messages() {
            let batch: Option<BatchRow> = one(&self.conn, &sql, [big(next)?], row::batch)?;
            let batch = batch.ok_or_else(|| wrong_value("batch"))?;
            found += batch.messages;
            next += 1;
            row.batches.push(batch);
        }
        Ok(Some(row))
    }
}

impl History for Sqlite {
    fn drops(&self, before: Option<u64>, limit: u64) -> Result<Vec<DropRow>> {
        let before = before.map_or(Ok(i64::MAX), big)?;
        let sql = "SELECT DISTINCT drop_id FROM extract WHERE drop_id < $1 \
                   ORDER BY drop_id DESC LIMIT $2";
        let numbers = all(&self.conn, sql, [before, at_most(limit)], |row| Ok(row.get(0)?))?;
        let rows = numbers.into_iter().filter_map(|number| self.whole_drop(number).transpose());
        rows.collect()
    }

    fn drops_with_rows(&self) -> Result<Vec<u64>> {
        let kinds = ExtractKind::ALL.into_iter().filter(|kind| kind.makes_messages());
        let kinds: Vec<String> = kinds.map(|kind| format!("'{}'", kind.word())).collect();
        let sql = format!(
            "SELECT DISTINCT drop_id FROM extract WHERE kind IN ({}) AND records > 0 \
             ORDER BY drop_id",
            kinds.join(", ")
        );
        all(&self.conn, &sql, [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
    }

    fn drop_row(&self, number: u64) -> Result<Option<DropRow>> {
        self.whole_drop(big(number)?)
    }

    fn drop_of(&self, batch: u64) -> Result<Option<u64>> {
        let sql = "SELECT drop_id FROM extract WHERE batch <= $1 ORDER BY batch DESC LIMIT 1";
        let found = one(&self.conn, sql, [big(batch)?], |row| Ok(row.get::<_, i64>(0)?))?;
        let Some(row) = found.map(|number| self.whole_drop(number)).transpose()?.flatten() else {
            return Ok(None);
        };
        // One that holds messages of another again is of no drop.
        let has = row.batches.iter().any(|one| one.number == batch);
        Ok(has.then_some(row.number))
    }

    fn fault_at(&self, extract: ExtractId, record: u64) -> Result<Option<FaultFound>> {
        let sql =
            format!("SELECT {FAULT}, {STANDS} {FROM_FAULT} WHERE f.extract = $1 AND f.record = $2");
        one(&self.conn, &sql, [extract.0, big(record)?], found)
    }

    fn fault(&self, id: i64) -> Result<Option<FaultFound>> {
        let sql = format!("SELECT {FAULT}, {STANDS} {FROM_FAULT} WHERE f.id = $1");
        one(&self.conn, &sql, [id], found)
    }

    fn faults_like(&self, like: &FaultsLike, limit: u64) -> Result<Vec<FaultFound>> {
        let FaultsLike { state, code, file, from, to, before } = like;
        let conditions: [(&str, Option<Value>); 6] = [
            ("f.state =", state.map(|state| state.to_string().into())),
            ("f.code =", code.map(|code| code.id().to_string().into())),
            ("e.name =", file.clone().map(Value::from)),
            ("e.taken_at >=", from.map(Value::from)),
            ("e.taken_at <", to.map(Value::from)),
            ("f.id <", before.map(Value::from)),
        ];
        let (mut sql, mut values) = (format!("SELECT {FAULT}, {STANDS} {FROM_FAULT}"), Vec::new());
        for (condition, value) in conditions {
            if let Some(value) = value {
                sql += if values.is_empty() { " WHERE " } else { " AND " };
                values.push(value);
                sql += &format!("{condition} ${}", values.len());
            }
        }
        sql += &format!(" ORDER BY f.id DESC LIMIT {}", at_most(limit));
        all(&self.conn, &sql, rusqlite::params_from_iter(values), found)
    }
}

/// Reads a fault from the columns [`FAULT`], its state and what it became.
fn found(row: &Row<'_>) -> Result<FaultFound> {
    let word: String = row.get(14)?;
    let (extract, record): (Option<i64>, Option<i64>) = (row.get(15)?, row.get(16)?);
    let again = extract.zip(record).map(|(id, record)| (ExtractId(id), record.unsigned_abs()));
    let state = match word.as_str() {
        RESUBMITTED | SUPERSEDED => None,
        _ => Some(QueueState::of_word(&word).ok_or_else(|| wrong_value("state"))?),
    };
    let superseded = word == SUPERSEDED;
    Ok(FaultFound { row: row::fault(row)?, state, superseded, again })
}
