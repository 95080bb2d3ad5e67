//! Control IDs that were seen, to find one that comes twice.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The IDs of a file.
///
/// Ours rise one by one with the same end, so a first and a last number stand for all
/// of them. Any other ID costs eight bytes of a hash and its place in a set; two IDs in
/// ten million have the same hash once in some hundred thousand such files.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    run: Option<Run>,
    others: HashSet<u64>,
}

#[derive(Clone, Debug)]
struct Run {
    end: Vec<u8>,
    first: u64,
    next: u64,
}

impl Ids {
    /// Takes an ID down; says whether it is new.
    pub fn add(&mut self, id: &[u8]) -> bool {
        let parsed = number(id);
        match (&mut self.run, parsed) {
            (None, Some((number, end))) if self.others.is_empty() => {
                self.run = Some(Run { end: end.to_vec(), first: number, next: number + 1 });
                true
            }
            (Some(run), Some((number, end))) if run.end == end && number < run.next => {
                number < run.first && self.others.insert(hash(id))
            }
            (Some(run), Some((number, end))) if run.end == end && number == run.next => {
                run.next += 1;
                self.others.is_empty() || !self.others.contains(&hash(id))
            }
            _ => self.others.insert(hash(id)),
        }
    }
}

/// Splits `1000001M99999` into its number and what follows; not one with a leading
/// zero, since `01` and `1` are two IDs.
fn number(id: &[u8]) -> Option<(u64, &[u8])> {
    let digits = id.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=18).contains(&digits) || id[0] == b'0' {
        return None;
    }
    let number = id[..digits].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some((number, &id[digits..]))
}

fn hash(id: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_our_own_take_no_room() {
        let mut ids = Ids::default();
        assert!((5..100_000).all(|number| ids.add(format!("{number}M9").as_bytes())));
        assert!(ids.others.is_empty());
        assert!(!ids.add(b"5M9") && !ids.add(b"99999M9"));
        assert!(ids.add(b"4M9") && !ids.add(b"4M9"));
        assert!(ids.add(b"100000M9") && ids.add(b"100000M8"));
    }

    #[test]
    fn any_id_that_comes_twice_is_seen() {
        let mut ids = Ids::default();
        for id in ["CS0000000001", "", "7M1", "9M1", "8M1", "08M1", "x", "11M1", "10M1"] {
            assert!(ids.add(id.as_bytes()), "{id}");
        }
        for id in ["CS0000000001", "", "7M1", "9M1", "8M1", "08M1", "x", "11M1", "10M1"] {
            assert!(!ids.add(id.as_bytes()), "{id}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_says_what_a_plain_set_says(ids in proptest::collection::vec("[0-9]{0,2}[ab]?", 0..60)) {
            let (mut ours, mut plain) = (Ids::default(), HashSet::new());
            for id in ids {
                proptest::prop_assert_eq!(ours.add(id.as_bytes()), plain.insert(id));
            }
        }
    }
}
