//! Any bytes as a batch file: read, or refused; and whatever pieces `validate` gets them
//! in, it finds the same.
#![no_main]

use hl7drop::hl7::read::BatchFile;
use hl7drop::validate::FileCheck;
use libfuzzer_sys::fuzz_target;

fn found(pieces: &[&[u8]]) -> Vec<String> {
    let mut check = FileCheck::new(None);
    pieces.iter().for_each(|piece| check.feed(piece));
    check.finish();
    check.findings().take().iter().map(|finding| format!("{finding:?}")).collect()
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = BatchFile::read(bytes) {
        file.messages().for_each(|message| drop(message.control_id().len()));
    }
    let (one, two) = bytes.split_at(bytes.len() / 3);
    assert_eq!(found(&[bytes]), found(&[one, two]), "pieces change what is found");
});
