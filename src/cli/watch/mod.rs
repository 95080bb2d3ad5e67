//! `watch`: passes whenever something was dropped or is due, until it is told to stop.
//!
//! Each pass is a process of its own (`job.rs`) that does what `run` does. A thread that
//! hangs cannot be ended, and would keep the lock of its interface; a process can, and its
//! lock dies with it. So a server that hangs or a file that brings a pass down costs one
//! interface one pass, and `kill` is never more than the crash that every pass mends.
//!
//! Nothing here decides what is done: events and the clock only say when to look.

mod board;
mod due;
mod job;
mod settings;
mod systemd;
mod teller;
mod wake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use board::Board;
use due::Next;
use job::{End, Job};
use settings::{Settings, Watched};
use systemd::Systemd;
use teller::Teller;
use wake::{Wake, Watcher};

pub use job::pass as job;

use super::args::{Cli, Watch as Args};
use super::exit::Exit;
use super::{Failure, Outcome};
use crate::clock::Clock;

/// How long passes may go on after a signal to stop. What is broken off then is as safe
/// as any crash; systemd and people wait for less than this twice over.
const GRACE: Duration = Duration::from_secs(3);

/// Watches every interface that was asked for.
pub fn watch(cli: &Cli, args: &Args) -> Outcome {
    let mut wake = Wake::new()?;
    let settings = Settings::read(cli, &args.interfaces, None)?;
    let watcher = wake.watcher();
    let teller = Teller::new(settings.everywhere.clone(), settings.spool.clone());
    let board = Arc::new(Board::new(&settings));
    if let Some(address) = settings.program.listen {
        let at = board::serve(address, board.clone())?;
        log::info!("metrics and health at http://{at}");
    }
    let jobs = BTreeMap::new();
    let mut watch = Watch { cli, args, settings, jobs, wake, watcher, teller, board };
    watch.arm();
    watch.systemd().ready();
    log::info!("watching {}", watch.settings.watched.len());
    watch.until_stopped();
    Ok(Exit::DONE)
}

struct Watch<'a> {
    cli: &'a Cli,
    args: &'a Args,
    settings: Settings,
    /// The passes under way, by interface.
    jobs: BTreeMap<String, Job>,
    wake: Wake,
    /// None where the system gives no events; then the sweep finds everything.
    watcher: Option<Watcher>,
    teller: Teller,
    board: Arc<Board>,
}

impl Watch<'_> {
    fn until_stopped(&mut self) {
        let mut swept = Instant::now();
        while !self.wake.stop() {
            if self.wake.reload() {
                self.reload();
            }
            self.take_ends();
            self.take_events();
            let now = Instant::now();
            if now.duration_since(swept) >= self.settings.program.sweep {
                swept = now;
                self.sweep();
            }
            self.start_due();
            self.systemd().alive();
            self.board.beat(self.jobs.len());
            self.wake.wait(self.idle_for(swept));
        }
        self.stop();
    }

    /// Returns how long there is nothing to do, unless something wakes us.
    fn idle_for(&self, swept: Instant) -> Duration {
        let now = Instant::now();
        let sweep = (swept + self.settings.program.sweep).saturating_duration_since(now);
        let mut idle = sweep.min(self.systemd().within().unwrap_or(sweep));
        if self.jobs.len() < self.settings.program.passes {
            let waiting = self.settings.watched.iter().filter(|(name, _)| !self.runs(name));
            for at in waiting.filter_map(|(_, watched)| watched.due.at()) {
                idle = idle.min(at.saturating_duration_since(now));
            }
        }
        idle
    }

    fn runs(&self, name: &str) -> bool {
        self.jobs.contains_key(name)
    }

    /// Asks for events, before the first look: what comes after the look then wakes us.
    fn arm(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for watched in self.settings.watched.values_mut() {
            watched.arm(watcher);
        }
    }

    fn take_events(&mut self) {
        let (folders, all) = self.wake.events();
        for watched in self.settings.watched.values_mut() {
            if all || folders.contains(&watched.spool.inbox) {
                watched.due.event(Instant::now());
            }
        }
    }

    /// Looks everywhere: a network share sends no events, and a queue of them overflows.
    fn sweep(&mut self) {
        self.arm();
        for (name, watched) in &mut self.settings.watched {
            if !self.jobs.contains_key(name) {
                watched.look(Instant::now());
            }
        }
        let limit = self.settings.program.stuck;
        for (name, job) in self.jobs.iter_mut().filter(|(_, job)| job.is_silent(limit)) {
            log::error!(
                "{name}: a pass got nowhere for {} minutes and is ended; the next one goes on \
                 from there",
                limit.as_secs() / 60
            );
            job.kill();
        }
        let orders = self.settings.watched.iter();
        self.teller.sweep(orders.map(|(name, watched)| (name, &watched.order)));
    }

    /// Starts what is due, the longest waiting first.
    fn start_due(&mut self) {
        let now = Instant::now();
        let due = |watched: &Watched| watched.due.at().filter(|at| *at <= now);
        let mut names: Vec<(Instant, String)> = self
            .settings
            .watched
            .iter()
            .filter(|(name, _)| !self.jobs.contains_key(*name))
            .filter_map(|(name, watched)| Some((due(watched)?, name.clone())))
            .collect();
        names.sort();
        let free = self.settings.program.passes.saturating_sub(self.jobs.len());
        for (_, name) in names.into_iter().take(free) {
            let Some(watched) = self.settings.watched.get_mut(&name) else { continue };
            watched.begin();
            match Job::start(&name, &watched.order, &self.wake) {
                Ok(job) => drop(self.jobs.insert(name, job)),
                Err(err) => {
                    let wait = watched.due.failed(now);
                    log::error!("{name}: cannot start a pass: {err}; again in {wait:?}");
                }
            }
        }
    }

    fn take_ends(&mut self) {
        for (name, end) in self.wake.ends() {
            self.jobs.remove(&name);
            let Some(watched) = self.settings.watched.get_mut(&name) else { continue };
            self.board.ended(watched, &end);
            // What we broke off ourselves is nothing to be told.
            if !self.wake.stop() {
                self.teller.ended(&name, &watched.order, &end);
            }
            ended(&name, watched, end);
        }
    }

    /// Takes new settings when all of them are good, and keeps the old ones otherwise.
    fn reload(&mut self) {
        self.systemd().reloading();
        match Settings::read(self.cli, &self.args.interfaces, Some(&mut self.settings)) {
            Ok(settings) => {
                if settings.program.listen != self.settings.program.listen {
                    log::warn!("[watch] listen is another one; that takes a restart");
                }
                self.settings = settings;
                self.board.settings(&self.settings);
                let (everywhere, spool) = (&self.settings.everywhere, &self.settings.spool);
                self.teller = Teller::new(everywhere.clone(), spool.clone());
                // A watch ends with its watcher, so that of an interface that is gone.
                self.watcher = self.wake.watcher();
                self.arm();
                log::info!("settings read again; watching {}", self.settings.watched.len());
            }
            Err(failure) => {
                log::error!("the settings stay as they were, since the new ones are not good");
                super::output::complain(&failure.text);
            }
        }
        self.systemd().ready();
    }

    /// Lets the passes end, and ends those that take too long.
    fn stop(&mut self) {
        self.systemd().stopping();
        log::info!("stopping; passes under way: {}", self.jobs.len());
        let until = Instant::now() + GRACE;
        while !self.jobs.is_empty() && Instant::now() < until {
            self.wake.wait(until.saturating_duration_since(Instant::now()));
            self.take_ends();
        }
        for (name, job) in &mut self.jobs {
            log::warn!("{name}: its pass is broken off; the next start goes on from there");
            job.kill();
        }
        let until = Instant::now() + Duration::from_secs(1);
        while !self.jobs.is_empty() && Instant::now() < until {
            self.wake.wait(Duration::from_millis(100));
            self.take_ends();
        }
    }

    fn systemd(&self) -> Systemd {
        Systemd { watched: self.settings.watched.len(), passes: self.jobs.len() }
    }
}

/// Notes how a pass ended and when the next one is due.
fn ended(name: &str, watched: &mut Watched, end: End) {
    let now = Instant::now();
    match end {
        End::Done(report) => {
            let again_in = report.again_at.map(|at| {
                let left = at.saturating_sub(Clock::System.unix()).clamp(0, 20 * 60);
                Duration::from_secs(left.unsigned_abs())
            });
            let unsettled = report.unsettled;
            watched.due.done(
                now,
                Next { again_in, unsettled, stopped: report.stopped, held: report.held },
            );
            watched.look_after(now);
        }
        End::Failed(why, _) | End::Killed(why) => {
            let wait = watched.due.failed(now);
            log::error!("{name}: a pass ended: {why}; again in {} s", wait.as_secs());
        }
        End::Busy => {
            let wait = watched.due.failed(now);
            log::warn!("{name}: another hl7drop is at work on it; again in {} s", wait.as_secs());
        }
    }
}

impl From<notify::Error> for Failure {
    fn from(err: notify::Error) -> Failure {
        Failure { exit: Exit::LOCAL, text: format!("no events of the file system: {err}") }
    }
}
