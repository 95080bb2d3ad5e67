//! The vocabulary: what a practice, a vendor and this program talk about.
//!
//! | word | is |
//! |---|---|
//! | *interface* | one agreed exchange between a practice and a vendor: a [`Scope`] |
//! | *extract* | one dropped file; a *drop* is all extracts taken in one pass |
//! | *record* | one row of an extract; its [`Position`] says where it stands |
//! | *event* | what happened in the practice ([`Event`]); told as a *message* |
//! | *batch file* | FHS .. FTS with an ADT and a SIU batch; it goes out whole |
//! | *register* | what was told of each patient and appointment ([`Known`]) |
//! | *fault* | why a record did not become a message ([`Fault`]) |
//! | *mapping* | a value that is meant by another one ([`Translations`]) |
//! | *incident* | something that a [`Contact`] is told of, by its [`Cause`] |
//! | *queue* | where each message stands ([`QueueState`]) |
//!
//! Nothing here reads or writes anything.

mod ack;
mod answers;
mod approval;
mod backfill;
mod code;
mod contact;
mod counts;
mod drop;
mod endpoint;
mod event;
mod fault;
mod filter;
mod form;
mod incident;
mod known;
mod layout;
mod permission;
mod queue;
mod record;
mod retention;
mod scope;
mod telling;
mod translation;
mod wire;

pub use ack::{AckCode, Answer};
pub use answers::{Answers, FilledKey, FilledRow, Question, Spot, Value};
pub use approval::Approval;
pub use backfill::{BackfillRules, BackfillStage};
pub use code::{Code, Owner};
pub use contact::{
    Alerts, Contact, Expect, Mail, Proof, Quiet, Security, Way, Webhook, time_of_day,
};
pub use counts::{Counts, Note, Notes};
pub use drop::{drop_of_rebuilt, drop_of_word, drop_word, rebuilt_batch};
pub use endpoint::{
    Ack, Encryption, Endpoint, Login, Method, OnDoubt, Protocol, Sftp, Upload, Verify,
};
pub use event::{Event, Kind, Telling};
pub use fault::{Again, Fault, Position};
pub use filter::{Filter, FilterBy, Filters, OnLeave, PatientDepartment};
pub use form::{Encoding, Form};
pub use incident::{Cause, Severity, Trouble};
pub use known::{Claim, Fingerprint, Known, RecordKey, Status, Whose};
pub use layout::{Cell, Id, Layout, Name, OF_PATIENT};
pub use permission::Permission;
pub use queue::{QueueState, Step};
pub use record::{Filled, Record, Span, Spans, Values};
pub use retention::Retention;
pub use scope::{
    Batching, CHOICES, CodeRules, DeletedPatients, Environment, ExpiredPolicies, ExternalId,
    ExtractKind, FilePer, InterfaceName, ManifestForm, MappingRow, NpiMissing, OnChange, Pickup,
    Provider, ProviderIds, Scope, Target, UnmappedRule, Wrappers, is_unfinished,
};
pub use telling::{EventRules, Guard, MissingRows, WalkIn};
pub use translation::{Mapped, Translation, Translations, wrong_value};
pub use wire::{Charset, Controls, LengthPolicy, LineEnding, Wire};

pub use crate::secret::Secret;
