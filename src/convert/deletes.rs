//! `""` in updates: "delete it", only of fields that were sent earlier (`interface.md` 8.23).
//!
//! The program of an update writes `""` into each field of PID and PD1 that its columns
//! leave empty. What of it stays says [`Sent`], a bit for each field of the two segments,
//! set where the vendor was told a value last. The register keeps it behind the values of
//! the patient, as if it were a column of his.

use super::output::Output;
use super::program::{DELETE, Program};
use crate::hl7::Path;

/// Bits of PID; those of PD1 stand behind them.
const PID: usize = 40;

/// The fields of PID and PD1 in which the vendor was told a value last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent(u64);

/// What an update under one header can delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletes {
    fields: Sent,
}

impl Sent {
    /// The name that the register keeps it under; no column of an extract is called so.
    pub const COLUMN: &str = "@sent";

    /// Of somebody of whom nobody remembers what was told: it may have been all of it.
    pub const ANYTHING: Sent = Sent(u64::MAX);

    /// Returns it as it is kept.
    pub fn kept(self) -> String {
        format!("{:x}", self.0)
    }

    /// Reads what was kept.
    pub fn of_kept(kept: &[u8]) -> Sent {
        let number = std::str::from_utf8(kept).ok();
        let number = number.and_then(|text| u64::from_str_radix(text, 16).ok());
        number.map_or(Sent::ANYTHING, Sent)
    }

    /// Returns what a message tells.
    pub fn of_message(message: &[u8]) -> Sent {
        let mut told = Sent::default();
        for segment in message.split(|byte| matches!(byte, b'\r' | b'\n')) {
            let name = segment.get(..3).unwrap_or_default();
            for (number, value) in segment.split(|byte| *byte == b'|').enumerate().skip(1) {
                if !value.is_empty() && value != DELETE {
                    told.0 |= bit(name, number);
                }
            }
        }
        told
    }

    fn has(self, bit: u64) -> bool {
        self.0 & bit != 0
    }
}

impl Deletes {
    /// Takes the fields of the program of an update; `None` if it deletes none.
    pub fn of(program: &Program) -> Option<Deletes> {
        let bits = program.deletable.iter().map(|path: &Path| {
            let name = path.segment().as_bytes();
            bit(name, path.field())
        });
        let fields = bits.fold(0, |fields, bit| fields | bit);
        (fields != 0).then_some(Deletes { fields: Sent(fields) })
    }

    /// Takes each `""` of the message at `begin` away that is of a field which was not
    /// told `before`, and returns what has been told after it. A field without a column in
    /// this header stays as it was told.
    pub fn settle(&self, out: &mut Output, begin: usize, before: Sent) -> Sent {
        let message = out.bytes.split_off(begin);
        let told = Sent::of_message(&message);
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            let ends = |byte: &u8| matches!(byte, b'\r' | b'\n');
            let end = rest.iter().position(ends).unwrap_or(rest.len());
            let past = rest[end..].iter().position(|byte| !ends(byte)).unwrap_or(rest.len() - end);
            let (segment, behind) = rest.split_at(end);
            let (ending, behind) = behind.split_at(past);
            rest = behind;
            if segment.starts_with(b"PID|") || segment.starts_with(b"PD1|") {
                self.segment(segment, ending, before, &mut out.bytes);
            } else {
                out.bytes.extend_from_slice(segment);
                out.bytes.extend_from_slice(ending);
            }
        }
        Sent(before.0 & !self.fields.0 | told.0)
    }

    fn segment(&self, segment: &[u8], ending: &[u8], before: Sent, out: &mut Vec<u8>) {
        let (name, begin) = (&segment[..3], out.len());
        out.extend_from_slice(name);
        let mut last = out.len();
        for (number, value) in segment.split(|byte| *byte == b'|').enumerate().skip(1) {
            out.push(b'|');
            let bit = bit(name, number);
            let stays = value != DELETE || !self.fields.has(bit) || before.has(bit);
            if !value.is_empty() && stays {
                out.extend_from_slice(value);
                last = out.len();
            }
        }
        // Empty fields at the end are not written, nor is a segment of nothing else.
        if last == begin + name.len() {
            out.truncate(begin);
        } else {
            out.truncate(last);
            out.extend_from_slice(ending);
        }
    }
}

/// Returns the bit of a field; 0 of one that no update deletes.
fn bit(segment: &[u8], field: usize) -> u64 {
    match segment {
        b"PID" if field < PID => 1 << field,
        b"PD1" if PID + field < 64 => 1 << (PID + field),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(fields: &[(&str, usize)]) -> Sent {
        Sent(fields.iter().map(|(name, field)| bit(name.as_bytes(), *field)).sum())
    }

    fn settled(deletes: Deletes, message: &str, before: Sent) -> (String, Sent) {
        let mut out = Output { bytes: b"before\r".to_vec(), ..Output::default() };
        let begin = out.bytes.len();
        out.bytes.extend_from_slice(message.as_bytes());
        let told = deletes.settle(&mut out, begin, before);
        (String::from_utf8(out.bytes.split_off(begin)).unwrap(), told)
    }

    #[test]
    fn only_what_was_sent_is_deleted_and_what_is_told_is_remembered() {
        let deletes = Deletes { fields: sent(&[("PID", 5), ("PID", 13), ("PID", 14), ("PD1", 4)]) };
        let message = "MSH|^~\\&|a\rPID||1|\"\"||A^B||||||||\"\"|\"\"\rPD1||||\"\"\rPV1||N\r";
        let told = sent(&[("PID", 2), ("PID", 5)]);
        let nobody = settled(deletes, message, Sent::default());
        let nothing = "MSH|^~\\&|a\rPID||1|\"\"||A^B\rPV1||N\r";
        assert_eq!(nobody, (nothing.to_string(), told), "PID-3 is none of ours");
        let before = sent(&[("PID", 13), ("PD1", 4), ("PID", 10)]);
        let some = "MSH|^~\\&|a\rPID||1|\"\"||A^B||||||||\"\"\rPD1||||\"\"\rPV1||N\r";
        let left = sent(&[("PID", 2), ("PID", 5), ("PID", 10)]);
        let why = "a field that this header does not have stays with the vendor";
        assert_eq!(settled(deletes, message, before), (some.to_string(), left), "{why}");
        let other = message.replace('\r', "\r\n");
        assert_eq!(settled(deletes, &other, Sent::ANYTHING).0, other);
    }

    #[test]
    fn it_is_kept_and_what_cannot_be_read_may_be_anything() {
        let some = sent(&[("PID", 1), ("PID", 39), ("PD1", 4), ("PD1", 23)]);
        assert_eq!(Sent::of_kept(some.kept().as_bytes()), some);
        assert_eq!(Sent::of_kept(b"?"), Sent::ANYTHING);
    }
}
