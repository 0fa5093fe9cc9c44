//! Groups: who is in them, where they stand, and how they are moved.

use crate::{EventLog, LogError, kafka::topics::groups::Outsider};

/// One group of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// In the broker's words. `Dead` also stands for a group of the protocol `consumer`, which the
    /// question that we can ask does not know.
    pub state: String,
    /// Who is in it; empty too where the state is not known.
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// As the broker calls it.
    pub id: String,
    /// Its client id.
    pub client: String,
    /// Where it is.
    pub host: String,
}

/// Why a group was not moved.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MoveError {
    /// It has members.
    #[error("{group} is in use: stop every process that reads in it, then try again")]
    InUse {
        /// The group.
        group: String,
    },
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The groups of the cluster, by name.
///
/// # Errors
/// When the broker does not answer.
pub fn groups(log: &EventLog) -> Result<Vec<Group>, LogError> {
    Outsider::connect(log, "weir-lookup")?.groups(None)
}

/// One group; `None` = the broker does not know it.
///
/// # Errors
/// When the broker does not answer.
pub fn group(log: &EventLog, name: &str) -> Result<Option<Group>, LogError> {
    let found = Outsider::connect(log, "weir-lookup")?.groups(Some(name))?;
    Ok(found.into_iter().find(|group| group.name == name))
}

/// The position that `group` has committed in each of the first `partitions` partitions of any
/// topic; `None` = none yet.
///
/// # Errors
/// When the broker does not answer.
pub fn positions(
    log: &EventLog,
    group: &str,
    topic: &str,
    partitions: u32,
) -> Result<Vec<Option<i64>>, LogError> {
    let found = log.group_lookup(group)?.committed(topic, partitions)?;
    Ok(found
        .into_iter()
        .map(|committed| committed.map(|committed| committed.next))
        .collect())
}

/// In each partition of `topic` the first record that was produced at or after `time_ms`
/// (milliseconds since the Unix epoch); `None` = there is none.
///
/// # Errors
/// When the broker does not answer.
pub fn offsets_at(
    log: &EventLog,
    topic: &str,
    partitions: u32,
    time_ms: i64,
) -> Result<Vec<Option<i64>>, LogError> {
    Outsider::connect(log, "weir-lookup")?.at_time(topic, partitions, time_ms)
}

/// Sets the positions of a group that has no member, as (partition, next offset).
///
/// # Errors
/// When it has one, or the broker does not answer.
pub fn move_group(
    log: &EventLog,
    group: &str,
    topic: &str,
    positions: &[(u32, i64)],
) -> Result<(), MoveError> {
    Outsider::connect(log, group)?.commit(topic, positions)
}
