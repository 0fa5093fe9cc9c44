//! When a task of the second stage makes its next checkpoint.

use std::time::{Duration, Instant};

/// Between two checkpoints of who has read everything. A stream that lives tells something each second.
const AT_END: Duration = Duration::from_millis(500);
/// Of its time, a task spends one part in so many on checkpoints: what waits for the slowest source partition is a part
/// of each, and may be much when files are read.
const SHARE: u32 = 10;

/// From one checkpoint to the next.
pub(super) struct Cadence {
    /// Between two while there is more to read.
    every: Duration,
    last: Instant,
    /// What the last one cost.
    cost: Duration,
}

impl Cadence {
    pub(super) fn new(every: Duration, now: Instant) -> Self {
        Self {
            every,
            last: now,
            cost: Duration::ZERO,
        }
    }

    /// `has_read_all` = nothing more is in the log.
    pub(super) fn is_due(&self, has_read_all: bool, now: Instant) -> bool {
        let every = if has_read_all { AT_END } else { self.every };
        now.saturating_duration_since(self.last) >= every.max(self.cost * SHARE)
    }

    /// One was made. `cost` is the work alone: if it counted how long brokers were waited for, who has waited out the
    /// loss of one would be behind for ten times as long.
    pub(super) fn made(&mut self, cost: Duration, now: Instant) {
        self.cost = cost;
        self.last = now;
    }

    /// There was nothing to keep.
    pub(super) fn skipped(&mut self, now: Instant) {
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_task_that_reads_on_keeps_its_interval_and_one_that_has_read_all_does_not_wait_for_it() {
        let start = Instant::now();
        let cadence = Cadence::new(5 * SECOND, start);
        for (after_ms, has_read_all, due) in [
            (499, true, false),
            (500, true, true),
            (500, false, false),
            (4_999, false, false),
            (5_000, false, true),
        ] {
            let now = start + Duration::from_millis(after_ms);
            assert_eq!(cadence.is_due(has_read_all, now), due, "{after_ms} ms");
        }
    }

    #[test]
    fn checkpoints_that_cost_much_are_made_less_often_until_they_cost_little() {
        let start = Instant::now();
        let mut cadence = Cadence::new(5 * SECOND, start);
        cadence.made(SECOND, start);
        assert!(!cadence.is_due(true, start + 9 * SECOND));
        assert!(cadence.is_due(true, start + 10 * SECOND));
        cadence.skipped(start);
        assert!(
            !cadence.is_due(true, start + 9 * SECOND),
            "it will cost as much"
        );
        cadence.made(Duration::ZERO, start + 10 * SECOND);
        assert!(cadence.is_due(true, start + 11 * SECOND));
        assert!(cadence.is_due(false, start + 15 * SECOND));
    }
}
