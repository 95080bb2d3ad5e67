//! The segments around messages: FHS, BHS, BTS, FTS (`interface.md` 3.2, 3.5).
//!
//! They have no character set field, so they stay ASCII: any other character
//! becomes `?`.

use super::escape::{Text, escape};

/// What file and batch headers have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    /// FHS-3: at most 15 characters.
    pub sending_application: String,
    /// FHS-4: at most 20 characters.
    pub sending_facility: String,
    /// FHS-5: at most 15 characters.
    pub receiving_application: String,
    /// FHS-6: at most 20 characters.
    pub receiving_facility: String,
    /// FHS-7: `YYYYMMDDHHMMSS`.
    pub created: String,
}

/// What is said in an FHS or BHS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Field 9: name or ID, at most 20 characters.
    pub name: &'a str,
    /// Field 10: comment, at most 80 characters.
    pub comment: &'a str,
    /// Field 11: control ID, at most 20 characters, unique for ever.
    pub control_id: &'a str,
    /// Field 12: control ID of the first transmission; empty the first time.
    pub reference: &'a str,
}

/// Writes FHS or BHS (`segment`).
pub fn header(segment: &str, parties: &Parties, header: &Header<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(segment.as_bytes());
    out.extend_from_slice(b"|^~\\&");
    let fields = [
        &parties.sending_application,
        &parties.sending_facility,
        &parties.receiving_application,
        &parties.receiving_facility,
        &parties.created,
        "",
        header.name,
        header.comment,
        header.control_id,
        header.reference,
    ];
    fields_of(&fields, out);
}

/// Writes BTS or FTS (`segment`) with its count and comment.
pub fn trailer(segment: &str, count: u64, comment: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(segment.as_bytes());
    fields_of(&[&count.to_string(), comment], out);
}

/// Writes `|` and each field, without empty ones at the end, and the terminator.
fn fields_of(fields: &[&str], out: &mut Vec<u8>) {
    let used = fields.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
    for field in &fields[..used] {
        out.push(b'|');
        let ascii: String =
            field.chars().map(|char| if char.is_ascii() { char } else { '?' }).collect();
        escape(ascii.as_bytes(), Text::Line, out);
    }
    out.push(b'\r');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_trailers_are_written_as_the_golden_texts_have_them() {
        let parties = Parties {
            sending_application: "ATHENANET".into(),
            sending_facility: "99999".into(),
            receiving_application: "CARESYNC".into(),
            receiving_facility: "MERCY".into(),
            created: "20260520110000".into(),
        };
        let fhs = Header {
            name: "99999-000042",
            comment: "hl7drop backfill=N env=T",
            control_id: "20260520110000000042",
            reference: "",
        };
        let mut out = Vec::new();
        header("FHS", &parties, &fhs, &mut out);
        trailer("BTS", 2, "patients", &mut out);
        trailer("FTS", 1, "", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "FHS|^~\\&|ATHENANET|99999|CARESYNC|MERCY|20260520110000||99999-000042|\
             hl7drop backfill=N env=T|20260520110000000042\rBTS|2|patients\rFTS|1\r"
        );
    }

    #[test]
    fn a_header_stays_ascii_and_whole() {
        let mut out = Vec::new();
        trailer("BTS", 1, "a|b \u{e9}\r", &mut out);
        assert_eq!(out, b"BTS|1|a\\F\\b ? \r");
    }
}
