//! One pass as a process of its own: how it is started, and what it does.
//!
//! It is told on standard input what to do, says on standard output that it gets on (a
//! line a second) and at last what it left (a line of JSON), and logs where the daemon
//! logs. When the daemon dies it dies too, which is one more crash that the next pass mends.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use super::wake::Wake;
use crate::cli::exit::Exit;
use crate::cli::run::exit_of;
use crate::cli::setup;
use crate::cli::{Failure, Outcome};
use crate::domain::Trouble;
use crate::engine::incidents::of_error;
use crate::engine::{Engine, Progress, Summary, Typed};

/// How often a pass says that it gets on.
const BEAT: Duration = Duration::from_secs(1);

/// What a pass is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The interface file.
    pub file: PathBuf,
    /// Where its relative paths start from.
    pub folder: PathBuf,
    /// Its text, as it was checked.
    pub text: String,
    /// Where the folders are.
    pub spool: PathBuf,
    /// Threads that convert.
    pub workers: usize,
    /// The program's file, where it was named: for commands that people can type.
    pub config: Option<PathBuf>,
}

/// What a pass left to be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// When a delivery that failed may be tried again, unix seconds.
    pub again_at: Option<i64>,
    /// When a held batch goes on, or something leaves with its time, unix seconds.
    pub later_at: Option<i64>,
    /// Whether files in the inbox were still being written.
    pub unsettled: bool,
    /// Whether a delivery waits for a person.
    pub stopped: bool,
    /// Whether nothing was taken in, for want of room.
    pub held: bool,
    /// Batch files that were delivered, and their bytes.
    pub delivered: (u64, u64),
    /// What it ended with, where it did not go through.
    pub trouble: Option<Trouble>,
}

/// How a pass ended.
#[derive(Debug)]
pub enum End {
    /// It went through.
    Done(Report),
    /// Another process has the interface.
    Busy,
    /// It did not; why, as the exit codes say it, and what people are told.
    Failed(String, Option<Trouble>),
    /// It broke down, or was ended; what ended it.
    Killed(String),
}

impl Order {
    /// Opens the interface.
    ///
    /// # Errors
    /// Settings with mistakes.
    pub fn open(&self, progress: Arc<dyn Progress + Send>) -> Result<Engine, Failure> {
        let order = (self.spool.as_path(), self.workers);
        setup::open(&self.file, &self.text, &self.folder, order, progress)
    }
}

/// A pass under way.
pub struct Job {
    child: Arc<Mutex<Child>>,
    beat: Arc<Mutex<Instant>>,
}

impl Job {
    /// Starts one. Called by the main thread only: a pass ends with the thread that
    /// started it.
    ///
    /// # Errors
    /// A process that cannot be started.
    pub fn start(name: &str, order: &Order, wake: &Wake) -> io::Result<Job> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("pass")
            // Ctrl-C is for the daemon, which lets its passes end.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let child = Arc::new(Mutex::new(child));
        let beat = Arc::new(Mutex::new(Instant::now()));
        let job = Job { child: child.clone(), beat: beat.clone() };
        let (name, order, teller) = (name.to_string(), order.clone(), wake.teller());
        let follow = move || {
            if let Some(mut input) = input {
                // A pass that is gone before it read this ends with its own code.
                let _ = serde_json::to_writer(&mut input, &order);
            }
            let report = output.and_then(|output| report(output, &beat));
            teller.tell(name, end(wait(&child), report));
        };
        std::thread::Builder::new().spawn(follow)?;
        Ok(job)
    }

    /// True if nothing was heard of it for so long.
    pub fn is_silent(&self, limit: Duration) -> bool {
        lock(&self.beat).elapsed() > limit
    }

    /// Ends it, at whatever point it is.
    pub fn kill(&mut self) {
        if let Err(err) = lock(&self.child).kill() {
            log::error!("cannot end a pass: {err}");
        }
    }
}

/// Follows a pass to its end; returns what it left.
fn report(output: ChildStdout, beat: &Mutex<Instant>) -> Option<Report> {
    let mut report = None;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        *lock(beat) = Instant::now();
        report = serde_json::from_str(&line).ok().or(report);
    }
    report
}

fn wait(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    loop {
        // Not for long under the lock: somebody may want to end it.
        if let Some(status) = lock(child).try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end(status: io::Result<ExitStatus>, report: Option<Report>) -> End {
    let status = match status {
        Ok(status) => status,
        Err(err) => return End::Killed(format!("its end is not known: {err}")),
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok()).map(Exit);
    match (code, report) {
        (Some(_), Some(report)) if report.trouble.is_none() => End::Done(report),
        (Some(Exit::BUSY), None) => End::Busy,
        (Some(exit), report) => {
            let known = Exit::ALL.iter().find(|(known, _)| *known == exit);
            let trouble = report.and_then(|report| report.trouble);
            match known {
                Some((_, words)) => End::Failed(format!("exit {}: {words}", exit.0), trouble),
                None => End::Killed(format!("exit {}: it broke down; please report it", exit.0)),
            }
        }
        (None, _) => {
            let signal = status.signal().unwrap_or(0);
            End::Killed(format!("signal {signal} ended it; what it was at goes on from there"))
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does one pass; the other end of [`Job::start`].
pub fn pass() -> Outcome {
    // A daemon that was killed must leave nobody behind who holds the interface.
    if let Err(err) = set_parent_process_death_signal(Some(Signal::KILL)) {
        log::debug!("a pass would outlive its daemon: {err}");
    }
    let order: Order = serde_json::from_reader(io::stdin().lock())
        .map_err(|err| Failure::usage(format!("`pass` is for `watch`, not for people: {err}")))?;
    let engine = order.open(Arc::new(Beat(Mutex::new(Instant::now()))))?;
    let summary = engine.run(None).map_err(|err| {
        let trouble = of_error(&err, &Typed::at(order.config.as_deref(), &engine));
        if trouble.is_some() {
            let _ = say(&Report { trouble, ..Report::default() });
        }
        let Failure { exit, text } = err.into();
        Failure { exit, text: format!("{}: {text}", engine.owner()) }
    })?;
    tell(&summary);
    say(&left(&summary))?;
    Ok(exit_of(&summary))
}

/// Says to the daemon what is left to be done.
fn say(report: &Report) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", serde_json::to_string(report).unwrap_or_default())
}

/// Logs what became of each extract; the rest was logged where it happened.
fn tell(summary: &Summary) {
    for (source, account) in summary.drops.iter().flat_map(|taken| &taken.accounts) {
        // Somebody must act on the rows that wait.
        let level = if account.counts.error > 0 { log::Level::Warn } else { log::Level::Info };
        log::log!(level, "{}: {}", source.name, account.counts);
    }
}

fn left(summary: &Summary) -> Report {
    let failures = summary.deliveries.iter().filter_map(|one| one.outcome.as_ref().err());
    let receipts = summary.deliveries.iter().filter_map(|one| one.outcome.as_ref().ok());
    Report {
        delivered: (receipts.clone().count() as u64, receipts.map(|receipt| receipt.bytes).sum()),
        trouble: None,
        again_at: failures
            .clone()
            .filter_map(|failure| failure.again_at)
            .chain(summary.acks.again_at)
            .chain(summary.manifest_at)
            .chain(summary.backfill_due)
            .min(),
        later_at: summary.release_at.into_iter().chain(summary.prune_at).min(),
        unsettled: summary.unsettled,
        held: summary.held.is_some(),
        stopped: failures.into_iter().any(|failure| failure.stopped),
    }
}

/// Tells the daemon that the work gets on.
struct Beat(Mutex<Instant>);

impl Progress for Beat {
    fn begin(&self, _: &str, _: u64) {
        self.advance(0);
    }

    fn advance(&self, _: u64) {
        let mut last = lock(&self.0);
        if last.elapsed() >= BEAT {
            *last = Instant::now();
            let mut out = io::stdout().lock();
            // Without a daemon there is nobody to tell.
            let _ = writeln!(out, ".").and_then(|()| out.flush());
        }
    }

    fn end(&self) {
        self.advance(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(raw: i32, report: Option<Report>) -> String {
        match end(Ok(ExitStatus::from_raw(raw)), report) {
            End::Done(_) => "done".to_string(),
            End::Busy => "busy".to_string(),
            End::Failed(why, _) | End::Killed(why) => why,
        }
    }

    #[test]
    fn the_end_of_a_pass_is_told_in_words() {
        let some = || Some(Report::default());
        assert_eq!(words(0, some()), "done");
        assert_eq!(words(4 << 8, some()), "done", "the delivery has its own time");
        assert_eq!(words(10 << 8, None), "busy");
        assert_eq!(words(5 << 8, None), "exit 5: this machine's disk or ledger; nothing is lost");
        assert_eq!(words(101 << 8, None), "exit 101: it broke down; please report it");
        assert!(words(9, some()).starts_with("signal 9 ended it"));
    }
}
