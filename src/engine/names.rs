//! What the names of an interface's filters stand for, by the reference extracts in force.

use std::collections::BTreeMap;

use super::check::Checked;
use super::error::EngineError;
use super::intake::saved;
use super::pass::Engine;
use super::reference;
use crate::convert::{References, Resolved};
use crate::domain::{ExtractKind, FilterBy};

/// Returns each name of a filter, as `provider NAME`, with what it stands for, in words.
///
/// # Errors
/// Reference extracts that cannot be read.
pub fn resolved_names(engine: &Engine) -> Result<BTreeMap<String, String>, EngineError> {
    let (scope, references) = (&engine.agreement.scope, in_force(engine)?);
    let mut resolved = BTreeMap::new();
    let filters = scope.filters.patients.iter().chain(&scope.filters.appointments);
    for (by, name) in filters.flat_map(|(by, names)| names.iter().map(move |name| (by, name))) {
        let found = match by {
            FilterBy::Provider => references.providers_called(name),
            FilterBy::Department => references.departments_called(name),
        };
        let shown = |id: &Vec<u8>| String::from_utf8_lossy(id).into_owned();
        let words = match found.as_deref() {
            None => continue,
            Some([]) => "nobody of that name or ID".to_string(),
            Some([id]) => format!("ID {}", shown(id)),
            Some(many) => {
                let ids: Vec<String> = many.iter().map(shown).collect();
                format!("not clear: IDs {}", ids.join(", "))
            }
        };
        resolved.insert(format!("{} {name}", by.word()), words);
    }
    Ok(resolved)
}

/// Looks whether each name of a filter stands for exactly one provider or department.
///
/// # Errors
/// Reference extracts that cannot be read.
pub fn check_names(engine: &Engine) -> Result<Vec<Checked>, EngineError> {
    let filters = &engine.agreement.scope.filters;
    if filters.patients.is_empty() && filters.appointments.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = match Resolved::of(filters, &in_force(engine)?) {
        Ok(_) => {
            let what = "names of [[filter.*]]: each stands for one provider or department";
            return Ok(vec![Checked::good(what)]);
        }
        Err(wrong) => wrong,
    };
    let checked = wrong.into_iter().map(|err| match err.waits {
        // The first drop may bring it.
        true => Checked { warns: true, ..Checked::good(err.to_string()) },
        false => Checked::wrong("names of [[filter.*]]", err.to_string()),
    });
    Ok(checked.collect())
}

/// Returns the providers and departments of the reference extracts in force, and those of
/// the interface file.
///
/// # Errors
/// Reference extracts that cannot be read.
pub(super) fn in_force(engine: &Engine) -> Result<References, EngineError> {
    let (scope, reading) = (&engine.agreement.scope, &engine.agreement.reading);
    let mut references = References::default();
    for kind in [ExtractKind::Providers, ExtractKind::Departments] {
        for source in saved(engine, kind)? {
            references.absorb(reference::read(&source, reading, scope, &mut |_, _, _| Ok(()))?.0);
        }
    }
    reference::add_own(&mut references, scope);
    Ok(references)
}
