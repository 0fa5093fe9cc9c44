//! The detector and its incident writer against the embedded broker: neither one bad record nor a fence that
//! somebody else has raised holds up what follows; knowledge that is not there yet is waited for.

#![allow(clippy::unwrap_used, reason = "a failed call is a failed test")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prost::Message as _;
use weir_conflict_detector::{Config, Lookups, Parts, Running, start};
use weir_eventlog::{
    EventLog, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig, Fsync},
};
use weir_events::{
    position::TopicEpoch,
    topics::{BGP_CONFLICTS, BGP_UPDATES},
    v1,
};
use weir_lifecycle::Health;
use weir_objects::{Objects, knowledge};
use weir_record_store::{BlockingRecordStore, RecordError, RecordStore};
use weir_routing::{Asn, Bogons, PathAttributes, Peer, Update, wire};

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

/// A detector with its incident writer, over a log and a store of its own.
struct Site {
    folder: tempfile::TempDir,
    broker: Broker,
    log: EventLog,
    records: BlockingRecordStore,
    running: Running,
    publisher: Publisher,
}

impl Site {
    fn open() -> Self {
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
            knowledge: weir_objects::Config::default().or_in(folder.path()),
            bogons: Bogons::parse("").unwrap(),
            stream: "test".to_owned(),
            synthetic: true,
            instance: "0".to_owned(),
            health: Health::new(),
            lookups: Lookups::default(),
        };
        Self {
            folder,
            broker,
            running: start(&Config::default(), parts).unwrap(),
            publisher: Publisher::connect(&log, PublisherOptions::default()).unwrap(),
            log,
            records,
        }
    }

    fn publish(&self, id: &str) {
        self.publisher.publish(0, b"", &incident(id)).unwrap();
        self.publisher.flush(DEADLINE).unwrap();
    }

    /// The ids in the store, once there are as many as are wanted.
    fn wait_for(&self, wanted: usize) -> Vec<String> {
        let stored = self.wait_for_rows(wanted);
        stored.into_iter().map(|(id, _)| id).collect()
    }

    /// The ids and types in the store, once there are as many as are wanted.
    fn wait_for_rows(&self, wanted: usize) -> Vec<(String, String)> {
        let until = Instant::now() + DEADLINE;
        loop {
            let mut stored = Vec::new();
            self.records
                .export_all(|row| -> Result<(), RecordError> {
                    stored.push((row.id.clone(), row.kind.clone()));
                    Ok(())
                })
                .unwrap();
            if stored.len() >= wanted {
                return stored;
            }
            assert!(Instant::now() < until, "{:?}", self.running.failure());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn close(self) {
        self.running.stop(DEADLINE).unwrap();
        self.log.disconnect();
        self.broker.stop();
    }
}

fn id(number: u8) -> String {
    format!("{number:02}111111-1111-5111-8111-111111111111")
}

#[test]
fn what_cannot_be_read_or_stored_is_set_aside_and_what_follows_is_stored() {
    let site = Site::open();
    let topic = BGP_CONFLICTS.name;
    site.publisher
        .publish_encoded(topic, 0, b"", b"\xff\xff no message", 0)
        .unwrap();
    site.publish("no uuid");
    site.publish(&id(0));
    assert_eq!(site.wait_for(1), [id(0)]);
    assert_eq!(admin::dead_letters(&site.log, &BGP_CONFLICTS).unwrap(), 2);
    site.close();
}

#[test]
fn a_fence_that_is_raised_underneath_the_writer_loses_nothing_and_fails_nothing() {
    let site = Site::open();
    site.publish(&id(0));
    site.wait_for(1);
    for number in 1..=2 {
        let (_, position) = site.records.raise_fence(0).unwrap();
        site.publish(&id(number));
        let stored = site.wait_for(usize::from(number) + 1);
        assert_eq!(stored, (0..=number).map(id).collect::<Vec<_>>());
        assert_eq!(
            site.records.position(0).unwrap(),
            Some(position + 1),
            "where the other had left it"
        );
    }
    assert_eq!(site.running.failure(), None);
    site.close();
}

/// An emission of a collector, as it stands in `bgp-updates`.
fn update(collector: &str, body: v1::bgp_update::Body) -> v1::BgpUpdate {
    v1::BgpUpdate {
        collector: collector.to_owned(),
        writer_epoch: 1,
        seq: 1,
        event_time_us: 1,
        receive_time_us: 1,
        body: Some(body),
        ..v1::BgpUpdate::default()
    }
}

#[test]
fn knowledge_that_is_not_there_yet_is_waited_for_and_then_judged_by() {
    let site = Site::open();
    let vrps = br#"[{"prefix": "10.0.0.0/8", "maxLength": 8, "asn": 64496}]"#;
    let announcement = Update {
        announced: vec![
            "10.64.0.0/16"
                .parse::<weir_routing::Prefix>()
                .unwrap()
                .into(),
        ],
        attributes: Some(Arc::new(PathAttributes {
            as_path: "64500 64510".parse().unwrap(),
            ..PathAttributes::default()
        })),
        ..Update::default()
    };
    let peer = Peer::new("198.18.0.1".parse().unwrap(), Asn(64_500));
    let [share] = wire::split(peer, &announcement).try_into().unwrap();
    let changed = v1::KnowledgeChanged {
        kind: "vrps".to_owned(),
        content_hash: knowledge::hash(vrps).to_vec(),
        as_of_us: 0,
    };
    let control = v1::Control {
        kind: Some(v1::control::Kind::KnowledgeChanged(changed)),
    };
    for message in [
        update("_control", v1::bgp_update::Body::Control(control)),
        update("rrc00", v1::bgp_update::Body::Routes(share.routes)),
    ] {
        let (topic, bytes) = (BGP_UPDATES.name, message.encode_to_vec());
        let partition = share.partition;
        let publisher = &site.publisher;
        publisher
            .publish_encoded(topic, partition, b"", &bytes, 0)
            .unwrap();
    }
    site.publisher.flush(DEADLINE).unwrap();

    // Had it not waited, it would find nothing wrong with the route.
    let place = weir_objects::Config::default().or_in(site.folder.path());
    let objects = Objects::prepare(&place).unwrap().of_stream("test");
    knowledge::put(&objects, "vrps", vrps).unwrap();
    let [(_, kind)] = site.wait_for_rows(1).try_into().unwrap();
    assert_eq!(kind, "rpki-invalid");
    assert_eq!(site.running.failure(), None);
    site.close();
}
