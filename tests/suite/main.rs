//! wip
mod config;
