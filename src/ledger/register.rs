//! What was told of each patient and appointment: the register's words, for every
//! store. `engine/memory.rs` writes and reads it, `ARCHITECTURE.md` says why it is so.

use super::{ExtractId, LedgerError, Result};
use crate::digest::Digest;
use crate::domain::{Claim, Fingerprint, Kind, Known, Status};

/// One entry: what is known of one record, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose.
    pub kind: Kind,
    /// Its ID, as the extract has it.
    pub id: &'a [u8],
    /// What was told of it.
    pub known: Known,
    /// Its external IDs, at most 255 of them.
    pub claims: &'a [Claim],
    /// Values of it that later records need, under the columns of `known`; patient data.
    pub kept: &'a [u8],
}

/// What is kept of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which columns.
    pub columns: u32,
    /// Their values, as they were given.
    pub values: Vec<u8>,
}

/// The part of a ledger that remembers records. What is remembered belongs to the
/// open drop, and to the extract begun last; it is found from [`end_extract`] on and
/// for good from [`commit_drop`] on.
///
/// [`end_extract`]: super::Ledger::end_extract
/// [`commit_drop`]: super::Ledger::commit_drop
pub trait Register {
    /// Returns what is known of a record.
    ///
    /// # Errors
    /// Those of the store; an entry that is not as it was written is
    /// [`LedgerError::Damaged`], never "not known".
    fn known(&self, kind: Kind, id: &[u8]) -> Result<Option<Known>>;

    /// Shows each record of a kind and what is known of it, in any order.
    ///
    /// # Errors
    /// As [`Register::known`].
    fn each(&self, kind: Kind, see: &mut dyn FnMut(&[u8], Known)) -> Result<()>;

    /// Returns how many records of a kind are known, at most `limit`.
    ///
    /// # Errors
    /// Those of the store.
    fn count(&self, kind: Kind, limit: u64) -> Result<u64>;

    /// Returns where the next entry will go: what [`Register::entered`] returns of it and of
    /// all that follow is no less.
    ///
    /// # Errors
    /// Those of the store.
    fn end(&self) -> Result<u64>;

    /// Returns where the newest entry of a record is; one that was made later is further on.
    ///
    /// # Errors
    /// As [`Register::known`].
    fn entered(&self, kind: Kind, id: &[u8]) -> Result<Option<u64>>;

    /// Returns where the register ended when an extract with faults did: what is no less was
    /// entered after its records were dropped. None if it was not kept.
    ///
    /// # Errors
    /// Those of the store.
    fn end_of(&self, extract: ExtractId) -> Result<Option<u64>>;

    /// Returns what is kept of a record; `None` too if it is known and nothing is kept.
    ///
    /// # Errors
    /// As [`Register::known`].
    fn kept(&self, kind: Kind, id: &[u8]) -> Result<Option<Kept>>;

    /// Returns the external IDs of a record; none too if it is not known.
    ///
    /// # Errors
    /// As [`Register::known`].
    fn claims(&self, kind: Kind, id: &[u8]) -> Result<Vec<Claim>>;

    /// Returns whose an external ID is: the record of this kind whose newest entry has
    /// it.
    ///
    /// # Errors
    /// As [`Register::known`].
    fn owner(&self, kind: Kind, claim: &Claim) -> Result<Option<Vec<u8>>>;

    /// Returns every list of columns that something was kept under, with its number.
    ///
    /// # Errors
    /// Those of the store.
    fn columns(&self) -> Result<Vec<(u32, Vec<String>)>>;

    /// Returns the number of a list of columns, above 0; a new one in the open drop if
    /// it was never seen.
    ///
    /// # Errors
    /// Those of the store, and no open drop.
    fn keep_columns(&mut self, names: &[String]) -> Result<u32>;

    /// Takes entries, one after the other as [`Entry::write`] wrote them. The last of
    /// an ID counts.
    ///
    /// # Errors
    /// Those of the store, and no open drop.
    fn remember(&mut self, entries: &[u8]) -> Result<()>;
}

/// Bytes of an entry before its ID.
pub(super) const HEAD: usize = 48;
pub(super) const SEAL: usize = 8;
/// Bytes of an external ID in an entry.
const CLAIM: usize = 24;

/// The head of an entry, read and found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub kind: Kind,
    pub known: Known,
    /// Bytes of the ID, which stands behind the head.
    pub id: usize,
    /// How many external IDs stand behind the ID.
    pub claims: usize,
    /// Bytes of the kept values behind those, without their seal.
    pub kept: usize,
}

impl Entry<'_> {
    /// Appends the entry. Head, ID and external IDs have a seal, the kept values one of
    /// their own, so that either can be read alone: a bit that flips on the disk must not make a
    /// patient new again.
    ///
    /// ```text
    ///  0 seal 8 | id length 4 | kept length 4 | columns 4 | fingerprint 16
    /// 36 kind 1 | status 1 | announced 1 | external IDs 1
    /// 40 modified 8
    /// 48 id | external IDs: category 8, value 16 each | kept | seal of kept 8, if any
    /// ```
    pub fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        let status = self.known.status.map_or(0, Status::code);
        let length = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
        out.extend_from_slice(&[0; SEAL]);
        out.extend_from_slice(&length(self.id));
        out.extend_from_slice(&length(self.kept));
        out.extend_from_slice(&self.known.columns.to_le_bytes());
        out.extend_from_slice(&self.known.fingerprint.0);
        let claims = &self.claims[..self.claims.len().min(u8::MAX.into())];
        let announced = self.known.announced.into();
        out.extend_from_slice(&[letter(self.kind), status, announced, claims.len() as u8]);
        out.extend_from_slice(&self.known.modified.to_le_bytes());
        out.extend_from_slice(self.id);
        for claim in claims {
            out.extend_from_slice(&claim.category);
            out.extend_from_slice(&claim.value);
        }
        let seal = seal(&out[begin + SEAL..]);
        out[begin..begin + SEAL].copy_from_slice(&seal);
        if !self.kept.is_empty() {
            let at = out.len();
            out.extend_from_slice(self.kept);
            let seal = self::seal(&out[at..]);
            out.extend_from_slice(&seal);
        }
    }
}

impl Head {
    /// Reads the head at the beginning of `bytes`, which must hold the ID and the
    /// external IDs too.
    pub fn read(bytes: &[u8]) -> Result<Head> {
        let head = Head::shape(bytes)?;
        match bytes.get(..head.sealed()) {
            Some(whole) if seal(&whole[SEAL..]) == whole[..SEAL] => Ok(head),
            _ => Err(damaged()),
        }
    }

    /// Reads the lengths and values of a head without a look at its seal: to know how
    /// many bytes to read before that look.
    pub fn shape(bytes: &[u8]) -> Result<Head> {
        let number = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
        };
        let read = || {
            let status = *bytes.get(37)?;
            let status = if status == 0 { None } else { Some(Status::of_code(status)?) };
            Some(Head {
                kind: [Kind::Patient, Kind::Appointment]
                    .into_iter()
                    .find(|kind| bytes.get(36) == Some(&letter(*kind)))?,
                known: Known {
                    fingerprint: Fingerprint(bytes.get(20..36)?.try_into().ok()?),
                    status,
                    announced: *bytes.get(38)? == 1,
                    columns: number(16)?,
                    modified: u64::from_le_bytes(bytes.get(40..48)?.try_into().ok()?),
                },
                claims: usize::from(*bytes.get(39)?),
                id: number(8)? as usize,
                kept: number(12)? as usize,
            })
        };
        read().ok_or_else(damaged)
    }

    /// Bytes of head, ID and external IDs: all that the first seal is of.
    pub fn sealed(&self) -> usize {
        HEAD + self.id + self.claims * CLAIM
    }

    /// Bytes of the whole entry.
    pub fn whole(&self) -> usize {
        self.sealed() + self.kept + if self.kept == 0 { 0 } else { SEAL }
    }

    /// Bytes of the kept values with their seal.
    pub fn sealed_kept(&self) -> usize {
        self.whole() - self.sealed()
    }
}

/// Returns kept values without their seal.
pub(super) fn unsealed(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_last_chunk::<SEAL>() {
        Some((values, found)) if seal(values) == *found => Ok(values),
        _ if bytes.is_empty() => Ok(bytes),
        _ => Err(damaged()),
    }
}

/// Returns the external IDs of an entry, which `bytes` begin with.
pub(super) fn claims(head: &Head, bytes: &[u8]) -> Vec<Claim> {
    let claims = bytes.get(HEAD + head.id..head.sealed()).unwrap_or_default();
    let (claims, _) = claims.as_chunks::<CLAIM>();
    claims
        .iter()
        .map(|claim| Claim {
            category: std::array::from_fn(|at| claim[at]),
            value: std::array::from_fn(|at| claim[at + 8]),
        })
        .collect()
}

/// Returns the ID of the entry at the beginning of `bytes`, its head and its length.
pub(super) fn first(bytes: &[u8]) -> Result<(Head, &[u8], usize)> {
    let head = Head::read(bytes)?;
    let whole = head.whole();
    match bytes.get(HEAD..HEAD + head.id) {
        Some(id) if bytes.len() >= whole => Ok((head, id, whole)),
        _ => Err(damaged()),
    }
}

/// Returns the letter that stands for a kind.
pub(super) const fn letter(kind: Kind) -> u8 {
    match kind {
        Kind::Patient => b'P',
        Kind::Appointment => b'A',
    }
}

pub(super) fn damaged() -> LedgerError {
    LedgerError::Damaged("an entry of its register is not as it was written".to_string())
}

pub(super) fn seal(bytes: &[u8]) -> [u8; SEAL] {
    let digest = Digest::of(bytes).bytes();
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_and_no_flipped_bit_goes_unseen() {
        let entry = Entry {
            kind: Kind::Appointment,
            id: b"00417",
            known: Known {
                fingerprint: Fingerprint(std::array::from_fn(|at| at as u8)),
                status: Some(Status::CheckedIn),
                announced: true,
                columns: 3,
                modified: 20_260_520_110_000,
            },
            claims: &[Claim { category: [1; 8], value: [2; 16] }; 2],
            kept: b"kept",
        };
        let mut bytes = Vec::new();
        entry.write(&mut bytes);
        let (head, id, whole) = first(&bytes).unwrap();
        assert_eq!((head.kind, id, head.known), (entry.kind, entry.id, entry.known));
        assert_eq!((head.known.columns, whole), (3, bytes.len()));
        assert_eq!(claims(&head, &bytes), entry.claims);
        let kept = &bytes[whole - head.sealed_kept()..];
        assert_eq!(unsealed(kept).unwrap(), b"kept");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let good = first(&flipped).and_then(|(head, _, whole)| {
                unsealed(&flipped[whole - head.sealed_kept()..]).map(|_| ())
            });
            assert!(good.is_err(), "bit {bit}");
        }
    }
}
