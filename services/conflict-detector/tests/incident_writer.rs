//! The incident writer against the embedded broker: one bad record holds up nothing behind it.

#![allow(clippy::unwrap_used, reason = "a failed call is a failed test")]

use std::time::{Duration, Instant};

use weir_conflict_detector::{Config, Parts, start};
use weir_eventlog::{
    EventLog, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig, Fsync},
};
use weir_events::{position::TopicEpoch, topics::BGP_CONFLICTS, v1};
use weir_lifecycle::Health;
use weir_record_store::RecordStore;
use weir_routing::Bogons;

const DEADLINE: Duration = Duration::from_secs(60);

fn incident(id: &str) -> v1::Incident {
    let prefix = v1::Prefix {
        address: Some(v1::prefix::Address::Ipv4(0xC000_0200)),
        length: 24,
        path_id: 0,
    };
    v1::Incident {
        id: id.to_owned(),
        version: 1 << 41 | 2,
        r#type: "moas".to_owned(),
        prefix: Some(prefix),
        state: v1::incident::State::Suspected.into(),
        severity: v1::incident::Severity::Low.into(),
        transition: v1::incident::Transition::Opened.into(),
        ..Default::default()
    }
}

#[test]
fn what_cannot_be_read_or_stored_is_set_aside_and_what_follows_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        dir: folder.path().join("log"),
        fsync: Fsync::None,
        ..BrokerConfig::default()
    })
    .unwrap();
    let log = EventLog::embedded(broker.clone());
    admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
    let file = folder.path().join("incidents.db");
    let records = RecordStore::blocking(&format!("sqlite://{}", file.display())).unwrap();
    let parts = Parts {
        log: log.clone(),
        records: records.clone(),
        checkpoints: folder.path().join("checkpoints"),
        copies: None,
        bogons: Bogons::parse("").unwrap(),
        stream: "test".to_owned(),
        synthetic: true,
        instance: "0".to_owned(),
        health: Health::new(),
    };
    let running = start(&Config::default(), parts).unwrap();

    let publisher = Publisher::connect(&log, PublisherOptions::default()).unwrap();
    let topic = BGP_CONFLICTS.name;
    publisher
        .publish_encoded(topic, 0, b"", b"\xff\xff no message", 0)
        .unwrap();
    publisher.publish(0, b"", &incident("no uuid")).unwrap();
    let good = "11111111-1111-5111-8111-111111111111";
    publisher.publish(0, b"", &incident(good)).unwrap();
    publisher.flush(DEADLINE).unwrap();

    let until = Instant::now() + DEADLINE;
    let mut stored = Vec::new();
    while stored.is_empty() {
        assert!(Instant::now() < until, "{:?}", running.failure());
        records
            .export_all(|row| -> Result<(), weir_record_store::RecordError> {
                stored.push(row.id.clone());
                Ok(())
            })
            .unwrap();
        std::thread::park_timeout(Duration::from_millis(20));
    }
    running.stop(DEADLINE).unwrap();
    assert_eq!(stored, [good]);
    assert_eq!(admin::dead_letters(&log, &BGP_CONFLICTS).unwrap(), 2);
    log.disconnect();
    broker.stop();
}
