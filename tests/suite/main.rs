//! The one test binary: one link, one server. Every area is a module, and `tidy`
//! sees that no file is forgotten.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test may panic, and writes its own files"
)]

mod acks;
mod alerts;
mod answering;
mod approval;
mod audit;
mod backfill;
mod backfill_kills;
mod backup;
mod bad_input;
mod behind_proxy;
mod browser;
mod cases;
mod cli;
mod config;
mod connections;
mod crash;
mod decisions;
mod delivery;
mod doubt;
mod encrypt;
mod events;
mod external_ids;
mod filters;
mod find;
mod foreign;
mod guard;
mod guide;
mod input;
mod insurance;
mod judges;
mod kills;
mod ledger;
mod manifest;
mod mend;
mod pickup;
mod properties;
mod proxy;
mod real_data;
mod register;
mod replay;
mod retention;
mod rules;
mod scope;
mod security;
mod servers;
mod settings;
mod sftpd;
mod simulate;
mod site;
mod support;
mod testplan;
mod tidy;
mod upgrade;
mod validate;
mod versions;
mod vocabulary;
mod watch;
mod web;
mod windows;
mod word;
