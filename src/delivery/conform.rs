//! What every [`Delivery`] must hold to: one suite, run by each of them on an
//! empty place, `folder` and `sftp` and those outside this crate.
#![expect(clippy::unwrap_used, reason = "a test suite that other crates can run")]

use std::io::{self, Read};

use super::{Delivery, DeliveryError};
use crate::digest::Digest;

/// Runs the suite; `open` opens the same, at first empty, place again and again.
///
/// # Panics
/// Where the delivery does not conform.
pub fn conform(open: &mut dyn FnMut() -> Box<dyn Delivery>) {
    an_absent_name_is_absent(&mut *open());
    an_upload_is_whole(&mut *open());
    an_empty_file_is_a_file(&mut *open());
    a_large_file_survives(&mut *open());
    a_taken_name_is_not_uploaded_to(&mut *open());
    a_source_of_another_size_never_looks_whole(&mut *open());
    a_source_that_fails_never_looks_whole(&mut *open());
    a_rename_moves(&mut *open());
    a_file_is_published_and_seen(&mut *open());
    a_taken_name_is_not_renamed_to(&mut *open());
    a_removal_can_be_repeated(&mut *open());
    what_is_there_is_listed_and_can_be_fetched(&mut *open());
    what_one_did_the_next_sees(open);
}

fn put(place: &mut dyn Delivery, name: &str, content: &[u8]) {
    place.upload(name, &mut &content[..], content.len() as u64).unwrap();
}

fn holds(place: &mut dyn Delivery, name: &str, content: &[u8]) {
    assert_eq!(place.size(name).unwrap(), Some(content.len() as u64), "size of {name}");
    assert_eq!(place.digest(name).unwrap(), Digest::of(content), "content of {name}");
}

fn an_absent_name_is_absent(place: &mut dyn Delivery) {
    assert_eq!(place.size("absent.hl7").unwrap(), None);
    let err = place.digest("absent.hl7").unwrap_err();
    assert!(matches!(err, DeliveryError::NotFound { .. }), "{err}");
    let err = place.rename("absent.hl7", "renamed.hl7").unwrap_err();
    assert!(matches!(err, DeliveryError::NotFound { .. }), "{err}");
    assert_eq!(place.size("renamed.hl7").unwrap(), None);
    assert!(place.path("absent.hl7").ends_with("absent.hl7"));
    assert!(!place.server().address.is_empty() && !place.server().place.is_empty());
}

fn an_upload_is_whole(place: &mut dyn Delivery) {
    put(place, ".whole.hl7.part", b"FHS|^~\\&|\r");
    holds(place, ".whole.hl7.part", b"FHS|^~\\&|\r");
    for (other, size) in [("whole.hl7", None), (".whole.hl7.part", Some(10))] {
        let content: &[u8] = b"beside it";
        let looked = place.upload_and_look("beside.part", &mut &content[..], 9, other).unwrap();
        assert_eq!(looked.unwrap(), size, "{other}");
        holds(place, "beside.part", content);
        place.remove("beside.part").unwrap();
    }
    // The answers of an upload that fails are nobody else's.
    put(place, "taken.part", b"old");
    let taken: &[u8] = b"newer";
    let err = place.upload_and_look("taken.part", &mut &taken[..], 5, "whole.hl7").unwrap_err();
    assert!(matches!(err, DeliveryError::Exists { .. }), "{err}");
    assert_eq!(place.size(".whole.hl7.part").unwrap(), Some(10));
    place.remove("taken.part").unwrap();
}

fn an_empty_file_is_a_file(place: &mut dyn Delivery) {
    put(place, "empty.hl7", b"");
    holds(place, "empty.hl7", b"");
}

fn a_large_file_survives(place: &mut dyn Delivery) {
    // Not a multiple of any block, and no two blocks are alike.
    let bytes = (20 << 20) + 7;
    let (digest, _) = Digest::of_reader(&mut Pattern::of(bytes)).unwrap();
    place.upload("large.hl7", &mut Pattern::of(bytes), bytes).unwrap();
    assert_eq!(place.size("large.hl7").unwrap(), Some(bytes));
    assert_eq!(place.digest("large.hl7").unwrap(), digest);
    place.remove("large.hl7").unwrap();
}

fn a_taken_name_is_not_uploaded_to(place: &mut dyn Delivery) {
    put(place, "taken.hl7", b"old");
    let err = place.upload("taken.hl7", &mut &b"newer"[..], 5).unwrap_err();
    assert!(matches!(err, DeliveryError::Exists { .. }), "{err}");
    holds(place, "taken.hl7", b"old");
}

fn a_source_of_another_size_never_looks_whole(place: &mut dyn Delivery) {
    for (name, announced) in [("short.part", 9), ("long.part", 7), ("none.part", 0)] {
        let err = place.upload(name, &mut &b"8 bytes!"[..], announced).unwrap_err();
        let told = matches!(err, DeliveryError::Source(_) | DeliveryError::WrongSize { .. });
        assert!(told, "{name}: {err}");
        assert_ne!(place.size(name).unwrap(), Some(announced), "{name} looks whole");
        place.remove(name).unwrap();
    }
}

fn a_source_that_fails_never_looks_whole(place: &mut dyn Delivery) {
    // Long enough that some of it has gone out when the source fails.
    let bytes = 10 << 20;
    let mut source = Pattern::of(bytes - 1).chain(Broken);
    let err = place.upload("torn.hl7.part", &mut source, bytes).unwrap_err();
    assert!(matches!(err, DeliveryError::Source(_)), "{err}");
    assert_ne!(place.size("torn.hl7.part").unwrap(), Some(bytes));
    assert_eq!(place.size("torn.hl7").unwrap(), None);
    place.remove("torn.hl7.part").unwrap();
    put(place, "torn.hl7.part", b"the next try");
    holds(place, "torn.hl7.part", b"the next try");
}

fn a_rename_moves(place: &mut dyn Delivery) {
    put(place, "moved.hl7.part", b"moved");
    place.rename("moved.hl7.part", "moved.hl7").unwrap();
    assert_eq!(place.size("moved.hl7.part").unwrap(), None);
    holds(place, "moved.hl7", b"moved");
}

fn a_file_is_published_and_seen(place: &mut dyn Delivery) {
    let mut times = 0;
    // Of a way that puts requests together each must get its own answer.
    for name in ["one.hl7", "two.hl7", "three.hl7"] {
        let content = format!("the bytes of {name}");
        put(place, "out.part", content.as_bytes());
        let found = place.publish("out.part", name, &mut || times += 1).unwrap().unwrap();
        assert_eq!(found, Some(content.len() as u64));
        assert_eq!(place.size("out.part").unwrap(), None);
        holds(place, name, content.as_bytes());
    }
    let err = place.publish("absent.part", "four.hl7", &mut || times += 1).unwrap_err();
    assert!(matches!(err, DeliveryError::NotFound { .. }), "{err}");
    assert_eq!((place.size("four.hl7").unwrap(), times), (None, 4));
}

fn a_taken_name_is_not_renamed_to(place: &mut dyn Delivery) {
    put(place, "first.hl7", b"first");
    put(place, "second.hl7", b"the second");
    let err = place.rename("second.hl7", "first.hl7").unwrap_err();
    let told = matches!(err, DeliveryError::Exists { .. } | DeliveryError::Refused { .. });
    assert!(told, "{err}");
    holds(place, "first.hl7", b"first");
    holds(place, "second.hl7", b"the second");
}

fn a_removal_can_be_repeated(place: &mut dyn Delivery) {
    put(place, "gone.hl7", b"gone");
    place.remove("gone.hl7").unwrap();
    assert_eq!(place.size("gone.hl7").unwrap(), None);
    place.remove("gone.hl7").unwrap();
}

fn what_is_there_is_listed_and_can_be_fetched(place: &mut dyn Delivery) {
    let bytes = (1 << 20) + 3;
    place.upload("answer.ack", &mut Pattern::of(bytes), bytes).unwrap();
    put(place, "empty.ack", b"");
    let listed = place.list().unwrap();
    let size = |name: &str| listed.iter().find(|file| file.name == name).map(|file| file.bytes);
    // A place may not tell sizes; a wrong one is worse than none.
    assert!(matches!(size("answer.ack"), Some(None)) || size("answer.ack") == Some(Some(bytes)));
    assert!(size("empty.ack").is_some(), "{listed:?}");
    assert_eq!(size("absent.ack"), None);

    let (digest, _) = Digest::of_reader(&mut Pattern::of(bytes)).unwrap();
    let mut fetched = Vec::new();
    assert_eq!(place.fetch("answer.ack", &mut fetched, bytes).unwrap(), bytes);
    assert_eq!(Digest::of(&fetched), digest);
    assert_eq!(place.fetch("empty.ack", &mut io::sink(), 0).unwrap(), 0);
    let err = place.fetch("answer.ack", &mut io::sink(), bytes - 1).unwrap_err();
    assert!(matches!(err, DeliveryError::TooLarge { .. }), "{err}");
    let err = place.fetch("absent.ack", &mut io::sink(), 9).unwrap_err();
    assert!(matches!(err, DeliveryError::NotFound { .. }), "{err}");
    let err = place.fetch("answer.ack", &mut Full, bytes).unwrap_err();
    assert!(matches!(err, DeliveryError::Kept(_)), "{err}");
    holds(place, "empty.ack", b"");
    place.remove("answer.ack").unwrap();
    place.remove("empty.ack").unwrap();
    assert!(place.list().unwrap().iter().all(|file| !file.name.ends_with(".ack")));
}

/// A disk of ours without room.
struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn what_one_did_the_next_sees(open: &mut dyn FnMut() -> Box<dyn Delivery>) {
    assert_eq!(open().server(), open().server(), "one place has one name");
    put(&mut *open(), "kept.hl7.part", b"kept");
    open().rename("kept.hl7.part", "kept.hl7").unwrap();
    holds(&mut *open(), "kept.hl7", b"kept");
}

/// So many bytes of no period shorter than the file, the same each time.
struct Pattern {
    left: u64,
    state: u64,
}

impl Pattern {
    fn of(bytes: u64) -> Pattern {
        Pattern { left: bytes, state: 0x9e37_79b9_7f4a_7c15 }
    }
}

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.left.min(buffer.len() as u64) as usize;
        for byte in &mut buffer[..count] {
            // Xorshift (Marsaglia, 2003).
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            *byte = self.state as u8;
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// A source on a disk that fails.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("injected"))
    }
}
