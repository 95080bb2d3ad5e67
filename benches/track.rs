//! What tracking costs: the index of drops with so many messages, and nothing else, for
//! `scripts/bench-queue.sh`. It does for each message what a `run` does besides telling it:
//! the hash of its ID, its entry, its key, sorted and written and synced.
//!
//! Usage: track FOLDER DROPS MESSAGES

use std::error::Error;
use std::path::Path;

use hl7drop::domain::Event;
use hl7drop::index::{IndexWriter, KeyOf, MessageEntry, Place, key};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    let [_, folder, drops, messages] = words.as_slice() else {
        return Err("usage: track FOLDER DROPS MESSAGES".into());
    };
    let (drops, messages): (u64, u32) = (drops.parse()?, messages.parse()?);
    for drop in 1..=drops {
        let mut index = IndexWriter::create(&Path::new(folder).join(format!("{drop}.idx")))?;
        for record in 1..=messages {
            let id = (drop * 1_000_000 + u64::from(record)).to_string();
            let offset = u64::from(record) * 300;
            let place = Place { extract: 0, record, line: record + 1, offset };
            let event = Event::PatientUpdated;
            let keys = [key(KeyOf::Patient, id.as_bytes())];
            index.message(&MessageEntry { offset, event, place }, &keys)?;
        }
        index.finish(drop, Some(drop))?;
    }
    Ok(())
}
