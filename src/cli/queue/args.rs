//! What can be typed after `queue`.

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::mend_args::{Delete, Group, Hold, Map, Rebuild, Release, Resubmit, ToEndpoint};
use crate::cli::args::Named;
use crate::cli::exit;
use crate::cli::sign::Patience;
use crate::domain::Event;
use crate::engine::{Locator, Standing};

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
    /// Find messages, and rows that made none: by ID, state, reason, event, file or time
    Search(Box<Search>),
    /// Show one message whole: HL7, fields, source row, history. Shows patient data, and
    /// the ledger's folder keeps who looked
    Show(Show),
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

/// `queue search`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Search {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
    /// A patient ID, as the extract has it; - reads it from standard input, where nobody
    /// sees it among the processes
    #[arg(long, value_name = "ID")]
    pub patient: Option<String>,
    /// An appointment ID, as the extract has it
    #[arg(long, value_name = "ID")]
    pub appointment: Option<String>,
    /// A control ID: MSH-10, or its number alone
    #[arg(long, value_name = "ID")]
    pub control: Option<String>,
    /// An external ID, with or without the zeros at its front
    #[arg(long, value_name = "ID")]
    pub external: Option<String>,
    /// An extract, by the name it was dropped under
    #[arg(long, value_name = "NAME")]
    pub file: Option<String>,
    /// A batch file, by name
    #[arg(long, value_name = "NAME")]
    pub batch: Option<String>,
    /// SCHEDULED, NEW, DISTRIBUTED, PENDING, PROCESSED, ERROR, CBOERROR, ATHENAERROR,
    /// DELETED, or FILTERED for rows that made no message
    #[arg(long, value_name = "STATE")]
    pub state: Option<Standing>,
    /// Why a row made no message: a code such as R001, or a word such as unchanged
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// What a message tells: patient_added, appointment_cancelled and so on
    #[arg(long, value_name = "EVENT", value_parser = event)]
    pub event: Option<Event>,
    /// Taken in on this day or later, at the practice
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Option<Date>,
    /// Taken in on this day or earlier, at the practice
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub to: Option<Date>,
    /// How many to show at most, newest first
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Go on behind this one, where the page before ended; needs one interface
    #[arg(long, value_name = "MESSAGE")]
    pub after: Option<Locator>,
}

/// `queue show`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Show {
    /// The message or row, by the name that a search prints: 12-m41
    #[arg(value_name = "MESSAGE")]
    pub message: Locator,
    /// The interface; needed where there is more than one
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Write the message alone, as it stands in its batch file
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// Reads an event by its switch in `[enable]`, or its trigger.
fn event(word: &str) -> Result<Event, String> {
    let found = Event::ALL.into_iter().find(|event| event.telling().key.eq_ignore_ascii_case(word));
    found.ok_or_else(|| {
        let all = Event::ALL.map(|event| event.telling().key).join(", ");
        format!("is no event; events are {all}")
    })
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
    /// How long a decision waits
    #[command(flatten)]
    pub patience: Patience,
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
