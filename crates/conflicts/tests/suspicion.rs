//! How suspicious an incident is once others have said what they know: what counts, and what does not.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{DAY, MINUTE, Story};
use weir_conflicts::incident::Severity;
use weir_routing::knowledge::Kind;

/// AS64500 holds 10.64.0.0/20 of old.
fn held() -> Story {
    let mut story = Story::new();
    story.rib(1, "10.64.0.0/20", "64501 64506 64500");
    story.pass(11 * MINUTE);
    story
}

/// How suspicious the open incident of this type is.
fn suspicion(story: &Story, kind: &str) -> u8 {
    let mut open = story.detector.open_incidents();
    let found = open.find(|incident| incident.kind.name() == kind);
    found.unwrap().suspicion()
}

// Of high severity: 65, and 10 less while one peer carries it.
#[rstest]
#[case::names_others("10.80.0.0/20", "64504 64510", 0, 65 + 10 - 10)]
#[case::of_as0("10.96.0.0/20", "64504 64510", 1, 65 + 10 - 10)]
#[case::allows_shorter("10.80.0.0/25", "64504 64500", 0, 65 - 45 - 10)]
fn what_a_roa_says_counts(
    #[case] prefix: &str,
    #[case] path: &str,
    #[case] roas: usize,
    #[case] sum: u8,
) {
    let mut story = held();
    story.learn(roas, MINUTE);
    story.announce(4, prefix, path);
    assert_eq!(suspicion(&story, "rpki-invalid"), sum);
}

#[test]
fn who_stands_behind_the_victim_though_roas_forbid_it_has_no_excuse() {
    let mut story = held();
    story.announce(4, "10.64.0.0/20", "64504 64500 64510");
    assert_eq!(suspicion(&story, "moas"), 65 - 30 - 10);
    story.learn(0, MINUTE);
    assert_eq!(story.last().severity, Severity::Low);
    assert_eq!(suspicion(&story, "moas"), 65 + 15 - 10);
}

#[test]
fn what_ended_as_explained_is_not_suspicious() {
    let mut story = Story::new();
    story.learn(0, MINUTE);
    story.announce(1, "10.64.0.0/20", "64501 64510");
    assert_eq!(story.last().suspicion(), 65);
    let told = story.learn(1, MINUTE);
    assert_eq!(
        told,
        ["ended rpki-invalid high ended explained roa-names-others"]
    );
    assert_eq!(story.last().suspicion(), 0);
}

#[test]
fn a_blackhole_excuses_no_route_that_is_none() {
    let (host, path) = ("10.80.0.1/32", |n| format!("6450{n} 64500"));
    let mut story = Story::new();
    story.learn(0, MINUTE);
    story.blackhole(1, host, &path(1));
    assert_eq!(suspicion(&story, "rpki-invalid"), 0);
    story.blackhole(4, host, &path(4));
    assert_eq!(suspicion(&story, "rpki-invalid"), 0, "65 - 45 - 50");
    story.announce(5, host, &path(5));
    assert_eq!(suspicion(&story, "rpki-invalid"), 65 - 45 + 10 + 5);
}

#[test]
fn a_customer_of_the_victim_is_not_excused_by_one_path_of_its_own() {
    let part = "10.64.8.0/24";
    let mut story = held();
    story.learn_of(Kind::Relations, 0, DAY);
    story.announce(4, part, "64504 64500 64510");
    assert_eq!(suspicion(&story, "sub-prefix"), 80 - 60 - 10);
    story.announce(5, part, "64505 64507 64510");
    assert_eq!(suspicion(&story, "sub-prefix"), 80 - 40);
}

#[test]
fn where_nothing_is_stable_one_path_of_a_customer_excuses_nobody_further() {
    let part = "10.64.8.0/24";
    let mut story = Story::new();
    story.announce(1, "10.64.0.0/20", "64501 64500");
    story.pass(11 * MINUTE);
    story.announce(4, part, "64504 64500 64510");
    story.announce(5, part, "64505 64507 64510");
    let reasons = &story.last().reasons;
    assert_eq!(reasons[..], ["customer-sub-allocation", "no-baseline"]);
    assert_eq!(suspicion(&story, "sub-prefix"), 80 - 40);
}
