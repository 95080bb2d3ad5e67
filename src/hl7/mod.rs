//! The wire grammar of HL7 v2: paths, escapes, segments, envelopes.
//!
//! Knows no event, no scope, no file; imports nothing of ours, so that it could
//! be lifted out. Sources: HL7 2.3.1 chapter 2, `interface.md` 3.3 to 3.5.

pub mod envelope;
mod escape;
mod names;
mod path;
pub mod read;

pub use escape::{
    Text, escape, escape_controls, is_plain, is_plain_between, needs_escape, unescape,
};
pub use names::field_name;
pub use path::{Path, PathError};
