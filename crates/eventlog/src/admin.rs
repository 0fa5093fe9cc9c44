//! Makes and keeps the topics as the table has them, and answers where a log and a group stand.

mod desired;
mod groups;
mod plan;
mod topics;

use std::time::Duration;

use weir_events::{
    position::TopicEpoch,
    topics::{Topic as Row, dead_letter_topic},
};

use crate::{
    EventLog, LogError,
    kafka::topics::{cluster::Cluster, start_partitions},
};

pub use desired::{Desired, OverridesError, table, with_overrides};
pub use groups::{Group, Member, MoveError, group, groups, move_group, offsets_at, positions};
pub use plan::{Found, Step};
pub use topics::{Browse, Partition, Start, Topic, browse, delete, describe, list};

/// Makes every topic of `weir_events::topics::ALL` and its dead-letter topic where they are
/// missing, sets what differs from the table, and writes `TopicStart` as the first record of each
/// empty partition of those that carry an epoch. What exists keeps its own epoch.
///
/// # Errors
/// When the broker does not answer, or a topic exists with another number of partitions.
pub fn ensure_topics(log: &EventLog, epoch: TopicEpoch) -> Result<(), LogError> {
    let steps = plan(log, &table())?;
    apply(log, &steps)?;
    for row in weir_events::topics::ALL {
        let found = log.lookup()?.partitions(row.name)?;
        if u32::try_from(found) != Ok(row.partitions) {
            return Err(LogError::Partitions {
                topic: row.name.to_owned(),
                found,
                wanted: row.partitions,
            });
        }
    }
    start(log, epoch).map(drop)
}

/// How many brokers the cluster has. For who has less time than the questions below may take: the
/// error says why none answers, for instance that the connection is refused.
///
/// # Errors
/// When none has answered `within`.
pub fn brokers(log: &EventLog, within: Duration) -> Result<usize, LogError> {
    log.lookup()?.brokers(within)
}

/// What [`apply`] would do to make the topics of the log as `desired`.
///
/// # Errors
/// When the broker does not answer, or does not let us ask.
pub fn plan(log: &EventLog, desired: &[Desired]) -> Result<Vec<Step>, LogError> {
    let cluster = Cluster::connect(log)?;
    let names: Vec<&str> = desired.iter().map(|topic| topic.name.as_str()).collect();
    let found = cluster.found(&names)?;
    // Only a topic that is to be made asks.
    let default = match found.len() < desired.len() {
        true => cluster.default_replication(),
        false => None,
    };
    Ok(plan::plan(desired, &found, default))
}

/// Takes the steps that change something; gives their number. A topic that was made meanwhile is
/// left as it is.
///
/// # Errors
/// At the first step that the broker refuses.
pub fn apply(log: &EventLog, steps: &[Step]) -> Result<usize, LogError> {
    let cluster = Cluster::connect(log)?;
    let mut taken = 0;
    for step in steps {
        match step {
            Step::Create { topic } => {
                cluster.create(topic)?;
            }
            Step::Alter { topic, key, to, .. } => cluster.alter(topic, &[(key, to)])?,
            Step::Drift { .. } | Step::Refused { .. } => continue,
        }
        taken += 1;
    }
    Ok(taken)
}

/// Writes `TopicStart` with `epoch` into each partition that never held a record, of the topics
/// that carry an epoch; gives their number.
///
/// # Errors
/// When the broker does not answer, or such a topic is not there.
pub fn start(log: &EventLog, epoch: TopicEpoch) -> Result<u32, LogError> {
    let started = start_partitions(log, epoch)?;
    tracing::info!(started, epoch = epoch.0, "topics are in place");
    Ok(started)
}

/// The end (next offset to be written) of each partition of `topic`.
///
/// # Errors
/// When the broker does not answer, or the topic has another number of partitions than the table.
pub fn end_offsets(log: &EventLog, topic: &Row) -> Result<Vec<i64>, LogError> {
    let lookup = log.lookup()?;
    let end = |partition| lookup.range(topic.name, partition).map(|(_, end)| end);
    // Asked first: it knows soonest whether we are refused.
    let mut ends = vec![end(0)?];
    let found = lookup.partitions(topic.name)?;
    if u32::try_from(found) != Ok(topic.partitions) {
        return Err(LogError::Partitions {
            topic: topic.name.to_owned(),
            found,
            wanted: topic.partitions,
        });
    }
    for partition in 1..topic.partitions {
        ends.push(end(partition)?);
    }
    Ok(ends)
}

/// First kept offset and end of one partition of any topic.
///
/// # Errors
/// When the broker does not answer.
pub fn range(log: &EventLog, topic: &str, partition: u32) -> Result<(i64, i64), LogError> {
    log.lookup()?.range(topic, partition)
}

/// How many records the dead-letter topic of `topic` was ever given.
///
/// # Errors
/// When the broker does not answer.
pub fn dead_letters(log: &EventLog, topic: &Row) -> Result<u64, LogError> {
    let (_, end) = log.lookup()?.range(&dead_letter_topic(topic.name), 0)?;
    Ok(end.unsigned_abs())
}

/// The position that `group` has committed in each partition of `topic`; `None` = none yet.
///
/// # Errors
/// When the broker does not answer.
pub fn committed(log: &EventLog, group: &str, topic: &Row) -> Result<Vec<Option<i64>>, LogError> {
    groups::positions(log, group, topic.name, topic.partitions)
}
