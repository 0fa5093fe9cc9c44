//! The consuming client of a tail: all partitions of some topics, outside of any group.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use weir_events::topics::Topic;

use super::{Voice, failed, group::borrowed, reader_config, refused, signed};
use crate::{EventLog, From, LogError, RecordRef, Trouble};

/// Reads all partitions of some topics outside of any group.
pub(crate) struct TailReader {
    consumer: BaseConsumer<Voice>,
    topics: Vec<Topic>,
    waiting: Waiting,
}

/// Why a tail reads nothing.
pub(crate) type Waiting = Arc<Mutex<Option<String>>>;

impl TailReader {
    pub(crate) fn connect(log: &EventLog, topics: &[Topic], from: From) -> Result<Self, LogError> {
        let consumer: BaseConsumer<Voice> = reader_config(log.config(), "weir-tail")
            // What retention removed under a slow reader of a live page is skipped.
            .set("auto.offset.reset", "earliest")
            .create_with_context(Voice::new("tail"))
            .map_err(|error| refused(&error))?;
        let lookup = log.lookup()?;
        let mut list = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..topic.partitions {
                let (first, end) = lookup.range(topic.name, partition)?;
                let start = match from {
                    From::Beginning => first,
                    From::End => end,
                };
                list.add_partition_offset(topic.name, signed(partition), Offset::Offset(start))
                    .map_err(|error| failed(format!("tail {}", topic.name), &error))?;
            }
        }
        consumer
            .assign(&list)
            .map_err(|error| failed("assign a tail", &error))?;
        Ok(Self {
            consumer,
            topics: topics.to_vec(),
            waiting: Waiting::default(),
        })
    }

    /// Shared with who asks.
    pub(crate) fn waiting(&self) -> Waiting {
        Arc::clone(&self.waiting)
    }

    /// Hands over what has come, for at most a tenth of a second.
    pub(crate) fn poll(&self, on_record: &mut impl FnMut(&'static str, RecordRef<'_>)) {
        let deadline = Instant::now() + Duration::from_millis(100);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // The client's voice has told what is no record.
            let polled = self.consumer.poll(left);
            self.note(polled.as_ref().map(|polled| polled.as_ref().err()));
            if let Some(Ok(message)) = polled {
                let name = self
                    .topics
                    .iter()
                    .find(|topic| topic.name == message.topic())
                    .map(|topic| topic.name);
                if let Some(name) = name {
                    on_record(name, borrowed(&message));
                }
            }
            if left.is_zero() {
                return;
            }
        }
    }

    /// Why nothing is read, as far as it is known.
    fn note(&self, polled: Option<Option<&KafkaError>>) {
        let mut waiting = self.waiting.lock();
        match polled {
            None => {}
            Some(None | Some(KafkaError::PartitionEOF(_))) => {
                waiting.take();
                self.consumer.context().well();
            }
            Some(Some(error)) => {
                let error = self.consumer.context().failed("read a tail", error);
                if error.trouble() != Trouble::Other {
                    *waiting = Some(error.to_string());
                }
            }
        }
    }
}
