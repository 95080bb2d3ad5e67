//! The interface file as it is written: its keys and their types, nothing checked.
//!
//! Every key is optional here: a missing one is told by the check that needs it,
//! together with all the others. To add a key: a line here, its default in
//! `config/defaults.toml`, its check, and a line in `config/interface.toml`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use toml::Spanned;

/// A text and where it stands.
pub(super) type Text = Option<Spanned<String>>;
/// Keys that an interface chooses itself.
pub(super) type Words = BTreeMap<Spanned<String>, Spanned<String>>;
/// A whole number and where it stands.
pub(super) type Number = Option<Spanned<i64>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub project: Option<Spanned<Project>>,
    pub enable: Option<Spanned<BTreeMap<Spanned<String>, bool>>>,
    pub extract: Option<Extracts>,
    pub columns: Option<Columns>,
    #[serde(default)]
    pub providers: BTreeMap<Spanned<String>, Provider>,
    #[serde(default)]
    pub departments: Names,
    pub wire: Option<Spanned<Wire>>,
    pub connectivity: Option<Connectivity>,
    pub endpoint: Option<Vec<Spanned<Endpoint>>>,
    pub external_ids: Option<ExternalIds>,
    pub filter: Option<Filters>,
    pub patients: Option<Spanned<Patients>>,
    pub insurance: Option<Spanned<Insurance>>,
    pub events: Option<Spanned<Events>>,
    pub fields: Option<Spanned<BTreeMap<Spanned<String>, Spanned<Word>>>>,
    #[serde(default)]
    pub codes: BTreeMap<Spanned<String>, Spanned<Words>>,
    pub mapping: Option<Vec<Spanned<MappingRow>>>,
    pub appointments: Option<Appointments>,
    pub provider_id: Option<Spanned<ProviderId>>,
    pub batch: Option<Spanned<Batch>>,
    pub manifest: Option<Spanned<Manifest>>,
    pub guard: Option<Spanned<Guard>>,
    pub retention: Option<Spanned<Retention>>,
    pub backfill: Option<Spanned<Backfill>>,
    pub pickup: Option<Spanned<Pickup>>,
    pub contact: Option<Vec<Spanned<Contact>>>,
    pub alerts: Option<Spanned<Alerts>>,
    pub expect: Option<Vec<Spanned<Expect>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Project {
    pub interface: Text,
    pub context_id: Text,
    pub practice: Text,
    pub event_number: Text,
    pub vendor: Text,
    pub vendor_type: Text,
    pub environment: Text,
    pub timezone: Text,
    pub audit_timezone: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extracts {
    pub providers: Option<Spanned<Extract>>,
    pub departments: Option<Spanned<Extract>>,
    pub patients: Option<Spanned<Extract>>,
    pub appointments: Option<Spanned<Extract>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extract {
    pub files: Option<Spanned<Vec<Spanned<String>>>>,
    pub delimiter: Text,
    pub encoding: Text,
    /// Of appointments only.
    pub snapshot: Option<Spanned<bool>>,
}

/// Header names of a site and the columns they mean, or IDs and their names.
type Names = BTreeMap<Spanned<String>, Spanned<String>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    pub hl7providerid: Text,
    pub npi: Text,
    pub lastname: Text,
    pub firstname: Text,
    pub schedulingname: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Columns {
    #[serde(default)]
    pub providers: Names,
    #[serde(default)]
    pub departments: Names,
    #[serde(default)]
    pub patients: Names,
    #[serde(default)]
    pub appointments: Names,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    pub hl7_version: Text,
    pub sending_application: Text,
    pub receiving_application: Text,
    pub receiving_facility: Text,
    pub default_operator: Text,
    pub charset: Text,
    pub control_characters: Text,
    pub line_ending: Text,
    pub length_policy: Text,
    pub send_deletes: Option<Spanned<bool>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connectivity {
    pub test: Option<Spanned<Endpoint>>,
    pub production: Option<Spanned<Endpoint>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    /// Of an `[[endpoint]]` only, as is the next.
    pub name: Text,
    pub environment: Text,
    pub method: Text,
    pub host: Text,
    pub port: Number,
    pub user: Text,
    pub key_file: Text,
    pub passphrase_file: Text,
    pub passphrase_env: Text,
    pub password_file: Text,
    pub password_env: Text,
    pub known_hosts: Text,
    pub folder: Text,
    pub upload: Text,
    pub temp_name: Text,
    pub verify: Text,
    pub pickup: Text,
    pub infer_window_seconds: Number,
    pub on_inferred: Text,
    pub on_uncertain: Text,
    pub connections: Number,
    pub windows: Texts,
    pub encrypt_to: Texts,
    pub encrypt_home: Text,
    pub encrypt_name: Text,
    pub ack: Text,
    pub ack_folder: Text,
    pub ack_files: Text,
    pub ack_after: Text,
    pub ack_renamed: Text,
    pub ack_within_minutes: Number,
    pub ack_poll_seconds: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExternalIds {
    /// For rows that name none.
    pub authority: Text,
    /// For rows that name none.
    #[serde(rename = "type")]
    pub id_type: Text,
    pub on_change: Text,
    #[serde(default)]
    pub patient: Vec<Spanned<ExternalId>>,
    #[serde(default)]
    pub appointment: Vec<Spanned<ExternalId>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExternalId {
    pub name: Text,
    pub custom_field_id: Text,
    pub category: Text,
    pub field: Text,
    pub authority: Text,
    #[serde(rename = "type")]
    pub id_type: Text,
    pub width: Number,
    pub leading_zeros: Option<Spanned<bool>>,
    pub zero_pad: Option<Spanned<bool>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filters {
    pub patient_department: Text,
    pub on_leave_scope: Text,
    pub patients_of_appointments: Text,
    #[serde(default)]
    pub patients: Vec<Spanned<Filter>>,
    #[serde(default)]
    pub appointments: Vec<Spanned<Filter>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    pub by: Text,
    pub names: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patients {
    pub deleted: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Insurance {
    pub expired: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    pub walk_in: Text,
    pub cancelled_unannounced: Text,
    pub missing_rows: Text,
    pub on_contradiction: Text,
    pub older_rows: Text,
    pub freed_slots: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub deliver: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    pub faults_percent_max: Number,
    pub changes_percent_max: Number,
    pub rows_min: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retention {
    pub queue_days: Number,
    pub sent_days: Number,
    pub archive_days: Number,
    pub responses_days: Number,
    pub error_days: Number,
    pub audit_days: Number,
    pub quota_mib: Number,
    pub full_days: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backfill {
    pub patients: Text,
    pub messages_per_minute: Number,
    pub messages_per_file: Number,
    pub windows: Texts,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingRow {
    pub field: Text,
    pub value: Option<Spanned<Templates>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Appointments {
    pub no_show_status: Text,
    #[serde(default)]
    pub status: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderId {
    #[serde(rename = "use")]
    pub kind: Text,
    pub npi_missing: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub file_name: Text,
    pub send_empty: Option<Spanned<bool>>,
    pub wrappers: Text,
    pub file_per: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pickup {
    pub settle_seconds: Option<Spanned<f64>>,
    pub empty_wait_seconds: Number,
    pub done_marker: Text,
    pub disk_floor_mib: Number,
    pub file_mib_max: Number,
    pub poison_after: Number,
}

/// Of the program's file too.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contact {
    pub name: Text,
    pub method: Text,
    pub severity: Text,
    pub causes: Texts,
    pub quiet: Text,
    pub after_minutes: Number,
    pub timeout_seconds: Number,
    /// From here on of mail.
    pub host: Text,
    pub port: Number,
    pub security: Text,
    pub user: Text,
    pub password_file: Text,
    pub password_env: Text,
    pub sender: Text,
    pub to: Texts,
    /// Of mail and webhook.
    pub ca_file: Text,
    /// From here on of webhook.
    pub url: Text,
    pub bearer_file: Text,
    pub bearer_env: Text,
    pub hmac_file: Text,
    pub hmac_env: Text,
    /// Of command.
    pub command: Texts,
}

/// Texts in a row.
pub(super) type Texts = Option<Spanned<Vec<Spanned<String>>>>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alerts {
    pub rows_waiting_percent: Number,
    pub silent_hours: Number,
    pub volume_percent: Number,
    pub calm_minutes: Number,
    pub repeat_hours: Number,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub extract: Text,
    pub by: Text,
    pub days: Texts,
}

/// A text, or a yes or no as `true` or `false`.
pub(super) struct Word(pub String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
        from.deserialize_any(WordVisitor)
    }
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = Word;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("true, false or a text in quotes")
    }

    fn visit_str<E>(self, text: &str) -> Result<Word, E> {
        Ok(Word(text.to_string()))
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Word, E> {
        Ok(Word(yes.to_string()))
    }
}

/// One template or a list of them. Read by hand: serde's `untagged` would lose
/// the reason when neither fits.
pub(super) struct Templates(pub Vec<String>);

impl<'de> Deserialize<'de> for Templates {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Templates, D::Error> {
        from.deserialize_any(TemplatesVisitor)
    }
}

struct TemplatesVisitor;

impl<'de> Visitor<'de> for TemplatesVisitor {
    type Value = Templates;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text in quotes or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<Templates, E> {
        Ok(Templates(vec![text.to_string()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Templates, A::Error> {
        let mut templates = Vec::new();
        while let Some(template) = list.next_element()? {
            templates.push(template);
        }
        Ok(Templates(templates))
    }
}
