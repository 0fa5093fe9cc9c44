//! Records in, rows out, with and without crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;
use weir_events::{
    time::{DAY_US, MINUTE_US},
    v1::{bgp_message, control},
};
use weir_features::Value;
use weir_objects::{
    Objects,
    snapshots::{self, Snapshots},
};
use weir_routing::{AsPath, Asn, Nlri, PathAttributes, Prefix};

use super::*;

/// Records of one writer and one peer, as ingest would write them.
struct Writer {
    seq: u64,
    peer: Peer,
    offset: i64,
}

type Record = (i64, Vec<u8>);

impl Writer {
    fn new() -> Self {
        let address = "2001:db8::1".parse().unwrap();
        Self {
            seq: 0,
            peer: Peer::new(address, Asn(64_496)),
            offset: 0,
        }
    }

    fn partition(&self) -> u32 {
        topics::partition(&BGP_MESSAGES, self.peer.to_string().as_bytes())
    }

    fn record(&mut self, time_us: i64, body: bgp_message::Body) -> Record {
        self.seq += 1;
        self.offset += 1;
        let record = v1::BgpMessage {
            collector: "rrc00".to_owned(),
            seq: self.seq,
            event_time_us: time_us,
            peer: Some(self.peer.into()),
            body: Some(body),
            ..Default::default()
        };
        (self.offset, record.encode_to_vec())
    }

    fn message(&mut self, time_us: i64, body: Body) -> Record {
        let message = Message {
            event_time_us: time_us,
            peer: self.peer,
            body,
        };
        self.record(time_us, wire::body(&message))
    }

    fn update(&mut self, time_us: i64, announced: &[Nlri], withdrawn: &[Nlri]) -> Record {
        let attributes = PathAttributes {
            as_path: AsPath::sequence(vec![Asn(64_496), Asn(64_497), Asn(64_498)]),
            ..Default::default()
        };
        let update = Update {
            attributes: (!announced.is_empty()).then(|| Arc::new(attributes)),
            announced: announced.to_vec(),
            withdrawn: withdrawn.to_vec(),
            from_rib: false,
        };
        self.message(time_us, Body::Update(update))
    }

    fn control(&mut self, time_us: i64, kind: control::Kind) -> Record {
        let control = v1::Control { kind: Some(kind) };
        self.record(time_us, bgp_message::Body::Control(control))
    }

    fn tick(&mut self, time_us: i64) -> Record {
        self.control(time_us, Kind::Tick(v1::Tick {}))
    }
}

fn nlri(number: u8, path_id: u32) -> Nlri {
    let prefix = Prefix::new([10, number, 0, 0].into(), 16).unwrap();
    Nlri { prefix, path_id }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self, partition: u32) -> Fold {
        Fold::open(&self.0.path().join("fold.redb"), partition).unwrap()
    }
}

fn int(row: &FeatureRow, name: &str) -> Option<i64> {
    match row.get(name) {
        Some(Value::Int64(value)) => Some(*value),
        _ => None,
    }
}

fn rows_of(fold: &mut Fold, records: &[Record]) -> Vec<FeatureRow> {
    for (offset, payload) in records {
        fold.apply(*offset, payload).unwrap();
    }
    fold.take_rows()
}

#[test]
fn a_row_leaves_at_the_tick_and_once_per_second() {
    let (folder, mut writer) = (Folder::new(), Writer::new());
    let mut fold = folder.open(writer.partition());
    let second = SECOND_US;
    let script = [
        writer.update(second + 1, &[nlri(1, 0), nlri(2, 0)], &[]),
        writer.update(second + 2, &[nlri(3, 0)], &[nlri(1, 0)]),
    ];
    assert!(rows_of(&mut fold, &script).is_empty());
    let script = [writer.tick(2 * second), writer.tick(2 * second + 5)];
    let rows = rows_of(&mut fold, &script);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(row.entity.as_str(), "2001:db8::1:64496");
    assert_eq!(row.event_time_us, second + 2);
    assert_eq!(row.version, Version::new(TopicEpoch(0), 4, false));
    assert_eq!(int(row, "prefix_count"), Some(2));
    assert_eq!(int(row, "as_path_length"), Some(3));
    assert_eq!(int(row, "received_updates_24h"), Some(2));
    assert_eq!(int(row, "flap_count_24h"), Some(0));
    assert_eq!(int(row, "hold_time"), None);
    assert_eq!(int(row, "peer_uptime_seconds"), None);
    assert_eq!(row.get("session_state"), Some(&Value::from("established")));
    let script = [writer.tick(3 * second)];
    assert!(rows_of(&mut fold, &script).is_empty());
}

#[test]
fn the_stored_counts_of_a_silent_session_decay() {
    let (folder, mut writer) = (Folder::new(), Writer::new());
    let mut fold = folder.open(writer.partition());
    let first = 7 * MINUTE_US;
    let script = [
        writer.update(first, &[], &[nlri(1, 0)]),
        writer.tick(first + SECOND_US),
    ];
    assert_eq!(rows_of(&mut fold, &script).len(), 1);
    let mut decayed = Vec::new();
    for minute in 8..(25 * 60) {
        let script = [writer.tick(minute * MINUTE_US)];
        decayed.extend(rows_of(&mut fold, &script));
    }
    assert_eq!(decayed.len(), 1, "one row when the bucket leaves");
    assert_eq!(int(&decayed[0], "received_updates_24h"), Some(0));
    assert_eq!(decayed[0].event_time_us, DAY_US + 5 * MINUTE_US);
}

#[test]
fn the_uptime_of_a_silent_session_is_refreshed() {
    let (folder, mut writer) = (Folder::new(), Writer::new());
    let mut fold = folder.open(writer.partition());
    let peer = Some(writer.peer.into());
    let script = [
        writer.control(0, Kind::PeerUp(v1::PeerUp { peer })),
        writer.tick(SECOND_US),
        writer.tick(5 * MINUTE_US),
    ];
    let rows = rows_of(&mut fold, &script);
    let uptimes: Vec<_> = rows
        .iter()
        .map(|row| int(row, "peer_uptime_seconds"))
        .collect();
    assert_eq!(uptimes, [Some(1), Some(300)]);
}

#[test]
fn a_record_that_was_sent_twice_counts_once() {
    let (folder, mut writer) = (Folder::new(), Writer::new());
    let mut fold = folder.open(writer.partition());
    let (offset, payload) = writer.update(1, &[nlri(1, 0)], &[]);
    fold.apply(offset, &payload).unwrap();
    fold.apply(offset + 1, &payload).unwrap();
    assert_eq!(fold.standing().duplicates, 1);
    assert_eq!(fold.standing().elements_in, 1);
    assert_eq!(fold.standing().next_offset, offset + 2);
}

#[test]
fn controls_about_the_peers_of_other_partitions_are_not_ours() {
    let (folder, mut writer) = (Folder::new(), Writer::new());
    let mut fold = folder.open((writer.partition() + 1) % BGP_MESSAGES.partitions);
    let peer = Some(writer.peer.into());
    let script = [
        writer.control(1, Kind::PeerUp(v1::PeerUp { peer })),
        writer.tick(SECOND_US),
    ];
    assert!(rows_of(&mut fold, &script).is_empty());
    assert_eq!(fold.sessions(), 0);
}

#[test]
fn a_record_that_says_nothing_is_counted_and_the_fold_goes_on() {
    let (folder, mut writer) = (Folder::new(), Writer::new());
    let mut fold = folder.open(writer.partition());
    assert!(matches!(
        fold.apply(1, b"\xff\xff\xff"),
        Err(FoldError::Record { .. })
    ));
    assert_eq!(fold.standing().dead_letters, 1);
    let script = [writer.update(1, &[nlri(1, 0)], &[]), writer.tick(SECOND_US)];
    assert_eq!(rows_of(&mut fold, &script).len(), 1);
}

#[test]
fn the_end_of_the_input_lets_the_last_rows_go() {
    let (folder, mut writer) = (Folder::new(), Writer::new());
    let mut fold = folder.open(writer.partition());
    let script = [
        writer.tick(SECOND_US),
        writer.update(SECOND_US + 1, &[nlri(1, 0)], &[]),
        writer.control(SECOND_US + 1, Kind::EndOfInput(v1::EndOfInput {})),
    ];
    assert_eq!(rows_of(&mut fold, &script).len(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Announce(u8, u32),
    Withdraw(u8, u32),
    Down,
    Tick,
    Commit,
    /// Everything since the last commit is forgotten and read again.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..20_u8, 0..3_u32).prop_map(|(number, path)| Step::Announce(number, path)),
        4 => (0..20_u8, 0..3_u32).prop_map(|(number, path)| Step::Withdraw(number, path)),
        1 => Just(Step::Down),
        2 => Just(Step::Tick),
        1 => Just(Step::Commit),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn prefix_count_equals_a_naive_set_and_crashes_change_no_row(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let (folder, mut writer) = (Folder::new(), Writer::new());
        let mut fold = folder.open(writer.partition());
        let mut log: Vec<Record> = Vec::new();
        let mut naive: BTreeSet<Nlri> = BTreeSet::new();
        let mut emitted: BTreeMap<Version, FeatureRow> = BTreeMap::new();
        let mut read = 0;
        for (second, step) in (0..).zip(steps) {
            let time_us = second * SECOND_US;
            match step {
                Step::Announce(number, path) => {
                    naive.insert(nlri(number, path));
                    log.push(writer.update(time_us, &[nlri(number, path)], &[]));
                }
                Step::Withdraw(number, path) => {
                    naive.remove(&nlri(number, path));
                    log.push(writer.update(time_us, &[], &[nlri(number, path)]));
                }
                Step::Down => {
                    naive.clear();
                    let peer = Some(writer.peer.into());
                    let down = v1::PeerDown { peer, reason: String::new() };
                    log.push(writer.control(time_us, Kind::PeerDown(down)));
                }
                Step::Tick => log.push(writer.tick(time_us)),
                Step::Commit => {
                    fold.commit().unwrap();
                }
                Step::Crash => {
                    drop(fold);
                    fold = folder.open(writer.partition());
                    let next = fold.standing().next_offset;
                    read = log.iter().position(|(offset, _)| *offset >= next).unwrap_or(log.len());
                }
            }
            let rows = rows_of(&mut fold, &log[read..]);
            read = log.len();
            for row in rows {
                if let Some(before) = emitted.insert(row.version, row.clone()) {
                    prop_assert_eq!(before, row);
                }
            }
            let held: BTreeSet<_> = naive.iter().map(|nlri| nlri.prefix).collect();
            let counted: u64 = fold.sessions.values().map(|slot| slot.session.prefixes).sum();
            prop_assert_eq!(counted, held.len() as u64);
        }
        let (other, mut whole) = (Folder::new(), Vec::new());
        whole.extend(rows_of(&mut other.open(writer.partition()), &log));
        prop_assert_eq!(emitted.into_values().collect::<Vec<_>>(), whole);
    }
}

#[test]
fn on_another_machine_the_snapshot_goes_on_to_the_same_rows() {
    let mut writer = Writer::new();
    let mut records = Vec::new();
    for second in 1..40_u8 {
        let time_us = i64::from(second) * SECOND_US;
        let withdrawn = nlri(second / 2, 0);
        records.push(writer.update(time_us, &[nlri(second, 0), nlri(second, 7)], &[withdrawn]));
        if second % 13 == 0 {
            records.push(writer.message(time_us, Body::Keepalive));
        }
        records.push(writer.tick(time_us));
    }
    let partition = writer.partition();
    let (before, after) = records.split_at(50);
    let here = Folder::new();
    let mut fold = here.open(partition);
    rows_of(&mut fold, before);
    fold.commit().unwrap();
    let position = fold.standing().next_offset;

    let objects = tempfile::tempdir().unwrap();
    let place = snapshots::Place {
        objects: Objects::open(&objects.path().display().to_string()).unwrap(),
        folder: format!("feature-materializer/bgp-messages/{partition}"),
        scratch: here.0.path().join("fold.snap"),
    };
    let copies = Snapshots::start(place.clone(), 0, Duration::ZERO, || {}).unwrap();
    assert!(copies.finish(position, Duration::from_secs(20), || fold.snapshot().ok()));
    let expected = rows_of(&mut fold, after);
    assert!(!expected.is_empty());

    let there = Folder::new();
    let path = there.0.path().join("fold.redb");
    assert_eq!(bring(&path, &place, |_| false).unwrap(), Some(position));
    // What is as far as its snapshot is left alone.
    assert_eq!(bring(&path, &place, |_| false).unwrap(), None);
    let mut restored = there.open(partition);
    assert_eq!(rows_of(&mut restored, after), expected);
    restored.commit().unwrap();
    fold.commit().unwrap();
    let bytes = |fold: &Fold| {
        let mut bytes = Vec::new();
        fold.snapshot().unwrap()(&mut bytes).unwrap();
        bytes
    };
    assert!(bytes(&restored) == bytes(&fold));
}
