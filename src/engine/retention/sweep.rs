//! All that is due, leaving in slices: each of them a few commits or a few hundred files.
//!
//! | a crash leaves | means | done by the next sweep |
//! |---|---|---|
//! | a batch that was aged, and its file | about to leave | goes on: the file, then the rows |
//! | a batch that was aged, no file | about to leave | the rows |
//! | extracts that left, with faults that are closed | half gone | goes on |
//! | an index without a drop | its rows are gone | removed |
//! | files in `archive/` that no extract knows | the same | removed |

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::plan::rest_of;
use super::{Cutoffs, day_of, number, usage};
use crate::crashpoint::crashpoint;
use crate::disk::{self, failed};
use crate::domain::rebuilt_batch;
use crate::engine::error::EngineError;
use crate::engine::files::days;
use crate::engine::pass::Engine;
use crate::ledger::{BatchRow, DropRow, Leaving, Ledger, Sign};
use crate::spool::{Spool, name_of};

/// Drops, files and rows of a slice.
const DROPS: u64 = 64;
const FILES: usize = 256;
const ROWS: u64 = 10_000;
/// A register below this is not worth writing anew.
const REGISTER: u64 = 16 << 20;
/// Room that is given back at once, and so little that it is not worth it.
const ROOM: u64 = 8 << 20;
const LITTLE: u64 = 1 << 20;

/// What left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Messages.
    pub messages: u64,
    /// Records of the queue that waited for nobody.
    pub records: u64,
    /// Files of all folders, and their bytes.
    pub files: u64,
    /// As above.
    pub bytes: u64,
    /// Decisions.
    pub actions: u64,
    /// Bytes that the ledger and the register are smaller.
    pub given_back: u64,
}

/// What is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Rebuilt,
    Drops,
    Age,
    Sent,
    Records,
    Extracts,
    Indexes,
    Archive,
    Responses,
    Errors,
    Actions,
    Register,
    Room,
    End,
}

/// In order. What knows of a file leaves after it, and what is found by another last.
const STEPS: [Step; 14] = [
    Step::Rebuilt,
    Step::Drops,
    Step::Age,
    Step::Sent,
    Step::Records,
    Step::Extracts,
    Step::Indexes,
    Step::Archive,
    Step::Responses,
    Step::Errors,
    Step::Actions,
    Step::Register,
    Step::Room,
    Step::End,
];

/// One sweep.
pub struct Sweep<'a> {
    engine: &'a Engine,
    ledger: &'a mut dyn Ledger,
    sign: &'a Sign,
    cut: Cutoffs,
    at: usize,
    /// The last drop that was looked at.
    after: u64,
    /// Files to remove, once they are known.
    files: Option<Vec<PathBuf>>,
    /// What left so far.
    pub pruned: Pruned,
}

impl<'a> Sweep<'a> {
    pub fn new(engine: &'a Engine, ledger: &'a mut dyn Ledger, sign: &'a Sign) -> Sweep<'a> {
        let cut = Cutoffs::of(engine);
        let (at, after, files, pruned) = (0, 0, None, Pruned::default());
        Sweep { engine, ledger, sign, cut, at, after, files, pruned }
    }

    /// Does one slice; says whether there is another.
    ///
    /// # Errors
    /// What ends a pass.
    pub fn step(&mut self) -> Result<bool, EngineError> {
        let step = STEPS[self.at.min(STEPS.len() - 1)];
        let more = match step {
            Step::Rebuilt => self.rebuilt()?,
            Step::Drops => self.drops()?,
            Step::Age => self.age()?,
            Step::Records => self.records()?,
            Step::Extracts => self.ledger.clear_drops(DROPS)? > 0,
            Step::Sent | Step::Indexes | Step::Archive | Step::Responses | Step::Errors => {
                self.remove(step)?
            }
            Step::Actions => self.actions()?,
            Step::Register => self.register()?,
            Step::Room => self.room()?,
            Step::End => {
                usage::survey(self.engine)?;
                self.ledger.set_swept(number(self.cut.today))?;
                return Ok(false);
            }
        };
        if !more {
            (self.at, self.after, self.files) = (self.at + 1, 0, None);
        }
        Ok(true)
    }

    /// Batches that were made of others.
    fn rebuilt(&mut self) -> Result<bool, EngineError> {
        let Some(cut) = self.cut.queue else { return Ok(false) };
        let before = self.engine.begins(cut);
        let mut leaving = Vec::new();
        for batch in self.ledger.rebuilt_before(before)? {
            if leaving.len() < FILES && self.rests(&batch, before)? {
                leaving.push(batch);
            }
        }
        let rebuilt = leaving.iter().map(|batch| batch.number).collect();
        self.leave(&leaving, Leaving { rebuilt, drops: Vec::new() })
    }

    /// Drops all of whose messages are at rest for long enough.
    fn drops(&mut self) -> Result<bool, EngineError> {
        let Some(cut) = self.cut.queue else { return Ok(false) };
        let before = self.engine.begins(cut);
        let rows = self.ledger.drops_before(before, self.after, DROPS)?;
        let Some(last) = rows.last() else { return Ok(false) };
        self.after = last.number;
        let (mut batches, mut leaving) = (Vec::new(), Leaving::default());
        let newest = self.ledger.newest()?;
        for row in rows {
            if self.drop_rests(&row, newest, before)? {
                leaving.drops.push(row.number);
                batches.extend(row.batches);
            }
        }
        self.leave(&batches, leaving)?;
        Ok(true)
    }

    fn leave(&mut self, batches: &[BatchRow], leaving: Leaving) -> Result<bool, EngineError> {
        if leaving == Leaving::default() {
            return Ok(false);
        }
        self.age_all(batches)?;
        for batch in batches {
            while let Some(path) = self.engine.batch_file(batch)? {
                self.take(&path)?;
            }
        }
        crashpoint("retention.files").map_err(failed("leave", &self.engine.spool.sent))?;
        self.pruned.messages += self.ledger.leave(&leaving, self.sign)?;
        Ok(true)
    }

    fn age_all(&mut self, batches: &[BatchRow]) -> Result<(), EngineError> {
        let mut young = Vec::new();
        for batch in batches {
            if !self.ledger.is_aged(batch.number)? {
                young.push(batch.number);
            }
        }
        match young.is_empty() {
            true => Ok(()),
            false => Ok(self.ledger.age(&young, self.sign.at)?),
        }
    }

    /// True of a batch that is at rest since before a time, and not the newest.
    fn rests(&self, batch: &BatchRow, before: i64) -> Result<bool, EngineError> {
        let (_, newest) = self.ledger.newest()?;
        let rest = self.ledger.at_rest(batch)?;
        Ok(batch.number != newest && rest.is_some_and(|since| since < before))
    }

    /// True of a drop all of which is at rest since before a time.
    fn drop_rests(
        &self,
        drop: &DropRow,
        newest: (u64, u64),
        before: i64,
    ) -> Result<bool, EngineError> {
        Ok(rest_of(&*self.ledger, drop, newest)?.is_some_and(|since| since < before))
    }

    /// Batches whose files leave before their messages do.
    fn age(&mut self) -> Result<bool, EngineError> {
        let Some(cut) = self.cut.sent.filter(|sent| self.cut.queue != Some(*sent)) else {
            return Ok(false);
        };
        let before = self.engine.begins(cut);
        let rows = self.ledger.drops_before(before, self.after, DROPS)?;
        let mut batches: Vec<BatchRow> = rows.iter().flat_map(|row| row.batches.clone()).collect();
        if self.after == 0 {
            batches.extend(self.ledger.rebuilt_before(before)?);
        }
        let mut old = Vec::new();
        for batch in batches {
            // Those whose files left on an earlier day are not asked about again.
            if !self.ledger.is_aged(batch.number)? && self.rests(&batch, before)? {
                old.push(batch);
            }
        }
        self.age_all(&old)?;
        self.after = rows.last().map_or(self.after, |row| row.number);
        Ok(!rows.is_empty())
    }

    /// Records that wait for nobody, of drops that left.
    fn records(&mut self) -> Result<bool, EngineError> {
        let Some(cut) = self.cut.queue else { return Ok(false) };
        let gone = self.ledger.clear_faults(self.engine.begins(cut), ROWS)?;
        self.pruned.records += gone;
        if gone == 0 {
            self.ledger.clear_responses(self.engine.begins(cut))?;
        }
        Ok(gone > 0)
    }

    fn actions(&mut self) -> Result<bool, EngineError> {
        let Some(cut) = self.cut.audit else { return Ok(false) };
        let gone = self.ledger.clear_actions(self.engine.begins(cut), ROWS, self.sign)?;
        self.pruned.actions += gone;
        Ok(gone > 0)
    }

    fn register(&mut self) -> Result<bool, EngineError> {
        // A backfill that is prepared or under way knows by a place in the register what was
        // entered before it.
        let open = |row: &crate::ledger::BackfillRow| !row.stage.is_over();
        let Some(_lock) = self.engine.spool.lock_backfill()? else { return Ok(false) };
        let planned = !Spool::list(&self.engine.spool.backfill)?.is_empty();
        if planned || self.ledger.backfills(1)?.iter().any(open) {
            return Ok(false);
        }
        self.pruned.given_back += self.ledger.compact_register(REGISTER)?;
        Ok(false)
    }

    fn room(&mut self) -> Result<bool, EngineError> {
        let before = self.ledger.room()?;
        // Some is left for what comes tomorrow.
        if before.free < LITTLE.max(before.bytes / 20) {
            return Ok(false);
        }
        self.ledger.give_back(ROOM)?;
        let less = before.free.saturating_sub(self.ledger.room()?.free);
        self.pruned.given_back += less;
        Ok(less > 0)
    }

    /// Removes some of the files that are due.
    fn remove(&mut self, step: Step) -> Result<bool, EngineError> {
        let mut files = match self.files.take() {
            Some(files) => files,
            None => self.due(step)?,
        };
        let some = files.split_off(files.len().saturating_sub(FILES));
        for path in &some {
            self.take(path)?;
        }
        if files.is_empty() {
            self.empty_days(step)?;
        }
        let more = !files.is_empty();
        self.files = Some(files);
        Ok(more)
    }

    fn take(&mut self, path: &Path) -> Result<(), EngineError> {
        let bytes = path.symlink_metadata().map_or(0, |found| found.len());
        disk::remove(path)?;
        self.pruned.files += 1;
        self.pruned.bytes += bytes;
        Ok(())
    }

    /// Returns the files of a folder that are due, the oldest last.
    fn due(&self, step: Step) -> Result<Vec<PathBuf>, EngineError> {
        let spool = &self.engine.spool;
        let mut files = match step {
            Step::Sent => self.old_sent()?,
            Step::Indexes => self.orphans()?,
            Step::Archive => self.old_extracts()?,
            Step::Responses => old_files(&spool.responses, self.cut.responses)?,
            Step::Errors => self.old_errors()?,
            _ => Vec::new(),
        };
        files.reverse();
        Ok(files)
    }

    /// Removes days' folders that are empty now.
    fn empty_days(&self, step: Step) -> Result<(), EngineError> {
        let spool = &self.engine.spool;
        let (shelf, cut) = match step {
            Step::Sent => (&spool.sent, self.cut.sent),
            Step::Archive => (&spool.archive, self.cut.archive),
            Step::Responses => (&spool.responses, self.cut.responses),
            _ => return Ok(()),
        };
        for day in old_days(shelf, cut)? {
            disk::remove_empty(&day)?;
        }
        Ok(())
    }

    /// Files whose batch was aged; of no other one is it known that it may go.
    fn old_sent(&self) -> Result<Vec<PathBuf>, EngineError> {
        let mut old = Vec::new();
        for path in old_files(&self.engine.spool.sent, self.cut.sent)? {
            let name = name_of(&path);
            let Some(batch) = self.ledger.batch(&name)? else { continue };
            if self.ledger.is_aged(batch.number)? && self.ledger.at_rest(&batch)?.is_some() {
                old.push(path);
            }
        }
        Ok(old)
    }

    /// Indexes of drops that are gone.
    fn orphans(&self) -> Result<Vec<PathBuf>, EngineError> {
        let (newest, _) = self.ledger.newest()?;
        let known: BTreeSet<u64> = self.ledger.drop_numbers()?;
        let rebuilt = self.ledger.rebuilt()?.into_iter();
        let rebuilt: BTreeSet<u64> = rebuilt.map(|(batch, ..)| batch).collect();
        let is_orphan = |drop: &u64| match rebuilt_batch(*drop) {
            Some(batch) => !rebuilt.contains(&batch),
            None => *drop < newest && !known.contains(drop),
        };
        let spool = &self.engine.spool;
        let orphans = spool.indexes()?.into_iter().filter(is_orphan);
        Ok(orphans.map(|one| spool.index_of(one)).collect())
    }

    /// Extracts of no drop that is kept, and copies of some that were taken in before.
    fn old_extracts(&self) -> Result<Vec<PathBuf>, EngineError> {
        let Some(cut) = self.cut.archive else { return Ok(Vec::new()) };
        let before = self.engine.begins(cut);
        let newest = self.ledger.newest()?;
        let (mut kept, mut after) = (HashSet::new(), 0);
        loop {
            let rows = self.ledger.drops_before(before, after, DROPS)?;
            let Some(last) = rows.last() else { break };
            after = last.number;
            for row in rows {
                // One that left its archive early is known by its messages alone.
                let early = self.cut.queue != Some(cut);
                if early && self.drop_rests(&row, newest, before)? {
                    continue;
                }
                let own = row.extracts.into_iter();
                kept.extend(own.map(|row| (row.extract.name, row.extract.bytes)));
            }
        }
        let is_kept = |path: &PathBuf| {
            let name = name_of(path);
            let bytes = path.symlink_metadata().map_or(0, |found| found.len());
            plain_names(&name).into_iter().any(|name| kept.contains(&(name, bytes)))
        };
        let mut files = old_files(&self.engine.spool.archive, self.cut.archive)?;
        files.retain(|path| !is_kept(path));
        Ok(files)
    }

    /// Files that could not be read, and why, once they lay there for long.
    fn old_errors(&self) -> Result<Vec<PathBuf>, EngineError> {
        let Some(cut) = self.cut.errors else { return Ok(Vec::new()) };
        let (mut old, spool) = (Vec::new(), &self.engine.spool);
        for folder in [&spool.error, &spool.odd] {
            if !folder.is_dir() {
                continue;
            }
            for name in Spool::list(folder)?.iter().filter(|name| !name.ends_with(WHY)) {
                let path = folder.join(name);
                let why = folder.join(format!("{name}{WHY}"));
                // The why-file was written when it came to lie there.
                let since = changed(&why).or_else(|| changed(&path));
                if since.is_some_and(|since| self.engine.date_of(since) < cut) {
                    old.extend([path, why]);
                }
            }
        }
        Ok(old)
    }
}

/// The end of the name of a file that says why another one is there.
const WHY: &str = ".why.toml";

fn changed(path: &Path) -> Option<i64> {
    use std::os::unix::fs::MetadataExt;
    Some(path.symlink_metadata().ok()?.mtime())
}

/// Returns the days of a shelf that are older than one.
fn old_days(shelf: &Path, cut: Option<Date>) -> Result<Vec<PathBuf>, EngineError> {
    let Some(cut) = cut else { return Ok(Vec::new()) };
    let mut old = days(shelf)?;
    old.retain(|day| day_of(day).is_some_and(|day| day < cut));
    Ok(old)
}

/// Returns the files of those days.
fn old_files(shelf: &Path, cut: Option<Date>) -> Result<Vec<PathBuf>, EngineError> {
    let mut files = Vec::new();
    for day in old_days(shelf, cut)? {
        files.extend(Spool::list(&day)?.into_iter().map(|name| day.join(name)));
    }
    Ok(files)
}

/// Returns the names that a file on a shelf may have had: a second one of a name got a
/// number before its extension.
fn plain_names(name: &str) -> Vec<String> {
    let mut names = vec![name.to_string()];
    let (stem, extension) = match name.find('.').filter(|at| *at > 0) {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    };
    if let Some((stem, number)) = stem.rsplit_once('-')
        && number.parse::<u32>().is_ok()
    {
        names.push(format!("{stem}{extension}"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_on_a_shelf_may_have_got_a_number() {
        assert_eq!(plain_names("a.csv.gz"), ["a.csv.gz"]);
        assert_eq!(plain_names("a-2.csv.gz"), ["a-2.csv.gz", "a.csv.gz"]);
        assert_eq!(plain_names("2026-05-20"), ["2026-05-20", "2026-05"]);
    }
}
