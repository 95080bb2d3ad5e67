//! The machine, and the program's own settings.

use std::fs;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::program::Program;
use crate::disk;

/// Says what this machine and this program are.
pub(super) fn machine(program: &Program, clock: &Clock) -> Value {
    let line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(key));
        found.map(|value| value.trim_matches(['"', ' ', '\t']).to_string())
    };
    json!({
        "program": env!("CARGO_PKG_VERSION"),
        "at": clock.unix(),
        "system": line("/etc/os-release", "PRETTY_NAME="),
        "kernel": line("/proc/sys/kernel/osrelease", ""),
        "machine": std::env::consts::ARCH,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": line("/proc/meminfo", "MemTotal:"),
        "memory_available": line("/proc/meminfo", "MemAvailable:"),
        "uid": rustix::process::getuid().as_raw(),
        "spool": {
            "folder": program.spool.display().to_string(),
            "free_bytes": disk::free(&program.spool).ok(),
            "file_system": rustix::fs::statfs(&program.spool).ok().map(|found| format!("{:#x}", found.f_type)),
        },
        "interfaces": program.interfaces.display().to_string(),
        "workers": program.workers,
        "contacts": program.contacts.len(),
    })
}
