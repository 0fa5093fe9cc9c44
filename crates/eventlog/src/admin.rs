//! Makes the topics of the table, and answers where a log and a group stand.

use weir_events::{
    position::TopicEpoch,
    topics::{Topic, dead_letter_topic},
};

use crate::{EventLog, LogError, kafka::topics};

/// Makes every topic of `weir_events::topics::ALL` and its dead-letter topic where they are
/// missing, and writes `TopicStart` as the first record of each empty partition of `bgp-updates`
/// and `bgp-messages`. What exists stays as it is, with its own epoch.
///
/// # Errors
/// When the broker does not answer, or a topic exists with another number of partitions.
pub fn ensure_topics(log: &EventLog, epoch: TopicEpoch) -> Result<(), LogError> {
    topics::ensure(log, epoch)
}

/// The end (next offset to be written) of each partition of `topic`.
///
/// # Errors
/// When the broker does not answer.
pub fn end_offsets(log: &EventLog, topic: &Topic) -> Result<Vec<i64>, LogError> {
    let lookup = log.lookup()?;
    (0..topic.partitions)
        .map(|partition| lookup.range(topic.name, partition).map(|(_, end)| end))
        .collect()
}

/// How many records the dead-letter topic of `topic` was ever given.
///
/// # Errors
/// When the broker does not answer.
pub fn dead_letters(log: &EventLog, topic: &Topic) -> Result<u64, LogError> {
    let (_, end) = log.lookup()?.range(&dead_letter_topic(topic.name), 0)?;
    Ok(end.unsigned_abs())
}

/// The position that `group` has committed in each partition of `topic`; `None` = none yet.
///
/// # Errors
/// When the broker does not answer.
pub fn committed(log: &EventLog, group: &str, topic: &Topic) -> Result<Vec<Option<i64>>, LogError> {
    let found = log
        .group_lookup(group)?
        .committed(topic.name, topic.partitions)?;
    Ok(found
        .into_iter()
        .map(|committed| committed.map(|committed| committed.next))
        .collect())
}
