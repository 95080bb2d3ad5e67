//! The interface file: one agreed scope, read as written, then checked.

use std::path::Path;

use super::check::Check;
use super::problem::Problem;
use super::raw;
use super::shape;
use crate::domain::{Environment, Scope};

/// Every default with its meaning: `config/defaults.toml` and `config/contact.toml`.
pub(super) const DEFAULTS: &str = concat!(
    include_str!("../../config/defaults.toml"),
    "\n",
    include_str!("../../config/contact.toml")
);

/// Reads and checks an interface file that lies in `folder`, where its relative
/// paths start from.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines; never an empty list.
pub fn read(text: &str, folder: &Path) -> Result<Scope, Vec<Problem>> {
    read_in(text, folder, None)
}

/// Reads an interface file as if it were switched to production, whatever it is switched to.
///
/// # Errors
/// As [`read`].
pub fn read_as_production(text: &str, folder: &Path) -> Result<Scope, Vec<Problem>> {
    read_in(text, folder, Some(Environment::Production))
}

fn read_in(
    text: &str,
    folder: &Path,
    environment: Option<Environment>,
) -> Result<Scope, Vec<Problem>> {
    let shape = shape::read(text, DEFAULTS, &["enable"])?;
    let (mut check, mut raw): (Check<'_>, raw::File) = Check::new(text, folder, shape);
    let said = raw.project.as_mut().and_then(|project| project.get_mut().environment.as_mut());
    if let (Some(environment), Some(said)) = (environment, said) {
        *said.get_mut() = environment.word().to_string();
    }
    let scope = assemble(&mut check, raw);
    check.finish(scope)
}

/// Checks every section before it gives up on any.
fn assemble(check: &mut Check<'_>, raw: raw::File) -> Option<Scope> {
    let (environment, project) = check.project(raw.project);
    let enabled = check.enabled(raw.enable);
    let (files, mut forms) = check.extracts(raw.extract.unwrap_or_default());
    check.columns(raw.columns.unwrap_or_default(), &mut forms);
    let providers = check.providers(raw.providers);
    let departments = check.departments(raw.departments);
    let wire = check.wire(raw.wire);
    let connectivity = raw.connectivity.unwrap_or_default();
    let rows = raw.endpoint.unwrap_or_default();
    let endpoints = environment.and_then(|which| check.endpoints(which, connectivity, rows));
    let mut external_ids = raw.external_ids.unwrap_or_default();
    let on_id_change = check.on_id_change(external_ids.on_change.take());
    let (patient_ids, appointment_ids) = check.external_ids(external_ids);
    check.id_columns(&patient_ids, &appointment_ids, &mut forms);
    let filters = check.filters(raw.filter.unwrap_or_default(), &enabled);
    let deleted_patients = check.deleted_patients(raw.patients);
    let expired_policies = check.expired_policies(raw.insurance);
    let events = check.events(raw.events, &forms);
    let hl7_version = wire.as_ref().map(|wire| wire.hl7_version.as_str());
    let fields = check.fields(raw.fields, hl7_version);
    let codes = check.codes(raw.codes);
    let mapping = check.mapping(raw.mapping.unwrap_or_default());
    let appointments = raw.appointments.unwrap_or_default();
    let no_show_status = check.no_show_status(appointments.no_show_status);
    let status = check.status(appointments.status);
    let (provider_ids, npi_missing) = check.provider_ids(raw.provider_id);
    let (batching, pickup) = (check.batching(raw.batch), check.pickup(raw.pickup));
    let (manifest, guard) = (check.manifest(raw.manifest), check.guard(raw.guard));
    let (retention, backfill) = (check.retention(raw.retention), check.backfill(raw.backfill));
    let contacts = check.contacts(raw.contact.unwrap_or_default());
    let alerts = check.alerts(raw.alerts, raw.expect.unwrap_or_default());
    let project = project?;
    Some(Scope {
        interface: project.interface,
        context_id: project.context_id,
        practice: project.practice,
        environment: environment?,
        timezone: project.timezone,
        audit_timezone: project.audit_timezone,
        enabled,
        files,
        forms,
        providers,
        departments,
        wire: wire?,
        endpoints: endpoints?,
        patient_ids,
        appointment_ids,
        filters: filters?,
        on_id_change: on_id_change?,
        deleted_patients: deleted_patients?,
        expired_policies: expired_policies?,
        events: events?,
        fields,
        codes,
        mapping,
        status,
        no_show_status: no_show_status?,
        provider_ids: provider_ids?,
        npi_missing: npi_missing?,
        batching: batching?,
        pickup: pickup?,
        manifest: manifest?,
        guard: guard?,
        retention: retention?,
        backfill: backfill?,
        contacts: contacts?,
        alerts: alerts?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{problems, switched_on};
    use super::*;

    #[test]
    fn the_defaults_lack_nothing_but_what_must_be_agreed() {
        let told = problems(DEFAULTS).join("\n");
        let missing = ["environment", "interface", "context_id", "practice"];
        assert!(missing.iter().all(|key| told.contains(&format!("`{key}` is missing"))), "{told}");
        assert!(told.lines().all(|line| line.contains("is missing in [")), "{told}");
    }

    #[test]
    fn every_default_has_its_comment() {
        let mut above = "";
        for line in DEFAULTS.lines() {
            let key = line.starts_with(|first: char| first.is_ascii_lowercase());
            assert!(!key || above.starts_with("# "), "{line}");
            above = line;
        }
    }

    /// The whole template, a few lines of it dropped or given another value.
    fn nearly_right() -> impl Strategy<Value = String> {
        let values = ["5", "-1", "nan", "true", "\"\"", "\"\\u0000^\"", "[]", "[[]]", "{}", "[{}]"];
        let value = prop::sample::select(values.to_vec());
        let edits = prop::collection::vec((0..1000usize, prop::option::of(value)), 0..8);
        edits.prop_map(|edits| {
            let mut lines: Vec<String> = switched_on().lines().map(String::from).collect();
            for (at, value) in edits {
                let at = at % lines.len();
                match (lines[at].split_once('='), value) {
                    (Some((key, _)), Some(value)) => lines[at] = format!("{key}= {value}"),
                    _ => lines[at].clear(),
                }
            }
            lines.join("\n")
        })
    }

    proptest! {
        #[test]
        fn any_text_is_a_scope_or_tells_why_not(text in "\\PC*") {
            if let Err(told) = read(&text, Path::new(".")) {
                prop_assert!(!told.is_empty());
            }
        }

        #[test]
        fn a_file_nearly_right_is_a_scope_or_tells_where_not(text in nearly_right()) {
            if let Err(told) = read(&text, Path::new(".")) {
                prop_assert!(!told.is_empty());
                prop_assert!(told.iter().all(|problem| problem.line <= text.lines().count()));
            }
        }
    }
}
