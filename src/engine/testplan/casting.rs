//! Which providers and departments the made-up people of a plan go to: those of the tables
//! in force, so that filters resolve as they will; tables of the plan's own where none are.

use crate::convert::{References, Resolved};
use crate::domain::{ExtractKind, FilterBy, Kind, ProviderIds};
use crate::engine::error::EngineError;
use crate::engine::names::in_force;
use crate::engine::pass::Engine;
use crate::papers::testplan::cast::{Cast, FilterCast, Provider};

/// Chooses them.
///
/// # Errors
/// [`EngineError::Refused`]: names that are nobody's, or of more than one.
pub fn cast(engine: &Engine) -> Result<Cast, EngineError> {
    let references = in_force(engine)?;
    let filters = &engine.agreement.scope.filters;
    // Refused here as the first drop would be, before anything is written.
    Resolved::of(filters, &references).map_err(|wrong| {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        let what = format!(
            "a test plan needs filters that resolve, and these do not:\n  {}",
            wrong.join("\n  ")
        );
        EngineError::Refused { what }
    })?;
    let text = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
    let mut cast = Cast {
        providers: references
            .usable_providers()
            .map(|(id, sent)| Provider { id: text(id), sent: text(sent) })
            .collect(),
        departments: references.department_ids().map(text).collect(),
        ..Cast::default()
    };
    for (kind, filter) in
        [(Kind::Patient, &filters.patients), (Kind::Appointment, &filters.appointments)]
    {
        for (by, names) in filter {
            cast.filters.push(of_filter(&references, kind, *by, names));
        }
    }
    bring_tables(&mut cast, &references, filters.patients.iter().chain(&filters.appointments));
    play_own(&mut cast, engine.agreement.scope.provider_ids);
    if cast.providers.is_empty() {
        let what = "no provider of the tables in force can be named in a message: none has the \
                    ID that was agreed ([provider_id]); give one its NPI";
        return Err(EngineError::Refused { what: what.to_string() });
    }
    let known = |by: FilterBy| match by {
        FilterBy::Provider => cast.providers.iter().map(|one| one.id.clone()).collect::<Vec<_>>(),
        FilterBy::Department => cast.departments.clone(),
    };
    let (providers, departments) = (known(FilterBy::Provider), known(FilterBy::Department));
    for filter in &mut cast.filters {
        let known = if filter.by == FilterBy::Provider { &providers } else { &departments };
        let inside = |id: &String| filter.names.iter().any(|(_, one)| one == id);
        let outside = known.iter().find(|id| !inside(id)).cloned();
        // A filter that has them all keeps out only who is in no table.
        filter.outside = outside.unwrap_or_else(|| "999999".to_string());
    }
    Ok(cast)
}

fn of_filter(references: &References, kind: Kind, by: FilterBy, names: &[String]) -> FilterCast {
    let id = |name: &String| {
        let found = match by {
            FilterBy::Provider => references.providers_called(name),
            FilterBy::Department => references.departments_called(name),
        };
        // Without a table a name that resolved is an ID.
        let found = found.and_then(|ids| ids.into_iter().next());
        found.map_or_else(|| name.clone(), |id| String::from_utf8_lossy(&id).into_owned())
    };
    let names = names.iter().map(|name| (name.clone(), id(name))).collect();
    FilterCast { kind, by, names, outside: String::new() }
}

/// Brings tables along where none are in force, with a row for each ID of a filter.
fn bring_tables<'a>(
    cast: &mut Cast,
    references: &References,
    filters: impl Iterator<Item = (&'a FilterBy, &'a Vec<String>)>,
) {
    let (mut providers, mut departments) = (Vec::new(), Vec::new());
    for (by, names) in filters {
        let ids = if *by == FilterBy::Provider { &mut providers } else { &mut departments };
        ids.extend(names.iter().cloned());
    }
    let (some_providers, some_departments) = references.len();
    for (by, mut ids, some) in [
        (FilterBy::Provider, providers, some_providers),
        (FilterBy::Department, departments, some_departments),
    ] {
        if some == 0 {
            ids.sort();
            ids.dedup();
            cast.bring(by, &ids);
        }
    }
}

/// The rows of tables that are brought along play, too.
fn play_own(cast: &mut Cast, ids: ProviderIds) {
    for (kind, rows) in &cast.tables {
        for row in rows {
            let of = |column: &str| row.get(column).cloned().unwrap_or_default();
            if *kind == ExtractKind::Providers {
                let id = of("providerid");
                let sent = if ids == ProviderIds::Npi { of("npi") } else { id.clone() };
                cast.providers.push(Provider { id, sent });
            } else {
                cast.departments.push(of("departmentid"));
            }
        }
    }
}
