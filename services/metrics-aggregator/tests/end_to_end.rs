//! Messages in the embedded log become windows in the store, across a stop and a start.
#![expect(clippy::unwrap_used, reason = "a failure is a panic in a test")]

use std::{
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

use weir_eventlog::{
    EventLog, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig},
};
use weir_events::{
    position::TopicEpoch,
    time::SECOND_US,
    topics::{self, BGP_MESSAGES, Topic, WINDOW_RESULTS},
    v1::{self, bgp_message::Body, control::Kind},
};
use weir_lifecycle::Health;
use weir_metric_store::{MetricStore, Window};
use weir_metrics_aggregator::{Config, PEER_GROUP, Parts, Running, WRITER_GROUP, start};

const PATIENCE: Duration = Duration::from_secs(60);

fn message(seq: u64, second: i64, body: Body) -> v1::BgpMessage {
    v1::BgpMessage {
        collector: "rrc00".to_owned(),
        seq,
        event_time_us: second * SECOND_US,
        peer: Some(v1::Peer::new(IpAddr::from([192, 0, 2, 1]), 64496)),
        body: Some(body),
        ..Default::default()
    }
}

fn publish(log: &EventLog, seconds: std::ops::Range<i64>) {
    let publisher = Publisher::connect(log, PublisherOptions::default()).unwrap();
    let key = b"192.0.2.1:64496";
    let home = topics::partition(&BGP_MESSAGES, key);
    for second in seconds {
        let seq = second.unsigned_abs() * 2;
        let keepalive = message(seq, second, Body::Keepalive(v1::Keepalive {}));
        publisher.publish(home, key, &keepalive).unwrap();
        let kind = Some(Kind::Tick(v1::Tick {}));
        let tick = message(seq + 1, second, Body::Control(v1::Control { kind }));
        for partition in 0..BGP_MESSAGES.partitions {
            publisher.publish(partition, b"", &tick).unwrap();
        }
    }
    publisher.flush(PATIENCE).unwrap();
}

fn wait_for(log: &EventLog, running: &Running, group: &str, topic: &Topic) {
    let ends = admin::end_offsets(log, topic).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let committed = admin::committed(log, group, topic).unwrap();
        let there = |(end, at): (&i64, &Option<i64>)| at.unwrap_or(0) >= *end;
        if ends.iter().zip(&committed).all(there) {
            return;
        }
        assert_eq!(running.failure(), None);
        assert!(Instant::now() < until, "{group}: {committed:?} of {ends:?}");
        std::thread::yield_now();
    }
}

fn run(log: &EventLog, folder: &Path) -> Vec<Window> {
    let parts = Parts {
        log: log.clone(),
        store: MetricStore::open(folder.join("metrics.redb").to_str().unwrap()).unwrap(),
        state: folder.join("aggregator"),
        copies: None,
        stream: "live".to_owned(),
        synthetic: false,
        instance: "1".to_owned(),
        health: Health::new(),
    };
    let running = start(&Config::default(), parts).unwrap();
    wait_for(log, &running, PEER_GROUP, &BGP_MESSAGES);
    wait_for(log, &running, WRITER_GROUP, &WINDOW_RESULTS);
    let mut windows = Vec::new();
    running
        .store()
        .export(|window| windows.push(window))
        .unwrap();
    running.stop(PATIENCE).unwrap();
    windows
}

#[test]
fn windows_reach_the_store_and_a_second_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        dir: folder.path().join("log"),
        ..BrokerConfig::default()
    })
    .unwrap();
    let log = EventLog::embedded(broker);
    admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
    publish(&log, 0..100);
    let first = run(&log, folder.path());
    let messages = |windows: &[Window], minute: i64| {
        let start_us = minute * 60 * SECOND_US;
        let found = windows
            .iter()
            .find(|window| window.start_us == start_us && window.width_us() == 60 * SECOND_US);
        found.map(|window| (window.measures[0].1, window.is_final))
    };
    assert_eq!(messages(&first, 0), Some((60, true)));
    assert_eq!(
        messages(&first, 1).map(|(_, is_final)| is_final),
        Some(false)
    );
    publish(&log, 100..200);
    let second = run(&log, folder.path());
    assert_eq!(messages(&second, 0), Some((60, true)));
    assert_eq!(messages(&second, 1), Some((60, true)));
}
