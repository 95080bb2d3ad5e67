//! What a search is asked, and what it answers.

use std::fmt;
use std::str::FromStr;

use crate::domain::{Event, QueueState, drop_of_word, drop_word};
use crate::index::Target;

/// What is looked for; every part that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// A patient ID, as the extract has it.
    pub patient: Option<String>,
    /// An appointment ID, as the extract has it.
    pub appointment: Option<String>,
    /// MSH-10, or its number alone.
    pub control: Option<String>,
    /// The value of an external ID, with or without the zeros at its front.
    pub external: Option<String>,
    /// The name of an extract.
    pub file: Option<String>,
    /// The name of a batch file.
    pub batch: Option<String>,
    /// Where it stands.
    pub state: Option<Standing>,
    /// Why a row made no message: a code of a fault, or the word of a `Reason`.
    pub reason: Option<String>,
    /// What a message tells.
    pub event: Option<Event>,
    /// Taken in at or after this time, unix seconds.
    pub from: Option<i64>,
    /// Taken in before this time, unix seconds.
    pub to: Option<i64>,
}

/// Where a message or a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// In the queue.
    In(QueueState),
    /// Nothing was told of the row.
    Filtered,
    /// The record was converted again, and counts as what it became.
    Resubmitted,
    /// A newer row of the same record took its place, and it counts as that.
    Superseded,
}

/// Which message or row it is; the same for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locator {
    /// The drop, by its number; of a rebuilt batch, its own.
    pub drop: u64,
    /// What of it.
    pub target: Target,
}

/// One message, or one row that made none. Nothing of it is a patient's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which it is.
    pub locator: Locator,
    /// Where it stands.
    pub state: Standing,
    /// Why, in a word or a code, and in a sentence; none of a message that goes its way.
    pub reason: Option<(String, String)>,
    /// What it tells; none of a row.
    pub event: Option<Event>,
    /// MSH-10; none of a row.
    pub control: Option<String>,
    /// Its batch file; none of a row.
    pub batch: Option<String>,
    /// The extract it came from; none if that is not known any more.
    pub file: Option<String>,
    /// The record, counted from 1, and its line.
    pub record: u32,
    /// The line the record begins on.
    pub line: u32,
    /// The number of its fault, if it has one.
    pub fault: Option<i64>,
    /// When its extract was taken in, unix seconds.
    pub at: i64,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Newest first.
    pub hits: Vec<Hit>,
    /// Where the next page goes on; none at the end.
    pub next: Option<Locator>,
    /// Drops that could not be searched: their indexes are not there or damaged, and the
    /// next run makes them anew.
    pub unsearchable: Vec<u64>,
}

impl fmt::Display for Standing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Standing::In(state) => state.fmt(out),
            Standing::Filtered => out.write_str("FILTERED"),
            Standing::Resubmitted => out.write_str("RESUBMITTED"),
            Standing::Superseded => out.write_str("SUPERSEDED"),
        }
    }
}

impl FromStr for Standing {
    type Err = String;

    fn from_str(word: &str) -> Result<Standing, String> {
        let rows = [Standing::Filtered, Standing::Resubmitted, Standing::Superseded];
        if let Some(found) = rows.into_iter().find(|it| it.to_string().eq_ignore_ascii_case(word)) {
            return Ok(found);
        }
        QueueState::of_word(word).map(Standing::In).ok_or_else(|| {
            let states = QueueState::ALL.map(|state| state.to_string()).join(", ");
            format!("is no state; states are {states}, FILTERED, RESUBMITTED, SUPERSEDED")
        })
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            Target::Message(nth) => write!(out, "{}-m{nth}", drop_word(self.drop)),
            Target::Row(nth) => write!(out, "{}-r{nth}", drop_word(self.drop)),
        }
    }
}

impl FromStr for Locator {
    type Err = String;

    fn from_str(text: &str) -> Result<Locator, String> {
        let read = || {
            let (drop, rest) = text.split_once('-')?;
            let kind: fn(u64) -> Target = match rest.get(..1)? {
                "m" => Target::Message,
                "r" => Target::Row,
                _ => return None,
            };
            Some(Locator { drop: drop_of_word(drop)?, target: kind(rest[1..].parse().ok()?) })
        };
        read().ok_or_else(|| "names no message; a search prints names such as 12-m41".to_string())
    }
}
