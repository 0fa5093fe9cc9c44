//! Looks at a member from outside, now and then: lag, positions that were moved by something else,
//! the number of partitions, and whether the brokers answer again.
//!
//! A thread of its own, because every question may take seconds: neither the poll thread nor a task
//! may wait for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use weir_events::{time, topics::Topic};

use super::{Shared, partition::Signal};
use crate::{EventLog, LogError, Trouble, kafka::lookup::Committed};

/// Between two looks, and between two while the member waits.
const LOOK: Duration = Duration::from_secs(10);
const SHORT_LOOK: Duration = Duration::from_secs(1);

/// What it looks at.
pub(super) struct Watch {
    pub(super) log: EventLog,
    pub(super) group: String,
    pub(super) topic: Topic,
    pub(super) shared: Arc<Shared>,
}

impl Watch {
    /// Until the member has left its group.
    pub(super) fn run(self) {
        let mut counted = false;
        let mut pause = SHORT_LOOK;
        while !self.shared.has_left(Instant::now() + pause) {
            if self.shared.is_stopping() {
                continue;
            }
            match self.look(&mut counted) {
                Ok(()) => {
                    let has_partitions = !self.shared.held.lock().is_empty();
                    self.shared.waiting.answered(has_partitions);
                }
                Err(error @ LogError::Partitions { .. }) => self.shared.fail(&error.to_string()),
                Err(error) if error.trouble() == Trouble::Other => {
                    // A look that failed; what matters fails where it is used.
                    tracing::debug!(group = self.group, %error, "while looking");
                }
                Err(error) => {
                    let reason = error.to_string();
                    self.shared
                        .waiting
                        .member(&self.group, error.trouble(), &reason);
                }
            }
            let waits = self.shared.waiting.text().is_some();
            pause = if waits { SHORT_LOOK } else { LOOK };
        }
        for partition in 0..self.topic.partitions {
            self.tell_lag(partition, 0, 0.0);
        }
    }

    fn look(&self, counted: &mut bool) -> Result<(), LogError> {
        let lookup = self.log.lookup()?;
        if !*counted {
            let found = lookup.partitions(self.topic.name)?;
            if u32::try_from(found) != Ok(self.topic.partitions) {
                return Err(LogError::Partitions {
                    topic: self.topic.name.to_owned(),
                    found,
                    wanted: self.topic.partitions,
                });
            }
            *counted = true;
        }
        let held = self.shared.held.lock().clone();
        for (partition, signal) in &held {
            let (_, end) = lookup.range(self.topic.name, *partition)?;
            self.measure(*partition, signal, end);
        }
        let committed = self
            .log
            .group_lookup(&self.group)?
            .committed(self.topic.name, self.topic.partitions)?;
        for (partition, committed) in (0..).zip(committed) {
            if let (Some(signal), Some(committed)) = (held.get(&partition), committed) {
                check_position(&self.group, &self.topic, partition, signal, committed);
            }
        }
        Ok(())
    }

    fn measure(&self, partition: u32, signal: &Signal, end: i64) {
        let Some((position, produced_ms)) = signal.progress() else {
            return;
        };
        let lag = end.saturating_sub(position).max(0);
        let age_ms = time::now_us() / 1000 - produced_ms;
        let seconds = if lag == 0 || produced_ms < 0 {
            0.0
        } else {
            Duration::from_millis(age_ms.max(0).unsigned_abs()).as_secs_f64()
        };
        self.tell_lag(partition, lag, seconds);
    }

    /// Names as Kafka's exporters have them.
    fn tell_lag(&self, partition: u32, lag: i64, seconds: f64) {
        let labels = [
            ("group", self.group.clone()),
            ("topic", self.topic.name.to_owned()),
            ("partition", partition.to_string()),
        ];
        let lag = f64::from(u32::try_from(lag).unwrap_or(u32::MAX));
        metrics::gauge!("kafka_consumergroup_lag", &labels).set(lag);
        metrics::gauge!("kafka_consumergroup_lag_seconds", &labels).set(seconds);
    }
}

/// A position that something else has committed has no effect on a task that knows where it
/// stands: whoever did that is told what has.
pub(super) fn check_position(
    group: &str,
    topic: &Topic,
    partition: u32,
    signal: &Signal,
    committed: Committed,
) {
    let stands = signal.progress().map(|(position, _)| position);
    if committed.ours || stands == Some(committed.next) || !signal.was_moved(committed.next) {
        return;
    }
    tracing::warn!(
        group,
        topic = topic.name,
        partition,
        moved_to = committed.next,
        stands,
        "the position of the group was moved from outside, which has no effect: its task goes on \
         where its own checkpoint stands. To read again from a time: \
         weir pipelines seek {group} --to-time T"
    );
    metrics::counter!(
        "weir_group_offsets_moved_total",
        "group" => group.to_owned(), "topic" => topic.name
    )
    .increment(1);
}
