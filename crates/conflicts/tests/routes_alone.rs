//! What a route says of itself: rules that compare it with nothing.

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{DAY, Story, told};

#[test]
fn bogons_and_loops_are_reported_per_route() {
    let mut story = Story::with(story::bogons());
    assert_eq!(
        story.announce(1, "192.168.4.0/24", "64501 64510"),
        ["opened bogon-prefix medium suspected"]
    );
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 65010 64510"),
        ["opened bogon-asn low suspected"]
    );
    assert_eq!(
        story.announce(1, "10.80.0.0/20", "64501 64502 64501 64510"),
        ["opened path-loop info suspected"]
    );
    assert_eq!(
        story.announce(1, "10.96.0.0/20", "64501 64510 64510 64510"),
        told(&[])
    );
    assert_eq!(story.announce(1, "10.112.0.0/20", "64501"), told(&[]));
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 64510"),
        ["ended bogon-asn low ended replaced"]
    );
    story.pass(30 * DAY);
    assert!(
        !story
            .told()
            .iter()
            .any(|line| line.contains("became-stable"))
    );
}

#[rstest]
#[case::a_default_route("0.0.0.0/0", &["opened default-or-too-specific low suspected"])]
#[case::a_default_route_of_ipv6("::/0", &["opened default-or-too-specific low suspected"])]
#[case::too_specific("10.64.0.0/25", &["opened default-or-too-specific low suspected"])]
#[case::as_specific_as_may_be("10.64.0.0/24", &[])]
#[case::too_specific_in_ipv6("2001:db8::/49", &["opened default-or-too-specific low suspected"])]
#[case::as_specific_as_may_be_in_ipv6("2001:db8::/48", &[])]
fn what_is_a_default_or_too_specific(#[case] prefix: &str, #[case] expected: &[&str]) {
    let mut story = Story::new();
    let told = story.announce(1, prefix, "64501 64510");
    assert_eq!(told, story::told(expected));
    if !expected.is_empty() {
        assert_eq!(story.last().suspect.0, 64_510);
        assert_eq!(
            story.withdraw(1, prefix),
            ["ended default-or-too-specific low ended withdrawn"]
        );
    }
}

#[test]
fn a_blackholed_host_is_meant_to_be_specific() {
    let mut story = Story::new();
    assert_eq!(
        story.blackhole(1, "10.64.0.1/32", "64501 64510"),
        ["opened default-or-too-specific info suspected blackhole"]
    );
}

#[rstest]
#[case::many_prepends(16, "info")]
#[case::very_many(101, "low")]
fn a_long_path_is_filed_under_who_prepends(#[case] prepends: usize, #[case] severity: &str) {
    let mut story = Story::new();
    let path = format!("64501{} 64510", " 64502".repeat(prepends));
    let told = story.announce(1, "10.64.0.0/20", &path);
    assert_eq!(told, [format!("opened long-path {severity} suspected")]);
    assert_eq!(story.last().suspect.0, 64_502);
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 64502 64510"),
        [format!("ended long-path {severity} ended replaced")]
    );
}

#[test]
fn who_stands_between_two_tier_1s_is_seen_and_confirmed_by_three() {
    let mut story = Story::new();
    for (peer, expected) in [
        (1, "opened tier1-sandwich medium suspected"),
        (2, "updated tier1-sandwich medium suspected"),
        (3, "confirmed tier1-sandwich medium confirmed"),
    ] {
        let path = format!("{} 3356 64499 1299 64510", 64_500 + peer);
        assert_eq!(story.announce(peer, "10.64.0.0/20", &path), [expected]);
    }
    assert_eq!(story.last().suspect.0, 64_499);
    assert_eq!(
        story.announce(4, "10.64.0.0/20", "64504 3356 1299 64510"),
        story::told(&[])
    );
}
