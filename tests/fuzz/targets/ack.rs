//! Any bytes as a response file: parts, then an end or an error; never a panic, never
//! more parts than bytes.
#![no_main]

use hl7drop::ack;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut from, mut parts) = (bytes, 0);
    let _ = ack::read(&mut from, &mut |_| parts += 1);
    assert!(parts <= bytes.len(), "more parts than bytes");
});
