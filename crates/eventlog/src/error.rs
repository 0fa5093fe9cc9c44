//! What may go wrong between us and the log.

use crate::schema::SchemaError;

/// What must change before the same request can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The brokers are away or busy: time heals it.
    Away,
    /// They do not accept our name, password or certificate, or we do not accept theirs.
    Credentials,
    /// They know us and do not let us: an ACL is missing.
    Permission,
    /// The topic or the partition does not exist.
    Missing,
    /// Something else; asking again does not help.
    Other,
}

impl Trouble {
    /// What to do about it; empty when the error itself says all.
    pub(crate) fn next_step(self) -> &'static str {
        match self {
            Self::Away => "is a broker running at [kafka] bootstrap_servers?",
            Self::Credentials => {
                "check sasl_username, sasl_password, sasl_mechanism, ssl_ca_location, the \
                 certificates, their dates and the host name in bootstrap_servers of [kafka]"
            }
            Self::Permission => "an ACL is missing for our user; it goes on once it is granted",
            Self::Missing => "make it with `weir topics apply`",
            Self::Other => "",
        }
    }
}

/// `reason` with the next step behind it.
pub(crate) fn advised(reason: &str, trouble: Trouble) -> String {
    match trouble.next_step() {
        "" => reason.to_owned(),
        step => format!("{reason} ({step})"),
    }
}

/// Why a service cannot start on a log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log itself.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The registry that its records are framed for.
    #[error(transparent)]
    Schemas(#[from] SchemaError),
}

impl OpenError {
    /// True when who starts a service may try again later.
    #[must_use]
    pub fn may_start_later(&self) -> bool {
        match self {
            Self::Log(error) => error.may_start_later(),
            Self::Schemas(error) => error.is_transient(),
        }
    }
}

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
        /// In librdkafka's words, and what to do about it.
        reason: String,
        /// Of which kind.
        trouble: Trouble,
    },
    /// Nothing answered in time.
    #[error("{what}: no answer within {seconds} s{}{reason}", if reason.is_empty() { "" } else { ": " })]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What the client last complained of, and what to do about it; empty when of nothing.
        reason: String,
        /// Of which kind.
        trouble: Trouble,
    },
    /// A record could not be delivered. The publisher is dead: nothing later is delivered.
    #[error("delivery to {topic} failed, the publisher has stopped: {reason}")]
    Delivery {
        /// Topic of the first record that failed.
        topic: String,
        /// In librdkafka's words, and what to do about it.
        reason: String,
        /// Of which kind. Whatever it is, a new publisher is needed.
        trouble: Trouble,
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
         its beginning is gone; delete it (`weir topics delete`), make it anew (`weir topics \
         apply`) and replay"
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
        "topic {topic} has {found} partitions, {wanted} are wanted; a keyed topic never changes in place: \
         delete it (`weir topics delete`), make it anew (`weir topics apply`) and replay"
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
    /// What must change before it can succeed.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Request { trouble, .. }
            | Self::TimedOut { trouble, .. }
            | Self::Delivery { trouble, .. } => *trouble,
            _ => Trouble::Other,
        }
    }

    /// True when time alone may help: the brokers are away or busy. False when a person must act:
    /// a wrong password, a missing ACL, a missing topic, a lost log; and for a publisher that has
    /// stopped, which must be made anew.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Delivery { .. }) && self.trouble() == Trouble::Away
    }

    /// True when the same request may succeed later without a restart of ours: the brokers come
    /// back, the password is set right there, the ACL is granted again. Who owns a loop waits, says
    /// so, and asks again; who answers a person tells [`Self::is_transient`] apart from the rest.
    #[must_use]
    pub fn can_heal(&self) -> bool {
        !matches!(self, Self::Delivery { .. })
            && matches!(
                self.trouble(),
                Trouble::Away | Trouble::Credentials | Trouble::Permission
            )
    }

    /// True when who starts a service may try again later: besides what [`Self::can_heal`], a
    /// topic may be made and a publisher that has stopped is made anew.
    #[must_use]
    pub fn may_start_later(&self) -> bool {
        matches!(self, Self::Delivery { .. })
            || self.can_heal()
            || self.trouble() == Trouble::Missing
    }
}
