//! The one test binary; every area is a module, and `tidy` sees that none is forgotten.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod config;
mod ledger;
