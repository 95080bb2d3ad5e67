//! What people ask for while a pass is at work: a file each in `requests/`, carried out
//! by that pass, or the next. A face never has to stop a daemon, nor to wait for it.
//!
//! | found | means | done |
//! |---|---|---|
//! | in `requests/` | asked for, not known to be done | done, then removed |
//! | ... and done before a crash | the ledger says so, or nothing is left to do | removed |
//! | ... and refused | an action says so | removed |
//! | ... and the process died over it again and again | an action says so | to `error/` |

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Mended, Task, tried};
use crate::crashpoint::crashpoint;
use crate::disk::{self, failed};
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::engine::recover::recover;
use crate::ledger::{Act, Ledger, Sign};
use crate::spool::{Lock, Spool};

/// How often the lock is tried.
const PAUSE: Duration = Duration::from_millis(50);

/// A file that no pass takes for a request: that it was written says that something was done
/// here, and a daemon looks what there is to send.
const BELL: &str = ".bell";

/// What to do about a request that is not carried out any more.
const HINT: &str = "what it was about stands as before; report it as a bug, with the log. To try \
                    it once more, ask again";

/// What came of asking.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// It is done.
    Done(Mended),
    /// A pass is at work, which carries it out: this request.
    Left(String),
}

/// A request, as it lies there.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    task: Task,
    by: String,
    why: String,
    at: i64,
}

impl Engine {
    /// Does a task now, if no pass has the interface within `wait`; else leaves it to the
    /// one that is at work.
    ///
    /// # Errors
    /// [`EngineError::Refused`] and its like, and what ends a pass.
    pub fn ask(&self, task: &Task, sign: &Sign, wait: Duration) -> Result<Asked, EngineError> {
        let id = name(&self.spool.requests)?;
        if let Some(lock) = self.lock_within(wait)? {
            return self.do_now(task, &id, sign, &lock);
        }
        self.spool.make()?;
        self.leave(task, &id, sign)?;
        // The pass may have ended just after it looked for requests the last time.
        let Some(lock) = self.lock_within(PAUSE * 4)? else { return Ok(Asked::Left(id)) };
        disk::remove(&self.spool.requests.join(&id))?;
        self.do_now(task, &id, sign, &lock)
    }

    fn do_now(&self, task: &Task, id: &str, sign: &Sign, _: &Lock) -> Result<Asked, EngineError> {
        self.spool.make()?;
        let mut ledger = match task {
            // It may be the first thing that an interface ever sends.
            Task::Backfill(_) => self.ledger()?,
            _ => self
                .ledger_there()?
                .ok_or_else(|| EngineError::NothingWaits { what: task.about() })?,
        };
        recover(self, &ledger)?;
        carry_out(self, &mut ledger)?;
        let mended = self.mend(&mut ledger, task, id, sign)?;
        // What it made waits to be sent, and a daemon that hears of it need not be told. It is
        // done even where this cannot be written: who were told otherwise would ask again, and
        // have a batch made anew twice.
        if let Err(err) = disk::write(&self.spool.requests.join(BELL), b"") {
            log::warn!("the daemon cannot be told, and sends it when it looks again: {err}");
        }
        Ok(Asked::Done(mended))
    }

    fn leave(&self, task: &Task, id: &str, sign: &Sign) -> Result<(), EngineError> {
        let Sign { by, why, at } = sign.clone();
        let request = Request { task: task.clone(), by, why, at };
        let text = serde_json::to_vec(&request)
            .map_err(|err| EngineError::Refused { what: format!("it cannot be written: {err}") })?;
        let part = self.spool.requests.join(format!(".{id}"));
        disk::write(&part, &text)?;
        Ok(disk::shift_new(&part, &self.spool.requests.join(id))?)
    }

    /// Takes the lock as soon as it is free, if that is soon enough.
    fn lock_within(&self, wait: Duration) -> Result<Option<Lock>, EngineError> {
        if !self.spool.root.is_dir() {
            self.spool.make()?;
        }
        let began = Instant::now();
        loop {
            if let Some(lock) = self.spool.lock()? {
                return Ok(Some(lock));
            }
            if began.elapsed() >= wait {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// True if somebody asks for something.
///
/// # Errors
/// Those of the disk.
pub fn any(engine: &Engine) -> Result<bool, EngineError> {
    Ok(!Spool::list(&engine.spool.requests)?.is_empty())
}

/// Carries out what people ask for, in the order in which they asked.
///
/// # Errors
/// What ends a pass; a request that cannot be carried out does not.
pub fn carry_out(engine: &Engine, ledger: &mut dyn Ledger) -> Result<Vec<Mended>, EngineError> {
    let mut done = Vec::new();
    for name in Spool::list(&engine.spool.requests)? {
        let path = engine.spool.requests.join(&name);
        let Some(request) = read(&path)? else {
            let why = "what = \"no request that this program can read\"\n\
                       what_to_do = \"ask again\"\n";
            engine.spool.shelve_error(&path, why)?;
            log::error!("requests/{name} is no request; it is in error/ now");
            continue;
        };
        let Request { task, by, why, at } = request;
        let sign = Sign { by, why, at };
        if let Some(deaths) = tried::begin(engine, &name)? {
            let what = format!("hl7drop broke down {deaths} times while it carried this out");
            refuse(ledger, &task, &sign, &what)?;
            let why = format!("what = {what:?}\nwhat_to_do = {HINT:?}\n");
            engine.spool.shelve_error(&path, &why)?;
            tried::end(engine)?;
            continue;
        }
        let mended = engine.mend(ledger, &task, &name, &sign);
        // Whatever came of it, nobody died.
        tried::end(engine)?;
        match mended {
            Ok(mended) => done.push(mended),
            Err(err) if err.is_refusal() => refuse(ledger, &task, &sign, &err.to_string())?,
            Err(err) => return Err(err),
        }
        crashpoint("mend.carried_out").map_err(failed("carry out", &path))?;
        disk::remove(&path)?;
    }
    Ok(done)
}

/// Writes down that nothing came of a request, for whoever asked.
fn refuse(ledger: &mut dyn Ledger, task: &Task, sign: &Sign, why: &str) -> Result<(), EngineError> {
    log::error!("{} {} for {}: {why}", task.verb(), task.about(), sign.by);
    let (was, now) = (String::new(), String::new());
    let about = format!("{} {}: {why}", task.verb(), task.about());
    Ok(ledger.act(&Act { verb: "refused", about, was, now }, sign)?)
}

fn read(path: &Path) -> Result<Option<Request>, EngineError> {
    let text = std::fs::read(path).map_err(failed("read", path))?;
    Ok(serde_json::from_slice(&text).ok())
}

/// Returns a name that nobody else has and that sorts behind those which are there: two
/// people may ask within one second, and a clock may be set back.
fn name(requests: &Path) -> Result<String, EngineError> {
    let there = if requests.is_dir() { Spool::list(requests)? } else { Vec::new() };
    let number = |name: &String| name.split('-').next().and_then(|text| text.parse::<u64>().ok());
    let last = there.iter().filter_map(number).max().unwrap_or(0);
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|err| EngineError::Refused { what: format!("no random number: {err}") })?;
    Ok(format!("{:012}-{:016x}.json", last.saturating_add(1), u64::from_le_bytes(bytes)))
}
