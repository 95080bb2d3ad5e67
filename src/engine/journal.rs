//! What becomes of each extract of a drop, taken down in the open drop of the ledger.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::drop::Journal;
use super::error::EngineError;
use super::guard::Faults;
use super::mend::resubmit::Origin;
use super::poison::Tries;
use super::source::Source;
use super::waiting::{Replaced, Waiting};
use crate::crashpoint::crashpoint;
use crate::disk::failed;
use crate::domain::{Counts, Fault, Notes, Whose};
use crate::ledger::{ExtractId, Ledger, LedgerError, NewExtract, NewFault, Register};

/// Takes an extract down in the open drop of the ledger.
pub(super) struct LedgerJournal<'a> {
    ledger: &'a mut dyn Ledger,
    current: Option<ExtractId>,
    /// The first extract, which stands for the drop.
    pub first: Option<ExtractId>,
    now: i64,
    /// How many rows of the drop have each fault in each column.
    pub faults: Faults,
    /// Where the records of each extract come from, if they were dropped before.
    origins: Option<&'a HashMap<PathBuf, Vec<Origin>>>,
    /// Where it is noted what is read, if a death may be that extract's fault.
    tries: Option<&'a mut Tries>,
    /// The file of the extract begun last.
    path: PathBuf,
    /// Each extract that ended.
    pub ended: Vec<(ExtractId, PathBuf)>,
    /// What waited before the drop.
    waiting: Arc<Waiting>,
    /// What of it the drop takes the place of.
    pub replaced: Replaced,
}

impl<'a> LedgerJournal<'a> {
    /// Takes down what is read at `now`, unix seconds; `origins` is where the records of each
    /// extract come from, if they were dropped before; `waiting` what waits already; and `tries`
    /// is told what is read, if a death may be that extract's fault.
    pub fn new(
        ledger: &'a mut dyn Ledger,
        now: i64,
        origins: Option<&'a HashMap<PathBuf, Vec<Origin>>>,
        waiting: Arc<Waiting>,
        tries: Option<&'a mut Tries>,
    ) -> LedgerJournal<'a> {
        let (current, path) = (None, PathBuf::new());
        let (first, ended, faults) = (None, Vec::new(), Faults::new());
        let replaced = Replaced::default();
        LedgerJournal {
            ledger,
            current,
            first,
            now,
            faults,
            origins,
            tries,
            path,
            ended,
            waiting,
            replaced,
        }
    }

    /// Returns where the records of the extract begun last come from.
    fn of_path(&self) -> Option<&'a Vec<Origin>> {
        self.origins.and_then(|origins| origins.get(&self.path))
    }

    fn current(&self) -> Result<ExtractId, LedgerError> {
        self.current.ok_or_else(|| LedgerError::Failed("no extract was begun".to_string()))
    }
}

impl Journal for LedgerJournal<'_> {
    fn register(&mut self) -> Option<&mut dyn Register> {
        Some(self.ledger)
    }

    fn reading(&mut self, source: &Source) -> Result<(), EngineError> {
        self.tries.as_mut().map_or(Ok(()), |tries| tries.reading(source))?;
        Ok(crashpoint("intake.reading").map_err(failed("read", &source.path))?)
    }

    fn begin(&mut self, source: &Source, header: &str) -> Result<(), EngineError> {
        let extract = NewExtract {
            digest: source.digest()?,
            name: source.name.to_string(),
            kind: source.kind,
            bytes: source.bytes,
            inode: source.inode,
            header: header.to_string(),
            taken_at: self.now,
        };
        let begun = self.ledger.begin_extract(&extract)?;
        self.current = Some(begun);
        self.first.get_or_insert(begun);
        self.path.clone_from(&source.path);
        Ok(())
    }

    fn waiting(&self) -> Arc<Waiting> {
        self.waiting.clone()
    }

    fn passed(&mut self, fault: i64, record: u64) {
        if let Some(extract) = self.current {
            self.replaced.add(fault, extract, record);
        }
    }

    fn fault(&mut self, fault: &Fault, text: &str, whose: Whose) -> Result<(), EngineError> {
        let extract = self.current()?;
        let mut before: Option<(i64, u64)> = None;
        for row in self.waiting.before(whose) {
            self.replaced.add(row.id, extract, fault.at.record);
            let (since, times) = before.unwrap_or((row.since, row.times));
            before = Some((since.min(row.since), times.max(row.times)));
        }
        *self.faults.entry((fault.code, fault.column.to_string())).or_default() += 1;
        let mut fault = Cow::Borrowed(fault);
        let at = usize::try_from(fault.at.record - 1).unwrap_or(usize::MAX);
        // People look for it where it was dropped.
        if let Some(origin) = self.of_path().and_then(|origins| origins.get(at)) {
            let at = &mut fault.to_mut().at;
            (at.record, at.line) = (origin.record, origin.line);
        }
        let new = NewFault { fault: &fault, source: text, whose, before };
        Ok(self.ledger.queue_fault(extract, &new)?)
    }

    fn end(&mut self, counts: &Counts, notes: &Notes) -> Result<(), EngineError> {
        if self.of_path().is_some_and(|origins| origins.len() as u64 != counts.rows) {
            let text = "records that were kept do not read as they did; this is a bug, report it";
            return Err(LedgerError::Failed(text.to_string()).into());
        }
        self.ledger.end_extract(self.current()?, counts, notes)?;
        self.ended.push((self.current()?, self.path.clone()));
        Ok(())
    }

    fn nth(&self) -> u64 {
        let nth = |(current, first): (ExtractId, ExtractId)| current.0.abs_diff(first.0);
        self.current.zip(self.first).map_or(0, nth)
    }

    fn undo(&mut self) -> Result<(), EngineError> {
        let extract = self.current()?;
        self.replaced.undo(extract);
        Ok(self.ledger.undo_extract(extract)?)
    }
}
