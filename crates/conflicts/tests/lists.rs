//! Lists that people keep: who is excused by them, who is not, and whom they take out of paths.

#[path = "story/mod.rs"]
mod story;

use rstest::rstest;
use story::{DAY, MINUTE, Story, told};
use weir_conflicts::{Detector, Thresholds};
use weir_events::position::TopicEpoch;
use weir_routing::knowledge::Kind;

/// AS64500 has held 10.64.0.0/20 and 10.80.0.0/20 for long enough.
fn held() -> Story {
    let mut story = Story::new();
    for prefix in ["10.64.0.0/20", "10.80.0.0/20"] {
        story.rib(1, prefix, "64501 64500");
    }
    story.pass(11 * MINUTE);
    story
}

#[rstest]
#[case::it(
    "10.64.0.0/20",
    "64502 64510",
    "opened moas low suspected anycast-prefix"
)]
#[case::of_a_set(
    "10.64.0.0/20",
    "64502 {64510,64511}",
    "opened moas low suspected anycast-prefix"
)]
#[case::a_part_of_it("10.64.4.0/24", "64502 64510", "opened sub-prefix critical suspected")]
#[case::another("10.80.0.0/20", "64502 64510", "opened moas high suspected")]
fn a_second_origin_of_an_anycast_prefix_is_no_surprise(
    #[case] prefix: &str,
    #[case] path: &str,
    #[case] found: &str,
) {
    let mut story = held();
    story.learn_of(Kind::Anycast, 0, DAY);
    assert_eq!(story.announce(2, prefix, path), [found]);
}

#[test]
fn an_anycast_prefix_whose_origin_has_gone_has_not_many_of_them() {
    let mut story = held();
    story.learn_of(Kind::Anycast, 0, DAY);
    story.withdraw(1, "10.64.0.0/20");
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64510"),
        ["opened origin-change medium suspected"]
    );
}

#[rstest]
#[case::beside(
    "10.64.0.0/20",
    "64502 64510",
    "opened moas low suspected ddos-protection"
)]
#[case::a_part(
    "10.64.4.0/24",
    "64502 64511",
    "opened sub-prefix low suspected ddos-protection"
)]
#[case::all_of_a_set(
    "10.64.0.0/20",
    "64502 {64510,64511}",
    "opened moas low suspected ddos-protection"
)]
#[case::some_of_a_set("10.64.0.0/20", "64502 {64510,64512}", "opened moas high suspected")]
#[case::a_stranger("10.64.4.0/24", "64502 64512", "opened sub-prefix critical suspected")]
#[case::who_passes_it_on(
    "10.64.4.0/24",
    "64502 64510 64512",
    "opened sub-prefix critical suspected"
)]
fn who_protects_others_may_originate_what_they_hold(
    #[case] prefix: &str,
    #[case] path: &str,
    #[case] found: &str,
) {
    let mut story = held();
    story.learn_of(Kind::Dps, 0, DAY);
    assert_eq!(story.announce(2, prefix, path), [found]);
}

#[test]
fn who_protects_others_may_originate_it_in_their_place_but_not_around_it() {
    let mut story = held();
    story.learn_of(Kind::Dps, 0, DAY);
    assert_eq!(
        story.announce(2, "10.64.0.0/16", "64502 64510"),
        ["opened super-prefix low suspected"]
    );
    let mut story = held();
    story.learn_of(Kind::Dps, 0, DAY);
    story.withdraw(1, "10.64.0.0/20");
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64510"),
        ["opened origin-change low suspected ddos-protection"]
    );
}

#[rstest]
#[case::anycast(Kind::Anycast, "anycast-prefix", 25)]
#[case::protection(Kind::Dps, "ddos-protection", 15)]
fn a_list_that_changes_judges_open_incidents_again(
    #[case] kind: Kind,
    #[case] reason: &str,
    #[case] suspicion: u8,
) {
    let mut story = held();
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64510"),
        ["opened moas high suspected"]
    );
    assert_eq!(story.last().suspicion(), 55);
    assert_eq!(
        story.learn_of(kind, 0, DAY),
        [format!("updated moas low suspected {reason}")]
    );
    assert_eq!(story.last().suspicion(), suspicion);
    assert_eq!(
        story.learn_of(kind, 1, DAY),
        ["updated moas high suspected"]
    );
    assert_eq!(story.last().suspicion(), 55);
}

#[rstest]
#[case::anycast(
    Kind::Anycast,
    "anycast-prefix rpki-invalid",
    "anycast-prefix customer-of-victim rpki-invalid"
)]
#[case::protection(
    Kind::Dps,
    "ddos-protection rpki-invalid",
    "customer-of-victim ddos-protection rpki-invalid"
)]
fn no_list_excuses_whom_roas_forbid(
    #[case] kind: Kind,
    #[case] reasons: &str,
    #[case] as_customer: &str,
) {
    let mut story = held();
    story.learn_of(kind, 0, DAY);
    story.learn(0, MINUTE);
    assert_eq!(
        story.announce(2, "10.64.0.0/20", "64502 64510"),
        [
            format!("opened moas high suspected {reasons}"),
            "opened rpki-invalid high suspected roa-names-others".to_owned()
        ]
    );
    // It is a customer of the victim, too: that is an excuse, and the list adds nothing to it.
    assert_eq!(
        story.learn_of(Kind::Relations, 0, DAY),
        [format!("updated moas low suspected {as_customer}")]
    );
    assert_eq!(story.last().suspicion(), 65 + 15 - 40 - 10);
}

/// A route server that puts itself into paths.
const ROUTE_SERVER: &str = "64599";

#[rstest]
#[case::it_hides_the_link_of_a_leak(0, "64501 64509 64599 64502 64510", &[], &["opened route-leak low suspected"])]
#[case::it_stands_between_peers(2, "64501 64599 64502 64510", &["opened route-leak low suspected"], &[])]
#[case::it_is_the_peer_of_the_collector(2, "64599 64502 64510", &[], &[])]
#[case::a_leak_elsewhere(0, "64501 64509 64502 64599 64510", &["opened route-leak low suspected"], &["opened route-leak low suspected"])]
#[case::it_stands_between_tier_1s(0, "64501 3356 64599 1299 64510", &["opened tier1-sandwich medium suspected"], &[])]
#[case::it_hides_who_stands_there(0, "64501 3356 64507 64599 1299 64510", &[], &["opened tier1-sandwich medium suspected"])]
#[case::it_stands_outside(0, "64599 3356 64507 1299 64510", &["opened tier1-sandwich medium suspected"], &["opened tier1-sandwich medium suspected"])]
fn a_route_server_is_nobodys_neighbour(
    #[case] relations: usize,
    #[case] path: &str,
    #[case] unknown: &[&str],
    #[case] known: &[&str],
) {
    for (list, found) in [(None, unknown), (Some(1), unknown), (Some(0), known)] {
        let mut story = Story::new();
        story.learn_of(Kind::Relations, relations, DAY);
        if let Some(list) = list {
            story.learn_of(Kind::RouteServers, list, DAY);
        }
        assert_eq!(story.announce(1, "10.64.0.0/20", path), told(found));
        if !found.is_empty() && list == Some(0) {
            assert_ne!(story.last().suspect.to_string(), ROUTE_SERVER);
            // The evidence shows what was said.
            assert_eq!(story.last().evidence[0].as_path, path);
        }
    }
}

#[rstest]
#[case::with_it(51, &["opened long-path info suspected"], &[])]
#[case::without_it(52, &["opened long-path info suspected"], &["opened long-path info suspected"])]
#[case::overlong_with_it(101, &["opened long-path low suspected"], &["opened long-path info suspected"])]
fn a_route_server_makes_no_path_longer(
    #[case] hops: u32,
    #[case] unknown: &[&str],
    #[case] known: &[&str],
) {
    let mut path = vec!["64501".to_owned(), ROUTE_SERVER.to_owned()];
    path.extend((3..=hops).map(|n| (2_000 + n).to_string()));
    let path = path.join(" ");
    assert_eq!(
        Story::new().announce(1, "10.64.0.0/20", &path),
        told(unknown)
    );
    let mut story = Story::new();
    story.learn_of(Kind::RouteServers, 0, DAY);
    assert_eq!(story.announce(1, "10.64.0.0/20", &path), told(known));
}

#[test]
fn a_new_list_of_route_servers_explains_what_they_were_suspected_of() {
    let mut story = Story::new();
    story.learn_of(Kind::Relations, 2, DAY);
    story.announce(1, "10.64.0.0/20", "64501 64599 64502 64510");
    story.announce(3, "10.80.0.0/20", "64503 3356 64599 1299 64510");
    assert_eq!(story.learn_of(Kind::RouteServers, 1, DAY), told(&[]));
    assert_eq!(
        story.learn_of(Kind::RouteServers, 0, DAY),
        [
            "ended route-leak low ended explained",
            "ended tier1-sandwich medium ended explained"
        ]
    );
}

#[rstest]
#[case::of_another(64_502, "64509 64599 64502 64510", 64_509)]
#[case::its_own(64_599, "64509 64599 64510", 64_509)]
fn who_gives_what_came_for_customers_only_to_a_provider_leaks_it_beside_a_route_server(
    #[case] marked_by: u32,
    #[case] path: &str,
    #[case] suspect: u32,
) {
    let mut story = Story::new();
    story.learn_of(Kind::Relations, 0, DAY);
    story.learn_of(Kind::RouteServers, 0, DAY);
    let route = format!("64501 {path}");
    let found = story.only_to_customer(1, ("10.64.0.0/20", &route), marked_by);
    assert!(
        found.contains(&"opened otc-leak high suspected".to_owned()),
        "{found:?}"
    );
    assert_eq!(story.last().suspect.0, suspect);
}

const BOGON: &str = "opened bogon-prefix medium suspected";
const BOGON_HOP: &str = "opened bogon-asn low suspected";

#[rstest]
#[case::listed_now("10.64.0.0/20", "64501 64510", None, Some(BOGON))]
#[case::a_hop_that_is_listed_now("10.80.0.0/20", "64501 64507 64510", None, Some(BOGON_HOP))]
#[case::listed_before("192.168.4.0/24", "64501 64510", Some(BOGON), None)]
#[case::a_hop_that_was_listed_before("10.80.0.0/20", "64501 65010 64510", Some(BOGON_HOP), None)]
#[case::the_peer_itself("10.80.0.0/20", "64507 64510", None, None)]
#[case::what_holds_a_bogon("10.0.0.0/8", "64501 64510", None, None)]
fn bogons_that_are_brought_take_the_place_of_our_own(
    #[case] prefix: &str,
    #[case] path: &str,
    #[case] own: Option<&str>,
    #[case] brought: Option<&str>,
) {
    let lines = |found: Option<&str>| found.map(str::to_owned).into_iter().collect::<Vec<_>>();
    let mut story = Story::new();
    assert_eq!(story.announce(1, prefix, path), lines(own));
    let ended = own.map(|line| {
        line.replace("opened", "ended")
            .replace("suspected", "ended explained")
    });
    assert_eq!(
        story.learn_of(Kind::Bogons, 0, DAY),
        lines(ended.as_deref())
    );
    // The same route again is no news: another vantage point has it.
    let path = path.replacen("64501", "64502", 1);
    assert_eq!(story.announce(2, prefix, &path), lines(brought));
}

#[test]
fn who_originates_a_route_does_not_change_with_the_list() {
    let mut story = Story::new();
    story.rib(1, "10.80.0.0/20", "64501 64500 65010");
    story.pass(11 * MINUTE);
    // 65010 is no bogon any more, and still stripped: no second origin.
    story.learn_of(Kind::Bogons, 0, DAY);
    assert_eq!(
        story.announce(2, "10.80.0.0/20", "64502 64500 65010"),
        told(&[])
    );
}

#[test]
fn a_list_of_bogons_that_somebody_chose_holds() {
    let mut story = Story::new();
    story.detector = Detector::new(TopicEpoch(1), Thresholds::default(), story::bogons());
    story.detector = story.detector.keeping_bogons();
    story.learn_of(Kind::Bogons, 0, DAY);
    assert_eq!(story.announce(1, "10.64.0.0/20", "64501 64510"), told(&[]));
    assert_eq!(story.announce(1, "192.168.4.0/24", "64501 64510"), [BOGON]);
}
