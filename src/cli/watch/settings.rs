//! The settings a daemon works by: read once, and again on SIGHUP, never in between.
//!
//! A pass is given the text that was checked here, not the file: somebody may be half way
//! through writing it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use notify::{RecursiveMode, Watcher as _};

use super::due::Due;
use super::job::Order;
use super::wake::Watcher;
use crate::cli::Failure;
use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::keepers::note_settings;
use crate::cli::output::complain;
use crate::cli::setup::{self, Setup};
use crate::config::program::Watching;
use crate::domain::Contact;
use crate::engine::incidents::Keeper;
use crate::engine::{EngineError, Silent};
use crate::spool::{self, Glance, Lock, Spool};

/// What the daemon works by.
pub struct Settings {
    /// `[watch]` of the program's file.
    pub program: Watching,
    /// The interfaces, by name.
    pub watched: BTreeMap<String, Watched>,
    /// Who is told of the incidents of all of them.
    pub everywhere: Arc<Vec<Contact>>,
    /// Where all interfaces have their folders, and where it is noted whose settings cannot
    /// be used.
    pub spool: PathBuf,
}

/// One interface that is watched.
pub struct Watched {
    /// `interface/environment`.
    pub owner: String,
    /// Its folders.
    pub spool: Spool,
    /// When its next pass is due.
    pub due: Due,
    /// What a pass is told.
    pub order: Order,
    /// Held, so that no second daemon watches it.
    _lock: Lock,
    /// The inbox and the requests as they were before the last pass began.
    before: [Glance; 2],
    /// The ledger and the drop that is held, as the last pass left them: they change when a
    /// person decides something.
    left: Option<(Glance, Glance)>,
    /// Which folder gives us events.
    armed: [Option<(u64, u64)>; 2],
}

/// An interface whose settings are good.
struct Good {
    name: String,
    /// For people.
    owner: String,
    spool: Spool,
    order: Order,
}

impl Settings {
    /// Reads and checks everything. At the start an interface with mistakes is left out
    /// and told, since the others are not to wait for it; where there are `old` settings,
    /// all must be good.
    ///
    /// # Errors
    /// Settings with mistakes; an interface that another daemon watches.
    pub fn read(
        cli: &Cli,
        names: &[String],
        old: Option<&mut Settings>,
    ) -> Result<Settings, Failure> {
        let setup = setup::setup(cli, names)?;
        let (good, bad): (Vec<_>, Vec<_>) =
            setup.interfaces.iter().map(|path| read(cli, &setup, path)).partition(Result::is_ok);
        let mut bad = bad.into_iter().filter_map(Result::err);
        let good: Vec<Good> = good.into_iter().filter_map(Result::ok).collect();
        if (old.is_some() || good.is_empty())
            && let Some(failure) = bad.next()
        {
            return Err(failure);
        }
        for failure in bad {
            complain(&format!("not watched until `kill -HUP`: {}", failure.text));
        }
        let mut before = old.map(|old| &mut old.watched);
        let mut locked = Vec::new();
        for good in good {
            let known = before.as_ref().and_then(|old| old.get(&good.name));
            let same = known.is_some_and(|old| old.spool.root == good.spool.root);
            let lock = if same { None } else { Some(lock(&good)?) };
            locked.push((good, lock));
        }
        // Nothing can go wrong from here on.
        let mut watched = BTreeMap::new();
        for (good, lock) in locked {
            let known = before.as_mut().and_then(|old| old.remove(&good.name));
            let (owner, spool, order) = (good.owner, good.spool, good.order);
            let now = match (known, lock) {
                (Some(mut known), None) => {
                    known.order = order;
                    known.armed = [None; 2];
                    known.due.event(Instant::now());
                    known
                }
                (_, Some(lock)) => Watched::new(owner, spool, order, lock),
                (None, None) => continue,
            };
            watched.insert(good.name, now);
        }
        let setup::Setup { program, .. } = setup;
        let everywhere = Arc::new(program.contacts);
        Ok(Settings { program: program.watch, watched, everywhere, spool: program.spool })
    }
}

/// Reads one interface, as far as a pass would read it.
fn read(cli: &Cli, setup: &Setup, path: &Path) -> Result<Good, Failure> {
    let program = Keeper::of_program(&setup.program.spool, &setup.program.contacts);
    let name = setup::name(path);
    let good = compiled(cli, setup, path);
    note_settings(&program, &name, good.as_ref().err());
    good
}

fn compiled(cli: &Cli, setup: &Setup, path: &Path) -> Result<Good, Failure> {
    let (text, folder) = setup::own_text(path)?;
    let (spool, workers) = (setup.program.spool.clone(), setup.program.workers);
    let (file, config) = (path.to_path_buf(), cli.config.clone());
    let order = Order { file, folder, text, spool, workers, config };
    let name = setup::name(path);
    // All of it is compiled to see that it can be, and let go: there may be hundreds.
    let engine = order.open(Arc::new(Silent))?;
    Ok(Good { name, owner: engine.owner(), spool: engine.spool, order })
}

fn lock(good: &Good) -> Result<Lock, Failure> {
    good.spool.make()?;
    let lock = good.spool.lock_watch()?;
    lock.ok_or_else(|| {
        let lock = good.spool.watch_lock_file().display().to_string();
        let busy = EngineError::Busy { interface: good.owner.clone(), lock };
        Failure { exit: Exit::BUSY, text: format!("it is watched already: {busy}") }
    })
}

impl Watched {
    fn new(owner: String, spool: Spool, order: Order, lock: Lock) -> Watched {
        let due = Due::new(Instant::now());
        let before = [Glance::default(); 2];
        Watched { owner, spool, due, order, _lock: lock, before, left: None, armed: [None; 2] }
    }

    /// The folders in which others leave something for a pass.
    pub fn heard(&self) -> [&Path; 2] {
        [&self.spool.inbox, &self.spool.requests]
    }

    /// Asks for events of these folders; again, where another folder took its place.
    pub fn arm(&mut self, watcher: &mut Watcher) {
        let armed = std::mem::take(&mut self.armed);
        let listen = |(folder, before): (&Path, Option<(u64, u64)>)| {
            let identity = spool::identity(folder);
            if identity == before && identity.is_some() {
                return before;
            }
            let _ = watcher.unwatch(folder);
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => identity,
                Err(err) => {
                    log::warn!("no events, so only the sweep finds files: {err}");
                    None
                }
            }
        };
        let [inbox, requests] = self.heard();
        self.armed = [(inbox, armed[0]), (requests, armed[1])].map(listen);
    }

    /// Looks whether there is something that no pass has seen.
    pub fn look(&mut self, now: Instant) {
        let glances = self.heard().map(Glance::of);
        // A folder that cannot be read is for a pass to complain about.
        let changed = glances
            .iter()
            .zip(self.before)
            .any(|(now, before)| *now != before && *now != Glance::default());
        let acted = self.left.is_some_and(|left| left != self.decided());
        if changed || acted {
            self.due.event(now);
        }
    }

    /// A pass begins. It sees at least what lies there now.
    pub fn begin(&mut self) {
        self.due.begun();
        self.before = self.heard().map(Glance::of);
        self.left = None;
    }

    /// A pass ended. What came while it ran may not have been seen by it; and the ledger or
    /// the held drop shows when a person has decided something.
    pub fn look_after(&mut self, now: Instant) {
        self.left = Some(self.decided());
        self.look(now);
    }

    fn decided(&self) -> (Glance, Glance) {
        (Glance::of_file(&self.spool.ledger()), Glance::of(&self.spool.processing))
    }
}
