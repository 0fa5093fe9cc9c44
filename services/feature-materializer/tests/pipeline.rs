//! The service against the embedded broker: the same rows whatever the batches, and whatever was
//! lost between an effect and the note of it.

#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use redb::{ReadableTable, TableDefinition};
use weir_eventlog::{
    EventLog, Publisher, PublisherOptions, admin,
    broker::{Broker, BrokerConfig, Fsync},
    status::StatusBoard,
};
use weir_events::{
    position::TopicEpoch,
    time::{MINUTE_US, SECOND_US},
    topics::{self, BGP_MESSAGES, FEATURE_ROWS, Topic},
    v1::{self, bgp_message::Body, control::Kind},
};
use weir_feature_materializer::{Config, Place, Running, start, views};
use weir_features::{FeatureRow, Value};
use weir_lifecycle::Health;
use weir_objects::Objects;
use weir_offline_store::OfflineStore;
use weir_online_store::OnlineStore;

const DEADLINE: Duration = Duration::from_secs(60);
const PEERS: u8 = 9;
const SECONDS: i64 = 40;

/// A broker, its log, and the folders of one stream.
struct Laptop {
    folder: tempfile::TempDir,
    broker: Broker,
    log: EventLog,
    copies: Option<Objects>,
    /// Rows of one file of history.
    rows: usize,
}

impl Laptop {
    fn start() -> Self {
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
        Self {
            folder,
            broker,
            log,
            copies: None,
            rows: 50,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, batch: usize) -> Running {
        let config = Config {
            batch,
            history_rows: self.rows,
            history_idle_ms: 50,
            ..Config::default()
        };
        let place = Place {
            state: self.path("materializer"),
            online: self.online(),
            history: self.history(),
            instance: "test".to_owned(),
            stream: "test".to_owned(),
            synthetic: true,
            copies: self.copies.clone(),
            health: Health::new(),
        };
        start(&config, &self.log, place).unwrap()
    }

    fn online(&self) -> OnlineStore {
        OnlineStore::open(&format!("file://{}", self.path("online.redb").display())).unwrap()
    }

    fn history(&self) -> OfflineStore {
        OfflineStore::open(&format!("file://{}", self.path("history").display())).unwrap()
    }

    /// Runs until everything in the log is in the stores, and stops.
    fn catch_up(&self, batch: usize) {
        let running = self.run(batch);
        let [materializer, online, history] = running.statuses() else {
            unreachable!("three stages")
        };
        self.until(&running, materializer, &BGP_MESSAGES);
        self.until(&running, online, &FEATURE_ROWS);
        self.until(&running, history, &FEATURE_ROWS);
        running.stop(DEADLINE).unwrap();
    }

    fn until(&self, running: &Running, board: &StatusBoard, topic: &Topic) {
        let ends = admin::end_offsets(&self.log, topic).unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = board.snapshot();
            let there = ends.iter().zip(0..).all(|(end, partition)| {
                status
                    .partitions
                    .iter()
                    .any(|found| found.partition == partition && found.position >= *end)
            });
            if there {
                return;
            }
            assert_eq!(running.failure(), None);
            assert!(
                Instant::now() < deadline,
                "{} of {}",
                topic.name,
                status.service
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn online_rows(&self) -> Vec<FeatureRow> {
        let view = &views::all()[0];
        self.online().rows(&view.name, None, 10_000).unwrap()
    }

    fn history_rows(&self) -> Vec<FeatureRow> {
        self.history().read_all(&views::all()[0]).unwrap()
    }

    /// Every file of the history, and its bytes.
    fn history_files(&self) -> BTreeMap<String, Vec<u8>> {
        let history = self.history();
        let views = views::all();
        let names = views.iter().flat_map(|view| history.files(view).unwrap());
        names
            .map(|name| (name.clone(), history.read(&name).unwrap().to_vec()))
            .collect()
    }

    /// Keeps what lies under `name` as `copy`.
    fn copy(&self, name: &str, copy: &str) {
        copy_all(&self.path(name), &self.path(copy));
    }

    /// Takes away the files that follow the ledger's positions and promises their ranges, as a
    /// writer does that dies before it writes them. Gives the paths and what they held.
    fn promise_what_followed(&self) -> Vec<(PathBuf, Vec<u8>)> {
        const POSITIONS: TableDefinition<'_, u32, i64> = TableDefinition::new("positions");
        const RANGES: TableDefinition<'_, u32, i64> = TableDefinition::new("ranges");
        let ledger = weir_embedded::open(&self.path("materializer/history.redb")).unwrap();
        let transaction = ledger.begin_write().unwrap();
        let mut taken = Vec::new();
        for file in self.history().files(&views::all()[0]).unwrap() {
            let name = file
                .rsplit('/')
                .next()
                .unwrap()
                .trim_end_matches(".parquet");
            let numbers: Vec<i64> = name.split('-').map(|text| text.parse().unwrap()).collect();
            let &[partition, start, end] = numbers.as_slice() else {
                unreachable!("partition, start, end")
            };
            let partition = u32::try_from(partition).unwrap();
            let positions = transaction.open_table(POSITIONS).unwrap();
            let position = positions.get(partition).unwrap().map(|found| found.value());
            let mut ranges = transaction.open_table(RANGES).unwrap();
            // Earlier steps of the test have left files of other ranges at the same start.
            if position == Some(start) && ranges.get(partition).unwrap().is_none() {
                ranges.insert(partition, end).unwrap();
                let path = self.path("history").join(&file);
                taken.push((path.clone(), std::fs::read(&path).unwrap()));
                std::fs::remove_file(path).unwrap();
            }
        }
        transaction.commit().unwrap();
        taken
    }

    fn rows_in_log(&self) -> i64 {
        let ends = admin::end_offsets(&self.log, &FEATURE_ROWS).unwrap();
        ends.iter().sum()
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        self.broker.stop();
    }
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy_all(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

/// Writes as ingest does: messages by peer, controls to every partition.
struct Writer {
    publisher: Publisher,
    seq: u64,
    random: u64,
}

impl Writer {
    fn new(log: &EventLog) -> Self {
        Self {
            publisher: Publisher::connect(log, PublisherOptions::default()).unwrap(),
            seq: 0,
            random: 7,
        }
    }

    fn random(&mut self, below: u8) -> u8 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from((self.random >> 33) % u64::from(below)).unwrap()
    }

    fn send(&mut self, time_us: i64, peer: Option<v1::Peer>, body: Body) {
        self.seq += 1;
        let message = v1::BgpMessage {
            collector: "rrc00".to_owned(),
            seq: self.seq,
            event_time_us: time_us,
            peer,
            body: Some(body),
            synthetic: true,
            ..Default::default()
        };
        let partitions = match peer {
            Some(peer) => {
                let home = topics::partition(&BGP_MESSAGES, peer.entity().as_bytes());
                home..home + 1
            }
            None => 0..BGP_MESSAGES.partitions,
        };
        for partition in partitions {
            self.publisher.publish(partition, b"key", &message).unwrap();
        }
    }

    fn control(&mut self, time_us: i64, kind: Kind) {
        let control = v1::Control { kind: Some(kind) };
        self.send(time_us, None, Body::Control(control));
    }

    /// Some seconds of a busy morning.
    fn play(&mut self, seconds: std::ops::Range<i64>) {
        for second in seconds {
            let time_us = second * SECOND_US;
            for _ in 0..30 {
                let number = self.random(PEERS);
                let peer = v1::Peer::new([192, 0, 2, number].into(), 64_496);
                let prefix = v1::Prefix::new([10, self.random(40), 0, 0].into(), 16);
                let body = match self.random(12) {
                    0 => {
                        let reason = "hold timer".to_owned();
                        let peer = Some(peer);
                        self.control(time_us, Kind::PeerDown(v1::PeerDown { peer, reason }));
                        continue;
                    }
                    1 => Body::Open(v1::Open {
                        direction: i32::from(self.random(3)),
                        asn: 64_496,
                        hold_time: 90,
                        router_id: 1,
                    }),
                    2 => Body::Keepalive(v1::Keepalive {}),
                    3..6 => Body::Update(v1::Update {
                        withdrawn: vec![prefix],
                        ..Default::default()
                    }),
                    _ => Body::Update(v1::Update {
                        attributes: Some(v1::PathAttributes {
                            as_path: vec![v1::PathSegment {
                                kind: 0,
                                asns: vec![64_496; usize::from(number) + 1],
                            }],
                            ..Default::default()
                        }),
                        announced: vec![prefix],
                        ..Default::default()
                    }),
                };
                self.send(time_us, Some(peer), body);
            }
            self.control(time_us + SECOND_US, Kind::Tick(v1::Tick {}));
        }
        self.publisher.flush(DEADLINE).unwrap();
    }

    fn end(&mut self) {
        let time_us = (SECONDS * SECOND_US).max(6 * MINUTE_US);
        self.control(time_us, Kind::Tick(v1::Tick {}));
        self.control(time_us, Kind::EndOfInput(v1::EndOfInput {}));
        self.publisher.flush(DEADLINE).unwrap();
    }
}

#[test]
fn batches_of_every_size_give_the_same_rows() {
    let mut runs = Vec::new();
    for batch in [1, 64, 4096] {
        let laptop = Laptop::start();
        let mut writer = Writer::new(&laptop.log);
        writer.play(0..SECONDS);
        writer.end();
        laptop.catch_up(batch);
        runs.push((laptop.online_rows(), laptop.history_rows()));
    }
    let (online, history) = &runs[0];
    assert_eq!(online.len(), usize::from(PEERS));
    assert!(history.len() > 100, "{}", history.len());
    assert!(runs.iter().all(|run| run == &runs[0]));
    // The newest row of the history is the row that is served.
    let newest: BTreeMap<_, _> = history
        .iter()
        .map(|row| (row.entity.as_str(), row))
        .collect();
    for row in online {
        assert_eq!(newest.get(row.entity.as_str()), Some(&row));
    }
    assert!(
        online
            .iter()
            .any(|row| row.get("prefix_count") != Some(&Value::Int64(0)))
    );
}

#[test]
fn what_was_lost_between_an_effect_and_its_note_changes_nothing() {
    let laptop = Laptop::start();
    let mut writer = Writer::new(&laptop.log);
    writer.play(0..SECONDS / 2);
    laptop.catch_up(4096);
    let at_half = ["materializer", "online.redb", "history"];
    for name in at_half {
        laptop.copy(name, &format!("half-{name}"));
    }
    writer.play(SECONDS / 2..SECONDS);
    writer.end();
    laptop.catch_up(4096);
    let (online, history) = (laptop.online_rows(), laptop.history_rows());
    let files = laptop.history().files(&views::all()[0]).unwrap().len();
    assert!(files > 4);

    // Rows were published, the state of the task was not yet committed.
    let published = laptop.rows_in_log();
    for partition in 0..BGP_MESSAGES.partitions {
        let file = format!("materializer/{partition}.redb");
        laptop.copy(&format!("half-{file}"), &file);
    }
    laptop.catch_up(64);
    assert!(laptop.rows_in_log() > published, "rows are published again");
    assert_eq!(laptop.online_rows(), online);
    assert_eq!(laptop.history_rows(), history);

    // Files were written, the ledger was not.
    let ledger = "materializer/history.redb";
    laptop.copy(&format!("half-{ledger}"), ledger);
    laptop.catch_up(4096);
    assert_eq!(laptop.history_rows(), history);

    // Ranges were promised, their files were not written: the same files come into being.
    laptop.copy(&format!("half-{ledger}"), ledger);
    let promised = laptop.promise_what_followed();
    assert!(!promised.is_empty());
    laptop.catch_up(4096);
    for (file, bytes) in promised {
        assert!(std::fs::read(&file).unwrap() == bytes, "{}", file.display());
    }
    assert_eq!(laptop.history_rows(), history);

    // The online store is as old as the backup that it was taken from.
    laptop.copy("half-online.redb", "online.redb");
    laptop.catch_up(4096);
    assert_eq!(laptop.online_rows(), online);
}

#[test]
fn a_record_that_cannot_be_read_is_put_aside_and_counted() {
    let laptop = Laptop::start();
    let mut writer = Writer::new(&laptop.log);
    let topic = BGP_MESSAGES.name;
    let publisher = writer.publisher.clone();
    publisher
        .publish_encoded(topic, 2, b"key", b"\xff\xff", 0)
        .unwrap();
    writer.play(0..3);
    let running = laptop.run(4096);
    laptop.until(&running, running.status(), &BGP_MESSAGES);
    let status = running.status().snapshot();
    assert_eq!(status.counters.get("dead_letters"), Some(&1));
    assert!(status.counters.get("elements_in") > Some(&0));
    assert_eq!(
        status.counters.get("elements_in"),
        status.counters.get("elements_out")
    );
    running.stop(DEADLINE).unwrap();
}

#[test]
fn a_log_that_was_made_anew_is_refused() {
    let laptop = Laptop::start();
    let mut writer = Writer::new(&laptop.log);
    writer.play(0..3);
    laptop.catch_up(4096);
    let other = Laptop::start();
    copy_all(&laptop.path("materializer"), &other.path("materializer"));
    let running = other.run(4096);
    let deadline = Instant::now() + DEADLINE;
    let failure = loop {
        if let Some(failure) = running.failure() {
            break failure;
        }
        assert!(Instant::now() < deadline, "it was not refused");
        std::thread::park_timeout(Duration::from_millis(10));
    };
    assert!(failure.contains("made anew"), "{failure}");
    let _ = running.stop(DEADLINE);
}

#[test]
fn a_machine_with_an_empty_disk_writes_the_same_files_of_history() {
    const COPIES: &str = "copies/test/feature-materializer/feature-rows";
    let mut laptop = Laptop::start();
    let copies = Objects::open(&laptop.path("copies").display().to_string());
    laptop.copies = Some(copies.unwrap());
    let mut writer = Writer::new(&laptop.log);
    writer.play(0..SECONDS / 2);
    laptop.catch_up(64);
    let before = laptop.history_files();
    laptop.copy(COPIES, "early");
    writer.play(SECONDS / 2..SECONDS);
    writer.end();
    laptop.catch_up(64);
    let files = laptop.history_files();
    assert!(files.len() > before.len() + 1 && !before.is_empty());

    // What it would choose by itself differs.
    laptop.rows = 20;
    for with_early_snapshots in [true, false] {
        // The machine died before a snapshot of the second half, while it wrote some of its files.
        for partition in std::fs::read_dir(laptop.path(COPIES)).unwrap() {
            let partition = partition.unwrap();
            let ledger = partition.path().join("ledger");
            let early = laptop
                .path("early")
                .join(partition.file_name())
                .join("ledger");
            if ledger.exists() {
                std::fs::remove_dir_all(&ledger).unwrap();
            }
            if with_early_snapshots && early.exists() {
                copy_all(&early, &ledger);
            }
        }
        for lost in files
            .keys()
            .filter(|name| !before.contains_key(*name))
            .step_by(2)
        {
            std::fs::remove_file(laptop.path("history").join(lost)).unwrap();
        }
        std::fs::remove_dir_all(laptop.path("materializer")).unwrap();
        laptop.catch_up(7);
        assert!(
            laptop.history_files() == files,
            "with early snapshots: {with_early_snapshots}"
        );
    }
}
