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
};
use weir_eventlog::{
    ForeignReader, Heard, LogConfig, OffsetReset, Publisher, Skipped,
    admin::{self, Desired},
};

use crate::harness::{PATIENCE, TestLog, until};

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

fn reader(log: &TestLog) -> ForeignReader {
    let config = LogConfig {
        topics: vec![TOPIC.to_owned()],
        auto_offset_reset: OffsetReset::Earliest,
        ..log.log.config().clone()
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
    let mut first = reader(&log);
    assert_eq!([hear(&mut first), hear(&mut first)], [Ok(0), Ok(1)]);
    first.commit(&first.positions(), true).unwrap();
    drop(first);
    remove_before(&log, 7);
    let mut second = reader(&log);
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
    let mut reader = reader(&log);
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
    let mut first = reader(&log);
    assert_eq!(hear(&mut first), Ok(0));
    let old = first.positions();
    assert_eq!(hear(&mut first), Ok(1));
    first.commit(&first.positions(), true).unwrap();
    // Another reader's positions know nothing of this one's assignments.
    let second = reader(&log);
    second.commit(&old, true).unwrap();
    drop((first, second));
    assert_eq!(hear(&mut reader(&log)), Ok(2));
}
