//! Making topics, and what stands first in them.

use weir_eventlog::{EventLog, LogError, Next, Subscriber, admin, schema};
use weir_events::{
    position::TopicEpoch,
    topics::{self, BGP_CONFLICTS, BGP_MESSAGES, BGP_SIGNALS, BGP_UPDATES, Topic},
};

use crate::harness::{EPOCH, PATIENCE, TestLog, Watched};

#[test]
fn making_topics_twice_changes_nothing_and_keeps_the_epoch() {
    let log = TestLog::start();
    admin::ensure_topics(&log.log, TopicEpoch(8)).unwrap();
    for topic in topics::ALL {
        let ends = admin::end_offsets(&log.log, &topic).unwrap();
        let partitions = usize::try_from(topic.partitions).unwrap();
        let first = i64::from(topic.has_epoch);
        assert_eq!(ends, vec![first; partitions], "{}", topic.name);
    }
    for topic in [BGP_UPDATES, BGP_MESSAGES, BGP_SIGNALS] {
        assert_begins(&log.log, topic, EPOCH);
    }
}

/// Each partition of `topic` tells this epoch.
#[track_caller]
fn assert_begins(log: &EventLog, topic: Topic, wanted: TopicEpoch) {
    let epochs = Watched::new(Vec::new());
    let told = epochs.clone();
    let subscriber = Subscriber::start(log, "g", topic, move |mut assignment| {
        let epoch = assignment.topic_epoch()?;
        told.change(|epochs| epochs.push(epoch));
        assignment.resume_at(1)?;
        while !matches!(assignment.next(1, PATIENCE)?, Next::Revoked) {}
        Ok(())
    })
    .unwrap();
    let partitions = usize::try_from(topic.partitions).unwrap();
    epochs.wait("an epoch from each partition", |epochs| {
        epochs.len() == partitions
    });
    subscriber.stop(PATIENCE).unwrap();
    epochs.change(|epochs| assert!(epochs.iter().all(|epoch| *epoch == wanted)));
}

#[test]
fn a_log_from_before_a_topic_was_there_gets_it_and_who_opens_it_until_then_is_told_how() {
    let log = TestLog::start();
    admin::delete(&log.log, BGP_SIGNALS.name).unwrap();
    let topics = [BGP_UPDATES, BGP_SIGNALS];
    let opened = EventLog::open(log.log.config(), &schema::Config::default(), &topics);
    let told = opened.map(drop).unwrap_err().to_string();
    assert!(
        told.contains(BGP_SIGNALS.name) && told.contains("weir topics apply"),
        "{told}"
    );
    admin::ensure_topics(&log.log, TopicEpoch(8)).unwrap();
    assert_begins(&log.log, BGP_SIGNALS, TopicEpoch(8));
    assert_begins(&log.log, BGP_UPDATES, EPOCH);
}

#[test]
fn a_topic_that_does_not_exist_is_an_error() {
    let log = TestLog::start();
    let absent = topics::Topic {
        name: "no-such-topic",
        ..BGP_CONFLICTS
    };
    assert!(matches!(
        admin::end_offsets(&log.log, &absent),
        Err(LogError::Request { .. })
    ));
}
