//! Topics that others write: what retention takes away under a reader is told, and the rest read.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use weir_eventlog::{
    EventLog, ForeignReader, Heard, LogConfig, OffsetReset, Publisher, PublisherOptions, Skipped,
    admin::{self, Desired},
};
use weir_events::topics::{BGP_CONFLICTS, Topic};

use crate::harness::{FaultyLog, PATIENCE, TestLog, until};

const TOPIC: &str = "theirs";

fn log() -> (TestLog, Publisher) {
    let log = TestLog::start();
    let topic = Desired {
        name: TOPIC.to_owned(),
        partitions: 1,
        is_keyed: false,
        replication: None,
        configs: BTreeMap::new(),
    };
    let steps = admin::plan(&log.log, &[topic]).unwrap();
    admin::apply(&log.log, &steps).unwrap();
    let publisher = log.publisher();
    (log, publisher)
}

fn write(publisher: &Publisher, count: usize) {
    for _ in 0..count {
        let record = [b'x'; 1000];
        publisher
            .publish_encoded(TOPIC, 0, b"", &record, 0)
            .unwrap();
    }
    publisher.flush(PATIENCE).unwrap();
}

fn reader(log: &EventLog) -> ForeignReader {
    let config = LogConfig {
        topics: vec![TOPIC.to_owned()],
        auto_offset_reset: OffsetReset::Earliest,
        // A member that comes or goes is noticed at a heartbeat.
        heartbeat_interval_ms: Some(100),
        ..log.config().clone()
    };
    ForeignReader::join(&config).unwrap()
}

/// The offset of the next record, or what was passed over.
fn hear(reader: &mut ForeignReader) -> Result<i64, Skipped> {
    let mut heard = None;
    until("something is heard", || {
        let wait = Duration::from_millis(10);
        heard = reader
            .next(wait, |heard| match heard {
                Heard::Record { record, .. } => Some(Ok(record.offset)),
                Heard::Skipped(skipped) => Some(Err(skipped.clone())),
                Heard::Leaving | Heard::Nothing => None,
            })
            .unwrap();
        heard.is_some()
    });
    heard.unwrap()
}

/// Retention, all at once.
fn remove_before(log: &TestLog, offset: i64) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &log.log.config().bootstrap_servers)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 0, Offset::Offset(offset))
        .unwrap();
    let options = AdminOptions::new();
    let mut removed = pin!(admin.delete_records(&list, &options));
    let mut context = Context::from_waker(Waker::noop());
    until("records are removed", || {
        matches!(removed.as_mut().poll(&mut context), Poll::Ready(Ok(_)))
    });
}

#[test]
fn what_was_removed_between_two_readers_is_told_once() {
    let (log, publisher) = log();
    write(&publisher, 10);
    let mut first = reader(&log.log);
    assert_eq!([hear(&mut first), hear(&mut first)], [Ok(0), Ok(1)]);
    first.commit(&first.positions(), true).unwrap();
    drop(first);
    remove_before(&log, 7);
    let mut second = reader(&log.log);
    let skipped = hear(&mut second).unwrap_err();
    assert_eq!(
        (skipped.due, skipped.next, skipped.offsets()),
        (Some(2), 7, 5)
    );
    assert_eq!(hear(&mut second), Ok(7));
}

#[test]
fn a_reader_that_retention_overtakes_is_told_and_goes_on_with_what_is_kept() {
    let (log, publisher) = log();
    // More than a reader fetches ahead.
    write(&publisher, 8_000);
    let mut reader = reader(&log.log);
    assert_eq!(hear(&mut reader), Ok(0));
    remove_before(&log, 7_990);
    let mut next = 1;
    let skipped = loop {
        match hear(&mut reader) {
            Ok(offset) => {
                assert_eq!(offset, next);
                next += 1;
            }
            Err(skipped) => break skipped,
        }
    };
    assert_eq!((skipped.due, skipped.next), (Some(next), 7_990));
    for offset in 7_990..8_000 {
        assert_eq!(hear(&mut reader), Ok(offset));
    }
}

#[test]
fn positions_of_an_assignment_that_is_over_are_not_committed() {
    let (log, publisher) = log();
    write(&publisher, 3);
    let mut first = reader(&log.log);
    assert_eq!(hear(&mut first), Ok(0));
    let old = first.positions();
    assert_eq!(hear(&mut first), Ok(1));
    first.commit(&first.positions(), true).unwrap();
    // Another member comes and goes, and the partition is the first's again, from the last commit.
    let mut second = reader(&log.log);
    until("the assignment ends", || {
        let wait = Duration::from_millis(10);
        second.next(wait, |_| ()).unwrap();
        first
            .next(wait, |heard| matches!(heard, Heard::Leaving))
            .unwrap()
    });
    // It leaves once the first has given up what it had.
    let leaving = std::thread::spawn(move || drop(second));
    assert_eq!(hear(&mut first), Ok(2));
    leaving.join().unwrap();
    first.commit(&old, true).unwrap();
    drop(first);
    assert_eq!(hear(&mut reader(&log.log)), Ok(2));
}

#[test]
fn a_commit_that_was_refused_is_told_and_committing_again_carries_it() {
    let log = FaultyLog::start();
    log.cluster.create_topic(TOPIC, 1, 1).unwrap();
    let publisher = Publisher::connect(&log.log, PublisherOptions::default()).unwrap();
    write(&publisher, 2);
    let mut first = reader(&log.log);
    assert_eq!(hear(&mut first), Ok(0));
    let positions = first.positions();
    log.cluster.request_errors(
        RDKafkaApiKey::OffsetCommit,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED],
    );
    first.commit(&positions, false).unwrap();
    until("the refusal is told", || {
        first.next(Duration::from_millis(10), |_| ()).unwrap();
        first.holds_commits()
    });
    first.commit(&positions, false).unwrap();
    assert!(first.holds_commits(), "so soon nothing is sent");
    until("it is sent again", || {
        first.commit(&positions, false).unwrap();
        !first.holds_commits()
    });
    let topic = Topic {
        name: TOPIC,
        partitions: 1,
        ..BGP_CONFLICTS
    };
    let group = &log.log.config().group_id;
    until("it is committed", || {
        admin::committed(&log.log, group, &topic).unwrap() == [Some(1)]
    });
}
