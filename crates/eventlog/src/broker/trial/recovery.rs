//! What is left after a crash: torn and damaged ends, producers, starts of logs, topics made anew.

use super::{NOBODY, TIME, batch, create, node, produce};
use crate::broker::error_code as code;

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
