//! What the names of an interface's filters stand for, by the reference extracts in force.

use std::collections::BTreeMap;

use super::error::EngineError;
use super::intake::saved;
use super::pass::Engine;
use super::reference;
use crate::convert::References;
use crate::domain::{ExtractKind, FilterBy};

/// Reads the tables in force: the reference extracts, and the rows of the interface file.
///
/// # Errors
/// Reference extracts that cannot be read.
pub(super) fn tables_in_force(engine: &Engine) -> Result<References, EngineError> {
    let scope = &engine.agreement.scope;
    let mut references = References::default();
    for kind in [ExtractKind::Providers, ExtractKind::Departments] {
        for source in saved(engine, kind)? {
            let reading = &engine.agreement.reading;
            let (table, _) = reference::read(&source, reading, scope, &mut |_, _| Ok(()))?;
            references.absorb(table);
        }
    }
    reference::add_own(&mut references, scope);
    Ok(references)
}

/// Returns each name of a filter, as `provider NAME`, with what it stands for, in words.
///
/// # Errors
/// Reference extracts that cannot be read.
pub fn resolved_names(engine: &Engine) -> Result<BTreeMap<String, String>, EngineError> {
    let scope = &engine.agreement.scope;
    let references = tables_in_force(engine)?;
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
