//! Looking back, as SQLite does it: each question has an index of its own.

use rusqlite::Row;
use rusqlite::types::Value;

use super::error::wrong_value;
use super::query::{all, at_most, one};
use super::row::{self, BATCH, EXTRACT, FAULT, big};
use super::{RESUBMITTED, SUPERSEDED, Sqlite};
use crate::domain::{ExtractKind, QueueState, drop_of_rebuilt, rebuilt_batch};
use crate::ledger::{
    BatchRow, DropRow, ExtractId, FaultFound, FaultsLike, Having, History, Result,
};

const STANDS: &str = "f.state, f.next_extract, f.next_record";
const FROM_FAULT: &str = "FROM fault f JOIN extract e ON e.id = f.extract";

impl Sqlite {
    /// Returns a rebuilt batch as a drop with the rows of the first.
    fn again(&self, batch: u64) -> Result<Option<DropRow>> {
        let sql = "SELECT batch, of, request, seal FROM rebuilt WHERE batch = $1";
        let of = one(&self.conn, sql, [big(batch)?], |found| {
            row::check_seal(found, 0, 3)?;
            row::number(found, 1)
        })?;
        let Some(first) = of.map(|of| self.drop_of(of)).transpose()?.flatten() else {
            return Ok(None);
        };
        let sql = format!("SELECT {BATCH} FROM batch b WHERE b.number = $1");
        let found = one(&self.conn, &sql, [big(batch)?], row::batch)?;
        let extracts = self.drop_row(first)?.map(|row| row.extracts);
        Ok(extracts.zip(found).map(|(extracts, found)| DropRow {
            number: drop_of_rebuilt(batch),
            extracts,
            batches: vec![found],
        }))
    }

    /// Returns the newest drop below one that has faults in a state, by its word.
    fn drop_with_fault(&self, word: &str, below: i64) -> Result<Option<u64>> {
        // Faults have numbers in the order of their extracts, so those of newer ones are
        // passed over at once.
        let sql = "SELECT e.drop_id FROM fault f JOIN extract e ON e.id = f.extract \
                   WHERE f.state = $1 AND f.id < coalesce((SELECT g.id FROM fault g \
                   WHERE g.extract >= $2 ORDER BY g.extract LIMIT 1), 9223372036854775807) \
                   AND f.extract < $2 ORDER BY f.id DESC LIMIT 1";
        one(&self.conn, sql, (word, below), |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
    }

    pub(super) fn whole_drop(&self, number: i64) -> Result<Option<DropRow>> {
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
            "SELECT DISTINCT drop_id FROM extract WHERE kind IN ({}) AND records > 0 AND left_at IS NULL \
             ORDER BY drop_id",
            kinds.join(", ")
        );
        let number = |row: &Row<'_>| Ok(row.get::<_, i64>(0)?.cast_unsigned());
        let mut drops = all(&self.conn, &sql, [], number)?;
        let rebuilt = all(&self.conn, "SELECT batch FROM rebuilt ORDER BY batch", [], number)?;
        drops.extend(rebuilt.into_iter().map(drop_of_rebuilt));
        Ok(drops)
    }

    fn drop_having(&self, having: &Having, below: u64) -> Result<Option<u64>> {
        let below = i64::try_from(below).unwrap_or(i64::MAX);
        let rows = "SELECT drop_id FROM extract WHERE drop_id < $1";
        let sql = match having {
            Having::Fault(state) => return self.drop_with_fault(&state.to_string(), below),
            Having::Resubmitted => return self.drop_with_fault(RESUBMITTED, below),
            Having::Superseded => return self.drop_with_fault(SUPERSEDED, below),
            Having::Any | Having::File(_) => rows.to_string(),
            Having::Untold => format!("{rows} AND filtered + duplicate > 0"),
        };
        let name = if let Having::File(name) = having { Some(name) } else { None };
        let named = if name.is_some() { " AND name = $2" } else { "" };
        let sql = format!("{sql}{named} ORDER BY drop_id DESC, id DESC LIMIT 1");
        let values = [Some(Value::from(below)), name.cloned().map(Value::from)];
        let values = rusqlite::params_from_iter(values.into_iter().flatten());
        one(&self.conn, &sql, values, |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
    }

    fn batches_with(&self, state: QueueState) -> Result<Vec<u64>> {
        let sql = match state {
            QueueState::Error => {
                "SELECT DISTINCT batch FROM answer WHERE rejected = 1 AND action IS NULL"
            }
            QueueState::Deleted => {
                "SELECT batch FROM delivery WHERE stage = 'deleted' UNION \
                 SELECT batch FROM answer WHERE rejected = 1 AND action IS NOT NULL"
            }
            _ => return Ok(Vec::new()),
        };
        all(&self.conn, sql, [], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
    }

    fn drop_row(&self, number: u64) -> Result<Option<DropRow>> {
        match rebuilt_batch(number) {
            None => self.whole_drop(big(number)?),
            Some(batch) => self.again(batch),
        }
    }

    fn drop_of(&self, batch: u64) -> Result<Option<u64>> {
        let sql = "SELECT drop_id FROM extract WHERE batch <= $1 ORDER BY batch DESC LIMIT 1";
        let found = one(&self.conn, sql, [big(batch)?], |row| Ok(row.get::<_, i64>(0)?))?;
        let row = found.map(|number| self.whole_drop(number)).transpose()?.flatten();
        if let Some(row) = row.filter(|row| row.batches.iter().any(|one| one.number == batch)) {
            return Ok(Some(row.number));
        }
        // A list for the vendor is of none.
        let sql = "SELECT 1 FROM rebuilt WHERE batch = $1";
        let rebuilt = one(&self.conn, sql, [big(batch)?], |_| Ok(()))?;
        Ok(rebuilt.map(|()| drop_of_rebuilt(batch)))
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
