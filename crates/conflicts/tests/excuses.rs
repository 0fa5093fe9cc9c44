//! What makes a stranger less suspicious, and what does not.

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{MINUTE, START, Story, told};
use weir_conflicts::incident::Severity;

/// A prefix that AS64500 holds of old, behind AS64506, whose paths have stood for long enough to say something.
fn held() -> Story {
    let mut story = Story::new();
    for n in 1..=3 {
        story.rib(n, "10.64.0.0/20", &format!("6450{n} 64506 64500"));
    }
    story.pass(11 * MINUTE);
    story
}

#[rstest]
#[case::its_customer("64504 64500 64510", &["opened moas low suspected victim-on-path"])]
#[case::behind_its_customer("64504 64500 64507 64510", &["opened moas low suspected victim-on-path"])]
#[case::a_set_behind_it("64504 64500 {64510}", &["opened moas low suspected victim-on-path"])]
#[case::its_provider("64504 64506", &["opened moas low suspected transit-of-victim"])]
#[case::a_stranger("64504 64507 64510", &["opened moas high suspected"])]
#[case::who_poisons_its_path("64504 64510 64500 64510", &["opened moas high suspected", "opened path-loop info suspected"])]
#[case::the_holder_in_a_set("64504 {64500} 64510", &["opened moas high suspected"])]
fn who_stands_beside_the_holder_on_a_path_is_less_suspicious(
    #[case] path: &str,
    #[case] found: &[&str],
) {
    assert_eq!(held().announce(4, "10.64.0.0/20", path), told(found));
}

#[test]
fn a_forged_path_makes_nobody_a_provider() {
    let mut story = held();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    assert_eq!(story.last().severity, Severity::High);
    story.announce(5, "10.64.0.0/20", "64505 64510 64500");
    story.announce(6, "10.64.0.0/20", "64506 64510");
    assert_eq!(story.last().severity, Severity::High, "after the opening");
    let mut story = held();
    story.announce(5, "10.64.0.0/20", "64505 64510 64500");
    story.announce(6, "10.64.0.0/20", "64506 64510");
    assert_eq!(
        story.last().severity,
        Severity::High,
        "of one vantage point"
    );
}

#[rstest]
#[case::of_now(MINUTE, Severity::High)]
#[case::that_have_stood(11 * MINUTE, Severity::Low)]
fn paths_that_many_carry_make_a_provider_once_they_have_stood(
    #[case] for_us: i64,
    #[case] severity: Severity,
) {
    let mut story = held();
    for n in 4..=6 {
        story.announce(n, "10.64.0.0/20", &format!("6450{n} 64510 64500"));
    }
    story.pass(for_us);
    story.announce(1, "10.64.0.0/20", "64501 64510");
    assert_eq!(story.last().severity, severity);
}

#[rstest]
#[case::of_now(MINUTE, Severity::High)]
#[case::that_have_stood(11 * MINUTE, Severity::Low)]
fn a_source_whose_clock_is_late_does_not_age_a_path(
    #[case] for_us: i64,
    #[case] severity: Severity,
) {
    let mut story = held();
    story.late_by(11 * MINUTE);
    for n in 4..=6 {
        story.announce(n, "10.64.0.0/20", &format!("6450{n} 64510 64500"));
    }
    story.pass(for_us);
    story.announce(1, "10.64.0.0/20", "64501 64510");
    assert_eq!(story.last().severity, severity);
    let now = START + 11 * MINUTE + for_us;
    let told = story.last().evidence[0].event_time_us;
    assert_eq!(told, now - 11 * MINUTE, "the source's own time");
}

#[test]
fn what_began_mildly_is_as_bad_as_its_worst_route_when_the_type_would_change() {
    let mut story = held();
    story.announce(4, "10.64.0.0/20", "64504 64500 64510");
    assert_eq!(story.last().severity, Severity::Low);
    for n in 1..=3 {
        story.withdraw(n, "10.64.0.0/20");
    }
    story.announce(5, "10.64.0.0/20", "64505 64507 64510");
    assert_eq!(story.last().severity, Severity::Medium);
}

#[test]
fn what_was_said_of_a_provider_stands_when_the_old_routes_are_gone() {
    let mut story = held();
    story.announce(4, "10.64.0.0/20", "64504 64506");
    for n in 1..=3 {
        story.announce(n, "10.64.0.0/20", &format!("6450{n} 64506"));
    }
    assert_eq!(story.last().severity, Severity::Low);
}

#[test]
fn one_path_without_the_victim_is_enough_for_suspicion() {
    let mut story = held();
    story.announce(4, "10.64.0.0/20", "64504 64500 64510");
    assert_eq!(
        story.announce(5, "10.64.0.0/20", "64505 64507 64510"),
        ["updated moas high suspected victim-on-path"]
    );
}

#[test]
fn suspicion_rises_with_who_sees_it_and_falls_with_what_explains_it() {
    let mut story = held();
    let mut seen = Vec::new();
    for n in 4..=6 {
        story.announce(n, "10.64.0.0/20", &format!("6450{n} 64507 64510"));
        seen.push(story.last().suspicion());
    }
    assert_eq!(
        seen,
        [55, 65, 80],
        "one, two, and three of six who confirm it"
    );
    let mut story = held();
    story.announce(4, "10.64.0.0/20", "64504 64500 64510");
    assert_eq!(
        story.last().suspicion(),
        25,
        "behind the victim, seen by one"
    );
    story.announce(5, "10.64.0.0/20", "64505 64507 64510");
    assert_eq!(
        story.last().suspicion(),
        65,
        "another route has no such excuse"
    );
    let mut story = Story::new();
    story.announce(1, "192.168.0.0/24", "64501 64500");
    assert_eq!(story.last().suspicion(), 35, "a bogon, seen by one");
}
