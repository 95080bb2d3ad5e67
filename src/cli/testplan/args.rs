//! What can be typed behind `testplan`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;

use crate::cli::exit;
use crate::papers::testplan::Phase;

/// `testplan`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Testplan {
    /// What to do with it
    #[command(subcommand)]
    pub verb: TestplanVerb,
}

/// What can be done with a test plan.
#[derive(Debug, Subcommand)]
pub enum TestplanVerb {
    /// Write the plan of an interface: what to drop, what must be sent, who looks at what
    Write(Write),
    /// Note down that somebody read the extracts and the expected messages as they are
    Review(Review),
    /// Unit phase: drop the extracts into the test environment, deliver to the test endpoint,
    /// compare what went out with what was expected
    Run(Run),
    /// Note down what people saw: the end-user phase, and the vendor's side of the unit phase
    Record(Record),
    /// Show both phases and what is missing before go-live; exit code 3 while something is
    Report(Report),
}

/// Which plan.
#[derive(Debug, Args)]
pub struct Which {
    /// The interface
    pub interface: String,
    /// The folder of the plan [default: NAME.testplan beside the interface file]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `testplan write`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Write {
    /// Which plan
    #[command(flatten)]
    pub which: Which,
    /// Set a plan that is there aside, with its results, as DIR-1, DIR-2 ...
    #[arg(long)]
    pub replace: bool,
}

/// `testplan review`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Review {
    /// Which plan
    #[command(flatten)]
    pub which: Which,
    /// Who read it
    #[arg(long, value_name = "WHO")]
    pub by: String,
    /// The day they did, for example 2026-05-20 [default: today]
    #[arg(long, value_name = "DATE")]
    pub date: Option<Date>,
}

/// `testplan run`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Run {
    /// Which plan
    #[command(flatten)]
    pub which: Which,
    /// Only these scenarios, by number
    #[arg(long, value_name = "NN,NN", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Write JSON for machines: an array, one outcome for each scenario
    #[arg(long)]
    pub json: bool,
}

/// `testplan record`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Record {
    /// Which plan
    #[command(flatten)]
    pub which: Which,
    /// The scenarios, by number; `all` are those of the plan
    #[arg(required = true, value_name = "NN")]
    pub scenarios: Vec<String>,
    /// What came of them
    #[command(flatten)]
    pub came: Came,
    /// Who says so
    #[arg(long, value_name = "WHO")]
    pub by: String,
    /// What else there is to say; name no real patient
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The day it was seen, for example 2026-05-20 [default: today]
    #[arg(long, value_name = "DATE")]
    pub date: Option<Date>,
    /// The phase
    #[arg(long, value_enum, default_value = "end-user")]
    pub phase: PhaseName,
}

/// What came of a scenario.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Came {
    /// All was as it must be
    #[arg(long)]
    pub passed: bool,
    /// Something was not; say what with --note
    #[arg(long)]
    pub failed: bool,
}

/// A phase, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PhaseName {
    /// What the vendor's engineer saw at the test server
    Unit,
    /// What users of both sides saw
    EndUser,
}

impl PhaseName {
    /// Returns the phase.
    pub const fn phase(self) -> Phase {
        match self {
            PhaseName::Unit => Phase::Unit,
            PhaseName::EndUser => Phase::EndUser,
        }
    }
}

/// `testplan report`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Report {
    /// Which plan
    #[command(flatten)]
    pub which: Which,
    /// How it is written
    #[arg(long, value_enum, default_value = "md")]
    pub format: ReportFormat,
    /// Write it here instead of to standard output; nothing is overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Markdown
    Md,
    /// One HTML file that prints well
    Html,
    /// JSON for machines
    Json,
}
