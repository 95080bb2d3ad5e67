//! The plain scan that `scripts/bench.sh` holds the program against: every record of a
//! CSV file read by the `csv` crate into one `ByteRecord`, and nothing done with it.
//!
//! `cargo run --release --example scan -- patients.csv`

use std::error::Error;

use csv::{ByteRecord, ReaderBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: scan FILE")?;
    let mut reader =
        ReaderBuilder::new().flexible(true).buffer_capacity(1 << 18).from_path(&path)?;
    let mut record = ByteRecord::new();
    let (mut records, mut bytes) = (0_u64, 0_usize);
    while reader.read_byte_record(&mut record)? {
        records += 1;
        bytes += record.as_slice().len();
    }
    println!("{records} records, {bytes} bytes in their values");
    Ok(())
}
