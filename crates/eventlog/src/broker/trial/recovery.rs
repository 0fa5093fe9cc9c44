//! What is left after a crash: torn and damaged ends, producers, starts of logs, topics made anew.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{NOBODY, TIME, batch, create, node, produce, stored};
use crate::broker::Fsync;
use crate::broker::batch::check_produced;
use crate::broker::error_code as code;
use crate::broker::log::Log;
use crate::broker::node::Node;
use crate::broker::offsets::Committed;

fn append(log: &mut Log, payload: &[u8]) -> i64 {
    let mut bytes = batch(NOBODY, TIME, &[payload]);
    let header = check_produced(&bytes).unwrap();
    log.append(&header, &mut bytes).unwrap()
}

/// A log with three batches, as its bytes and the place where the last one starts.
fn three() -> (Vec<u8>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::open(folder.path(), 0, 1 << 20).unwrap();
    append(&mut log, b"one");
    append(&mut log, b"two");
    let last = usize::try_from(log.size()).unwrap();
    append(&mut log, b"three");
    let bytes = fs::read(folder.path().join("00000000000000000000.log")).unwrap();
    (bytes, last)
}

/// The end of a log that consists of these bytes, and the offset that its next record gets.
fn reopened(bytes: &[u8]) -> (i64, i64, u64) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("00000000000000000000.log"), bytes).unwrap();
    let mut log = Log::open(folder.path(), 0, 1 << 20).unwrap();
    (log.end(), append(&mut log, b"next"), log.size())
}

#[test]
fn a_last_batch_that_is_torn_at_any_byte_is_cut() {
    let (bytes, last) = three();
    let next = batch(NOBODY, TIME, &[b"next"]).len();
    for cut in last..bytes.len() {
        let expected = (2, 2, (last + next) as u64);
        assert_eq!(reopened(&bytes[..cut]), expected, "torn at {cut}");
    }
    let whole = (3, 3, (bytes.len() + next) as u64);
    assert_eq!(reopened(&bytes), whole);
}

#[test]
fn a_last_batch_with_any_bit_flipped_is_cut() {
    let (bytes, last) = three();
    for at in last..bytes.len() {
        // Nobody reads the leader epoch, and the CRC does not cover it.
        let end = if (last + 12..last + 16).contains(&at) {
            3
        } else {
            2
        };
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert_eq!(reopened(&flipped).0, end, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_damaged_file_in_the_middle_of_a_log_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = Log::open(folder.path(), 0, 1).unwrap();
        append(&mut log, b"one");
        append(&mut log, b"two");
    }
    let first = folder.path().join("00000000000000000000.log");
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, &bytes[..bytes.len() - 1]).unwrap();
    let error = Log::open(folder.path(), 0, 1).unwrap_err().to_string();
    assert!(error.contains("00000000000000000000.log"), "{error}");
}

/// As a crash would leave it: the newest segments first, so that no older one lacks its end.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut names: Vec<_> = fs::read_dir(from)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort_unstable();
    for name in names.iter().rev() {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn a_copy_that_is_made_while_writing_holds_all_that_was_acknowledged_before() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    fs::create_dir(&live).unwrap();
    let node = node(&live, |config| config.segment_bytes = 20_000);
    create(&node, "t");
    let acknowledged = AtomicI64::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..3_000_i32 {
                let payload = number.to_string();
                let sent = batch((1, 0, number), TIME, &[payload.as_bytes()]);
                assert_eq!(produce(&node, "t", &sent), (code::NONE, number.into()));
                acknowledged.store(i64::from(number) + 1, Ordering::Release);
            }
        });
        let mut number = 0;
        while !writer.is_finished() {
            let before = acknowledged.load(Ordering::Acquire);
            let dir = folder.path().join(number.to_string());
            copy(&live, &dir);
            let after = super::node(&dir, |config| config.segment_bytes = 20_000);
            let found = stored(&after, "t");
            let next = i32::try_from(found.len()).unwrap();
            assert!(i64::from(next) >= before, "{next} of {before}");
            for ((offset, payload), expected) in found.iter().zip(0..) {
                assert_eq!(*offset, expected);
                assert_eq!(*payload, expected.to_string().into_bytes());
            }
            let sent = batch((1, 0, next), TIME, &[b"more"]);
            assert_eq!(produce(&after, "t", &sent), (code::NONE, next.into()));
            if next > 0 {
                let again = next - 1;
                let sent = batch((1, 0, again), TIME, &[again.to_string().as_bytes()]);
                assert_eq!(produce(&after, "t", &sent), (code::NONE, again.into()));
            }
            fs::remove_dir_all(dir).unwrap();
            number += 1;
        }
    });
}

#[test]
fn with_fsync_always_nothing_is_acknowledged_that_is_not_durable() {
    let folder = tempfile::tempdir().unwrap();
    let always = |fsync| node(folder.path(), |config| config.fsync = fsync);
    let is_durable = |node: &Node| {
        let partition = node.catalogue.partition("t", 0).unwrap();
        partition.log.lock().unsynced().unwrap().is_none()
    };
    let sent = batch((1, 0, 0), TIME, &[b"x"]);
    {
        let node = always(Fsync::None);
        create(&node, "t");
        assert_eq!(produce(&node, "t", &sent), (code::NONE, 0));
        assert!(!is_durable(&node));
    }
    let node = always(Fsync::Always);
    assert!(!is_durable(&node), "an earlier run left it so");
    assert_eq!(produce(&node, "t", &sent), (code::NONE, 0), "sent again");
    assert!(is_durable(&node));
    let next = batch((1, 0, 1), TIME, &[b"y"]);
    assert_eq!(produce(&node, "t", &next), (code::NONE, 1));
    assert!(is_durable(&node));
}

#[test]
fn deleted_records_stay_deleted() {
    let folder = tempfile::tempdir().unwrap();
    {
        let node = node(folder.path(), |_| {});
        create(&node, "t");
        for _ in 0..5 {
            produce(&node, "t", &batch(NOBODY, TIME, &[b"x"]));
        }
        let topic = node.catalogue.get("t").unwrap();
        assert_eq!(node.catalogue.delete_before(&topic, 0, 3).unwrap(), 3);
    }
    let node = node(folder.path(), |_| {});
    let partition = node.catalogue.partition("t", 0).unwrap();
    let log = partition.log.lock();
    assert_eq!((log.start(), log.end()), (3, 5));
}

#[test]
fn a_topic_made_anew_has_another_id_and_nothing_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let id = {
        let node = node(folder.path(), |_| {});
        create(&node, "t");
        produce(&node, "t", &batch(NOBODY, TIME, &[b"x"]));
        let old = node.catalogue.get("t").unwrap().id;
        let committed = Committed {
            offset: 1,
            metadata: String::new(),
            at: TIME,
        };
        let rows = vec![((old, 0), committed)];
        node.offsets.commit("group", rows).unwrap();
        // The folder and the offset of the old one may outlive it in a crash.
        node.catalogue.delete("t").unwrap();
        create(&node, "t");
        let new = node.catalogue.get("t").unwrap().id;
        assert_ne!(old, new);
        assert_eq!(stored(&node, "t"), []);
        new
    };
    let node = node(folder.path(), |_| {});
    let topic = node.catalogue.get("t").unwrap();
    assert_eq!(topic.id, id);
    assert_eq!(stored(&node, "t"), []);
    assert_eq!(node.offsets.get("group", id, 0), None);
    assert_eq!(node.offsets.floor(id, 0), None);
    let folders = fs::read_dir(folder.path().join("topics")).unwrap().count();
    assert_eq!(folders, 1);
}

#[test]
fn producer_ids_are_never_given_out_twice() {
    let folder = tempfile::tempdir().unwrap();
    let first = node(folder.path(), |_| {}).catalogue.new_producer_id();
    let second = node(folder.path(), |_| {}).catalogue.new_producer_id();
    assert!(second.unwrap() > first.unwrap());
}

#[test]
fn a_batch_sent_again_after_a_restart_gets_the_offset_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let sent = |first: i32| batch((1, 0, first), TIME, &[b"one", b"two"]);
    {
        let node = node(folder.path(), |_| {});
        create(&node, "t");
        assert_eq!(produce(&node, "t", &batch(NOBODY, TIME, &[b"x"])).1, 0);
        assert_eq!(produce(&node, "t", &sent(0)), (code::NONE, 1));
        assert_eq!(produce(&node, "t", &sent(2)), (code::NONE, 3));
    }
    let node = node(folder.path(), |_| {});
    assert_eq!(produce(&node, "t", &sent(2)), (code::NONE, 3));
    assert_eq!(produce(&node, "t", &sent(0)), (code::NONE, 1));
    let ahead = produce(&node, "t", &sent(6));
    assert_eq!(ahead, (code::OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    assert_eq!(produce(&node, "t", &sent(4)), (code::NONE, 5));
}

#[test]
fn producers_are_remembered_over_the_end_of_a_segment() {
    let folder = tempfile::tempdir().unwrap();
    let sent = |first: i32| batch((1, 0, first), TIME, &[b"one"]);
    {
        let node = node(folder.path(), |config| config.segment_bytes = 100);
        create(&node, "t");
        for number in 0..8 {
            let placed = produce(&node, "t", &sent(number));
            assert_eq!(placed, (code::NONE, i64::from(number)));
        }
    }
    let node = node(folder.path(), |config| config.segment_bytes = 100);
    for number in 3..8 {
        let placed = produce(&node, "t", &sent(number));
        assert_eq!(placed, (code::NONE, i64::from(number)), "here already");
    }
    assert_eq!(produce(&node, "t", &sent(8)), (code::NONE, 8));
}
