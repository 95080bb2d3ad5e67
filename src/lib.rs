//! Drop an extract, get a delivered, verified HL7 batch file.
//!
//! Modules are listed by floor; a module imports only from lower floors
//! (`tests/suite/tidy.rs` holds us to it).

// Floor 0: words.
pub mod clock;
pub mod crashpoint;
pub mod digest;
pub mod hl7;
// Floor 1: hands.
pub mod disk;
// Floor 2: nouns.
pub mod domain;
// Floor 4: the world.
pub mod delivery;
