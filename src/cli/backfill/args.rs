//! What can be typed behind `backfill`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::args::Named;
use crate::cli::exit;
use crate::cli::sign::Asking;

/// `backfill`.
///
/// It begins with `start`, which reads full extracts and says what will come of them; nothing
/// leaves before `release`. Then the daemon sends it file by file beside the day's traffic,
/// or, without a daemon, `backfill run`. See docs/backfill.md.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct BackfillArgs {
    /// What to do with it
    #[command(subcommand)]
    pub verb: BackfillVerb,
}

/// What can be done with a backfill.
#[derive(Debug, Subcommand)]
pub enum BackfillVerb {
    /// Read full extracts, and say what will come of them; nothing is sent
    Start(Start),
    /// Show again what will come of the one that waits for its release
    Preview(Preview),
    /// Let it go, by its preview
    Release(Release),
    /// Stop it before its next file
    Pause(Decide),
    /// Let it go on
    Resume(Decide),
    /// Give up what is left of it; needs --why
    Cancel(Decide),
    /// Show how far it is; ends with 3 where it waits for a person
    Status(Status),
    /// Send it from here, and the day's traffic with it, until it is done
    Run(Run),
}

/// `backfill start`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Start {
    /// The interface
    pub interface: String,
    /// The full extract of patients, of appointments, or both; they are read and left alone
    #[arg(required = true, value_name = "EXTRACT")]
    pub extracts: Vec<PathBuf>,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// `backfill preview`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Preview {
    /// The interface
    pub interface: String,
    /// Show the first messages, too; patient data: that you looked is kept with your name
    #[arg(long, conflicts_with = "json")]
    pub messages: bool,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// `backfill release`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Release {
    /// The interface
    pub interface: String,
    /// Release it in spite of what the preview doubts; needs --why
    #[arg(long, requires = "why")]
    pub anyway: bool,
    /// How
    #[command(flatten)]
    pub asking: Asking,
}

/// `backfill pause`, `resume`, `cancel`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Decide {
    /// The interface
    pub interface: String,
    /// How
    #[command(flatten)]
    pub asking: Asking,
}

/// `backfill status`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Status {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
    /// Show a bar until the backfill of the one interface is done, or waits for a person
    #[arg(long, conflicts_with = "json")]
    pub follow: bool,
}

/// `backfill run`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Run {
    /// The interface
    pub interface: String,
}
