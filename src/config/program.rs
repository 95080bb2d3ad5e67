//! The program's own file, `hl7drop.toml`: where things are, not what is agreed.

// A value; what opens sockets is in `std`.
use core::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::check::{Check, Place, open};
use super::problem::Problem;
use super::raw::{self, Number, Text};
use super::shape;
use super::template;
use crate::domain::Contact;

/// What each `[[contact]]` has by default, here and in the interface files.
const CONTACT: &str = include_str!("../../config/contact.toml");

/// More than any machine has; a slip of the finger would start thousands of threads.
const WORKERS_MAX: i64 = 1024;

/// The program's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// `[folders]` spool: where each interface has its folders and its ledger.
    pub spool: PathBuf,
    /// `[folders]` interfaces: where the interface files are, `<name>.toml` each.
    pub interfaces: PathBuf,
    /// `[run]` workers: threads that convert; 0 is one for each core.
    pub workers: usize,
    /// `[watch]`.
    pub watch: Watching,
    /// `[serve]`.
    pub serve: Serving,
    /// `[[contact]]`: who is told of the incidents of every interface.
    pub contacts: Vec<Contact>,
}

/// How the page is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Where it listens; loopback, unless [`Serving::behind_proxy`].
    pub listen: SocketAddr,
    /// Whether a proxy stands before it that speaks TLS and says who asks.
    pub behind_proxy: bool,
    /// After how long without a click a session ends.
    pub idle: Duration,
    /// After how long a session ends whatever is done in it.
    pub session: Duration,
    /// The most bytes that one upload may have.
    pub upload_max: u64,
}

/// How the daemon works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watching {
    /// How often everything is looked at, whether or not there were events.
    pub sweep: Duration,
    /// How many interfaces may have a pass at the same time.
    pub passes: usize,
    /// How long a pass may get nowhere before it is ended.
    pub stuck: Duration,
    /// Where metrics and health are to be had: on this machine only.
    pub listen: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    folders: Option<Spanned<Folders>>,
    run: Option<Spanned<Run>>,
    watch: Option<Spanned<Watch>>,
    serve: Option<Spanned<Serve>>,
    contact: Option<Vec<Spanned<raw::Contact>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Folders {
    spool: Text,
    interfaces: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    workers: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watch {
    sweep_seconds: Number,
    passes: Number,
    stuck_minutes: Number,
    listen: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Serve {
    listen: Text,
    behind_proxy: Option<bool>,
    idle_minutes: Number,
    session_hours: Number,
    upload_megabytes: Number,
}

/// Reads and checks a program file that lies in `folder`, where its relative paths
/// start from. The file that `hl7drop init` writes holds the defaults.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines; never an empty list.
pub fn read(text: &str, folder: &Path) -> Result<Program, Vec<Problem>> {
    let defaults = format!("{}\n{CONTACT}", template::program_file());
    let shape = shape::read(text, &defaults, &[])?;
    let (mut check, raw) = Check::new(text, folder, shape);
    let program = assemble(&mut check, raw);
    check.finish(program)
}

fn assemble(check: &mut Check<'_>, raw: File) -> Option<Program> {
    let (place, folders) = open("folders", raw.folders);
    let spool = check.text(place, "spool", folders.spool, "\"spool\"");
    let spool = spool.and_then(|path| check.path("spool", path));
    let interfaces = check.text(place, "interfaces", folders.interfaces, "\"interfaces\"");
    let interfaces = interfaces.and_then(|path| check.path("interfaces", path));
    let (place, run) = open("run", raw.run);
    let workers = check.number(place, "workers", run.workers, 0..=WORKERS_MAX);
    let watch = watch(check, raw.watch);
    let serve = serve(check, raw.serve);
    let contacts = check.contacts(raw.contact.unwrap_or_default());
    Some(Program {
        spool: spool?,
        interfaces: interfaces?,
        workers: usize::try_from(workers?).ok()?,
        watch: watch?,
        serve: serve?,
        contacts: contacts?,
    })
}

fn watch(check: &mut Check<'_>, raw: Option<Spanned<Watch>>) -> Option<Watching> {
    let (place, watch) = open("watch", raw);
    let sweep = check.number(place, "sweep_seconds", watch.sweep_seconds, 1..=3600);
    let passes = check.number(place, "passes", watch.passes, 1..=256);
    let stuck = check.number(place, "stuck_minutes", watch.stuck_minutes, 1..=1440);
    let listen = listen(check, place, watch.listen);
    Some(Watching {
        sweep: Duration::from_secs(u64::try_from(sweep?).ok()?),
        passes: usize::try_from(passes?).ok()?,
        stuck: Duration::from_secs(u64::try_from(stuck?).ok()? * 60),
        listen: listen?,
    })
}

/// What is told there names interfaces and counts, to whoever asks: so to nobody elsewhere.
fn listen(check: &mut Check<'_>, place: Place, value: Text) -> Option<Option<SocketAddr>> {
    let Some(value) = value else {
        check.missing(place, "listen", "\"\"");
        return None;
    };
    if value.as_ref().is_empty() {
        return Some(None);
    }
    let address = value.as_ref().parse().ok().filter(|at: &SocketAddr| at.ip().is_loopback());
    if address.is_none() {
        let what = format!(
            "`listen` is {:?}; write an address of this machine and a port, such as \
             \"127.0.0.1:9187\", or \"\" for none",
            value.as_ref()
        );
        check.problem(value.span().start, what);
    }
    address.map(Some)
}

fn serve(check: &mut Check<'_>, raw: Option<Spanned<Serve>>) -> Option<Serving> {
    let (place, serve) = open("serve", raw);
    let behind_proxy = serve.behind_proxy.unwrap_or(false);
    let listen = check.text(place, "listen", serve.listen, "\"127.0.0.1:8024\"");
    let listen = listen.and_then(|text| address(check, &text, behind_proxy));
    let idle = check.number(place, "idle_minutes", serve.idle_minutes, 1..=480);
    let session = check.number(place, "session_hours", serve.session_hours, 1..=24);
    let upload = check.number(place, "upload_megabytes", serve.upload_megabytes, 1..=102_400);
    Some(Serving {
        listen: listen?,
        behind_proxy,
        idle: Duration::from_secs(u64::try_from(idle?).ok()? * 60),
        session: Duration::from_secs(u64::try_from(session?).ok()? * 3600),
        upload_max: u64::try_from(upload?).ok()? * 1_000_000,
    })
}

/// Passwords and patients go over this line: it leaves the machine only through a proxy
/// that speaks TLS.
fn address(check: &mut Check<'_>, text: &Spanned<String>, proxied: bool) -> Option<SocketAddr> {
    let start = text.span().start;
    let Ok(address) = text.as_ref().parse::<SocketAddr>() else {
        let what = "`listen` is not an address and a port; write listen = \"127.0.0.1:8024\"";
        check.problem(start, what.to_string());
        return None;
    };
    if !address.ip().is_loopback() && !proxied {
        let what = format!(
            "`listen` is {address}, which other machines reach, and the page speaks no TLS \
             itself; write listen = \"127.0.0.1:8024\", or set behind_proxy = true where only a \
             proxy with TLS can reach it (docs/page.md)"
        );
        check.problem(start, what);
        return None;
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &str) -> Result<Program, Vec<String>> {
        read(text, Path::new("/etc/hl7drop"))
            .map_err(|told| told.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn without_a_word_the_defaults_hold() {
        let defaults = Program {
            spool: "/etc/hl7drop/spool".into(),
            interfaces: "/etc/hl7drop/interfaces".into(),
            workers: 0,
            watch: Watching {
                sweep: Duration::from_secs(30),
                passes: 8,
                stuck: Duration::from_secs(30 * 60),
                listen: None,
            },
            serve: Serving {
                listen: "127.0.0.1:8024".parse().unwrap(),
                behind_proxy: false,
                idle: Duration::from_secs(15 * 60),
                session: Duration::from_secs(12 * 3600),
                upload_max: 2_000_000_000,
            },
            contacts: Vec::new(),
        };
        assert_eq!(program(""), Ok(defaults.clone()));
        assert_eq!(program(template::program_file()), Ok(defaults));
    }

    #[test]
    fn a_whole_path_stays_as_it_is() {
        let read = program("[folders]\nspool = \"/var/lib/hl7drop\"\n[run]\nworkers = 3").unwrap();
        assert_eq!(read.spool, PathBuf::from("/var/lib/hl7drop"));
        assert_eq!(read.workers, 3);
    }

    #[test]
    fn metrics_stay_on_this_machine() {
        let read = program("[watch]\nlisten = \"127.0.0.1:9187\"").unwrap();
        assert_eq!(read.watch.listen, Some("127.0.0.1:9187".parse().unwrap()));
        for other in ["0.0.0.0:9187", "9187", "localhost:9187", "[::]:1"] {
            let told = program(&format!("[watch]\nlisten = \"{other}\"")).unwrap_err();
            assert!(told[0].starts_with("line 2: `listen` is"), "{told:?}");
        }
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_line() {
        let text = "[folders]\nspol = \"a\"\ninterfaces = \"~/a\"\n[run]\nworkers = -1\n[web]\n";
        assert_eq!(
            program(text).unwrap_err(),
            [
                "line 2: unknown field `spol`, expected `spool` or `interfaces`",
                "line 3: `interfaces` begins with `~`; write the whole path",
                "line 5: `workers` is -1; write a number from 0 to 1024",
                "line 6: unknown field `web`, expected one of `folders`, `run`, `watch`, `serve`, \
                 `contact`",
            ]
        );
    }

    #[test]
    fn what_other_machines_reach_needs_a_proxy() {
        let refused = program("[serve]\nlisten = \"0.0.0.0:80\"\n").unwrap_err();
        assert!(refused[0].starts_with("line 2: `listen` is 0.0.0.0:80, which"), "{refused:?}");
        let proxied = "[serve]\nlisten = \"0.0.0.0:80\"\nbehind_proxy = true\n";
        assert!(program(proxied).unwrap().serve.behind_proxy);
        assert!(program("[serve]\nlisten = \"[::1]:80\"\n").is_ok());
        assert!(program("[serve]\nlisten = \"localhost\"\n").is_err());
    }
}
