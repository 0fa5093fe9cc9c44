//! Order, acknowledgement, backpressure and failure of a publisher.

use std::sync::Arc;

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use weir_eventlog::{LogError, Publisher, PublisherOptions, Ticket, admin};
use weir_events::topics::BGP_CONFLICTS;

use crate::harness::{FaultyLog, PATIENCE, TestLog, Watched};

#[test]
fn every_record_is_acknowledged_once_and_its_tag_told() {
    let log = TestLog::start();
    let tags = Watched::new(Vec::new());
    let told = tags.clone();
    let publisher = Publisher::connect(
        &log.log,
        PublisherOptions {
            on_delivery: Some(Arc::new(move |tag| told.change(|tags| tags.push(tag)))),
            ..PublisherOptions::default()
        },
    )
    .unwrap();
    assert_eq!(publisher.acknowledged(), Ticket::default());
    for tag in 0..1000_i64 {
        let partition = u32::try_from(tag % 4).unwrap();
        publisher
            .publish_encoded(BGP_CONFLICTS.name, partition, b"", b"x", tag)
            .unwrap();
    }
    publisher.flush(PATIENCE).unwrap();
    assert_eq!(publisher.acknowledged(), publisher.last());
    tags.wait("1000 tags", |tags| tags.len() == 1000);
    tags.change(|tags| {
        tags.sort_unstable();
        assert_eq!(*tags, (0..1000).collect::<Vec<_>>());
    });
    let ends = admin::end_offsets(&log.log, &BGP_CONFLICTS).unwrap();
    assert_eq!(ends, [250; 4]);
}

#[test]
fn publish_waits_while_too_much_is_under_way() {
    let log = FaultyLog::start();
    log.cluster.broker_down(1).unwrap();
    let publisher = Publisher::connect(
        &log.log,
        PublisherOptions {
            max_in_flight: 10,
            on_delivery: None,
        },
    )
    .unwrap();
    let published = Watched::new(0);
    let thread = std::thread::spawn({
        let (publisher, published) = (publisher.clone(), published.clone());
        move || {
            for _ in 0..30 {
                publisher
                    .publish_encoded(BGP_CONFLICTS.name, 0, b"", b"x", 0)
                    .unwrap();
                published.change(|count| *count += 1);
            }
        }
    });
    published.wait("a full window", |count| *count == 10);
    assert_eq!(publisher.acknowledged(), Ticket::default());
    log.cluster.broker_up(1).unwrap();
    thread.join().unwrap();
    publisher.flush(PATIENCE).unwrap();
    assert_eq!(admin::end_offsets(&log.log, &BGP_CONFLICTS).unwrap()[0], 30);
}

#[test]
fn a_waiting_publish_is_freed_by_abandon() {
    let log = FaultyLog::start();
    log.cluster.broker_down(1).unwrap();
    let publisher = Publisher::connect(
        &log.log,
        PublisherOptions {
            max_in_flight: 1,
            on_delivery: None,
        },
    )
    .unwrap();
    publisher
        .publish_encoded(BGP_CONFLICTS.name, 0, b"", b"x", 0)
        .unwrap();
    let thread = std::thread::spawn({
        let publisher = publisher.clone();
        move || publisher.publish_encoded(BGP_CONFLICTS.name, 0, b"", b"x", 0)
    });
    publisher.abandon("the deadline passed");
    assert!(matches!(
        thread.join().unwrap(),
        Err(LogError::Delivery { .. })
    ));
}

#[test]
fn nothing_is_delivered_after_a_failure() {
    let log = FaultyLog::start();
    let publisher = Publisher::connect(&log.log, PublisherOptions::default()).unwrap();
    let first = publisher
        .publish_encoded(BGP_CONFLICTS.name, 0, b"", b"before", 0)
        .unwrap();
    publisher.wait_for(first, PATIENCE).unwrap();
    log.cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
    );
    let mut accepted = 0;
    let failure = loop {
        match publisher.publish_encoded(BGP_CONFLICTS.name, 0, b"", b"after", 0) {
            Ok(_) => accepted += 1,
            Err(failure) => break failure,
        }
    };
    assert!(matches!(failure, LogError::Delivery { .. }), "{failure}");
    assert!(accepted > 0);
    assert_eq!(publisher.acknowledged(), first);
    assert!(publisher.flush(PATIENCE).is_err());
    assert!(publisher.failure().is_some());
    // A record of another publisher comes next in the log.
    let other = Publisher::connect(&log.log, PublisherOptions::default()).unwrap();
    other
        .publish_encoded(BGP_CONFLICTS.name, 0, b"", b"other", 0)
        .unwrap();
    other.flush(PATIENCE).unwrap();
    assert_eq!(admin::end_offsets(&log.log, &BGP_CONFLICTS).unwrap()[0], 2);
}

#[test]
fn a_record_that_is_too_large_is_refused_and_changes_nothing() {
    let log = TestLog::start();
    let publisher = log.publisher();
    let huge = vec![0; 3 << 20];
    let refused = publisher.publish_encoded(BGP_CONFLICTS.name, 1, b"", &huge, 0);
    assert!(
        matches!(refused, Err(LogError::Refused { partition: 1, .. })),
        "{refused:?}"
    );
    publisher
        .publish_encoded(BGP_CONFLICTS.name, 1, b"", b"small", 0)
        .unwrap();
    publisher.flush(PATIENCE).unwrap();
    assert_eq!(
        admin::end_offsets(&log.log, &BGP_CONFLICTS).unwrap(),
        [0, 1, 0, 0]
    );
}
