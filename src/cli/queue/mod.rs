//! `queue`: the message queue, by its verbs; without one, what waits for a person.

pub mod args;
mod ls;
mod search;
mod show;

pub use ls::to_json;

use super::Outcome;
use super::args::Cli;
use args::{Queue, QueueVerb};

/// Does what was asked of the queue.
pub fn queue(cli: &Cli, args: &Queue) -> Outcome {
    match &args.verb {
        None => ls::ls(cli, &args.list),
        Some(QueueVerb::Ls(args)) => ls::ls(cli, args),
        Some(QueueVerb::Search(args)) => search::search(cli, args),
        Some(QueueVerb::Show(args)) => show::show(cli, args),
    }
}
