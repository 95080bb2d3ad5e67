//! `[events]`: what is told where HL7 and the practice's day leave a choice
//! (`interface.md` section 7).

/// The choices of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRules {
    /// Of an appointment that is new and under way or over.
    pub walk_in: WalkIn,
    /// Of an appointment that is new and cancelled: true tells both, S12 and S15.
    pub cancelled_unannounced: bool,
    /// Of appointments that a full snapshot does not have.
    pub missing_rows: MissingRows,
    /// Of an `event` that contradicts the register: true tells what would be right.
    pub correct: bool,
    /// Of a record that is older than the one told last: true tells it all the same.
    pub older: bool,
    /// Of a booked appointment whose slot is open again: true tells that it is cancelled.
    pub freed_slots: bool,
}

/// How much of a drop may be wrong or changed before a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Bad rows of a hundred.
    pub faults_percent_max: u64,
    /// Of a hundred records that the vendor knows, those that are updated or cancelled.
    pub changes_percent_max: u64,
    /// Fewer rows than this are never too many.
    pub rows_min: u64,
}

impl Guard {
    /// True if `bad` rows of `rows` are too many.
    pub fn refuses_faults(&self, bad: u64, rows: u64) -> bool {
        bad >= self.rows_min && bad * 100 > rows * self.faults_percent_max
    }

    /// True if `changed` records of `known` are too many.
    pub fn refuses_changes(&self, changed: u64, known: u64) -> bool {
        changed >= self.rows_min && changed * 100 > known * self.changes_percent_max
    }
}

/// What is told of an appointment that is new and not `f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkIn {
    /// Booked, arrived, completed, one after the other.
    All,
    /// How it stands now.
    Last,
}

/// What becomes of booked appointments that a full snapshot does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingRows {
    /// Nothing.
    Ignore,
    /// They are counted.
    Report,
    /// They are cancelled.
    Cancel,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_holds_only_where_there_are_enough() {
        let guard = Guard { faults_percent_max: 20, changes_percent_max: 20, rows_min: 20 };
        assert!(!guard.refuses_faults(19, 19), "too few to say");
        assert!(!guard.refuses_faults(20, 100), "as many as may be");
        assert!(guard.refuses_faults(21, 100) && guard.refuses_faults(20, 20));
        assert!(guard.refuses_changes(21, 100) && !guard.refuses_changes(20, 100));
    }
}
