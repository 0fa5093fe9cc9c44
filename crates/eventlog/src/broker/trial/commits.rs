//! A broker that cannot write committed offsets for a while: its disk is full.

use std::time::{Duration, Instant};

use weir_events::{position::TopicEpoch, topics::BGP_CONFLICTS};

use crate::{
    EventLog, Next, Publisher, PublisherOptions, Subscriber, admin,
    broker::{Broker, BrokerConfig, Fsync},
};

const PATIENCE: Duration = Duration::from_secs(60);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_member_whose_commit_was_refused_repeats_its_newest_position_though_nothing_comes_and_seldom() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        dir: folder.path().to_owned(),
        fsync: Fsync::None,
        ..BrokerConfig::default()
    })
    .unwrap();
    let log = EventLog::embedded(broker.clone());
    admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
    let subscriber = Subscriber::start(&log, "g", BGP_CONFLICTS, |mut assignment| {
        assignment.resume_at(0)?;
        loop {
            match assignment.next(1, Duration::from_millis(50))? {
                Next::Batch(batch) => assignment.commit(batch.next_offset()),
                Next::Idle => {}
                Next::Revoked | Next::Lost => return Ok(()),
            }
        }
    })
    .unwrap();
    let offsets = &broker.running.node.offsets;
    offsets.refuse(true);
    let publisher = Publisher::connect(&log, PublisherOptions::default()).unwrap();
    let began = Instant::now();
    for number in 0..500 {
        let partition = number % BGP_CONFLICTS.partitions;
        publisher
            .publish_encoded(BGP_CONFLICTS.name, partition, b"", b"x", 0)
            .unwrap();
    }
    publisher.flush(PATIENCE).unwrap();
    until("some refusals", || offsets.refused() >= 4);
    until("three seconds", || began.elapsed() > Duration::from_secs(3));
    let first = offsets.refused();
    until("two seconds more", || {
        began.elapsed() > Duration::from_secs(5)
    });
    let more = offsets.refused() - first;
    assert!(more <= 12, "{more} commits in two seconds");

    offsets.refuse(false);
    let committed = || admin::committed(&log, "g", &BGP_CONFLICTS).unwrap();
    until("the newest positions", || committed() == [Some(125); 4]);
    subscriber.stop(PATIENCE).unwrap();
    log.disconnect();
    broker.stop();
}
