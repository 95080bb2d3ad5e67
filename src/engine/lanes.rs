//! Connections beside the first one: each sends a batch ahead of its turn, up to where its
//! temporary file is whole and its final name was free. None of them renames or commits.
//!
//! A lane whose line is lost, or that does not get one, takes no more work in this pass, and
//! after one that did not get any no other asks: they log in one after the other, since a
//! server may allow one session and no second, and shut out who asks for fifteen. Whatever a
//! lane had in hand is sent in its turn by the first connection, like any other batch.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::attempt::{Broken, Counted, read};
use super::deliver::whole;
use super::doubt::Look;
use super::error::EngineError;
use super::pass::Engine;
use crate::delivery::{Delivery, DeliveryError};
use crate::domain::{Endpoint, Verify};
use crate::ledger::{DeliveryRow, Temp};

/// One batch to be sent ahead. That a try of it began is in the ledger.
pub struct Job {
    /// As it was before the try.
    pub row: DeliveryRow,
    /// Its bytes.
    pub path: PathBuf,
    /// The name of the try.
    pub temp: Temp,
    /// What is compared.
    pub verify: Verify,
}

/// What became of a batch that was sent ahead.
pub enum Ahead {
    /// Its temporary file is whole and verified, and its final name is free.
    Whole,
    /// The bytes read back were others; the temporary file is removed.
    Altered,
    /// It is to be sent in its turn, as if no lane had had it.
    InItsTurn,
}

/// Why it could not be sent is told in its turn.
pub type Outcome = Result<Ahead, Broken>;

/// How lanes do their work.
#[derive(Clone, Default)]
pub enum SideBySide {
    /// A thread for each.
    #[default]
    Threads,
    /// One piece after the other, on the thread that asks, as somebody chooses who is told
    /// among how many: a simulation, whose seed must live again.
    InTurn(Chooser),
}

/// Chooses a number below the one that it is given.
pub type Chooser = Arc<dyn Fn(usize) -> usize + Send + Sync>;

/// The connections beside the first one.
pub trait Lanes {
    /// Gives a batch to whichever lane is free; false if there is none any more.
    fn give(&mut self, job: Job) -> bool;

    /// Waits for a batch that was given; `None` if no lane is left that has it.
    fn take(&mut self, number: u64) -> Option<Outcome>;

    /// Takes no more, and ends what is under way.
    fn give_up(&mut self);
}

/// One connection.
pub struct Lane<'a> {
    engine: &'a Engine,
    endpoint: &'a Endpoint,
    connection: Option<Box<dyn Delivery>>,
    door: Door,
}

/// Where lanes log in, one at a time; true once it was closed to one.
type Door = Arc<Mutex<bool>>;

impl<'a> Lane<'a> {
    /// Connects with its first work.
    fn new(engine: &'a Engine, endpoint: &'a Endpoint, door: Door) -> Lane<'a> {
        Lane { engine, endpoint, connection: None, door }
    }

    /// Returns what came of it, and whether the lane can take more.
    fn carry_out(&mut self, job: &Job, stop: &AtomicBool) -> (Outcome, bool) {
        let connected = self.connect().map_err(Broken::There);
        match connected.and_then(|()| self.send(job, stop)) {
            Err(Broken::There(err)) if err.is_broken() || self.connection.is_none() => {
                log::warn!("{} is not sent ahead: {err}", job.row.name());
                self.connection = None;
                (Ok(Ahead::InItsTurn), false)
            }
            outcome => (outcome, self.connection.is_some()),
        }
    }

    /// Logs in with the first work, unless the door is closed.
    fn connect(&mut self) -> Result<(), DeliveryError> {
        if self.connection.is_some() {
            return Ok(());
        }
        // Whoever broke down in there says nothing about the door.
        let mut closed = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if !*closed {
            let opened = (self.engine.open_delivery)(self.endpoint, &self.endpoint.method);
            *closed = opened.is_err();
            self.connection = Some(opened?);
        }
        Ok(())
    }

    /// Steps 4 to 7 of `delivery.md` section 3, and the look of step 3 behind them.
    fn send(&mut self, job: &Job, stop: &AtomicBool) -> Outcome {
        let (engine, row, temp) = (self.engine, &job.row, &job.temp.name);
        let Some(there) = &mut self.connection else { return Ok(Ahead::InItsTurn) };
        // The ledger says where its temporary file is.
        if there.server().place != job.temp.place {
            return Ok(Ahead::InItsTurn);
        }
        let mut file = whole(&job.path, row).map_err(Broken::Here)?;
        let mut counted = Counted { file: &mut file, engine, stop };
        let found = there.upload_and_look(temp, &mut counted, row.bytes(), row.name())?;
        if job.verify == Verify::Hash && there.digest(temp)? != row.digest() {
            there.remove(temp)?;
            return Ok(Ahead::Altered);
        }
        Ok(match read(there.as_mut(), row, row.name(), found)? {
            Look::Absent | Look::Refused => Ahead::Whole,
            Look::Ours | Look::Other => Ahead::InItsTurn,
        })
    }
}

/// A thread for each lane. They end when this is dropped and what they have in hand is
/// done, which is soon: what they read says then that it was given up.
pub struct Threads {
    jobs: Option<Sender<Job>>,
    done: Receiver<(u64, Outcome)>,
    kept: BTreeMap<u64, Outcome>,
    stop: Arc<AtomicBool>,
}

impl Threads {
    /// Starts so many.
    ///
    /// # Errors
    /// [`EngineError::Threads`].
    pub fn start<'scope, 'env>(
        engine: &'env Engine,
        endpoint: &'env Endpoint,
        count: usize,
        scope: &'scope thread::Scope<'scope, 'env>,
    ) -> Result<Threads, EngineError> {
        let ((jobs, waiting), (done, results)) = (channel::<Job>(), channel());
        let waiting = Arc::new(Mutex::new(waiting));
        let stop = Arc::new(AtomicBool::new(false));
        let door = Door::default();
        for _ in 0..count {
            let (waiting, done, stop) = (waiting.clone(), done.clone(), stop.clone());
            let door = door.clone();
            let work = move || {
                let mut lane = Lane::new(engine, endpoint, door);
                let mut goes_on = true;
                while goes_on && let Some(job) = next(&waiting) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // A lane that breaks down must not leave the first connection waiting.
                    let done_of = AssertUnwindSafe(|| lane.carry_out(&job, &stop));
                    let outcome;
                    (outcome, goes_on) =
                        catch_unwind(done_of).unwrap_or((Ok(Ahead::InItsTurn), false));
                    // Nobody listens any more to what was given up.
                    let _ = done.send((job.row.batch.number, outcome));
                }
            };
            let started = thread::Builder::new().name("lane".to_string());
            let started = started.spawn_scoped(scope, work);
            started.map_err(|err| EngineError::Threads(err.to_string()))?;
        }
        Ok(Threads { jobs: Some(jobs), done: results, kept: BTreeMap::new(), stop })
    }
}

/// Waits for work; one lane at a time does, and the others for it.
fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    waiting.lock().ok()?.recv().ok()
}

impl Lanes for Threads {
    fn give(&mut self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }

    fn take(&mut self, number: u64) -> Option<Outcome> {
        loop {
            if let Some(outcome) = self.kept.remove(&number) {
                return Some(outcome);
            }
            // Without an end only while a lane lives, and each of its steps has one.
            let (of, outcome) = self.done.recv().ok()?;
            self.kept.insert(of, outcome);
        }
    }

    fn give_up(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        // It ends with the last lane.
        self.done.iter().for_each(drop);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Lanes that work when they are waited for, and now and then before; see
/// [`SideBySide::InTurn`].
pub struct InTurn<'a> {
    lanes: Vec<Lane<'a>>,
    jobs: VecDeque<Job>,
    kept: BTreeMap<u64, Outcome>,
    choose: Chooser,
}

impl<'a> InTurn<'a> {
    /// Starts so many.
    pub fn start(
        engine: &'a Engine,
        endpoint: &'a Endpoint,
        count: usize,
        choose: Chooser,
    ) -> InTurn<'a> {
        let door = Door::default();
        let lanes = (0..count).map(|_| Lane::new(engine, endpoint, door.clone())).collect();
        InTurn { lanes, jobs: VecDeque::new(), kept: BTreeMap::new(), choose }
    }

    /// Carries out one piece of those that lanes would have in hand.
    fn work(&mut self) -> Option<()> {
        let in_hand = self.jobs.len().min(self.lanes.len());
        if in_hand == 0 {
            return None;
        }
        let job = self.jobs.remove((self.choose)(in_hand))?;
        let lane = (self.choose)(self.lanes.len());
        let (outcome, goes_on) = self.lanes.get_mut(lane)?.carry_out(&job, &AtomicBool::new(false));
        if !goes_on {
            self.lanes.remove(lane);
        }
        self.kept.insert(job.row.batch.number, outcome);
        Some(())
    }
}

impl Lanes for InTurn<'_> {
    fn give(&mut self, job: Job) -> bool {
        self.jobs.push_back(job);
        while (self.choose)(2) == 1 && self.work().is_some() {}
        !self.lanes.is_empty()
    }

    fn take(&mut self, number: u64) -> Option<Outcome> {
        loop {
            if let Some(outcome) = self.kept.remove(&number) {
                return Some(outcome);
            }
            self.work()?;
        }
    }

    fn give_up(&mut self) {
        self.jobs.clear();
    }
}
