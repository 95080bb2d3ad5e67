//! Several records of one ID in one extract without an `event` column: only the
//! newest by `lastmodified` counts, then the last in the file (`interface.md` 7).

use std::collections::HashMap;

use super::EngineError;
use super::key::{Key, id_of};
use super::keys::Sorted;
use crate::domain::Layout;
use crate::extract::{Blocks, Rows};

/// Returns the keys of records that may have a newer one, those whose hash comes more
/// than once, in the order of the file.
pub fn candidates(keys: &mut [Key]) -> Vec<Key> {
    keys.sort_unstable();
    let groups = keys.chunk_by(|one, other| one.hash == other.hash);
    let mut found: Vec<Key> = groups.filter(|group| group.len() > 1).flatten().copied().collect();
    found.sort_unstable_by_key(|key| key.offset);
    found
}

/// The same of a list that is sorted already.
///
/// # Errors
/// Those of reading it, where it is on the disk.
pub fn candidates_of(keys: &Sorted) -> Result<Vec<Key>, EngineError> {
    let mut found = Vec::new();
    keys.groups(&mut |group| found.extend_from_slice(group))?;
    found.sort_unstable_by_key(|key: &Key| key.offset);
    Ok(found)
}

/// Returns the offsets, ascending, of the candidates that do have a newer record. The
/// file is read once more, since two IDs can have one hash and neither may be lost.
///
/// Memory is 32 bytes a candidate and about 100 for each ID that comes more than once:
/// the only part of a conversion that grows with what is wrong with an extract.
///
/// # Errors
/// Those of reading it.
pub fn older(
    blocks: &mut Blocks,
    layout: &Layout,
    candidates: &[Key],
) -> Result<Vec<u64>, EngineError> {
    let mut newest: HashMap<Vec<u8>, (u64, u64)> = HashMap::new();
    let mut older = Vec::new();
    let mut candidates = candidates.iter().peekable();
    while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
        let mut rows = Rows::new(&block, layout);
        while let Some(row) = rows.next_row() {
            let offset = block.offset + row.range.start as u64;
            let Some(key) = candidates.next_if(|key| key.offset == offset) else { continue };
            let this = (key.when, offset);
            match newest.get_mut(id_of(layout, row.values)) {
                Some(before) => {
                    older.push(this.min(*before).1);
                    *before = this.max(*before);
                }
                None => {
                    newest.insert(id_of(layout, row.values).to_vec(), this);
                }
            }
        }
        blocks.reuse(block);
    }
    older.sort_unstable();
    Ok(older)
}
