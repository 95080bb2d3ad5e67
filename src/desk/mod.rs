//! Who works with this program in the browser: users, permissions, sessions, and a
//! trail of what they did and saw.
//!
//! One SQLite file for the whole program, `<spool>/desk.db`, mode 0600; what is decided
//! about messages and batches stands in the ledger of their interface. It knows no
//! page and no cookie. Every question comes with the time, so that a test can let hours
//! go by.

mod error;
mod open;
mod password;
mod session;
mod trail;
mod tries;
mod user;

use std::path::Path;

use rusqlite::Connection;

pub use error::DeskError;
pub use password::{PASSWORD_CHARS_MIN, Secret};
pub use session::{Limits, Session, Token};
pub use trail::{Deed, Trail};
pub use tries::{Attempt, wait_of};
pub use user::{User, good_name};

/// The result of an operation.
pub type Result<T> = std::result::Result<T, DeskError>;

/// The file's name below the spool.
pub const FILE: &str = "desk.db";

/// Users, sessions and their trail.
pub struct Desk {
    conn: Connection,
}

/// Who does something at the desk, where from, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The user, or in the shell the account of this machine.
    pub name: String,
    /// The address in the network; empty for the shell.
    pub address: String,
    /// Unix seconds.
    pub at: i64,
}

impl Desk {
    /// Opens the desk at `path`, and makes it if there is none.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn open(path: &Path) -> Result<Desk> {
        Ok(Desk { conn: open::open(path)? })
    }
}
