//! What a client of librdkafka says besides its answers.
//!
//! A request to a broker that refuses us only times out: why stands in the log lines and background
//! errors. They go to tracing, and the last reason goes into the error of whoever waited.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::{
    LogError,
    error::{Trouble, advised},
};

/// For how long a complaint explains what does not work. librdkafka repeats the same one at most
/// every 30 s.
const FRESH: Duration = Duration::from_secs(60);

/// The last thing that a client complained of.
struct Complaint {
    reason: String,
    trouble: Trouble,
    at: Instant,
}

/// Brings the log lines and errors of one client to tracing, and keeps the last reason.
pub(crate) struct Voice {
    client: String,
    last: Mutex<Option<Complaint>>,
    /// There is a complaint; so that who succeeds need not take the lock.
    complains: AtomicBool,
}

impl Voice {
    pub(crate) fn new(client: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            last: Mutex::default(),
            complains: AtomicBool::new(false),
        }
    }

    /// What it complains of, and what to do about it.
    pub(crate) fn reason(&self) -> Option<(String, Trouble)> {
        let last = self.last.lock();
        let complaint = last.as_ref().filter(|last| last.at.elapsed() < FRESH)?;
        let reason = advised(&complaint.reason, complaint.trouble);
        Some((reason, complaint.trouble))
    }

    /// Something succeeded: what it complained of is over.
    pub(crate) fn well(&self) {
        if self.complains.load(Ordering::Relaxed) {
            self.complains.store(false, Ordering::Relaxed);
            self.last.lock().take();
        }
    }

    /// The request `what` failed with `error`, with the real reason where the client hides it.
    pub(crate) fn failed(&self, what: impl Into<String>, error: &KafkaError) -> LogError {
        let plain = failed(what, error);
        match (plain, self.reason()) {
            (
                LogError::Request {
                    what,
                    trouble: Trouble::Away,
                    ..
                },
                Some((reason, trouble)),
            ) => LogError::Request {
                what,
                reason,
                trouble,
            },
            (plain, _) => plain,
        }
    }

    /// Nothing answered to `what` in time.
    pub(crate) fn timed_out(&self, what: String, after: Duration) -> LogError {
        let (reason, trouble) = self.reason().unwrap_or((String::new(), Trouble::Away));
        LogError::TimedOut {
            what,
            seconds: after.as_secs(),
            reason,
            trouble,
        }
    }

    /// Takes note; true when it is something new.
    fn complain(&self, reason: &str, trouble: Trouble) -> bool {
        let reason = without_duration(reason);
        let mut last = self.last.lock();
        if let Some(last) = last.as_mut() {
            // "All brokers are down" comes after the reason why; a refusal is seldom repeated.
            let weaker = trouble == Trouble::Away && last.trouble != Trouble::Away;
            if (weaker || reason.contains("brokers are down")) && last.at.elapsed() < FRESH {
                return false;
            }
            // The same failure comes with and without what was being done.
            let longer = is_more_of(reason, &last.reason);
            if longer || is_more_of(&last.reason, reason) {
                if longer {
                    reason.clone_into(&mut last.reason);
                }
                last.at = Instant::now();
                return false;
            }
        }
        *last = Some(Complaint {
            reason: reason.to_owned(),
            trouble,
            at: Instant::now(),
        });
        self.complains.store(true, Ordering::Relaxed);
        true
    }
}

impl ClientContext for Voice {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let client = self.client.as_str();
        // We know what we set; librdkafka calls the gapless guarantee experimental each time.
        // A lost connection is told by `error`, once.
        if matches!(facility, "CONFWARN" | "FAIL") {
            tracing::debug!(target: "librdkafka", client, facility, "{message}");
            return;
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                tracing::error!(target: "librdkafka", client, facility, "{message}");
            }
            RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "librdkafka", client, facility, "{message}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", client, facility, "{message}");
            }
            RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", client, facility, "{message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if matches!(code, Some(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        let trouble = match trouble_of(&error) {
            // A peer that refuses our certificate, or speaks no TLS, just hangs up.
            Trouble::Away if reason.contains("SSL") => Trouble::Credentials,
            trouble => trouble,
        };
        // The producer reports each error twice, and an unreachable broker many times.
        if self.complain(reason, trouble) {
            let next = trouble.next_step();
            tracing::warn!(target: "librdkafka", client = self.client, %error, next, "{reason}");
        }
    }
}

impl ConsumerContext for Voice {}

/// At the same place the same happened, in more words or in as many.
fn is_more_of(longer: &str, shorter: &str) -> bool {
    let (place, more) = longer.split_once(": ").unwrap_or(("", longer));
    let (other, less) = shorter.split_once(": ").unwrap_or(("", shorter));
    place == other && more.contains(less)
}

/// What happened, without how long it took to happen: that differs each time.
fn without_duration(reason: &str) -> &str {
    match reason.rsplit_once(" (after ") {
        Some((what, _)) => what,
        None => reason,
    }
}

/// The client could not be made.
pub(crate) fn refused(error: &KafkaError) -> LogError {
    LogError::Client {
        reason: error.to_string(),
    }
}

/// The request `what` failed with `error`.
pub(crate) fn failed(what: impl Into<String>, error: &KafkaError) -> LogError {
    let trouble = trouble_of(error);
    LogError::Request {
        what: what.into(),
        reason: advised(&error.to_string(), trouble),
        trouble,
    }
}

/// Of which kind an error is.
pub(crate) fn trouble_of(error: &KafkaError) -> Trouble {
    use RDKafkaErrorCode as Code;
    let Some(code) = error.rdkafka_error_code() else {
        return Trouble::Other;
    };
    match code {
        Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::RequestTimedOut
        | Code::NetworkException
        | Code::BrokerNotAvailable
        | Code::DestroyBroker
        | Code::UnknownBroker
        | Code::WaitCache
        | Code::ReplicaNotAvailable
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::KafkaStorageError
        | Code::OffsetNotAvailable
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::NotCoordinator
        | Code::CoordinatorNotAvailable
        | Code::CoordinatorLoadInProgress
        | Code::WaitingForCoordinator
        | Code::RebalanceInProgress => Trouble::Away,
        Code::SSL
        | Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism => Trouble::Credentials,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Trouble::Permission,
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            Trouble::Missing
        }
        _ => Trouble::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(code: RDKafkaErrorCode) -> KafkaError {
        KafkaError::Global(code)
    }

    #[test]
    fn a_timeout_carries_the_reason_that_the_client_gave_before() {
        let voice = Voice::new("test");
        let timeout = global(RDKafkaErrorCode::OperationTimedOut);
        assert!(voice.failed("range", &timeout).is_transient());
        voice.error(
            global(RDKafkaErrorCode::Authentication),
            "invalid credentials",
        );
        voice.error(
            global(RDKafkaErrorCode::AllBrokersDown),
            "1/1 brokers are down",
        );
        let error = voice.failed("range", &timeout);
        assert_eq!(error.trouble(), Trouble::Credentials);
        assert!(!error.is_transient() && error.can_heal());
        let text = error.to_string();
        assert!(
            text.contains("invalid credentials") && text.contains("sasl_password"),
            "{text}"
        );
        let text = voice
            .timed_out("3 deliveries".to_owned(), FRESH)
            .to_string();
        assert!(text.contains("within 60 s: invalid credentials"), "{text}");
        voice.well();
        assert!(voice.reason().is_none());
    }

    #[test]
    fn a_failure_that_is_repeated_in_other_words_is_told_once_and_in_full() {
        let voice = Voice::new("test");
        let refused = Trouble::Credentials;
        assert!(voice.complain("ssl://b:1: verify failed (after 3ms in state X)", refused));
        assert!(!voice.complain(
            "ssl://b:1: shaking hands: verify failed: who? (after 9ms)",
            refused
        ));
        assert!(!voice.complain("ssl://b:1: verify failed (after 8ms)", refused));
        let (reason, _) = voice.reason().unwrap();
        assert!(
            reason.starts_with("ssl://b:1: shaking hands: verify failed: who? (check"),
            "{reason}"
        );
    }

    #[test]
    fn a_request_that_was_never_sent_is_asked_again() {
        use RDKafkaErrorCode as Code;
        for code in [Code::TimedOutQueue, Code::UnknownBroker, Code::WaitCache] {
            let error = failed("range", &KafkaError::MetadataFetch(code));
            assert!(error.is_transient(), "{error}");
        }
    }

    #[test]
    fn an_answer_keeps_its_own_reason() {
        let voice = Voice::new("test");
        voice.error(global(RDKafkaErrorCode::BrokerTransportFailure), "refused");
        let denied = global(RDKafkaErrorCode::TopicAuthorizationFailed);
        let error = voice.failed("range", &denied);
        assert_eq!(error.trouble(), Trouble::Permission);
        assert!(!error.to_string().contains("refused"));
        let missing = failed("range", &global(RDKafkaErrorCode::UnknownTopicOrPartition));
        assert!(missing.to_string().contains("weir topics apply"));
        assert!(!missing.can_heal());
    }
}
