//! `scope`: the agreement itself, from the filled Word package to the signature.

mod import;

use super::Outcome;
use super::args::{Scope, ScopeVerb};

/// Does what was asked with the scope.
pub fn scope(args: &Scope) -> Outcome {
    match &args.verb {
        ScopeVerb::Import(args) => import::import(args),
    }
}
