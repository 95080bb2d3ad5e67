//! Records that are not ours to tell: another practice's rows, and patients who are
//! gone (`interface.md` 5.3, last row, and 8.27). They are refused, not left out: a
//! vendor who keeps a merged patient should be somebody's decision.

use super::column::Column;
use super::compile::Bound;
use super::program::{Input, Refusal};
use crate::domain::{Code, DeletedPatients, Scope};

/// What must be known of a record before its message is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Outside {
    /// Our own context ID.
    pub context_id: Vec<u8>,
    /// Columns that say whose practice a row is: the record's, its patient's.
    pub contexts: Vec<Column>,
    /// The patient's columns, unless deleted patients are told as updates.
    pub gone: Option<Gone>,
}

/// The columns that say a patient is deleted, or merged into another one.
#[derive(Clone, Debug, Default)]
pub(super) struct Gone {
    pub id: Column,
    pub status: Column,
    pub merged_into: Column,
    pub deleted_at: Column,
}

impl Outside {
    /// Binds the columns that say so; `column` finds one of the patient's.
    ///
    /// # Errors
    /// Those of `column`.
    pub fn of(
        scope: &Scope,
        bound: Bound<'_>,
        column: &dyn Fn(&str) -> Result<Column, String>,
    ) -> Result<Outside, String> {
        let mut contexts = vec![column("contextid")?];
        if let Bound::Appointment(own, Some(_)) = bound {
            let cells = own.patient_cells("contextid").to_vec();
            contexts.push(Column { row: 0, cells, name: "contextid".into(), ..Column::default() });
        }
        contexts.retain(Column::is_there);
        let gone = match scope.deleted_patients {
            DeletedPatients::Update => None,
            DeletedPatients::Refuse => Some(Gone {
                id: column("patientid")?,
                status: column("status")?,
                merged_into: column("newpatientid")?,
                deleted_at: column("deleteddatetime")?,
            }),
        };
        let gone = gone.filter(Gone::can_be_known);
        Ok(Outside { context_id: scope.context_id.clone().into(), contexts, gone })
    }

    /// Refuses what is not ours to tell.
    pub fn check(&self, input: Input<'_>) -> Result<(), Refusal> {
        let refusal =
            |code, column: &Column| Err(Refusal { code, column: column.name.clone(), field: None });
        for column in &self.contexts {
            let value = column.value(&input);
            if !value.is_empty() && value != self.context_id {
                return refusal(Code::O002, column);
            }
        }
        match self.gone.as_ref().and_then(|gone| gone.column(input)) {
            Some(column) => refusal(Code::O001, column),
            None => Ok(()),
        }
    }
}

impl Gone {
    /// True if the header has a column that could say so.
    pub fn can_be_known(&self) -> bool {
        [&self.status, &self.merged_into, &self.deleted_at].into_iter().any(Column::is_there)
    }

    /// Returns the column that says so, if the patient is gone.
    pub fn column(&self, input: Input<'_>) -> Option<&Column> {
        let merged_into = self.merged_into.value(&input);
        if self.status.value(&input).eq_ignore_ascii_case(b"deleted") {
            Some(&self.status)
        } else if !merged_into.is_empty() && merged_into != self.id.value(&input) {
            Some(&self.merged_into)
        } else {
            (!self.deleted_at.value(&input).is_empty()).then_some(&self.deleted_at)
        }
    }
}
