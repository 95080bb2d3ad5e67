//! One drop into one batch file: reference extracts, then patients, then
//! appointments; each extract whole or not at all.
//!
//! The same code serves `run`, where the ledger is the journal, and `convert`, where
//! faults go to the screen.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::civil::DateTime;
use rayon::ThreadPool;

use super::agreement::{Agreement, Programs};
use super::backfill::Backfilling;
use super::claims::{ClaimKey, Claims, Judged, judge};
use super::doubles;
use super::error::EngineError;
use super::first::{First, Needed};
use super::guard::Changes;
use super::headers::Headers;
use super::keys::{Keys, Sorted};
use super::memory::Memory;
use super::missing::Search;
use super::patients::{PatientFile, PatientIndex};
use super::pipeline::ordered;
use super::plain::Plain;
use super::reference;
use super::render::Renderer;
use super::selfcheck::Learned;
use super::source::{Progress, Source};
use super::survey::Survey;
use super::tally::Tally;
use super::track::{Origin, Tracker};
use super::waiting::Waiting;
use super::writer::Writer;
use crate::convert::{Bound, Explained, References, Refusal, Resolved};
use crate::disk;
use crate::domain::{
    Counts, Event, ExtractKind, Fault, Guard, Kind, Layout, Note, Notes, Position, Whose,
};
use crate::extract::{ExtractError, Reading, Rows};
use crate::ledger::Register;

/// Takes down what becomes of each extract.
pub trait Journal: Send {
    /// Returns the register, where there is one.
    fn register(&mut self) -> Option<&mut dyn Register> {
        None
    }

    /// An extract is read next; nothing of it was looked at yet.
    ///
    /// # Errors
    /// Those of the store.
    fn reading(&mut self, _: &Source) -> Result<(), EngineError> {
        Ok(())
    }
    /// An extract begins.
    ///
    /// # Errors
    /// Those of the store.
    fn begin(&mut self, source: &Source, header: &str) -> Result<(), EngineError>;
    /// A record of it is refused; `whose` is which.
    ///
    /// # Errors
    /// Those of the store.
    fn fault(&mut self, fault: &Fault, text: &str, whose: Whose) -> Result<(), EngineError>;
    /// A good record takes the place of a fault that waited.
    fn passed(&mut self, _fault: i64, _record: u64) {}
    /// Returns what waited before.
    fn waiting(&self) -> Arc<Waiting> {
        Arc::default()
    }
    /// It ends.
    ///
    /// # Errors
    /// Those of the store.
    fn end(&mut self, counts: &Counts, notes: &Notes) -> Result<(), EngineError>;
    /// It never was.
    ///
    /// # Errors
    /// Those of the store.
    fn undo(&mut self) -> Result<(), EngineError>;
    /// Returns which extract of the drop it is, counted from 0.
    fn nth(&self) -> u64 {
        0
    }
}

/// What a conversion needs besides its sources.
pub struct Conversion<'a> {
    /// The interface.
    pub agreement: &'a Agreement,
    /// The workers.
    pub pool: &'a ThreadPool,
    /// Civil time of the run.
    pub clock: DateTime,
    /// Takes the messages.
    pub writer: &'a mut Writer,
    /// Takes the rest.
    pub journal: &'a mut dyn Journal,
    /// Is told how far it is.
    pub progress: Arc<dyn Progress + Send>,
    /// Where a plain copy of a patients extract may lie for a while.
    pub scratch: &'a Path,
    /// Records to explain on the way.
    pub wanted: &'a mut [Wanted],
    /// Whether its extracts are records out of others: what they lack says nothing.
    pub part: bool,
    /// How many appointments may be missing; none: as many as there are.
    pub guard: Option<Guard>,
    /// What holds instead of the day's rules, where this is part of a backfill.
    pub backfill: Option<Backfilling<'a>>,
}

/// A record whose fields are to be explained.
#[derive(Debug)]
pub struct Wanted {
    /// Its extract.
    pub path: PathBuf,
    /// The record, counted from 1.
    pub record: u64,
    /// What was found; none if there is no such record.
    pub found: Option<Explanation>,
}

/// What a record becomes.
#[derive(Debug)]
pub enum Explanation {
    /// Messages, each field with its rule.
    Messages(Vec<(Event, Vec<Explained>)>),
    /// Nothing, and why.
    Nothing(Note),
    /// A fault.
    Fault(Fault),
}

/// What became of one extract.
#[derive(Debug)]
pub struct Account {
    /// Its rows.
    pub counts: Counts,
    /// What was noticed.
    pub notes: Notes,
    /// Header names that mean nothing to us.
    pub unknown: Vec<String>,
    /// What its messages change.
    pub changes: Changes,
}

/// What became of each source, in the order they were read.
pub type Accounts = Vec<(Source, Result<Account, ExtractError>)>;

/// What the records of a drop are held against.
struct Tables<'a> {
    references: References,
    filters: Resolved,
    headers: Headers<'a>,
}

/// An extract of messages that was read.
struct Read {
    account: Account,
    layout: Layout,
    keys: Sorted,
    claims: Vec<ClaimKey>,
    withheld: Vec<u64>,
    needed: Needed,
    plain: Option<Plain>,
}

impl Read {
    /// Takes refused records away from where patients are looked for; nor is an older row
    /// to be found in their place.
    fn withhold(&mut self, older: &[u64]) {
        if !self.withheld.is_empty() {
            self.withheld.extend_from_slice(older);
            self.withheld.sort_unstable();
        }
    }
}

impl Conversion<'_> {
    /// Converts the sources of a drop. `saved` is asked for the reference extracts of an
    /// earlier drop where this one has none with a row.
    ///
    /// # Errors
    /// What ends a pass; an extract that cannot be read is told in its account.
    pub fn run(
        &mut self,
        mut sources: Vec<Source>,
        saved: &dyn Fn(ExtractKind) -> Result<Vec<Source>, EngineError>,
    ) -> Result<Accounts, EngineError> {
        sources.sort_by_key(|source| source.kind);
        self.writer.hold_to(&self.agreement.agreed);
        let joined = sources.iter().any(|source| source.kind == ExtractKind::Appointments);
        let mut references = References::default();
        let mut accounts = Accounts::new();
        for kind in [ExtractKind::Providers, ExtractKind::Departments] {
            let mut rows = 0;
            for source in sources.extract_if(.., |source| source.kind == kind) {
                let account = settle(self.reference(&source))?.map(|(table, account)| {
                    rows += account.counts.sent;
                    references.absorb(table);
                    account
                });
                accounts.push((source, account));
            }
            for source in if rows == 0 { saved(kind)? } else { Vec::new() } {
                let (reading, scope) = (&self.agreement.reading, &self.agreement.scope);
                let read = reference::read(&source, reading, scope, &mut |_, _, _| Ok(()));
                // It was read once; settings that have changed since can be in its way.
                let read = read.inspect_err(|err| {
                    log::error!("{} in reference/ cannot be read any more: {err}", source.name);
                })?;
                references.absorb(read.0);
            }
        }
        reference::add_own(&mut references, &self.agreement.scope);
        // A drop that only brings tables may be what a name waits for.
        let filters = match sources.is_empty() {
            true => Resolved::default(),
            false => Resolved::new(&self.agreement.scope.filters, &references)?,
        };
        let headers = Headers::new(self.agreement, self.clock);
        let tables = Tables { references, filters, headers };
        let mut patients = Vec::new();
        for source in sources.extract_if(.., |source| source.kind == ExtractKind::Patients) {
            let read = self.extract(&source, &tables, None, joined);
            let account = match settle(read)? {
                Ok(read) if joined => {
                    let (account, file, keys) = patient_file(&source, read)?;
                    patients.push((file, keys));
                    Ok(account)
                }
                other => other.map(|read| read.account),
            };
            accounts.push((source, account));
        }
        let found = joined.then(|| PatientIndex::new(patients));
        let index = self.backfill.and_then(|backfill| backfill.patients).or(found.as_ref());
        for source in sources {
            let read = self.extract(&source, &tables, index, false);
            accounts.push((source, settle(read)?.map(|read| read.account)));
        }
        Ok(accounts)
    }

    /// Reads an extract of patients or appointments, or leaves no trace of it.
    fn extract(
        &mut self,
        source: &Source,
        tables: &Tables<'_>,
        patients: Option<&PatientIndex>,
        joined: bool,
    ) -> Result<Read, EngineError> {
        self.journal.reading(source)?;
        let savepoint = self.writer.savepoint()?;
        self.progress.begin(&source.name, source.bytes);
        let read = self.passes(source, tables, patients, joined, &savepoint);
        self.progress.end();
        if matches!(read, Err(EngineError::Extract(_))) {
            self.writer.rollback(&savepoint)?;
        }
        read
    }

    /// Reads an extract once, and a second time if the first found records that a
    /// newer one stands for, or external IDs that are not unique.
    fn passes(
        &mut self,
        source: &Source,
        tables: &Tables<'_>,
        patients: Option<&PatientIndex>,
        joined: bool,
        savepoint: &super::writer::Savepoint,
    ) -> Result<Read, EngineError> {
        let mut survey = self.survey(source, &tables.headers)?;
        let reading = &self.agreement.reading;
        let packed = joined && !source.is_text(reading).map_err(EngineError::Extract)?;
        let mut plain = packed.then(|| Plain::create(self.scratch)).transpose()?;
        let mut read = self.pass(source, tables, patients, joined, &survey, &mut plain)?;
        let mut again = false;
        if !survey.done {
            let candidates = doubles::candidates_of(&read.keys)?;
            if !candidates.is_empty() {
                let (layout, mut blocks) =
                    source.open(&self.agreement.reading, None).map_err(EngineError::Extract)?;
                survey.older = doubles::older(&mut blocks, &layout, &candidates)?;
                again = !survey.older.is_empty();
            }
        }
        let events = read.layout.has("event");
        survey.judged = judge(&mut std::mem::take(&mut read.claims), &survey.older, events);
        survey.first = std::mem::take(&mut read.needed);
        if again || !survey.first.is_empty() || survey.judged != Judged::default() {
            self.journal.undo()?;
            self.writer.rollback(savepoint)?;
            drop(std::mem::take(&mut read.keys));
            read = self.pass(source, tables, patients, joined, &survey, &mut None)?;
        }
        read.withhold(&survey.older);
        self.journal.end(&read.account.counts, &read.account.notes)?;
        Ok(Read { plain, ..read })
    }

    /// Reads an extract once.
    fn pass(
        &mut self,
        source: &Source,
        tables: &Tables<'_>,
        patients: Option<&PatientIndex>,
        joined: bool,
        survey: &Survey,
        plain: &mut Option<Plain>,
    ) -> Result<Read, EngineError> {
        let (layout, mut blocks) = source
            .open(&self.agreement.reading, Some(self.progress.clone()))
            .map_err(EngineError::Extract)?;
        let sieve = tables.filters.sieve(&self.agreement.map, &layout);
        let sieve = sieve.map_err(EngineError::missing)?;
        self.journal.begin(source, &layout.header)?;
        let (kind, programs, of_patients) = compiled(&tables.headers, &layout, patients)?;
        let waiting = self.journal.waiting();
        // Workers ask the register that is behind it.
        let journal: Mutex<&mut dyn Journal> = Mutex::new(&mut *self.journal);
        let memory = Memory::open(&journal, &tables.headers, &layout)?;
        let renderer = Renderer {
            layout: &layout,
            programs: &programs,
            references: &tables.references,
            sieve,
            filters: &self.agreement.scope.filters,
            rules: self.agreement.scope.events,
            patients: patients.map(|index| (index, of_patients.as_slice())),
            older: &survey.older,
            plan: survey.plan.as_ref(),
            keys: joined || !survey.done && survey.older.is_empty(),
            agreed: &self.agreement.agreed,
            learned: Learned::default(),
            memory,
            backfill: self.backfill,
            claims: Claims::open(self.agreement, &layout),
            judged: &survey.judged,
            waiting: &waiting,
            tracker: self.writer.has_index().then(|| Tracker::new(&layout)),
        };
        for wanted in self.wanted.iter_mut().filter(|one| one.path == source.path) {
            explain(source, &self.agreement.reading, &renderer, wanted)?;
        }
        let keys = renderer.keys.then(|| Keys::new(self.scratch));
        let mut tally = Tally { keys, ..Tally::default() };
        let writer = &mut *self.writer;
        let first = First { headers: &tables.headers };
        first.tell(source, &renderer, &survey.first, &journal, writer, &mut tally)?;
        let ended = ordered(
            self.pool,
            &mut blocks,
            &|block, rendered| renderer.render(block, rendered),
            &mut |block| match plain {
                Some(plain) => plain.add(block.offset, &block.bytes),
                None => Ok(()),
            },
            &mut |rendered| {
                let mut journal = journal.lock().map_err(|_| EngineError::Worker)?;
                let origin = Origin { extract: journal.nth(), records: tally.counts.rows };
                tally.add(source, rendered, &mut **journal)?;
                // The workers need not wait for the disk.
                drop(journal);
                writer.append(kind, &rendered.output)?;
                Ok(writer.track(origin, &rendered.tracks, &rendered.output.heads)?)
            },
        );
        if let Err(err) = ended {
            if matches!(err, EngineError::Extract(_)) {
                self.journal.undo()?;
            }
            return Err(err);
        }
        if let Some(ids) = &survey.ids {
            let search = Search { headers: &tables.headers, guard: self.guard };
            search.tell(source, &renderer, ids, &journal, writer, &mut tally)?;
        }
        let Tally { counts, notes, keys, claims, mut withheld, changes, needed } = tally;
        withheld.sort_unstable();
        let keys = keys.map(Keys::sorted).transpose()?.unwrap_or_default();
        let account = Account { counts, notes, unknown: layout.unknown.clone(), changes };
        Ok(Read { account, layout, keys, claims, withheld, needed, plain: None })
    }

    /// Reads a reference extract into the journal and a table of its own.
    fn reference(&mut self, source: &Source) -> Result<(References, Account), EngineError> {
        self.journal.reading(source)?;
        let (layout, _) =
            source.open(&self.agreement.reading, None).map_err(EngineError::Extract)?;
        self.journal.begin(source, &layout.header)?;
        let waiting = self.journal.waiting();
        let journal = &mut *self.journal;
        let (reading, scope) = (&self.agreement.reading, &self.agreement.scope);
        let read = reference::read(source, reading, scope, &mut |record, whose, bad| match bad {
            Some((fault, text)) => journal.fault(fault, text, whose),
            None => {
                waiting.before(whose).for_each(|row| journal.passed(row.id, record));
                Ok(())
            }
        });
        match &read {
            Ok((_, account)) => self.journal.end(&account.counts, &account.notes)?,
            Err(EngineError::Extract(_)) => self.journal.undo()?,
            Err(_) => {}
        }
        read
    }
}

/// The programs of a header, and of the headers of its patients.
pub(super) type Compiled = (Kind, Arc<Programs>, Vec<Arc<Programs>>);

/// Compiles the programs of a header, and those for the headers of its patients.
pub(super) fn compiled(
    headers: &Headers<'_>,
    layout: &Layout,
    patients: Option<&PatientIndex>,
) -> Result<Compiled, EngineError> {
    if layout.kind != ExtractKind::Appointments {
        return Ok((Kind::Patient, headers.programs(Bound::Patient(layout))?, Vec::new()));
    }
    let own = headers.programs(Bound::Appointment(layout, None))?;
    let joined = patients.iter().flat_map(|index| index.layouts());
    let joined = joined.map(|patient| headers.programs(Bound::Appointment(layout, Some(patient))));
    Ok((Kind::Appointment, own, joined.collect::<Result<_, _>>()?))
}

pub(super) fn fault(source: &Source, record: u64, line: u64, refusal: &Refusal) -> Fault {
    let at = Position { extract: source.name.clone(), record, line };
    Fault { at, code: refusal.code, column: refusal.column.clone(), field: refusal.field }
}

fn explain(
    source: &Source,
    reading: &Reading,
    renderer: &Renderer<'_>,
    wanted: &mut Wanted,
) -> Result<(), EngineError> {
    let (_, mut blocks) = source.open(reading, None).map_err(EngineError::Extract)?;
    let mut before = 0;
    while let Some(block) = blocks.next_block().map_err(EngineError::Extract)? {
        let mut rows = Rows::new(&block, renderer.layout);
        let mut last = 0;
        while let Some(row) = rows.next_row() {
            last = row.number;
            if before + row.number == wanted.record {
                wanted.found = Some(renderer.explain(&row).unwrap_or_else(|refusal| {
                    Explanation::Fault(fault(source, wanted.record, row.line, &refusal))
                }));
                return Ok(());
            }
        }
        before += last;
    }
    Ok(())
}

/// Sets an extract that cannot be read apart from what ends a pass.
fn settle<T>(read: Result<T, EngineError>) -> Result<Result<T, ExtractError>, EngineError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(EngineError::Extract(err)) => Ok(Err(err)),
        Err(err) => Err(err),
    }
}

/// Keeps a patients extract at hand for the appointments of its drop. The file is
/// opened before a plain copy's name goes away, and stays readable.
fn patient_file(
    source: &Source,
    read: Read,
) -> Result<(Account, PatientFile, Sorted), EngineError> {
    let (path, base) = match &read.plain {
        Some(plain) => (&plain.path, plain.base.unwrap_or(0)),
        None => (&source.path, 0),
    };
    let file = File::open(path).map_err(disk::failed("open", path))?;
    let Read { account, layout, keys, withheld, .. } = read;
    Ok((account, PatientFile { file, base, layout, withheld }, keys))
}
