//! What waits, grouped by its cause: "212 records: department ENDO2 unknown".

use std::collections::BTreeMap;

use super::select::{Headers, column_of, walk};
use crate::domain::{Code, Mapped};
use crate::engine::error::EngineError;
use crate::engine::pass::Engine;
use crate::hl7::Path;
use crate::ledger::Sqlite;

/// Records that wait for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The reason.
    pub code: Code,
    /// The column, by its canonical name; empty for whole rows.
    pub column: String,
    /// The value, where it is no patient's: of providers, departments, insurances, codes.
    pub value: Option<String>,
    /// The HL7 field that needs it, of one of them.
    pub field: Option<Path>,
    /// How many there are.
    pub records: u64,
    /// When the extract of the oldest was taken in, unix seconds.
    pub since: i64,
    /// What a mapping of the value would be of, where one can mend it.
    pub kind: Option<Mapped>,
}

impl Engine {
    /// Returns the groups that a mapping of this value could mend: a value may be at fault
    /// in more than one column.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn groups_of(&self, kind: Mapped, value: &str) -> Result<Vec<Group>, EngineError> {
        let of_value = |group: &Group| {
            Mapped::of_column(&group.column) == Some(kind) && group.value.as_deref() == Some(value)
        };
        Ok(self.groups()?.into_iter().filter(of_value).collect())
    }

    /// Groups what waits by its cause, the largest group first. Looks, and waits for
    /// nobody.
    ///
    /// # Errors
    /// Those of the ledger.
    pub fn groups(&self) -> Result<Vec<Group>, EngineError> {
        let Some(ledger) = Sqlite::peek(&self.spool.ledger(), &self.owner())? else {
            return Ok(Vec::new());
        };
        let mut headers = Headers::new(&ledger, &self.agreement.reading);
        let mut groups: BTreeMap<(Code, String, Option<String>), Group> = BTreeMap::new();
        walk(&ledger, &mut |row| {
            let (code, column) = (row.fault.code, column_of(&row).to_string());
            let value = headers.shown(&row)?;
            let group = groups.entry((code, column.clone(), value.clone())).or_insert_with(|| {
                let kind = Mapped::of_column(&column).filter(|_| value.is_some() && maps(code));
                let field = row.fault.field;
                Group { code, column, value, field, records: 0, since: row.since, kind }
            });
            group.records += 1;
            Ok(())
        })?;
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.records));
        Ok(groups)
    }
}

/// True of a reason that a mapping can take away.
fn maps(code: Code) -> bool {
    matches!(code, Code::D001 | Code::P001 | Code::P002 | Code::I001)
}
