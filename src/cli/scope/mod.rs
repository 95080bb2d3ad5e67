//! `scope`: the agreement itself, from the filled Word package to the signature.

mod approve;
pub mod args;
mod diff;
mod import;
mod show;

use std::path::{Path, PathBuf};

use args::{ScopeArgs, ScopeVerb};

use super::args::Cli;
use super::setup::one;
use super::{Failure, Outcome};

/// Does what was asked with the scope.
pub fn scope(cli: &Cli, args: &ScopeArgs) -> Outcome {
    match &args.verb {
        ScopeVerb::Import(args) => import::import(args),
        ScopeVerb::Show(args) => show::show(cli, args),
        ScopeVerb::Diff(args) => diff::diff(cli, args),
        ScopeVerb::Approve(args) => approve::approve(cli, args),
        ScopeVerb::Approvals(args) => approve::approvals(cli, args),
    }
}

/// Returns the interface file of a name, or of a path.
fn find(cli: &Cli, interface: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(interface);
    if interface.ends_with(".toml") || path.is_file() {
        return Ok(path.to_path_buf());
    }
    Ok(one(cli, interface)?.1)
}

/// A text that is put together wrongly is a bug of ours.
fn bug(text: String) -> Failure {
    Failure { exit: super::exit::Exit::BUG, text }
}
