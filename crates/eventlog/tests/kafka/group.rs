//! What holds in a group whatever its protocol and its broker.

use std::sync::mpsc;

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use weir_eventlog::{EventLog, GroupProtocol, LogConfig, Subscriber, admin};
use weir_events::topics::Topic;

use crate::harness::{
    PATIENCE, Seen, Watched, admin_client, append, embedded, fresh, kafka, publisher, reader,
    topic, until,
};

/// Runs `test` with a log by each protocol that there is.
fn everywhere(test: impl Fn(&str, &EventLog)) {
    embedded(|address| test(address, &kafka(address, GroupProtocol::Auto)));
    if let Some(engine) = weir_engines::engine("kafka") {
        for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
            test(engine.url(), &kafka(engine.url(), protocol));
        }
    }
}

/// What the broker says of the group when asked in the classic way: it knows none of the new kind.
fn classic_state(bootstrap: &str, group: &str) -> String {
    let client = admin_client(bootstrap);
    let found = client.inner().fetch_group_list(Some(group), PATIENCE);
    let found = found.unwrap();
    let group = found.groups().first();
    group.map_or(String::new(), |group| group.state().to_owned())
}

#[test]
fn two_members_share_the_partitions_and_one_takes_over_without_reading_twice() {
    everywhere(|address, log| {
        let topic = topic(address, "share", 6);
        let group = fresh("group");
        let publisher = publisher(log);
        append(&publisher, &topic, 0..600);
        publisher.flush(PATIENCE).unwrap();
        let seen = Watched::<Seen>::new();
        let one = reader(log, &group, topic, 1, &seen);
        let two = reader(log, &group, topic, 2, &seen);
        seen.wait("three each", |seen| seen.shares() == [3, 3]);
        seen.wait("all of it", |seen| seen.count() == 600);
        two.stop(PATIENCE).unwrap();
        seen.wait("one has all", |seen| seen.shares() == [6]);
        append(&publisher, &topic, 600..1_200);
        seen.wait("the rest", |seen| seen.count() == 1_200);
        one.stop(PATIENCE).unwrap();
        seen.change(|seen| {
            seen.assert_once(0..1_200);
            let twice = seen
                .records
                .values()
                .filter(|texts| texts.len() > 1)
                .count();
            assert_eq!(twice, 0, "read twice");
        });
        let committed = admin::committed(log, &group, &topic).unwrap();
        assert_eq!(committed, vec![Some(200); 6]);
    });
}

#[test]
fn the_protocol_is_the_newest_that_the_broker_has() {
    let join = |address: &str| {
        let log = kafka(address, GroupProtocol::Auto);
        let topic = topic(address, "auto", 2);
        let group = fresh("group");
        let seen = Watched::<Seen>::new();
        let member = reader(&log, &group, topic, 1, &seen);
        seen.wait("joined", |seen| seen.shares() == [2]);
        assert_eq!(member.waiting(), None);
        let state = classic_state(address, &group);
        member.stop(PATIENCE).unwrap();
        state
    };
    embedded(|address| assert_eq!(join(address), "Stable"));
    if let Some(engine) = weir_engines::engine("kafka") {
        assert_ne!(join(engine.url()), "Stable");
    }
}

#[test]
fn a_protocol_that_the_broker_lacks_is_a_clear_failure_when_nothing_else_is_allowed() {
    embedded(|address| {
        let log = kafka(address, GroupProtocol::Consumer);
        let topic = topic(address, "lacks", 1);
        let member = reader(&log, &fresh("group"), topic, 1, &Watched::<Seen>::new());
        let failure = until("failed", || member.failure());
        assert!(
            failure.contains("Kafka 4.0") && failure.contains("write auto"),
            "{failure}"
        );
    });
}

#[test]
fn a_static_member_gets_its_partitions_back_and_the_other_notices_nothing() {
    everywhere(|address, log| {
        let named = |name: &str| {
            EventLog::kafka(LogConfig {
                group_instance_id: Some(name.to_owned()),
                ..log.config().clone()
            })
            .unwrap()
        };
        let topic = topic(address, "static", 4);
        let group = fresh("group");
        let seen = Watched::<Seen>::new();
        let (first, second) = (named("pod-1"), named("pod-2"));
        let one = reader(&first, &group, topic, 1, &seen);
        let two = reader(&second, &group, topic, 2, &seen);
        seen.wait("two each", |seen| seen.shares() == [2, 2]);
        let had = |member| {
            seen.change(|seen| {
                let mut had = seen.running[&member].clone();
                had.sort_unstable();
                had
            })
        };
        let (kept, mine) = (had(1), had(2));
        two.stop(PATIENCE).unwrap();
        let two = reader(&second, &group, topic, 2, &seen);
        seen.wait("back", |seen| seen.running[&2].len() == 2);
        assert_eq!((had(1), had(2)), (kept, mine));
        two.stop(PATIENCE).unwrap();
        one.stop(PATIENCE).unwrap();
    });
}

/// What another tool does to a group that has no members.
fn move_to(bootstrap: &str, group: &str, topic: &Topic, next: i64) {
    let tool: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic.name, 0, Offset::Offset(next))
        .unwrap();
    tool.commit(&list, CommitMode::Sync).unwrap();
}

#[test]
fn a_position_moved_from_outside_is_noticed_and_our_own_is_not() {
    everywhere(|address, log| {
        let topic = topic(address, "moved", 1);
        let group = fresh("group");
        let publisher = publisher(log);
        append(&publisher, &topic, 0..10);
        publisher.flush(PATIENCE).unwrap();
        assert_eq!(stand_at(log, &group, topic, 7), None);
        assert_eq!(stand_at(log, &group, topic, 5), None, "it was ours");
        move_to(address, &group, &topic, 2);
        assert_eq!(stand_at(log, &group, topic, 7), Some(2));
        assert_eq!(stand_at(log, &group, topic, 7), None, "our commit is back");
    });
}

/// A task that knows by itself where it stands: where it found the group's position moved to.
fn stand_at(log: &EventLog, group: &str, topic: Topic, next: i64) -> Option<i64> {
    let (found, answer) = mpsc::channel();
    let member = Subscriber::start(log, group, topic, move |mut assignment| {
        assignment.resume_at(next)?;
        found.send(assignment.moved_to())?;
        assignment.commit(next);
        while assignment.pause(PATIENCE) {}
        Ok(())
    })
    .unwrap();
    let moved_to = answer.recv_timeout(PATIENCE).unwrap();
    member.stop(PATIENCE).unwrap();
    moved_to
}
