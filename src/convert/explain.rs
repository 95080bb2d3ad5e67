//! Which rule made which field of a record: the answer behind `convert --explain`.

use super::output::Output;
use super::program::{Input, Program, Refusal};
use super::references::References;
use crate::hl7::Path;

/// One field of one message, and the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The field.
    pub field: Path,
    /// Its value as it stands on the wire; patient data.
    pub value: String,
    /// The template, as the map writes it.
    pub rule: String,
}

impl Program {
    /// Returns every field with the template that makes it, as the map writes it.
    pub fn rules(&self) -> impl Iterator<Item = (Path, String)> {
        self.rules.iter().flatten().cloned()
    }

    /// Runs the program and looks at what it wrote; fields without a value are left out.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn explain(
        &self,
        input: Input<'_>,
        references: &References,
    ) -> Result<Vec<Explained>, Refusal> {
        let mut explained = Vec::new();
        let mut seen = |index: usize, segment: &[u8]| {
            // The first separator of MSH is its own first field.
            let first = if segment.starts_with(b"MSH") { 1 } else { 0 };
            let values: Vec<&[u8]> = segment.split(|byte| *byte == b'|').collect();
            for (field, rule) in &self.rules[index] {
                let value = values.get(field.field() - first).copied().unwrap_or_default();
                if !value.is_empty() {
                    let value = String::from_utf8_lossy(value).into_owned();
                    explained.push(Explained { field: *field, value, rule: rule.clone() });
                }
            }
        };
        self.run_seen(input, references, &mut Output::default(), &mut seen)?;
        Ok(explained)
    }
}
