//! A running detector is asked over gRPC what it knows right now.

#![allow(clippy::unwrap_used, reason = "a failed call is a failed test")]

use std::{
    net::Ipv4Addr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};
use tonic::{Code, Status};
use weir_conflict_detector::{Config, Lookups, Parts, Running, start};
use weir_eventlog::{
    EventLog, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig, Fsync},
};
use weir_events::{
    position::TopicEpoch,
    time::SECOND_US,
    topics::BGP_UPDATES,
    v1::{self, bgp_update::Body, control::Kind},
};
use weir_lifecycle::{
    Health,
    admin::{self as port, AdminPort},
    telemetry::{self, Telemetry},
    tokens::Token,
};
use weir_lookups::{
    Client, Desk, server,
    v1::{LookUpAsnResponse, LookUpPrefixResponse, Rpki},
};
use weir_record_store::RecordStore;
use weir_routing::{Asn, Bogons, PathAttributes, Peer, Prefix, Update, wire};

const PATIENCE: Duration = Duration::from_secs(60);
/// Some midnight.
const START_S: i64 = 1_699_920_000;
const PREFIX: &str = "10.64.0.0/20";
const TOKEN: &str = "0123456789abcdef";

static TELEMETRY: LazyLock<Telemetry> = LazyLock::new(|| telemetry::metrics().unwrap());

fn prefix() -> Prefix {
    PREFIX.parse().unwrap()
}

fn home() -> u32 {
    prefix().block().partition()
}

/// A detector that is asked at an address.
struct Site {
    running: Option<Running>,
    port: AdminPort,
    runtime: Runtime,
    log: EventLog,
    broker: Broker,
    folder: tempfile::TempDir,
}

impl Site {
    /// Three peers have the prefix of AS64500, by a RIB.
    fn open(tokens: &[Token]) -> Self {
        Self::hearing_of(None, tokens)
    }

    /// Besides, the log names this content.
    fn hearing_of(knowledge: Option<v1::KnowledgeChanged>, tokens: &[Token]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(BrokerConfig {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            dir: folder.path().join("log"),
            fsync: Fsync::None,
            ..BrokerConfig::default()
        })
        .unwrap();
        let log = EventLog::embedded(broker.clone());
        admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
        tell(&log, knowledge);

        let desk = Desk::default();
        let port = open_port(desk.clone(), tokens);
        let running = start_one("0", &folder, &log, (desk, &port));
        Self {
            running: Some(running),
            port,
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            log,
            broker,
            folder,
        }
    }

    fn prefix(&self, token: Option<&str>, partition: u32) -> Result<LookUpPrefixResponse, Status> {
        let client = Client::new(token.map(Token::new).as_ref()).unwrap();
        let address = self.port.address().to_string();
        self.runtime
            .block_on(client.prefix(&address, partition, prefix()))
    }

    fn asn(&self, asn: u32) -> Result<LookUpAsnResponse, Status> {
        let client = Client::default();
        let address = self.port.address().to_string();
        self.runtime
            .block_on(client.asn(&address, home(), Asn(asn)))
    }

    /// Once everything that was told is in it.
    fn caught_up(&self, token: Option<&str>) -> LookUpPrefixResponse {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.prefix(token, home());
            match answer {
                Ok(answer) if answer.as_of_us >= (START_S + 1) * SECOND_US => return answer,
                answer => assert!(Instant::now() < until, "{answer:?}"),
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn stop(&mut self) {
        self.running.take().unwrap().stop(PATIENCE).unwrap();
    }

    fn close(mut self) {
        if self.running.is_some() {
            self.stop();
        }
        self.log.disconnect();
        self.broker.stop();
    }
}

/// The admin port of one process, with the look-ups of its desk.
fn open_port(desk: Desk, tokens: &[Token]) -> AdminPort {
    let paths = port::router(Health::new(), TELEMETRY.clone());
    let routes = paths.merge(server::routes(desk, tokens.into()));
    AdminPort::open((Ipv4Addr::LOCALHOST, 0).into(), |_| routes).unwrap()
}

/// A detector with a disk of its own.
fn start_one(
    instance: &str,
    folder: &tempfile::TempDir,
    log: &EventLog,
    (desk, port): (Desk, &AdminPort),
) -> Running {
    let file = folder.path().join("incidents.db");
    let parts = Parts {
        log: log.clone(),
        records: RecordStore::blocking(&format!("sqlite://{}", file.display())).unwrap(),
        checkpoints: folder.path().join(instance),
        copies: None,
        knowledge: weir_objects::Config::default().or_in(folder.path()),
        bogons: Bogons::parse("").unwrap(),
        stream: "test".to_owned(),
        synthetic: true,
        instance: instance.to_owned(),
        health: Health::new(),
        lookups: Lookups {
            desk,
            address: Some(port.address().to_string()),
        },
    };
    start(&Config::default(), parts).unwrap()
}

fn tell(log: &EventLog, knowledge: Option<v1::KnowledgeChanged>) {
    let publisher = Publisher::connect(log, PublisherOptions::default()).unwrap();
    let mut seq = 0;
    let mut send = |partitions: std::ops::Range<u32>, second: i64, body: Body| {
        seq += 1;
        let record = v1::BgpUpdate {
            collector: "rrc00".to_owned(),
            writer_epoch: 1,
            seq,
            event_time_us: (START_S + second) * SECOND_US,
            body: Some(body),
            ..v1::BgpUpdate::default()
        };
        for partition in partitions {
            publisher.publish(partition, b"", &record).unwrap();
        }
    };
    let control = |kind| Body::Control(v1::Control { kind: Some(kind) });
    let tick = || control(Kind::Tick(v1::Tick {}));
    send(0..BGP_UPDATES.partitions, 0, tick());
    for n in 1..4 {
        let address = format!("198.18.0.{n}").parse().unwrap();
        let peer = Peer::new(address, Asn(64_500 + n));
        let path = format!("{} 64500", peer.asn);
        let update = Update {
            announced: vec![prefix().into()],
            attributes: Some(Arc::new(PathAttributes {
                as_path: path.parse().unwrap(),
                ..PathAttributes::default()
            })),
            from_rib: true,
            ..Update::default()
        };
        let [share] = wire::split(peer, &update).try_into().unwrap();
        let home = share.partition;
        send(home..home + 1, 0, Body::Routes(share.routes));
    }
    send(0..BGP_UPDATES.partitions, 1, tick());
    if let Some(knowledge) = knowledge {
        let knowledge = control(Kind::KnowledgeChanged(knowledge));
        send(0..BGP_UPDATES.partitions, 1, knowledge);
    }
    publisher.flush(PATIENCE).unwrap();
}

#[test]
fn it_says_who_originates_a_prefix_and_what_a_network_originates() {
    let site = Site::open(&[]);
    let answer = site.caught_up(None);
    assert!(answer.known);
    assert_eq!((answer.carrying, answer.vantage_points), (3, 3));
    let [origin] = &answer.origins[..] else {
        panic!("{answer:?}");
    };
    assert_eq!(origin.asns, [64_500]);
    assert_eq!(origin.rpki(), Rpki::Unknown);
    assert!(origin.stable);
    let paths: Vec<_> = origin.carriers.iter().map(|one| &*one.as_path).collect();
    assert_eq!(paths, ["64501 64500", "64502 64500", "64503 64500"]);
    assert_eq!(origin.carriers[0].collector, "rrc00");
    assert_eq!(origin.carriers[0].peer_address, "198.18.0.1");

    let network = site.asn(64_500).unwrap();
    assert_eq!(network.ipv4[0].prefix, PREFIX);
    let beside: Vec<_> = network.neighbours.iter().map(|one| one.asn).collect();
    assert_eq!(beside, [64_501, 64_502, 64_503]);
    assert_eq!(site.asn(64_599).unwrap().ipv4, []);

    let status = site.running.as_ref().unwrap().status().snapshot();
    assert_eq!(status.lookup_address, site.port.address().to_string());
    let all: Vec<_> = (0..BGP_UPDATES.partitions).collect();
    assert_eq!(status.lookup_partitions, all);
    site.close();
}

#[test]
fn who_has_no_token_is_refused_where_there_is_one() {
    let site = Site::open(&[Token::new(TOKEN)]);
    site.caught_up(Some(TOKEN));
    for wrong in [None, Some("fedcba9876543210")] {
        let refused = site.prefix(wrong, home()).unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().contains("[lookups]"), "{refused}");
    }
    // The admin paths stay as they were, on the same port.
    let ask = |path| port::ask(site.port.address(), path, PATIENCE).unwrap();
    assert_eq!(ask("/livez").0, 200);
    assert!(ask("/metrics").1.contains("weir_lookup_seconds"));
    assert_eq!(ask("/nothing").0, 404);
    site.close();
}

#[test]
fn what_is_elsewhere_is_said_to_be_and_so_is_what_was_given_back() {
    let mut site = Site::open(&[]);
    site.caught_up(None);
    let elsewhere = site.prefix(None, BGP_UPDATES.partitions).unwrap_err();
    assert_eq!(elsewhere.code(), Code::NotFound);
    let other = (home() + 1) % BGP_UPDATES.partitions;
    assert!(!site.prefix(None, other).unwrap().known);
    site.stop();
    let gone = site.prefix(None, home()).unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    assert!(gone.message().contains("service-status"), "{gone}");
    site.close();
}

#[test]
fn a_partition_is_answered_for_by_who_has_it_now() {
    let mut site = Site::open(&[]);
    site.caught_up(None);
    let desk = Desk::default();
    let port = open_port(desk.clone(), &[]);
    let other = start_one("1", &site.folder, &site.log, (desk, &port));
    let partitions = |of: &Running| of.status().snapshot().lookup_partitions;
    let until = Instant::now() + PATIENCE;
    let moved = loop {
        let here = partitions(site.running.as_ref().unwrap());
        let there = partitions(&other);
        if !there.is_empty() && here.len() + there.len() == BGP_UPDATES.partitions as usize {
            break there[0];
        }
        assert!(Instant::now() < until, "{here:?} {there:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    };
    let gone = site.prefix(None, moved).unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    site.stop();
    let first = std::mem::replace(&mut site.port, port);
    site.caught_up(None);
    let all: Vec<_> = (0..BGP_UPDATES.partitions).collect();
    assert_eq!(partitions(&other), all);
    other.stop(PATIENCE).unwrap();
    drop(first);
    site.close();
}

#[test]
fn a_task_that_waits_for_knowledge_says_so() {
    let nowhere = v1::KnowledgeChanged {
        kind: "vrps".to_owned(),
        content_hash: vec![7; 32],
        as_of_us: START_S * SECOND_US,
    };
    let site = Site::hearing_of(Some(nowhere), &[]);
    let until = Instant::now() + PATIENCE;
    loop {
        // It may answer until it has read that far.
        if let Err(why) = site.prefix(None, home())
            && why.message().contains("waits for knowledge")
        {
            assert_eq!(why.code(), Code::Unavailable);
            break;
        }
        assert!(Instant::now() < until, "it does not wait");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    site.close();
}
