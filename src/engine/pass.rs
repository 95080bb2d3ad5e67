//! One pass of one interface: lock, recover, take in, deliver; again until nothing
//! new is found. Every step may be run again after a crash at any point.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::acks::{self, Acks};
use super::agreement::Agreement;
use super::backfill;
use super::deliver::{self, Delivered};
use super::error::EngineError;
use super::intake::{self, Taken};
use super::lanes::SideBySide;
use super::manifest;
use super::mend::{Mended, next_release, release_due, requests};
use super::recover::recover;
use super::retention::Pruned;
use super::source::Progress;
use super::tracking;
use crate::clock::Clock;
use crate::delivery::{self, Delivery};
use crate::domain::{Endpoint, Environment, Method, Scope};
use crate::ledger::{Answers, BackfillRow, Ledger, Sign, Sqlite, Totals};
use crate::papers::approval::Standing;
use crate::spool::{Lock, Spool};

/// One interface, opened: everything a pass needs, nothing global.
pub struct Engine {
    /// What was agreed.
    pub agreement: Agreement,
    /// Its folders.
    pub spool: Spool,
    /// Where the mappings of all interfaces are.
    pub maps: PathBuf,
    /// The time.
    pub clock: Clock,
    /// Threads that convert; 0 one for each core.
    workers: usize,
    /// The workers, once they are needed.
    pool: OnceLock<ThreadPool>,
    /// Whether extracts that were taken in before are taken in again.
    pub again: bool,
    /// Is told how far work is.
    pub progress: Arc<dyn Progress + Send>,
    /// Whether the scope is approved: in production nothing is taken in or sent without it.
    /// Whoever opened the interface looks ([`standing`](super::standing)).
    pub standing: Standing,
    /// Opens the vendor's end; a simulation puts one of its own here.
    pub open_delivery: Opener,
    /// How connections beside the first one work; a simulation lets them take turns.
    pub side_by_side: SideBySide,
}

/// A way to open a place at an endpoint: where our files go, or where its answers lie.
pub type Opener =
    Arc<dyn Fn(&Endpoint, &Method) -> delivery::Result<Box<dyn Delivery>> + Send + Sync>;

/// What a run did.
#[derive(Debug, Default)]
pub struct Summary {
    /// Each drop that was taken in.
    pub drops: Vec<Taken>,
    /// The last look into the inbox, which took nothing.
    pub left: Taken,
    /// Each batch that was on its way, and what became of it.
    pub deliveries: Vec<Delivered>,
    /// Whether files were still being written when the inbox was looked at last.
    pub unsettled: bool,
    /// Why nothing was taken in at last, and what to do.
    pub held: Option<String>,
    /// True if that is for a person to decide.
    pub guarded: bool,
    /// What was found of acknowledgements.
    pub acks: Acks,
    /// Whether messages wait that a receiver refused: 1 or 0.
    pub rejected: u64,
    /// Where all messages stand now.
    pub totals: Totals,
    /// When the next held batch goes on by itself, unix seconds.
    pub release_at: Option<i64>,
    /// When the next manifest is due, unix seconds.
    pub manifest_at: Option<i64>,
    /// What people had asked for, and what came of it.
    pub mended: Vec<Mended>,
    /// What left with its time.
    pub pruned: Pruned,
    /// When something may leave next, unix seconds; now, where not all that is due has left.
    pub prune_at: Option<i64>,
    /// How far the newest backfill is, if there ever was one.
    pub backfill: Option<BackfillRow>,
    /// When its next part is due, unix seconds.
    pub backfill_due: Option<i64>,
}

impl Summary {
    /// Takes down what became of batches; what is newer of one of them counts.
    pub(super) fn deliver(&mut self, tried: Vec<Delivered>) {
        let again = |old: &Delivered| {
            tried.iter().any(|new| new.file == old.file && new.endpoint == old.endpoint)
        };
        self.deliveries.retain(|old| !again(old));
        self.deliveries.extend(tried);
    }
}

impl Engine {
    /// Opens an interface whose folders are, or will be, below `spool_root`. `workers`
    /// is the number of threads that convert, 0 one for each core.
    ///
    /// # Errors
    /// A mapping that cannot be compiled.
    pub fn open(
        scope: Scope,
        spool_root: &Path,
        workers: usize,
        progress: Arc<dyn Progress + Send>,
    ) -> Result<Engine, EngineError> {
        let spool = Spool::at(&root_of(&scope, spool_root));
        let standing = match scope.environment {
            Environment::Test => Standing::Free,
            Environment::Production => Standing::Missing,
        };
        let agreement = Agreement::new(scope)?;
        let pool = OnceLock::new();
        let (clock, again) = (Clock::System, false);
        let maps = spool_root.join("maps.db");
        let open_delivery = Arc::new(|_: &Endpoint, place: &Method| delivery::open(place));
        Ok(Engine {
            agreement,
            spool,
            clock,
            workers,
            pool,
            again,
            progress,
            standing,
            open_delivery,
            side_by_side: SideBySide::default(),
            maps,
        })
    }

    /// Returns the workers; a verb that only looks never starts them.
    ///
    /// # Errors
    /// Threads that cannot be started.
    pub fn pool(&self) -> Result<&ThreadPool, EngineError> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = workers(self.workers)?;
        Ok(self.pool.get_or_init(|| pool))
    }

    /// Returns `interface/environment`: whose ledger it is.
    pub fn owner(&self) -> String {
        let scope = &self.agreement.scope;
        format!("{}/{}", scope.interface.as_str(), scope.environment.word())
    }

    /// Runs passes until nothing new is found. With `retry`, deliveries that stopped
    /// for a person are tried again: that person mended the cause.
    ///
    /// # Errors
    /// What ends a pass. Nothing is lost by it: the next run goes on where it ended.
    pub fn run(&self, retry: Option<&Sign>) -> Result<Summary, EngineError> {
        self.approved()?;
        self.spool.make()?;
        let _lock = self.lock()?;
        let mut ledger = self.ledger()?;
        if let Some(sign) = retry {
            ledger.retry_stopped(sign)?;
        }
        let mut summary = Summary::default();
        tracking::mend(self, &ledger)?;
        loop {
            recover(self, &ledger)?;
            summary.manifest_at = manifest::promise_due(self, &mut ledger)?;
            release_due(self, &mut ledger)?;
            let mended = requests::carry_out(self, &mut ledger)?;
            let taken = intake::intake(self, &mut ledger, summary.drops.is_empty())?;
            let found = taken.found_something();
            let mended_any = !mended.is_empty();
            summary.mended.extend(mended);
            summary.unsettled = !taken.unsettled.is_empty();
            summary.held.clone_from(&taken.held);
            summary.guarded = taken.guarded;
            if found {
                summary.drops.push(taken);
            } else {
                summary.left = taken;
            }
            // What came was delivered before the look that found nothing more.
            let delivered = !found && !summary.drops.is_empty() && !mended_any;
            if !delivered || requests::any(self)? {
                summary.deliver(deliver::deliver(self, &mut ledger)?);
            }
            // Who asks for something while we are at work relies on this look.
            if found || mended_any || requests::any(self)? {
                continue;
            }
            // The day's traffic is done: now is the turn of what is not of today.
            if !backfill::turns(self, &mut ledger, &mut summary)? {
                break;
            }
        }
        summary.release_at = next_release(&ledger)?;
        summary.acks = acks::collect(self, &mut ledger)?;
        summary.rejected = ledger.rejected(1)?.len() as u64;
        let due = summary.deliveries.iter().filter_map(|one| one.outcome.as_ref().err()?.again_at);
        let until = due.chain(summary.release_at).chain(summary.acks.again_at).min();
        let (pruned, next) = self.prune_between(&mut ledger, until)?;
        (summary.pruned, summary.prune_at) = (pruned, Some(next));
        summary.totals = ledger.totals()?;
        Ok(summary)
    }

    /// Sees that the scope is approved as it is. An extract that was taken in under another
    /// scope would be promised in its words, so that too waits; it stays in the inbox.
    fn approved(&self) -> Result<(), EngineError> {
        match self.standing.allows() {
            true => Ok(()),
            false => Err(EngineError::NotApproved {
                interface: self.owner(),
                name: self.agreement.scope.interface.as_str().to_string(),
                why: self.standing.to_string(),
            }),
        }
    }

    /// Takes the interface for ourselves.
    fn lock(&self) -> Result<Lock, EngineError> {
        self.spool.lock()?.ok_or_else(|| {
            let lock = self.spool.lock_file().display().to_string();
            EngineError::Busy { interface: self.owner(), lock }
        })
    }

    /// Opens the ledger to change it outside a pass, if there is one.
    pub(super) fn locked_ledger(&self) -> Result<Option<(Lock, Sqlite)>, EngineError> {
        let path = self.spool.ledger();
        if !path.exists() {
            return Ok(None);
        }
        let lock = self.lock()?;
        Ok(Some((lock, Sqlite::open(&path, &self.owner())?)))
    }

    /// Opens the ledger under a lock that is held, if there is one.
    pub(super) fn ledger_there(&self) -> Result<Option<Sqlite>, EngineError> {
        let path = self.spool.ledger();
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(Sqlite::open(&path, &self.owner())?))
    }

    /// Opens the ledger, and refuses to begin a new one beside the files of an old one.
    pub(super) fn ledger(&self) -> Result<Sqlite, EngineError> {
        let path = self.spool.ledger();
        if !path.exists() {
            let outbox = Spool::list(&self.spool.outbox)?;
            let sent = Spool::list_shelf(&self.spool.sent)?;
            if !outbox.is_empty() || !sent.is_empty() {
                return Err(EngineError::NoLedger {
                    folder: self.spool.root.display().to_string(),
                    ledger: path.display().to_string(),
                });
            }
        }
        Ok(Sqlite::open(&path, &self.owner())?)
    }

    /// Returns today's date at the practice, as the shelves are named: `2026-05-20`.
    pub fn day(&self) -> String {
        self.clock.civil(&self.agreement.scope.timezone).date().to_string()
    }
}

/// Starts worker threads; 0 is one for each core.
///
/// # Errors
/// [`EngineError::Threads`].
pub fn workers(count: usize) -> Result<ThreadPool, EngineError> {
    let built = ThreadPoolBuilder::new().num_threads(count).build();
    built.map_err(|err| EngineError::Threads(err.to_string()))
}

/// Returns where an interface has its folders: test and production apart, so that
/// neither can see the other's extracts, numbers or batches (`interface.md` 8.19).
pub fn root_of(scope: &Scope, spool_root: &Path) -> PathBuf {
    spool_root.join(scope.interface.as_str()).join(scope.environment.word())
}
