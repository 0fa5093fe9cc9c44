//! A plan over a small made-up world, and what the score says of those who find all of it, or nothing.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

use rstest::rstest;
use weir_injection::{
    Label, Plan, World, frames,
    label::base_severity,
    plan, recipes, rib,
    score::{Incident, score},
};
use weir_routing::{
    AsPath, Asn, Body, Bogons, Message, PathAttributes, Peer, Prefix, Update, decode::mrt::Records,
    decode::ris_live,
};

const BEGIN: i64 = 1_767_225_600_000_000;
const PEERS: u32 = 22;
const PREFIXES: u32 = 240;

/// Twenty-two vantage points that see eighty prefixes of as many networks, and sixteen of each of ten more, for an hour.
fn world() -> World {
    world_of(|number| match number {
        0..80 => (format!("240.{number}.0.0/16"), number),
        _ => (format!("241.0.{number}.0/24"), 100 + (number - 80) / 16),
    })
}

/// The first vantage points are large networks that stand on planted paths.
fn vantage_point(peer: u32) -> Asn {
    let large = [6_939, 9_002, 3_356, 1_299];
    Asn(large.get(peer as usize).map_or(20_000 + peer, |asn| *asn))
}

/// The same of these prefixes, each of the network of that number.
fn world_of(held: fn(u32) -> (String, u32)) -> World {
    let mut world = World::default();
    for peer in 0..PEERS {
        for number in 0..PREFIXES {
            let (prefix, network) = held(number);
            let prefix: Prefix = prefix.parse().unwrap();
            let [near, origin] = [21_000 + network % 7, 22_000 + network].map(Asn);
            let path = [vantage_point(peer), near, origin];
            let update = Update {
                announced: vec![prefix.into()],
                attributes: Some(
                    PathAttributes {
                        as_path: AsPath::sequence(path.to_vec()),
                        ..PathAttributes::default()
                    }
                    .into(),
                ),
                ..Update::default()
            };
            let address = format!("198.18.0.{}", peer + 1).parse().unwrap();
            let message = Message {
                event_time_us: BEGIN + i64::from(number) * 15_000_000,
                peer: Peer::new(address, vantage_point(peer)),
                body: Body::Update(update),
            };
            world.hear("rrc99", &message);
        }
    }
    world
}

fn planted() -> Plan {
    plan(&world(), 2, 7, &Bogons::parse("10.0.0.0/8").unwrap())
}

fn found(label: &Label, seconds_late: i64) -> Incident {
    let kind = label.expected.clone().unwrap();
    let at = |us| Some(weir_events::time::rfc3339(us));
    Incident {
        severity: base_severity(&kind).unwrap(),
        kind,
        prefix: label.prefix.clone(),
        suspect_asn: Some(label.suspect),
        suspected_at: at(label.begins_us + seconds_late * 1_000_000),
        confirmed_at: at(label.begins_us + 9_000_000),
        ended_at: at(label.ends_us),
    }
}

#[test]
fn every_recipe_is_told_of_a_prefix_of_its_own_within_the_stream() {
    let (world, plan) = (world(), planted());
    assert_eq!(plan.left_out, [].into());
    let recipes = recipes::ALL.len() + recipes::CHURNS.len();
    assert_eq!(plan.labels.len(), 2 * recipes);
    let labels = plan.labels.iter();
    let prefixes = labels.flat_map(|label| label.prefix.iter().chain(&label.prefixes));
    let mut prefixes: Vec<_> = prefixes.collect();
    let count = prefixes.len();
    prefixes.sort();
    prefixes.dedup();
    assert_eq!(prefixes.len(), count);
    let (first, last) = world.span().unwrap();
    assert!(
        plan.messages
            .iter()
            .all(|m| (first..=last).contains(&m.at_us))
    );
    assert!(plan.messages.is_sorted_by_key(|m| m.at_us));
    assert_eq!(plan.labels, planted().labels, "the same seed");
}

#[test]
fn nobody_stands_on_a_planted_path_twice_but_where_that_is_the_story() {
    let plan = planted();
    let twice = ["long-path", "path-loop", "prepending"];
    let stories = plan.labels.iter();
    let stories = stories.filter(|label| !twice.contains(&label.recipe.as_str()));
    let prefixes: Vec<Prefix> = stories
        .filter_map(|label| Some(label.prefix.as_ref()?.parse().unwrap()))
        .collect();
    for planted in &plan.messages {
        let mut announced = planted.update.announced.iter();
        if announced.any(|nlri| prefixes.contains(&nlri.prefix)) {
            let route = planted.update.attributes.as_ref().unwrap();
            let mut hops: Vec<Asn> = route.as_path.asns().collect();
            hops.sort();
            assert!(hops.windows(2).all(|two| two[0] != two[1]), "{route:?}");
        }
    }
}

#[rstest]
#[case::whose_other_half_the_stranger_holds(|n| (format!("240.{n}.0.0/16"), n % 2))]
#[case::that_fill_an_address_block(|n| (format!("{}.{}.0.0/12", 20 + n / 16, n % 16 * 16), n))]
fn nothing_is_told_around_prefixes(#[case] held: fn(u32) -> (String, u32)) {
    let plan = plan(&world_of(held), 1, 7, &Bogons::parse("10.0.0.0/8").unwrap());
    assert_eq!(plan.left_out["super-prefix"], 1);
    assert!(!plan.labels.is_empty());
}

#[test]
fn frames_and_dumps_are_read_back_as_they_were_meant() {
    let (world, plan) = (world(), planted());
    for planted in &plan.messages {
        let point = &world.peers()[planted.peer];
        let text = frames::frame(point, planted.at_us, &planted.update).to_string();
        let ris_live::Frame::Message(read) = ris_live::decode(text.as_bytes()).unwrap() else {
            panic!("{text}");
        };
        let message = &read.messages[0];
        assert_eq!(
            (message.event_time_us, message.peer),
            (planted.at_us, point.1)
        );
        let Body::Update(update) = &message.body else {
            panic!("{text}");
        };
        assert_eq!(update.announced, planted.update.announced);
        assert_eq!(update.withdrawn, planted.update.withdrawn);
        let said = |update: &Update| {
            let attributes = update.attributes.as_ref();
            attributes.map(|a| (a.as_path.clone(), a.communities.clone(), a.only_to_customer))
        };
        assert_eq!(said(update), said(&planted.update));
        assert_eq!(read.unread_raw, None);
    }
    let dumps = rib::dumps(&world);
    let routes = Records::new(&dumps["rrc99"][..]);
    let routes = routes.map(|decoded| decoded.unwrap().message.body.elements());
    assert_eq!(routes.sum::<usize>(), (PEERS * PREFIXES) as usize);
}

#[test]
fn who_finds_all_has_found_all_and_who_finds_nothing_nothing() {
    let labels = planted().labels;
    let conflicts = || labels.iter().filter(|label| label.expected.is_some());
    let all: Vec<Incident> = conflicts().map(|label| found(label, 0)).collect();
    let report = score(&labels, &all);
    assert!(report.rows.values().all(|row| row.right == row.told));
    assert_eq!(report.beside, [].into());

    let report = score(&labels, &[]);
    for (recipe, row) in &report.rows {
        let is_conflict = base_severity(recipe).is_some();
        assert_eq!(
            row.right,
            if is_conflict { 0 } else { row.told },
            "{recipe}"
        );
    }
}

#[test]
fn what_is_too_mild_too_late_or_beside_does_not_count_as_right() {
    let labels = planted().labels;
    let label = labels.iter().find(|label| label.recipe == "moas").unwrap();
    let mild = Incident {
        severity: weir_injection::Severity::Low,
        ..found(label, 0)
    };
    let beside = Incident {
        prefix: Some("240.99.0.0/16".to_owned()),
        ..found(label, 0)
    };
    let one = [label.clone()];
    let report = score(&one, &[mild, beside]);
    assert_eq!(report.rows["moas"].right, 0);
    assert_eq!(report.rows["moas"].instead["moas low"], 1);
    assert_eq!(report.beside["moas"], 1);
    let late = score(&one, &[found(label, 5)]);
    assert_eq!((late.rows["moas"].right, late.rows["moas"].at_once), (1, 0));
}

#[test]
fn base_severities_are_those_of_the_page_of_rules() {
    let page = include_str!("../../../docs/rules.md");
    let mut told_of = 0;
    for (name, severity) in weir_injection::label::TYPES {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")));
        // A type may be planted before anybody finds it.
        let Some(row) = row else { continue };
        let told = row.split(" | ").nth(2).unwrap();
        let first = told.split([';', ',', ' ']).next().unwrap().to_lowercase();
        assert_eq!(first, format!("{severity:?}").to_lowercase(), "{name}");
        told_of += 1;
    }
    assert!(told_of >= 21, "{told_of}");
}
