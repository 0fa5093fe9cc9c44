//! The producing client: idempotent, without a gap, and its delivery reports.

use std::sync::Arc;

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, Message, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer},
};

use super::{Voice, client_config, refused, signed, trouble_of};
use crate::{
    LogConfig, LogError,
    error::{Trouble, advised},
};

/// Hears what became of each record, on the client's thread.
pub(crate) trait Deliveries: Send + Sync + 'static {
    /// The record with this ticket is in the log.
    fn delivered(&self, ticket: u64);
    /// A record of `topic` will never be in the log, or the client itself is finished.
    fn failed(&self, topic: &str, reason: String, trouble: Trouble);
}

/// Why a record was not taken.
pub(crate) enum NotTaken {
    /// The client's buffer is full: wait for deliveries.
    Full,
    /// It never will be.
    Refused(String),
}

struct Context<D> {
    voice: Voice,
    deliveries: Arc<D>,
}

impl<D: Deliveries> ClientContext for Context<D> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.voice.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal)) {
            let trouble = self
                .voice
                .reason()
                .map_or(Trouble::Other, |(_, trouble)| trouble);
            self.deliveries
                .failed("the log", reason.to_owned(), trouble);
        }
        self.voice.error(error, reason);
    }
}

impl<D: Deliveries> ProducerContext for Context<D> {
    /// The ticket: carried without an allocation.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        match result {
            Ok(_) => {
                self.voice.well();
                self.deliveries
                    .delivered(u64::try_from(ticket).unwrap_or(u64::MAX));
            }
            Err((error, message)) => {
                let trouble = trouble_of(error);
                let reason = advised(&error.to_string(), trouble);
                self.deliveries.failed(message.topic(), reason, trouble);
            }
        }
    }
}

/// A connected producer with a thread of its own for delivery reports.
pub(crate) struct Producer<D: Deliveries> {
    client: ThreadedProducer<Context<D>>,
}

impl<D: Deliveries> Producer<D> {
    pub(crate) fn connect(
        config: &LogConfig,
        max_in_flight: usize,
        deliveries: Arc<D>,
    ) -> Result<Self, LogError> {
        let context = Context {
            voice: Voice::new(format!("{} publisher", config.client_id)),
            deliveries,
        };
        let client = client_config(config)
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "1")
            // A topic that is not known after so long is missing.
            .set("topic.metadata.propagation.max.ms", "10000")
            .set("compression.codec", "none")
            .set("batch.num.messages", "10000")
            .set("batch.size", "131072")
            .set("retry.backoff.ms", "20")
            .set("retry.backoff.max.ms", "500")
            .set(
                "queue.buffering.max.messages",
                max_in_flight.saturating_add(1).to_string(),
            )
            .set("queue.buffering.max.kbytes", "65536")
            .create_with_context(context)
            .map_err(|error| refused(&error))?;
        Ok(Self { client })
    }

    /// Hands a record over; never blocks.
    pub(crate) fn send(
        &self,
        topic: &str,
        partition: u32,
        key: &[u8],
        payload: &[u8],
        headers: &[(&str, &[u8])],
        ticket: u64,
    ) -> Result<(), NotTaken> {
        let ticket = usize::try_from(ticket).unwrap_or(usize::MAX);
        let mut record = BaseRecord::with_opaque_to(topic, ticket)
            .partition(signed(partition))
            .key(key)
            .payload(payload);
        if !headers.is_empty() {
            let owned = headers.iter().fold(
                OwnedHeaders::new_with_capacity(headers.len()),
                |all, (key, value)| {
                    all.insert(Header {
                        key,
                        value: Some(*value),
                    })
                },
            );
            record = record.headers(owned);
        }
        self.client.send(record).map_err(|(error, _)| {
            if matches!(
                error.rdkafka_error_code(),
                Some(RDKafkaErrorCode::QueueFull)
            ) {
                NotTaken::Full
            } else {
                NotTaken::Refused(error.to_string())
            }
        })
    }

    /// What it complains of: why nothing is delivered.
    pub(crate) fn voice(&self) -> &Voice {
        &self.client.context().voice
    }

    /// Why the client as a whole can do nothing more.
    pub(crate) fn fatal(&self) -> Option<String> {
        self.client.client().fatal_error().map(|(_, reason)| reason)
    }
}
