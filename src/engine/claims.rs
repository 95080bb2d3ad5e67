//! External IDs that are unique and do not change (`interface.md` 8.6): the IDs of a
//! record against those of its extract and those of the register.
//!
//! Two records of one extract that have the same ID are both refused, so all of it must
//! be read first: workers say which ID stands where ([`ClaimKey`], 48 bytes each), and an
//! extract with such a pair is read a second time. Interfaces without external IDs pay
//! nothing for this.

use super::agreement::Agreement;
use super::memory::Memory;
use super::render::Stop;
use crate::convert::{Claimer, Input, Refusal};
use crate::digest::Digest;
use crate::domain::{Claim, Code, Layout, Note, Notes, OnChange};
use crate::index::external_key;

/// What holds for the records under one header.
pub struct Claims {
    claimer: Claimer,
    on_change: OnChange,
}

/// Where in an extract an external ID stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimKey {
    /// What it is.
    pub claim: Claim,
    /// Stands for the ID of the record: half a SHA-256, so that equal is equal.
    pub owner: [u8; 16],
    /// Where the record begins.
    pub offset: u64,
}

/// Records of an extract, by offset, ascending, that can only be told once all of it
/// was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Those whose external ID another record has too.
    pub contested: Vec<u64>,
    /// Those whose external ID is not the one of an earlier row of the same record.
    pub changed: Vec<u64>,
}

/// What a record has from now on.
pub struct Settled {
    /// Its external IDs.
    pub claims: Vec<Claim>,
    /// True if they are not those that the register has of it.
    pub renewed: bool,
}

impl Claims {
    /// Binds a header; `None` where no custom field is an external ID.
    pub fn open(agreement: &Agreement, layout: &Layout) -> Option<Claims> {
        let claimer = Claimer::new(&agreement.map, &agreement.scope, layout)?;
        Some(Claims { claimer, on_change: agreement.scope.on_id_change })
    }

    /// Decides about the external IDs of the record `id` at `offset`, and appends where
    /// they stand to `keys`.
    ///
    /// # Errors
    /// X001 of one that another record has, X002 of one that changed, and what ends a
    /// pass.
    pub fn settle(
        &self,
        memory: Option<&Memory<'_>>,
        judged: &Judged,
        input: Input<'_>,
        (id, offset): (&[u8], u64),
        keys: &mut Vec<ClaimKey>,
        notes: &mut Notes,
    ) -> Result<Settled, Stop> {
        let mut claims = Vec::new();
        self.claimer.claims(input, &mut claims)?;
        // Most records have none, and a digest is as much as reading one.
        if !claims.is_empty() {
            let digest = Digest::of(id).bytes();
            let owner = std::array::from_fn(|at| digest[at]);
            keys.extend(claims.iter().map(|&claim| ClaimKey { claim, owner, offset }));
        }
        let is_in = |offsets: &[u64]| offsets.binary_search(&offset).is_ok();
        if is_in(&judged.contested) {
            return Err(self.refusal(Code::X001, claims.first()).into());
        }
        let before = memory.map_or(Ok(Vec::new()), |memory| memory.claims(id))?;
        claims.extend(self.claimer.unsaid(&before));
        claims.sort_unstable();
        for claim in claims.iter().filter(|claim| !before.contains(claim)) {
            let owner = memory.map_or(Ok(None), |memory| memory.owner(claim))?;
            if owner.is_some_and(|owner| owner != id) {
                return Err(self.refusal(Code::X001, Some(claim)).into());
            }
        }
        // One that is gone is changed too: the next one would be new, and nobody told.
        let gone = before.iter().find(|one| !claims.contains(one) && self.claimer.has(one));
        let changed = gone.or_else(|| claims.first().filter(|_| is_in(&judged.changed)));
        match self.on_change {
            OnChange::Hold if changed.is_some() => {
                return Err(self.refusal(Code::X002, changed).into());
            }
            OnChange::Warn if changed.is_some() => notes.note(Note::ExternalIdChanged),
            _ => {}
        }
        Ok(Settled { renewed: claims != before, claims })
    }

    /// Appends the keys of a record's external IDs, of one that is not [settled](Self::settle).
    pub fn keys(&self, input: Input<'_>, keys: &mut Vec<u64>) {
        let mut claims = Vec::new();
        // Two values of one category: the first is there all the same.
        let _ = self.claimer.claims(input, &mut claims);
        keys.extend(claims.iter().map(|claim| external_key(&claim.value)));
    }

    fn refusal(&self, code: Code, claim: Option<&Claim>) -> Refusal {
        self.claimer.refusal(code, claim.map_or([0; 8], |claim| claim.category))
    }
}

/// Judges the external IDs of one extract, of which those at `older` do not count;
/// `events` if each row of it is an event, so that a record may have many.
pub fn judge(keys: &mut Vec<ClaimKey>, older: &[u64], events: bool) -> Judged {
    let mut judged = Judged::default();
    keys.retain(|key| older.binary_search(&key.offset).is_err());
    keys.sort_unstable_by_key(|key| (key.claim, key.owner));
    for group in keys.chunk_by(|one, other| one.claim == other.claim) {
        if group.iter().any(|key| key.owner != group[0].owner) {
            judged.contested.extend(group.iter().map(|key| key.offset));
        }
    }
    if events {
        keys.sort_unstable_by_key(|key| (key.owner, key.claim.category, key.offset));
        let same = |one: &ClaimKey, other: &ClaimKey| {
            (one.owner, one.claim.category) == (other.owner, other.claim.category)
        };
        for group in keys.chunk_by(same) {
            let others = group.iter().filter(|key| key.claim != group[0].claim);
            judged.changed.extend(others.map(|key| key.offset));
        }
    }
    for offsets in [&mut judged.contested, &mut judged.changed] {
        offsets.sort_unstable();
        offsets.dedup();
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(category: u8, value: u8, owner: u8, offset: u64) -> ClaimKey {
        let claim = Claim { category: [category; 8], value: [value; 16] };
        ClaimKey { claim, owner: [owner; 16], offset }
    }

    #[test]
    fn an_id_of_two_records_is_contested_and_one_of_two_rows_is_not() {
        let mut keys = vec![key(1, 1, 1, 0), key(1, 2, 2, 10), key(1, 1, 3, 20), key(1, 2, 2, 30)];
        let judged = judge(&mut keys, &[], true);
        assert_eq!(judged, Judged { contested: vec![0, 20], changed: vec![] });
        let judged = super::judge(&mut keys, &[20], true);
        assert_eq!(judged, Judged::default(), "a newer row stands for it");
    }

    #[test]
    fn an_id_that_changes_from_row_to_row_is_seen_where_rows_are_events() {
        let keys = vec![key(1, 1, 1, 0), key(2, 9, 1, 0), key(1, 1, 1, 5), key(1, 3, 1, 9)];
        assert_eq!(judge(&mut keys.clone(), &[], true).changed, [9]);
        assert_eq!(judge(&mut keys.clone(), &[], false), Judged::default());
    }
}
