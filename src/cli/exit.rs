//! What the program ends with; these numbers are a promise to scripts and monitors.

/// An exit code and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exit(pub u8);

impl Exit {
    /// All is done.
    pub const DONE: Exit = Exit(0);
    /// A bug of ours.
    pub const BUG: Exit = Exit(1);
    /// Wrong usage, or a file of settings with mistakes: nothing was done.
    pub const USAGE: Exit = Exit(2);
    /// Done, and something waits for a person: records in the queue, files in `error/`.
    pub const WAITING: Exit = Exit(3);
    /// A delivery is not possible now, or waits for a decision; nothing is lost.
    pub const DELIVERY: Exit = Exit(4);
    /// The disk or the ledger of this machine; nothing is lost.
    pub const LOCAL: Exit = Exit(5);
    /// Something could not be made durable: nothing was reported as done.
    pub const NOT_DURABLE: Exit = Exit(6);
    /// Another process is at work on the interface.
    pub const BUSY: Exit = Exit(10);

    /// The scope is not approved, and this is production: nothing was taken in or sent.
    pub const NOT_APPROVED: Exit = Exit(11);

    /// Every code with its meaning, as `--help` shows them.
    pub const ALL: &[(Exit, &str)] = &[
        (Exit::DONE, "done"),
        (Exit::BUG, "a bug in hl7drop; please report it"),
        (Exit::USAGE, "wrong usage, or settings with mistakes; nothing was done"),
        (Exit::WAITING, "done, but records or files wait for a person"),
        (Exit::DELIVERY, "a file cannot be delivered now, or needs a decision; nothing is lost"),
        (Exit::LOCAL, "this machine's disk or ledger; nothing is lost"),
        (Exit::NOT_DURABLE, "a write could not be made durable; nothing was reported as done"),
        (Exit::BUSY, "another hl7drop is at work on the interface"),
        (Exit::NOT_APPROVED, "the scope is not approved; in production nothing was sent"),
    ];

    /// Returns the graver of two: what a run over several interfaces ends with.
    pub fn graver(self, other: Exit) -> Exit {
        // What waits for a person is no failure; every failure outweighs it.
        let weight = |exit: Exit| match exit {
            Exit::DONE => 0,
            Exit::WAITING => 1,
            Exit::BUSY => 2,
            Exit::DELIVERY => 3,
            Exit::NOT_APPROVED => 4,
            Exit::USAGE => 5,
            Exit::LOCAL => 6,
            Exit::NOT_DURABLE => 7,
            _ => 8,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

/// Returns the text that ends each `--help`.
pub fn help() -> String {
    let mut text = String::from("EXIT STATUS\n");
    for (exit, meaning) in Exit::ALL {
        text.push_str(&format!("  {:<3} {meaning}\n", exit.0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_what_waits() {
        assert_eq!(Exit::WAITING.graver(Exit::DELIVERY), Exit::DELIVERY);
        assert_eq!(Exit::DELIVERY.graver(Exit::WAITING), Exit::DELIVERY);
        assert_eq!(Exit::BUSY.graver(Exit::WAITING), Exit::BUSY);
        for (exit, _) in Exit::ALL {
            assert_eq!(Exit::DONE.graver(*exit), *exit);
            assert!(help().contains(&format!("\n  {:<3} ", exit.0)));
        }
    }
}
