//! Groups: who is in them, and a position moved from outside.

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::{
    EventLog, LogError,
    admin::{Group, Member, MoveError},
    kafka::{REQUEST, Voice, group::OUR_MARK, reader_config, refused, signed},
};

/// A client that speaks of one group without joining it.
pub(crate) struct Outsider {
    consumer: BaseConsumer<Voice>,
    group: String,
}

impl Outsider {
    pub(crate) fn connect(log: &EventLog, group: &str) -> Result<Self, LogError> {
        let consumer = reader_config(log.config(), group)
            .create_with_context(Voice::new(format!("outside of {group}")))
            .map_err(|error| refused(&error))?;
        Ok(Self {
            consumer,
            group: group.to_owned(),
        })
    }

    /// The groups of the cluster, or the one that is named.
    pub(crate) fn groups(&self, name: Option<&str>) -> Result<Vec<Group>, LogError> {
        let list = self
            .consumer
            .fetch_group_list(name, REQUEST)
            .map_err(|error| self.failed("ask for groups", &error))?;
        let mut groups: Vec<Group> = list
            .groups()
            .iter()
            .map(|group| Group {
                name: group.name().to_owned(),
                state: group.state().to_owned(),
                members: group
                    .members()
                    .iter()
                    .map(|member| Member {
                        id: member.id().to_owned(),
                        client: member.client_id().to_owned(),
                        host: member.client_host().to_owned(),
                    })
                    .collect(),
            })
            .collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    /// In each partition the first record produced at or after `time_ms`; `None` = there is none.
    pub(crate) fn at_time(
        &self,
        topic: &str,
        partitions: u32,
        time_ms: i64,
    ) -> Result<Vec<Option<i64>>, LogError> {
        let what = || format!("look for a time in {topic}");
        let mut asked = TopicPartitionList::new();
        for partition in 0..partitions {
            asked
                .add_partition_offset(topic, signed(partition), Offset::Offset(time_ms))
                .map_err(|error| self.failed(what(), &error))?;
        }
        let answer = self
            .consumer
            .offsets_for_times(asked, REQUEST)
            .map_err(|error| self.failed(what(), &error))?;
        let of = |partition| match answer.find_partition(topic, signed(partition))?.offset() {
            Offset::Offset(offset) if offset >= 0 => Some(offset),
            _ => None,
        };
        Ok((0..partitions).map(of).collect())
    }

    /// Moves the group's positions. Brokers take this from an outsider only while the group has no
    /// member: that is the guard, and nobody can join in between.
    pub(crate) fn commit(&self, topic: &str, positions: &[(u32, i64)]) -> Result<(), MoveError> {
        let what = || format!("move {} in {topic}", self.group);
        let mut list = TopicPartitionList::new();
        for (partition, next) in positions {
            let mut place = list.add_partition(topic, signed(*partition));
            place
                .set_offset(Offset::Offset(*next))
                .map_err(|error| self.failed(what(), &error))?;
            place.set_metadata(OUR_MARK);
        }
        match self.consumer.commit(&list, CommitMode::Sync) {
            Ok(()) => Ok(()),
            Err(error) if has_members(&error) => Err(MoveError::InUse {
                group: self.group.clone(),
            }),
            Err(error) => Err(self.failed(what(), &error).into()),
        }
    }

    fn failed(&self, what: impl Into<String>, error: &KafkaError) -> LogError {
        self.consumer.context().failed(what, error)
    }
}

/// So brokers refuse an outsider: classic groups, and those of the protocol `consumer`.
fn has_members(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::StaleMemberEpoch
        )
    )
}
