//! Configuration: text in, a checked [`Scope`](crate::domain::Scope) or every problem out.
//!
//! ```text
//! text --parse--> table --+--> raw structs --check--> Scope | all problems, each with its line
//! defaults (embedded) ----+
//! ```
//! Nothing here opens a file: the caller reads the text and says which folder
//! relative paths start from. There is no `validate()` to forget: what is not
//! checked cannot be had.

mod check;
mod check_ack;
mod check_backfill;
mod check_codes;
mod check_connectivity;
mod check_contacts;
mod check_encrypt;
mod check_events;
mod check_extract;
mod check_fields;
mod check_filter;
mod check_ids;
mod check_output;
mod check_project;
mod check_tables;
pub mod fill;
pub mod interface;
mod problem;
pub mod program;
mod raw;
pub mod settings;
mod shape;
pub mod template;
#[cfg(test)]
mod testing;

pub use problem::Problem;
