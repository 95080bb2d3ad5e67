//! Whether a segment is written for a record.

use super::column::{Any, Column};
use super::program::Refusal;
use super::scene::Scene;
use crate::domain::Code;

/// What a record must say, or not say, for a segment to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    pub when: Option<Any>,
    pub unless: Any,
    pub lone: Option<(Code, Any)>,
    /// Fault if this segment is there, but the one before it in its count is not.
    pub after: Option<(Code, Any)>,
}

impl Guard {
    /// Says whether the segment is written.
    pub fn admits(&self, scene: &Scene<'_>) -> Result<bool, Box<Refusal>> {
        let Some(when) = &self.when else { return Ok(true) };
        if when.has_value(scene) {
            return match &self.after {
                Some((code, columns)) if !columns.has_value(scene) => Err(self.refusal(*code)),
                _ => Ok(!self.unless.has_value(scene)),
            };
        }
        match &self.lone {
            Some((code, columns)) if columns.has_value(scene) => Err(self.refusal(*code)),
            _ => Ok(false),
        }
    }

    /// True if a record can be let through, or refused.
    pub fn can_speak(&self) -> bool {
        let any = |columns: &Any| columns.columns().iter().any(Column::is_there);
        match &self.when {
            Some(when) => any(when) || self.lone.as_ref().is_some_and(|(_, columns)| any(columns)),
            None => true,
        }
    }

    /// True if no record is refused here.
    pub fn cannot_refuse(&self) -> bool {
        self.lone.is_none() && self.after.is_none()
    }

    #[cold]
    fn refusal(&self, code: Code) -> Box<Refusal> {
        let columns = self.when.iter().flat_map(Any::columns);
        let column = columns.map(|column| column.name.clone()).next();
        Box::new(Refusal { code, column: column.unwrap_or_default(), field: None })
    }
}
