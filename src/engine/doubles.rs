//! Several records of one ID in one extract without an `event` column: only the
//! newest by `lastmodified` counts, then the last in the file (`interface.md` 7).

use std::collections::HashMap;

use super::EngineError;
use super::render::{Key, id_of};
use crate::domain::Layout;
use crate::extract::{Blocks, Rows};

/// Returns the offsets, ascending, of records that may have a newer one: those whose
/// hash comes more than once.
pub fn candidates(keys: &mut [Key]) -> Vec<u64> {
    keys.sort_unstable();
    let mut offsets: Vec<u64> = keys
        .chunk_by(|one, other| one.hash == other.hash)
        .filter(|group| group.len() > 1)
        .flatten()
        .map(|key| key.offset)
        .collect();
    offsets.sort_unstable();
    offsets
}

/// Returns the offsets, ascending, of the candidates that do have a newer record. The
/// file is read once more, since two IDs can have one hash and neither may be lost.
///
/// # Errors
/// Those of reading it.
pub fn older(
    blocks: &mut Blocks,
    layout: &Layout,
    keys: &[Key],
    candidates: &[u64],
) -> Result<Vec<u64>, EngineError> {
    let mut when: HashMap<u64, u64> = HashMap::with_capacity(candidates.len());
    for key in keys {
        if candidates.binary_search(&key.offset).is_ok() {
            when.insert(key.offset, key.when);
        }
    }
    let mut newest: HashMap<Vec<u8>, (u64, u64)> = HashMap::new();
    let mut older = Vec::new();
    while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
        let mut rows = Rows::new(&block, layout);
        while let Some(row) = rows.next_row() {
            let offset = block.offset + row.range.start as u64;
            let Some(&when) = when.get(&offset) else { continue };
            let before = newest.entry(id_of(layout, row.values).to_vec()).or_insert((when, offset));
            if before.1 == offset {
                continue;
            }
            let loser = (*before).min((when, offset));
            *before = (*before).max((when, offset));
            older.push(loser.1);
        }
    }
    older.sort_unstable();
    Ok(older)
}
