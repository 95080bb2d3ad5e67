//! What wakes the daemon: signals, events of the file system, passes that end.
//!
//! Each leaves word where the daemon looks and rings; the bell holds one ring, so a storm
//! of events costs a set of folders, not a queue.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, MetadataKind, ModifyKind, RenameMode};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::job::End;
use crate::cli::Failure;
use crate::cli::exit::Exit;

/// Gives events as long as it lives.
pub type Watcher = notify::RecommendedWatcher;

#[derive(Default)]
struct Word {
    stop: AtomicBool,
    reload: AtomicBool,
    /// Events were lost.
    all: AtomicBool,
    folders: Mutex<BTreeSet<PathBuf>>,
}

/// The daemon's ear.
pub struct Wake {
    word: Arc<Word>,
    bell: Bell,
    heard: Receiver<()>,
    ended: Sender<(String, End)>,
    ends: Receiver<(String, End)>,
}

/// Wakes the daemon.
#[derive(Clone)]
struct Bell(SyncSender<()>);

impl Bell {
    fn ring(&self) {
        // A ring that is not heard yet is as good as two.
        let _ = self.0.try_send(());
    }
}

/// Tells the daemon that a pass ended.
pub struct Teller {
    ended: Sender<(String, End)>,
    bell: Bell,
}

impl Teller {
    /// Tells it.
    pub fn tell(&self, name: String, end: End) {
        let _ = self.ended.send((name, end));
        self.bell.ring();
    }
}

impl Wake {
    /// Takes the signals: SIGTERM and SIGINT stop, SIGHUP reads the settings again.
    ///
    /// # Errors
    /// Signals that cannot be had.
    pub fn new() -> Result<Wake, Failure> {
        let (bell, heard) = mpsc::sync_channel(1);
        let (ended, ends) = mpsc::channel();
        let wake = Wake { word: Arc::default(), bell: Bell(bell), heard, ended, ends };
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|err| {
            let text = format!("cannot take signals: {err}");
            Failure { exit: Exit::LOCAL, text }
        })?;
        let (word, bell) = (wake.word.clone(), wake.bell.clone());
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let flag = if signal == SIGHUP { &word.reload } else { &word.stop };
                flag.store(true, Ordering::SeqCst);
                bell.ring();
            }
        });
        Ok(wake)
    }

    /// Returns what gives events of the file system, if the system does.
    pub fn watcher(&mut self) -> Option<Watcher> {
        let (word, bell) = (self.word.clone(), self.bell.clone());
        let made = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            note(&word, event);
            bell.ring();
        });
        made.inspect_err(|err| log::warn!("no events, so only the sweep finds files: {err}")).ok()
    }

    /// Waits for a ring, or so long.
    pub fn wait(&self, longest: Duration) {
        let _ = self.heard.recv_timeout(longest);
    }

    /// True once it is to stop.
    pub fn stop(&self) -> bool {
        self.word.stop.load(Ordering::SeqCst)
    }

    /// True once for each time that the settings are to be read again.
    pub fn reload(&self) -> bool {
        self.word.reload.swap(false, Ordering::SeqCst)
    }

    /// Takes the folders in which something happened; and whether events were lost.
    pub fn events(&self) -> (BTreeSet<PathBuf>, bool) {
        let all = self.word.all.swap(false, Ordering::SeqCst);
        let mut folders = self.word.folders.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut *folders), all)
    }

    /// Takes the passes that ended.
    pub fn ends(&self) -> Vec<(String, End)> {
        self.ends.try_iter().collect()
    }

    /// Returns what tells us that a pass ended.
    pub fn teller(&self) -> Teller {
        Teller { ended: self.ended.clone(), bell: self.bell.clone() }
    }
}

fn note(word: &Word, event: notify::Result<notify::Event>) {
    let Ok(event) = event else { return word.all.store(true, Ordering::SeqCst) };
    if event.need_rescan() {
        word.all.store(true, Ordering::SeqCst);
    }
    if !tells(&event.kind) {
        return;
    }
    let mut folders = word.folders.lock().unwrap_or_else(PoisonError::into_inner);
    folders.extend(event.paths.iter().filter_map(|path| path.parent().map(PathBuf::from)));
}

/// True of what can bring a file; our own looks and claims do not.
fn tells(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) | EventKind::Remove(_) => false,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => false,
        EventKind::Modify(ModifyKind::Metadata(kind)) => *kind == MetadataKind::WriteTime,
        _ => true,
    }
}
