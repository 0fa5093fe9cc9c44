//! The consuming client of topics that others write: one member of a group of theirs.
//!
//! Always by the classic protocol and an eager assignor, which any other client of such a group has.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message, Offset, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use super::{Voice, commits::Commits, failed, group::borrowed, reader_config, refused, signed};
use crate::{
    LogConfig, LogError,
    foreign::{Heard, Place},
};

/// How long one question to the brokers may take: who asks has a clock to tell, and asks again.
const QUESTION: Duration = Duration::from_secs(3);

/// What is to be done; while the group has decided, the client waits until it is told that it is.
#[derive(Debug)]
pub(crate) enum Decision {
    /// These partitions are ours.
    Assigned(Vec<Place>),
    /// All are to be given back; `lost` = they may belong to somebody else already.
    Revoked { lost: bool },
    /// Nothing: the log has moved on under the reader.
    Overtaken,
}

struct Context {
    voice: Voice,
    decisions: Mutex<VecDeque<Decision>>,
    commits: Commits,
    /// One past the last offset of each partition, as the brokers said last.
    ends: Mutex<HashMap<String, HashMap<u32, i64>>>,
    /// The client is being dropped: decisions are carried out at once.
    closing: AtomicBool,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if self.commits.lets_pass(facility, message) {
            self.voice.log(level, facility, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut ends = self.ends.lock();
        for (name, topic) in statistics.topics {
            let known = ends.entry(name).or_default();
            let told = topic.partitions.into_iter();
            known.extend(told.filter_map(|(number, partition)| {
                let number = u32::try_from(number).ok()?;
                (partition.hi_offset >= 0).then_some((number, partition.hi_offset))
            }));
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assign = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            if let Err(error) = consumer.unassign() {
                tracing::debug!(%error, "unassign while closing");
            }
            return;
        }
        let places = partitions.elements().into_iter().filter_map(|element| {
            Some(Place {
                topic: element.topic().to_owned(),
                partition: u32::try_from(element.partition()).ok()?,
            })
        });
        let decision = if assign {
            Decision::Assigned(places.collect())
        } else {
            Decision::Revoked {
                lost: consumer.assignment_lost(),
            }
        };
        self.decisions.lock().push_back(decision);
    }
}

/// What a poll gave besides records.
pub(crate) enum Polled<T> {
    /// A record was shown.
    Record(T),
    /// A position is no longer in its log; the client does not say which.
    Gone,
    /// The client reports something else.
    Failed(LogError),
    /// Nothing now.
    Nothing,
}

/// The member of a group of others.
pub(crate) struct ForeignMember {
    consumer: BaseConsumer<Context>,
}

impl ForeignMember {
    pub(crate) fn join(config: &LogConfig, topics: &[String]) -> Result<Self, LogError> {
        let session = config
            .session_timeout_ms
            .unwrap_or(LogConfig::SESSION_TIMEOUT_MS);
        let beat = config
            .heartbeat_interval_ms
            .unwrap_or(LogConfig::HEARTBEAT_INTERVAL_MS.min(session / 3));
        let mut client = reader_config(config, &config.group_id);
        client
            .set("partition.assignment.strategy", "range,roundrobin")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", beat.to_string())
            .set(
                "max.poll.interval.ms",
                config.max_poll_interval_ms.to_string(),
            )
            .set("enable.partition.eof", "false")
            .set("statistics.interval.ms", "1000");
        if let Some(id) = &config.group_instance_id {
            client.set("group.instance.id", format!("{id}-{}", config.group_id));
        }
        let context = Context {
            voice: Voice::new(config.group_id.as_str()),
            decisions: Mutex::default(),
            commits: Commits::default(),
            ends: Mutex::default(),
            closing: AtomicBool::new(false),
        };
        let consumer: BaseConsumer<Context> = client
            .create_with_context(context)
            .map_err(|error| refused(&error))?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&names)
            .map_err(|error| failed(format!("subscribe to {}", topics.join(", ")), &error))?;
        Ok(Self { consumer })
    }

    /// Shows `look` the next record, after at most `wait`.
    pub(crate) fn poll<T>(&self, wait: Duration, look: impl FnOnce(Heard<'_>) -> T) -> Polled<T> {
        match self.consumer.poll(wait) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => Polled::Nothing,
            Some(Ok(message)) => {
                self.consumer.context().voice.well();
                Polled::Record(look(Heard::Record {
                    topic: message.topic(),
                    partition: u32::try_from(message.partition()).unwrap_or(u32::MAX),
                    record: borrowed(&message),
                }))
            }
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    Polled::Gone
                }
                _ => Polled::Failed(self.failed("read the topics of others".to_owned(), &error)),
            },
        }
    }

    pub(crate) fn decision(&self) -> Option<Decision> {
        self.consumer.context().decisions.lock().pop_front()
    }

    /// Why the client can do nothing more, if it cannot.
    pub(crate) fn ending(&self) -> Option<LogError> {
        let (_, reason) = self.consumer.client().fatal_error()?;
        Some(LogError::Client { reason })
    }

    /// What the client complained of last, while that is fresh.
    pub(crate) fn complaint(&self) -> Option<String> {
        let reason = self.consumer.context().voice.reason();
        reason.map(|(reason, _)| reason)
    }

    /// How many partitions a topic has.
    pub(crate) fn partitions(&self, topic: &str) -> Result<usize, LogError> {
        let what = || format!("partitions of {topic}");
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), QUESTION)
            .map_err(|error| self.failed(what(), &error))?;
        let found = metadata.topics().first();
        match found.map(|found| (found.error(), found.partitions().len())) {
            Some((None, partitions)) => Ok(partitions),
            Some((Some(code), _)) => Err(failed(what(), &KafkaError::MetadataFetch(code.into()))),
            None => Err(self.consumer.context().voice.timed_out(what(), QUESTION)),
        }
    }

    /// First kept offset and end.
    pub(crate) fn range(&self, place: &Place) -> Result<(i64, i64), LogError> {
        self.consumer
            .fetch_watermarks(&place.topic, signed(place.partition), QUESTION)
            .map_err(|error| self.failed(format!("range of {place}"), &error))
    }

    /// The next offset that the group has committed in each of these.
    pub(crate) fn committed(&self, places: &[Place]) -> Result<Vec<Option<i64>>, LogError> {
        let mut asked = TopicPartitionList::new();
        for place in places {
            asked.add_partition(&place.topic, signed(place.partition));
        }
        let answer = self
            .consumer
            .committed_offsets(asked, QUESTION)
            .map_err(|error| self.failed("positions of the group".to_owned(), &error))?;
        let found = places.iter().map(|place| {
            let found = answer.find_partition(&place.topic, signed(place.partition));
            let Some(found) = found else { return Ok(None) };
            found
                .error()
                .map_err(|error| failed(format!("position in {place}"), &error))?;
            Ok(match found.offset() {
                Offset::Offset(next) => Some(next),
                _ => None,
            })
        });
        found.collect()
    }

    /// Reads these partitions from these offsets on, and no others.
    pub(crate) fn assign(&self, positions: &[(Place, i64)]) -> Result<(), LogError> {
        let list =
            list(positions).map_err(|error| failed("positions in the topics of others", &error))?;
        self.consumer
            .assign(&list)
            .map_err(|error| failed("assign the topics of others", &error))
    }

    /// Gives all partitions back.
    pub(crate) fn release(&self) -> Result<(), LogError> {
        self.consumer
            .unassign()
            .map_err(|error| failed("unassign the topics of others", &error))
    }

    /// Brokers have refused a commit, or one was held back after that.
    pub(crate) fn holds_commits(&self) -> bool {
        self.consumer.context().commits.are_held()
    }

    /// Commits positions; `wait` = until the broker has answered.
    pub(crate) fn commit(&self, positions: &[(Place, i64)], wait: bool) -> Result<(), LogError> {
        let pace = &self.consumer.context().commits;
        let is_held = pace.are_held() && !pace.are_due(Instant::now());
        if positions.is_empty() || (is_held && !wait) {
            return Ok(());
        }
        let mode = if wait {
            CommitMode::Sync
        } else {
            CommitMode::Async
        };
        list(positions)
            .and_then(|list| self.consumer.commit(&list, mode))
            .map_err(|error| self.failed("commit to the topics of others".to_owned(), &error))
    }

    /// One past the last offset, as the brokers said about a second ago.
    pub(crate) fn end(&self, topic: &str, partition: u32) -> Option<i64> {
        let ends = self.consumer.context().ends.lock();
        ends.get(topic)?.get(&partition).copied()
    }

    fn failed(&self, what: String, error: &KafkaError) -> LogError {
        self.consumer.context().voice.failed(what, error)
    }
}

impl Drop for ForeignMember {
    fn drop(&mut self) {
        self.consumer
            .context()
            .closing
            .store(true, Ordering::Release);
        // Else the client waits for the answer to a decision.
        if self.decision().is_some()
            && let Err(error) = self.consumer.unassign()
        {
            tracing::debug!(%error, "unassign while closing");
        }
    }
}

fn list(positions: &[(Place, i64)]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (place, next) in positions {
        let partition = signed(place.partition);
        list.add_partition_offset(&place.topic, partition, Offset::Offset(*next))?;
    }
    Ok(list)
}
