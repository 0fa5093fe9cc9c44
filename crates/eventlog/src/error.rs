//! What may go wrong between us and the log.

/// A failure of the log or of its client, in the words of the client.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// A setting of `[kafka]`, or a `KAFKA_*` variable, cannot work.
    #[error("kafka `{key}` {what}")]
    Config {
        /// The key, or the variable.
        key: String,
        /// What is wrong with it, and what would be right.
        what: String,
    },
    /// The client refused its configuration or could not be made.
    #[error("cannot make a client of the log: {reason}")]
    Client {
        /// In librdkafka's words.
        reason: String,
    },
    /// A request to the broker failed.
    #[error("{what}: {reason}")]
    Request {
        /// What was asked, and of what.
        what: String,
        /// In librdkafka's words.
        reason: String,
        /// True when the same request may succeed later.
        transient: bool,
    },
    /// Nothing answered in time.
    #[error("{what}: no answer within {seconds} s")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// A record could not be delivered. The publisher is dead: nothing later is delivered.
    #[error("delivery to {topic} failed, the publisher has stopped: {reason}")]
    Delivery {
        /// Topic of the first record that failed.
        topic: String,
        /// In librdkafka's words.
        reason: String,
    },
    /// The broker cannot take this record (too large, no such topic or partition).
    #[error("{topic}/{partition} refuses a record of {bytes} bytes: {reason}")]
    Refused {
        /// Topic of the record.
        topic: String,
        /// Its partition.
        partition: u32,
        /// Size of its value.
        bytes: usize,
        /// In librdkafka's words.
        reason: String,
    },
    /// The first record of a partition is not a `TopicStart`.
    #[error(
        "{topic}/{partition} does not begin with a TopicStart: it was made by something else, or \
         its beginning is gone; make the topic anew with `weir init` and replay"
    )]
    NoTopicStart {
        /// Topic without its start.
        topic: String,
        /// The partition that was read.
        partition: u32,
    },
    /// The resume position is not in the log.
    #[error(
        "{topic}/{partition}: position {position} is outside of the log ({first}..={end}): the log \
         was lost, truncated or made anew, or the position is older than its retention"
    )]
    OutOfRange {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
        /// The position that was asked for.
        position: i64,
        /// First offset that is kept.
        first: i64,
        /// One past the last offset.
        end: i64,
    },
    /// Offsets of our topics have no holes; the client has skipped records.
    #[error(
        "{topic}/{partition}: offset {found} came after {expected} was due: records were skipped"
    )]
    Gap {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
        /// The offset that was due.
        expected: i64,
        /// The offset that came.
        found: i64,
    },
    /// The topic on the broker differs from the table in `weir_events::topics`.
    #[error(
        "topic {topic} has {found} partitions, {wanted} are wanted; a keyed topic never changes in place: delete it and replay"
    )]
    Partitions {
        /// Topic.
        topic: String,
        /// On the broker.
        found: usize,
        /// In the table.
        wanted: u32,
    },
    /// The partition was taken away while it was being asked for.
    #[error("{topic}/{partition} was revoked")]
    Revoked {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
    },
    /// `Assignment::next` before `resume_at`, or `resume_at` twice.
    #[error("{topic}/{partition}: {what}")]
    Misuse {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
        /// What the caller did.
        what: &'static str,
    },
    /// A task of a subscriber returned an error or panicked.
    #[error("a task failed: {reason}")]
    Task {
        /// The first failure.
        reason: String,
    },
    /// The operating system refused a thread.
    #[error("cannot start a thread: {reason}")]
    Thread {
        /// In the operating system's words.
        reason: String,
    },
}

impl LogError {
    /// True when trying again later may help; false when a person or a restart must.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Request { transient, .. } => *transient,
            Self::TimedOut { .. } => true,
            _ => false,
        }
    }
}
