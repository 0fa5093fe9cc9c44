//! The pace of a member's commits: once one was refused (the broker's disk is full), none is sent for
//! a while that doubles, and then the newest position of every partition is. Positions in the group are
//! for display, and the next commit carries them again; behind the last record there is no next one.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// After a refusal, the first time and at most; as long without one, and the next is the first again.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);

/// True of the complaint about a commit of a member that the group has moved on without: in a rebalance
/// nothing is wrong with commits, and the same is asked again when it may be over.
fn is_of_membership(message: &str) -> bool {
    const NAMES: [&str; 4] = [
        "group generation id is not valid",
        "Unknown member",
        "rebalance in progress",
        "member epoch",
    ];
    NAMES.iter().any(|name| message.contains(name))
}

pub(crate) struct Commits(Mutex<Pace>);

struct Pace {
    /// Nothing is sent until then.
    held_until: Option<Instant>,
    /// The group has moved on: nothing is sent until then either.
    settles: Option<Instant>,
    /// When they were last sent again.
    resumed: Option<Instant>,
    /// How long the next refusal holds them.
    wait: Duration,
}

impl Default for Commits {
    fn default() -> Self {
        Self(Mutex::new(Pace {
            held_until: None,
            settles: None,
            resumed: None,
            wait: FIRST,
        }))
    }
}

impl Commits {
    /// What the client logs may be shown. That it has given up on a commit it tells in no other way, and again and
    /// again: the first is enough.
    pub(crate) fn lets_pass(&self, facility: &str, message: &str) -> bool {
        if facility != "COMMITFAIL" {
            return true;
        }
        let now = Instant::now();
        if is_of_membership(message) {
            self.0.lock().settles.get_or_insert(now + FIRST);
            return true;
        }
        self.refused(now)
    }

    /// The brokers have refused one; true when that is new.
    fn refused(&self, now: Instant) -> bool {
        let mut pace = self.0.lock();
        if pace.held_until.is_some() {
            return false;
        }
        let is_new = pace
            .resumed
            .is_none_or(|resumed| now.saturating_duration_since(resumed) > LONGEST);
        if is_new {
            pace.wait = FIRST;
        }
        pace.held_until = Some(now + pace.wait);
        pace.wait = (pace.wait * 2).min(LONGEST);
        is_new
    }

    /// Nothing is to be sent now.
    pub(crate) fn are_held(&self) -> bool {
        let pace = self.0.lock();
        pace.held_until.is_some() || pace.settles.is_some()
    }

    /// True once, when the wait after a refusal is over: what was refused is to be told again.
    pub(crate) fn are_due(&self, now: Instant) -> bool {
        let mut pace = self.0.lock();
        let is_over = pace.held_until.take_if(|until| *until <= now).is_some();
        if is_over {
            pace.resumed = Some(now);
        }
        let is_settled = pace.settles.take_if(|until| *until <= now).is_some();
        is_over || is_settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebalance_is_told_from_a_broker_that_cannot_keep_positions() {
        let told = |reason: &str| {
            is_of_membership(&format!(
                "[thrd:main]: Offset commit (manual) failed for 1/1 partition(s) in join-state steady: {reason}"
            ))
        };
        assert!(told("Broker: Specified group generation id is not valid"));
        assert!(told("Broker: Group rebalance in progress"));
        assert!(told("Broker: Unknown member"));
        assert!(told("Broker: The member epoch is stale"));
        assert!(!told(
            "Broker: Disk error when trying to access log file on disk"
        ));
        assert!(!told("Local: Timed out"));
    }

    #[test]
    fn of_refusals_only_the_first_is_shown_and_everything_else_is() {
        let commits = Commits::default();
        assert!(commits.lets_pass("FAIL", "Disk error"));
        assert!(commits.lets_pass("COMMITFAIL", "Disk error"));
        assert!(commits.are_held());
        assert!(!commits.lets_pass("COMMITFAIL", "Disk error"));
        assert!(commits.lets_pass("FAIL", "Disk error"));
    }

    #[test]
    fn what_a_group_between_two_generations_has_refused_is_due_again() {
        let commits = Commits::default();
        assert!(commits.lets_pass("COMMITFAIL", "Broker: Unknown member"));
        assert!(commits.are_held() && !commits.are_due(Instant::now()));
        let now = Instant::now() + FIRST;
        assert!(commits.are_due(now));
        assert!(commits.refused(now), "the first that is a refusal");
    }

    #[test]
    fn refusals_hold_commits_longer_each_time_until_there_are_none() {
        let commits = Commits::default();
        let mut now = Instant::now();
        assert!(!commits.are_held() && !commits.are_due(now));
        for (turn, wait) in [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
            .into_iter()
            .enumerate()
        {
            assert_eq!(commits.refused(now), turn == 0);
            assert!(!commits.refused(now), "one that was under way");
            now += Duration::from_millis(wait - 1);
            assert!(commits.are_held() && !commits.are_due(now));
            now += Duration::from_millis(1);
            assert!(commits.are_due(now) && !commits.are_due(now));
        }
        now += LONGEST + FIRST;
        assert!(commits.refused(now) && commits.are_due(now + FIRST));
    }
}
