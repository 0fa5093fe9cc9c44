//! What only who sees all partitions can judge: both stages together.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

mod story;
mod world;

use rstest::rstest;
use story::{DAY, MINUTE, peer};
use weir_conflicts::record::Control;
use weir_routing::{Prefix, knowledge::Kind};
use world::{PREFIXES, SECOND, World, many, path};

const PARTS: &str = "mass-withdrawal low confirmed inside-what-stays";
const WHOLES: &str = "mass-withdrawal critical confirmed";

/// Everybody knows 64500 behind 64508, and that they are neighbours; relations are told.
fn settled() -> World {
    let mut world = World::new();
    for prefix in PREFIXES {
        world.rib(prefix, "64508 64500");
    }
    world.learn(Kind::Relations, 0);
    world.pass(MINUTE);
    assert!(world.found.is_empty());
    world
}

#[test]
fn an_origin_behind_a_neighbour_that_it_never_had_is_found_about_a_second_later() {
    let mut world = settled();
    world.announce(&[1, 2], PREFIXES[0], "64511 64500");
    assert!(world.found.is_empty());
    assert_eq!(
        world.pass(SECOND),
        ["opened fake-first-hop medium suspected"]
    );
    world.announce(&[3], PREFIXES[0], "64511 64500");
    assert_eq!(
        world.pass(SECOND),
        ["confirmed fake-first-hop medium confirmed"]
    );
    let found = world.last();
    assert_eq!((found.suspect.0, found.victims[0].0), (64_511, 64_500));
    assert_eq!(
        found.prefix.map(|p| p.to_string()).as_deref(),
        Some(PREFIXES[0])
    );
    world.announce(&[1, 2, 3], PREFIXES[0], "64508 64500");
    assert_eq!(
        world.pass(SECOND),
        ["ended fake-first-hop medium ended replaced"]
    );
    assert!(world.at_once.is_empty(), "{:?}", world.at_once);
}

#[test]
fn a_neighbour_that_another_partition_has_known_for_long_is_none() {
    let mut world = World::new();
    world
        .rib(PREFIXES[0], "64508 64500")
        .rib(PREFIXES[1], "64510 64500");
    world.learn(Kind::Relations, 0);
    world.pass(MINUTE);
    let home = |at: usize| PREFIXES[at].parse::<Prefix>().unwrap().block().partition();
    assert_ne!(home(0), home(1));
    world.announce(&[1, 2, 3], PREFIXES[0], "64510 64500");
    assert_eq!(world.pass(SECOND), [""; 0]);
}

#[test]
fn a_neighbour_that_the_list_of_relations_knows_is_none() {
    let mut world = World::new();
    world.rib(PREFIXES[0], "64501 64509 64500");
    world.learn(Kind::Relations, 0);
    world.pass(MINUTE);
    // 64500 sells transit to 64510 on that list.
    world.announce(&[1, 2, 3], PREFIXES[0], "64510 64500");
    world.pass(SECOND);
    let mut found = world.found.iter().map(|t| t.incident.suspect.0);
    assert!(found.all(|suspect| suspect != 64_510));
}

#[test]
fn who_was_seen_beside_it_before_is_a_neighbour() {
    let mut world = settled();
    world.learn(Kind::Links, 0);
    world.announce(&[1, 2, 3], PREFIXES[0], "64511 64500");
    assert_eq!(world.pass(SECOND), [""; 0]);
    world.announce(&[1, 2, 3], PREFIXES[0], "64510 64505 64500");
    assert_eq!(world.pass(SECOND).len(), 1);
}

#[test]
fn a_list_of_links_is_enough_to_compare_with() {
    let mut world = World::new();
    world.announce(&[1, 2, 3, 4], PREFIXES[0], "64508 64500");
    // An origin is stable after a day, links are learned in a week.
    world.pass(2 * DAY);
    world.learn(Kind::Relations, 0);
    world.announce(&[1], PREFIXES[0], "64511 64500");
    assert_eq!(world.pass(SECOND), [""; 0]);
    world.learn(Kind::Links, 1);
    world.announce(&[2], PREFIXES[0], "64511 64500");
    assert_eq!(
        world.pass(SECOND),
        ["opened fake-first-hop medium suspected"]
    );
}

#[test]
fn without_relations_it_may_be_an_upstream_like_many() {
    let mut world = World::new();
    world.rib(PREFIXES[0], "64508 64500");
    world.pass(MINUTE);
    world.announce(&[1], PREFIXES[0], "64511 64500");
    let told = world.pass(SECOND);
    assert_eq!(told, ["opened fake-first-hop low suspected no-relations"]);
}

#[test]
fn a_part_with_its_own_origin_behind_a_stranger_is_found() {
    let mut world = settled();
    world.pass(11 * MINUTE);
    world.announce(&[1, 2, 3], "10.64.8.0/24", "64511 64500");
    let told = world.pass(SECOND);
    assert_eq!(told, ["opened own-sub-prefix medium confirmed"]);
    assert_eq!(
        world.last().covering.map(|p| p.to_string()).as_deref(),
        Some(PREFIXES[0])
    );
    // Through the neighbour that it has, it is traffic engineering.
    world.announce(&[1, 2, 3], "10.64.9.0/24", "64508 64500");
    assert_eq!(world.pass(SECOND), [""; 0]);
}

#[test]
fn a_link_is_one_incident_whatever_comes_over_it() {
    let mut world = settled();
    world.announce(&[1], PREFIXES[0], "64511 64508 64500");
    assert_eq!(world.pass(SECOND), ["opened fake-link low suspected"]);
    world.announce(&[1], PREFIXES[1], "64511 64508 64500");
    assert_eq!(world.pass(SECOND), ["updated fake-link low suspected"]);
    assert_eq!(world.last().member_count, 2);
    world.withdraw(&[1], PREFIXES[0]);
    assert_eq!(world.pass(SECOND), ["updated fake-link low suspected"]);
    world.withdraw(&[1], PREFIXES[1]);
    assert_eq!(world.pass(SECOND), ["ended fake-link low ended withdrawn"]);
}

#[test]
fn what_comes_over_a_link_is_told_of_to_a_limit() {
    let mut world = World::new();
    let parts: Vec<_> = (0..80).map(|n| format!("10.64.{n}.0/24")).collect();
    for part in &parts {
        world.rib(part, "64508 64500");
    }
    world.learn(Kind::Relations, 0);
    world.pass(MINUTE);
    for part in &parts {
        world.announce(&[1], part, "64511 64508 64500");
    }
    world.pass(SECOND);
    assert_eq!(world.last().member_count, 64);
    for part in &parts {
        world.announce(&[1], part, "64508 64500");
    }
    assert_eq!(world.pass(SECOND), ["ended fake-link low ended replaced"]);
    world.announce(&[1], &parts[79], "64511 64508 64500");
    assert_eq!(world.pass(SECOND), ["opened fake-link low suspected"]);
}

#[test]
fn a_link_that_lasts_for_a_day_is_no_fake() {
    let mut world = settled();
    world.announce(&[1, 2, 3], PREFIXES[0], "64511 64508 64500");
    assert_eq!(world.pass(SECOND), ["opened fake-link low confirmed"]);
    world.pass(DAY);
    assert_eq!(
        world.pass(SECOND),
        ["ended fake-link low ended became-stable"]
    );
}

#[test]
fn an_origin_that_loses_most_of_its_prefixes_is_one_outage_until_they_come_back() {
    let mut world = World::new();
    for prefix in &many() {
        world.rib(prefix, "64500");
    }
    world.pass(MINUTE);
    for prefix in &many()[..5] {
        world.withdraw(&[1, 2, 3, 4], prefix);
    }
    assert_eq!(world.pass(SECOND), [""; 0], "five of twelve");
    // Somebody still has it.
    world.withdraw(&[1, 2, 3], &many()[5]);
    assert_eq!(world.pass(SECOND), [""; 0]);
    world.withdraw(&[4], &many()[5]);
    assert_eq!(
        world.pass(SECOND),
        ["opened mass-withdrawal critical confirmed"]
    );
    let found = world.last();
    assert_eq!(
        (found.prefix, found.suspect.0, found.member_count),
        (None, 64_500, 6)
    );
    assert_eq!(found.members.len(), 6);
    world.withdraw(&[1, 2, 3, 4], &many()[6]);
    assert_eq!(
        world.pass(SECOND),
        ["updated mass-withdrawal critical confirmed"]
    );
    for prefix in &many()[..4] {
        world.announce(&[1, 2, 3], prefix, "64500");
    }
    assert_eq!(
        world.pass(SECOND),
        ["ended mass-withdrawal critical ended recovered"]
    );
}

#[rstest]
#[case::in_its_block("10.64.0.0/16", "64500", PARTS)]
#[case::over_many_blocks("10.0.0.0/8", "64500", PARTS)]
#[case::of_somebody_else("10.64.0.0/16", "64510", WHOLES)]
#[case::beside_them("10.65.0.0/16", "64500", WHOLES)]
fn parts_of_what_stays_are_missed_less(
    #[case] whole: &str,
    #[case] origin: &str,
    #[case] expected: &str,
) {
    let mut world = with_parts_of(whole, origin);
    for part in &parts()[..7] {
        world.withdraw(&[1, 2, 3, 4], part);
    }
    assert_eq!(world.pass(SECOND), [format!("opened {expected}")]);
}

fn parts() -> Vec<String> {
    (0..12).map(|n| format!("10.64.{n}.0/24")).collect()
}

fn with_parts_of(whole: &str, origin: &str) -> World {
    let mut world = World::new();
    world.rib(whole, origin);
    for part in &parts() {
        world.rib(part, "64500");
    }
    world.pass(MINUTE);
    world
}

#[test]
fn an_outage_of_parts_is_as_bad_as_any_when_the_whole_goes_too() {
    let mut world = with_parts_of("10.64.0.0/16", "64500");
    for part in &parts()[..7] {
        world.withdraw(&[1, 2, 3, 4], part);
    }
    assert_eq!(world.pass(SECOND), [format!("opened {PARTS}")]);
    assert!(world.last().suspicion() < 70);
    world.withdraw(&[1, 2, 3, 4], "10.64.0.0/16");
    assert_eq!(world.pass(SECOND), [format!("updated {WHOLES}")]);
    world.withdraw(&[1, 2, 3, 4], &parts()[7]);
    assert_eq!(world.pass(SECOND), [format!("updated {WHOLES}")]);
}

#[test]
fn a_whole_that_goes_while_parts_come_back_makes_it_worse_all_the_same() {
    let mut world = with_parts_of("10.64.0.0/16", "64500");
    for part in &parts()[..7] {
        world.withdraw(&[1, 2, 3, 4], part);
    }
    world.pass(SECOND);
    world.withdraw(&[1, 2, 3, 4], "10.64.0.0/16");
    world.announce(&[1, 2, 3], &parts()[0], "64500");
    assert_eq!(world.pass(SECOND), [format!("updated {WHOLES}")]);
}

#[rstest]
#[case::within_ten_minutes(9 * MINUTE, "reopened")]
#[case::later(11 * MINUTE, "opened")]
fn an_outage_that_comes_again_soon_is_the_same(#[case] calm: i64, #[case] expected: &str) {
    let mut world = with_parts_of("10.112.0.0/20", "64510");
    for part in &parts()[..7] {
        world.withdraw(&[1, 2, 3, 4], part);
    }
    assert_eq!(world.pass(SECOND), [format!("opened {WHOLES}")]);
    let first = world.last().clone();
    for part in &parts()[..7] {
        world.announce(&[1, 2, 3, 4], part, "64500");
    }
    assert_eq!(world.pass(SECOND).len(), 1);
    world.pass(calm);
    for part in &parts()[..8] {
        world.withdraw(&[1, 2, 3, 4], part);
    }
    assert_eq!(world.pass(SECOND), [format!("{expected} {WHOLES}")]);
    let again = world.last().clone();
    assert_eq!(again.id == first.id, expected == "reopened");
    assert_eq!(again.reopened, u32::from(expected == "reopened"));
    assert_eq!((again.ended_at_us, again.member_count), (None, 8));
    assert!(again.suspected_at_us > first.suspected_at_us);
    world.withdraw(&[1, 2, 3, 4], &parts()[8]);
    assert_eq!(world.pass(SECOND), [format!("updated {WHOLES}")]);
    // A second is judged when it is over.
    world.pass(DAY - 5 * MINUTE);
    assert_eq!(world.pass(10 * MINUTE), [""; 0], "it began again since");
    let stable = "ended mass-withdrawal critical ended became-stable";
    assert_eq!(world.pass(SECOND), [stable]);
}

#[test]
fn what_goes_slowly_or_with_a_vantage_point_is_no_outage() {
    let mut world = World::new();
    for prefix in &many() {
        world.rib(prefix, "64500");
    }
    world.pass(MINUTE);
    for prefix in &many()[..8] {
        world.withdraw(&[1, 2, 3, 4], prefix);
        assert_eq!(world.pass(2 * MINUTE), [""; 0]);
    }
    let mut world = World::new();
    for prefix in &many() {
        world.rib(prefix, "64500");
    }
    world.pass(MINUTE);
    (1..5).for_each(|n| world.everywhere(&Control::PeerDown(peer(n))));
    assert_eq!(world.pass(SECOND), [""; 0]);
    assert_eq!(world.pass(10 * MINUTE), [""; 0]);
}

#[test]
fn prefixes_that_few_have_ever_carried_are_not_missed() {
    let mut world = World::new();
    for prefix in many() {
        world.update(1, &prefix, Some(&path(1, "64500")), true);
        world.update(2, &prefix, Some(&path(2, "64500")), true);
    }
    world.pass(MINUTE);
    for prefix in &many() {
        world.withdraw(&[1, 2], prefix);
    }
    assert_eq!(world.pass(SECOND), [""; 0]);
}

#[test]
fn one_leak_of_many_prefixes_is_one_incident_with_members() {
    let mut world = World::new();
    world.learn(Kind::Relations, 0);
    let leaked: Vec<_> = (0..21)
        .map(|n| format!("10.{}.{}.0/24", 16 * (n % 8), n))
        .collect();
    for prefix in &leaked {
        world.rib(prefix, "64500");
    }
    world.pass(MINUTE);
    // 64509 buys from both 64501 and 64502.
    for prefix in &leaked[..19] {
        world.update(1, prefix, Some("64501 64509 64502 64500"), false);
    }
    assert_eq!(world.pass(SECOND), [""; 0]);
    for prefix in &leaked[19..] {
        world.update(1, prefix, Some("64501 64509 64502 64500"), false);
    }
    assert_eq!(
        world.pass(SECOND),
        ["opened route-leak high suspected mass"]
    );
    let found = world.last();
    assert_eq!(
        (found.prefix, found.suspect.0, found.member_count),
        (None, 64_509, 21)
    );
    assert!(found.members.iter().all(|member| member.incident.is_some()));
    for prefix in &leaked {
        world.update(1, prefix, Some("64501 64500"), false);
    }
    assert_eq!(
        world.pass(SECOND),
        ["ended route-leak high ended withdrawn mass"]
    );
}

#[test]
fn many_prefixes_that_go_from_one_to_another_are_one_transfer() {
    let mut world = World::new();
    let all: Vec<_> = (0..20)
        .map(|n| format!("10.{}.{}.0/24", 16 * (n % 8), n))
        .collect();
    for prefix in &all {
        world.rib(prefix, "64500");
    }
    world.pass(MINUTE);
    for prefix in &all {
        world.announce(&[1, 2, 3, 4], prefix, "64510");
    }
    assert_eq!(world.pass(SECOND), ["opened moas medium confirmed mass"]);
    assert_eq!(world.last().victims[0].0, 64_500);
}

#[test]
fn a_vantage_point_that_is_silent_for_long_says_so() {
    let mut world = settled();
    for n in 0..120 {
        world.announce(
            &[1],
            PREFIXES[n % 4],
            ["64508 64500", "64508 64508 64500"][n % 2],
        );
        assert_eq!(world.pass(SECOND), [""; 0]);
    }
    world.pass(50 * SECOND);
    assert_eq!(world.pass(SECOND), [""; 0]);
    world.pass(20 * SECOND);
    assert_eq!(
        world.pass(SECOND),
        ["opened peer-health info confirmed silent"]
    );
    assert_eq!(world.last().suspect, peer(1).asn);
    world.announce(&[1], PREFIXES[0], "64508 64500");
    assert_eq!(
        world.pass(SECOND),
        ["ended peer-health info ended recovered silent"]
    );
    assert_eq!(
        world.pass(2 * MINUTE),
        [""; 0],
        "a second is over with the next Tick"
    );
    assert_eq!(
        world.pass(SECOND),
        ["opened peer-health info confirmed silent"]
    );
    world.pass(2 * DAY);
    assert_eq!(
        world.pass(SECOND),
        ["ended peer-health info ended became-stable silent"]
    );
}
