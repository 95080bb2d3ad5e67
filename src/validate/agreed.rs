//! What one interface agreed on, as far as its messages show it.

use crate::domain::{LineEnding, Scope};

/// The agreement that messages are held to, besides HL7.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// Segment, field, component and the text that must stand there.
    texts: Vec<([u8; 3], u16, u16, String)>,
    /// MSH-12, before the first message tells it.
    pub(super) version: String,
    /// What ends a segment.
    pub(super) line_ending: LineEnding,
    /// Fields that rows of `[[mapping]]` fill or empty, by agreement: what is against
    /// HL7 there is known to both parties and stops nothing.
    mapped: Vec<([u8; 3], u16)>,
}

impl Agreed {
    /// Reads an agreement off its interface.
    pub fn of(scope: &Scope) -> Agreed {
        let mut mapped: Vec<([u8; 3], u16)> = scope
            .mapping
            .iter()
            .filter_map(|row| {
                let name = row.field.segment().as_bytes().try_into().ok()?;
                Some((name, u16::try_from(row.field.field()).ok()?))
            })
            .collect();
        // MSH-9.3 by the receiver's wish, not by the version's rule.
        if !scope.fields.contains("message_structure=auto") {
            mapped.push((*b"MSH", 9));
        }
        let wire = &scope.wire;
        let mut texts = vec![
            (*b"MSH", 11, 1, scope.environment.processing_id().to_string()),
            (*b"MSH", 12, 1, wire.hl7_version.clone()),
        ];
        for segment in [*b"FHS", *b"BHS", *b"MSH"] {
            let parties = [
                &wire.sending_application,
                &scope.context_id,
                &wire.receiving_application,
                &wire.receiving_facility,
            ];
            for (field, party) in (3..).zip(parties) {
                // FHS and BHS can name no character set: `hl7::envelope`.
                let ascii = |char: char| if char.is_ascii() { char } else { '?' };
                let text = match &segment {
                    b"MSH" => party.clone(),
                    _ => party.chars().map(ascii).collect(),
                };
                texts.push((segment, field, 1, text));
            }
        }
        texts.retain(|(segment, field, _, _)| !mapped.contains(&(*segment, *field)));
        let (version, line_ending) = (wire.hl7_version.clone(), wire.line_ending);
        Agreed { texts, version, line_ending, mapped }
    }

    /// Returns what must stand in the fields of a segment: field, component, text.
    pub(super) fn texts(&self, segment: [u8; 3]) -> impl Iterator<Item = (u16, u16, &str)> {
        let of_segment = self.texts.iter().filter(move |(name, ..)| *name == segment);
        of_segment.map(|(_, field, component, text)| (*field, *component, text.as_str()))
    }

    /// True if a row of `[[mapping]]` says what the field holds.
    pub(super) fn is_mapped(&self, segment: [u8; 3], field: u16) -> bool {
        self.mapped.contains(&(segment, field))
    }
}
