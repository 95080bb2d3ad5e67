//! What a ledger in memory knows of records.

use std::collections::BTreeMap;

use super::{Memory, Open};
use crate::domain::{Claim, Counts, Kind, Known};
use crate::ledger::register::{Kept, Register, claims, first, unsealed};
use crate::ledger::{ExtractId, Result};

/// What is remembered, by kind and ID.
pub(super) type Records = BTreeMap<(Kind, Vec<u8>), Remembered>;

#[derive(Clone)]
pub(super) struct Remembered {
    known: Known,
    claims: Vec<Claim>,
    kept: Option<Kept>,
    /// How many entries were made before it.
    place: u64,
}

impl Open {
    pub(super) fn index(&mut self, extract: ExtractId, counts: &Counts) -> Result<()> {
        let entries = std::mem::take(&mut self.entries);
        self.records.extend(remembered(&entries, &mut self.entered)?);
        if counts.error > 0 {
            self.ends.insert(extract, self.entered);
        }
        Ok(())
    }
}

/// Reads entries, one after the other; so many were `entered` before.
pub(super) fn remembered(entries: &[u8], entered: &mut u64) -> Result<Records> {
    let mut records = Records::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let (head, id, whole) = first(rest)?;
        let values = unsealed(&rest[whole - head.sealed_kept()..whole])?.to_vec();
        let kept = (head.kept > 0).then_some(Kept { columns: head.known.columns, values });
        let claims = claims(&head, rest);
        let remembered = Remembered { known: head.known, claims, kept, place: *entered };
        *entered += 1;
        records.insert((head.kind, id.to_vec()), remembered);
        rest = &rest[whole..];
    }
    Ok(records)
}

impl Memory {
    fn find(&self, kind: Kind, id: &[u8]) -> Option<&Remembered> {
        let key = (kind, id.to_vec());
        let open = self.open.as_ref().and_then(|open| open.records.get(&key));
        open.or_else(|| self.records.get(&key))
    }
}

impl Register for Memory {
    fn known(&self, kind: Kind, id: &[u8]) -> Result<Option<Known>> {
        Ok(self.find(kind, id).map(|found| found.known))
    }

    fn each(&self, kind: Kind, see: &mut dyn FnMut(&[u8], Known)) -> Result<()> {
        let mut all = self.records.clone();
        all.extend(self.open.iter().flat_map(|open| open.records.clone()));
        all.iter().filter(|((of, _), _)| *of == kind).for_each(|((_, id), remembered)| {
            see(id, remembered.known);
        });
        Ok(())
    }

    fn count(&self, kind: Kind, limit: u64) -> Result<u64> {
        let mut count = 0;
        self.each(kind, &mut |_, _| count += 1)?;
        Ok(limit.min(count))
    }

    fn end(&self) -> Result<u64> {
        Ok(self.entered)
    }

    fn entered(&self, kind: Kind, id: &[u8]) -> Result<Option<u64>> {
        Ok(self.find(kind, id).map(|found| found.place))
    }

    fn end_of(&self, extract: ExtractId) -> Result<Option<u64>> {
        Ok(self.ends.get(&extract).copied())
    }

    fn kept(&self, kind: Kind, id: &[u8]) -> Result<Option<Kept>> {
        Ok(self.find(kind, id).and_then(|found| found.kept.clone()))
    }

    fn claims(&self, kind: Kind, id: &[u8]) -> Result<Vec<Claim>> {
        Ok(self.find(kind, id).map_or(Vec::new(), |found| found.claims.clone()))
    }

    fn owner(&self, kind: Kind, claim: &Claim) -> Result<Option<Vec<u8>>> {
        let open = self.open.iter().flat_map(|open| open.records.keys());
        let mut ids = open.chain(self.records.keys()).filter(|(of, _)| *of == kind);
        let has = |id: &[u8]| self.find(kind, id).is_some_and(|one| one.claims.contains(claim));
        Ok(ids.find(|(_, id)| has(id)).map(|(_, id)| id.clone()))
    }

    fn columns(&self) -> Result<Vec<(u32, Vec<String>)>> {
        let columns = self.open.as_ref().map_or(&self.columns, |open| &open.columns);
        Ok((1..).zip(columns.iter().cloned()).collect())
    }

    fn keep_columns(&mut self, names: &[String]) -> Result<u32> {
        self.in_drop(|open| {
            let at = open.columns.iter().position(|known| known == names);
            let at = at.unwrap_or_else(|| {
                open.columns.push(names.to_vec());
                open.columns.len() - 1
            });
            Ok(at as u32 + 1)
        })
    }

    fn remember(&mut self, entries: &[u8]) -> Result<()> {
        self.in_drop(|open| {
            open.entries.extend_from_slice(entries);
            Ok(())
        })
    }
}
