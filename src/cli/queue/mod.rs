//! `queue`: the message queue, by its verbs; without one, what waits for a person.

pub mod args;
mod group;
mod ls;
mod map;
mod mend;
mod mend_args;
mod search;
mod show;

pub use ls::to_json;
pub use mend::{left, write_mended};

use super::Outcome;
use super::args::Cli;
use crate::engine::Task;
use args::{Queue, QueueVerb};
use mend_args::Batch;

/// Does what was asked of the queue.
pub fn queue(cli: &Cli, args: &Queue) -> Outcome {
    match &args.verb {
        None => ls::ls(cli, &args.list),
        Some(QueueVerb::Ls(args)) => ls::ls(cli, args),
        Some(QueueVerb::Search(args)) => search::search(cli, args),
        Some(QueueVerb::Show(args)) => show::show(cli, args),
        Some(QueueVerb::Group(args)) => group::group(cli, args),
        Some(QueueVerb::Map(args)) => map::map(cli, args),
        Some(QueueVerb::Resubmit(args)) => mend::resubmit(cli, args),
        Some(QueueVerb::Hold(args)) => mend::hold(cli, args),
        Some(QueueVerb::Release(args)) => mend::release(cli, args),
        Some(QueueVerb::Resend(args)) => {
            let (batch, endpoint) = (args.batch.batch.clone(), args.endpoint.clone());
            of_batch(cli, &args.batch, &Task::Resend { batch, endpoint })
        }
        Some(QueueVerb::Rebuild(args)) => {
            let (batch, messages) = (args.batch.batch.clone(), args.message.clone());
            of_batch(cli, &args.batch, &Task::Rebuild { batch, messages })
        }
        Some(QueueVerb::Delete(args)) => {
            let batch = args.batch.batch.clone();
            of_batch(cli, &args.batch, &Task::Delete { batch })
        }
        Some(QueueVerb::MarkDelivered(args)) => {
            let (batch, endpoint) = (args.batch.batch.clone(), args.endpoint.clone());
            of_batch(cli, &args.batch, &Task::MarkDelivered { batch, endpoint })
        }
    }
}

fn of_batch(cli: &Cli, args: &Batch, task: &Task) -> Outcome {
    mend::of_batch(cli, &args.batch, args.interface.as_deref(), &args.asking, task)
}
