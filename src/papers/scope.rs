//! The scope as a document, in the order of the package: what people read before they sign.

use std::collections::BTreeMap;

use super::agreed::{Agreed, why_not};
use super::examples::{clock, examples};
use super::fields::{FieldLine, lines};
use crate::batch::Envelope;
use crate::codes::standard;
use crate::config::settings::{Setting, meaning, settings};
use crate::convert::Map;
use crate::domain::{
    Approval, Encryption, Endpoint, Event, ExternalId, Filter, Kind, Method, NpiMissing,
    ProviderIds, QueueState, Scope, Sftp, UnmappedRule,
};
use crate::hl7::field_name;
use crate::package::Paper;

/// What a scope document is made of.
pub struct Sources<'a> {
    /// The text of the interface file.
    pub text: &'a str,
    /// The same, checked.
    pub scope: &'a Scope,
    /// Each name of a filter with what it stands for, as far as that is known.
    pub resolved: &'a BTreeMap<String, String>,
    /// The approvals there are.
    pub approvals: &'a [Approval],
}

/// Writes the document.
///
/// # Errors
/// A map that cannot be put together, as text.
pub fn document(sources: &Sources<'_>) -> Result<Paper, String> {
    let scope = sources.scope;
    let map = Map::agreed(scope).map_err(|err| err.to_string())?;
    let settings = settings(sources.text).map_err(|_| "the interface file is no TOML")?;
    let agreed = Agreed::of(sources.text, scope, &map)?;
    let title = format!("Scope of the interface {}", scope.interface.as_str());
    let mut paper = Paper { title, ..Paper::default() };
    project(&mut paper, sources, &settings, &agreed);
    enablement(&mut paper, scope);
    connectivity(&mut paper, scope);
    external_ids(&mut paper, scope);
    filters(&mut paper, sources);
    status(&mut paper, scope);
    provider_ids(&mut paper, scope);
    fields(&mut paper, scope, &map)?;
    codes(&mut paper, scope);
    every_setting(&mut paper, &settings);
    queue(&mut paper);
    approval(&mut paper, sources.approvals, &agreed);
    Ok(paper)
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_string).to_vec()
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn project(paper: &mut Paper, sources: &Sources<'_>, settings: &[Setting], agreed: &Agreed) {
    let scope = sources.scope;
    let said = |key: &str| {
        let found = settings.iter().find(|one| one.path() == format!("project.{key}"));
        found.map(Setting::text).unwrap_or_default()
    };
    paper.chapter("1. Project information");
    let rows = [
        ("Interface", said("interface")),
        ("Context ID", said("context_id")),
        ("Practice", said("practice")),
        ("Event number", said("event_number")),
        ("Vendor", said("vendor")),
        ("Vendor type", said("vendor_type")),
        ("Time zone of message headers", said("timezone")),
        ("Time zone of audit times in the extracts", said("audit_timezone")),
        ("HL7 version", scope.wire.hl7_version.clone()),
        ("Made by", format!("hl7drop {}", env!("CARGO_PKG_VERSION"))),
        ("Digest of this scope", agreed.digest().to_string()),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    let rows = rows.map(|(what, value)| vec![what.to_string(), value]).collect();
    paper.table("Table 1: Project information", &["What", "Value"], rows, "");
    paper.text(
        "The digest is of every line of this scope that the vendor was promised. The same digest \
         is the same agreement.",
    );
}

fn enablement(paper: &mut Paper, scope: &Scope) {
    paper.chapter("2. Interface enablement");
    let row = |event: Event| {
        let telling = event.telling();
        let words = telling.key.replace('_', " ");
        let message = format!("{}^{}", telling.message, telling.trigger);
        vec![words, message, yes(scope.enabled.contains(&event)).to_string()]
    };
    let rows = Event::ALL.map(row).to_vec();
    paper.table("Table 3: Interface enablement", &["Event", "Message", "Sent"], rows, "");
    paper.text(
        "An appointment that is moved is told as a cancellation (S15) of the old one and, right \
         after it, a new one (S12); S13 is never sent.",
    );
    let patients = scope.backfill.patients.telling();
    paper.text(format!(
        "A backfill tells all patients of a full extract as {}^{}, then all appointments that \
         are booked and still to come as SIU^S12; its files say backfill=Y in FHS-10 and BHS-10.",
        patients.message, patients.trigger
    ));
}

fn connectivity(paper: &mut Paper, scope: &Scope) {
    paper.chapter("3. Connectivity");
    let row = |endpoint: &Endpoint| {
        let protocol = &endpoint.protocol;
        let (server, folder, login) = match &endpoint.method {
            Method::Folder(_) => {
                ("this machine".to_string(), "a folder".to_string(), String::new())
            }
            Method::Sftp(Sftp { host, port, user, login, folder, .. }) => {
                let key = login.key_file.as_ref().map(|_| "key");
                let password = login.password.as_ref().map(|_| "password");
                let with: Vec<&str> = key.into_iter().chain(password).collect();
                let login = format!("user {user}, {}", with.join(" and "));
                (format!("sftp://{host}:{port}"), folder.clone(), login)
            }
        };
        let mut way = format!("temporary name {}", protocol.temp_name);
        if let Some(Encryption { recipients, name, .. }) = &endpoint.encryption {
            let keys = recipients.join(", ");
            way += &format!("; encrypted (OpenPGP) for {keys}, as {name}");
        }
        vec![endpoint.name.clone(), server, folder, login, way]
    };
    let rows = scope.endpoints.iter().map(row).collect();
    let caption = format!("Endpoints of the environment {}", scope.environment.word());
    paper.table(&caption, &["Endpoint", "Server", "Folder", "Login", "On its way"], rows, "None.");
    paper.text(format!(
        "Batch files are named {}. A file is written under a temporary name and renamed when it \
         is whole, unless upload = \"direct\" was agreed. Keys and passwords stand in no document.",
        scope.batching.file_name
    ));
}

fn external_ids(paper: &mut Paper, scope: &Scope) {
    paper.chapter("4. External identity management");
    let row = |id: &ExternalId| {
        let place =
            if id.target.replaces { "instead of athenaNet's" } else { "beside athenaNet's" };
        let zeros = match (id.width, id.leading_zeros) {
            (Some(width), _) => format!("at least {width} characters, zeros count"),
            (None, true) => "zeros count".to_string(),
            (None, false) => "as it is".to_string(),
        };
        let column = format!("customfield_{}", id.custom_field_id);
        let field = format!("{}, {place}", id.target.field);
        let authority = format!("{} {}", id.authority, id.id_type);
        vec![id.name.clone(), column, id.category.clone(), field, authority, zeros]
    };
    let head = ["Name", "Column", "Category", "HL7 field", "Authority, type", "Form"];
    for (caption, ids) in [
        ("Table 4: External IDs of patients", &scope.patient_ids),
        ("Table 5: External IDs of appointments", &scope.appointment_ids),
    ] {
        let rows = ids.iter().map(row).collect();
        paper.table(caption, &head, rows, &format!("{caption}: none."));
    }
    paper.text("An external ID is unique in its category, and does not change.");
}

fn filters(paper: &mut Paper, sources: &Sources<'_>) {
    paper.chapter("5. Filtering of outbound messages");
    let mut rows = Vec::new();
    let filters = &sources.scope.filters;
    for (of, filter) in [("patients", &filters.patients), ("appointments", &filters.appointments)] {
        rows.extend(filter_rows(of, filter, sources.resolved));
    }
    let head = ["Messages of", "By", "Name in the file", "Stands for"];
    let none = "Table 6: no filter; all patients and appointments are told of.";
    paper.table("Table 6: Filters", &head, rows, none);
}

fn filter_rows(of: &str, filter: &Filter, resolved: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let row = |by: &str, name: &String| {
        let known = resolved.get(&format!("{by} {name}"));
        let known = known.map_or("looked up in the reference tables", String::as_str);
        cells([of, by, name, known])
    };
    let rows = filter.iter().flat_map(|(by, names)| names.iter().map(|name| row(by.word(), name)));
    rows.collect()
}

fn status(paper: &mut Paper, scope: &Scope) {
    paper.chapter("6. Appointment status, SCH-25");
    let events = Event::ALL.into_iter().filter(|event| event.kind() == Kind::Appointment);
    let row = |event: Event| {
        let telling = event.telling();
        let own = scope.status.get(&event).map_or(telling.status, String::as_str);
        cells([&telling.key.replace('_', " "), telling.trigger, own])
    };
    let mut rows: Vec<Vec<String>> = events.map(row).collect();
    if !scope.no_show_status.is_empty() {
        rows.push(cells(["cancelled, patient did not come", "S15", &scope.no_show_status]));
    }
    paper.table("Table 7: SCH-25", &["Event", "Message", "SCH-25"], rows, "");
}

fn provider_ids(paper: &mut Paper, scope: &Scope) {
    paper.chapter("7. Provider IDs");
    let use_ = match scope.provider_ids {
        ProviderIds::Npi => "NPI",
        ProviderIds::Athena => "athenaNet's provider ID",
    };
    let missing = match scope.npi_missing {
        NpiMissing::Error => "its records wait for the practice (P002)",
        NpiMissing::AthenaId => "athenaNet's ID is sent",
        NpiMissing::Empty => "the name alone is sent",
    };
    let rows = vec![cells(["Providers are identified by", use_]), {
        cells(["Where a provider has no NPI", missing])
    }];
    paper.table("Table 8: Provider ID in outbound messages", &["What", "Agreed"], rows, "");
}

fn fields(paper: &mut Paper, scope: &Scope, map: &Map) -> Result<(), String> {
    paper.chapter("8. Field specification");
    paper.text(
        "Every field that can be sent, in the order of the message. Examples are made up. A field \
         without a value is left empty.",
    );
    let examples = examples(scope, map)?;
    for (kind, title) in
        [(Kind::Patient, "ADT: patients"), (Kind::Appointment, "SIU: appointments")]
    {
        paper.section(title);
        let row = |line: &FieldLine| {
            let only = line.only.as_ref().map(|only| format!("\nonly {only}")).unwrap_or_default();
            let count = line.segment.get(3..).unwrap_or_default();
            let field = format!("{}{count}{only}", line.field);
            let (source, table) = (line.source.as_str(), line.table.as_str());
            cells([&field, line.name, source, table, &line.example, &line.rule])
        };
        let rows = lines(scope, map, &examples, kind).iter().map(row).collect();
        let head = ["Field", "Name", "Source column", "Code table", "Example", "Rule"];
        paper.table(title, &head, rows, "");
    }
    paper.section("Around the messages");
    let rows = envelope(scope);
    paper.table("Batch file", &["Field", "Name", "Example"], rows, "Nothing stands around them.");
    Ok(())
}

/// Returns the fields of FHS, BHS, BTS and FTS with examples.
fn envelope(scope: &Scope) -> Vec<Vec<String>> {
    let envelope = Envelope::new(scope, 1, clock());
    let mut bytes = Vec::new();
    envelope.open_file(&mut bytes);
    envelope.open_batch(Kind::Patient, 1, &mut bytes);
    envelope.close_batch(Kind::Patient, 1, &mut bytes);
    envelope.close_file(1, 1, &mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let mut rows = Vec::new();
    for segment in text.split(['\r', '\n']).filter(|segment| !segment.is_empty()) {
        let (name, rest) = segment.split_at(3);
        // The separator itself is the first field of a header.
        let header = name != "BTS" && name != "FTS";
        let first = if header { 2 } else { 1 };
        for (at, value) in rest.split('|').skip(1).enumerate().filter(|(_, one)| !one.is_empty()) {
            let field = first + at;
            let called = field_name(&scope.wire.hl7_version, name, field);
            rows.push(cells([&format!("{name}-{field}"), called, value]));
        }
    }
    rows
}

fn codes(paper: &mut Paper, scope: &Scope) {
    paper.chapter("9. Code tables");
    let mut rows = Vec::new();
    for name in ["race", "ethnicity", "language", "sex", "marital", "relationship"] {
        let Some(table) = standard(name) else { continue };
        let rules = scope.codes.get(name).cloned().unwrap_or_default();
        let unmapped = match &rules.unmapped {
            None => "the table's usual rule".to_string(),
            Some(UnmappedRule::Error) => "the record waits".to_string(),
            Some(UnmappedRule::Hold) => "the record waits for a mapping".to_string(),
            Some(UnmappedRule::Pass) => "it goes out as it is".to_string(),
            Some(UnmappedRule::Default(code)) => format!("{code}, with the value as its text"),
        };
        let words: Vec<String> =
            rules.words.iter().map(|own| format!("{} = {}", own.word, own.code)).collect();
        let system = rules.system.as_deref().unwrap_or(table.system());
        let count = table.rows().len().to_string();
        rows.push(cells([name, system, &count, &unmapped, &words.join("\n")]));
    }
    let head = ["Table", "Coding system", "Codes", "A value that it does not have", "Own words"];
    paper.table("Code tables", &head, rows, "");
}

fn every_setting(paper: &mut Paper, settings: &[Setting]) {
    paper.chapter("10. Every setting");
    let head = ["Section", "Setting", "Value", "Meaning"];
    let row = |setting: &&Setting| {
        let place = setting.place();
        let meaning = meaning(&place, &setting.key).unwrap_or_default();
        let value = shown(setting);
        cells([&setting.section, &setting.key, &value, &meaning])
    };
    let (agreed, local): (Vec<&Setting>, Vec<&Setting>) =
        settings.iter().partition(|setting| why_not(setting).is_none());
    let rows = agreed.iter().map(row).collect();
    paper.table("What was agreed", &head, rows, "");
    let head = ["Section", "Setting", "Value", "Why not"];
    let row = |setting: &&Setting| {
        let why = why_not(setting).unwrap_or_default();
        cells([&setting.section, &setting.key, &shown(setting), why])
    };
    let rows = local.iter().map(row).collect();
    paper.table("What is no part of the agreement", &head, rows, "");
}

/// Returns a value fit for a document: no path of a secret.
fn shown(setting: &Setting) -> String {
    let secret = setting.key.ends_with("_file") || setting.key.ends_with("_env");
    // An address of a contact may hold a token, and is nobody's business.
    let private = setting.place() == "contact";
    if secret || private { "set".to_string() } else { setting.text() }
}

fn queue(paper: &mut Paper) {
    paper.chapter("11. Interface message queue");
    let state = |state: QueueState, means: &str| cells([&state.to_string(), means]);
    let rows = vec![
        state(QueueState::Scheduled, "held, or waiting for its time"),
        state(QueueState::New, "promised, and no try to send it has begun"),
        state(QueueState::Distributed, "some endpoints have it, and not all"),
        state(QueueState::Pending, "a try has begun, or nobody can tell yet how it ended"),
        state(QueueState::Processed, "delivered"),
        state(QueueState::Error, "its record waits for the practice"),
        state(QueueState::CboError, "its record waits for billing"),
        state(QueueState::AthenaError, "its record waits for whoever runs the interface"),
        state(QueueState::Deleted, "given up by a person"),
    ];
    paper.table("Table 19: States of a message", &["State", "Means"], rows, "");
}

fn approval(paper: &mut Paper, approvals: &[Approval], agreed: &Agreed) {
    paper.chapter("12. Scope approval");
    let today = agreed.digest().to_string();
    let row = |approval: &Approval| {
        let same = if approval.digest == today { "this scope" } else { "another scope" };
        cells([&approval.name, &approval.date, &approval.digest, same])
    };
    let rows = approvals.iter().map(row).collect();
    let head = ["Name", "Date", "Digest", "Is of"];
    paper.table("Approvals", &head, rows, "Nobody has approved this scope yet.");
    paper.text(
        "Name: ______________________   Date: ______________   Signature: ______________________",
    );
}
