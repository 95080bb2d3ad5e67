//! All integration tests: one binary, so one link and one server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and writes its own files"
)]

mod delivery;
mod proxy;
mod sftpd;
