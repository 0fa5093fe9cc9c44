//! Questions to the log outside of any group's rebalancing: ranges, positions, single records.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use super::{
    REQUEST, Voice, failed,
    group::{OUR_MARK, trace_of},
    reader_config, refused, signed, trouble_of,
};
use crate::{EventLog, LogError, Record, Trouble, schema::unframe};

/// After so long without an answer it is looked at whether we are refused: then no answer comes.
const SOON: Duration = Duration::from_secs(2);

/// A client that has failed is listened to until it has been silent for so long.
const HEAR_OUT: Duration = Duration::from_millis(20);

/// A position that a group has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The next offset.
    pub(crate) next: i64,
    /// A member of ours committed it.
    pub(crate) ours: bool,
}

/// A consumer that never subscribes.
pub(crate) struct Lookup {
    consumer: BaseConsumer<Voice>,
    /// Held while the one assignment is in use.
    reading: Mutex<()>,
}

impl Lookup {
    /// Connects; `group` is whose positions [`Self::committed`] tells.
    pub(crate) fn connect(log: &EventLog, group: &str) -> Result<Self, LogError> {
        let consumer = reader_config(log.config(), group)
            // A question waits for the long poll of the one before.
            .set("fetch.wait.max.ms", "5")
            .create_with_context(Voice::new(format!("lookup {group}")))
            .map_err(|error| refused(&error))?;
        Ok(Self {
            consumer,
            reading: Mutex::default(),
        })
    }

    /// First kept offset and end.
    pub(crate) fn range(&self, topic: &str, partition: u32) -> Result<(i64, i64), LogError> {
        self.serve();
        let ask = |within| {
            self.consumer
                .fetch_watermarks(topic, signed(partition), within)
        };
        let answer = match ask(SOON) {
            Err(error) if trouble_of(&error) == Trouble::Away && !self.is_refused() => {
                ask(REQUEST.saturating_sub(SOON))
            }
            answer => answer,
        };
        answer
            .map_err(|error| self.refused(topic, partition, &error))
            .inspect(|_| self.consumer.context().well())
    }

    /// The brokers do not accept us, or we do not accept them.
    fn is_refused(&self) -> bool {
        self.hear_out();
        let reason = self.consumer.context().reason();
        reason.is_some_and(|(_, trouble)| trouble == Trouble::Credentials)
    }

    /// The next offset that the group has committed, for each of `partitions` partitions.
    pub(crate) fn committed(
        &self,
        topic: &str,
        partitions: u32,
    ) -> Result<Vec<Option<Committed>>, LogError> {
        self.positions(topic, 0..partitions)
    }

    /// The next offset that the group has committed in one partition.
    pub(crate) fn committed_in(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<Option<Committed>, LogError> {
        let found = self.positions(topic, partition..partition.saturating_add(1))?;
        Ok(found.into_iter().next().flatten())
    }

    fn positions(
        &self,
        topic: &str,
        partitions: Range<u32>,
    ) -> Result<Vec<Option<Committed>>, LogError> {
        self.serve();
        let mut asked = TopicPartitionList::new();
        for partition in partitions.clone() {
            asked.add_partition(topic, signed(partition));
        }
        let answer = self
            .consumer
            .committed_offsets(asked, REQUEST)
            .map_err(|error| self.failed(format!("positions in {topic}"), &error))?;
        partitions
            .map(|partition| {
                let Some(found) = answer.find_partition(topic, signed(partition)) else {
                    return Ok(None);
                };
                found
                    .error()
                    .map_err(|error| failed(format!("position in {topic}/{partition}"), &error))?;
                Ok(match found.offset() {
                    Offset::Offset(next) => Some(Committed {
                        next,
                        ours: found.metadata() == OUR_MARK,
                    }),
                    _ => None,
                })
            })
            .collect()
    }

    /// How many brokers there are, or why none answers `within`.
    pub(crate) fn brokers(&self, within: Duration) -> Result<usize, LogError> {
        self.serve();
        let answer = self.consumer.fetch_metadata(None, within);
        let metadata = answer.map_err(|error| self.failed("the brokers".to_owned(), &error))?;
        Ok(metadata.brokers().len())
    }

    /// How many partitions `topic` has on the broker.
    pub(crate) fn partitions(&self, topic: &str) -> Result<usize, LogError> {
        self.serve();
        let what = || format!("partitions of {topic}");
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), REQUEST)
            .map_err(|error| self.failed(what(), &error))?;
        let Some(found) = metadata.topics().first() else {
            return Err(self.consumer.context().timed_out(what(), REQUEST));
        };
        match found.error() {
            Some(code) => Err(failed(what(), &KafkaError::MetadataFetch(code.into()))),
            None => Ok(found.partitions().len()),
        }
    }

    /// The record at `offset`; `None` when the log does not hold it.
    pub(crate) fn read(
        &self,
        topic: &str,
        partition: u32,
        offset: i64,
    ) -> Result<Option<Record>, LogError> {
        let (first, end) = self.range(topic, partition)?;
        if offset < first || offset >= end {
            return Ok(None);
        }
        let _one_at_a_time = self.reading.lock();
        let what = || format!("record {offset} of {topic}/{partition}");
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(topic, signed(partition), Offset::Offset(offset))
            .map_err(|error| failed(what(), &error))?;
        self.consumer
            .assign(&assignment)
            .map_err(|error| failed(what(), &error))?;
        let record = self.poll_for(topic, partition, offset, &what);
        self.consumer
            .unassign()
            .map_err(|error| failed(what(), &error))?;
        record
    }

    fn poll_for(
        &self,
        topic: &str,
        partition: u32,
        offset: i64,
        what: &dyn Fn() -> String,
    ) -> Result<Option<Record>, LogError> {
        let deadline = Instant::now() + REQUEST;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.consumer.context().timed_out(what(), REQUEST));
            }
            match self.consumer.poll(left) {
                None => {}
                Some(Ok(message)) => {
                    // Leftovers of an earlier question are skipped.
                    let ours = message.topic() == topic
                        && message.partition() == signed(partition)
                        && message.offset() >= offset;
                    if ours {
                        return Ok((message.offset() == offset).then(|| Record {
                            offset,
                            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
                            key: message.key().unwrap_or_default().to_vec(),
                            payload: unframe(message.payload().unwrap_or_default()).to_vec(),
                            trace: trace_of(&message).to_vec(),
                        }));
                    }
                }
                // It cannot be ours: our offset is below the end.
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => {
                    let error = self.failed(what(), &error);
                    if !error.is_transient() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Why a range was refused. A topic that we may not see is first called unknown.
    fn refused(&self, topic: &str, partition: u32, error: &KafkaError) -> LogError {
        let error = self.failed(format!("range of {topic}/{partition}"), error);
        if error.trouble() != Trouble::Missing {
            return error;
        }
        self.partitions(topic).err().unwrap_or(error)
    }

    /// The request failed; what the client has said meanwhile tells why.
    fn failed(&self, what: String, error: &KafkaError) -> LogError {
        self.hear_out();
        self.consumer.context().failed(what, error)
    }

    fn hear_out(&self) {
        if let Some(_one_at_a_time) = self.reading.try_lock() {
            while self.consumer.poll(HEAR_OUT).is_some() {}
        }
    }

    /// Lets the client say what it has to say: nobody else polls it.
    fn serve(&self) {
        // Who reads serves too.
        if let Some(_one_at_a_time) = self.reading.try_lock() {
            while self.consumer.poll(Duration::ZERO).is_some() {}
        }
    }
}
