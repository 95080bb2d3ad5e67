//! The ledger: every store conforms, and the durable one fails loudly.

use hl7drop::ledger::{Memory, Sqlite, conform::conform};

const OWNER: &str = "ridge-hie/test";

#[test]
fn memory_conforms() {
    conform(false, &mut || Box::new(Memory::default()));
}

#[test]
fn sqlite_conforms() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("ledger.db");
    conform(true, &mut || Box::new(Sqlite::open(&path, OWNER).unwrap()));
}
