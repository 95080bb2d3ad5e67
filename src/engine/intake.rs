//! From `inbox` to `outbox`: one drop becomes one promised batch file.
//!
//! Claim, convert into `.staged`, sync, **commit**, publish, shelve. Before the commit
//! nothing was promised and all of it can be done again; after it everything else can.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;

use super::asked;
use super::backfill::{Backfilling, Slice};
use super::drop::{Account, Accounts, Conversion};
use super::error::EngineError;
use super::guard::{self, Hold, Verdict};
use super::journal::LedgerJournal;
use super::mend::resubmit::Again;
use super::pass::Engine;
use super::poison::{self, Tries};
use super::refused::{unreadable, without_poison};
use super::retention::usage;
use super::selfcheck;
use super::source::Source;
use super::tracking;
use super::waiting::Waiting;
use super::writer::{Writer, Written};
use crate::batch::Envelope;
use crate::digest::Digest;
use crate::disk;
use crate::domain::{ExtractKind, Guard, OnChange};
use crate::extract::ExtractError;
use crate::ledger::{BatchRow, ExtractId, Ledger, Numbers, Sign};
use crate::spool::{Seen, clean_name, marked, odd, settled};

/// What was taken in.
#[derive(Debug, Default)]
pub struct Taken {
    /// Extracts that were read, with their accounts.
    pub accounts: Vec<(Source, Account)>,
    /// Extracts that went to `error/`: name, what is wrong, what to do.
    pub refused: Vec<(String, String, String)>,
    /// Extracts whose bytes were taken in before.
    pub duplicates: Vec<String>,
    /// Files in the inbox that match no pattern of the interface.
    pub strangers: Vec<String>,
    /// Files that are still being written.
    pub unsettled: Vec<String>,
    /// Why nothing was taken, and what to do.
    pub held: Option<String>,
    /// True if that is for a person to decide: a drop looks wrong (`guard.rs`).
    pub guarded: bool,
    /// The batch files that were promised, in order.
    pub batches: Vec<BatchRow>,
}

impl Taken {
    /// True if a file was taken.
    pub fn found_something(&self) -> bool {
        !(self.accounts.is_empty() && self.refused.is_empty() && self.duplicates.is_empty())
    }
}

/// Takes in what has settled. At the `first` look of a run what stays in
/// the inbox is logged.
///
/// # Errors
/// What ends a pass.
pub fn intake(engine: &Engine, ledger: &mut dyn Ledger, first: bool) -> Result<Taken, EngineError> {
    let mut taken = Taken { held: held(engine)?, ..Taken::default() };
    if let Some(why) = &taken.held {
        log::error!("{why}");
        return Ok(taken);
    }
    let verdict = Hold::verdict(engine)?;
    match &verdict {
        Some(Verdict::Waits(hold)) => {
            poison::forget(&engine.spool.processing)?;
            (taken.held, taken.guarded) = (Some(hold.what.clone()), true);
            return Ok(taken);
        }
        // What was released is taken in as it was judged, and nothing else with it.
        Some(Verdict::Released) => {}
        None => {
            asked::note(engine, ledger)?;
            claim(engine, first, &mut taken)?;
        }
    }
    let guard = verdict.is_none().then_some(engine.agreement.scope.guard);
    let (mut sources, twins) = sources(engine, ledger, &mut taken)?;
    let mut tries = without_poison(engine, &mut sources, &mut taken)?;
    if sources.is_empty() {
        asked::done(engine)?;
        Hold::lift(engine)?;
        return Ok(taken);
    }
    let converted = convert(engine, ledger, sources, &Lane::Day(guard), Some(&mut tries));
    // Whatever it came to, nobody died of it.
    let ended = tries.end();
    let (accounts, batches) = match converted {
        Err(EngineError::Held { what }) => {
            log::error!("{what}");
            (taken.held, taken.guarded) = (Some(what), true);
            return Ok(taken);
        }
        converted => converted?,
    };
    ended?;
    taken.batches = batches;
    shelve(engine, accounts, &mut taken)?;
    shelve_twins(engine, ledger, twins, &mut taken)?;
    asked::done(engine)?;
    Hold::lift(engine)?;
    Ok(taken)
}

/// Converts records that wait again, and promises what comes of them.
///
/// # Errors
/// What ends a pass.
pub fn convert_again(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    again: &Again,
    sign: &Sign,
) -> Result<(Accounts, Vec<BatchRow>), EngineError> {
    convert(engine, ledger, again.sources.clone(), &Lane::Again(again, sign), None)
}

/// What a drop is made of.
pub(super) enum Lane<'a> {
    /// What was dropped; the guard looks at it, unless a person let it go.
    Day(Option<Guard>),
    /// Records that wait, and who wants them converted again.
    Again(&'a Again, &'a Sign),
    /// A slice of a backfill.
    Backfill(&'a Slice),
}

/// Converts the extracts of a drop, and promises what comes of them.
///
/// # Errors
/// [`EngineError::Held`] of a drop that looks wrong; nothing of it was kept. What ends a pass.
pub(super) fn convert(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    sources: Vec<Source>,
    lane: &Lane<'_>,
    tries: Option<&mut Tries>,
) -> Result<(Accounts, Vec<BatchRow>), EngineError> {
    let numbers = ledger.numbers()?;
    let clock = engine.clock.civil(&engine.agreement.scope.timezone);
    let mut envelope = Envelope::new(&engine.agreement.scope, numbers.file, clock);
    envelope = match lane {
        Lane::Day(_) => envelope,
        Lane::Again(again, _) => envelope.again(again.earlier(engine, &*ledger)?),
        Lane::Backfill(_) => envelope.of_backfill(),
    };
    let staged = engine.spool.staged.join(envelope.file_name());
    disk::remove(&staged)?;
    let mut agreement = engine.translated()?;
    if let Lane::Again(Again { changed_id: true, .. }, _) = lane {
        agreement.to_mut().scope.on_id_change = OnChange::Warn;
    }
    let waiting = lane.waiting(ledger)?;
    ledger.begin_drop()?;
    let mut writer = Writer::create(&staged, envelope, numbers.control)?;
    writer.index_into(tracking::begin(&engine.spool)?);
    writer.split(engine.agreement.scope.batching.file_per);
    let origins = lane.again().map(|again| &again.origins);
    let now = engine.clock.unix();
    let mut journal = LedgerJournal::new(ledger, now, origins, waiting, tries);
    let accounts = Conversion {
        agreement: &agreement,
        pool: engine.pool()?,
        clock,
        writer: &mut writer,
        journal: &mut journal,
        progress: engine.progress.clone(),
        scratch: &engine.spool.processing,
        wanted: &mut [],
        part: !matches!(lane, Lane::Day(_)),
        guard: lane.guard(),
        backfill: lane.backfilling(clock.date()),
    }
    .run(sources, &|kind| saved(engine, kind))?;
    let LedgerJournal { first, ended, faults, replaced, .. } = journal;
    let index = writer.take_index();
    let empty = matches!(lane, Lane::Day(_)) && wants_empty(engine, &accounts);
    let written = writer.finish(empty)?;
    selfcheck::around(&written)?;
    if let Some(what) = lane.close(ledger, &accounts, &ended, now)? {
        ledger.abandon_drop()?;
        tracking::end(&engine.spool, index, None, None)?;
        for one in &written {
            disk::remove(&engine.spool.staged.join(&one.name))?;
        }
        if let Lane::Day(_) = lane {
            Hold::place(engine, &what, &faults)?;
        }
        return Err(EngineError::Held { what });
    }
    replaced.close(ledger, lane.again(), now)?;
    let batch = written.first().map(|first| first.number);
    tracking::end(&engine.spool, index, first.map(|id| id.0.cast_unsigned()), batch)?;
    let batches = promise(engine, ledger, &accounts, written, numbers)?;
    Ok((accounts, batches))
}

impl Lane<'_> {
    fn guard(&self) -> Option<Guard> {
        if let Lane::Day(guard) = self { *guard } else { None }
    }

    fn backfilling(&self, today: Date) -> Option<Backfilling<'static>> {
        if let Lane::Backfill(slice) = self { Some(slice.backfilling(today)) } else { None }
    }

    fn again(&self) -> Option<&Again> {
        if let Lane::Again(again, _) = self { Some(again) } else { None }
    }

    /// Reads what rows may take the place of; those of a backfill may be older than it.
    fn waiting(&self, ledger: &dyn Ledger) -> Result<Arc<Waiting>, EngineError> {
        match self {
            Lane::Backfill(_) => Ok(Arc::default()),
            Lane::Day(_) | Lane::Again(..) => Ok(Arc::new(Waiting::read(ledger)?)),
        }
    }

    /// Puts what else goes with a drop into its commit; or returns why it must not be made.
    fn close(
        &self,
        ledger: &mut dyn Ledger,
        accounts: &Accounts,
        ended: &[(ExtractId, PathBuf)],
        now: i64,
    ) -> Result<Option<String>, EngineError> {
        match self {
            Lane::Day(None) => Ok(None),
            Lane::Day(Some(guard)) => guard::judge(guard, accounts, ledger),
            Lane::Again(again, sign) if !ended.is_empty() => {
                again.close(ledger, ended, sign)?;
                Ok(None)
            }
            Lane::Again(..) => Ok(None),
            Lane::Backfill(slice) => slice.close(ledger, accounts, now),
        }
    }
}

/// Claims what has settled; what is left is told.
fn claim(engine: &Engine, first: bool, taken: &mut Taken) -> Result<(), EngineError> {
    let scope = &engine.agreement.scope;
    let settle = Duration::from_millis(scope.pickup.settle_ms);
    let marker = &scope.pickup.done_marker;
    let (ready, mut moving) = match marker.is_empty() {
        true => settled(&engine.spool.inbox, settle)?,
        false => marked(&engine.spool.inbox, marker)?,
    };
    let mut found = Vec::new();
    for seen in ready {
        match kind_of(engine, &seen.name) {
            None => taken.strangers.push(clean_name(&seen.name)),
            Some(_) if is_fresh_and_empty(engine, &seen) => moving.push(seen),
            Some(kind) => found.push((kind, seen)),
        }
    }
    // Appointments wait for the patients that are still being written beside them.
    let before: Vec<ExtractKind> =
        moving.iter().filter_map(|seen| kind_of(engine, &seen.name)).collect();
    found.sort_by_key(|(kind, _)| *kind);
    for (kind, seen) in found {
        if before.iter().any(|earlier| *earlier < kind) {
            moving.push(seen);
            continue;
        }
        if !engine.spool.claim(&seen, kind)? {
            moving.push(seen);
            continue;
        }
        if !marker.is_empty() {
            disk::remove(&engine.spool.inbox.join(seen.name + marker))?;
        }
    }
    for name in odd(&engine.spool.inbox)?.into_iter().filter(|_| first) {
        let name = clean_name(&name);
        log::warn!("inbox/{name} is a folder, a link or a pipe, no file; it is left there");
    }
    for name in taken.strangers.iter().filter(|_| first) {
        log::warn!("inbox/{name} matches no pattern of this interface and is left there");
    }
    taken.unsettled = moving.into_iter().map(|seen| clean_name(&seen.name)).collect();
    Ok(())
}

/// Returns why nothing is taken now: no room. What is on its way goes on.
pub fn held(engine: &Engine) -> Result<Option<String>, EngineError> {
    let (root, floor) = (&engine.spool.root, engine.agreement.scope.pickup.disk_floor_mib);
    let free = disk::free(root)? >> 20;
    if free >= floor {
        return usage::used_up(engine);
    }
    let root = root.display();
    Ok(Some(format!(
        "only {free} MiB are free at {root}, and disk_floor_mib is {floor}: nothing is taken in \
         until there is more"
    )))
}

/// Returns what a file of this name holds.
pub(super) fn kind_of(engine: &Engine, name: &str) -> Option<ExtractKind> {
    let files = &engine.agreement.scope.files;
    let found = files.iter().find(|(_, patterns)| patterns.iter().any(|one| one.matches(name)));
    found.map(|(kind, _)| *kind)
}

/// Exporters make a file first and write it later.
fn is_fresh_and_empty(engine: &Engine, seen: &Seen) -> bool {
    let wait = i128::from(engine.agreement.scope.pickup.empty_wait_s);
    let age = i128::from(engine.clock.unix()) - seen.modified / 1_000_000_000;
    seen.bytes == 0 && age < wait
}

/// Looks at every claimed file: what was taken in before goes to the archive, what
/// cannot be read to `error/`. Returns the others, and apart from them those that have the
/// bytes of one of them.
fn sources(
    engine: &Engine,
    ledger: &dyn Ledger,
    taken: &mut Taken,
) -> Result<(Vec<Source>, Vec<Source>), EngineError> {
    let (mut sources, mut twins) = (Vec::new(), Vec::new());
    let reading = &engine.agreement.reading;
    let mut seen: HashSet<Digest> = HashSet::new();
    for kind in ExtractKind::ALL {
        for path in engine.spool.claimed(kind)? {
            let name =
                path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
            let bytes = path.symlink_metadata().map_or(0, |found| found.len());
            if bytes > reading.bytes_max {
                let mib_max = reading.bytes_max >> 20;
                unreadable(engine, &path, &name, &ExtractError::TooLarge { mib_max }, taken)?;
                continue;
            }
            match Source::of(&path, &name, kind, false) {
                Err(err) => unreadable(engine, &path, &name, &ExtractError::Read(err), taken)?,
                Ok(source) if asked::is_duplicate(engine, ledger, &source)? => {
                    engine.spool.shelve_archive(&path, &engine.day())?;
                    taken.duplicates.push(name);
                }
                Ok(source) if !seen.insert(source.digest()?) && source.bytes > 0 => {
                    twins.push(source);
                }
                Ok(source) => sources.push(source),
            }
        }
    }
    Ok((sources, twins))
}

/// Puts files whose bytes were just taken in from another one into the archive. Where that
/// one was not (it could not be read, or brought the process down), they stay for the next
/// look: the archive holds nothing that was not taken in.
fn shelve_twins(
    engine: &Engine,
    ledger: &dyn Ledger,
    twins: Vec<Source>,
    taken: &mut Taken,
) -> Result<(), EngineError> {
    for twin in twins {
        if ledger.saw(&twin.digest()?)? {
            engine.spool.shelve_archive(&twin.path, &engine.day())?;
            taken.duplicates.push(twin.name.to_string());
        }
    }
    Ok(())
}

/// Returns the reference extracts in force: `reference/providers`, `providers-2` ...
pub fn saved(engine: &Engine, kind: ExtractKind) -> Result<Vec<Source>, EngineError> {
    let mut sources = Vec::new();
    loop {
        let path = reference(engine, kind, sources.len());
        match Source::of(&path, kind.word(), kind, false) {
            Ok(source) => sources.push(source),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(sources),
            // To go on without it would refuse every provider or department.
            Err(err) => return Err(disk::failed("read", &path)(err).into()),
        }
    }
}

/// Returns where the reference extract of a kind is kept that has so many before it.
fn reference(engine: &Engine, kind: ExtractKind, before: usize) -> PathBuf {
    let word = kind.word();
    let name = if before == 0 { word.to_string() } else { format!("{word}-{}", before + 1) };
    engine.spool.reference.join(name)
}

fn wants_empty(engine: &Engine, accounts: &Accounts) -> bool {
    engine.agreement.scope.batching.send_empty
        && accounts.iter().any(|(source, account)| account.is_ok() && source.kind.makes_messages())
}

/// The commit point, and the moves after it that make the batches visible.
fn promise(
    engine: &Engine,
    ledger: &mut dyn Ledger,
    accounts: &Accounts,
    written: Vec<Written>,
    numbers: Numbers,
) -> Result<Vec<BatchRow>, EngineError> {
    if accounts.iter().all(|(_, account)| account.is_err()) {
        ledger.abandon_drop()?;
        return Ok(Vec::new());
    }
    keep_references(engine, accounts)?;
    let next = written
        .last()
        .map_or(numbers, |last| Numbers { control: last.next_control(), file: last.number + 1 });
    let made_at = engine.clock.unix();
    let rows = written.into_iter().map(|written| batch_row(written, made_at));
    let batches: Vec<BatchRow> = rows.collect::<Result<_, _>>()?;
    let endpoints = &engine.agreement.scope.endpoints;
    let endpoints: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    ledger.commit_drop(&batches, &endpoints, next)?;
    for BatchRow { name, messages, .. } in &batches {
        disk::shift(&engine.spool.staged.join(name), &engine.spool.outbox.join(name))?;
        log::info!("{name}: {messages} messages promised");
    }
    Ok(batches)
}

fn batch_row(written: Written, made_at: i64) -> Result<BatchRow, EngineError> {
    Ok(BatchRow {
        number: written.number,
        digest: written.digest.ok_or(EngineError::NoDigest)?,
        bytes: written.bytes,
        first_control: written.first_control,
        messages: written.messages,
        name: written.name,
        made_at,
    })
}

/// Reference extracts stay in force until the next ones of their kind. One without a
/// row is no table: an export that went wrong must not refuse every appointment.
fn keep_references(engine: &Engine, accounts: &Accounts) -> Result<(), EngineError> {
    for kind in [ExtractKind::Providers, ExtractKind::Departments] {
        let fresh = accounts.iter().filter(|(source, account)| {
            source.kind == kind && account.as_ref().is_ok_and(|account| account.counts.sent > 0)
        });
        let mut kept = 0;
        for (source, _) in fresh {
            let path = reference(engine, kind, kept);
            let staged = path.with_extension("new");
            disk::copy(&source.path, &staged)?;
            disk::shift(&staged, &path)?;
            kept += 1;
        }
        while kept > 0 && reference(engine, kind, kept).exists() {
            disk::remove(&reference(engine, kind, kept))?;
            kept += 1;
        }
    }
    Ok(())
}

fn shelve(engine: &Engine, accounts: Accounts, taken: &mut Taken) -> Result<(), EngineError> {
    for (source, account) in accounts {
        match account {
            Ok(account) => {
                engine.spool.shelve_archive(&source.path, &engine.day())?;
                for name in &account.unknown {
                    log::warn!("{}: column `{name}` is not known and not used", source.name);
                }
                taken.accounts.push((source, account));
            }
            Err(err) => unreadable(engine, &source.path, &source.name.clone(), &err, taken)?,
        }
    }
    Ok(())
}
