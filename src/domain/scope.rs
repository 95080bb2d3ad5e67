//! One agreed interface, already checked: there is no unchecked [`Scope`].
//!
//! Built by `config::interface::read` and by nothing else; the order is the scope
//! package's.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::backfill::BackfillRules;
use super::contact::{Alerts, Contact};
use super::endpoint::Endpoint;
use super::event::Event;
use super::filter::Filters;
use super::form::Form;
use super::retention::Retention;
use super::telling::{EventRules, Guard};
use super::wire::Wire;
use crate::codes::OwnWord;
use crate::hl7::Path;

/// An interface's name; it names folders, so it holds letters, digits and `-` only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// Returns the name if it can name a folder.
    pub fn new(name: &str) -> Option<InterfaceName> {
        let good = (1..=40).contains(&name.len())
            && !name.starts_with('-')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        good.then(|| InterfaceName(name.to_string()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which of the two worlds an interface lives in; each has folders, a ledger and
/// numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// MSH-11 `T`.
    Test,
    /// MSH-11 `P`.
    Production,
}

impl Environment {
    /// Returns MSH-11, processing ID (table 0103).
    pub const fn processing_id(self) -> &'static str {
        match self {
            Environment::Test => "T",
            Environment::Production => "P",
        }
    }

    /// Returns the word of the interface file; it names the folder too.
    pub const fn word(self) -> &'static str {
        match self {
            Environment::Test => "test",
            Environment::Production => "production",
        }
    }
}

/// What an extract holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtractKind {
    /// Reference: provider IDs, NPIs, names.
    Providers,
    /// Reference: department IDs and names.
    Departments,
    /// One row a patient.
    Patients,
    /// One row an appointment.
    Appointments,
}

impl ExtractKind {
    /// Every kind, in the order in which a drop is read.
    pub const ALL: [ExtractKind; 4] = [
        ExtractKind::Providers,
        ExtractKind::Departments,
        ExtractKind::Patients,
        ExtractKind::Appointments,
    ];

    /// Returns the word of the interface file.
    pub const fn word(self) -> &'static str {
        match self {
            ExtractKind::Providers => "providers",
            ExtractKind::Departments => "departments",
            ExtractKind::Patients => "patients",
            ExtractKind::Appointments => "appointments",
        }
    }

    /// True of the kinds that make messages; the others are looked up.
    pub const fn makes_messages(self) -> bool {
        matches!(self, ExtractKind::Patients | ExtractKind::Appointments)
    }
}

/// One agreed interface.
#[derive(Clone, Debug)]
pub struct Scope {
    /// `[project]` interface.
    pub interface: InterfaceName,
    /// `[project]` context_id: the practice's ID, digits.
    pub context_id: String,
    /// `[project]` practice: its name.
    pub practice: String,
    /// `[project]` environment.
    pub environment: Environment,
    /// `[project]` timezone: in which MSH-7 and the batch headers are written.
    pub timezone: TimeZone,
    /// `[project]` audit_timezone: of `lastmodified` and other times of athenaNet's audit
    /// (8.25); they go out as times of `timezone`.
    pub audit_timezone: TimeZone,
    /// `[enable]`: the events that are told, ascending.
    pub enabled: Vec<Event>,
    /// `[extract.*]` files: the patterns of each kind.
    pub files: BTreeMap<ExtractKind, Vec<glob::Pattern>>,
    /// `[extract.*]` and `[columns.*]`: how the extracts of each kind are written.
    pub forms: BTreeMap<ExtractKind, Form>,
    /// `[providers.*]`: rows that stand instead of the extract's, by ID.
    pub providers: BTreeMap<String, Provider>,
    /// `[departments]`: names that stand instead of the extract's, by ID.
    pub departments: BTreeMap<String, String>,
    /// `[wire]`.
    pub wire: Wire,
    /// `[connectivity.<environment>]`, then the `[[endpoint]]` rows of that environment:
    /// each of them gets every batch file.
    pub endpoints: Vec<Endpoint>,
    /// `[[external_ids.patient]]`, table 4.
    pub patient_ids: Vec<ExternalId>,
    /// `[[external_ids.appointment]]`, table 5.
    pub appointment_ids: Vec<ExternalId>,
    /// `[filter]`, table 6.
    pub filters: Filters,
    /// `[external_ids]` on_change.
    pub on_id_change: OnChange,
    /// `[patients]` deleted.
    pub deleted_patients: DeletedPatients,
    /// `[insurance]` expired.
    pub expired_policies: ExpiredPolicies,
    /// `[events]`.
    pub events: EventRules,
    /// `[fields]`: one word of each of [`CHOICES`], as `key=word`.
    pub fields: BTreeSet<String>,
    /// `[codes.TABLE]`, by table.
    pub codes: BTreeMap<String, CodeRules>,
    /// `[[mapping]]`: rows that stand instead of the standard map's.
    pub mapping: Vec<MappingRow>,
    /// `[appointments.status]`: SCH-25 instead of table 7's.
    pub status: BTreeMap<Event, String>,
    /// `[appointments]` no_show_status: SCH-25 of a cancel that was a no-show (8.3);
    /// empty where it is a cancel like any other.
    pub no_show_status: String,
    /// `[provider_id]` use, table 8.
    pub provider_ids: ProviderIds,
    /// `[provider_id]` npi_missing (8.12).
    pub npi_missing: NpiMissing,
    /// `[batch]`.
    pub batching: Batching,
    /// `[pickup]`.
    pub pickup: Pickup,
    /// `[manifest]` deliver: how the list of a day's files goes to the vendor; none: not.
    pub manifest: Option<ManifestForm>,
    /// `[guard]`.
    pub guard: Guard,
    /// `[retention]`.
    pub retention: Retention,
    /// `[backfill]`.
    pub backfill: BackfillRules,
    /// `[[contact]]`: who is told of this interface's incidents.
    pub contacts: Vec<Contact>,
    /// `[alerts]` and `[[expect]]`.
    pub alerts: Alerts,
}

impl Scope {
    /// Returns the endpoint of this name.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// Returns MSH-16, application acknowledgment type (table 0155): of errors only where
    /// somebody acknowledges at all, since a file is read long after it was sent.
    pub fn application_ack(&self) -> &'static str {
        if self.endpoints.iter().any(|endpoint| endpoint.ack.is_some()) { "ER" } else { "NE" }
    }
}

/// A provider of the interface file; texts may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provider {
    /// athenaNet's ID for HL7, where it is another one.
    pub hl7_id: String,
    /// National Provider Identifier, its check digit good.
    pub npi: String,
    /// Family name.
    pub last: String,
    /// Given name.
    pub first: String,
    /// `LAST, FIRST`, as schedules show it.
    pub scheduling: String,
}

/// One row of table 4 or 5: a custom field becomes an external ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalId {
    /// What people call it.
    pub name: String,
    /// athenaNet's custom field ID; the column is `customfield_<id>`.
    pub custom_field_id: String,
    /// Record number category; one ID each.
    pub category: String,
    /// Where it goes.
    pub target: Target,
    /// CX-4 or EI-2, assigning authority; may be empty.
    pub authority: String,
    /// CX-5, identifier type (table 0203).
    pub id_type: String,
    /// Characters that it has at least, if agreed; a shorter one lost its zeros.
    pub width: Option<usize>,
    /// Whether its zeros at the front count, so that a JSON number cannot hold it.
    pub leading_zeros: bool,
    /// Whether digits that are too few get their zeros back.
    pub zero_pad: bool,
}

/// What becomes of a record whose external ID is not the one that was sent (8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// It waits for a person.
    Hold,
    /// It is sent, and noted.
    Warn,
    /// It is sent.
    Send,
}

/// A field that takes an external ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The field, or a component of one that is not listed.
    pub field: Path,
    /// True of PID-2, PID-3, PID-4, PID-18, SCH-1, SCH-2, PV1-19, PV1-50 and PV1-5, which
    /// are there for external IDs (8.4). Any other must be one that nothing fills.
    pub listed: bool,
    /// True where the ID stands instead of what the field has without it: every listed
    /// field but a plain `PID-3`, which takes it after athenaNet's; and with a `!`.
    pub replaces: bool,
}

/// A row of `[[mapping]]`: `field = "PID-14"`, `value = "{workphone:phone WPN PH}"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingRow {
    /// The whole field, never a component.
    pub field: Path,
    /// Its templates, in the language of `config/mapping.toml`; the first that
    /// gives a value wins. None at all switches the field off.
    pub value: Vec<String>,
}

/// What becomes of a patient who is deleted, or merged into another (8.27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedPatients {
    /// The record waits for a person: no agreed message takes a patient away.
    Refuse,
    /// It is told as an update, A31.
    Update,
}

/// What becomes of a patient with an insurance whose policy has expired (`interface.md` 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiredPolicies {
    /// The record waits for billing.
    Hold,
    /// It is sent, and counted.
    Send,
}

/// What `[fields]` lets an interface choose, with the words for it, the default
/// first. `config/mapping.toml` says what each means: `[segment.with."key=word"]`.
pub const CHOICES: [(&str, &[&str]); 15] = [
    ("msh_7_offset", &["false", "true"]),
    ("message_structure", &["auto", "always", "never"]),
    ("emit_ssn", &["false", "true"]),
    ("pid_33", &["false", "true"]),
    ("language_form", &["t", "b"]),
    ("ethnicity_style", &["cdc", "hl7"]),
    ("pd1_4", &["pcp", "primary", "off"]),
    ("pv1_times", &["false", "true"]),
    ("guarantor_employer", &["false", "true"]),
    ("guarantor_contact", &["false", "true"]),
    ("insured_employer", &["false", "true"]),
    ("in1_49", &["false", "true"]),
    ("relationship", &["athena", "hl7"]),
    ("personnel", &["aig", "aip", "both"]),
    ("resched_link", &["none", "nte"]),
];

/// What an interface changes in a code table (`interface.md` 6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeRules {
    /// Its own words.
    pub words: Vec<OwnWord>,
    /// What becomes of a value that the table does not have; none: as usual.
    pub unmapped: Option<UnmappedRule>,
    /// The coding system that is written instead of the table's.
    pub system: Option<String>,
    /// What is written, as it goes out, where the patient declined to say.
    pub declined: Option<String>,
}

/// What becomes of a value that a code table does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnmappedRule {
    /// The record waits for whoever owns the value.
    Error,
    /// The record waits for whoever runs this program, who can map it.
    Hold,
    /// The value goes out as it stands.
    Pass,
    /// This code goes out, with the value as its text.
    Default(String),
}

/// Which ID stands for a provider (table 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderIds {
    /// National Provider Identifier.
    Npi,
    /// athenaNet's provider ID.
    Athena,
}

/// What stands for a provider without the NPI that was agreed (8.12). One who is no
/// person has none, and always goes out under athenaNet's ID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NpiMissing {
    /// Nothing: the record waits for it (P002).
    #[default]
    Error,
    /// athenaNet's ID.
    AthenaId,
    /// The name alone.
    Empty,
}

/// How batch files are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batching {
    /// File name template: `{context_id}`, `{interface}`, `{environment}`, `{date}`,
    /// `{time}`, and `{file_number}`, which it must hold.
    pub file_name: String,
    /// Whether a drop without messages makes a batch file all the same.
    pub send_empty: bool,
    /// What stands around the messages.
    pub wrappers: Wrappers,
    /// Where another file begins.
    pub file_per: FilePer,
}

/// What one batch file of a drop holds (`interface.md` 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePer {
    /// All of it: a batch of ADT, then one of SIU.
    Run,
    /// The messages of one type, ADT before SIU.
    Type,
}

/// How the list of a day's files is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestForm {
    /// CSV with a header.
    Csv,
    /// JSON.
    Json,
}

impl ManifestForm {
    /// Returns the word of the interface file, which ends the file's name.
    pub const fn word(self) -> &'static str {
        match self {
            ManifestForm::Csv => "csv",
            ManifestForm::Json => "json",
        }
    }
}

/// What stands around the messages of a file (`interface.md` 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrappers {
    /// FHS, BHS, BTS and FTS.
    File,
    /// BHS and BTS.
    Batch,
    /// Nothing.
    None,
}

/// When a dropped file is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pickup {
    /// Milliseconds between the two looks that must agree; 0 takes at once.
    pub settle_ms: u64,
    /// Seconds that an empty file is left to be filled.
    pub empty_wait_s: u64,
    /// What the name of a file's marker has behind the file's own; empty where exporters
    /// write none, and two looks decide.
    pub done_marker: String,
    /// Mebibytes that must be free for anything to be taken.
    pub disk_floor_mib: u64,
    /// Bytes of the largest extract, decompressed too.
    pub file_bytes_max: u64,
    /// An extract goes to `error/` once the process died so often while it was read.
    pub poison_after: u64,
}

/// Names that exporters and copying programs use while they write.
const UNFINISHED: &[&str] = &[".part", ".tmp", ".filepart", ".partial", ".swp", "~"];

/// True of the name of a file that is being written: it will get another one.
pub fn is_unfinished(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    UNFINISHED.iter().any(|end| name.ends_with(end))
}
