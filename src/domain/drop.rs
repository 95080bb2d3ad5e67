//! The numbers of drops. A batch file that was made of another one again (`queue rebuild`) is
//! looked at as a drop of its own, whose rows are those of the first: its number is the
//! batch's, far above those that drops have.

/// Above every number of a drop.
const REBUILT: u64 = 1 << 62;

/// Returns the number of the drop that a rebuilt batch stands for.
pub const fn drop_of_rebuilt(batch: u64) -> u64 {
    REBUILT | batch
}

/// Returns the batch that such a drop is; none of one that was dropped.
pub const fn rebuilt_batch(drop: u64) -> Option<u64> {
    if drop & REBUILT == 0 { None } else { Some(drop & !REBUILT) }
}

/// Returns how a drop is written: `12`, or `b9` for the rebuilt batch 9.
pub fn drop_word(drop: u64) -> String {
    rebuilt_batch(drop).map_or_else(|| drop.to_string(), |batch| format!("b{batch}"))
}

/// Reads it.
pub fn drop_of_word(word: &str) -> Option<u64> {
    let (rebuilt, digits) = match word.strip_prefix('b') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let number = digits.parse().ok().filter(|number| *number < REBUILT)?;
    Some(if rebuilt { drop_of_rebuilt(number) } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebuilt_batch_has_a_word_of_its_own_and_comes_back() {
        for (drop, word) in [(12, "12"), (drop_of_rebuilt(9), "b9")] {
            assert_eq!((drop_word(drop), drop_of_word(word)), (word.to_string(), Some(drop)));
        }
        assert_eq!((rebuilt_batch(12), rebuilt_batch(drop_of_rebuilt(9))), (None, Some(9)));
        for bad in ["", "b", "-1", "b4611686018427387904", "x9"] {
            assert_eq!(drop_of_word(bad), None, "{bad}");
        }
    }
}
