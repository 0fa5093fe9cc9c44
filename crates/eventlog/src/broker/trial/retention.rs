//! Retention by time and by size, and what a registered group keeps from it.

use super::{NOBODY, TIME, batch, create, node, produce, stored};
use crate::broker::node::Node;
use crate::broker::offsets::Committed;

const HOUR: i64 = 3_600_000;

/// A node with `count` segments of one record each, an hour apart.
fn filled(dir: &std::path::Path, count: i64, retention_bytes: u64) -> Node {
    let node = node(dir, |config| {
        config.segment_bytes = 1;
        config.retention_bytes = retention_bytes;
    });
    create(&node, "t");
    for number in 0..count {
        produce(&node, "t", &batch(NOBODY, TIME + number * HOUR, &[b"x"]));
    }
    node
}

fn commit(node: &Node, group: &str, offset: i64, at: i64) {
    let topic = node.catalogue.get("t").unwrap().id;
    let committed = Committed {
        offset,
        metadata: String::new(),
        at,
    };
    let rows = vec![((topic, 0), committed)];
    node.offsets.commit(group, rows).unwrap();
}

fn first(node: &Node) -> i64 {
    let partition = node.catalogue.partition("t", 0).unwrap();
    partition.log.lock().start()
}

#[test]
fn time_takes_what_is_old_and_read() {
    time_takes("nothing is old", 9, &[], 0);
    time_takes("three are older than a day", 27, &[], 3);
    time_takes("all are old", 99, &[], 10);
    time_takes("a group has read less", 99, &[4], 4);
    time_takes("the slowest group counts", 99, &[7, 2], 2);
    time_takes("a group has read more", 27, &[7], 3);
}

fn time_takes(case: &str, hours: i64, groups: &[i64], expected: i64) {
    let folder = tempfile::tempdir().unwrap();
    let node = filled(folder.path(), 10, u64::MAX);
    for (offset, number) in groups.iter().zip(0..) {
        commit(
            &node,
            &format!("group-{number}"),
            *offset,
            TIME + hours * HOUR,
        );
    }
    node.retain(TIME + hours * HOUR).unwrap();
    assert_eq!(first(&node), expected, "{case}");
    let left = i64::try_from(stored(&node, "t").len());
    assert_eq!(left, Ok(10 - expected), "{case}");
    drop(node);
    let again = super::node(folder.path(), |_| {});
    assert_eq!(first(&again), expected, "{case}, after a restart");
}

#[test]
fn size_takes_the_oldest_that_is_read() {
    size_takes("all fits", 10, &[], 0);
    size_takes("the oldest go", 4, &[], 6);
    size_takes("the active segment stays", 0, &[], 9);
    size_takes("a group has read less", 4, &[2], 2);
    size_takes("the slowest group counts", 4, &[9, 5], 5);
    size_takes("a group has read more", 4, &[9], 6);
}

fn size_takes(case: &str, segments: u64, groups: &[i64], expected: i64) {
    let folder = tempfile::tempdir().unwrap();
    let each = batch(NOBODY, TIME, &[b"x"]).len() as u64;
    let node = filled(folder.path(), 10, segments * each);
    for (offset, number) in groups.iter().zip(0..) {
        commit(&node, &format!("group-{number}"), *offset, TIME);
    }
    node.retain(TIME).unwrap();
    assert_eq!(first(&node), expected, "{case}");
}

#[test]
fn a_group_that_is_long_gone_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let node = filled(folder.path(), 10, u64::MAX);
    commit(&node, "gone", 1, TIME);
    commit(&node, "here", 6, TIME + 8 * 24 * HOUR);
    node.retain(TIME + 8 * 24 * HOUR).unwrap();
    assert_eq!(first(&node), 6);
    assert_eq!(node.offsets.of_group("gone"), []);
}

#[test]
fn a_group_that_read_another_partition_of_the_topic_keeps_all() {
    let folder = tempfile::tempdir().unwrap();
    let node = filled(folder.path(), 10, u64::MAX);
    node.catalogue.add_partitions("t", 2, false).unwrap();
    let topic = node.catalogue.get("t").unwrap().id;
    let committed = Committed {
        offset: 5,
        metadata: String::new(),
        at: TIME + 99 * HOUR,
    };
    node.offsets
        .commit("group", vec![((topic, 1), committed)])
        .unwrap();
    node.retain(TIME + 99 * HOUR).unwrap();
    assert_eq!(first(&node), 0);
}
