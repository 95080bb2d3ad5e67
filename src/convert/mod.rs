//! From a record to a message: pure, compiled once, run for each record.
//!
//! The map ([`Map`]) says in the words of `config/mapping.toml` which column feeds
//! which field. [`Compiler::program`] binds it to one header, one event and one run,
//! so that a record costs copies and look-ups only. What is not known here: files,
//! the ledger, control IDs (their places are left open), the order of messages.

mod blame;
mod change;
mod charset;
mod claims;
mod column;
mod compile;
mod deletes;
mod detect;
mod draft;
mod explain;
mod filter;
mod fingerprint;
mod functions;
mod guard;
mod lengths;
mod lookup;
mod map;
mod output;
mod outside;
mod program;
mod references;
mod scene;
mod slim;
mod tables;
mod template;
mod times;
mod value;
mod values;

pub use claims::{Claimer, external_ids};
pub use compile::{Bound, Compiler};
pub use deletes::{Deletes, Sent};
pub use detect::{Detector, Finding};
pub use explain::Explained;
pub use filter::{FilterError, Resolved, Sieve};
pub use fingerprint::{Fingerprinter, Keeper};
pub use map::{Map, MapError};
pub use output::{Mark, Output};
pub use program::{Input, Program, Refusal};
pub use references::{ProviderRow, References, is_npi, split_name};
pub use template::{Template, TemplateError};
pub use values::{date, date_time, write_minute, write_second};
