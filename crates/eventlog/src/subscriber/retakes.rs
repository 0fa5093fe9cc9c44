//! Sinks that take their partition anew while it stays theirs: another writer has raised the fence of
//! the store, or the store has lost what it had acknowledged. The task is run again, from the fence
//! on, after a wait that doubles: two members that both believe a partition theirs (one that was
//! asleep, until its client hears of it) take it in turns, but slowly.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::Rng;

use super::TaskError;

/// Before a partition is taken anew, the first time and at most.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// After as much time without another, the next one waits as the first did.
const CALM: Duration = Duration::from_secs(60);

/// How a sink's task has ended whose store says that it was overtaken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Overtaken(pub(super) TaskError);

/// The partitions of a group that are taken anew.
pub(super) struct Retakes {
    group: String,
    topic: &'static str,
    /// When those come back that have no task now.
    due: BTreeMap<u32, Instant>,
    /// How long the last wait was, and when it was over.
    paces: BTreeMap<u32, (Duration, Instant)>,
}

impl Retakes {
    pub(super) fn new(group: &str, topic: &'static str) -> Self {
        Self {
            group: group.to_owned(),
            topic,
            due: BTreeMap::new(),
            paces: BTreeMap::new(),
        }
    }

    /// The task of `partition` was overtaken at `now`. Told at the first time after a calm.
    pub(super) fn plan(&mut self, partition: u32, error: &TaskError, now: Instant) -> Duration {
        let last = self.paces.get(&partition);
        let last = last.filter(|(_, until)| now.saturating_duration_since(*until) < CALM);
        let whole = last.map_or(FIRST, |(whole, _)| (*whole * 2).min(LONGEST));
        let wait = whole.mul_f64(rand::rng().random_range(0.5..=1.0));
        let (group, topic, wait_ms) = (&self.group, self.topic, wait.as_millis());
        if last.is_none() {
            tracing::warn!(group, topic, partition, %error, wait_ms, "taking the partition anew");
        } else {
            tracing::debug!(group, topic, partition, %error, wait_ms, "and again");
        }
        self.paces.insert(partition, (whole, now + wait));
        self.due.insert(partition, now + wait);
        wait
    }

    /// A partition whose wait is over at `now`: its task begins again.
    pub(super) fn next(&mut self, now: Instant) -> Option<u32> {
        let (&partition, _) = self.due.iter().find(|(_, at)| **at <= now)?;
        self.due.remove(&partition);
        metrics::counter!("weir_partition_retaken_total", "group" => self.group.clone())
            .increment(1);
        Some(partition)
    }

    /// These are no longer ours.
    pub(super) fn forget(&mut self, partitions: &[u32]) {
        self.due.retain(|waits, _| !partitions.contains(waits));
    }

    /// None is ours any more.
    pub(super) fn clear(&mut self) {
        self.due.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fenced() -> TaskError {
        "fenced".into()
    }

    #[test]
    fn a_partition_waits_longer_each_time_up_to_a_bound_and_little_again_after_a_calm() {
        let mut retakes = Retakes::new("g", "t");
        let mut now = Instant::now();
        for whole in [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
            let wait = retakes.plan(7, &fenced(), now);
            let whole = Duration::from_millis(whole);
            assert!(whole / 2 <= wait && wait <= whole, "{wait:?}");
            assert_eq!(retakes.next(now), None);
            now += wait;
            assert_eq!(retakes.next(now), Some(7));
            assert_eq!(retakes.next(now), None);
        }
        assert!(retakes.plan(7, &fenced(), now + CALM) <= FIRST);
    }

    #[test]
    fn a_partition_that_was_given_back_is_not_taken() {
        let mut retakes = Retakes::new("g", "t");
        let now = Instant::now();
        retakes.plan(1, &fenced(), now);
        retakes.plan(2, &fenced(), now);
        retakes.forget(&[1]);
        assert_eq!(retakes.next(now + LONGEST), Some(2));
        assert_eq!(retakes.next(now + LONGEST), None);
    }
}
