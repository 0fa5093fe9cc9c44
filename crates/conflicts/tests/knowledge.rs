//! What others say of prefixes and networks, and what becomes of incidents when they say something else.

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{DAY, HOUR, MINUTE, Story, asns, told};
use weir_routing::knowledge::Kind;

/// AS64500 holds 10.64.0.0/20 of old.
fn known() -> Story {
    let mut story = Story::new();
    story.rib(1, "10.64.0.0/20", "64501 64500");
    story.pass(MINUTE);
    story
}

#[rstest]
#[case::allowed("10.80.4.0/24", "64501 64500", &[])]
#[case::nothing_is_said_of_it("10.112.0.0/20", "64501 64510", &[])]
#[case::of_another("10.80.0.0/20", "64501 64510", &["opened rpki-invalid high suspected roa-names-others"])]
#[case::a_part_of_anothers("10.80.4.0/24", "64501 64510", &["opened rpki-invalid high suspected roa-names-others"])]
#[case::too_long("10.64.0.0/24", "64501 64500", &["opened rpki-invalid low suspected roa-allows-shorter"])]
#[case::a_set_is_never_allowed("10.80.0.0/20", "64501 {64500,64502}", &["opened rpki-invalid high suspected roa-names-others"])]
fn what_roas_forbid_is_reported(#[case] prefix: &str, #[case] path: &str, #[case] found: &[&str]) {
    let mut story = Story::new();
    story.learn(0, MINUTE);
    assert_eq!(story.announce(1, prefix, path), told(found));
}

#[test]
fn who_may_originate_it_is_the_victim() {
    let mut story = Story::new();
    story.learn(0, MINUTE);
    story.announce(1, "10.80.0.0/20", "64501 64510");
    assert_eq!(story.last().victims, asns(&[64_500]));
    assert_eq!(story.last().suspect.0, 64_510);
    assert_eq!(
        story.withdraw(1, "10.80.0.0/20"),
        ["ended rpki-invalid high ended withdrawn roa-names-others"]
    );
}

#[test]
fn a_roa_of_as0_allows_nobody() {
    let mut story = Story::new();
    story.learn(1, MINUTE);
    assert_eq!(
        story.announce(1, "10.96.0.0/20", "64501 64510"),
        ["opened rpki-invalid high suspected roa-of-as0"]
    );
    assert_eq!(story.last().victims, asns(&[]));
}

#[test]
fn what_was_there_for_long_or_is_part_of_what_is_allowed_is_only_noted() {
    let mut story = known();
    story.learn(0, MINUTE);
    assert_eq!(
        story.announce(1, "10.64.4.0/24", "64501 64500"),
        ["opened rpki-invalid info suspected roa-allows-shorter valid-covering-prefix"]
    );
    story.rib(1, "10.80.0.0/20", "64501 64510");
    story.pass(MINUTE);
    assert_eq!(
        story.announce(1, "10.80.0.0/20", "64501 64502 64510"),
        ["opened rpki-invalid info suspected previously-seen roa-names-others"]
    );
}

#[test]
fn vrps_that_are_missing_or_stale_raise_nothing() {
    let mut story = Story::new();
    assert_eq!(story.announce(1, "10.80.0.0/20", "64501 64510"), told(&[]));
    story.learn(0, 2 * HOUR + MINUTE);
    assert_eq!(story.announce(2, "10.80.0.0/20", "64502 64510"), told(&[]));
    story.learn(0, 2 * HOUR - MINUTE);
    assert_eq!(
        story.announce(3, "10.80.0.0/20", "64503 64510"),
        ["opened rpki-invalid high confirmed roa-names-others"]
    );
}

#[test]
fn what_a_roa_allows_is_no_conflict_to_tell_of() {
    let mut story = known();
    story.learn(1, MINUTE);
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64510"),
        ["opened moas info suspected rpki-valid"]
    );
}

#[test]
fn other_vrps_judge_open_incidents_again() {
    let mut story = known();
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64510"),
        ["opened moas high suspected"]
    );
    assert_eq!(
        story.learn(1, MINUTE),
        ["updated moas info suspected rpki-valid"]
    );
    assert_eq!(
        story.learn(0, MINUTE),
        ["updated moas high suspected rpki-invalid"]
    );
    assert_eq!(story.learn(0, 0), told(&[]), "the same content again");
    assert_eq!(story.learn(2, 0), ["updated moas high suspected"]);
}

#[test]
fn who_takes_all_over_against_roas_is_as_bad_as_before() {
    let mut story = known();
    story.announce(2, "10.64.0.0/20", "64502 64510");
    assert_eq!(
        story.announce(1, "10.64.0.0/20", "64501 64510"),
        ["updated moas medium suspected stable-origin-gone"]
    );
    assert_eq!(
        story.learn(0, MINUTE),
        ["updated moas high suspected rpki-invalid stable-origin-gone"]
    );
}

#[test]
fn stale_vrps_take_nothing_back() {
    let mut story = known();
    story.learn(1, 2 * HOUR - MINUTE);
    story.announce(2, "10.64.0.0/20", "64502 64510");
    story.pass(2 * MINUTE);
    assert_eq!(
        story.announce(3, "10.64.0.0/20", "64503 64510"),
        ["updated moas info suspected rpki-valid"]
    );
    assert_eq!(
        story.announce(5, "10.64.0.0/20", "64505 64511"),
        [
            "updated moas info suspected rpki-valid",
            "opened moas high suspected vrps-stale"
        ]
    );
}

#[test]
fn what_is_allowed_now_was_no_conflict() {
    let mut story = Story::new();
    story.learn(0, MINUTE);
    story.announce(1, "10.64.0.0/20", "64501 64510");
    assert_eq!(
        story.learn(1, MINUTE),
        ["ended rpki-invalid high ended explained roa-names-others"]
    );
}

#[test]
fn a_forbidden_origin_does_not_become_stable() {
    let mut story = Story::new();
    story.learn(0, MINUTE);
    for n in 1..=3 {
        story.announce(n, "10.80.0.0/20", &format!("6450{n} 64510"));
    }
    assert_eq!(story.pass(3 * DAY), told(&[]));
}

#[rstest]
#[case::between_two_who_buy_from_nobody("64501 64509 64502 64510", &["opened aspa-invalid high suspected"])]
#[case::which_prepends("64501 64509 64509 64502 64510", &["opened aspa-invalid high suspected"])]
#[case::over_the_top_and_down("64509 64501 64502 64510", &[])]
#[case::behind_a_set("64501 64509 64502 {64510}", &[])]
fn who_passes_on_a_route_that_nobody_authorized_it_to_is_reported(
    #[case] path: &str,
    #[case] found: &[&str],
) {
    let mut story = Story::new();
    story.learn_of(Kind::Aspas, 0, HOUR);
    assert_eq!(story.announce(1, "10.64.0.0/20", path), told(found));
    if !found.is_empty() {
        assert_eq!(story.last().suspect.0, 64_509);
        // Its neighbours say otherwise now.
        assert_eq!(
            story.learn_of(Kind::Aspas, 1, 0),
            ["ended aspa-invalid high ended explained"]
        );
    }
}

#[test]
fn aspas_that_are_stale_raise_nothing_and_take_nothing_back() {
    let mut story = Story::new();
    let path = |n: u32| format!("6450{n} 64501 64509 64502 64510");
    story.learn_of(Kind::Aspas, 0, 2 * HOUR + MINUTE);
    assert_eq!(story.announce(3, "10.64.0.0/20", &path(3)), told(&[]));
    story.learn_of(Kind::Aspas, 0, 2 * HOUR - MINUTE);
    assert_eq!(
        story.announce(4, "10.64.0.0/20", &path(4)),
        ["opened aspa-invalid high suspected"]
    );
    story.pass(2 * MINUTE);
    assert_eq!(
        story.announce(5, "10.64.0.0/20", &path(5)),
        ["confirmed aspa-invalid high confirmed"]
    );
    assert_eq!(
        story.announce(6, "10.80.0.0/20", &path(6)),
        told(&[]),
        "nothing new"
    );
}

#[rstest]
#[case::from_one_provider_to_the_other("64501 64509 64502 64510", &["opened route-leak low suspected"])]
#[case::which_prepends("64501 64509 64509 64502 64510", &["opened route-leak low suspected"])]
#[case::over_the_top_and_down("64509 64501 64502 64510", &[])]
#[case::over_links_that_nobody_knows("64501 64507 64502 64510", &[])]
#[case::behind_a_set("64501 64509 {64502,64510}", &[])]
fn who_passes_on_a_route_against_its_relations_leaks_it(
    #[case] path: &str,
    #[case] found: &[&str],
) {
    let mut story = Story::new();
    story.learn_of(Kind::Relations, 0, DAY);
    assert_eq!(story.announce(1, "10.64.0.0/20", path), told(found));
    if !found.is_empty() {
        assert_eq!(story.last().suspect.0, 64_509);
        // Other relations explain it.
        assert_eq!(
            story.learn_of(Kind::Relations, 1, 0),
            ["ended route-leak low ended explained"]
        );
    }
}

#[rstest]
#[case::within_four_months(119, &["opened route-leak low suspected", "opened otc-leak high suspected"])]
#[case::older(121, &[])]
fn relations_of_long_ago_raise_nothing_and_take_nothing_back(
    #[case] days: i64,
    #[case] found: &[&str],
) {
    let mut story = Story::new();
    story.learn_of(Kind::Relations, 0, days * DAY);
    assert_eq!(story.only_to_customer(1, ROUTE, 64_502), told(found));
    assert_eq!(story.learn_of(Kind::Relations, 0, 200 * DAY), told(&[]));
}

const ROUTE: (&str, &str) = ("10.64.0.0/20", "64501 64509 64502 64510");

#[test]
fn a_route_for_customers_only_is_leaked_by_who_gives_it_to_a_provider() {
    let mut story = Story::new();
    story.learn_of(Kind::Relations, 0, DAY);
    assert_eq!(
        story.only_to_customer(1, ROUTE, 64_502),
        [
            "opened route-leak low suspected",
            "opened otc-leak high suspected"
        ]
    );
    assert_eq!(story.last().suspect.0, 64_509);
    // The same path without the mark is a leak by relations only.
    assert_eq!(
        story.announce(1, ROUTE.0, ROUTE.1),
        ["ended otc-leak high ended replaced"]
    );
    story.only_to_customer(1, ROUTE, 64_502);
    assert_eq!(
        story.learn_of(Kind::Relations, 1, 0),
        [
            "ended route-leak low ended explained",
            "ended otc-leak high ended explained"
        ]
    );
}

#[rstest]
#[case::without_relations(64_502, false)]
#[case::marked_by_a_route_server(64_599, true)]
#[case::marked_by_the_last(64_501, true)]
fn a_mark_alone_decides_nothing(#[case] marked_by: u32, #[case] relations: bool) {
    let mut story = Story::new();
    if relations {
        story.learn_of(Kind::Relations, 0, DAY);
    }
    let found = story.only_to_customer(1, ROUTE, marked_by);
    assert!(
        !found.iter().any(|line| line.contains("otc-leak")),
        "{found:?}"
    );
}

#[test]
fn a_sibling_is_no_stranger_and_a_customer_hardly_one() {
    let mut story = known();
    story.announce(2, "10.64.0.0/20", "64502 64510");
    assert_eq!(
        story.learn_of(Kind::Relations, 0, DAY),
        ["updated moas low suspected customer-of-victim"]
    );
    assert_eq!(
        story.learn_of(Kind::Organisations, 0, DAY),
        ["updated moas info suspected sibling-of-victim"]
    );
    assert_eq!(
        story.learn_of(Kind::Organisations, 1, DAY),
        ["updated moas low suspected customer-of-victim"]
    );
    assert_eq!(
        story.learn_of(Kind::Relations, 1, 0),
        ["updated moas high suspected"]
    );
}

#[test]
fn a_set_is_not_borne_out_by_routes_of_its_member() {
    let mut story = Story::new();
    story.learn(0, MINUTE);
    for n in 1..=3 {
        story.announce(n, "10.80.0.0/20", &format!("6450{n} 64500"));
    }
    story.announce(4, "10.80.0.0/20", "64504 {64500}");
    let found = story.last().clone();
    assert_eq!(
        (found.kind.name(), found.visible_peers),
        ("rpki-invalid", 1)
    );
    assert_eq!(
        story.withdraw(4, "10.80.0.0/20"),
        ["ended rpki-invalid high ended withdrawn roa-names-others"]
    );
}
