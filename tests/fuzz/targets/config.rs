//! Any text as an interface file: a scope or problems with their lines, never a panic.
#![no_main]

use std::path::Path;

use hl7drop::config::interface;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(problems) = interface::read(text, Path::new("/nowhere")) {
        assert!(!problems.is_empty(), "refused, and nobody knows why");
    }
});
