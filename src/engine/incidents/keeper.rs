//! The book of incidents on the disk, and the telling.
//!
//! The book is a small file beside the ledger, since the ledger may be what is wrong. It is
//! read and written under its own lock, which is never held while somebody is told: a mail
//! server that hangs holds nobody up. An errand is claimed before it is done and noted
//! after; a crash between the two tells it once more, when the claim has ended.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::book::{Book, Errand, Incident};
use crate::clock::{Clock, shown};
use crate::crashpoint::crashpoint;
use crate::disk::{self, failed};
use crate::domain::{Alerts, Cause, Contact, Severity, Trouble};
use crate::engine::pass::Engine;
use crate::spool::lock_book;
use crate::tell::{Alert, Occasion, TellError, ready, tell};

/// Where the incidents of one interface, or of the program, are noted and told.
pub struct Keeper {
    book: PathBuf,
    interface: String,
    environment: String,
    zone: TimeZone,
    clock: Clock,
    rules: Alerts,
    /// By the key that the book knows them by.
    contacts: Vec<(String, Contact)>,
}

impl Keeper {
    /// The keeper of an interface; `everywhere` are the contacts of all interfaces.
    pub fn of(engine: &Engine, everywhere: &[Contact]) -> Keeper {
        let scope = &engine.agreement.scope;
        let own = scope.contacts.iter().map(|one| (one.name.clone(), one.clone()));
        Keeper {
            book: engine.spool.incidents(),
            interface: scope.interface.as_str().to_string(),
            environment: scope.environment.word().to_string(),
            zone: scope.timezone.clone(),
            clock: engine.clock.clone(),
            rules: scope.alerts.clone(),
            contacts: own.chain(keyed(everywhere)).collect(),
        }
    }

    /// The keeper of the program: of what is wrong with the settings of an interface, whose
    /// own contacts are then not known.
    pub fn of_program(spool: &Path, everywhere: &[Contact]) -> Keeper {
        Keeper {
            book: spool.join("incidents.json"),
            interface: String::new(),
            environment: String::new(),
            zone: TimeZone::UTC,
            clock: Clock::System,
            rules: Alerts {
                rows_waiting_percent: 0,
                silent_hours: 0,
                volume_percent: 0,
                calm_s: 0,
                repeat_s: 24 * 3600,
                expects: Vec::new(),
            },
            contacts: keyed(everywhere).collect(),
        }
    }

    /// Notes what was seen: `troubles` are all that there are of what was `looked` at. An
    /// error is logged and keeps nobody from going on.
    pub fn note(&self, looked: &dyn Fn(&Trouble) -> bool, troubles: Vec<Trouble>) {
        let now = self.clock.unix();
        let noted = self.change(|book| book.note(looked, troubles, &self.rules, now));
        if let Err(err) = noted {
            log::error!("{}: cannot note what is wrong: {err}", self.whose());
        }
    }

    /// Returns since when something lasts that is not told before it lasts.
    pub(super) fn since(&self, now: i64, lasting: &[String]) -> Vec<i64> {
        let since = self.change(|book| {
            book.since.retain(|about, _| lasting.contains(about));
            let since = lasting.iter().map(|about| *book.since.entry(about.clone()).or_insert(now));
            since.map(|since| since.min(now)).collect()
        });
        since.unwrap_or_else(|_| vec![now; lasting.len()])
    }

    /// Tells whoever is to be told now. Returns whether there may be more to tell later,
    /// though nothing else happens.
    pub fn tell(&self) -> bool {
        let now = self.clock.unix();
        let time = self.clock.civil(&self.zone).time();
        let quiet = |contact: &Contact, cause| contact.is_quiet(cause, time);
        let claimed = self.change(|book| {
            let errands = book.due(&self.contacts, &self.rules, now, &quiet);
            let told: Vec<(Errand, Incident)> = errands
                .into_iter()
                .filter_map(|errand| {
                    let one = book.incidents.iter().find(|one| one.number == errand.number)?;
                    Some((errand, one.clone()))
                })
                .collect();
            (told, book.is_pending())
        });
        match claimed {
            Ok((errands, pending)) => {
                errands.iter().for_each(|(errand, incident)| self.run(errand, incident));
                pending || !errands.is_empty()
            }
            Err(err) => {
                log::error!("{}: nobody can be told: {err}", self.whose());
                true
            }
        }
    }

    fn run(&self, errand: &Errand, incident: &Incident) {
        let Some((_, contact)) = self.contacts.iter().find(|(key, _)| *key == errand.contact)
        else {
            return;
        };
        let alert = self.alert(incident, errand.occasion);
        let place = |name| crashpoint(name).map_err(|err| err.to_string());
        let ended = place("tell.claimed")
            .and_then(|()| tell(contact, &alert).map_err(|err| err.to_string()))
            .and_then(|()| place("tell.told"));
        match &ended {
            Ok(()) => log::info!("told {}: {}", errand.contact, alert.subject()),
            Err(err) => log::warn!("cannot tell {}: {err}; tried again later", errand.contact),
        }
        let count = incident.trouble.count;
        let now = self.clock.unix();
        if let Err(err) = self.change(|book| book.done(errand, count, ended, now)) {
            log::error!("{}: cannot note who was told: {err}", self.whose());
        }
    }

    fn alert(&self, incident: &Incident, occasion: Occasion) -> Alert {
        let Incident { number, trouble, opened_at, closed_at, .. } = incident;
        let since = shown(*opened_at, &self.zone);
        let (what, times) = match closed_at {
            None => (trouble.what.clone(), format!("since {since}")),
            Some(at) => {
                let title = trouble.cause.title();
                let until = shown(*at, &self.zone);
                (format!("over: {title}"), format!("from {since} to {until}"))
            }
        };
        Alert {
            occasion,
            incident: format!("{}#{number}", self.whose()),
            interface: self.interface.clone(),
            environment: self.environment.clone(),
            host: host(),
            cause: trouble.cause,
            severity: trouble.cause.severity(),
            about: trouble.about.clone(),
            title: trouble.cause.title().to_string(),
            what,
            count: trouble.count,
            next: if closed_at.is_some() { Vec::new() } else { trouble.next.clone() },
            opened_at: *opened_at,
            closed_at: *closed_at,
            at: self.clock.unix(),
            times,
        }
    }

    /// Returns who is told, each by the name that alerts and the book know.
    pub fn contacts(&self) -> impl Iterator<Item = (&str, &Contact)> {
        self.contacts.iter().map(|(key, contact)| (key.as_str(), contact))
    }

    /// Looks at each contact without telling anything: what is wrong with it, if anything.
    pub fn ready(&self) -> Vec<(String, Result<(), TellError>)> {
        self.contacts.iter().map(|(key, contact)| (key.clone(), ready(contact))).collect()
    }

    /// Sends each contact, or the one that is named, an alert that says it is a test.
    pub fn test(&self, only: Option<&str>) -> Vec<(String, Result<(), TellError>)> {
        let now = self.clock.unix();
        let alert = Alert {
            occasion: Occasion::Test,
            incident: format!("{}#0", self.whose()),
            interface: self.interface.clone(),
            environment: self.environment.clone(),
            host: host(),
            cause: Cause::Settings,
            severity: Severity::Warning,
            about: String::new(),
            title: "a test".to_string(),
            what: "Somebody tried whether alerts arrive here. Nothing is wrong.".to_string(),
            count: 0,
            next: Vec::new(),
            opened_at: now,
            closed_at: None,
            at: now,
            times: format!("at {}", shown(now, &self.zone)),
        };
        let meant = self.contacts.iter().filter(|(key, _)| only.is_none_or(|only| key == only));
        meant.map(|(key, contact)| (key.clone(), tell(contact, &alert))).collect()
    }

    fn whose(&self) -> String {
        match self.interface.as_str() {
            "" => "hl7drop".to_string(),
            interface => format!("{interface}/{}", self.environment),
        }
    }

    /// Changes the book under its lock; writes it only if it is another one then.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> disk::Result<T> {
        let mut fresh = Book::default();
        if !self.book.exists() {
            // The usual case, without a file: nothing was ever wrong.
            let result = change(&mut fresh);
            if fresh == Book::default() || !self.book.parent().is_some_and(Path::is_dir) {
                return Ok(result);
            }
            let _lock = lock_book(&self.book)?;
            if !self.book.exists() {
                write(&self.book, &fresh)?;
            }
            return Ok(result);
        }
        let _lock = lock_book(&self.book)?;
        let before = read(&self.book);
        let mut book = before.clone();
        let result = change(&mut book);
        if book != before {
            write(&self.book, &book)?;
        }
        Ok(result)
    }
}

/// Returns the incidents that are open in a folder of an interface, or of the program.
pub fn open_in(folder: &Path) -> Vec<Incident> {
    let mut incidents = read(&folder.join("incidents.json")).incidents;
    incidents.retain(Incident::is_open);
    incidents
}

fn keyed(everywhere: &[Contact]) -> impl Iterator<Item = (String, Contact)> {
    everywhere.iter().map(|one| (format!("hl7drop.toml/{}", one.name), one.clone()))
}

/// Reads the book. One that is damaged begins anew: it is told once more rather than not.
fn read(path: &Path) -> Book {
    let Ok(text) = fs::read_to_string(path) else { return Book::default() };
    serde_json::from_str(&text).unwrap_or_else(|err| {
        log::warn!("{} is damaged ({err}); what is open may be told once more", path.display());
        Book::default()
    })
}

fn write(path: &Path, book: &Book) -> disk::Result<()> {
    let text = serde_json::to_string_pretty(book)
        .map_err(|err| failed("write", path)(std::io::Error::other(err)))?;
    let staged = path.with_extension("new");
    disk::write(&staged, text.as_bytes())?;
    disk::shift(&staged, path)
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|char| char.is_ascii_graphic()).take(64).collect();
    if name.is_empty() { "this machine".to_string() } else { name }
}
