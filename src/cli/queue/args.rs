//! What can be typed after `queue`.

use clap::{Args, Subcommand};

use crate::cli::args::Named;
use crate::cli::exit;

/// `queue`.
#[derive(Debug, Args)]
#[command(after_help = exit::help(), args_conflicts_with_subcommands = true)]
pub struct Queue {
    /// What to do; none: `ls`
    #[command(subcommand)]
    pub verb: Option<QueueVerb>,
    /// What `ls` takes
    #[command(flatten)]
    pub list: List,
}

/// What can be done with the queue.
#[derive(Debug, Subcommand)]
pub enum QueueVerb {
    /// List the records that wait for a person, with their reasons; or close some
    Ls(List),
}

/// `queue ls`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct List {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
    /// How many records to show at most, newest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Which records are closed
    #[command(flatten)]
    pub closed: Closed,
    /// Why they are closed; kept in the ledger, so name no patient
    #[arg(long, value_name = "TEXT", requires = "closed")]
    pub why: Option<String>,
}

/// Records that wait for nobody any more: they count as DELETED.
#[derive(Debug, Args)]
#[group(id = "closed", multiple = false)]
pub struct Closed {
    /// Close these records, by the numbers that the list shows; needs --why
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub close: Vec<i64>,
    /// Close all records of the extracts of this name; needs --why
    #[arg(long, value_name = "FILE")]
    pub close_file: Option<String>,
    /// Close all records with this code; needs --why
    #[arg(long, value_name = "CODE")]
    pub close_all: Option<String>,
}
