//! How long what is done is kept.

/// `[retention]`: how long what is done is kept, in days of the practice. What waits for a
/// person, or is on its way, never leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days that messages stay in a final state (table 19), and rows that made none; none:
    /// for ever.
    pub queue_days: Option<u32>,
    /// Days that batch files stay in `sent/`; none: as long as their messages.
    pub sent_days: Option<u32>,
    /// Days that extracts stay in `archive/`; none: as long as their messages.
    pub archive_days: Option<u32>,
    /// Days that response files stay; none: for ever.
    pub responses_days: Option<u32>,
    /// Days that files stay in `error/` and `responses/odd/`; none: until somebody takes
    /// them away.
    pub error_days: Option<u32>,
    /// Days that decisions stay; none: for ever.
    pub audit_days: Option<u32>,
    /// Bytes that the folders of the interface may take; none: what the disk has.
    pub quota: Option<u64>,
    /// Days before the quota or the disk is full that this is told; none: never.
    pub full_days: Option<u32>,
}

impl Retention {
    /// Returns how long batch files stay, in days; none: for ever.
    pub fn sent(&self) -> Option<u32> {
        self.sent_days.or(self.queue_days)
    }

    /// Returns how long extracts stay, in days; none: for ever.
    pub fn archive(&self) -> Option<u32> {
        self.archive_days.or(self.queue_days)
    }
}
