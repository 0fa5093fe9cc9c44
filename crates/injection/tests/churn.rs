//! What goes and comes back, and what comes again, over a small made-up world.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use weir_injection::{Label, Plan, World, plan, plan::Planted, recipes::Fact};
use weir_routing::{
    AsPath, Asn, Body, Bogons, Message, PathAttributes, Peer, Prefix, SessionState, Update,
};

const BEGIN: i64 = 1_767_225_600_000_000;
const SECOND: i64 = 1_000_000;
const PEERS: u32 = 20;

fn message(peer: u32, at_us: i64, body: Body) -> Message {
    let address = format!("198.18.0.{}", peer + 1).parse().unwrap();
    Message {
        event_time_us: at_us,
        peer: Peer::new(address, Asn(20_000 + peer)),
        body,
    }
}

fn announced(prefix: &str, hops: &[u32]) -> Body {
    let attributes = PathAttributes {
        as_path: AsPath::sequence(hops.iter().copied().map(Asn).collect()),
        ..PathAttributes::default()
    };
    Body::Update(Update {
        attributes: Some(attributes.into()),
        announced: vec![prefix.parse::<Prefix>().unwrap().into()],
        ..Update::default()
    })
}

/// Twenty vantage points that see a prefix of each of sixty networks and sixteen of each of eight more, and hear of all
/// of them again over another way after half of an hour.
fn world() -> World {
    let mut world = World::default();
    let single = (0..60).map(|n| (format!("240.{n}.0.0/16"), n));
    let many = (0..128).map(|n| (format!("241.0.{n}.0/24"), 100 + n / 16));
    let held: Vec<_> = single.chain(many).collect();
    for (way, minutes) in [(0, 0), (10, 30)] {
        for peer in 0..PEERS {
            for (prefix, network) in &held {
                let hops = [20_000 + peer, 21_000 + way + network % 7, 22_000 + network];
                let at = BEGIN + minutes * 60 * SECOND;
                world.hear("rrc99", &message(peer, at, announced(prefix, &hops)));
            }
        }
    }
    let end = message(0, BEGIN + 3_600 * SECOND, Body::Keepalive);
    world.hear("rrc99", &end);
    world
}

fn planted(world: &World) -> (Plan, BTreeMap<String, Label>) {
    let plan = plan(world, 1, 7, &Bogons::default());
    let labels = plan.labels.iter().cloned();
    let labels = labels.map(|label| (label.recipe.clone(), label)).collect();
    (plan, labels)
}

/// What the plan says of a prefix.
fn said<'p>(plan: &'p Plan, prefix: &str) -> Vec<&'p Planted> {
    let prefix: Prefix = prefix.parse().unwrap();
    let names = |planted: &&Planted| {
        let update = &planted.update;
        let mut nlris = update.announced.iter().chain(&update.withdrawn);
        nlris.any(|nlri| nlri.prefix == prefix)
    };
    plan.messages.iter().filter(names).collect()
}

/// A vantage point's path to a prefix of this network at a time, as the stream has it.
fn path(world: &World, peer: usize, at_us: i64, origin: u32) -> AsPath {
    let way = if at_us < BEGIN + 1_800 * SECOND {
        0
    } else {
        10
    };
    let first = world.peers()[peer].1.asn.0;
    let hops = [first, 21_000 + way + (origin - 22_000) % 7, origin];
    AsPath::sequence(hops.map(Asn).into())
}

/// Withdrawals and announcements of a story that go out over its prefixes, and when it lasts by them.
fn gone_and_back(world: &World, plan: &Plan, label: &Label) -> BTreeMap<String, [usize; 2]> {
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for prefix in label.prefix.iter().chain(&label.prefixes) {
        let during = label.begins_us..=label.ends_us;
        let said = said(plan, prefix).into_iter();
        let count = counts.entry(prefix.clone()).or_default();
        for planted in said.filter(|planted| during.contains(&planted.at_us)) {
            match &planted.update.attributes {
                None => {
                    assert!(planted.at_us < label.begins_us + 30 * SECOND);
                    count[0] += 1;
                }
                Some(route) => {
                    assert!(planted.at_us >= label.stands_until_us);
                    let as_before = path(world, planted.peer, label.begins_us, label.suspect);
                    assert_eq!(route.as_path, as_before);
                    count[1] += 1;
                }
            }
        }
    }
    counts
}

#[rstest]
#[case("visibility-loss", 750)]
#[case("brief-loss", 15)]
fn three_quarters_of_the_vantage_points_lose_a_prefix_and_have_it_again(
    #[case] recipe: &str,
    #[case] stands_s: i64,
) {
    let world = world();
    let (plan, labels) = planted(&world);
    let label = &labels[recipe];
    assert_eq!(label.stands_until_us, label.begins_us + stands_s * SECOND);
    assert_eq!(label.expected.is_some(), recipe == "visibility-loss");
    assert_eq!(label.carriers, 15);
    let counts = gone_and_back(&world, &plan, label);
    assert_eq!(
        counts,
        BTreeMap::from([(label.prefix.clone().unwrap(), [15, 15])])
    );
}

#[test]
fn a_brief_loss_is_over_within_twenty_seconds() {
    let (_, labels) = planted(&world());
    let label = &labels["brief-loss"];
    assert!(label.ends_us < label.begins_us + 20 * SECOND);
}

#[rstest]
#[case("mass-withdrawal", 12..=16)]
#[case("few-prefixes-gone", 3..=3)]
fn a_network_loses_a_part_of_its_prefixes_everywhere_for_five_minutes(
    #[case] recipe: &str,
    #[case] parts: std::ops::RangeInclusive<usize>,
) {
    let world = world();
    let (plan, labels) = planted(&world);
    let label = &labels[recipe];
    assert_eq!(label.prefix, None);
    assert_eq!(label.expected.is_some(), recipe == "mass-withdrawal");
    assert!((22_100..22_108).contains(&label.suspect));
    assert!(parts.contains(&label.prefixes.len()));
    assert!(label.due_us < label.begins_us + 60 * SECOND);
    assert_eq!(label.stands_until_us, label.begins_us + 330 * SECOND);
    let counts = gone_and_back(&world, &plan, label);
    assert_eq!(counts.len(), label.prefixes.len());
    assert!(counts.values().all(|count| *count == [20, 20]));
}

#[test]
fn a_vantage_point_sends_its_table_again_as_it_is() {
    let world = world();
    let (plan, labels) = planted(&world);
    let label = &labels["peer-health"];
    assert_eq!((label.prefix.as_ref(), label.carriers), (None, 1));
    let during = label.begins_us..label.begins_us + 30 * SECOND;
    assert!(during.contains(&label.ends_us));
    let is_its = |planted: &&Planted| world.peers()[planted.peer].1.asn.0 == label.suspect;
    let all: Vec<&Planted> = plan.messages.iter().filter(is_its).collect();
    // What others planted at this vantage point before, and what they do meanwhile.
    let others: BTreeSet<Prefix> = plan
        .labels
        .iter()
        .filter(|other| other.recipe != "peer-health")
        .flat_map(|other| other.prefix.iter().chain(&other.prefixes))
        .map(|prefix| prefix.parse().unwrap())
        .collect();
    let mut sent = BTreeSet::new();
    for planted in all.iter().filter(|p| during.contains(&p.at_us)) {
        for nlri in &planted.update.announced {
            if !others.contains(&nlri.prefix) {
                let route = planted.update.attributes.as_ref().unwrap();
                let origin = route.as_path.origin().unwrap().suspect().0;
                let own = path(&world, planted.peer, label.begins_us, origin);
                assert_eq!(route.as_path, own);
                assert!(sent.insert(nlri.prefix), "{nlri:?} twice");
            }
        }
    }
    let all: BTreeSet<Prefix> = world.routes().map(|(prefix, _)| prefix).collect();
    assert_eq!(sent, all.difference(&others).copied().collect());
}

#[test]
fn a_vantage_point_whose_session_went_sends_no_table_again() {
    let mut world = world();
    for peer in 0..PEERS {
        let to = SessionState::Idle;
        let body = Body::StateChange { from: None, to };
        world.hear("rrc99", &message(peer, BEGIN + SECOND, body));
    }
    let (plan, _) = planted(&world);
    assert_eq!(plan.left_out, BTreeMap::from([("peer-health", 1)]));
}

#[rstest]
#[case("own-sub-prefix")]
#[case("fake-first-hop")]
#[case("fake-link")]
#[case("new-upstream")]
fn a_stranger_stands_where_it_never_stood(#[case] recipe: &str) {
    let world = world();
    let (plan, labels) = planted(&world);
    let label = &labels[recipe];
    let stranger = Asn(label.suspect);
    let said = said(&plan, label.prefix.as_ref().unwrap());
    let first = said.iter().find(|planted| planted.at_us == label.begins_us);
    let route = first.unwrap().update.attributes.as_ref().unwrap();
    let hops: Vec<Asn> = route.as_path.asns().collect();
    let at = hops.iter().position(|asn| *asn == stranger).unwrap();
    assert_eq!(at + if recipe == "fake-link" { 3 } else { 2 }, hops.len());
    assert!(world.are_apart(stranger, hops[at + 1]));
    assert!(!world.are_apart(hops[at - 1], stranger));
    if recipe == "fake-link" {
        assert!(!world.are_apart(hops[at + 1], hops[at + 2]));
    }
    let sells = |fact: &&Fact| matches!(fact, Fact::Customer(seller, _) if *seller == stranger);
    let customers = plan.facts.iter().filter(sells).count();
    assert_eq!(customers > 20, recipe == "new-upstream");
}
