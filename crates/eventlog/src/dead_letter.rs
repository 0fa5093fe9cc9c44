//! Records that cannot be processed go to `<topic>.dlq` with their original bytes, where they came
//! from and why they failed.
//!
//! The key `topic-partition-offset` makes sending one twice harmless. Send it, wait for its ticket,
//! and only then let the position pass the record.

use weir_events::{time, topics};

use crate::{LogError, Publisher, RecordRef, Ticket};

/// The longest text of an error that a header carries.
const MESSAGE_LIMIT: usize = 1024;

/// Sends to dead-letter topics, on behalf of one service.
#[derive(Clone)]
pub struct DeadLetters {
    publisher: Publisher,
    service: String,
    kept_with: Option<&'static str>,
}

impl DeadLetters {
    /// Sends through `publisher`; `service` stands in `dlq.service`.
    #[must_use]
    pub fn new(publisher: Publisher, service: &str) -> Self {
        Self {
            publisher,
            service: service.to_owned(),
            kept_with: None,
        }
    }

    /// Keeps them all with those of `topic`: for records of topics that others write, which have
    /// no dead letters of ours.
    #[must_use]
    pub fn kept_with(mut self, topic: &topics::Topic) -> Self {
        self.kept_with = Some(topic.name);
        self
    }

    /// Sends `record` of `topic`/`partition`. `stage` is what failed (`decode`, `store`), `class`
    /// the kind of failure in one word, `error` its text.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn send(
        &self,
        topic: &str,
        partition: u32,
        record: &RecordRef<'_>,
        stage: &str,
        class: &str,
        error: &str,
    ) -> Result<Ticket, LogError> {
        let offset = record.offset.to_string();
        let partition_text = partition.to_string();
        let timestamp = record.timestamp_ms.to_string();
        let now = time::rfc3339(time::now_us());
        let message = shortened(error, MESSAGE_LIMIT);
        tracing::warn!(
            topic,
            partition,
            offset,
            stage,
            class,
            error = message,
            "record sent to the dead-letter topic"
        );
        metrics::counter!(
            "pipeline_records_dlq_total",
            "topic" => topic.to_owned(), "stage" => stage.to_owned(), "class" => class.to_owned()
        )
        .increment(1);
        let headers: [(&str, &[u8]); 11] = [
            ("dlq.topic", topic.as_bytes()),
            ("dlq.partition", partition_text.as_bytes()),
            ("dlq.offset", offset.as_bytes()),
            ("dlq.timestamp", timestamp.as_bytes()),
            ("dlq.error.class", class.as_bytes()),
            ("dlq.error.message", message.as_bytes()),
            ("dlq.stage", stage.as_bytes()),
            ("dlq.service", self.service.as_bytes()),
            ("dlq.version", env!("CARGO_PKG_VERSION").as_bytes()),
            ("dlq.attempts", b"1"),
            ("dlq.first_failure_ts", now.as_bytes()),
        ];
        self.publisher.publish_with_headers(
            &topics::dead_letter_topic(self.kept_with.unwrap_or(topic)),
            0,
            format!("{topic}-{partition}-{offset}").as_bytes(),
            record.payload,
            &headers,
            0,
        )
    }
}

/// At most `limit` bytes of `text`, cut between characters.
fn shortened(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_between_characters() {
        assert_eq!(shortened("short", 10), "short");
        assert_eq!(shortened("aé", 2), "a");
        assert_eq!(shortened(&"é".repeat(800), MESSAGE_LIMIT).len(), 1024);
    }
}
