//! The integration tests: one binary, a module an area.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests report by panicking")]

mod ledger;
