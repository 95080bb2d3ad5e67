//! How people mend what waits: what they can ask for, and what comes of it.
//!
//! A face asks ([`Engine::ask`]). Where no pass is at work it is done at once, under the
//! interface's lock; else it is left as a file in `requests/`, and the pass that is at
//! work carries it out. Each task is one commit with its author (`ledger/actions.rs`).

mod copies;
mod delete;
mod earlier;
mod groups;
mod hold;
mod mappings;
mod overtake;
mod preview;
mod rebuild;
pub(super) mod requests;
mod resend;
pub(super) mod resubmit;
mod segments;
mod select;
mod tried;

pub use groups::Group;
pub(super) use hold::{next_release, release_due};
pub use mappings::{maps_to_csv, read_maps_csv};
pub(in crate::engine) use preview::Scratch;
pub use preview::{Example, Preview, Previewed, Reason};
pub use requests::Asked;
pub use select::Selection;

use serde::{Deserialize, Serialize};

use super::backfill::{self, BackfillTask};
use super::error::EngineError;
use super::pass::Engine;
use crate::domain::Counts;
use crate::ledger::{Decision, Ledger, Sign};

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Convert records that wait again, under today's settings and mappings.
    Resubmit {
        /// Which.
        which: Selection,
        /// Those that wait for their changed external IDs (X002), to be sent with them.
        changed_id: bool,
    },
    /// Make a new batch file of one that was delivered, under new numbers.
    Rebuild {
        /// The batch file, by name.
        batch: String,
        /// MSH-10 of the messages that go in; none: all of them.
        messages: Vec<String>,
    },
    /// Send the same bytes again to an endpoint that has them.
    Resend {
        /// The batch file, by name.
        batch: String,
        /// The endpoint; needed where more than one has the file.
        endpoint: Option<String>,
    },
    /// Set aside what waits.
    Hold {
        /// The batch file, by name; none: all that waits, and all that comes.
        batch: Option<String>,
        /// Until when, unix seconds; none: until it is released.
        until: Option<i64>,
    },
    /// Let go what was set aside.
    Release {
        /// The batch file, by name; none: all of them, and all that comes.
        batch: Option<String>,
    },
    /// Give up a batch file of which nothing was sent.
    Delete {
        /// The batch file, by name.
        batch: String,
    },
    /// Record that an endpoint has a batch file, on the word of a person.
    MarkDelivered {
        /// The batch file, by name.
        batch: String,
        /// The endpoint; needed where more than one waits for the file.
        endpoint: Option<String>,
    },
    /// Decide about a delivery that cannot decide itself.
    Decide {
        /// The batch file, by name.
        batch: String,
        /// The endpoint; needed where more than one waits for the file.
        endpoint: Option<String>,
        /// What.
        decision: Decision,
    },
    /// Close messages that a receiver refused, by their control numbers.
    CloseRejected(Vec<u64>),
    /// Await no acknowledgement of a batch any more.
    EndWait {
        /// The batch file, by name.
        batch: String,
        /// The endpoint; needed where more than one is to answer.
        endpoint: Option<String>,
    },
    /// Close records that wait: they need no mending.
    Close(Selection),
    /// Decide about the backfill.
    Backfill(BackfillTask),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mended {
    /// What, in a word.
    pub verb: &'static str,
    /// To what; never a patient.
    pub about: String,
    /// How many records of the queue, or messages of a batch.
    pub records: u64,
    /// The batch file that was made, or that the task was about.
    pub batch: Option<String>,
    /// What became of the records that were converted again.
    pub counts: Option<Counts>,
    /// Records that were wanted and are not touched: why, and how many.
    pub skipped: Vec<(String, u64)>,
    /// What somebody should know about it.
    pub note: Option<String>,
}

impl Task {
    /// Returns what is asked for, in a word.
    pub const fn verb(&self) -> &'static str {
        match self {
            Task::Resubmit { .. } => "resubmit",
            Task::Rebuild { .. } => "rebuild",
            Task::Resend { .. } => "resend",
            Task::Hold { .. } => "hold",
            Task::Release { .. } => "release",
            Task::Delete { .. } => "delete",
            Task::MarkDelivered { .. } => "mark-delivered",
            Task::Decide { decision, .. } => decision.word(),
            Task::Close(_) | Task::CloseRejected(_) => "close",
            Task::EndWait { .. } => "acknowledged",
            Task::Backfill(task) => task.verb(),
        }
    }

    /// Returns what it is asked for; never a patient.
    pub fn about(&self) -> String {
        match self {
            Task::Resubmit { which, changed_id: true } => {
                format!("{}, with their changed external IDs", which.about())
            }
            Task::Resubmit { which, .. } | Task::Close(which) => which.about(),
            Task::Rebuild { batch, messages } if !messages.is_empty() => {
                format!("{} messages of {batch}", messages.len())
            }
            Task::Rebuild { batch, .. }
            | Task::Resend { batch, .. }
            | Task::Delete { batch }
            | Task::Decide { batch, .. }
            | Task::EndWait { batch, .. }
            | Task::MarkDelivered { batch, .. } => batch.clone(),
            Task::CloseRejected(controls) => format!("{} refused messages", controls.len()),
            Task::Backfill(_) => "the backfill".to_string(),
            Task::Hold { batch, .. } | Task::Release { batch } => {
                batch.clone().unwrap_or_else(|| "the interface".to_string())
            }
        }
    }
}

impl Engine {
    /// Does a task, under the lock of the interface. `request` is who asked: a rebuild is
    /// done once for each.
    pub(super) fn mend(
        &self,
        ledger: &mut dyn Ledger,
        task: &Task,
        request: &str,
        sign: &Sign,
    ) -> Result<Mended, EngineError> {
        let mended = match task {
            Task::Resubmit { which, changed_id } => {
                resubmit::resubmit(self, ledger, which, *changed_id, sign)
            }
            Task::Rebuild { batch, messages } => {
                rebuild::rebuild(self, ledger, batch, messages, request, sign)
            }
            Task::Resend { batch, endpoint } => {
                resend::resend(self, ledger, batch, endpoint.as_deref(), sign)
            }
            Task::Hold { batch, until } => hold::hold(self, ledger, batch.as_deref(), *until, sign),
            Task::Release { batch } => hold::release(self, ledger, batch.as_deref(), sign),
            Task::Delete { batch } => delete::delete(self, ledger, batch, sign),
            Task::MarkDelivered { batch, endpoint } => {
                self.decided(ledger, (batch, endpoint.as_deref()), Decision::Delivered, sign)
            }
            Task::Decide { batch, endpoint, decision } => {
                self.decided(ledger, (batch, endpoint.as_deref()), *decision, sign)
            }
            Task::Backfill(task) => backfill::carry_out(self, ledger, *task, sign),
            Task::Close(which) => self.closed(ledger, which, sign),
            Task::CloseRejected(controls) => match ledger.close_rejected(controls, sign)? {
                0 => Err(EngineError::NothingWaits { what: "one of these messages".to_string() }),
                records => Ok(Mended { records, ..Mended::default() }),
            },
            Task::EndWait { batch, endpoint } => {
                self.waits_no_more(ledger, batch, endpoint.as_deref(), sign)
            }
        }?;
        log::info!("{} {} by {}", task.verb(), task.about(), sign.by);
        Ok(Mended { verb: task.verb(), about: task.about(), ..mended })
    }
}

/// Returns the refusal of a task, in a sentence.
pub(super) fn refused<T>(what: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::Refused { what: what.into() })
}
