//! Making the topics of the table, and the first record of those that carry an epoch.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
};

use prost::Message;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
};
use weir_events::{
    position::TopicEpoch,
    time,
    topics::{self, BGP_MESSAGES, BGP_UPDATES},
    v1,
};

use super::{REQUEST, Voice, client_config, failed, refused, signed};
use crate::{EventLog, LogError, Publisher, PublisherOptions};

/// The collector of controls that belong to none.
const CONTROL: &str = "_control";

pub(crate) fn ensure(log: &EventLog, epoch: TopicEpoch) -> Result<(), LogError> {
    let admin: AdminClient<Voice> = client_config(log.config())
        .create_with_context(Voice::new("admin"))
        .map_err(|error| refused(&error))?;
    let wanted: Vec<(String, u32, String)> = topics::ALL
        .iter()
        .flat_map(|topic| {
            let dead = topics::DEAD_LETTER_RETENTION.ms.to_string();
            [
                (
                    topic.name.to_owned(),
                    topic.partitions,
                    topic.retention.ms.to_string(),
                ),
                (topics::dead_letter_topic(topic.name), 1, dead),
            ]
        })
        .collect();
    let new: Vec<_> = wanted
        .iter()
        .map(|(name, partitions, retention_ms)| {
            // -1: as many copies as the broker makes by default.
            NewTopic::new(name, signed(*partitions), TopicReplication::Fixed(-1))
                .set("retention.ms", retention_ms)
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(REQUEST))
        .operation_timeout(Some(REQUEST));
    let made = wait(admin.create_topics(&new, &options))
        .map_err(|error| failed("create topics", &error))?;
    let mut created = 0;
    for answer in made {
        match answer {
            Ok(_) => created += 1,
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(failed(
                    format!("create topic {topic}"),
                    &KafkaError::AdminOp(code),
                ));
            }
        }
    }
    for (name, partitions, _) in &wanted {
        check_partitions(&admin, name, *partitions)?;
    }
    let started = start_partitions(log, epoch)?;
    tracing::info!(created, started, epoch = epoch.0, "topics are in place");
    Ok(())
}

fn check_partitions(admin: &AdminClient<Voice>, topic: &str, wanted: u32) -> Result<(), LogError> {
    let what = || format!("describe topic {topic}");
    let metadata = admin
        .inner()
        .fetch_metadata(Some(topic), REQUEST)
        .map_err(|error| failed(what(), &error))?;
    let Some(found) = metadata.topics().first() else {
        return Err(admin.inner().context().timed_out(what(), REQUEST));
    };
    if let Some(code) = found.error() {
        return Err(failed(what(), &KafkaError::MetadataFetch(code.into())));
    }
    let found = found.partitions().len();
    if u32::try_from(found) == Ok(wanted) {
        Ok(())
    } else {
        Err(LogError::Partitions {
            topic: topic.to_owned(),
            found,
            wanted,
        })
    }
}

/// Writes `TopicStart` into each partition that has never held a record; gives their number.
fn start_partitions(log: &EventLog, epoch: TopicEpoch) -> Result<u32, LogError> {
    let lookup = log.lookup()?;
    let mut publisher = None;
    let mut started = 0;
    for topic in [BGP_UPDATES, BGP_MESSAGES] {
        for partition in 0..topic.partitions {
            if lookup.range(topic.name, partition)? != (0, 0) {
                continue;
            }
            let publisher = match &mut publisher {
                Some(publisher) => publisher,
                none => none.insert(Publisher::connect(log, PublisherOptions::default())?),
            };
            let start = topic_start(topic.name, epoch);
            publisher.publish_encoded(topic.name, partition, CONTROL.as_bytes(), &start, 0)?;
            started += 1;
        }
    }
    if let Some(publisher) = publisher {
        publisher.flush(REQUEST)?;
    }
    Ok(started)
}

fn topic_start(topic: &str, epoch: TopicEpoch) -> Vec<u8> {
    let control = v1::Control {
        kind: Some(v1::control::Kind::TopicStart(v1::TopicStart {
            topic_epoch: u64::from(epoch.0),
        })),
    };
    // No event time: it is a fact of the log, not of any stream's time.
    let now = time::now_us();
    if topic == BGP_UPDATES.name {
        v1::BgpUpdate {
            collector: CONTROL.to_owned(),
            receive_time_us: now,
            body: Some(v1::bgp_update::Body::Control(control)),
            ..Default::default()
        }
        .encode_to_vec()
    } else {
        v1::BgpMessage {
            collector: CONTROL.to_owned(),
            receive_time_us: now,
            body: Some(v1::bgp_message::Body::Control(control)),
            ..Default::default()
        }
        .encode_to_vec()
    }
}

/// The epoch in the first record of a partition of `topic`, if it is a `TopicStart`.
pub(crate) fn epoch_of(topic: &str, payload: &[u8]) -> Option<TopicEpoch> {
    let control = if topic == BGP_UPDATES.name {
        match v1::BgpUpdate::decode(payload).ok()?.body? {
            v1::bgp_update::Body::Control(control) => control,
            v1::bgp_update::Body::Routes(_) => return None,
        }
    } else {
        match v1::BgpMessage::decode(payload).ok()?.body? {
            v1::bgp_message::Body::Control(control) => control,
            _ => return None,
        }
    };
    match control.kind? {
        v1::control::Kind::TopicStart(start) => {
            Some(TopicEpoch(u32::try_from(start.topic_epoch).ok()?))
        }
        _ => None,
    }
}

/// Runs one future to its end on this thread. The client's own thread completes it, so that no
/// runtime is needed, and callers inside of one are safe.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_tells_the_epoch() {
        for topic in [BGP_UPDATES.name, BGP_MESSAGES.name] {
            let record = topic_start(topic, TopicEpoch(7));
            assert_eq!(epoch_of(topic, &record), Some(TopicEpoch(7)));
        }
        assert_eq!(epoch_of(BGP_UPDATES.name, b"\xff"), None);
        let other = v1::BgpUpdate::default().encode_to_vec();
        assert_eq!(epoch_of(BGP_UPDATES.name, &other), None);
    }
}
