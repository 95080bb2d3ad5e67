//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jiff::civil::{Date, DateTime};

use super::backfill::args::BackfillArgs;
use super::backup::{Backup, Restore};
use super::exit;
use super::held::Held;
use super::manual::{Completions, Manual};
use super::prune::Prune;
use super::queue::args::Queue;
use super::replay::ReplayArgs;
use super::scope::args::ScopeArgs;
use super::sign::Patience;
use super::support::Support;
use super::testplan::args::Testplan;

/// Drop an extract, get a delivered, verified HL7 v2 batch file.
///
/// Extracts of patients and appointments (CSV, plain or gzip) that are dropped into
/// an interface's inbox become one HL7 batch file, which is delivered to the vendor.
/// Start with `hl7drop init NAME`, then `hl7drop check`, then `hl7drop run`.
#[derive(Debug, Parser)]
#[command(name = "hl7drop", version, after_help = exit::help(), disable_help_subcommand = true)]
pub struct Cli {
    /// The program's file [default: $HL7DROP_CONFIG, ./hl7drop.toml, /etc/hl7drop/hl7drop.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Take in what was dropped, convert it, deliver it; until nothing is left
    Run(Run),
    /// Do what `run` does whenever something was dropped or is due, until stopped
    Watch(Watch),
    /// One pass for `watch`
    #[command(hide = true)]
    Pass,
    /// Convert extracts to one batch file on standard output; no ledger, no folders
    Convert(Convert),
    /// Look at settings, folders, ledger and the vendor's end, and say what to do
    Check(Check),
    /// Show where everything stands
    Status(Status),
    /// Show a drop that is held since it looks wrong as a whole; release or discard it
    Held(Held),
    /// Tell all patients and all appointments to come, once, beside the day's traffic
    Backfill(BackfillArgs),
    /// The message queue: list what waits for a person, and work on it
    Queue(Queue),
    /// List the batch files that are not delivered; or decide about one of them
    Delivery(Delivery),
    /// List the files that were delivered on a day, for who compares them with what arrived
    Manifest(Manifest),
    /// List what receivers did not acknowledge, or refused; or decide about it
    Acks(Acks),
    /// Pin the host key of a vendor's server
    Endpoint(Endpoint),
    /// List who is told when something is wrong; or send them a test
    Contact(Contact),
    /// Hold batch files, from anybody, to HL7; say what is wrong, and where
    Validate(Validate),
    /// Read the filled scope package, write the scope as a document, compare two, approve
    Scope(ScopeArgs),
    /// Write an interface's test plan, run its unit phase, take the end-user results, report
    Testplan(Testplan),
    /// Say what archived extracts would be under other settings, field by field
    Replay(ReplayArgs),
    /// Say what a code of the queue or a rule of validate means, and what to do
    Explain(Explain),
    /// Let go now what is done and kept long enough; or say what goes when
    Prune(Prune),
    /// Write a commented interface file and make its folders
    Init(Init),
    /// Make the daemon a service of systemd for the user who calls this
    Install(Install),
    /// Copy all that the program knows into a folder, while it works
    Backup(Backup),
    /// Put a backup back, so that nothing is sent twice for it
    Restore(Restore),
    /// Pack what somebody who helps from afar needs, and nothing about patients
    Support(Support),
    /// Write what completes verbs and options in a shell
    Completions(Completions),
    /// Write the manual pages
    #[command(hide = true)]
    Man(Manual),
    /// Serve the page of the message queue, until stopped
    Serve(Serve),
    /// Manage who may use the page, and what they may do there
    User(User),
}

/// Interfaces by name.
#[derive(Debug, Args)]
pub struct Named {
    /// Interfaces; none: all of them
    #[arg(value_name = "INTERFACE")]
    pub interfaces: Vec<String>,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// `run`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Run {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
    /// Try deliveries again that stopped for a person: the cause is mended
    #[arg(long)]
    pub retry: bool,
    /// Take in extracts with events again that were taken in before: tell the events again
    #[arg(long)]
    pub again: bool,
}

/// `watch`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Watch {
    /// Interfaces; none: all of them
    #[arg(value_name = "INTERFACE")]
    pub interfaces: Vec<String>,
}

/// `convert`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Convert {
    /// The interface file with the agreed settings
    #[arg(long, value_name = "FILE")]
    pub interface: PathBuf,
    /// Civil time of the run, for example 2026-05-20T11:00:00 [default: now]
    #[arg(long, value_name = "TIME")]
    pub clock: Option<DateTime>,
    /// The number in the first MSH-10
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub first_control_id: u64,
    /// The file number, in FHS-9 and FHS-11
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub file_number: u64,
    /// Bad rows as JSON lines on standard error
    #[arg(long)]
    pub json: bool,
    /// Show instead which rule made which field of this record of the last extract;
    /// shows patient data
    #[arg(long, value_name = "RECORD")]
    pub explain: Option<u64>,
    /// Threads that convert; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub workers: usize,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Extracts; what each holds is told by the patterns of the interface file
    #[arg(required = true, value_name = "EXTRACT")]
    pub extracts: Vec<PathBuf>,
}

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Check {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
    /// Do not go to the vendor's end
    #[arg(long)]
    pub offline: bool,
    /// Find out what the vendor's server lets us do, and write a paragraph for its
    /// administrator
    #[arg(long, conflicts_with = "offline")]
    pub partner: bool,
}

/// `status`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Status {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
}

/// `delivery`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Delivery {
    /// The batch file, by name; none: list all that are not delivered
    #[arg(value_name = "BATCH")]
    pub batch: Option<String>,
    /// The interface; needed where more than one has a file of that name
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// The endpoint; needed where more than one waits for the file
    #[arg(long, value_name = "NAME", requires = "batch")]
    pub endpoint: Option<String>,
    /// What was decided
    #[command(flatten)]
    pub decided: Decided,
    /// Why; kept in the ledger with your name and the time, so name no patient
    #[arg(long, value_name = "TEXT", requires = "batch")]
    pub why: Option<String>,
    /// How long a decision waits
    #[command(flatten)]
    pub patience: Patience,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// What can be decided about a batch file.
#[derive(Debug, Args)]
#[group(id = "decided", multiple = false)]
pub struct Decided {
    /// The vendor has it: it counts as delivered, and nothing is sent; needs --why
    #[arg(long, requires = "batch")]
    pub delivered: bool,
    /// The vendor does not have it: the next run sends the same bytes again; needs --why
    #[arg(long, requires = "batch")]
    pub resend: bool,
    /// The cause is mended: the next run looks at the server and goes on from there
    #[arg(long, requires = "batch")]
    pub retry: bool,
}

/// `manifest`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Manifest {
    /// Interfaces and output; without --json it is CSV
    #[command(flatten)]
    pub named: Named,
    /// The day at the practice, for example 2026-05-20 [default: today so far]
    #[arg(long, value_name = "DATE")]
    pub day: Option<Date>,
}

/// `acks`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Acks {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
    /// How many refused messages to show at most, newest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Show what the receiver wrote, too (MSA-3, ERR-8): it may hold patient data
    #[arg(long)]
    pub texts: bool,
    /// Close these refused messages, by the numbers that the list shows: they count as
    /// DELETED; needs --why
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "why")]
    pub close: Vec<u64>,
    /// Nothing more is answered about this batch file: what was not refused counts as
    /// accepted; needs --why
    #[arg(long, value_name = "BATCH", requires = "why", conflicts_with = "close")]
    pub acknowledged: Option<String>,
    /// The endpoint; needed where more than one is to answer about the file
    #[arg(long, value_name = "NAME", requires = "acknowledged")]
    pub endpoint: Option<String>,
    /// Why; kept in the ledger with your name and the time, so name no patient
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// How long a decision waits
    #[command(flatten)]
    pub patience: Patience,
}

/// `contact`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Contact {
    /// What to do with them
    #[command(subcommand)]
    pub verb: ContactVerb,
}

/// What can be done with contacts.
#[derive(Debug, Subcommand)]
pub enum ContactVerb {
    /// List the contacts of interfaces: how, from which severity on, when
    Ls(ContactLs),
    /// Send an alert that says it is a test to each contact of an interface
    Test(ContactTest),
}

/// `contact ls`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct ContactLs {
    /// Interfaces and output
    #[command(flatten)]
    pub named: Named,
}

/// `contact test`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct ContactTest {
    /// The interface
    #[arg(value_name = "INTERFACE")]
    pub interface: String,
    /// Only this contact, by its name as `contact ls` shows it
    #[arg(long, value_name = "NAME")]
    pub contact: Option<String>,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// `endpoint`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Endpoint {
    /// What to do with it
    #[command(subcommand)]
    pub verb: EndpointVerb,
}

/// What can be done with an endpoint.
#[derive(Debug, Subcommand)]
pub enum EndpointVerb {
    /// Show the keys of the server; pin the one whose fingerprint the vendor told you
    Trust(Trust),
}

/// `endpoint trust`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Trust {
    /// The interface
    pub interface: String,
    /// The endpoint, where the interface has more than one
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<String>,
    /// The fingerprint that the vendor told you, SHA256:...; the key is pinned if the
    /// server shows it
    #[arg(long, value_name = "SHA256:...")]
    pub fingerprint: Option<String>,
}

/// `validate`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Validate {
    /// Files of HL7 messages, with or without FHS and BHS; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Hold them to what this interface file agreed on, too
    #[arg(long, value_name = "FILE")]
    pub interface: Option<PathBuf>,
    /// How many findings to show for each file, the first; all are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Explain {
    /// A code such as R001 or a rule such as H201; none: all of them
    pub code: Option<String>,
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// `init`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Init {
    /// The interface's name: letters, digits and `-`
    pub name: String,
    /// Where hl7drop.toml is, or is to be [default: this folder]
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// `serve`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Serve {}

/// `user`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct User {
    /// What to do
    #[command(subcommand)]
    pub verb: UserVerb,
}

/// What can be done with users. Permissions: view, map-insurance, map-messages, upload, admin.
#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Make a user; there is none from the start
    Add(AddUser),
    /// Give a user a new password; ends all of their sessions
    Passwd(Passwd),
    /// Give permissions: view, map-insurance, map-messages, upload, admin
    Grant(ChangeUser),
    /// Take permissions away
    Revoke(ChangeUser),
    /// End all sessions of a user
    SignOut(NamedUser),
    /// Remove a user; what they did stays in the trail
    Remove(NamedUser),
    /// List all users with what they may do
    List(ListUsers),
}

/// Where a password comes from; never from the command line.
#[derive(Debug, Args)]
pub struct NewPassword {
    /// The file whose first line is the password; - is standard input [default: ask]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// `user add`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct AddUser {
    /// The name: letters, digits, `.`, `_`, `-`, `@`
    pub name: String,
    /// What the user may do: view, map-insurance, map-messages, upload, admin
    #[arg(long, value_name = "PERMISSION,..", value_delimiter = ',')]
    pub grant: Vec<String>,
    /// The password
    #[command(flatten)]
    pub password: NewPassword,
}

/// `user passwd`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Passwd {
    /// The user
    pub name: String,
    /// The password
    #[command(flatten)]
    pub password: NewPassword,
}

/// `user grant` and `user revoke`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct ChangeUser {
    /// The user
    pub name: String,
    /// view, map-insurance, map-messages, upload, admin
    #[arg(required = true, value_name = "PERMISSION", value_delimiter = ',')]
    pub permissions: Vec<String>,
}

/// A user by name.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct NamedUser {
    /// The user
    pub name: String,
}

/// `user list`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct ListUsers {
    /// Write JSON for machines
    #[arg(long)]
    pub json: bool,
}

/// `install`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub struct Install {
    /// For the user who calls this; for the machine see docs/service.md
    #[arg(long)]
    pub user: bool,
    /// Say what would be written and run, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}
