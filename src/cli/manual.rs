//! `completions`, `man`: what shells and `man` know of this program, made of the same
//! definition as `--help`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;
use super::exit::{self, Exit};
use super::{Failure, Outcome};
use crate::disk;

/// `completions`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// `man`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Manual {
    /// The folder that the pages are written to: hl7drop.1, hl7drop-run.1 ...
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Writes what completes the verbs and options in a shell.
pub fn completions(args: &Completions) -> Outcome {
    // In memory first: the generator does not know what a closed pipe is.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(), "hl7drop", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Exit::DONE)
}

/// Writes a page for the program and one for each verb.
pub fn manual(args: &Manual) -> Outcome {
    disk::folder(&args.dir)?;
    let mut command = Cli::command();
    command.build();
    let pages = page(&args.dir, &command)?;
    writeln!(io::stdout().lock(), "{pages} pages in {}", args.dir.display())?;
    Ok(Exit::DONE)
}

/// Returns the program's definition without the verbs that only the program itself calls.
fn shown() -> Command {
    let all = Cli::command();
    let verbs = all.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    Command::new("hl7drop")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(all.get_arguments().cloned())
        .subcommands(verbs)
}

/// Writes the page of a verb and those of its own verbs; returns how many.
fn page(dir: &Path, verb: &Command) -> Result<u32, Failure> {
    let man = Man::new(verb.clone()).manual("hl7drop");
    let mut text = Vec::new();
    man.render(&mut text)?;
    disk::write(&dir.join(man.get_filename()), &text)?;
    let mut shown = verb.get_subcommands().filter(|verb| !verb.is_hide_set());
    shown.try_fold(1, |pages, verb| Ok(pages + page(dir, verb)?))
}
