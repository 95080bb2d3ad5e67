//! Records that wait, converted again: their kept texts become an extract under their
//! header, which goes the way of every other. The drop that takes it in closes the old
//! faults in its own commit, so a row never counts twice, nor gets lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::Mended;
use super::earlier::earlier;
use super::overtake::Told;
use super::refused;
use super::select::{Headers, Selection, is_json, walk};
use crate::batch::Earlier;
use crate::crashpoint::crashpoint;
use crate::disk::{self, NewFile};
use crate::domain::{Code, Counts, ExtractKind, Layout, QueueState};
use crate::engine::error::EngineError;
use crate::engine::intake;
use crate::engine::pass::Engine;
use crate::engine::source::Source;
use crate::ledger::{Act, ExtractId, ExtractRow, FaultRow, Ledger, Resubmitted, Sign};
use crate::spool::Spool;

/// Bytes gathered before a write.
const BUFFER: usize = 1 << 20;

/// Why a record is left that is older than what was told since.
const OVERTAKES: &str = "newer rows of some were told since, which these would overtake: close \
                         them, or drop them again if they must be told all the same";

/// Where a record of such an extract comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The fault that waits.
    pub fault: i64,
    /// The record in the extract that was dropped, counted from 1.
    pub record: u64,
    /// The line it begins on there.
    pub line: u64,
}

/// Records on their way to be converted again.
#[derive(Default)]
pub struct Again {
    /// Their extracts, by the names of those they come from.
    pub sources: Vec<Source>,
    /// Where each record comes from, by the file of its extract.
    pub origins: HashMap<PathBuf, Vec<Origin>>,
    /// Whether they are sent with the external IDs that changed.
    pub changed_id: bool,
    /// The states that they wait in.
    states: BTreeSet<QueueState>,
    /// Which batches the records beside them went into.
    batches: BTreeSet<u64>,
    /// Records that cannot be converted again: why, and how many.
    skipped: BTreeMap<&'static str, u64>,
}

/// Converts the records that are meant again.
pub fn resubmit(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    which: &Selection,
    changed_id: bool,
    sign: &Sign,
) -> Result<Mended, EngineError> {
    if which.is_empty() {
        return refused("say which records: by number, group or filter, or ALL");
    }
    if let Some(why) = intake::held(engine)? {
        return refused(why);
    }
    clear(engine)?;
    let again = gather(engine, &*ledger, which, changed_id, &engine.spool.again())?;
    if again.sources.is_empty() {
        return match again.skipped.keys().next() {
            Some(why) => refused(*why),
            None => Err(EngineError::NothingWaits { what: which.about() }),
        };
    }
    crashpoint("mend.gathered").map_err(disk::failed("resubmit below", &engine.spool.again()))?;
    let mut skipped = again.skipped();
    let (accounts, batches) = intake::convert_again(engine, ledger, &again, sign)?;
    let mut counts = Counts::default();
    for (source, account) in accounts {
        match account {
            Ok(account) => {
                counts.add(&account.counts);
                engine.spool.shelve_archive(&source.path, &engine.day())?;
            }
            Err(err) => {
                let count = again.origins.get(&source.path).map_or(0, Vec::len);
                skipped.push((format!("{}: {err}; {}", source.name, err.hint()), count as u64));
                disk::remove(&source.path)?;
            }
        }
    }
    if counts.rows == 0 {
        return refused(skipped.into_iter().map(|(why, _)| why).collect::<Vec<_>>().join("; "));
    }
    let batch = batches.into_iter().next().map(|batch| batch.name);
    Ok(Mended { records: counts.rows, batch, counts: Some(counts), skipped, ..Mended::default() })
}

/// Removes what an earlier one left that was never promised.
fn clear(engine: &Engine) -> Result<(), EngineError> {
    let folder = engine.spool.again();
    disk::folder(&folder)?;
    for name in Spool::list(&folder)? {
        disk::remove(&folder.join(name))?;
    }
    Ok(())
}

/// Puts the records that are meant into extracts, one for each that they come from.
pub fn gather(
    engine: &Engine,
    ledger: &dyn Ledger,
    which: &Selection,
    changed_id: bool,
    folder: &Path,
) -> Result<Again, EngineError> {
    let mut headers = Headers::new(ledger, &engine.agreement.reading);
    let (mut again, mut open) = (Again { changed_id, ..Again::default() }, None::<Open>);
    let mut told = Told::new(engine, ledger);
    walk(ledger, &mut |row| {
        if !which.fits(&row, &mut headers)? {
            return Ok(());
        }
        let Some((extract, layout)) = headers.of(&row)? else {
            return again.skip("the extract of some is in the ledger no more");
        };
        if changed_id && row.fault.code != Code::X002 {
            return again.skip("some do not wait for a changed external ID (X002)");
        }
        if let Some(why) = cannot(&row, extract.extract.kind) {
            return again.skip(why);
        }
        let Some(layout) = layout else {
            return again.skip("the header of their extract lacks a column that must be there now");
        };
        if told.since(&row, extract, layout)? {
            return again.skip(OVERTAKES);
        }
        if open.as_ref().is_none_or(|open| open.extract != row.extract) {
            if let Some(done) = open.take() {
                done.finish(&mut again)?;
            }
            open = Some(Open::create(folder, extract, layout, &row)?);
        }
        again.states.insert(row.fault.code.owner().queue_state());
        again.batches.extend(extract.batch);
        match &mut open {
            Some(open) => open.add(&row),
            None => Ok(()),
        }
    })?;
    if let Some(done) = open {
        done.finish(&mut again)?;
    }
    Ok(again)
}

/// Returns why a record cannot be converted again from what was kept of it.
pub fn cannot(row: &FaultRow, kind: ExtractKind) -> Option<&'static str> {
    if !kind.makes_messages() {
        return Some(
            "rows of providers and departments are mended by dropping their extract again: one \
             without the others would be the whole table",
        );
    }
    let lost = row.fault.code == Code::V002 || row.source.contains('\u{fffd}');
    lost.then_some("some were no UTF-8, so their text is not kept whole: drop their extract again")
}

impl Again {
    /// Returns which records cannot be converted again: why, and how many.
    pub fn skipped(&self) -> Vec<(String, u64)> {
        self.skipped.iter().map(|(why, count)| ((*why).to_string(), *count)).collect()
    }

    fn skip(&mut self, why: &'static str) -> Result<(), EngineError> {
        *self.skipped.entry(why).or_default() += 1;
        Ok(())
    }

    /// Returns the control IDs of the file that the records beside these went into, where
    /// that is one file (`interface.md` 3.5).
    pub fn earlier(&self, engine: &Engine, ledger: &dyn Ledger) -> Result<Earlier, EngineError> {
        let mut batches = self.batches.iter();
        let (Some(one), None) = (batches.next(), batches.next()) else {
            return Ok(Earlier::default());
        };
        let Some(row) = ledger.deliveries(*one)?.into_iter().next() else {
            return Ok(Earlier::default());
        };
        match engine.batch_file(&row.batch)? {
            Some(path) => earlier(&path),
            None => Ok(Earlier::default()),
        }
    }

    /// Closes the faults whose extracts are in the open drop.
    pub fn close(
        &self,
        ledger: &mut dyn Ledger,
        ended: &[(ExtractId, PathBuf)],
        sign: &Sign,
    ) -> Result<(), EngineError> {
        let mut rows = Vec::new();
        for (extract, path) in ended {
            let origins = self.origins.get(path).into_iter().flatten();
            rows.extend(origins.zip(1..).map(|(origin, record)| Resubmitted {
                fault: origin.fault,
                extract: *extract,
                record,
            }));
        }
        let was: Vec<String> = self.states.iter().map(QueueState::to_string).collect();
        let files: BTreeSet<&str> = self.sources.iter().map(|source| &*source.name).collect();
        let files = files.into_iter().take(5).collect::<Vec<_>>().join(", ");
        let act = Act {
            verb: "resubmit",
            about: match self.changed_id {
                true => format!("{} records of {files}, with changed external IDs", rows.len()),
                false => format!("{} records of {files}", rows.len()),
            },
            was: was.join(", "),
            now: QueueState::New.to_string(),
        };
        Ok(ledger.resubmitted(&rows, &act, sign)?)
    }
}

/// An extract that is being written.
struct Open {
    extract: ExtractId,
    kind: ExtractKind,
    name: String,
    layout: Layout,
    path: PathBuf,
    file: NewFile,
    buffer: Vec<u8>,
    origins: Vec<Origin>,
}

impl Open {
    fn create(
        folder: &Path,
        extract: &ExtractRow,
        layout: &Layout,
        row: &FaultRow,
    ) -> Result<Open, EngineError> {
        let name = extract.extract.name.clone();
        // What is written is plain, whatever the extract was packed in: its bytes tell.
        let path = Spool::free_in(folder, &name);
        let file = disk::create(&path)?;
        let mut buffer = Vec::new();
        if !is_json(&row.source) {
            buffer.extend_from_slice(extract.extract.header.as_bytes());
            buffer.push(b'\n');
        }
        let (kind, layout) = (extract.extract.kind, layout.clone());
        let (extract, origins) = (extract.id, Vec::new());
        Ok(Open { extract, kind, name, layout, path, file, buffer, origins })
    }

    fn add(&mut self, row: &FaultRow) -> Result<(), EngineError> {
        self.buffer.extend_from_slice(row.source.as_bytes());
        self.buffer.push(b'\n');
        let at = &row.fault.at;
        self.origins.push(Origin { fault: row.id, record: at.record, line: at.line });
        if self.buffer.len() >= BUFFER {
            self.file.write(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn finish(mut self, again: &mut Again) -> Result<(), EngineError> {
        // The same bad row comes with many a drop, and a drop takes no bytes twice: blank
        // lines are no records.
        self.buffer.extend(std::iter::repeat_n(b'\n', again.sources.len()));
        self.file.write(&self.buffer)?;
        self.file.finish()?;
        let source = Source::of(&self.path, &self.name, self.kind, false)
            .map_err(disk::failed("read", &self.path))?;
        again.sources.push(source.is_kept(&self.layout));
        again.origins.insert(self.path, self.origins);
        Ok(())
    }
}
