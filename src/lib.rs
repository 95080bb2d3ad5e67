//! Drop an extract, get a delivered, verified HL7 batch file.
//!
//! Modules are listed by floor; a module imports only from lower floors
//! (`tests/suite/tidy.rs` holds us to it).

// Floor 0: words.
pub mod clock;
pub mod codes;
pub mod crashpoint;
pub mod digest;
pub mod hl7;
pub mod tame;
#[cfg(test)]
pub mod testing;
// Floor 1: hands.
pub mod child;
pub mod disk;
pub mod secret;
// Floor 2: nouns.
pub mod domain;
// Floor 3: pure verbs; they do not know each other.
pub mod ack;
pub mod batch;
pub mod config;
pub mod convert;
pub mod extract;
pub mod package;
pub mod validate;
// Floor 4: the world; its modules do not know each other.
pub mod delivery;
pub mod desk;
pub mod index;
pub mod ledger;
pub mod openpgp;
pub mod papers;
pub mod spool;
pub mod tell;
// Floor 5: the engine.
pub mod engine;
// Floor 6: the face in the browser.
pub mod web;
// Floor 7: the face in the shell, which starts the other.
pub mod cli;
