//! The check of messages before they are published, alone: `scripts/bench.sh` takes what it
//! costs from this, with and without `--split`.
//!
//! `cargo run --release --example selfcheck -- INTERFACE.toml BATCH.hl7 [--split]` reads a batch
//! file as the workers saw it, MSH-10 left open, and checks its messages one after the other;
//! with `--split` it does all but the check.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use hl7drop::config::interface;
use hl7drop::validate::{Agreed, MessageCheck};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (settings, batch, splits) = match words.as_slice() {
        [settings, batch] => (settings, batch, false),
        [settings, batch, last] if last == "--split" => (settings, batch, true),
        _ => return Err("usage: selfcheck INTERFACE BATCH [--split]".into()),
    };
    let scope = interface::read(&std::fs::read_to_string(settings)?, Path::new("."))
        .map_err(|problems| problems.iter().map(|one| format!("{one}\n")).collect::<String>())?;
    let mut check = MessageCheck::before_numbers(Arc::new(Agreed::of(&scope)));
    let mut file = BufReader::with_capacity(1 << 18, File::open(batch)?);
    let (mut message, mut segment, mut messages) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        segment.clear();
        file.read_until(b'\r', &mut segment)?;
        if !message.is_empty() && matches!(segment.get(..3), None | Some(b"MSH" | b"BTS")) {
            messages += 1;
            if !splits {
                check.messages(&message);
            }
            message.clear();
        }
        match segment.get(..3) {
            None => break,
            Some(b"MSH") => open_number(&segment, &mut message),
            Some(b"FHS" | b"BHS" | b"BTS" | b"FTS") => {}
            Some(_) => message.extend_from_slice(&segment),
        }
    }
    println!("{messages} messages: {:?}", check.findings.by_rule());
    Ok(())
}

/// Appends an MSH without MSH-10, as it is before the writer gives the number.
fn open_number(msh: &[u8], message: &mut Vec<u8>) {
    let mut bars = msh.iter().enumerate().filter(|(_, byte)| **byte == b'|').map(|(at, _)| at);
    if let (Some(begin), Some(end)) = (bars.nth(8), bars.next()) {
        message.extend_from_slice(&msh[..=begin]);
        message.extend_from_slice(&msh[end..]);
    }
}
