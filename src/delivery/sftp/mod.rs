//! Delivery over SFTP.
//!
//! | file | holds |
//! |---|---|
//! | [`mod@line`] | the TCP connection and the SSH session, a time limit on every step |
//! | [`host_key`] | the known_hosts file: who the server must be |
//! | [`offer`] | what a server offers that we have nothing in common with |
//! | [`key_file`] | private keys of ours; passwords are read by [`secret`](crate::secret) |
//! | [`trust`] | showing a server's keys to a person, and pinning one |
//! | [`login`] | proving who we are |
//! | [`files`] | the verbs of a [`Delivery`](super::Delivery) |
//! | [`finish`] | the end of an upload, in few round trips |
//!
//! Nothing is trusted on first use: a host key that no known_hosts line holds
//! ends the connection before anything of ours was sent.

mod files;
mod finish;
mod host_key;
mod key_file;
mod line;
mod login;
mod offer;
mod trust;

use std::time::Duration;

pub use files::Sftp;
pub use trust::{ShownKey, Standing, pin, shown_keys};

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One TCP connection; each of a host's addresses has as long.
    pub connect: Duration,
    /// The key exchange, one SFTP request, or one written block.
    pub request: Duration,
    /// One proof of who we are; servers let refused logins wait.
    pub login: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            login: Duration::from_secs(60),
        }
    }
}
