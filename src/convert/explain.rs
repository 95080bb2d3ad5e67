//! Which rule made which field of a record: the answer behind `convert --explain`.

use super::program::{Input, Output, Program, Refusal};
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
        let fields = self.segments.iter().flat_map(|segment| &segment.fields);
        fields.map(|field| (field.path, field.text.join("  or  ")))
    }

    /// Runs the program field by field; fields without a value are left out.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn explain(
        &self,
        input: Input<'_>,
        references: &References,
    ) -> Result<Vec<Explained>, Refusal> {
        let mut scratch = Default::default();
        let mut scene = self.scene(input, references, &mut scratch)?;
        let mut explained = Vec::new();
        let mut before = [0; 3];
        for segment in &self.segments {
            scene.set = if segment.name == before { scene.set } else { 0 } + 1;
            before = segment.name;
            if !segment.guard.admits(&scene).map_err(|refusal| *refusal)? {
                scene.set -= 1;
                continue;
            }
            for field in segment.fields.iter().filter(|field| !field.is_charset) {
                let mut out = Output::default();
                if field.write(&scene, 0, &mut out).map_err(|refusal| *refusal)? {
                    explained.push(Explained {
                        field: field.path,
                        value: String::from_utf8_lossy(&out.bytes).into_owned(),
                        rule: field.text.join("  or  "),
                    });
                }
            }
        }
        Ok(explained)
    }
}
