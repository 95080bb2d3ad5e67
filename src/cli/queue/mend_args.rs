//! What can be typed to mend what waits.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::DateTime;

use crate::cli::args::Named;
use crate::cli::exit;
use crate::cli::sign::Asking;

/// `queue group`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Group {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
}

/// `queue map`.
///
/// Without a value it lists what is mapped. A mapping holds for all interfaces, or with
/// --interface for one, which goes before. It is applied when records are converted, to
/// IDs of providers and departments and to package IDs of insurances (where there is
/// none, to the plan's name); records that wait need `queue resubmit` then. CSV files
/// have the columns kind, value, becomes, and may have interface and note.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Map {
    /// provider, department or insurance
    #[arg(value_name = "KIND", requires = "value")]
    pub kind: Option<String>,
    /// The value as it is dropped
    #[arg(value_name = "VALUE")]
    pub value: Option<String>,
    /// The value that is meant
    #[arg(value_name = "BECOMES", conflicts_with = "remove")]
    pub becomes: Option<String>,
    /// For this interface only
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Why; kept with your name and the time
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Put it in place of a mapping that somebody else made
    #[arg(long, conflicts_with = "remove")]
    pub replace: bool,
    /// Take the mapping of the value out
    #[arg(long, requires = "value")]
    pub remove: bool,
    /// Change nothing; show what would become of the records that wait for that value
    #[arg(long, requires = "becomes", requires = "interface")]
    pub preview: bool,
    /// Put in what a CSV file has, all or none; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    pub import: Option<PathBuf>,
    /// Write all mappings as CSV to standard output
    #[arg(long, conflicts_with_all = ["value", "import", "json"])]
    pub export: bool,
    /// Show who changed what, newest first
    #[arg(long, conflicts_with_all = ["value", "import", "export"])]
    pub log: bool,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// Which records of the queue are meant.
#[derive(Clone, Debug, Args)]
pub struct Chosen {
    /// ALL, or the numbers of records that `queue ls` shows: 12,13
    #[arg(value_name = "RECORDS", value_delimiter = ',')]
    pub records: Vec<String>,
    /// Those with this code
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Those with this column
    #[arg(long, value_name = "COLUMN")]
    pub column: Option<String>,
    /// Those with this value of it, as `queue group` shows it
    #[arg(long, value_name = "VALUE", requires = "column")]
    pub value: Option<String>,
    /// Those of the extracts of this name
    #[arg(long, value_name = "FILE")]
    pub file: Option<String>,
}

/// `queue resubmit`.
///
/// Records that wait are converted again, under today's settings, reference extracts and
/// mappings, into a batch file of their own. What is still at fault waits again.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Resubmit {
    /// The interface
    #[arg(value_name = "INTERFACE")]
    pub interface: String,
    /// Which records
    #[command(flatten)]
    pub chosen: Chosen,
    /// Send records that wait for a changed external ID (X002) with the new one; somebody
    /// made sure that it is right
    #[arg(long)]
    pub changed_id: bool,
    /// Change nothing; show what would become of them
    #[arg(long)]
    pub preview: bool,
    /// How it is asked for
    #[command(flatten)]
    pub asking: Asking,
}

/// A batch file.
#[derive(Debug, Args)]
pub struct Batch {
    /// The batch file, by name
    #[arg(value_name = "BATCH")]
    pub batch: String,
    /// The interface; needed where more than one has a file of that name
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// How it is asked for
    #[command(flatten)]
    pub asking: Asking,
}

/// `queue resend`, `queue mark-delivered`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct ToEndpoint {
    /// Which batch file
    #[command(flatten)]
    pub batch: Batch,
    /// The endpoint; needed where more than one is meant
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<String>,
}

/// `queue rebuild`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Rebuild {
    /// Which batch file
    #[command(flatten)]
    pub batch: Batch,
    /// Only these messages of it, by MSH-10: 12M99999,13M99999
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub message: Vec<String>,
}

/// `queue delete`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Delete {
    /// Which batch file
    #[command(flatten)]
    pub batch: Batch,
}

/// `queue hold`, `queue release`.
#[derive(Debug, Args)]
pub struct Whole {
    /// The batch file, by name; none: all that waits of --interface, and all that comes
    #[arg(value_name = "BATCH", required_unless_present = "interface")]
    pub batch: Option<String>,
    /// The interface
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// How it is asked for
    #[command(flatten)]
    pub asking: Asking,
}

/// `queue hold`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Hold {
    /// What is held
    #[command(flatten)]
    pub whole: Whole,
    /// Until when, in the interface's time zone, for example 2026-05-20T18:00; none:
    /// until it is released
    #[arg(long, value_name = "TIME")]
    pub until: Option<DateTime>,
}

/// `queue release`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Release {
    /// What is let go
    #[command(flatten)]
    pub whole: Whole,
}
