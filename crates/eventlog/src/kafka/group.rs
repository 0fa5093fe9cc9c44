//! The consuming client of a member of a group: a queue per partition.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{
        BaseConsumer, CommitMode, Consumer, ConsumerContext, base_consumer::PartitionQueue,
    },
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
    types::RDKafkaRespErr,
};
use weir_events::topics::Topic;

use super::{REQUEST, Voice, commits::Commits, failed, reader_config, refused, signed, trouble_of};
use crate::{
    EventLog, LogError, RecordRef, Trouble, batch::TRACEPARENT, error::advised, schema::unframe,
};

/// Stands beside each position that we commit: what lacks it was committed by something else.
pub(crate) const OUR_MARK: &str = "weir";
/// Session and heartbeats of our classic groups where nothing is set.
const SESSION_MS: u32 = 10_000;
const HEARTBEAT_MS: u32 = 500;
/// What a group that is in no hurry waits for, and for how long.
const UNHURRIED_BYTES: u32 = 65_536;
const UNHURRIED_MS: &str = "100";
/// How often a group is asked whether it has settled.
const RETRY: Duration = Duration::from_millis(20);

/// How a member takes part in its group.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    /// By the protocol `consumer` (KIP-848), or by the classic one.
    pub(crate) new_protocol: bool,
    /// Static under this name.
    pub(crate) instance: Option<String>,
}

/// Why a client in a group can do nothing more.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// The broker does not know the protocol `consumer`.
    NoNewProtocol,
    /// A new client may succeed later: an ACL is missing, or the session of our former self under
    /// the same instance name has not run out yet.
    Wait(String),
    /// Another process goes by the same instance name.
    Fenced(String),
    /// In librdkafka's words.
    Other(String),
}

/// What the group decided.
#[derive(Debug)]
pub(crate) enum Decision {
    /// These partitions are ours; nothing is read until the client is told.
    Assigned(Vec<u32>),
    /// These are to be given back; the group waits until the client is told.
    Revoked {
        partitions: Vec<u32>,
        /// They may belong to somebody else already.
        lost: bool,
    },
}

pub(crate) struct GroupContext {
    voice: Voice,
    decisions: Mutex<VecDeque<Decision>>,
    commits: Commits,
    /// The client is being dropped: decisions are carried out at once.
    closing: AtomicBool,
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if self.commits.lets_pass(facility, message) {
            self.voice.log(level, facility, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assign = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            if !assign && let Err(error) = consumer.incremental_unassign(partitions) {
                tracing::debug!(%error, "unassign while closing");
            }
            return;
        }
        let partitions = partitions
            .elements()
            .iter()
            .filter_map(|element| u32::try_from(element.partition()).ok())
            .collect();
        self.decisions.lock().push_back(if assign {
            Decision::Assigned(partitions)
        } else {
            Decision::Revoked {
                partitions,
                lost: consumer.assignment_lost(),
            }
        });
    }
}

/// A member of a group, reading one topic.
#[derive(Clone)]
pub(crate) struct Member {
    consumer: Arc<BaseConsumer<GroupContext>>,
    topic: Topic,
}

impl Member {
    pub(crate) fn join(
        log: &EventLog,
        group: &str,
        topic: Topic,
        membership: &Membership,
    ) -> Result<Self, LogError> {
        let context = GroupContext {
            voice: Voice::new(group),
            decisions: Mutex::default(),
            commits: Commits::default(),
            closing: AtomicBool::new(false),
        };
        let consumer: BaseConsumer<GroupContext> = group_config(log, group, membership)
            .create_with_context(context)
            .map_err(|error| refused(&error))?;
        consumer
            .subscribe(&[topic.name])
            .map_err(|error| failed(format!("subscribe to {}", topic.name), &error))?;
        Ok(Self {
            consumer: Arc::new(consumer),
            topic,
        })
    }

    /// Serves the client for at most `wait`; `Err` is what it reports outside of any partition.
    pub(crate) fn serve(&self, wait: Duration) -> Result<(), LogError> {
        match self.consumer.poll(wait) {
            Some(Ok(message)) => Err(LogError::Misuse {
                topic: message.topic().to_owned(),
                partition: u32::try_from(message.partition()).unwrap_or(u32::MAX),
                what: "a record came outside of its partition's queue",
            }),
            None | Some(Err(KafkaError::PartitionEOF(_))) => Ok(()),
            Some(Err(error)) => {
                let voice = &self.consumer.context().voice;
                Err(voice.failed(format!("read {}", self.topic.name), &error))
            }
        }
    }

    /// Why the client can do nothing more, if it cannot.
    pub(crate) fn ending(&self) -> Option<Ending> {
        use RDKafkaErrorCode as Code;
        let (code, reason) = self.consumer.client().fatal_error()?;
        Some(match code {
            Code::UnsupportedFeature | Code::UnsupportedVersion => Ending::NoNewProtocol,
            Code::UnreleasedInstanceId => Ending::Wait(format!(
                "{reason} (a process that was killed keeps its name until its session runs out)"
            )),
            Code::FencedInstanceId => Ending::Fenced(reason),
            _ if trouble_of(&KafkaError::Global(code)) == Trouble::Permission => {
                Ending::Wait(advised(&reason, Trouble::Permission))
            }
            _ => Ending::Other(reason),
        })
    }

    /// What the client complained of is over.
    pub(crate) fn well(&self) {
        self.consumer.context().voice.well();
    }

    pub(crate) fn decision(&self) -> Option<Decision> {
        self.consumer.context().decisions.lock().pop_front()
    }

    /// Splits off the queue of a partition. Before [`Self::accept`], so that no record of it is
    /// ever delivered elsewhere.
    pub(crate) fn queue(
        &self,
        partition: u32,
        on_record: impl Fn() + Send + Sync + 'static,
    ) -> Result<Queue, LogError> {
        let mut queue = self
            .consumer
            .split_partition_queue(self.topic.name, signed(partition))
            .ok_or_else(|| LogError::Client {
                reason: format!("no queue for {}/{partition}", self.topic.name),
            })?;
        queue.set_nonempty_callback(on_record);
        Ok(Queue(queue))
    }

    /// Takes the partitions over, all paused.
    ///
    /// They begin at offset 0, and nothing is fetched from there, because they are paused before
    /// they are assigned. A logical offset (end, stored) would be asked for, and librdkafka asks
    /// again half a second after an answer that a seek has overtaken: the partition would jump to
    /// the end of the log in silence (`rd_kafka_toppar_handle_Offset`, 2.12.1).
    pub(crate) fn accept(&self, partitions: &[u32]) -> Result<(), LogError> {
        let list = self.list(
            partitions
                .iter()
                .map(|partition| (*partition, Offset::Offset(0))),
        )?;
        self.consumer
            .pause(&list)
            .and_then(|()| self.consumer.incremental_assign(&list))
            .map_err(|error| failed(format!("assign {}", self.topic.name), &error))
    }

    /// Gives the partitions back.
    pub(crate) fn release(&self, partitions: &[u32]) -> Result<(), LogError> {
        let list = self.list(
            partitions
                .iter()
                .map(|partition| (*partition, Offset::Invalid)),
        )?;
        self.consumer
            .incremental_unassign(&list)
            .map_err(|error| failed(format!("unassign {}", self.topic.name), &error))
    }

    /// Reads the partition from `offset` on.
    pub(crate) fn seek(&self, partition: u32, offset: i64) -> Result<(), LogError> {
        let list = self.list([(partition, Offset::Offset(offset))])?;
        self.consumer
            .seek(
                self.topic.name,
                signed(partition),
                Offset::Offset(offset),
                REQUEST,
            )
            .and_then(|()| self.consumer.resume(&list))
            .map_err(|error| failed(format!("seek {}/{partition}", self.topic.name), &error))
    }

    /// Brokers have refused a commit: none is to be sent for a while.
    pub(crate) fn holds_commits(&self) -> bool {
        self.consumer.context().commits.are_held()
    }

    /// True once when that is over, and the newest positions are to be committed.
    pub(crate) fn commits_are_due(&self) -> bool {
        self.consumer.context().commits.are_due(Instant::now())
    }

    /// Commits positions, without waiting for the broker.
    pub(crate) fn commit(&self, positions: &[(u32, i64)]) -> Result<(), LogError> {
        self.send(positions, CommitMode::Async)
            .map_err(|error| self.not_committed(&error))
    }

    /// The last commit of partitions that are given back; waits for the broker.
    ///
    /// A group that is between two generations refuses the commits of both, and the client leaves it at
    /// that (`rd_kafka_cgrp_op_handle_OffsetCommit`, 2.12.1): asked again until it has settled, or until
    /// `by`. One ask alone may take as long as a member that died while joining holds up the others, its
    /// whole session: the broker answers what stands behind our own JoinGroup after that.
    pub(crate) fn commit_last(
        &self,
        positions: &[(u32, i64)],
        by: Instant,
    ) -> Result<(), LogError> {
        loop {
            match self.send(positions, CommitMode::Sync) {
                Err(error)
                    if is_between_generations(&error)
                        && !self.consumer.assignment_lost()
                        && Instant::now() < by =>
                {
                    tracing::debug!(%error, "asking for the last commit again");
                    if let Err(error) = self.serve(RETRY) {
                        tracing::debug!(%error, "while committing");
                    }
                }
                result => return result.map_err(|error| self.not_committed(&error)),
            }
        }
    }

    fn send(&self, positions: &[(u32, i64)], mode: CommitMode) -> KafkaResult<()> {
        if positions.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (partition, next) in positions {
            let mut place = list.add_partition(self.topic.name, signed(*partition));
            place.set_offset(Offset::Offset(*next))?;
            place.set_metadata(OUR_MARK);
        }
        self.consumer.commit(&list, mode)
    }

    fn not_committed(&self, error: &KafkaError) -> LogError {
        failed(format!("commit to {}", self.topic.name), error)
    }

    /// From now on the client carries out by itself what the group decides.
    pub(crate) fn close(&self) {
        self.consumer
            .context()
            .closing
            .store(true, Ordering::Release);
    }

    fn list(
        &self,
        positions: impl IntoIterator<Item = (u32, Offset)>,
    ) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in positions {
            list.add_partition_offset(self.topic.name, signed(partition), offset)
                .map_err(|error| {
                    failed(
                        format!("position in {}/{partition}", self.topic.name),
                        &error,
                    )
                })?;
        }
        Ok(list)
    }
}

/// True of the refusal of a commit that the group will take once its members have joined anew.
fn is_between_generations(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::IllegalGeneration | Code::RebalanceInProgress | Code::StaleMemberEpoch)
    )
}

fn group_config(log: &EventLog, group: &str, membership: &Membership) -> ClientConfig {
    let config = log.config();
    let mut client = reader_config(config, group);
    if log.is_unhurried() {
        let enough = config.fetch_min_bytes.max(UNHURRIED_BYTES);
        client
            .set("fetch.min.bytes", enough.to_string())
            .set("fetch.wait.max.ms", UNHURRIED_MS);
    }
    client.set(
        "max.poll.interval.ms",
        config.max_poll_interval_ms.to_string(),
    );
    if let Some(instance) = &membership.instance {
        client.set("group.instance.id", instance);
    }
    if membership.new_protocol {
        // The broker sets sessions and heartbeats, and its assignor decides.
        client.set("group.protocol", "consumer");
        return client;
    }
    let session = config.session_timeout_ms.unwrap_or(SESSION_MS);
    let beat = config
        .heartbeat_interval_ms
        .unwrap_or(HEARTBEAT_MS.min(session / 3));
    client
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session.to_string())
        .set("heartbeat.interval.ms", beat.to_string());
    client
}

/// What the queue of a partition holds next.
pub(crate) enum Queued<'a> {
    /// A record.
    Record(RecordRef<'a>),
    /// The end of the log was reached.
    End,
    /// The position is no longer in the log.
    Gone,
    /// The client reports something else.
    Failed(LogError),
    /// Nothing now.
    Nothing,
}

/// The queue of one partition.
pub(crate) struct Queue(PartitionQueue<GroupContext>);

impl Queue {
    /// Takes the next thing off the queue, without waiting, and shows it to `look`.
    pub(crate) fn take<T>(&self, topic: &Topic, look: impl FnOnce(Queued<'_>) -> T) -> T {
        match self.0.poll(Duration::ZERO) {
            None => look(Queued::Nothing),
            Some(Ok(message)) => look(Queued::Record(borrowed(&message))),
            Some(Err(KafkaError::PartitionEOF(_))) => look(Queued::End),
            Some(Err(error)) => look(match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    Queued::Gone
                }
                _ => Queued::Failed(failed(format!("read {}", topic.name), &error)),
            }),
        }
    }
}

pub(super) fn borrowed<'a>(message: &'a BorrowedMessage<'_>) -> RecordRef<'a> {
    RecordRef {
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().unwrap_or_default(),
        payload: unframe(message.payload().unwrap_or_default()),
        trace: trace_of(message),
    }
}

/// The trace context of a record; without a header there is nothing to parse.
pub(crate) fn trace_of<'a>(message: &'a BorrowedMessage<'_>) -> &'a [u8] {
    let Some(headers) = message.headers() else {
        return &[];
    };
    headers
        .iter()
        .find(|header| header.key == TRACEPARENT)
        .and_then(|header| header.value)
        .unwrap_or_default()
}
