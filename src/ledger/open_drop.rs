//! What a drop must add up to before it is promised, for every store.

use std::collections::BTreeMap;

use super::{
    BatchRow, ExtractId, ExtractRow, LedgerError, NewExtract, Numbers, Resubmitted, Result,
};
use crate::domain::{Counts, Fault, Notes, QueueState};

/// A drop that is not committed yet: its extracts, but not its faults, of which
/// there may be millions.
pub(super) struct OpenDrop {
    extracts: Vec<OpenExtract>,
    next: i64,
}

struct OpenExtract {
    id: ExtractId,
    extract: NewExtract,
    account: Option<(Counts, Notes)>,
    faults: BTreeMap<QueueState, u64>,
}

/// A drop that adds up.
pub(super) struct ClosedDrop {
    /// The rows to keep.
    pub extracts: Vec<ExtractRow>,
    /// How many faults were queued in each state.
    pub faults: BTreeMap<QueueState, u64>,
}

impl OpenDrop {
    /// Opens a drop whose first extract gets the row `next`.
    pub fn new(next: i64) -> OpenDrop {
        OpenDrop { extracts: Vec::new(), next }
    }

    /// Takes an extract in; the store has looked that its bytes were never committed.
    pub fn begin(&mut self, extract: &NewExtract) -> Result<ExtractId> {
        if let Some(open) = self.extracts.iter().find(|open| open.account.is_none()) {
            return Err(failed(format!("{} was not ended", open.extract.name)));
        }
        if let Some(same) = self.extracts.iter().find(|open| open.extract.digest == extract.digest)
        {
            return Err(seen_before(&extract.name, &same.extract.name));
        }
        let id = ExtractId(self.next);
        self.next += 1;
        let (account, faults) = (None, BTreeMap::new());
        self.extracts.push(OpenExtract { id, extract: extract.clone(), account, faults });
        Ok(id)
    }

    /// Counts a fault of the extract begun last.
    pub fn fault(&mut self, id: ExtractId, fault: &Fault) -> Result<()> {
        let open = self.last(id)?;
        *open.faults.entry(fault.code.owner().queue_state()).or_default() += 1;
        Ok(())
    }

    /// Ends the extract begun last.
    pub fn end(&mut self, id: ExtractId, counts: &Counts, notes: &Notes) -> Result<()> {
        let open = self.last(id)?;
        let queued: u64 = open.faults.values().sum();
        if !counts.balanced() || counts.error != queued {
            return Err(failed(format!(
                "{} does not add up: {} rows, {} sent, {} filtered, {} error ({queued} queued), \
                 {} duplicate",
                open.extract.name,
                counts.rows,
                counts.sent,
                counts.filtered,
                counts.error,
                counts.duplicate
            )));
        }
        open.account = Some((*counts, notes.clone()));
        Ok(())
    }

    /// Checks that faults become records which ended extracts of the drop have.
    pub fn resubmitted(&self, rows: &[Resubmitted]) -> Result<()> {
        let is_there = |row: &Resubmitted| {
            let open = self.extracts.iter().find(|open| open.id == row.extract);
            let counts = open.and_then(|open| open.account.as_ref());
            counts.is_some_and(|(counts, _)| (1..=counts.rows).contains(&row.record))
        };
        match rows.iter().find(|row| !is_there(row)) {
            Some(row) => Err(failed(format!("the drop has no record for fault {}", row.fault))),
            None => Ok(()),
        }
    }

    /// Takes the extract begun last out again; returns how many faults it had.
    pub fn undo(&mut self, id: ExtractId) -> Result<u64> {
        if self.extracts.last().is_none_or(|open| open.id != id) {
            return Err(failed("only the extract begun last can be undone".into()));
        }
        // Its row is free again: nothing of it was ever seen.
        self.next = id.0;
        Ok(self.extracts.pop().map_or(0, |open| open.faults.values().sum()))
    }

    /// Ends the drop: everything is ended, the batches hold what the extracts made,
    /// and `next` gives no number a second time that `now` says is given.
    pub fn close(
        self,
        batches: &[BatchRow],
        endpoints: &[&str],
        now: Numbers,
        next: Numbers,
    ) -> Result<ClosedDrop> {
        let mut closed = ClosedDrop { extracts: Vec::new(), faults: BTreeMap::new() };
        let mut made = 0;
        let drop = self.extracts.first().map_or(ExtractId(self.next), |open| open.id);
        for OpenExtract { id, extract, account, faults } in self.extracts {
            let Some((counts, notes)) = account else {
                return Err(failed(format!("{} was not ended", extract.name)));
            };
            let begins = made;
            made += counts.messages;
            for (state, count) in faults {
                *closed.faults.entry(state).or_default() += count;
            }
            let batch = batch_at(batches, begins).filter(|_| counts.messages > 0);
            closed.extracts.push(ExtractRow {
                id,
                extract,
                counts,
                notes,
                batch,
                drop,
                left_at: None,
            });
        }
        let held: u64 = batches.iter().map(|batch| batch.messages).sum();
        if made != held {
            return Err(failed(format!("{made} messages were made and the batches hold {held}")));
        }
        check_endpoints(batches, endpoints)?;
        check_numbers(batches, now, next)?;
        Ok(closed)
    }

    fn last(&mut self, id: ExtractId) -> Result<&mut OpenExtract> {
        let open = self.extracts.last_mut().filter(|open| open.id == id && open.account.is_none());
        open.ok_or_else(|| failed("no such extract is open".into()))
    }
}

/// Checks a batch that holds messages of batch `of` again; returns the numbers after it.
pub(super) fn check_rebuilt(
    batch: &BatchRow,
    of: u64,
    endpoints: &[&str],
    now: Numbers,
) -> Result<Numbers> {
    if of >= batch.number {
        return Err(failed(format!("batch {} cannot be made of batch {of}", batch.number)));
    }
    check_endpoints(std::slice::from_ref(batch), endpoints)?;
    let next = Numbers {
        control: batch.first_control.saturating_add(batch.messages),
        file: batch.number.saturating_add(1),
    };
    check_numbers(std::slice::from_ref(batch), now, next)?;
    Ok(next)
}

/// Returns the batch that the message stands in which so many of the drop come before.
fn batch_at(batches: &[BatchRow], before: u64) -> Option<u64> {
    let mut end = 0;
    let holds = batches.iter().find(|batch| {
        end += batch.messages;
        before < end
    });
    holds.map(|batch| batch.number)
}

pub(super) fn check_endpoints(batches: &[BatchRow], endpoints: &[&str]) -> Result<()> {
    if !batches.is_empty() && endpoints.is_empty() {
        return Err(failed("a batch goes to at least one endpoint".into()));
    }
    let twice = |at: usize| endpoints[..at].contains(&endpoints[at]);
    match (0..endpoints.len()).find(|&at| twice(at)) {
        Some(at) => Err(failed(format!("the endpoint {} is there twice", endpoints[at]))),
        None => Ok(()),
    }
}

fn check_numbers(batches: &[BatchRow], now: Numbers, next: Numbers) -> Result<()> {
    let mut least = now;
    for batch in batches {
        if batch.number < least.file || batch.first_control < least.control {
            return Err(failed(format!("the numbers of batch {} were given before", batch.number)));
        }
        least.file = batch.number.saturating_add(1);
        least.control = batch.first_control.saturating_add(batch.messages);
    }
    if next.file < least.file || next.control < least.control {
        return Err(failed("the next numbers would be given a second time".into()));
    }
    Ok(())
}

/// Returns the error for bytes that the ledger has, under whatever name.
pub(super) fn seen_before(name: &str, before: &str) -> LedgerError {
    failed(format!("{name} holds the same bytes as {before}"))
}

/// Returns the error for a step of a drop where none is open, or the reverse.
pub(super) fn wrong_time(open: bool) -> LedgerError {
    failed(if open { "a drop is open" } else { "no drop is open" }.into())
}

fn failed(what: String) -> LedgerError {
    LedgerError::Failed(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::domain::ExtractKind;

    fn extract(name: &str) -> NewExtract {
        NewExtract {
            digest: Digest::of(name.as_bytes()),
            name: name.to_string(),
            kind: ExtractKind::Patients,
            bytes: 1,
            inode: 1,
            header: String::new(),
            taken_at: 0,
        }
    }

    fn batch(number: u64, messages: u64) -> BatchRow {
        BatchRow {
            number,
            name: format!("{number}.hl7"),
            digest: Digest::of(b""),
            bytes: 1,
            first_control: 1,
            messages,
            made_at: 0,
        }
    }

    #[test]
    fn extracts_are_begun_one_after_the_other_and_only_the_last_is_undone() {
        let mut drop = OpenDrop::new(7);
        let first = drop.begin(&extract("a.csv")).unwrap();
        let said = drop.begin(&extract("b.csv")).unwrap_err().to_string();
        assert!(said.contains("a.csv was not ended"), "{said}");
        drop.end(first, &Counts::default(), &Notes::default()).unwrap();
        assert!(drop.end(first, &Counts::default(), &Notes::default()).is_err(), "it is ended");
        let second = drop.begin(&extract("b.csv")).unwrap();
        assert_eq!((first, second), (ExtractId(7), ExtractId(8)));
        for other in [first, ExtractId(9)] {
            let said = drop.undo(other).unwrap_err().to_string();
            assert!(said.contains("only the extract begun last"), "{said}");
        }
        assert_eq!(drop.undo(second).unwrap(), 0);
        assert_eq!(drop.begin(&extract("c.csv")).unwrap(), second, "its row is free again");
        let numbers = Numbers { control: 1, file: 1 };
        let said = drop.close(&[], &["test"], numbers, numbers).err().unwrap().to_string();
        assert!(said.contains("c.csv was not ended"), "{said}");
    }

    #[test]
    fn a_message_stands_in_the_batch_that_holds_its_place() {
        let batches = [batch(4, 2), batch(5, 0), batch(6, 1)];
        let at = [0, 1, 2, 3].map(|before| batch_at(&batches, before));
        assert_eq!(at, [Some(4), Some(4), Some(6), None]);
    }
}
