//! What every page works with: the users' desk and the interfaces as they are now.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::tz::TimeZone;

use super::ask::Ask;
use super::refusal::{Refusal, ServeError};
use crate::clock::Clock;
use crate::config::{interface, program};
use crate::desk::{self, Desk, Limits};
use crate::engine::{Engine, Silent};
use crate::ledger::{Sign, Sqlite};

/// What the page is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Below which the interfaces have their folders.
    pub spool: PathBuf,
    /// Where the interface files are.
    pub interfaces: PathBuf,
    /// Threads that convert; 0 is one for each core.
    pub workers: usize,
    /// How it is served.
    pub serve: program::Serving,
}

/// When a file was written and how long it is: as long as both are the same, so is it.
type Stamp = (i64, i64, u64);

/// An interface, or what is wrong with its file.
type Opened = Result<Arc<Engine>, String>;

/// What every page works with.
pub struct Office {
    /// What the page was told.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    desk: Mutex<Desk>,
    open: Mutex<BTreeMap<PathBuf, (Stamp, Opened)>>,
}

/// An interface by its file's name.
pub struct Site {
    /// The name.
    pub name: String,
    /// The interface, or what is wrong with its file.
    pub engine: Opened,
}

impl Office {
    /// Opens the desk.
    pub fn open(settings: Settings) -> Result<Office, ServeError> {
        let desk = Desk::open(&settings.spool.join(desk::FILE))?;
        let (desk, open) = (Mutex::new(desk), Mutex::default());
        let office = Office { settings, clock: Clock::System, desk, open };
        for site in office.sites().unwrap_or_default() {
            if let Ok(engine) = site.engine {
                engine
                    .clear_uploads()
                    .map_err(|err| ServeError::Failed(std::io::Error::other(err)))?;
            }
        }
        Ok(office)
    }

    /// Returns the desk, for one question.
    pub fn desk(&self) -> Result<MutexGuard<'_, Desk>, Refusal> {
        // A thread that ended in a bug left no transaction open: they end with it.
        Ok(self.desk.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Returns how long sessions last.
    pub fn limits(&self) -> Limits {
        let serve = &self.settings.serve;
        Limits { idle: serve.idle, whole: serve.session }
    }

    /// Returns every interface there is now, by name. Files are read again when they
    /// change: what the page shows is what the next run does.
    pub fn sites(&self) -> Result<Vec<Site>, Refusal> {
        let folder = &self.settings.interfaces;
        let cannot = |err| {
            Refusal::Trouble(format!("cannot list the interfaces in {}: {err}", folder.display()))
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if path.extension().is_some_and(|end| end == "toml") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths.iter().map(|path| self.site(path)).collect())
    }

    fn site(&self, path: &Path) -> Site {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let look = fs::metadata(path);
        let stamp = look.map_or((0, 0, 0), |look| (look.mtime(), look.mtime_nsec(), look.len()));
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((known, engine)) = open.get(path)
            && *known == stamp
        {
            return Site { name, engine: engine.clone() };
        }
        let engine = self.opened(path);
        open.insert(path.to_path_buf(), (stamp, engine.clone()));
        Site { name, engine }
    }

    fn opened(&self, path: &Path) -> Opened {
        let folder = &self.settings.interfaces;
        let text = fs::read_to_string(path).map_err(|err| format!("it cannot be read: {err}"))?;
        let scope = interface::read(&text, folder).map_err(|problems| {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            told.join("\n")
        })?;
        let (spool, workers) = (&self.settings.spool, self.settings.workers);
        let engine = Engine::open(scope, spool, workers, Arc::new(Silent));
        engine.map(Arc::new).map_err(|err| err.to_string())
    }

    /// Returns the interface of this name.
    pub fn engine(&self, name: &str) -> Result<Arc<Engine>, Refusal> {
        let mut sites = self.sites()?.into_iter();
        let site = sites.find(|site| site.name == name).ok_or_else(|| {
            Refusal::Nothing(format!("there is no interface {name}, or not any more"))
        })?;
        site.engine.map_err(|wrong| {
            Refusal::Trouble(format!("the file of interface {name} has mistakes: {wrong}"))
        })
    }

    /// Returns the time zone of what belongs to no interface: the practice's, where all
    /// interfaces have the same one.
    pub fn zone(&self) -> TimeZone {
        let sites = self.sites().unwrap_or_default();
        let mut zones = sites.iter().filter_map(|site| site.engine.as_ref().ok());
        let first = zones.next().map(|engine| engine.agreement.scope.timezone.clone());
        let first = first.unwrap_or(TimeZone::UTC);
        let same = zones.all(|engine| engine.agreement.scope.timezone == first);
        if same { first } else { TimeZone::UTC }
    }

    /// Returns the file of the mappings, which are of all interfaces.
    pub fn maps(&self) -> PathBuf {
        self.settings.spool.join("maps.db")
    }

    /// Signs what is decided in the browser.
    pub fn sign(&self, ask: &Ask, why: &str) -> Sign {
        let by = ask.by();
        Sign { by: format!("{} (page, {})", by.name, by.address), why: why.to_string(), at: by.at }
    }
}

/// Returns the ledger of an interface to look into; none before its first drop.
pub fn peek(engine: &Engine) -> Result<Option<Sqlite>, Refusal> {
    Ok(Sqlite::peek(&engine.spool.ledger(), &engine.owner())?)
}
