//! When the next pass of an interface is due. Only the monotonic clock counts.

use std::time::{Duration, Instant};

/// How long the first event of a burst waits for the others.
const GATHER: Duration = Duration::from_millis(100);
/// Between two looks at a file that is being written, at first and at most.
const UNSETTLED_FIRST: Duration = Duration::from_millis(500);
const UNSETTLED_LONGEST: Duration = Duration::from_secs(5);
/// After a pass that failed; each further one doubles it.
const FAILED_FIRST: Duration = Duration::from_secs(1);
const FAILED_LONGEST: Duration = Duration::from_secs(15 * 60);
/// Until a full disk is looked at again.
const HELD: Duration = Duration::from_secs(60);
/// What waits for a person is looked at again, and said again, so often.
const STOPPED: Duration = Duration::from_secs(15 * 60);

/// What a pass left to be done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Next {
    /// When a delivery that failed may be tried again.
    pub again_in: Option<Duration>,
    /// When a held batch goes on, or something leaves with its time.
    pub later_in: Option<Duration>,
    /// Whether files in the inbox were still being written.
    pub unsettled: bool,
    /// Whether a delivery waits for a person.
    pub stopped: bool,
    /// Whether nothing was taken in, for want of room.
    pub held: bool,
}

/// When to look at one interface.
#[derive(Debug)]
pub struct Due {
    at: Option<Instant>,
    /// Nothing begins before this, whatever happens in the inbox.
    rest: Option<Instant>,
    failures: u32,
    unsettled: u32,
}

impl Due {
    /// Due at once: a pass begins with mending what a crash left.
    pub fn new(now: Instant) -> Due {
        Due { at: Some(now), rest: None, failures: 0, unsettled: 0 }
    }

    /// Returns when the next pass is to begin; none: when something happens.
    pub fn at(&self) -> Option<Instant> {
        Some(self.at?.max(self.rest.unwrap_or(self.at?)))
    }

    /// Something happened.
    pub fn event(&mut self, now: Instant) {
        self.by(now + GATHER);
    }

    /// A pass begins: what happens from now on is not for it.
    pub fn begun(&mut self) {
        self.at = None;
    }

    /// A pass went through.
    pub fn done(&mut self, now: Instant, next: Next) {
        self.failures = 0;
        self.rest = None;
        self.unsettled = if next.unsettled { self.unsettled + 1 } else { 0 };
        if next.unsettled {
            let wait = doubled(UNSETTLED_FIRST, self.unsettled - 1, UNSETTLED_LONGEST);
            // Each write to a growing file is an event.
            self.rest = Some(now + wait);
            self.by(now + wait);
        }
        if let Some(wait) = next.again_in {
            self.by(now + wait);
        }
        if let Some(wait) = next.later_in {
            self.by(now + wait);
        }
        if next.held {
            self.by(now + HELD);
        }
        if next.stopped {
            self.by(now + STOPPED);
        }
    }

    /// A pass failed; returns how long the interface rests.
    pub fn failed(&mut self, now: Instant) -> Duration {
        let wait = doubled(FAILED_FIRST, self.failures, FAILED_LONGEST);
        self.failures += 1;
        self.rest = Some(now + wait);
        self.by(now + wait);
        wait
    }

    fn by(&mut self, at: Instant) {
        self.at = Some(self.at.map_or(at, |earlier| earlier.min(at)));
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(20)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_burst_of_events_is_one_pass_and_none_is_missed_while_it_runs() {
        let now = Instant::now();
        let mut due = Due::new(now);
        assert_eq!(due.at(), Some(now));
        due.begun();
        assert_eq!(due.at(), None);
        due.event(now);
        due.event(now + GATHER / 2);
        assert_eq!(due.at(), Some(now + GATHER), "the first one counts");
        due.done(now + S(5), Next::default());
        assert_eq!(due.at(), Some(now + GATHER), "it came while the pass ran");
    }

    #[test]
    fn an_interface_that_fails_rests_whatever_is_dropped() {
        let now = Instant::now();
        let mut due = Due::new(now);
        due.begun();
        let waits: Vec<u64> = (0..12).map(|_| due.failed(now).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        due.event(now);
        assert_eq!(due.at(), Some(now + S(900)));
        due.begun();
        due.done(now + S(900), Next::default());
        assert_eq!(due.at(), None);
        assert_eq!(due.failed(now), S(1), "a pass that went through forgives");
    }

    #[test]
    fn a_delivery_a_slow_writer_and_a_person_each_have_their_time() {
        let now = Instant::now();
        let at = |next| {
            let mut due = Due::new(now);
            due.begun();
            due.done(now, next);
            due.at().map(|at| at - now)
        };
        assert_eq!(at(Next::default()), None);
        let again_in = Some(S(7));
        assert_eq!(at(Next { again_in, stopped: true, ..Next::default() }), again_in);
        assert_eq!(at(Next { stopped: true, ..Next::default() }), Some(STOPPED));
        assert_eq!(at(Next { held: true, stopped: true, ..Next::default() }), Some(HELD));
        let mut due = Due::new(now);
        for wait in [500, 1000, 2000, 4000, 5000, 5000] {
            due.begun();
            due.event(now);
            due.done(now, Next { unsettled: true, ..Next::default() });
            assert_eq!(due.at(), Some(now + Duration::from_millis(wait)));
        }
    }
}
