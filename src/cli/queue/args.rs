//! What can be typed after `queue`.

use clap::{Args, Subcommand};

use super::mend_args::{Delete, Group, Hold, Map, Rebuild, Release, Resubmit, ToEndpoint};
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
    /// Group what waits by its cause, with counts
    Group(Group),
    /// Map a value of an extract to the one that is meant; list, import, export
    Map(Map),
    /// Convert records that wait again, under today's settings and mappings
    Resubmit(Resubmit),
    /// Send a delivered batch file again: same name, same bytes, same control IDs
    Resend(ToEndpoint),
    /// Make a new batch file of a delivered one: new control IDs, FHS-12 and BHS-12 filled
    Rebuild(Rebuild),
    /// Set a batch file aside, or all that an interface sends
    Hold(Hold),
    /// Let go what was held
    Release(Release),
    /// Give up a held batch file of which nothing was sent
    Delete(Delete),
    /// Record that the vendor has a batch file, on your word
    MarkDelivered(ToEndpoint),
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
