//! Topics as they are: listed, described, read by a person, removed.

use std::collections::BTreeMap;

use crate::{
    EventLog, LogError, RecordRef,
    kafka::topics::{browse as reading, cluster::Cluster},
};

/// One topic of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// By number.
    pub partitions: Vec<Partition>,
    /// Its settings as they apply, and whether each was set on the topic itself; only where it was
    /// described.
    pub configs: BTreeMap<String, (String, bool)>,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// From 0 on.
    pub id: u32,
    /// The broker that leads it; -1 = none.
    pub leader: i32,
    /// Brokers that hold a copy.
    pub replicas: Vec<i32>,
    /// Those of them that have everything.
    pub in_sync: Vec<i32>,
    /// First kept offset and end; only where it was described.
    pub range: Option<(i64, i64)>,
}

/// What to read of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Browse<'a> {
    /// The topic, ours or not.
    pub topic: &'a str,
    /// One partition; `None` = all.
    pub partition: Option<u32>,
    /// Where to begin.
    pub from: Start,
    /// At most so many records.
    pub max: Option<u64>,
    /// Ends where the log ended at the start, instead of waiting for more.
    pub until_end: bool,
}

/// Where reading begins, in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first record that is kept.
    Beginning,
    /// What is written from now on.
    End,
    /// At an offset; the nearest that is kept.
    Offset(i64),
}

/// Every topic, by name, without settings and offsets.
///
/// # Errors
/// When the broker does not answer.
pub fn list(log: &EventLog) -> Result<Vec<Topic>, LogError> {
    Cluster::connect(log)?.topics()
}

/// One topic with its settings and offsets; `None` = there is none.
///
/// # Errors
/// When the broker does not answer.
pub fn describe(log: &EventLog, name: &str) -> Result<Option<Topic>, LogError> {
    let cluster = Cluster::connect(log)?;
    let found = cluster
        .topics()?
        .into_iter()
        .find(|topic| topic.name == name);
    let Some(mut topic) = found else {
        return Ok(None);
    };
    topic.configs = cluster.configs(&[name])?.remove(name).unwrap_or_default();
    let lookup = log.lookup()?;
    for partition in &mut topic.partitions {
        partition.range = Some(lookup.range(name, partition.id)?);
    }
    Ok(Some(topic))
}

/// Removes a topic with everything in it.
///
/// # Errors
/// When there is none, or the broker does not let us.
pub fn delete(log: &EventLog, name: &str) -> Result<(), LogError> {
    Cluster::connect(log)?.delete(name)
}

/// Hands each record with its partition to `each`, without a registry's frame, until it answers
/// false or everything wanted was read. Gives their number.
///
/// # Errors
/// When there is no such topic or partition, or we may not read it.
pub fn browse(
    log: &EventLog,
    wanted: &Browse<'_>,
    each: impl FnMut(u32, &RecordRef<'_>) -> bool,
) -> Result<u64, LogError> {
    reading::browse(log, wanted, each)
}
