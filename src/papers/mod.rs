//! What people read and sign of an interface: the scope as a document, what changed
//! between two of them, who approved which, and the plan of its test.
//!
//! All of it is made of the interface file and of the field map that it agrees on, so no
//! paper can say something else than what is sent.

pub mod agreed;
pub mod approval;
mod examples;
mod fields;
mod sample;
pub mod scope;
pub mod testplan;

pub use examples::clock as made_up_clock;
