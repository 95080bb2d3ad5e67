//! The Word scope package, "Outbound Patients and Appointments": bytes in, answers and
//! questions out; and papers of ours, as Markdown, HTML or Word.
//!
//! ```text
//! bytes --archive--> XML --document--> tables of cells --tables--> Answers
//! Paper --paper_markdown, paper_html, paper_docx--> bytes
//! ```
//! Nothing here knows the interface file: [`Answers`](crate::domain::Answers) name its keys,
//! and whoever writes that file checks them. A document is foreign: nothing of it is
//! unpacked onto a disk, no part of it names another one that would be fetched, and each of
//! its sizes has a bound.

mod archive;
mod document;
mod labels;
mod rows;
mod tables;

pub use archive::{FILE_MAX, PackageError};
pub use tables::read;
