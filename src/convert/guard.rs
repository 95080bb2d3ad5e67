//! Whether a segment is written for a record.

use jiff::civil::Date;

use super::column::{Any, Column};
use super::output::Output;
use super::program::Refusal;
use super::scene::Scene;
use super::values::date;
use crate::domain::{Code, ExpiredPolicies, Note};

/// What a record must say, or not say, for a segment to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    pub when: Option<Any>,
    pub unless: Any,
    pub lone: Option<(Code, Any)>,
    /// Fault if this segment is there, but the one before it in its count is not.
    pub after: Option<(Code, Any)>,
    pub past: Option<Past>,
}

/// The day after which a segment is at fault, such as the last one of a policy.
#[derive(Clone, Debug)]
pub(super) struct Past {
    column: Column,
    today: Date,
    /// None where such a segment is sent, and counted.
    code: Option<Code>,
}

impl Past {
    /// Returns what watches the column; nothing, if the header does not have it.
    pub fn of(column: Column, today: Date, code: Code, agreed: ExpiredPolicies) -> Option<Past> {
        let code = (agreed == ExpiredPolicies::Hold).then_some(code);
        column.is_there().then_some(Past { column, today, code })
    }

    /// Looks whether the day has passed; what is no date is told by the field it goes into.
    fn check(&self, scene: &Scene<'_>, out: &mut Output) -> Result<(), Box<Refusal>> {
        let value = self.column.tidy(scene);
        if value.is_empty() || date(value).is_none_or(|day| day >= self.today) {
            return Ok(());
        }
        if let Some(code) = self.code {
            return Err(Box::new(Refusal { code, column: self.column.name.clone(), field: None }));
        }
        out.note(Note::ExpiredPolicy);
        Ok(())
    }
}

impl Guard {
    /// Says whether the segment is written.
    pub fn admits(&self, scene: &Scene<'_>, out: &mut Output) -> Result<bool, Box<Refusal>> {
        let Some(when) = &self.when else { return Ok(true) };
        if when.has_value(scene) {
            if let Some((code, columns)) = &self.after
                && !columns.has_value(scene)
            {
                return Err(self.refusal(*code));
            }
            let is_written = !self.unless.has_value(scene);
            if let Some(past) = &self.past
                && is_written
            {
                past.check(scene, out)?;
            }
            return Ok(is_written);
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
