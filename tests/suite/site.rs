//! A site: settings, folders and the real program, below one temporary folder.
//!
//! The folder endpoint is `partner/`. `settle_seconds` is 0, so that no test waits.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use hl7drop::config::interface;
use hl7drop::disk;
use hl7drop::engine::{Engine, Silent};
use hl7drop::spool::Spool;

use crate::sftpd::Server;

/// The interface that every site has.
pub const NAME: &str = "clinic";

/// A site; its files go when it is dropped.
pub struct Site {
    /// Holds `hl7drop.toml`, `interfaces/`, `spool/` and `partner/`.
    place: tempfile::TempDir,
    /// Where batch files are delivered to, as this machine sees it.
    pub partner: PathBuf,
}

/// What the program said and ended with.
#[derive(Debug)]
pub struct Output {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Output {
    /// Reads standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }
}

impl Site {
    /// Makes a site that delivers into its folder `partner/`.
    pub fn new() -> Site {
        let place = tempfile::Builder::new().prefix("hl7drop-site-").tempdir().unwrap();
        let partner = place.path().join("partner");
        fs::create_dir(&partner).unwrap();
        Site::make(place, partner, "method = \"folder\"\nfolder = \"../partner\"\n")
    }

    /// Makes a site that delivers into a fresh folder of an SFTP server.
    pub fn over_sftp(server: &Server) -> Site {
        let folder = server.new_folder();
        Site::at_sftp(&server.settings(&folder), folder.into())
    }

    /// Makes a site that delivers to a server; `partner` is the folder as this machine
    /// sees it.
    pub fn at_sftp(to: &hl7drop::domain::Sftp, partner: PathBuf) -> Site {
        let place = tempfile::Builder::new().prefix("hl7drop-site-").tempdir().unwrap();
        let connectivity = format!(
            "method = \"sftp\"\nhost = {:?}\nport = {}\nuser = {:?}\nkey_file = {:?}\n\
             known_hosts = {:?}\nfolder = {:?}\n",
            to.host,
            to.port,
            to.user,
            to.login.key_file.as_ref().unwrap(),
            to.known_hosts,
            to.folder,
        );
        Site::make(place, partner, &connectivity)
    }

    fn make(place: tempfile::TempDir, partner: PathBuf, connectivity: &str) -> Site {
        let site = Site { place, partner };
        fs::write(site.root().join("hl7drop.toml"), "[run]\nworkers = 2\n").unwrap();
        fs::create_dir(site.root().join("interfaces")).unwrap();
        let text = format!(
            "[project]\ninterface = \"{NAME}\"\ncontext_id = \"99999\"\n\
             practice = \"Riverbend Family Medicine\"\nenvironment = \"test\"\n\
             [wire]\nreceiving_application = \"CARESYNC\"\n\
             [pickup]\nsettle_seconds = 0\n\
             [connectivity.test]\n{connectivity}"
        );
        fs::write(site.interface_file(), text).unwrap();
        disk::folder(&site.spool().inbox).unwrap();
        site
    }

    /// Returns the folder of the settings.
    pub fn root(&self) -> &Path {
        self.place.path()
    }

    /// Returns the interface file, for tests that write another one. It ends within
    /// `[connectivity.test]`.
    pub fn interface_file(&self) -> PathBuf {
        self.root().join("interfaces").join(format!("{NAME}.toml"))
    }

    /// Returns the folders of the interface; the first run makes all but the inbox.
    pub fn spool(&self) -> Spool {
        Spool::at(&self.root().join("spool").join(NAME).join("test"))
    }

    /// Drops a file into the inbox.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.spool().inbox.join(name), bytes).unwrap();
    }

    /// Returns the program, with this site's settings and no fault.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hl7drop"));
        command.arg("--config").arg(self.root().join("hl7drop.toml")).args(args);
        command.env_remove("HL7DROP_FAULT").env_remove("HL7DROP_CONFIG").env_remove("RUST_LOG");
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        ended(&mut self.command(args))
    }

    /// Approves the scope as it is; production sends nothing without.
    pub fn approve(&self) -> Output {
        let output = self.run(["scope", "approve", NAME, "--name", "Tess Ter"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        output
    }

    /// Opens the interface as the program does, to look at it from within.
    pub fn engine(&self) -> Engine {
        let file = self.interface_file();
        let text = fs::read_to_string(&file).unwrap();
        let scope = interface::read(&text, file.parent().unwrap()).unwrap();
        Engine::open(scope, &self.root().join("spool"), 1, Arc::new(Silent)).unwrap()
    }
}

/// Runs a command to its end.
pub fn ended(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Returns what a batch file tells, a word for each message: `A28 7`, `S14 33910 ARRIVED`.
pub fn words(batch: &str) -> Vec<String> {
    let (mut words, mut trigger) = (Vec::new(), String::new());
    for line in batch.split('\r') {
        let field = |at: usize| line.split('|').nth(at).unwrap_or_default();
        let first = |at: usize| field(at).split('^').next().unwrap_or_default();
        match field(0) {
            "MSH" => trigger = field(8).split('^').nth(1).unwrap().to_string(),
            "PID" if trigger.starts_with('A') => words.push(format!("{trigger} {}", first(3))),
            "SCH" => words.push(format!("{trigger} {} {}", first(2), field(25))),
            _ => {}
        }
    }
    words
}

#[test]
fn a_site_runs_and_its_partner_gets_the_file() {
    let site = Site::new();
    site.put(
        "patients.csv",
        "event,patientid,lastname,firstname,dob,sex\nadd,1,Doe,Ann,02/14/1987,F\n",
    );
    let output = site.run(["run", "--json"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.json()[0]["drops"][0]["batch"], "99999-000001.hl7");
    assert!(site.partner.join("99999-000001.hl7").exists());
}

/// What a verb said that must have ended so.
#[track_caller]
pub fn ok(output: Output, code: i32) -> Output {
    assert_eq!(output.code, Some(code), "{output:?}");
    output
}

/// Names in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// The files below a folder, hidden ones too, in order; none where there is no folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Their names, in the order of their paths.
pub fn names_below(folder: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_string();
    files_below(folder).into_iter().map(name).collect()
}

/// How many messages are in each state, by `hl7drop status`.
pub fn states(site: &Site) -> serde_json::Value {
    site.run(["status", "--json"]).json()[0]["states"].take()
}
