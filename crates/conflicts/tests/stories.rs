//! Stories: what a network engineer would call each of these, told as records.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

mod story;

use rstest::rstest;
use story::{DAY, HOUR, MINUTE, Story, told};
use weir_conflicts::incident::Severity;

/// 10.64.0.0/20 is originated by 64500, has been for two days, and three peers say so.
fn settled() -> Story {
    let mut story = Story::new();
    for peer in 1..=3 {
        story.announce(peer, "10.64.0.0/20", &format!("6450{peer} 64500"));
    }
    story.pass(2 * DAY);
    story
}

#[test]
fn who_stands_in_a_later_table_beside_the_holder_is_no_holder_by_that() {
    let mut story = settled();
    assert_eq!(story.rib(4, "10.64.0.0/20", "64504 64510"), told(&[]));
    assert_eq!(
        story.announce(5, "10.64.0.0/20", "64505 64510"),
        ["opened moas high suspected"]
    );
}

#[test]
fn two_who_stand_in_one_table_both_hold_it() {
    let mut story = Story::new();
    story.rib(1, "10.64.0.0/20", "64501 64500");
    story.rib(2, "10.64.0.0/20", "64502 64510");
    story.pass(HOUR);
    assert_eq!(story.announce(3, "10.64.0.0/20", "64503 64510"), told(&[]));
}

#[test]
fn evidence_says_when_a_route_came_as_exactly_as_its_record() {
    let mut story = settled();
    story.pass(123_456);
    story.announce(1, "10.64.0.0/20", "64501 64510");
    let incident = story.last();
    assert_eq!(incident.evidence[0].event_time_us, incident.first_seen_us);
    assert_eq!(incident.first_seen_us % 1_000_000, 123_456);
}

#[test]
fn a_second_origin_is_suspected_at_once_and_confirmed_by_the_third_peer() {
    let mut story = settled();
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 64510"),
        ["opened moas high suspected"]
    );
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 64510"),
        told(&[]),
        "said twice"
    );
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64510"),
        ["updated moas high suspected"]
    );
    assert_eq!(
        story.announce(4, "10.64.0.0/20", "64504 64510"),
        ["confirmed moas high confirmed"]
    );
    assert_eq!(
        story.announce(3, "10.64.0.0/20", "64503 64510"),
        ["updated moas medium confirmed stable-origin-gone"]
    );
    let incident = story.last();
    assert_eq!(incident.expected_origins, story::asns(&[64_500]));
    assert_eq!(
        incident.peer_asns,
        story::asns(&[64_501, 64_502, 64_503, 64_504])
    );
    assert_eq!((incident.visible_peers, incident.total_peers), (4, 4));
    let paths: Vec<_> = incident
        .evidence
        .iter()
        .map(|e| e.as_path.as_str())
        .collect();
    assert_eq!(
        paths,
        ["64501 64510", "64502 64510", "64503 64510", "64504 64510"]
    );
}

#[test]
fn peers_of_one_asn_confirm_nothing() {
    let mut story = settled();
    for peer in [1, 101, 201, 301] {
        story.announce(peer, "10.64.0.0/20", "64501 64510");
    }
    assert_eq!(story.last().visible_peers, 4);
    assert_eq!(story.last().peer_asns, story::asns(&[64_501]));
    assert_eq!(story.told().last().unwrap(), "updated moas high suspected");
}

#[test]
fn a_new_origin_in_the_place_of_the_old_is_an_origin_change_and_stays_one() {
    let mut story = settled();
    for peer in 1..=3 {
        story.withdraw(peer, "10.64.0.0/20");
    }
    story.pass(MINUTE);
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 64510"),
        ["opened origin-change medium suspected"]
    );
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64500"),
        ["updated origin-change medium suspected"],
        "the old one is back: its origins changed, its type did not"
    );
    assert_eq!(
        story.announce(3, "10.64.0.0/20", "64503 64510"),
        ["updated origin-change medium suspected"]
    );
}

#[rstest]
#[case::the_holder_itself("64501 64499 64500")]
#[case::a_set_with_the_holder_in_it("64501 {64500,64511}")]
#[case::a_private_asn_behind_the_holder("64501 64500 65010")]
fn nobody_is_accused(#[case] path: &str) {
    let mut story = settled();
    let told = story.announce(4, "10.64.0.0/20", path);
    assert!(!told.iter().any(|line| line.contains("moas")), "{told:?}");
}

#[test]
fn a_set_of_strangers_is_filed_under_its_lowest() {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 {64511,64510}");
    assert_eq!(story.last().suspect.0, 64_510);
    assert_eq!(story.last().suspect_set, story::asns(&[64_510, 64_511]));
}

#[test]
fn without_a_baseline_a_second_origin_is_only_noted() {
    let mut story = Story::new();
    story.announce(1, "10.64.0.0/20", "64501 64500");
    story.pass(MINUTE);
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64510"),
        ["opened moas info suspected no-baseline"]
    );
    assert_eq!(story.announce(3, "10.64.0.0/20", "64503 64500").len(), 0);
}

#[test]
fn a_rib_is_a_baseline_and_raises_nothing() {
    let mut story = Story::new();
    assert_eq!(story.rib(1, "10.64.0.0/20", "64501 64500"), told(&[]));
    assert_eq!(
        story.rib(2, "10.64.0.0/20", "64502 64509"),
        told(&[]),
        "a legal MOAS"
    );
    assert_eq!(story.announce(3, "10.64.0.0/20", "64503 64509"), told(&[]));
    assert_eq!(
        story.announce(3, "10.64.0.0/20", "64503 64510"),
        ["opened moas high suspected"]
    );
}

#[rstest]
#[case::a_stranger("64504 64510", &["opened sub-prefix critical suspected"])]
#[case::a_customer("64504 64500 64510", &["opened sub-prefix info suspected customer-sub-allocation"])]
#[case::a_customers_customer("64504 64500 64511 64510", &["opened sub-prefix info suspected victim-on-path"])]
#[case::the_holder("64504 64500", &[])]
fn a_part_of_a_known_prefix(#[case] path: &str, #[case] expected: &[&str]) {
    let mut story = settled();
    assert_eq!(story.announce(4, "10.64.8.0/24", path), told(expected));
    if !expected.is_empty() {
        assert_eq!(story.last().covering, "10.64.0.0/20".parse().ok());
        assert_eq!(story.last().victims, story::asns(&[64_500]));
    }
}

#[test]
fn a_blackholed_host_is_only_noted() {
    let mut story = settled();
    assert_eq!(
        story.blackhole(4, "10.64.8.1/32", "64504 64510"),
        [
            "opened sub-prefix info suspected blackhole",
            "opened default-or-too-specific info suspected blackhole"
        ]
    );
}

#[test]
fn the_worst_path_counts() {
    let mut story = settled();
    story.announce(4, "10.64.8.0/24", "64504 64500 64510");
    assert_eq!(
        story.announce(5, "10.64.8.0/24", "64505 64510"),
        ["updated sub-prefix critical suspected customer-sub-allocation"]
    );
}

#[test]
fn the_victim_may_announce_its_part_against_the_hijacker() {
    let mut story = settled();
    story.announce(4, "10.64.8.0/24", "64504 64510");
    let told = story.announce(5, "10.64.8.0/24", "64505 64500");
    assert_eq!(
        told,
        ["updated sub-prefix critical suspected"],
        "its origins changed"
    );
    assert_eq!(story.last().suspect.0, 64_510);
}

#[test]
fn a_covering_prefix_that_is_young_is_no_ground() {
    let mut story = Story::new();
    story.announce(1, "10.64.0.0/20", "64501 64500");
    story.pass(9 * MINUTE);
    assert_eq!(story.announce(2, "10.64.8.0/24", "64502 64510"), told(&[]));
    assert_eq!(story.detector.counts().unsettled, 1);
    story.pass(2 * MINUTE);
    assert_eq!(
        story.announce(3, "10.64.8.0/24", "64503 64510"),
        ["opened sub-prefix info suspected no-baseline"]
    );
    assert_eq!(
        story.last().visible_peers,
        2,
        "who said it before counts too"
    );
}

#[rstest]
#[case::a_default_route("0.0.0.0/0")]
#[case::less_than_eight_bits("10.0.0.0/7")]
fn a_default_covers_nothing(#[case] covering: &str) {
    let mut story = Story::new();
    story.announce(1, covering, "64501 64500");
    story.pass(2 * DAY);
    assert_eq!(story.announce(2, "10.64.8.0/24", "64502 64510"), told(&[]));
}

#[rstest]
#[case::at_home(false)]
#[case::as_a_copy(true)]
fn a_prefix_of_many_blocks_covers_in_all_of_them(#[case] context: bool) {
    let mut story = Story::new();
    story
        .context(context)
        .announce(1, "10.0.0.0/8", "64501 64500");
    story.context(false).pass(2 * DAY);
    assert_eq!(
        story.announce(2, "10.64.8.0/24", "64502 64510"),
        ["opened sub-prefix critical suspected"]
    );
}

#[rstest]
#[case::withdrawn(None, "ended moas medium ended withdrawn stable-origin-gone")]
#[case::replaced(Some("64504 64500"), "ended moas high ended replaced")]
fn the_last_route_ends_it(#[case] then: Option<&str>, #[case] expected: &str) {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    if then.is_none() {
        for peer in 1..=3 {
            story.withdraw(peer, "10.64.0.0/20");
        }
    }
    let told = match then {
        None => story.withdraw(4, "10.64.0.0/20"),
        Some(path) => story.announce(4, "10.64.0.0/20", path),
    };
    assert_eq!(told, [expected]);
}

#[test]
fn who_takes_all_over_is_milder_until_the_prefix_is_contested_again() {
    let mut story = settled();
    for peer in 1..=3 {
        story.announce(peer, "10.64.0.0/20", &format!("6450{peer} 64510"));
    }
    assert_eq!(story.last().severity, Severity::Medium);
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 64500"),
        ["updated moas high confirmed"]
    );
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 64510"),
        ["updated moas medium confirmed stable-origin-gone"]
    );
}

#[test]
fn what_comes_back_in_ten_minutes_is_the_same_incident() {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    let id = story.last().id;
    story.withdraw(4, "10.64.0.0/20");
    story.pass(9 * MINUTE);
    assert_eq!(
        story.announce(4, "10.64.0.0/20", "64504 64510"),
        ["reopened moas high suspected"]
    );
    assert_eq!((story.last().id, story.last().reopened), (id, 1));
    story.withdraw(4, "10.64.0.0/20");
    story.pass(11 * MINUTE);
    assert_eq!(
        story.announce(4, "10.64.0.0/20", "64504 64510"),
        ["opened moas high suspected"]
    );
    assert_ne!(story.last().id, id);
}

#[test]
fn a_lonely_suspicion_fades_and_only_another_peer_asn_brings_it_back() {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    let id = story.last().id;
    assert_eq!(story.pass(HOUR - MINUTE), told(&[]));
    assert_eq!(story.pass(MINUTE), ["ended moas high ended faded"]);
    assert_eq!(
        story.announce(4, "10.64.0.0/20", "64504 64509 64510"),
        told(&[])
    );
    assert_eq!(
        story.announce(5, "10.64.0.0/20", "64505 64510"),
        ["reopened moas high suspected"]
    );
    assert_eq!(story.last().id, id);
    assert_eq!(story.last().visible_peers, 2);
}

#[test]
fn an_origin_that_stays_a_day_is_stable() {
    let mut story = settled();
    for peer in 4..=6 {
        story.announce(peer, "10.64.0.0/20", &format!("6450{peer} 64510"));
    }
    assert_eq!(story.pass(DAY - MINUTE), told(&[]));
    assert_eq!(story.pass(MINUTE), ["ended moas high ended became-stable"]);
    assert_eq!(story.announce(1, "10.64.0.0/20", "64501 64510"), told(&[]));
}

#[test]
fn a_hijack_that_went_does_not_ripen_in_its_absence() {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    story.withdraw(4, "10.64.0.0/20");
    story.pass(3 * DAY);
    assert_eq!(
        story.announce(4, "10.64.0.0/20", "64504 64510"),
        ["opened moas high suspected"]
    );
}

#[test]
fn a_peer_that_goes_away_takes_its_testimony_with_it_but_ends_nothing() {
    let mut story = settled();
    for peer in 4..=6 {
        story.announce(peer, "10.64.0.0/20", &format!("6450{peer} 64510"));
    }
    assert_eq!(story.down(4), ["updated moas high confirmed"]);
    assert_eq!(story.last().visible_peers, 2);
    story.down(5);
    story.down(6);
    assert_eq!(story.last().visible_peers, 0);
    assert_eq!(story.pass(2 * MINUTE), told(&[]));
    assert_eq!(story.pass(MINUTE), ["ended moas high ended unknown"]);
}

#[test]
fn a_peer_that_says_down_and_goes_on_talking_is_not_gone() {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    for _ in 0..5 {
        story.down(4);
        assert_eq!(story.last().visible_peers, 0);
        story.announce(4, "10.64.0.0/20", "64504 64510");
        assert_eq!(
            story.last().visible_peers,
            1,
            "the route that it names is fresh"
        );
        assert_eq!(story.pass(63_000_000), told(&[]));
    }
    story.down(4);
    story.announce(4, "10.66.0.0/20", "64504 64500");
    assert_eq!(
        story.pass(HOUR - MINUTE),
        told(&[]),
        "revived by another route: stale for a day"
    );
}

#[test]
fn a_stale_route_does_not_count_toward_k() {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    story.announce(5, "10.64.0.0/20", "64505 64510");
    story.down(4);
    assert_eq!(
        story.announce(6, "10.64.0.0/20", "64506 64510"),
        ["updated moas high suspected"]
    );
    assert_eq!(
        story.announce(4, "10.64.0.0/20", "64504 64510"),
        ["confirmed moas high confirmed"]
    );
}

#[test]
fn a_hole_in_the_data_does_not_blind() {
    let mut story = settled();
    for peer in 1..=3 {
        story.down(peer);
    }
    story.pass(DAY);
    assert_eq!(
        story.announce(4, "10.64.0.0/20", "64504 64510"),
        ["opened origin-change medium suspected"]
    );
    assert_eq!(
        story.announce(4, "10.64.8.0/24", "64504 64511"),
        ["opened sub-prefix critical suspected"]
    );
}

#[test]
fn the_end_of_rib_of_the_next_session_ends_what_the_last_one_said() {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    story.down(4);
    story.pass(MINUTE);
    assert_eq!(story.up(4), told(&[]));
    story.announce(4, "10.66.0.0/20", "64504 64500");
    assert_eq!(story.end_of_rib(4), ["ended moas high ended unknown"]);
}

#[test]
fn what_is_sent_twice_or_by_a_fenced_writer_has_no_effect() {
    let mut story = settled();
    story.announce(4, "10.64.0.0/20", "64504 64510");
    let before = story.detector.counts();
    assert_eq!(story.send_again(), weir_conflicts::Applied::Duplicate);
    story.next_life();
    story.announce(5, "10.64.0.0/20", "64505 64510");
    let told = story.told().len();
    assert_eq!(
        story.sent_in_an_earlier_life(6, "10.64.0.0/20", "64506 64510"),
        weir_conflicts::Applied::Fenced
    );
    assert_eq!(story.told().len(), told);
    let after = story.detector.counts();
    assert_eq!(
        (after.duplicates, after.fenced),
        (before.duplicates + 1, before.fenced + 1)
    );
    assert_eq!(after.elements, before.elements + 1);
}
