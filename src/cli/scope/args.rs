//! What can be typed behind `scope`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;

use crate::cli::exit;

/// `scope`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct ScopeArgs {
    /// What to do with it
    #[command(subcommand)]
    pub verb: ScopeVerb,
}

/// What can be done with a scope.
#[derive(Debug, Subcommand)]
pub enum ScopeVerb {
    /// Make a commented interface file of the filled Word scope package, and list what it
    /// leaves open
    Import(Import),
    /// Write the whole scope as a document: every setting, field, filter and endpoint
    Show(Show),
    /// Say in words what is different between two interface files
    Diff(Diff),
    /// Note down who approved the scope as it is; production sends nothing without
    Approve(Approve),
    /// List who approved which scope, oldest first
    Approvals(Approvals),
}

/// `scope show`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Show {
    /// The interface's name, or its file
    pub interface: String,
    /// How it is written
    #[arg(long, value_enum, default_value = "md")]
    pub format: PaperFormat,
    /// Write it here instead of to standard output; nothing is overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What a document is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PaperFormat {
    /// Markdown
    Md,
    /// One HTML file that prints well
    Html,
    /// Word
    Docx,
}

/// `scope diff`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Diff {
    /// The older: an interface's name, or a file
    pub old: String,
    /// The newer
    pub new: String,
    /// Write JSON for machines: an array of sentences
    #[arg(long)]
    pub json: bool,
}

/// `scope approve`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Approve {
    /// The interface's name, or its file
    pub interface: String,
    /// Who approved; kept with the whole scope
    #[arg(long, value_name = "WHO")]
    pub name: String,
    /// The day they did, for example 2026-05-20 [default: today]
    #[arg(long, value_name = "DATE")]
    pub date: Option<Date>,
}

/// `scope approvals`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Approvals {
    /// The interface's name, or its file
    pub interface: String,
    /// Write JSON for machines: an array, each with the whole scope that was approved
    #[arg(long)]
    pub json: bool,
}

/// `scope import`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Import {
    /// The filled package, as .docx
    #[arg(value_name = "FILE.docx")]
    pub file: PathBuf,
    /// The interface's name: letters, digits and `-` [default: made of the document's words]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Write the interface file here instead of to standard output; nothing is overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The questions as JSON on standard error
    #[arg(long)]
    pub json: bool,
}
