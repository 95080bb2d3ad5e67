//! Finding and reading the files of settings.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Failure;
use super::args::Cli;
use crate::config::{Problem, interface, program};
use crate::domain::Scope;
use crate::engine::{Engine, Progress, standing};

/// Where the program's file is looked for, after `--config` and the environment.
const PLACES: &[&str] = &["hl7drop.toml", "/etc/hl7drop/hl7drop.toml"];

/// The program's settings and the interface files that were asked for.
pub struct Setup {
    /// The program's file, checked.
    pub program: program::Program,
    /// Interface files, by name.
    pub interfaces: Vec<PathBuf>,
}

/// Reads the program's file and finds the interface files.
pub fn setup(cli: &Cli, names: &[String]) -> Result<Setup, Failure> {
    let program = program(&program_file(cli)?)?;
    let interfaces = if names.is_empty() {
        every(&program.interfaces)?
    } else {
        names.iter().map(|name| file_of(&program, name)).collect()
    };
    for path in &interfaces {
        if !path.is_file() {
            let all: Vec<String> =
                every(&program.interfaces)?.iter().map(|path| name(path)).collect();
            let known = if all.is_empty() { "none".to_string() } else { all.join(", ") };
            let text = format!("there is no interface `{}`; there is: {known}", name(path));
            return Err(Failure::usage(text));
        }
    }
    Ok(Setup { program, interfaces })
}

/// Reads the program's file and finds the file of one interface.
pub fn one(cli: &Cli, name: &str) -> Result<(Setup, PathBuf), Failure> {
    let setup = setup(cli, &[name.to_string()])?;
    let path = file_of(&setup.program, name);
    Ok((setup, path))
}

fn file_of(program: &program::Program, name: &str) -> PathBuf {
    program.interfaces.join(format!("{name}.toml"))
}

impl Setup {
    /// Opens one interface.
    pub fn open(&self, path: &Path) -> Result<Engine, Failure> {
        let progress = super::output::progress();
        let (text, folder) = own_text(path)?;
        let order = (self.program.spool.as_path(), self.program.workers);
        open(path, &text, &folder, order, progress)
    }
}

/// Finds, reads and checks the program's file.
pub fn program_of(cli: &Cli) -> Result<program::Program, Failure> {
    program(&program_file(cli)?)
}

/// Opens the interface of a file's text, and looks whether its scope is approved; `spool`
/// and `workers` are the program's.
pub fn open(
    path: &Path,
    text: &str,
    folder: &Path,
    (spool, workers): (&Path, usize),
    progress: Arc<dyn Progress + Send>,
) -> Result<Engine, Failure> {
    let scope = scope_of(path, text, folder)?;
    let standing = standing(text, &scope, spool)?;
    let mut engine = Engine::open(scope, spool, workers, progress)?;
    engine.standing = standing;
    Ok(engine)
}

/// Reads and checks the program's file.
pub fn program(path: &Path) -> Result<program::Program, Failure> {
    program::read(&own(path)?, &folder_of(path)).map_err(|problems| failure(path, &problems))
}

/// Reads and checks an interface file.
pub fn scope(path: &Path) -> Result<Scope, Failure> {
    let (text, folder) = text(path)?;
    scope_of(path, &text, &folder)
}

/// Reads an interface file; returns its text, and where its relative paths start from.
pub fn text(path: &Path) -> Result<(String, PathBuf), Failure> {
    Ok((read(path)?, folder_of(path)))
}

/// As [`text`], of a file that is acted on: it names where patients go, and commands to run.
pub fn own_text(path: &Path) -> Result<(String, PathBuf), Failure> {
    Ok((own(path)?, folder_of(path)))
}

/// Checks the text of an interface file.
pub fn scope_of(path: &Path, text: &str, folder: &Path) -> Result<Scope, Failure> {
    interface::read(text, folder).map_err(|problems| failure(path, &problems))
}

/// Returns the name of an interface file, for people.
pub fn name(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Returns where the program's file is.
pub fn program_file(cli: &Cli) -> Result<PathBuf, Failure> {
    if let Some(path) = &cli.config {
        return Ok(path.clone());
    }
    if let Some(path) = std::env::var_os("HL7DROP_CONFIG") {
        return Ok(path.into());
    }
    let found = PLACES.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| {
        let places = PLACES.join(" nor ");
        Failure::usage(format!(
            "there is neither {places}; `hl7drop init NAME` makes one here, --config names another"
        ))
    })
}

fn every(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = fs::read_dir(folder).map_err(|err| {
        let text = format!("cannot list the interfaces in {}: {err}", folder.display());
        Failure::usage(text + "; `hl7drop init NAME` makes one")
    })?;
    let mut paths: Vec<PathBuf> = listed
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        let text = format!("there is no interface in {}", folder.display());
        return Err(Failure::usage(text + "; `hl7drop init NAME` makes one"));
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|err| Failure::usage(format!("cannot read {}: {err}", path.display())))
}

/// Reads a file of settings that nobody but its owner can change.
fn own(path: &Path) -> Result<String, Failure> {
    let cannot = |err| Failure::usage(format!("cannot read {}: {err}", path.display()));
    let mut file = File::open(path).map_err(cannot)?;
    // Of the open file: a look at its name could be one at another file.
    if file.metadata().map_err(cannot)?.permissions().mode() & 0o022 != 0 {
        let path = path.display();
        let text = format!("others can change {path}; run: chmod go-w {path}");
        return Err(Failure::usage(text));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}

/// Returns where the relative paths of a file of settings start from.
pub fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
}

/// Says all that is wrong with an interface file.
pub fn failure(path: &Path, problems: &[Problem]) -> Failure {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}:{}: {}", path.display(), problem.line, problem.what))
        .collect();
    let head = match lines.len() {
        1 => "one mistake in the settings".to_string(),
        count => format!("{count} mistakes in the settings"),
    };
    Failure::usage(format!("{head}\n{}", lines.join("\n")))
}
