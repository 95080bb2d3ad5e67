//! Looking at incidents and telling people, beside the passes: no pass and no other
//! interface waits for a mail server.
//!
//! Each look is a thread of its own, one at a time for an interface. A thread that hangs
//! holds up the alerts of its interface and nothing else; each step of telling has a time
//! limit. What it knows stands in the book of incidents, so it may end at any point.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job::{End, Order};
use crate::domain::{Cause, Contact, Trouble};
use crate::engine::incidents::{Ended, Keeper};
use crate::engine::{Silent, Typed};

/// How often an interface is looked at where something may be told by the clock alone.
const AGAIN: Duration = Duration::from_secs(30);

/// Who looks and tells.
pub struct Teller {
    everywhere: Arc<Vec<Contact>>,
    spool: PathBuf,
    states: Arc<Mutex<BTreeMap<String, State>>>,
}

#[derive(Default)]
struct State {
    at_work: bool,
    /// What is still to be looked at.
    waiting: Option<(Order, Ended)>,
    /// When to look again though nothing happened.
    again: Option<Instant>,
}

impl Teller {
    /// Looks with these contacts from now on; what is under way ends as it began.
    pub fn new(everywhere: Arc<Vec<Contact>>, spool: PathBuf) -> Teller {
        Teller { everywhere, spool, states: Arc::default() }
    }

    /// A pass ended.
    pub fn ended(&self, name: &str, order: &Order, end: &End) {
        let ended = match end {
            End::Done(_) => Ended::Through,
            End::Busy => Ended::Unknown,
            End::Failed(_, Some(trouble)) => Ended::Failed(trouble.clone()),
            End::Failed(why, None) => {
                Ended::Failed(trouble(Cause::PassFailed, name, order, why.clone()))
            }
            End::Killed(why) => Ended::Failed(trouble(Cause::PassKilled, name, order, why.clone())),
        };
        self.look(name, order, ended);
    }

    /// Looks where the clock alone may bring something to be told.
    pub fn sweep<'a>(&self, orders: impl Iterator<Item = (&'a String, &'a Order)>) {
        let now = Instant::now();
        for (name, order) in orders {
            let due = lock(&self.states).get(name).is_some_and(|state| {
                state.again.is_some_and(|again| again <= now) && !state.at_work
            });
            if due {
                self.look(name, order, Ended::Unknown);
            }
        }
        self.tell_of_settings();
    }

    fn look(&self, name: &str, order: &Order, ended: Ended) {
        let mut states = lock(&self.states);
        let state = states.entry(name.to_string()).or_default();
        state.waiting = Some((order.clone(), ended));
        if std::mem::replace(&mut state.at_work, true) {
            return;
        }
        let (name, states, everywhere) =
            (name.to_string(), self.states.clone(), self.everywhere.clone());
        let work = move || {
            loop {
                let next = {
                    let mut states = lock(&states);
                    let state = states.entry(name.clone()).or_default();
                    state.at_work = state.waiting.is_some();
                    state.waiting.take()
                };
                let Some((order, ended)) = next else { return };
                let again = look(&order, ended, &everywhere);
                lock(&states).entry(name.clone()).or_default().again =
                    again.then(|| Instant::now() + AGAIN);
            }
        };
        if let Err(err) = std::thread::Builder::new().name("teller".into()).spawn(work) {
            state.at_work = false;
            log::error!("nobody can be told: {err}");
        }
    }

    /// Tells of interfaces whose settings cannot be used.
    fn tell_of_settings(&self) {
        // An empty name is no interface's.
        let mut states = lock(&self.states);
        let state = states.entry(String::new()).or_default();
        if std::mem::replace(&mut state.at_work, true) {
            return;
        }
        let keeper = Keeper::of_program(&self.spool, &self.everywhere);
        let states = self.states.clone();
        let work = move || {
            keeper.tell();
            lock(&states).entry(String::new()).or_default().at_work = false;
        };
        if std::thread::Builder::new().name("teller".into()).spawn(work).is_err() {
            state.at_work = false;
        }
    }
}

/// Returns whether to look again though nothing happens.
fn look(order: &Order, ended: Ended, everywhere: &[Contact]) -> bool {
    let Ok(engine) = order.open(Arc::new(Silent)) else { return false };
    let keeper = Keeper::of(&engine, everywhere);
    let typed = Typed::at(order.config.as_deref(), &engine);
    let lasting = engine.look(&keeper, &typed, ended);
    keeper.tell() || lasting
}

fn trouble(cause: Cause, name: &str, order: &Order, why: String) -> Trouble {
    let config = order.config.as_ref();
    let config = config.map_or_else(String::new, |path| format!(" --config {}", path.display()));
    let next = vec![
        "it is tried again by itself, and goes on where it was".to_string(),
        format!("what is wrong: the daemon's log, and hl7drop{config} check {name}"),
    ];
    Trouble { cause, about: String::new(), what: format!("a pass ended: {why}"), next, count: 1 }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
