//! The engine: the only place where the world meets the verbs.
//!
//! Read `pass.rs` first: it is the whole story in forty lines.

mod agreement;
mod attempt;
mod backoff;
pub mod check;
mod claims;
mod deliver;
mod direct;
mod doubles;
mod doubt;
mod drop;
mod error;
mod explain;
mod files;
mod filtered;
mod find;
mod intake;
mod key;
mod memory;
mod message;
mod operator;
mod order;
mod pass;
mod patients;
mod pipeline;
mod probe;
mod query;
mod recover;
mod reference;
mod reindex;
mod render;
pub mod selfcheck;
mod source;
mod survey;
mod tally;
mod track;
mod tracking;
mod turns;
mod upload;
mod views;
mod writer;

pub use agreement::{Agreement, Programs};
pub use deliver::Delivered;
pub use drop::{Account, Accounts, Conversion, Explanation, Journal, Wanted};
pub use error::EngineError;
pub use query::{Found, Hit, Locator, Query, Standing};
pub use intake::Taken;
pub use message::{Field, Whole};
pub use pass::{Engine, Summary, root_of, workers};
pub use probe::{Probed, probe};
pub use source::{Progress, Silent, Source, open_regular};
pub use upload::{Upload, UploadError, Uploaded};
pub use views::View;
pub use writer::{Savepoint, Writer, Written};
