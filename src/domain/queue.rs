//! The states of the Interface Message Queue Manager and the ways between them.

use std::fmt;

/// Where a message stands (the scope package's table 19, its words).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueState {
    /// Held, or waiting for its time.
    Scheduled,
    /// In the outbox.
    New,
    /// Some endpoints have it, not all.
    Distributed,
    /// Being sent, in doubt, or an acknowledgement is awaited.
    Pending,
    /// Delivered.
    Processed,
    /// Waits for the practice.
    Error,
    /// Waits for billing.
    CboError,
    /// Waits for whoever runs this program.
    AthenaError,
    /// Given up by an operator.
    Deleted,
}

/// What may happen to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An operator set it aside.
    Hold,
    /// Its time came, or an operator let it go.
    Release,
    /// Some partners have it, not all.
    Distribute,
    /// It is in a file on its way out.
    Send,
    /// The partner has it.
    Deliver,
    /// It could not be made or sent; the state says who must act.
    Fail(QueueState),
    /// An operator mended the cause.
    Resubmit,
    /// An operator wants the same bytes sent once more.
    Resend,
    /// An operator gave it up.
    Delete,
}

impl QueueState {
    /// Every state, in the order of the scope package's table 19.
    pub const ALL: [QueueState; 9] = [
        QueueState::Scheduled,
        QueueState::New,
        QueueState::Distributed,
        QueueState::Pending,
        QueueState::Processed,
        QueueState::Error,
        QueueState::CboError,
        QueueState::AthenaError,
        QueueState::Deleted,
    ];

    /// Reads a state as it is written, in any case.
    pub fn of_word(word: &str) -> Option<QueueState> {
        QueueState::ALL.into_iter().find(|state| state.to_string().eq_ignore_ascii_case(word))
    }

    /// Returns the state after `step`, or `None` if the step is not allowed here.
    pub fn after(self, step: Step) -> Option<QueueState> {
        use QueueState::*;
        match (self, step) {
            (Scheduled, Step::Release) => Some(New),
            (New, Step::Send) => Some(Pending),
            (Pending, Step::Distribute) => Some(Distributed),
            (Pending | Distributed, Step::Deliver) => Some(Processed),
            (New | Pending | Distributed, Step::Fail(to)) if to.is_error() => Some(to),
            (Error | CboError | AthenaError, Step::Resubmit) => Some(New),
            // A message already in a published file cannot be taken back; hold the file first.
            (Scheduled | Error | CboError | AthenaError, Step::Delete) => Some(Deleted),
            (New, Step::Hold) => Some(Scheduled),
            // Whoever has it all may be sent it again; who waits for a try gets it anyway.
            (Processed | Distributed, Step::Resend) => Some(New),
            _ => None,
        }
    }

    /// True of the three states that wait for a person.
    pub fn is_error(self) -> bool {
        matches!(self, QueueState::Error | QueueState::CboError | QueueState::AthenaError)
    }

    /// True of the two states that leave the queue after 90 days.
    pub fn is_final(self) -> bool {
        matches!(self, QueueState::Processed | QueueState::Deleted)
    }
}

impl fmt::Display for QueueState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", format!("{self:?}").to_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_final_state_but_what_is_resent() {
        let steps =
            [Step::Hold, Step::Release, Step::Send, Step::Deliver, Step::Resubmit, Step::Delete];
        assert_eq!(QueueState::Processed.after(Step::Resend), Some(QueueState::New));
        assert_eq!(QueueState::Deleted.after(Step::Resend), None);
        for state in [QueueState::Processed, QueueState::Deleted] {
            assert!(state.is_final());
            for step in steps {
                assert_eq!(state.after(step), None, "{state} after {step:?}");
            }
        }
    }

    #[test]
    fn a_failure_names_an_error_state_or_nothing() {
        assert_eq!(QueueState::New.after(Step::Fail(QueueState::Processed)), None);
        assert_eq!(QueueState::CboError.to_string(), "CBOERROR");
        for state in QueueState::ALL {
            assert_eq!(QueueState::of_word(&state.to_string().to_lowercase()), Some(state));
        }
    }
}
