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
}
