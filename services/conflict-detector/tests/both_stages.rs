//! Both stages of the detector against the embedded broker: a forged neighbour becomes an incident though no partition
//! sees enough of it, and neither a restart nor a replay of either stage tells it twice.

#![allow(clippy::unwrap_used, reason = "a failed call is a failed test")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use weir_conflict_detector::{
    CORRELATOR_GROUP, Config, GROUP, Lookups, Parts, Running, WRITER_GROUP, start,
};
use weir_eventlog::{
    EventLog, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig, Fsync},
};
use weir_events::{
    position::TopicEpoch,
    time::SECOND_US,
    topics::{BGP_CONFLICTS, BGP_SIGNALS, BGP_UPDATES, Topic},
    v1::{self, bgp_update::Body, control::Kind},
};
use weir_lifecycle::Health;
use weir_objects::Objects;
use weir_record_store::{BlockingRecordStore, RecordError, RecordStore};
use weir_routing::{Asn, Bogons, PathAttributes, Peer, Prefix, Update, wire};

const PATIENCE: Duration = Duration::from_secs(60);
/// Some midnight.
const START_S: i64 = 1_699_920_000;
const PREFIX: &str = "10.64.0.0/20";

/// A log, the stores beside it, and what one collector writes.
struct Site {
    folder: tempfile::TempDir,
    broker: Broker,
    log: EventLog,
    records: BlockingRecordStore,
    publisher: Publisher,
    /// Where the stages copy what they know.
    copies: Option<Objects>,
    seq: u64,
    now_s: i64,
}

fn broker(dir: PathBuf) -> (Broker, EventLog) {
    let broker = Broker::start(BrokerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        dir,
        fsync: Fsync::None,
        ..BrokerConfig::default()
    })
    .unwrap();
    let log = EventLog::embedded(broker.clone());
    admin::ensure_topics(&log, TopicEpoch(1)).unwrap();
    (broker, log)
}

impl Site {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (broker, log) = broker(folder.path().join("log"));
        let file = folder.path().join("incidents.db");
        Self {
            records: RecordStore::blocking(&format!("sqlite://{}", file.display())).unwrap(),
            publisher: Publisher::connect(&log, PublisherOptions::default()).unwrap(),
            copies: None,
            folder,
            broker,
            log,
            seq: 0,
            now_s: START_S,
        }
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.path().join("checkpoints")
    }

    fn start(&self) -> Running {
        let config = Config {
            checkpoint_seconds: 1,
            ..Config::default()
        };
        let parts = Parts {
            log: self.log.clone(),
            records: self.records.clone(),
            checkpoints: self.checkpoints(),
            copies: self.copies.clone(),
            knowledge: weir_objects::Config::default().or_in(self.folder.path()),
            bogons: Bogons::parse("").unwrap(),
            stream: "test".to_owned(),
            synthetic: true,
            instance: "0".to_owned(),
            health: Health::new(),
            lookups: Lookups::default(),
        };
        start(&config, parts).unwrap()
    }

    /// One emission: copies of it share its number.
    fn send(&mut self, partitions: impl Iterator<Item = u32>, body: &Body) {
        self.seq += 1;
        let at_us = self.now_s * SECOND_US;
        let record = v1::BgpUpdate {
            collector: "rrc00".to_owned(),
            writer_epoch: 1,
            seq: self.seq,
            event_time_us: at_us,
            receive_time_us: at_us,
            body: Some(body.clone()),
            ..v1::BgpUpdate::default()
        };
        for partition in partitions {
            self.publisher.publish(partition, b"", &record).unwrap();
        }
    }

    /// So many seconds pass, in one Tick.
    fn pass(&mut self, seconds: i64) {
        self.now_s += seconds;
        let kind = Some(Kind::Tick(v1::Tick {}));
        let tick = Body::Control(v1::Control { kind });
        self.send(0..BGP_UPDATES.partitions, &tick);
        self.publisher.flush(PATIENCE).unwrap();
    }

    /// Each of these peers has the prefix behind this tail.
    fn announce(&mut self, peers: std::ops::Range<u8>, tail: &str, from_rib: bool) {
        for n in peers {
            let peer = Peer::new(
                format!("198.18.0.{n}").parse().unwrap(),
                Asn(64_500 + u32::from(n)),
            );
            let update = Update {
                announced: vec![PREFIX.parse::<Prefix>().unwrap().into()],
                attributes: Some(Arc::new(PathAttributes {
                    as_path: format!("{} {tail}", peer.asn).parse().unwrap(),
                    ..PathAttributes::default()
                })),
                from_rib,
                ..Update::default()
            };
            let [share] = wire::split(peer, &update).try_into().unwrap();
            self.send(
                std::iter::once(share.partition),
                &Body::Routes(share.routes),
            );
        }
    }

    /// Records in a topic, without the one that each partition of those with an epoch begins with.
    fn told(&self, topic: &Topic) -> i64 {
        let starts = if topic.has_epoch { topic.partitions } else { 0 };
        let ends = admin::end_offsets(&self.log, topic).unwrap();
        ends.iter().sum::<i64>() - i64::from(starts)
    }

    fn is_committed(&self, group: &str, topic: &Topic) -> bool {
        let ends = admin::end_offsets(&self.log, topic).unwrap();
        let committed = admin::committed(&self.log, group, topic).unwrap();
        let mut each = ends.iter().zip(committed);
        each.all(|(end, next)| next.unwrap_or(0) >= *end)
    }

    /// Until each stage stands behind what the one before it has written.
    fn catch_up(&self, running: &Running) {
        let stages = [
            (GROUP, BGP_UPDATES),
            (CORRELATOR_GROUP, BGP_SIGNALS),
            (WRITER_GROUP, BGP_CONFLICTS),
        ];
        for (group, topic) in stages {
            wait(running, group, || self.is_committed(group, &topic));
        }
    }

    /// Type, suspect and version of every incident that is stored.
    fn stored(&self) -> Vec<(String, Option<u32>, u64)> {
        let mut stored = Vec::new();
        self.records
            .export_all(|row| -> Result<(), RecordError> {
                stored.push((row.kind.clone(), row.suspect_asn, row.version.0));
                Ok(())
            })
            .unwrap();
        stored
    }

    fn close(self) {
        self.records.close();
        self.log.disconnect();
        self.broker.stop();
    }
}

fn wait(running: &Running, what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert_eq!(running.failure(), None);
        assert!(Instant::now() < until, "{what}: {:?}", running.waiting());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Signals that were new to the second stage, and that it had been told before.
fn counted(running: &Running) -> (i64, i64) {
    let counters = running.correlator_status().snapshot().counters;
    let count = |name: &str| counters.get(name).map_or(0, |count| (*count).cast_signed());
    (count("signals"), count("duplicates"))
}

/// Forgets what the first stage knows, as if its disk was lost.
fn forget_first_stage(checkpoints: &Path) {
    for partition in 0..BGP_UPDATES.partitions {
        fs::remove_dir_all(checkpoints.join(partition.to_string())).unwrap();
    }
}

fn forget_second_stage(checkpoints: &Path) {
    for partition in 0..BGP_SIGNALS.partitions {
        fs::remove_file(checkpoints.join(format!("signals-{partition}.redb"))).unwrap();
    }
}

#[test]
fn a_forged_neighbour_is_found_once_whatever_is_started_again_or_replayed() {
    let mut site = Site::open();
    let running = site.start();
    site.pass(0);
    site.announce(1..5, "64508 64500", true);
    site.pass(60);
    site.catch_up(&running);
    assert_eq!(site.stored(), []);
    let told = site.told(&BGP_SIGNALS);
    assert!(told > 0);
    assert_eq!(counted(&running), (told, 0));
    running.stop(PATIENCE).unwrap();

    // Each goes on where it stood: what was there before is known, and told no second time.
    let running = site.start();
    site.announce(1..4, "64511 64500", false);
    site.pass(1);
    site.pass(1);
    site.catch_up(&running);
    let told = site.told(&BGP_SIGNALS);
    assert_eq!(counted(&running), (told, 0));
    let found = site.stored();
    let named: Vec<_> = found.iter().map(|(kind, who, _)| (&**kind, *who)).collect();
    assert_eq!(named, [("fake-first-hop", Some(64_511))]);
    let transitions = site.told(&BGP_CONFLICTS);
    running.stop(PATIENCE).unwrap();

    // The first stage tells all again; the second has heard it.
    forget_first_stage(&site.checkpoints());
    let running = site.start();
    wait(&running, "told again", || {
        site.told(&BGP_SIGNALS) == 2 * told
    });
    wait(&running, "heard again", || {
        counted(&running) == (told, told)
    });
    site.catch_up(&running);
    assert_eq!(site.told(&BGP_CONFLICTS), transitions);
    running.stop(PATIENCE).unwrap();

    // The second stage begins anew, and tells again what it told; the store has it.
    forget_second_stage(&site.checkpoints());
    let running = site.start();
    wait(&running, "heard anew", || counted(&running) == (told, told));
    site.catch_up(&running);
    assert_eq!(site.told(&BGP_CONFLICTS), 2 * transitions);
    assert_eq!(site.stored(), found);
    running.stop(PATIENCE).unwrap();
    site.close();
}

#[test]
fn a_machine_without_their_disk_goes_on_from_the_copies_of_both_stages() {
    let mut site = Site::open();
    let objects = site.folder.path().join("objects");
    site.copies = Some(Objects::open(&objects.display().to_string()).unwrap());
    let running = site.start();
    site.pass(0);
    site.announce(1..5, "64508 64500", true);
    site.pass(60);
    site.catch_up(&running);
    running.stop(PATIENCE).unwrap();

    fs::remove_dir_all(site.checkpoints()).unwrap();
    let running = site.start();
    site.announce(1..4, "64511 64500", false);
    site.pass(1);
    site.pass(1);
    site.catch_up(&running);
    assert_eq!(counted(&running), (site.told(&BGP_SIGNALS), 0));
    assert_eq!(site.stored().len(), 1);
    running.stop(PATIENCE).unwrap();
    site.close();
}

#[test]
fn a_bad_signal_is_set_aside_and_the_state_refuses_another_log() {
    let mut site = Site::open();
    let running = site.start();
    let bad = v1::Signal {
        told: vec![v1::Told { what: None }],
        ..v1::Signal::default()
    };
    site.publisher.publish(0, b"", &bad).unwrap();
    let (topic, no_signal) = (BGP_SIGNALS.name, b"\xff\xff no message");
    site.publisher
        .publish_encoded(topic, 0, b"", no_signal, 0)
        .unwrap();
    site.pass(0);
    site.pass(2);
    site.catch_up(&running);
    assert_eq!(admin::dead_letters(&site.log, &BGP_SIGNALS).unwrap(), 2);
    running.stop(PATIENCE).unwrap();

    site.log.disconnect();
    site.broker.stop();
    (site.broker, site.log) = broker(site.folder.path().join("another"));
    forget_first_stage(&site.checkpoints());
    let running = site.start();
    let until = Instant::now() + PATIENCE;
    let failure = loop {
        if let Some(failure) = running.failure() {
            break failure;
        }
        assert!(Instant::now() < until, "it went on");
        std::thread::park_timeout(Duration::from_millis(20));
    };
    assert!(
        failure.contains("not the log that the state of the detector's second stage was made of"),
        "{failure}"
    );
    // It has failed: what is not done is not asked for.
    running.stop(PATIENCE).unwrap_err();
    site.close();
}
