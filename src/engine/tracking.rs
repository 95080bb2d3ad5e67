//! The index of a drop: begun, ended, and looked after.
//!
//! It gets its name before the commit, so a drop in the ledger has one. What a crash left
//! of a drop that was never promised goes with the next pass; one that somebody took away,
//! or that another version of the program wrote, is made anew (`reindex.rs`).

use std::collections::BTreeSet;

use super::check::Checked;
use super::error::EngineError;
use super::pass::Engine;
use super::reindex::reindex;
use crate::crashpoint::crashpoint;
use crate::disk;
use crate::domain::drop_of_rebuilt;
use crate::index::{Index, IndexError, IndexWriter};
use crate::ledger::Ledger;
use crate::spool::Spool;

/// The name of an index that is being written; no search looks at it.
const HALF: &str = ".new";

/// Begins an index under a name that no search looks at.
pub fn begin(spool: &Spool) -> Result<IndexWriter, EngineError> {
    disk::folder(&spool.index)?;
    let path = spool.index.join(HALF);
    disk::remove(&path)?;
    Ok(IndexWriter::create(&path)?)
}

/// Ends an index and gives it its name; one with nothing in it goes away.
pub fn end(
    spool: &Spool,
    index: Option<IndexWriter>,
    drop: Option<u64>,
    batch: Option<u64>,
) -> Result<(), EngineError> {
    let Some(index) = index else { return Ok(()) };
    let Some(drop) = drop.filter(|_| !index.is_empty()) else {
        let path = index.path().to_path_buf();
        std::mem::drop(index);
        return Ok(disk::remove(&path)?);
    };
    publish(spool, index, drop, batch)
}

/// Ends an index and gives it its name, whatever is in it.
pub fn publish(
    spool: &Spool,
    index: IndexWriter,
    drop: u64,
    batch: Option<u64>,
) -> Result<(), EngineError> {
    let path = index.finish(drop, batch)?;
    crashpoint("index.name.before").map_err(disk::failed("move", &path))?;
    disk::shift(&path, &spool.index_of(drop))?;
    crashpoint("index.name.after").map_err(disk::failed("move", &path))?;
    Ok(())
}

/// Removes half an index, and the one of a drop that was never promised.
pub fn recover(engine: &Engine, ledger: &dyn Ledger) -> Result<(), EngineError> {
    let half = engine.spool.index.join(HALF);
    if half.exists() {
        disk::remove(&half)?;
    }
    let newest = ledger.extracts(1)?.first().map_or(0, |row| row.id.0.cast_unsigned());
    let rebuilt = drop_of_rebuilt(ledger.numbers()?.file);
    for unpromised in [newest + 1, rebuilt].map(|drop| engine.spool.index_of(drop)) {
        if unpromised.exists() {
            disk::remove(&unpromised)?;
        }
    }
    Ok(())
}

/// Makes the indexes anew that are not there, once a run; returns how many.
pub fn mend(engine: &Engine, ledger: &dyn Ledger) -> Result<usize, EngineError> {
    let spool = &engine.spool;
    let mut there: BTreeSet<u64> = spool.indexes()?.into_iter().collect();
    let newest = there.last().map(|drop| Index::open(&spool.index_of(*drop)));
    // Of one version are all or none, so a look at one is enough on most days.
    if matches!(newest, Some(Err(IndexError::Stale))) {
        for drop in there.clone() {
            if let Err(IndexError::Stale) = Index::open(&spool.index_of(drop)) {
                disk::remove(&spool.index_of(drop))?;
                there.remove(&drop);
            }
        }
    }
    let mut made = 0;
    for drop in ledger.drops_with_rows()? {
        if !there.contains(&drop) {
            reindex(engine, ledger, drop)?;
            made += 1;
        }
    }
    Ok(made)
}

/// Looks at every index: that it is there, whole, and knows as much as the ledger.
///
/// # Errors
/// What keeps it from looking.
pub fn check(engine: &Engine, ledger: &dyn Ledger) -> Result<Vec<Checked>, EngineError> {
    let mut wrong = Vec::new();
    let todo = "the next run makes it anew; until then a search does not see that drop";
    for number in ledger.drops_with_rows()? {
        let path = engine.spool.index_of(number);
        let Some(drop) = ledger.drop_row(number)? else { continue };
        let what = format!("index {}", path.display());
        if !path.exists() {
            wrong.push(Checked::wrong(what, format!("is not there; {todo}")));
            continue;
        }
        match Index::open(&path).and_then(|index| index.check().map(|()| index)) {
            Err(err) => {
                wrong.push(Checked::wrong(what, format!("{err}; remove it, and {todo}")));
            }
            Ok(index) => {
                let (messages, rows) = (drop.messages(), drop.untold());
                // One that was made anew may lack what was gone by then.
                let fits = |has: u64, all: u64| has == all || index.rebuilt && has < all;
                if index.drop != number
                    || !fits(index.messages, messages)
                    || !fits(index.rows, rows)
                {
                    let text = "does not fit its drop; remove it, and the next run makes it anew";
                    wrong.push(Checked::wrong(what, text));
                }
            }
        }
    }
    Ok(wrong)
}
