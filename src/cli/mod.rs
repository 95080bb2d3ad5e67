//! The command line: verbs to functions, outcomes to exit codes.

mod acks;
mod args;
mod backfill;
mod backup;
mod check;
mod contact;
mod convert;
mod delivery;
mod endpoint;
mod exit;
mod explain;
mod held;
mod init;
mod install;
mod keepers;
mod log_line;
mod manifest;
mod manual;
mod next;
mod output;
mod process;
mod prune;
mod queue;
mod replay;
mod run;
mod scope;
mod serve;
mod setup;
mod sign;
mod status;
mod support;
mod testplan;
mod user;
mod validate;
mod watch;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Verb};
use exit::Exit;

use crate::engine::EngineError;
use crate::ledger::LedgerError;

/// What a verb ends with.
type Outcome = Result<Exit, Failure>;

/// Why a verb could not be done: an exit code, and a text for people.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn usage(text: impl Into<String>) -> Failure {
        Failure { exit: Exit::USAGE, text: text.into() }
    }
}

impl From<EngineError> for Failure {
    fn from(err: EngineError) -> Failure {
        use crate::disk::DiskError;
        let exit = match &err {
            EngineError::Busy { .. } => Exit::BUSY,
            EngineError::NotApproved { .. } => Exit::NOT_APPROVED,
            EngineError::Disk(DiskError::NotDurable { .. })
            | EngineError::Ledger(LedgerError::NotDurable(_)) => Exit::NOT_DURABLE,
            EngineError::Map(_)
            | EngineError::Columns(_)
            | EngineError::Filter(_)
            | EngineError::Extract(_)
            | EngineError::NothingWaits { .. }
            | EngineError::NoMessage { .. }
            | EngineError::Refused { .. }
            | EngineError::WhichEndpoint { .. } => Exit::USAGE,
            EngineError::Worker | EngineError::NoDigest | EngineError::NotConformant { .. } => {
                Exit::BUG
            }
            _ => Exit::LOCAL,
        };
        let text = match &err {
            EngineError::Disk(disk) if disk.is_full() => {
                format!("{err}; free some space there and run again: nothing is lost")
            }
            _ => err.to_string(),
        };
        Failure { exit, text }
    }
}

impl From<crate::disk::DiskError> for Failure {
    fn from(err: crate::disk::DiskError) -> Failure {
        EngineError::Disk(err).into()
    }
}

impl From<std::io::Error> for Failure {
    /// Of writing to the terminal or the pipe; a reader that went away is the end.
    fn from(err: std::io::Error) -> Failure {
        let exit = match err.kind() {
            std::io::ErrorKind::BrokenPipe => Exit::DONE,
            _ => Exit::LOCAL,
        };
        Failure { exit, text: format!("cannot write the output: {err}") }
    }
}

/// Runs the program; returns what to exit with.
pub fn main() -> ExitCode {
    process::keep_to_itself();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => {
            let _ = err.print();
            return ExitCode::from(if err.use_stderr() { Exit::USAGE.0 } else { Exit::DONE.0 });
        }
    };
    // A terminal shows a bar and the summary; a log shows what happened. The standard
    // error of `convert` belongs to the bad rows.
    let level = match cli.verb {
        Verb::Convert(_) => "off",
        // Its own words say what came of it.
        Verb::Testplan(_) => "warn",
        _ if std::io::stderr().is_terminal() => "warn",
        _ => "info",
    };
    let level = env_logger::Env::default().default_filter_or(level);
    env_logger::Builder::from_env(level).format(log_line::write).init();
    let outcome = match &cli.verb {
        Verb::Run(args) => run::run(&cli, args),
        Verb::Watch(args) => watch::watch(&cli, args),
        Verb::Pass => watch::job(),
        Verb::Convert(args) => convert::convert(args),
        Verb::Check(args) => check::check(&cli, args),
        Verb::Status(args) => status::status(&cli, args),
        Verb::Held(args) => held::held(&cli, args),
        Verb::Backfill(args) => backfill::backfill(&cli, args),
        Verb::Queue(args) => queue::queue(&cli, args),
        Verb::Delivery(args) => delivery::delivery(&cli, args),
        Verb::Acks(args) => acks::acks(&cli, args),
        Verb::Manifest(args) => manifest::manifest(&cli, args),
        Verb::Contact(args) => contact::contact(&cli, args),
        Verb::Endpoint(args) => endpoint::endpoint(&cli, args),
        Verb::Validate(args) => validate::validate(args),
        Verb::Scope(args) => scope::scope(&cli, args),
        Verb::Testplan(args) => testplan::testplan(&cli, args),
        Verb::Replay(args) => replay::replay(&cli, args),
        Verb::Explain(args) => explain::explain(args),
        Verb::Prune(args) => prune::prune(&cli, args),
        Verb::Init(args) => init::init(args),
        Verb::Install(args) => install::install(&cli, args),
        Verb::Backup(args) => backup::backup(&cli, args),
        Verb::Restore(args) => backup::restore(&cli, args),
        Verb::Support(args) => support::support(&cli, args),
        Verb::Completions(args) => manual::completions(args),
        Verb::Man(args) => manual::manual(args),
        Verb::Serve(args) => serve::serve(&cli, args),
        Verb::User(args) => user::user(&cli, args),
    };
    let exit = outcome.unwrap_or_else(|failure| {
        if failure.exit != Exit::DONE {
            output::complain(&failure.text);
        }
        failure.exit
    });
    ExitCode::from(exit.0)
}
