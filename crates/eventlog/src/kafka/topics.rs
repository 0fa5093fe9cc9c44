//! The first record of the topics that carry an epoch.

pub(crate) mod browse;
pub(crate) mod cluster;
pub(crate) mod groups;

use prost::Message;
use weir_events::{
    position::TopicEpoch,
    time,
    topics::{self, BGP_SIGNALS, BGP_UPDATES},
    v1,
};

use super::REQUEST;
use crate::{EventLog, LogError, Publisher, PublisherOptions};

/// The collector of controls that belong to none.
const CONTROL: &str = "_control";

/// Writes `TopicStart` into each partition that has never held a record; gives their number.
pub(crate) fn start_partitions(log: &EventLog, epoch: TopicEpoch) -> Result<u32, LogError> {
    let lookup = log.lookup()?;
    let mut publisher = None;
    let mut started = 0;
    for topic in topics::ALL.into_iter().filter(|topic| topic.has_epoch) {
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
    let start = v1::TopicStart {
        topic_epoch: u64::from(epoch.0),
    };
    let control = v1::Control {
        kind: Some(v1::control::Kind::TopicStart(start)),
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
    } else if topic == BGP_SIGNALS.name {
        v1::Signal {
            receive_time_us: now,
            topic_start: Some(start),
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
    let epoch = |start: v1::TopicStart| u32::try_from(start.topic_epoch).ok().map(TopicEpoch);
    let control = if topic == BGP_UPDATES.name {
        match v1::BgpUpdate::decode(payload).ok()?.body? {
            v1::bgp_update::Body::Control(control) => control,
            v1::bgp_update::Body::Routes(_) => return None,
        }
    } else if topic == BGP_SIGNALS.name {
        return epoch(v1::Signal::decode(payload).ok()?.topic_start?);
    } else {
        match v1::BgpMessage::decode(payload).ok()?.body? {
            v1::bgp_message::Body::Control(control) => control,
            _ => return None,
        }
    };
    match control.kind? {
        v1::control::Kind::TopicStart(start) => epoch(start),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use weir_events::topics::BGP_MESSAGES;

    use super::*;

    #[test]
    fn the_first_record_tells_the_epoch() {
        for topic in [BGP_UPDATES.name, BGP_MESSAGES.name, BGP_SIGNALS.name] {
            let record = topic_start(topic, TopicEpoch(7));
            assert_eq!(epoch_of(topic, &record), Some(TopicEpoch(7)));
        }
        assert_eq!(epoch_of(BGP_UPDATES.name, b"\xff"), None);
        let other = v1::BgpUpdate::default().encode_to_vec();
        assert_eq!(epoch_of(BGP_UPDATES.name, &other), None);
    }
}
