//! A new prefix around those of others.

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{DAY, MINUTE, Story, asns, told};
use weir_routing::knowledge::Kind;

/// AS64500 and AS64504 each hold a part of 10.64.0.0/16 of old.
fn known() -> Story {
    let mut story = Story::new();
    for n in 1..=3 {
        story.rib(n, "10.64.0.0/20", &format!("6450{n} 64507 64500"));
        story.rib(n, "10.64.32.0/20", &format!("6450{n} 64504"));
    }
    story.pass(11 * MINUTE);
    story
}

#[rstest]
#[case::by_a_stranger("10.64.0.0/16", "64502 64510", &["opened super-prefix low suspected"])]
#[case::around_one_of_them("10.64.0.0/19", "64502 64510", &["opened super-prefix low suspected"])]
#[case::by_who_holds_a_part("10.64.0.0/16", "64502 64504", &[])]
#[case::by_who_carries_a_part("10.64.0.0/16", "64502 64507", &["opened super-prefix info suspected transit-of-victim"])]
#[case::around_nothing("10.65.0.0/16", "64502 64510", &[])]
#[case::beside("10.64.64.0/18", "64502 64510", &[])]
fn a_prefix_around_those_of_others_is_told_of(
    #[case] prefix: &str,
    #[case] path: &str,
    #[case] found: &[&str],
) {
    assert_eq!(known().announce(2, prefix, path), told(found));
}

#[test]
fn who_holds_the_parts_is_the_victim_and_more_vantage_points_confirm_it() {
    let mut story = known();
    story.announce(2, "10.64.0.0/16", "64502 64510");
    assert_eq!(story.last().victims, asns(&[64_500, 64_504]));
    story.announce(3, "10.64.0.0/16", "64503 64510");
    assert_eq!(
        story.announce(4, "10.64.0.0/16", "64504 64510"),
        ["confirmed super-prefix low confirmed"]
    );
    assert_eq!(
        story.pass(DAY),
        ["ended super-prefix low ended became-stable"]
    );
}

#[test]
fn it_comes_back_with_a_vantage_point_that_had_not_carried_it() {
    let mut story = known();
    story.announce(2, "10.64.0.0/16", "64502 64510");
    assert_eq!(
        story.pass(61 * MINUTE),
        ["ended super-prefix low ended faded"]
    );
    assert_eq!(
        story.announce(3, "10.64.0.0/16", "64503 64510"),
        ["reopened super-prefix low suspected"]
    );
}

#[test]
fn parts_that_nobody_holds_hide_nobody() {
    let mut story = known();
    story.rib(1, "10.64.240.0/20", "64501 64504");
    story.pass(MINUTE);
    for n in 0..300 {
        let part = format!("10.64.{}.{}/27", 128 + n / 8, n % 8 * 32);
        story.announce(2, &part, "64502 64510");
    }
    let mut found = story.announce(3, "10.64.128.0/17", "64503 64511");
    found.retain(|line| line.contains("super-prefix"));
    assert_eq!(found, ["opened super-prefix low suspected"]);
}

#[test]
fn what_is_new_around_what_is_new_says_nothing() {
    let mut story = Story::new();
    story.announce(1, "10.64.0.0/20", "64501 64500");
    assert_eq!(story.announce(2, "10.64.0.0/16", "64502 64510"), told(&[]));
}

#[test]
fn it_ends_with_its_routes_and_is_as_new_when_it_returns() {
    let mut story = known();
    story.announce(2, "10.64.0.0/16", "64502 64510");
    assert_eq!(
        story.withdraw(2, "10.64.0.0/16"),
        ["ended super-prefix low ended withdrawn"]
    );
    assert_eq!(
        story.announce(2, "10.64.0.0/16", "64502 64510"),
        ["reopened super-prefix low suspected"]
    );
}

#[test]
fn inside_of_what_somebody_announces_it_is_a_part_and_no_whole() {
    let mut story = known();
    story.rib(1, "10.64.0.0/12", "64501 64506");
    story.pass(MINUTE);
    assert_eq!(
        story.announce(2, "10.64.0.0/16", "64502 64510"),
        ["opened sub-prefix critical suspected"]
    );
}

#[test]
fn a_sibling_of_a_holder_is_no_stranger() {
    let mut story = known();
    story.learn_of(Kind::Organisations, 0, DAY);
    assert_eq!(
        story.announce(2, "10.64.0.0/16", "64502 64510"),
        ["opened super-prefix info suspected sibling-of-victim"]
    );
}
