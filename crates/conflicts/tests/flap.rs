//! Routes that come and go: when they are told of, and when it is over.

#[path = "story/mod.rs"]
mod story;

use story::{DAY, HOUR, MINUTE, Story, peer, told};
use weir_conflicts::{
    incident::{Kind, State},
    record::Control,
};

const PREFIX: &str = "10.64.0.0/20";

/// AS64500 holds the prefix of old, seen by `peers`.
fn known(peers: u32) -> Story {
    let mut story = Story::new();
    for n in 1..=peers {
        story.rib(n, PREFIX, &path(n));
    }
    story.pass(MINUTE);
    story
}

fn path(n: u32) -> String {
    format!("{} 64500", 64_500 + n % 100)
}

/// The route of a vantage point goes and comes back so often; what was said at the last time.
fn flap(story: &mut Story, n: u32, times: u32) -> Vec<String> {
    let mut said = Vec::new();
    for _ in 0..times {
        story.withdraw(n, PREFIX);
        said = story.announce(n, PREFIX, &path(n));
    }
    said
}

#[test]
fn a_route_that_goes_often_is_told_of_when_it_comes_back() {
    let mut story = known(4);
    assert_eq!(flap(&mut story, 1, 5), told(&[]));
    assert_eq!(flap(&mut story, 1, 1), ["opened flap low suspected"]);
    assert_eq!(story.last().suspect.0, 64_500);
    assert_eq!(flap(&mut story, 1, 3), told(&[]), "it goes on");
    flap(&mut story, 2, 6);
    flap(&mut story, 3, 5);
    assert_eq!(story.withdraw(3, PREFIX), ["confirmed flap low confirmed"]);
    let back = story.announce(3, PREFIX, &path(3));
    assert_eq!(back, ["updated flap low confirmed"], "with its path");
    assert_eq!(story.last().visible_peers, 3);
    assert_eq!(story.last().evidence.len(), 3);
}

#[test]
fn paths_that_change_all_the_time_flap_too() {
    let mut story = known(1);
    let mut said = Vec::new();
    for hop in 0..12 {
        assert_eq!(said, told(&[]));
        said = story.announce(1, PREFIX, &format!("64501 {} 64500", 64_502 + hop));
    }
    assert_eq!(said, ["opened flap low suspected"]);
}

#[test]
fn a_flap_is_over_when_it_has_been_quiet_for_long_enough() {
    let mut story = known(1);
    flap(&mut story, 1, 6);
    // 6000 points are 750 after three times 15 minutes.
    assert_eq!(story.pass(45 * MINUTE), told(&[]));
    assert_eq!(story.pass(MINUTE), ["ended flap low ended calmed"]);
    // The first one goes after it has stood for long, which counts for nothing.
    assert_eq!(flap(&mut story, 1, 6), told(&[]));
    assert_eq!(flap(&mut story, 1, 1), ["reopened flap low suspected"]);
}

#[test]
fn a_route_that_does_not_come_back_ends_no_flap_at_once() {
    let mut story = known(2);
    flap(&mut story, 1, 6);
    assert_eq!(story.withdraw(1, PREFIX), told(&[]));
    assert_eq!(story.pass(50 * MINUTE), ["ended flap low ended calmed"]);
}

#[test]
fn a_flap_that_goes_on_does_not_fade_and_is_told_of_the_next_time() {
    let mut story = known(2);
    flap(&mut story, 1, 6);
    for _ in 0..24 {
        story.pass(5 * MINUTE);
        flap(&mut story, 1, 2);
    }
    assert_eq!(story.last().state, State::Suspected);
    assert_eq!(story.pass(HOUR), ["ended flap low ended calmed"]);
    story.pass(7 * DAY);
    assert_eq!(flap(&mut story, 1, 7), ["opened flap low suspected"]);
}

#[test]
fn who_announces_once_what_others_flap_is_not_told_of() {
    let mut story = known(3);
    for n in 1..=3 {
        flap(&mut story, n, 6);
    }
    story.announce(1, PREFIX, "64501 64507");
    let open = story.detector.open_incidents();
    let flaps = open.filter(|incident| incident.kind == Kind::Flap);
    let suspects: Vec<_> = flaps.map(|incident| incident.suspect.0).collect();
    assert_eq!(suspects, [64_500]);
}

#[test]
fn changes_that_are_far_apart_and_beacons_are_no_flap() {
    let mut story = known(1);
    for _ in 0..10 {
        assert_eq!(flap(&mut story, 1, 3), told(&[]));
        story.pass(HOUR);
    }
    let beacon = "84.205.64.0/24";
    story.rib(1, beacon, "64501 64500");
    for _ in 0..10 {
        story.withdraw(1, beacon);
        assert_eq!(story.announce(1, beacon, "64501 64500"), told(&[]));
    }
}

#[test]
fn the_same_path_again_and_a_table_sent_anew_are_no_change() {
    let mut story = known(1);
    for _ in 0..10 {
        assert_eq!(story.announce(1, PREFIX, &path(1)), told(&[]));
        // What is fresh is newer than any table.
        for path in ["64501 64502 64500", "64501 64500"] {
            story.control(Control::Gap(Some(peer(1))));
            story.rib(1, PREFIX, path);
        }
    }
    for _ in 0..5 {
        assert_eq!(flap(&mut story, 1, 1), told(&[]));
    }
}
