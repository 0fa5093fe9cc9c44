//! What stands in a dead letter.

use std::collections::BTreeMap;

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};
use weir_eventlog::{DeadLetters, RecordRef};
use weir_events::time::parse_rfc3339;

use crate::harness::{PATIENCE, TestLog};

#[test]
fn a_dead_letter_keeps_the_bytes_and_says_where_they_came_from_and_why() {
    let log = TestLog::start();
    let publisher = log.publisher();
    let letters = DeadLetters::new(publisher.clone(), "conflict-detector");
    let record = RecordRef {
        offset: 42,
        timestamp_ms: 1_700_000_000_123,
        key: b"block",
        payload: b"\xff\x00",
        trace: &[],
    };
    let error = "x".repeat(5000);
    let ticket = letters
        .send("bgp-updates", 3, &record, "decode", "truncated", &error)
        .unwrap();
    publisher.wait_for(ticket, PATIENCE).unwrap();

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &log.log.config().bootstrap_servers)
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("bgp-updates.dlq", 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    let letter = consumer.poll(PATIENCE).unwrap().unwrap();
    assert_eq!(letter.key(), Some(&b"bgp-updates-3-42"[..]));
    assert_eq!(letter.payload(), Some(&b"\xff\x00"[..]));
    let headers: BTreeMap<_, _> = letter
        .headers()
        .unwrap()
        .iter()
        .map(|header| {
            (
                header.key,
                std::str::from_utf8(header.value.unwrap()).unwrap(),
            )
        })
        .collect();
    for (name, value) in [
        ("dlq.topic", "bgp-updates"),
        ("dlq.partition", "3"),
        ("dlq.offset", "42"),
        ("dlq.timestamp", "1700000000123"),
        ("dlq.error.class", "truncated"),
        ("dlq.error.message", &error[..1024]),
        ("dlq.stage", "decode"),
        ("dlq.service", "conflict-detector"),
        ("dlq.version", env!("CARGO_PKG_VERSION")),
        ("dlq.attempts", "1"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(parse_rfc3339(headers["dlq.first_failure_ts"]).is_some());
}
