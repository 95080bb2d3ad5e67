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
mod guard;
pub mod incidents;
mod intake;
mod joined;
mod key;
mod memory;
mod missing;
mod next;
mod operator;
mod order;
mod pass;
mod patients;
mod pipeline;
mod probe;
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
mod writer;

pub use agreement::{Agreement, Programs};
pub use deliver::Delivered;
pub use drop::{Account, Accounts, Conversion, Explanation, Journal, Wanted};
pub use error::EngineError;
pub use guard::{Changes, HeldFault, Hold};
pub use intake::Taken;
pub use next::{Typed, next_steps};
pub use pass::{Engine, Opener, Summary, root_of, workers};
pub use probe::{Probed, probe};
pub use source::{Progress, Silent, Source, open_regular};
pub use upload::{Upload, UploadError, Uploaded};
pub use writer::{Savepoint, Writer, Written};
