//! What became of one block: what its worker hands to whoever puts blocks in order.

use super::claims::ClaimKey;
use super::error::EngineError;
use super::first::Needed;
use super::guard::Changes;
use super::key::Key;
use super::order::Link;
use super::selfcheck::{Checked, Number};
use super::track::Tracks;
use crate::convert::{Output, Refusal};
use crate::domain::{Counts, Whose};

/// What became of a block.
#[derive(Default)]
pub struct Rendered {
    /// The messages.
    pub output: Output,
    /// The account.
    pub counts: Counts,
    /// Refused records.
    pub faults: Vec<Refused>,
    /// Faults that waited, each with the good record that takes its place.
    pub passed: Vec<(i64, Number)>,
    /// Where each record with an ID stands.
    pub keys: Vec<Key>,
    /// Cancelled appointments that were moved, where somebody looks for them.
    pub links: Vec<Link>,
    /// Where each external ID stands.
    pub claims: Vec<ClaimKey>,
    /// Records refused for an external ID, by offset: no appointment may have them.
    pub withheld: Vec<u64>,
    /// Patients that are to be told first.
    pub needed: Needed,
    /// What the messages were found to be.
    pub checked: Checked,
    /// What they change.
    pub changes: Changes,
    /// What the register is to know from now on: entries, one after the other.
    pub entries: Vec<u8>,
    /// What became of which record, for the index.
    pub tracks: Tracks,
    /// What ends the pass; nothing else of the block counts then.
    pub broken: Option<EngineError>,
}

/// A record that did not become a message.
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Which record.
    pub number: Number,
    /// Its line in the file.
    pub line: u64,
    /// Its text as it was dropped.
    pub source: String,
    /// Which record it is of.
    pub whose: Whose,
}

impl Rendered {
    /// Makes it empty and keeps its buffers.
    pub fn clear(&mut self) {
        let Rendered {
            output,
            counts,
            faults,
            passed,
            keys,
            links,
            claims,
            withheld,
            needed,
            checked,
            changes,
            entries,
            tracks,
            broken,
        } = self;
        tracks.clear();
        *changes = Changes::default();
        *checked = Checked::default();
        output.clear();
        *counts = Counts::default();
        faults.clear();
        passed.clear();
        keys.clear();
        links.clear();
        claims.clear();
        withheld.clear();
        needed.clear();
        entries.clear();
        *broken = None;
    }
}
