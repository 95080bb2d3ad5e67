//! What ends a pass: everything that is not about one record or one file.

use crate::convert::{FilterError, MapError};
use crate::disk::DiskError;
use crate::domain::Code;
use crate::extract::{ExtractError, VocabularyError};
use crate::ledger::LedgerError;

/// Why a pass, or a part of it, could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Another process works on the interface.
    #[error("another hl7drop is at work on {interface} (lock {lock}); let it finish")]
    Busy {
        /// Interface and environment.
        interface: String,
        /// The lock file.
        lock: String,
    },
    /// The scope is not approved as it is, and this is production.
    #[error(
        "the scope is not approved: {why}. Nothing was taken in or sent; extracts stay in the inbox. `hl7drop scope show {name}` is what to sign, `hl7drop scope approve {name} --name \"WHO\"` says that it was"
    )]
    NotApproved {
        /// Interface and environment.
        interface: String,
        /// The interface's name, for the commands.
        name: String,
        /// How it stands.
        why: String,
    },
    /// The disk of this machine.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The map of the interface.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The columns of the interface.
    #[error(transparent)]
    Columns(#[from] VocabularyError),
    /// The filter of the interface: a name in it cannot be resolved.
    #[error("{0}. Until then nothing is converted, and the extracts are kept")]
    Filter(#[from] FilterError),
    /// One extract; it goes to `error/` and the others go on.
    #[error(transparent)]
    Extract(ExtractError),
    /// A worker did not come back.
    #[error("a worker ended without a result; this is a bug, report it")]
    Worker,
    /// A file is to be promised whose digest was not taken.
    #[error("a file was to be promised without its digest; this is a bug, report it")]
    NoDigest,
    /// Bytes on the disk are not those that were promised.
    #[error(
        "{file} does not have the digest that the ledger promised; it is not sent. Restore it from a backup, or ask for help before anything is changed"
    )]
    Altered {
        /// The file.
        file: String,
    },
    /// A batch that was promised is not where it should be.
    #[error(
        "batch file {file} is promised in the ledger and not in outbox/; put it back from a backup"
    )]
    Lost {
        /// The file's name.
        file: String,
    },
    /// The outbox holds a file that no ledger promised.
    #[error(
        "outbox/ holds {file}, which the ledger does not know; it is not sent. Was an older ledger put back by hand? Put the newest one there, or an older one with `hl7drop restore`, or take the file away"
    )]
    Unpromised {
        /// The file's name.
        file: String,
    },
    /// `sent/` holds a file that the ledger does not know, or not as delivered.
    #[error(
        "sent/ holds {file}, which went out, and the ledger does not know that: it is an older one. Put the newest ledger.db back, or an older one with `hl7drop restore`: with this one the same control IDs would be given again, and files sent again. If that file is none of ours, take it away"
    )]
    OldLedger {
        /// The file's name.
        file: String,
    },
    /// Nothing of that name waits for a decision.
    #[error(
        "{what}: nothing there waits for a decision; `hl7drop delivery` lists batches, `hl7drop queue` records"
    )]
    NothingWaits {
        /// What was named.
        what: String,
    },
    /// More than one endpoint waits for the batch.
    #[error("batch {batch} waits for {endpoints}; say which with --endpoint")]
    WhichEndpoint {
        /// Its name.
        batch: String,
        /// The endpoints.
        endpoints: String,
    },
    /// What somebody asked for cannot be done as things stand.
    #[error("{what}")]
    Refused {
        /// Why, and what to do.
        what: String,
    },
    /// There are files of earlier runs, and no ledger.
    #[error(
        "{folder} holds files of earlier runs, but {ledger} is not there; put it back with `hl7drop restore` (docs/backup.md): a new one would give the same control IDs again"
    )]
    NoLedger {
        /// Where the files are.
        folder: String,
        /// Where the ledger should be.
        ledger: String,
    },
    /// What was made is against HL7, or against the agreement.
    #[error(
        "S003 {}: {first}{}; nothing is published and the extracts are kept. If no [[mapping]] row of the interface fills that field, this is a bug: report it with this text",
        Code::S003.text(),
        others(*.more)
    )]
    NotConformant {
        /// Where the first finding stands, and its rule.
        first: String,
        /// How many more there were.
        more: u64,
    },
    /// The drop looks wrong as a whole, and waits for a person.
    #[error("{what}")]
    Held {
        /// Why.
        what: String,
    },
    /// No message or row has this name, or its time in the queue is over.
    #[error("{locator}: there is no such message; `hl7drop queue search` finds those that are")]
    NoMessage {
        /// Its name.
        locator: String,
    },
    /// The index of a drop cannot be used.
    #[error("{file} {why}; remove it, and the next run makes it anew")]
    NoIndex {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The record of who looked at what was changed.
    #[error("{file}, line {line}, was changed or taken out from outside; keep it, and ask who did")]
    ViewsChanged {
        /// The file.
        file: String,
        /// The line.
        line: usize,
    },
    /// The workers could not be started.
    #[error("cannot start the worker threads: {0}")]
    Threads(String),
}

impl EngineError {
    /// An extract lacks columns that a filter of the interface looks at.
    pub(super) fn missing(columns: Vec<String>) -> EngineError {
        EngineError::Extract(ExtractError::MissingColumns { columns })
    }

    /// True where nothing is wrong but what was asked for.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            EngineError::Refused { .. }
                | EngineError::NothingWaits { .. }
                | EngineError::WhichEndpoint { .. }
        )
    }
}

fn others(more: u64) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}
