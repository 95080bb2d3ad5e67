//! Holds batch files and messages to HL7 2.3.1 to 2.5.1, and to what was agreed.
//!
//! It reads what was written as a receiver would, segment by segment, and keeps no
//! message: memory does not grow with the file. It knows nothing of how messages are
//! made, so that what makes them wrong cannot make it silent. `hl7drop validate` runs
//! it over any file, and the engine over every batch before it is promised.
//!
//! Sources: `interface.md` 3.1 to 3.5, `config/hl7/*.tsv`. What HL7 leaves to the
//! parties is a warning; what an interface's own mapping says is one too.

mod agreed;
mod edge;
mod field;
mod file;
mod finding;
mod grammar;
mod ids;
mod message;
mod order;
mod paths;
mod quick;
mod rule;
mod scan;
mod separators;
mod standard;
mod values;
mod word;

pub use agreed::Agreed;
pub use file::{FileCheck, Read};
pub use finding::{Finding, Findings, Place};
pub use message::MessageCheck;
pub use rule::{Rule, Severity};
