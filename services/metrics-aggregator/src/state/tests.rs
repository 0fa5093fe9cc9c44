//! A task that is dropped at any moment and restored says the same, byte for byte.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use prost::Message;
use weir_events::{
    position::TopicEpoch,
    time::SECOND_US,
    v1::{self, WindowResult, control::Kind},
};
use weir_objects::{
    Objects,
    snapshots::{Place, Snapshots},
};
use weir_windows::TimeRules;

use super::TaskState;
use crate::fold::{Fold, PerOrigin, PerPeer, Refused, Stage};

const SECONDS: i64 = 1500;

fn peer(host: u8) -> v1::Peer {
    v1::Peer::new(IpAddr::from([192, 0, 2, host]), 64500 + u32::from(host))
}

fn prefixes(count: u8) -> Vec<v1::Prefix> {
    (0..count)
        .map(|net| v1::Prefix::new(IpAddr::from([10, net, 0, 0]), 16))
        .collect()
}

fn attributes(origin: u32) -> Option<v1::PathAttributes> {
    Some(v1::PathAttributes {
        as_path: vec![v1::PathSegment {
            kind: v1::path_segment::Kind::Sequence.into(),
            asns: vec![64500, origin],
        }],
        ..Default::default()
    })
}

/// What both topics say of one second: two collectors, late and seeded records, a duplicate, junk.
struct Script<T> {
    control: fn(&str, u64, i64, Kind) -> T,
    /// (collector, seq, event time, peer, announced, withdrawn, from a RIB).
    update: fn(&str, u64, i64, u8, u8, u8, bool) -> T,
}

fn log<T: Message + Clone>(script: &Script<T>) -> Vec<Vec<u8>> {
    let mut log = vec![
        (script.control)(
            "",
            0,
            0,
            Kind::TopicStart(v1::TopicStart { topic_epoch: 3 }),
        )
        .encode_to_vec(),
    ];
    let mut seq = 0;
    for second in 1..SECONDS {
        let now = second * SECOND_US;
        for (collector, host) in [("rrc00", 1), ("rrc01", 2)] {
            let silent = collector == "rrc01" && (400..900).contains(&second);
            if silent {
                continue;
            }
            seq += 1;
            let back = match second {
                _ if second % 97 == 0 => 900,
                _ if second % 31 == 0 => 200,
                _ => second % 7,
            };
            let (announced, withdrawn) = (
                u8::try_from(second % 5).unwrap(),
                u8::try_from(second % 3).unwrap(),
            );
            let record = (script.update)(
                collector,
                seq,
                now - back * SECOND_US,
                host,
                announced,
                withdrawn,
                second % 50 == 0,
            )
            .encode_to_vec();
            if second % 40 == 0 {
                log.push(record.clone());
            }
            log.push(record);
            seq += 1;
            log.push(
                (script.control)(collector, seq, now, Kind::Tick(v1::Tick {})).encode_to_vec(),
            );
        }
        if second % 333 == 0 {
            log.push(vec![0xff; 7]);
        }
    }
    seq += 1;
    log.push(
        (script.control)(
            "rrc00",
            seq,
            SECONDS * SECOND_US,
            Kind::EndOfInput(v1::EndOfInput {}),
        )
        .encode_to_vec(),
    );
    log
}

fn messages() -> Vec<Vec<u8>> {
    log(&Script::<v1::BgpMessage> {
        control: |collector, seq, event_time_us, kind| v1::BgpMessage {
            collector: collector.to_owned(),
            seq,
            event_time_us,
            body: Some(v1::bgp_message::Body::Control(v1::Control {
                kind: Some(kind),
            })),
            ..Default::default()
        },
        update: |collector, seq, event_time_us, host, announced, withdrawn, from_rib| {
            v1::BgpMessage {
                collector: collector.to_owned(),
                seq,
                event_time_us,
                peer: Some(peer(host)),
                body: Some(v1::bgp_message::Body::Update(v1::Update {
                    attributes: attributes(64496),
                    announced: prefixes(announced),
                    withdrawn: prefixes(withdrawn),
                    from_rib,
                })),
                ..Default::default()
            }
        },
    })
}

fn updates() -> Vec<Vec<u8>> {
    log(&Script::<v1::BgpUpdate> {
        control: |collector, seq, event_time_us, kind| v1::BgpUpdate {
            collector: collector.to_owned(),
            seq,
            event_time_us,
            body: Some(v1::bgp_update::Body::Control(v1::Control {
                kind: Some(kind),
            })),
            ..Default::default()
        },
        update: |collector, seq, event_time_us, host, announced, withdrawn, from_rib| {
            v1::BgpUpdate {
                collector: collector.to_owned(),
                seq,
                event_time_us,
                body: Some(v1::bgp_update::Body::Routes(v1::Routes {
                    peer: Some(peer(host)),
                    attributes: attributes(64496 + u32::from(announced)),
                    announced: prefixes(announced),
                    withdrawn: prefixes(withdrawn),
                    context: seq % 11 == 0,
                    from_rib,
                })),
                ..Default::default()
            }
        },
    })
}

/// Version -> bytes of each row that was published, by key and window.
type Published = BTreeMap<(String, i64, i64), BTreeMap<u64, Vec<u8>>>;

fn publish(published: &mut Published, row: WindowResult) {
    let bytes = row.encode_to_vec();
    let versions = published
        .entry((row.key, row.start_us, row.end_us))
        .or_default();
    let before = versions.insert(row.version, bytes.clone());
    assert!(
        before.is_none_or(|before| before == bytes),
        "one version, two contents"
    );
}

/// Folds the log in batches, commits after each, and dies in every `crash`-th before its commit.
fn play<S: Stage>(log: &[Vec<u8>], batch: usize, crash: usize) -> (Published, Fold<S>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("task.redb");
    let restored = || {
        let state = TaskState::open(&path).unwrap();
        let loaded = state.load::<S>(1, TimeRules::default()).unwrap();
        let (fold, next) =
            loaded.unwrap_or_else(|| (Fold::new(1, TopicEpoch(3), TimeRules::default()), 0));
        (state, fold, usize::try_from(next).unwrap())
    };
    let mut published = Published::new();
    let (mut state, mut fold, mut next) = restored();
    let mut batches = 0;
    while next < log.len() {
        let end = log.len().min(next + batch);
        for (offset, payload) in (next..).zip(&log[next..end]) {
            let offset = i64::try_from(offset).unwrap();
            let applied = fold.apply(offset, payload, &mut |row| publish(&mut published, row));
            assert!(
                matches!(applied, Ok(_) | Err(Refused::Late)) || payload.len() == 7,
                "{applied:?} at {offset}"
            );
        }
        batches += 1;
        if crash > 0 && batches % crash == 0 {
            drop(state);
            (state, fold, next) = restored();
            continue;
        }
        next = end;
        state
            .commit(&mut fold, i64::try_from(next).unwrap())
            .unwrap();
    }
    (published, fold)
}

fn says_the_same<S: Stage>(log: &[Vec<u8>]) {
    let (whole, fold) = play::<S>(log, log.len(), 0);
    let counters = &fold.counters;
    assert_eq!(counters.elements_in, counters.elements_out());
    assert!(
        counters.late > 0 && counters.seeded > 0 && counters.duplicates > 0,
        "{counters:?}"
    );
    assert_eq!(counters.undecodable, 4);
    assert!(
        whole
            .values()
            .any(|versions| versions.keys().any(|version| version & 1 == 1))
    );
    assert!(whole.values().any(|versions| versions.len() > 2));
    for (batch, crash) in [(4096, 0), (64, 0), (64, 3), (1000, 2), (29, 5)] {
        let (published, again) = play::<S>(log, batch, crash);
        assert!(published == whole, "batches of {batch}, crash {crash}");
        assert_eq!(
            &again.counters, counters,
            "batches of {batch}, crash {crash}"
        );
    }
}

/// Half of the log on one machine, the rest on another that has only the snapshot.
fn moves_to_another_machine<S: Stage>(log: &[Vec<u8>]) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let place = Place {
        objects: Objects::open(&at("objects").display().to_string()).unwrap(),
        folder: format!("metrics-aggregator/{}/1", S::TOPIC.name),
        scratch: at("scratch"),
    };
    let play = |fold: &mut Fold<S>, range: std::ops::Range<usize>| {
        let mut published = Published::new();
        for (offset, payload) in range.clone().zip(&log[range]) {
            let offset = i64::try_from(offset).unwrap();
            // Late and damaged ones are part of the log.
            let _ = fold.apply(offset, payload, &mut |row| publish(&mut published, row));
        }
        published
    };
    let half = log.len() / 2;
    let position = i64::try_from(half).unwrap();
    let here = TaskState::open(&at("here.redb")).unwrap();
    let mut fold = Fold::<S>::new(1, TopicEpoch(3), TimeRules::default());
    play(&mut fold, 0..half);
    here.commit(&mut fold, position).unwrap();
    let copies = Snapshots::start(place.clone(), 0, Duration::ZERO, || {}).unwrap();
    assert!(copies.finish(position, Duration::from_secs(20), || here.snapshot().ok()));
    let expected = play(&mut fold, half..log.len());

    let there = TaskState::open(&at("there.redb")).unwrap();
    assert_eq!(there.bring(&place, |_| false).unwrap(), Some(position));
    assert_eq!(there.bring(&place, |_| false).unwrap(), None);
    let (mut restored, next) = there.load::<S>(1, TimeRules::default()).unwrap().unwrap();
    assert_eq!(next, position);
    assert!(play(&mut restored, half..log.len()) == expected);
    assert_eq!(restored.counters, fold.counters);
}

#[test]
fn both_tasks_move_to_another_machine_and_say_the_same() {
    moves_to_another_machine::<PerPeer>(&messages());
    moves_to_another_machine::<PerOrigin>(&updates());
}

#[test]
fn the_peer_task_says_the_same_whatever_its_batches_and_crashes() {
    says_the_same::<PerPeer>(&messages());
}

#[test]
fn the_origin_task_says_the_same_whatever_its_batches_and_crashes() {
    says_the_same::<PerOrigin>(&updates());
}

#[test]
fn batches_of_one_record_say_the_same() {
    let log = &messages()[..200];
    assert!(play::<PerPeer>(log, 1, 0).0 == play::<PerPeer>(log, 200, 0).0);
}

#[test]
fn context_copies_are_counted_apart() {
    let (_, fold) = play::<PerOrigin>(&updates(), 4096, 0);
    assert!(fold.counters.copies > 0);
}
