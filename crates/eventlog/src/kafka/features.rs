//! What a broker can do, as its client learns when it connects.
//!
//! librdkafka knows which requests a broker takes, and tells only its debug log: with the group
//! protocol `consumer` on a broker that lacks it, it looks for a coordinator for ever, in silence
//! (`rd_kafka_ConsumerGroupHeartbeatRequest`, 2.12.1). So a client of its own listens to that log.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
};

use super::{Voice, reader_config, refused};
use crate::{EventLog, LogError};

/// How long one try takes at most.
const TRY: Duration = Duration::from_secs(3);
const TURN: Duration = Duration::from_millis(20);
/// The request of KIP-848; version 1 is the first that librdkafka speaks.
const REQUEST: &str = "ApiKey ConsumerGroupHeartbeat (";

struct Ears {
    voice: Voice,
    found: Mutex<Found>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    /// The broker has begun to list what it takes.
    lists: bool,
    new_groups: bool,
}

impl Found {
    fn hear(&mut self, message: &str) {
        self.lists |= message.contains("ApiKey ");
        let Some((_, rest)) = message.split_once(REQUEST) else {
            return;
        };
        let newest = rest.rsplit_once("..").and_then(|(_, newest)| {
            let digits = newest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<u16>().ok()
        });
        self.new_groups |= newest.is_some_and(|newest| newest >= 1);
    }
}

impl ClientContext for Ears {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.found.lock().hear(message);
        if !matches!(level, RDKafkaLogLevel::Debug) {
            self.voice.log(level, facility, message);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }
}

impl ConsumerContext for Ears {}

/// True when the brokers have the group protocol `consumer`.
pub(crate) fn has_new_groups(log: &EventLog) -> Result<bool, LogError> {
    let ears = Ears {
        voice: Voice::new("features"),
        found: Mutex::default(),
    };
    let consumer: BaseConsumer<Ears> = reader_config(log.config(), "weir-lookup")
        .set("debug", "feature")
        .set_log_level(RDKafkaLogLevel::Debug)
        .create_with_context(ears)
        .map_err(|error| refused(&error))?;
    let deadline = Instant::now() + TRY;
    let mut answered = false;
    loop {
        let asked = consumer.fetch_metadata(Some("service-status"), TURN * 10);
        answered |= asked.is_ok();
        while consumer.poll(TURN).is_some() {}
        let found = *consumer.context().found.lock();
        // The list is complete: an answer to a request came after it.
        if answered && found.lists {
            return Ok(found.new_groups);
        }
        if Instant::now() >= deadline {
            let what = "which group protocols the brokers have".to_owned();
            return Err(consumer.context().voice.timed_out(what, TRY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(messages: &[&str]) -> Found {
        let mut found = Found::default();
        for message in messages {
            found.hear(message);
        }
        found
    }

    #[test]
    fn the_list_of_requests_tells_whether_groups_of_the_new_kind_are_there() {
        let other = "[thrd:b]: b:   ApiKey Fetch (1) Versions 0..13";
        let new = "[thrd:b]: b:   ApiKey ConsumerGroupHeartbeat (68) Versions 0..1";
        let preview = "[thrd:b]: b:   ApiKey ConsumerGroupHeartbeat (68) Versions 0..0";
        assert_eq!(heard(&["Feature X"]), Found::default());
        assert!(heard(&[other]).lists && !heard(&[other]).new_groups);
        assert!(heard(&[other, new]).new_groups);
        assert!(!heard(&[preview]).new_groups);
    }
}
