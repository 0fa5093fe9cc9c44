//! Making topics, and what stands first in them.

use weir_eventlog::{LogError, Next, Subscriber, admin};
use weir_events::{
    position::TopicEpoch,
    topics::{self, BGP_CONFLICTS, BGP_MESSAGES, BGP_UPDATES},
};

use crate::harness::{EPOCH, PATIENCE, TestLog, Watched};

#[test]
fn making_topics_twice_changes_nothing_and_keeps_the_epoch() {
    let log = TestLog::start();
    admin::ensure_topics(&log.log, TopicEpoch(8)).unwrap();
    for topic in topics::ALL {
        let started = topic == BGP_UPDATES || topic == BGP_MESSAGES;
        let ends = admin::end_offsets(&log.log, &topic).unwrap();
        let partitions = usize::try_from(topic.partitions).unwrap();
        assert_eq!(ends, vec![i64::from(started); partitions], "{}", topic.name);
    }
    for topic in [BGP_UPDATES, BGP_MESSAGES] {
        let epochs = Watched::new(Vec::new());
        let told = epochs.clone();
        let subscriber = Subscriber::start(&log.log, "g", topic, move |mut assignment| {
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
        epochs.change(|epochs| assert!(epochs.iter().all(|epoch| *epoch == EPOCH)));
    }
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
