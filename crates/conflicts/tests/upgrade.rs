//! What an earlier version wrote is read by this one.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{DAY, MINUTE, Story};
use weir_conflicts::{
    Detector, Thresholds,
    incident::{Kind, Severity},
};
use weir_events::position::TopicEpoch;
use weir_routing::Prefix;

/// Each with an open `moas` and a `sub-prefix` that has ended.
const FORMAT_1: &str = include_str!("fixtures/snapshot-format-1.txt");
const FORMAT_2: &str = include_str!("fixtures/snapshot-format-2.txt");
const FORMAT_3: &str = include_str!("fixtures/snapshot-format-3.txt");
const FORMAT_4: &str = include_str!("fixtures/snapshot-format-4.txt");
const FORMAT_5: &str = include_str!("fixtures/snapshot-format-5.txt");
const FORMAT_6: &str = include_str!("fixtures/snapshot-format-6.txt");
/// Three have withdrawn a prefix, which is not told to the second stage yet.
const FORMAT_6_LOSS: &str = include_str!("fixtures/snapshot-format-6-loss.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks_exact(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap();
        u8::from_str_radix(pair, 16).unwrap()
    });
    pairs.collect()
}

/// The story that the snapshot was taken of.
fn told_anew() -> Story {
    let mut story = Story::new();
    story.rib(1, "10.64.0.0/20", "64501 64500");
    story.pass(MINUTE);
    story.announce(2, "10.64.0.0/20", "64502 64510");
    story.announce(2, "10.64.8.0/24", "64502 64511");
    story.withdraw(2, "10.64.8.0/24");
    story
}

#[rstest]
#[case::of_format_1(FORMAT_1)]
#[case::of_format_2(FORMAT_2)]
#[case::of_format_3(FORMAT_3)]
#[case::of_format_4(FORMAT_4)]
#[case::of_format_5(FORMAT_5)]
fn a_snapshot_is_read_and_written_in_the_newest_format(#[case] snapshot: &str) {
    let (control, block) = snapshot.split_once("block\n").unwrap();
    let control = control.strip_prefix("control\n").unwrap();
    let of: Prefix = "10.64.0.0/20".parse().unwrap();
    let mut restored = Detector::new(TopicEpoch(1), Thresholds::default(), story::bogons());
    restored.restore_control(&bytes(control)).unwrap();
    restored
        .restore_block(of.block(), &bytes(block), 0)
        .unwrap();

    let open: Vec<_> = restored.open_incidents().collect();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].case, open[0].id, "it says nothing of cases");
    assert_eq!(
        (open[0].kind, open[0].severity),
        (Kind::Moas, Severity::High)
    );

    // Older formats do not say that the part was withdrawn lately, and by whom: until that is forgotten.
    let mut whole = told_anew();
    let mut upgraded = told_anew();
    upgraded.detector = restored;
    for story in [&mut whole, &mut upgraded] {
        story.pass(DAY);
        story.pass(DAY);
    }
    let (mut whole, mut restored) = (whole.detector, upgraded.detector);
    assert_eq!(
        restored.block_snapshot(of.block()).encode(),
        whole.block_snapshot(of.block()).encode()
    );
    // It knows who stands beside whom, though not since when.
    let (known, all) = (restored.links(), whole.links());
    assert!(!known.is_empty() && known.keys().all(|link| all.contains_key(link)));
}

fn a_loss_that_was_not_told() -> Story {
    let mut story = Story::new();
    for n in 1..=3 {
        story.rib(n, "10.64.0.0/20", &format!("{} 64500", 64_500 + n));
    }
    story.pass(MINUTE);
    for n in 1..=3 {
        story.withdraw(n, "10.64.0.0/20");
    }
    story
}

#[rstest]
#[case::a_conflict(FORMAT_6, told_anew())]
#[case::a_loss(FORMAT_6_LOSS, a_loss_that_was_not_told())]
fn format_6_says_all_that_the_newest_does_of_these(#[case] snapshot: &str, #[case] story: Story) {
    let of: Prefix = "10.64.0.0/20".parse().unwrap();
    let (control, block) = snapshot.split_once("block\n").unwrap();
    let control = control.strip_prefix("control\n").unwrap();
    let mut restored = Detector::new(TopicEpoch(1), Thresholds::default(), story::bogons());
    restored.restore_control(&bytes(control)).unwrap();
    restored
        .restore_block(of.block(), &bytes(block), 0)
        .unwrap();
    let mut whole = story.detector;
    assert_eq!(
        restored.block_snapshot(of.block()).encode(),
        whole.block_snapshot(of.block()).encode()
    );
}

#[test]
fn a_format_that_is_not_known_is_refused() {
    let mut newer = told_anew().detector.control_snapshot().encode();
    newer[0] += 1;
    let mut empty = Detector::new(TopicEpoch(1), Thresholds::default(), story::bogons());
    let error = empty.restore_control(&newer).unwrap_err();
    assert!(error.to_string().contains("format"), "{error}");
}
