//! Incidents: what is wrong, since when, and who was told of it.
//!
//! | file | holds |
//! |---|---|
//! | `look` | what is wrong now, read off the ledger, the folders and the last pass |
//! | `watches` | what should have come and did not, or came in unusual numbers |
//! | `book` | what becomes of it: one incident, one alert, one recovery |
//! | `keeper` | the book on the disk, and the telling |
//!
//! What is wrong is read off the state, never remembered from an event: a crash loses no
//! incident, since the next look sees it again. A look and what is told never fail a pass.

mod book;
mod keeper;
mod look;
mod watches;

pub use book::{Incident, Told};
pub use keeper::{Keeper, open_in};
pub use look::{Ended, of_error};
