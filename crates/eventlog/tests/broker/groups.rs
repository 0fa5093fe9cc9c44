//! The checks of consumer groups: sharing, handing over, static members, commits, deletion.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::{
    PATIENCE, admin, consumer, create, fresh, numbers, options, producer, read, send, wait,
};

fn partitions_of(consumer: &BaseConsumer) -> usize {
    consumer.assignment().unwrap().count()
}

/// Owned: a list of librdkafka's holds on to its partitions, and a client that is dropped while one
/// is alive waits for it without end (librdkafka 4674).
fn places_of(consumer: &BaseConsumer) -> Vec<(String, i32)> {
    let list = consumer.assignment().unwrap();
    let elements = list.elements();
    let places = elements
        .iter()
        .map(|each| (each.topic().to_owned(), each.partition()));
    places.collect()
}

fn group_shares(bootstrap: &str, strategy: &str) {
    let topic = create(bootstrap, "shared", 6);
    let group = fresh("group");
    let extra = [
        ("partition.assignment.strategy", strategy),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "200"),
    ];
    let producer = producer(bootstrap, &[]);
    for partition in 0..6 {
        send(&producer, &topic, partition, numbers(0..10));
    }
    let one = consumer(bootstrap, &group, &extra);
    let two = consumer(bootstrap, &group, &extra);
    one.subscribe(&[&topic]).unwrap();
    two.subscribe(&[&topic]).unwrap();
    let mut seen: BTreeMap<(i32, i64), u32> = BTreeMap::new();
    let mut take = |consumer: &BaseConsumer| {
        if let Some(message) = consumer.poll(Duration::from_millis(20)) {
            let message = message.unwrap();
            *seen
                .entry((message.partition(), message.offset()))
                .or_default() += 1;
            consumer.store_offset_from_message(&message).ok();
            // Not while a rebalance is under way (librdkafka 4059): what fails comes with the next.
            let _ = consumer.commit_message(&message, CommitMode::Async);
        }
        seen.len()
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let all = take(&one).max(take(&two)) == 60;
        if all && (partitions_of(&one), partitions_of(&two)) == (3, 3) {
            break;
        }
        assert!(
            Instant::now() < until,
            "shared {} and {}, read {}",
            partitions_of(&one),
            partitions_of(&two),
            take(&one)
        );
    }
    one.commit_consumer_state(CommitMode::Sync).ok();
    two.commit_consumer_state(CommitMode::Sync).ok();
    two.unsubscribe();
    drop(two);
    while partitions_of(&one) != 6 {
        take(&one);
        assert!(Instant::now() < until, "the rest was not taken over");
    }
    send(&producer, &topic, 0, numbers(0..1));
    while take(&one) != 61 {
        assert!(Instant::now() < until, "nothing more was read");
    }
    assert!(
        seen.values().all(|count| *count == 1),
        "redelivered: {seen:?}"
    );
}

pub(crate) fn a_range_group_shares_the_partitions_and_hands_over(bootstrap: &str) {
    group_shares(bootstrap, "range");
}

pub(crate) fn a_cooperative_group_shares_the_partitions_and_hands_over(bootstrap: &str) {
    group_shares(bootstrap, "cooperative-sticky");
}

pub(crate) fn a_static_member_comes_back_to_its_partitions(bootstrap: &str) {
    let topic = create(bootstrap, "static", 2);
    let group = fresh("group");
    let member = |instance: &str| {
        let extra = [
            ("group.instance.id", instance),
            ("session.timeout.ms", "30000"),
            ("heartbeat.interval.ms", "200"),
        ];
        let consumer = consumer(bootstrap, &group, &extra);
        consumer.subscribe(&[&topic]).unwrap();
        consumer
    };
    let (one, two) = (member("one"), member("two"));
    let until = Instant::now() + PATIENCE;
    while (partitions_of(&one), partitions_of(&two)) != (1, 1) {
        one.poll(Duration::from_millis(20));
        two.poll(Duration::from_millis(20));
        assert!(Instant::now() < until, "not shared");
    }
    let (kept, had) = (places_of(&one), places_of(&two));
    drop(two);
    let two = member("two");
    while partitions_of(&two) != 1 {
        one.poll(Duration::from_millis(20));
        two.poll(Duration::from_millis(20));
        assert_eq!(places_of(&one), kept, "nobody else notices");
        assert!(Instant::now() < until, "not back");
    }
    assert_eq!(places_of(&two), had);
}

pub(crate) fn commits_resume_with_their_metadata(bootstrap: &str) {
    let topic = create(bootstrap, "commit", 1);
    let group = fresh("group");
    send(&producer(bootstrap, &[]), &topic, 0, numbers(0..10));
    {
        let consumer = consumer(bootstrap, &group, &[]);
        let mut list = TopicPartitionList::new();
        let mut place = list.add_partition(&topic, 0);
        place.set_offset(Offset::Offset(4)).unwrap();
        place.set_metadata("a note");
        consumer.commit(&list, CommitMode::Sync).unwrap();
    }
    let consumer = consumer(bootstrap, &group, &[]);
    let mut list = TopicPartitionList::new();
    list.add_partition(&topic, 0);
    let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
    let place = committed.find_partition(&topic, 0).unwrap();
    assert_eq!(
        (place.offset(), place.metadata()),
        (Offset::Offset(4), "a note")
    );
    let (low, high) = consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap();
    assert_eq!((low, high), (0, 10));
    consumer.subscribe(&[&topic]).unwrap();
    assert_eq!(read(&consumer, 6)[0], (4, "4".to_owned()));
}

pub(crate) fn groups_are_listed_and_deleted(bootstrap: &str) {
    let topic = create(bootstrap, "groups", 1);
    let group = fresh("group");
    let admin = admin(bootstrap);
    {
        let consumer = consumer(bootstrap, &group, &[]);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(0))
            .unwrap();
        consumer.commit(&list, CommitMode::Sync).unwrap();
    }
    let listed = || {
        let groups = admin.inner().fetch_group_list(None, PATIENCE).unwrap();
        groups.groups().iter().any(|each| each.name() == group)
    };
    assert!(listed());
    let deleted = wait(admin.delete_groups(&[&group], &options())).unwrap();
    assert_eq!(deleted, [Ok(group.clone())]);
    assert!(!listed());
}
