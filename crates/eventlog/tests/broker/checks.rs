//! The checks: functions of a bootstrap address, so that any broker can stand behind it. Names of
//! topics and groups are new on each run.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

#[path = "groups.rs"]
pub(crate) mod groups;

const PATIENCE: Duration = Duration::from_secs(20);

fn fresh(what: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("check-{what}-{}-{number}", std::process::id())
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    config(bootstrap).create().unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .request_timeout(Some(PATIENCE))
}

fn create(bootstrap: &str, what: &str, partitions: i32) -> String {
    let name = fresh(what);
    let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    let made = wait(admin(bootstrap).create_topics([&topic], &options())).unwrap();
    assert_eq!(made, [Ok(name.clone())]);
    name
}

fn producer(bootstrap: &str, extra: &[(&str, &str)]) -> BaseProducer {
    let mut config = config(bootstrap);
    config.set("linger.ms", "1");
    for (key, value) in extra {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

fn send(
    producer: &BaseProducer,
    topic: &str,
    partition: i32,
    payloads: impl Iterator<Item = String>,
) {
    for payload in payloads {
        let record = BaseRecord::<(), _>::to(topic)
            .partition(partition)
            .payload(&payload);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    assert_eq!(producer.in_flight_count(), 0);
}

fn consumer(bootstrap: &str, group: &str, extra: &[(&str, &str)]) -> BaseConsumer {
    let mut config = config(bootstrap);
    config
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "200");
    for (key, value) in extra {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

fn assigned(bootstrap: &str, topic: &str, partition: i32, offset: Offset) -> BaseConsumer {
    let consumer = consumer(bootstrap, &fresh("reader"), &[]);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset).unwrap();
    consumer.assign(&list).unwrap();
    consumer
}

fn read(consumer: &BaseConsumer, count: usize) -> Vec<(i64, String)> {
    let mut records = Vec::new();
    let until = Instant::now() + PATIENCE;
    while records.len() < count && Instant::now() < until {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            let message = message.unwrap();
            let payload = message.payload().unwrap_or_default();
            records.push((
                message.offset(),
                String::from_utf8_lossy(payload).into_owned(),
            ));
        }
    }
    assert_eq!(records.len(), count, "records in time");
    records
}

fn numbers(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

pub(crate) fn metadata_names_the_node_and_the_topics(bootstrap: &str) {
    let topic = create(bootstrap, "metadata", 3);
    let producer = producer(bootstrap, &[]);
    let metadata = producer
        .client()
        .fetch_metadata(Some(&topic), PATIENCE)
        .unwrap();
    assert!(!metadata.brokers().is_empty());
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    assert!(
        metadata.topics()[0]
            .partitions()
            .iter()
            .all(|each| each.leader() >= 0)
    );
    let all = producer.client().fetch_metadata(None, PATIENCE).unwrap();
    assert!(all.topics().iter().any(|each| each.name() == topic));
}

pub(crate) fn a_topic_has_the_partitions_asked_for_and_exists_once(bootstrap: &str) {
    let name = fresh("create");
    let topic = NewTopic::new(&name, 6, TopicReplication::Fixed(1)).set("retention.ms", "3600000");
    let admin = admin(bootstrap);
    let made = wait(admin.create_topics([&topic], &options())).unwrap();
    assert_eq!(made, [Ok(name.clone())]);
    let again = wait(admin.create_topics([&topic], &options())).unwrap();
    assert_eq!(again, [Err((name, RDKafkaErrorCode::TopicAlreadyExists))]);
}

pub(crate) fn records_come_back_as_they_were_sent(bootstrap: &str) {
    let topic = create(bootstrap, "fields", 1);
    let producer = producer(bootstrap, &[]);
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "twice",
            value: Some("one"),
        })
        .insert(Header {
            key: "twice",
            value: Some("two"),
        })
        .insert(Header {
            key: "null",
            value: None::<&str>,
        });
    let record = BaseRecord::to(&topic)
        .partition(0)
        .key("key")
        .payload("payload")
        .timestamp(1_600_000_000_123)
        .headers(headers);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    let tombstone = BaseRecord::<_, ()>::to(&topic).partition(0).key("gone");
    producer
        .send(tombstone)
        .map_err(|(error, _)| error)
        .unwrap();
    producer.flush(PATIENCE).unwrap();

    let consumer = assigned(bootstrap, &topic, 0, Offset::Beginning);
    let first = consumer.poll(PATIENCE).unwrap().unwrap().detach();
    assert_eq!(first.key(), Some(&b"key"[..]));
    assert_eq!(first.payload(), Some(&b"payload"[..]));
    assert_eq!(first.timestamp().to_millis(), Some(1_600_000_000_123));
    let headers: Vec<_> = first.headers().unwrap().iter().collect();
    let headers: Vec<_> = headers.iter().map(|each| (each.key, each.value)).collect();
    let expected = [
        ("twice", Some(&b"one"[..])),
        ("twice", Some(&b"two"[..])),
        ("null", None),
    ];
    assert_eq!(headers, expected);
    let second = consumer.poll(PATIENCE).unwrap().unwrap().detach();
    assert_eq!((second.key(), second.payload()), (Some(&b"gone"[..]), None));
    assert_eq!((first.offset(), second.offset()), (0, 1));
}

pub(crate) fn idempotent_writes_arrive_once_and_in_order(bootstrap: &str) {
    let topic = create(bootstrap, "idempotent", 1);
    let producer = producer(
        bootstrap,
        &[("enable.idempotence", "true"), ("acks", "all")],
    );
    send(&producer, &topic, 0, numbers(0..2_000));
    let records = read(&assigned(bootstrap, &topic, 0, Offset::Beginning), 2_000);
    let expected: Vec<_> = (0_i64..).zip(numbers(0..2_000)).collect();
    assert_eq!(records, expected);
}

pub(crate) fn every_codec_is_stored_verbatim(bootstrap: &str) {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = create(bootstrap, codec, 1);
        let producer = producer(
            bootstrap,
            &[("compression.codec", codec), ("linger.ms", "20")],
        );
        let text = |number: u32| format!("{number}-{}", "abc".repeat(50));
        send(&producer, &topic, 0, (0..100).map(text));
        let records = read(&assigned(bootstrap, &topic, 0, Offset::Beginning), 100);
        let expected: Vec<_> = (0_i64..).zip((0..100).map(text)).collect();
        assert_eq!(records, expected, "{codec}");
    }
}

pub(crate) fn a_large_message_passes(bootstrap: &str) {
    let topic = create(bootstrap, "large", 1);
    let producer = producer(bootstrap, &[]);
    send(&producer, &topic, 0, std::iter::once("x".repeat(900_000)));
    let records = read(&assigned(bootstrap, &topic, 0, Offset::Beginning), 1);
    assert_eq!(records[0].1.len(), 900_000);
}

pub(crate) fn offsets_are_found_by_time(bootstrap: &str) {
    let topic = create(bootstrap, "time", 1);
    let producer = producer(bootstrap, &[]);
    for number in 0..100_i64 {
        let record = BaseRecord::<(), _>::to(&topic)
            .partition(0)
            .payload("x")
            .timestamp(1_600_000_000_000 + number * 10);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let consumer = consumer(bootstrap, &fresh("reader"), &[]);
    let find = |time: i64| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(time))
            .unwrap();
        let found = consumer.offsets_for_times(list, PATIENCE).unwrap();
        found.find_partition(&topic, 0).unwrap().offset()
    };
    assert_eq!(find(1_600_000_000_000), Offset::Offset(0));
    assert_eq!(find(1_600_000_000_495), Offset::Offset(50));
    assert_eq!(find(1_700_000_000_000), Offset::End);
}

pub(crate) fn assign_and_seek_read_from_anywhere(bootstrap: &str) {
    let topic = create(bootstrap, "seek", 1);
    send(&producer(bootstrap, &[]), &topic, 0, numbers(0..50));
    let consumer = assigned(bootstrap, &topic, 0, Offset::Offset(40));
    assert_eq!(read(&consumer, 10)[0].0, 40);
    consumer
        .seek(&topic, 0, Offset::Offset(7), PATIENCE)
        .unwrap();
    assert_eq!(read(&consumer, 1)[0], (7, "7".to_owned()));
}

pub(crate) fn the_end_of_a_partition_is_told(bootstrap: &str) {
    let topic = create(bootstrap, "eof", 1);
    send(&producer(bootstrap, &[]), &topic, 0, numbers(0..3));
    let consumer = consumer(
        bootstrap,
        &fresh("reader"),
        &[("enable.partition.eof", "true")],
    );
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    read(&consumer, 3);
    let end = consumer.poll(PATIENCE).unwrap();
    assert!(matches!(end, Err(KafkaError::PartitionEOF(0))), "{end:?}");
}

pub(crate) fn an_unknown_topic_is_an_error(bootstrap: &str) {
    let consumer = consumer(
        bootstrap,
        &fresh("reader"),
        &[("allow.auto.create.topics", "false")],
    );
    let error = consumer.fetch_watermarks(&fresh("nowhere"), 0, Duration::from_secs(5));
    assert!(error.is_err());
}

pub(crate) fn a_waiting_fetch_is_answered_in_milliseconds(bootstrap: &str) {
    let topic = create(bootstrap, "latency", 1);
    let producer = producer(bootstrap, &[("linger.ms", "0")]);
    let wait = [("fetch.wait.max.ms", "5000")];
    let consumer = consumer(bootstrap, &fresh("reader"), &wait);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    send(&producer, &topic, 0, numbers(0..1));
    read(&consumer, 1);
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        let record = BaseRecord::<(), _>::to(&topic).partition(0).payload("ping");
        producer.send(record).map_err(|(error, _)| error).unwrap();
        consumer.poll(PATIENCE).unwrap().unwrap();
        times.push(start.elapsed());
        producer.poll(Duration::ZERO);
    }
    times.sort_unstable();
    println!(
        "produce to consume: p50 {:?}, p95 {:?}",
        times[100], times[190]
    );
    // The aim is 5 ms at p95. A loaded machine must not fail the build; a wake-up that is missed
    // costs the 5 s of the fetch, and does.
    assert!(times[100] < Duration::from_secs(1), "p50 {:?}", times[100]);
}

pub(crate) fn configs_are_described_and_altered(bootstrap: &str) {
    let topic = create(bootstrap, "configs", 1);
    let admin = admin(bootstrap);
    let resource = ResourceSpecifier::Topic(&topic);
    let retention = || {
        let found = wait(admin.describe_configs([&resource], &options())).unwrap();
        let found = found.into_iter().next().unwrap().unwrap();
        found
            .get("retention.ms")
            .and_then(|entry| entry.value.clone())
    };
    assert!(retention().is_some());
    let change = AlterConfig::new(resource).set("retention.ms", "123456");
    wait(admin.alter_configs([&change], &options())).unwrap()[0]
        .as_ref()
        .unwrap();
    assert_eq!(retention().as_deref(), Some("123456"));
}

pub(crate) fn partitions_are_added_and_topics_deleted(bootstrap: &str) {
    let topic = create(bootstrap, "grow", 2);
    let admin = admin(bootstrap);
    let more = NewPartitions::new(&topic, 5);
    wait(admin.create_partitions([&more], &options())).unwrap()[0]
        .as_ref()
        .unwrap();
    let count = || {
        let metadata = admin
            .inner()
            .fetch_metadata(Some(&topic), PATIENCE)
            .unwrap();
        metadata.topics()[0].partitions().len()
    };
    assert_eq!(count(), 5);
    wait(admin.delete_topics(&[&topic], &options())).unwrap()[0]
        .as_ref()
        .unwrap();
    let again = wait(admin.delete_topics(&[&topic], &options())).unwrap();
    assert!(again[0].is_err());
}

pub(crate) fn records_are_deleted_up_to_an_offset(bootstrap: &str) {
    let topic = create(bootstrap, "delete", 1);
    send(&producer(bootstrap, &[]), &topic, 0, numbers(0..20));
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(15))
        .unwrap();
    let admin = admin(bootstrap);
    wait(admin.delete_records(&list, &options())).unwrap();
    let consumer = assigned(bootstrap, &topic, 0, Offset::Beginning);
    let marks = consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap();
    assert_eq!(marks, (15, 20));
    assert_eq!(read(&consumer, 5)[0].0, 15);
}

pub(crate) fn a_transactional_id_is_refused(bootstrap: &str) {
    let producer = producer(bootstrap, &[("transactional.id", "refused")]);
    let error = producer
        .init_transactions(PATIENCE)
        .unwrap_err()
        .to_string();
    assert!(error.to_lowercase().contains("transaction"), "{error}");
}
