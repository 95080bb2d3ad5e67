//! The approvals of an interface, where they are kept, and how it stands by them.

use std::path::{Path, PathBuf};

use super::error::EngineError;
use crate::convert::Map;
use crate::disk;
use crate::domain::{Approval, Environment, Scope};
use crate::ledger::{Approvals, LedgerError};
use crate::papers::agreed::Agreed;
use crate::papers::approval::Standing;

/// Returns the file of an interface's approvals: beside the folders of both environments.
pub fn approvals_file(scope: &Scope, spool_root: &Path) -> PathBuf {
    spool_root.join(scope.interface.as_str()).join("approvals.db")
}

/// Returns the approvals of an interface, oldest first.
///
/// # Errors
/// Approvals that cannot be read, or are not as they were written.
pub fn approvals(scope: &Scope, spool_root: &Path) -> Result<Vec<Approval>, LedgerError> {
    match Approvals::peek(&approvals_file(scope, spool_root))? {
        Some(approvals) => approvals.all(),
        None => Ok(Vec::new()),
    }
}

/// Notes down an approval; returns the one before.
///
/// # Errors
/// As [`approvals`]; nothing was added then.
pub fn approve(
    scope: &Scope,
    spool_root: &Path,
    approval: &Approval,
) -> Result<Option<Approval>, EngineError> {
    let file = approvals_file(scope, spool_root);
    file.parent().map_or(Ok(()), disk::folder)?;
    Ok(Approvals::open(&file)?.add(approval)?)
}

/// Says how an interface stands: `text` is the checked interface file.
///
/// # Errors
/// A map that cannot be put together.
pub fn standing(text: &str, scope: &Scope, spool_root: &Path) -> Result<Standing, EngineError> {
    if scope.environment == Environment::Test {
        return Ok(Standing::Free);
    }
    let agreed = match Agreed::of(text, scope, &Map::agreed(scope)?) {
        Ok(agreed) => agreed,
        Err(what) => return Ok(Standing::Unknown(what)),
    };
    Ok(match approvals(scope, spool_root) {
        Ok(approvals) => Standing::of(&agreed, approvals.last()),
        Err(err) => Standing::Unknown(err.to_string()),
    })
}
