//! Any bytes as an extract of each kind: an error or records, no panic and no hang; and
//! the same records whatever the size of the blocks (a header fits in one, by far).
#![no_main]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::OnceLock;

use hl7drop::domain::{Encoding, ExtractKind, Form};
use hl7drop::extract::{Blocks, Limits, Reading, Rows, Text, Vocabulary};
use libfuzzer_sys::fuzz_target;

const ENCODINGS: [Encoding; 5] = [
    Encoding::Auto,
    Encoding::Utf8,
    Encoding::Windows1252,
    Encoding::Latin1,
    Encoding::Utf16,
];

fn reading() -> &'static Reading {
    static READING: OnceLock<Reading> = OnceLock::new();
    READING.get_or_init(|| {
        Reading::new(&Vocabulary::standard().unwrap(), &BTreeMap::<ExtractKind, Form>::new())
            .unwrap()
    })
}

/// What is read: for each record its line, how many values, and whether it is whole.
fn records(bytes: &[u8], kind: ExtractKind, encoding: Encoding, block: usize) -> Option<Vec<(u64, bool)>> {
    let open = || {
        let text = Text::of(Cursor::new(bytes.to_vec()), encoding).ok()?;
        let limits = Limits { block_bytes: block, ..Limits::default() };
        Blocks::open(text, reading(), kind, limits).ok()
    };
    let (layout, mut blocks) = open()?;
    let layout = match layout {
        Some(layout) => layout,
        None => open()?.1.learn(reading(), kind).ok()?,
    };
    let mut found = Vec::new();
    while let Some(block) = blocks.next_block().ok()? {
        let mut rows = Rows::new(&block, &layout);
        while let Some(row) = rows.next_row() {
            assert!(row.range.end <= block.bytes.len());
            found.push((row.line, row.fault.is_none()));
        }
    }
    Some(found)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let kind = ExtractKind::ALL[usize::from(choice) % 4];
    let encoding = ENCODINGS[usize::from(choice / 4) % 5];
    let large = records(bytes, kind, encoding, 1 << 16);
    assert_eq!(large, records(bytes, kind, encoding, 2048), "blocks change what is read");
});
