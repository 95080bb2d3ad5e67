//! The page: the message queue in the browser (`hl7drop serve`).
//!
//! One request goes through `http.rs`, the only file that knows the HTTP crate, to
//! `gate.rs` (who is it, is the form ours, may they?), to a page of `pages/`, each a
//! function from an `Ask` to a `reply::Reply`. `routes.rs` is the table
//! of them all. The page works without its script, holds nothing from elsewhere, and
//! decides nothing: what it does is the engine's, as in the shell.

mod ask;
mod chart;
mod frame;
mod gate;
mod http;
mod office;
mod pages;
mod parts;
mod refusal;
mod reply;
mod routes;

use std::net::SocketAddr;

pub use office::{Office, Settings};
pub use parts::{count, number};
pub use refusal::ServeError;
pub use routes::{Needs, ROUTES, Route, Way};

/// Serves until SIGTERM or SIGINT; tells the address once it listens.
///
/// # Errors
/// [`ServeError`]: the address is taken, or the users' file cannot be opened.
pub fn serve(settings: Settings, ready: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    http::serve(Office::open(settings)?, ready)
}
