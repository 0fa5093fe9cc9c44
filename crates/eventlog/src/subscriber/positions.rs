//! What a member tells its group of where its tasks stand: all that has changed in one request, a few times a second.
//! A request for each batch of each partition would be most of what brokers have to do for a quiet stream.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{ends::Running, partition::Phase};
use crate::kafka::group::Member;

/// Between two requests.
const EVERY: Duration = Duration::from_millis(100);

/// What was told last.
#[derive(Default)]
pub(super) struct Positions {
    told: BTreeMap<u32, i64>,
    at: Option<Instant>,
}

impl Positions {
    /// Tells the group where those tasks stand that are ours, if it is time.
    pub(super) fn tell(&mut self, member: &Member, running: &BTreeMap<u32, Running>) {
        if member.commits_are_due() {
            self.forget();
        }
        if member.holds_commits() {
            return;
        }
        let ours = running
            .iter()
            .filter(|(_, of)| of.signal.phase() == Phase::Ours);
        let newest = ours.filter_map(|(at, of)| Some((*at, of.signal.committed()?)));
        let changed = self.due(newest, Instant::now());
        if let Err(error) = member.commit(&changed) {
            tracing::debug!(%error, "positions not committed");
            self.forget();
        }
    }

    /// Of the positions as they are `now`, by partition, those to be told; none before it is time.
    fn due(&mut self, newest: impl Iterator<Item = (u32, i64)>, now: Instant) -> Vec<(u32, i64)> {
        if self
            .at
            .is_some_and(|at| now.saturating_duration_since(at) < EVERY)
        {
            return Vec::new();
        }
        let changed: Vec<_> = newest
            .filter(|(partition, next)| self.told.get(partition) != Some(next))
            .collect();
        if !changed.is_empty() {
            self.at = Some(now);
            self.told.extend(changed.iter().copied());
        }
        changed
    }

    /// The group may not have kept what it was told: everything is told again.
    pub(super) fn forget(&mut self) {
        self.told.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_told_together_and_not_too_often() {
        let mut positions = Positions::default();
        let start = Instant::now();
        let mut due = |after_ms, newest: &[(u32, i64)]| {
            let now = start + Duration::from_millis(after_ms);
            positions.due(newest.iter().copied(), now)
        };
        assert_eq!(due(0, &[(0, 5), (1, 7)]), [(0, 5), (1, 7)]);
        assert_eq!(due(99, &[(0, 6), (1, 8)]), []);
        assert_eq!(due(100, &[(0, 6), (1, 7)]), [(0, 6)]);
        assert_eq!(due(300, &[(0, 6), (1, 7)]), [], "nothing is new");
        assert_eq!(due(301, &[(0, 6), (1, 8), (2, 1)]), [(1, 8), (2, 1)]);
    }

    #[test]
    fn what_may_be_lost_is_told_again_and_a_partition_that_comes_back_too() {
        let mut positions = Positions::default();
        let now = Instant::now();
        assert_eq!(positions.due([(0, 5)].into_iter(), now), [(0, 5)]);
        positions.forget();
        assert_eq!(positions.due([(0, 5)].into_iter(), now + EVERY), [(0, 5)]);
    }
}
