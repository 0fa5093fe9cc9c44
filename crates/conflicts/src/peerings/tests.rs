//! What is found in configured peerings, case by case and for any of them.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use weir_routing::roa::Vrp;

use super::{document::Format, *};

/// A session to a neighbour at a public address, with these keys instead.
fn one(id: &str, other: Value) -> Value {
    let mut peering = json!({
        "id": id, "device": "edge1", "local_asn": 64_496, "peer_asn": 64_497, "peer_ip": "192.0.2.1",
        "status": "active",
    });
    for (key, value) in other.as_object().into_iter().flatten() {
        peering[key] = value.clone();
    }
    peering
}

/// `a`, `b` and so on.
fn read(peerings: &[Value]) -> Vec<Peering> {
    let named = ["a", "b", "c", "d", "e", "f"].into_iter().zip(peerings);
    let all: Vec<Value> = named.map(|(id, other)| one(id, other.clone())).collect();
    document::read(json!(all).to_string().as_bytes(), Format::Json).unwrap()
}

fn vrps() -> Vrps {
    let vrp = |prefix: &str, max_length, asn| Vrp {
        prefix: prefix.parse().unwrap(),
        max_length,
        asn: weir_routing::Asn(asn),
    };
    let all = [
        vrp("198.51.100.0/24", 24, 64_499),
        vrp("203.0.113.0/24", 24, 64_496),
        vrp("2001:db8::/32", 32, 0),
    ];
    all.into_iter().collect()
}

/// Rule, severity and affected peerings of each finding.
fn told(report: &Report) -> Vec<String> {
    let line = |found: &Finding| {
        let peerings = found.affected_peers.join(" ");
        format!("{} {} {peerings}", found.kind.name(), found.severity.name())
    };
    report.findings.iter().map(line).collect()
}

fn found(peerings: &[Value]) -> Vec<String> {
    told(&check(&read(peerings), Some(&vrps())))
}

#[rstest]
#[case::one_neighbour_with_two_asns(
    &[json!({}), json!({"device": "edge2", "peer_asn": 64_498})],
    &["asn_collision high a b"],
)]
#[case::written_in_two_ways(
    &[json!({"peer_ip": "2001:db8::1"}), json!({"device": "edge2", "peer_ip": "2001:DB8:0::1", "peer_asn": 64_498})],
    &["asn_collision high a b"],
)]
#[case::three_sessions_and_two_asns_are_one_finding(
    &[json!({}), json!({"device": "edge2", "peer_asn": 64_498}), json!({"device": "edge3"})],
    &["asn_collision high a b c"],
)]
#[case::two_sessions_to_one_network(&[json!({}), json!({"peer_ip": "192.0.2.9"})], &[])]
#[case::one_neighbour_of_two_devices(&[json!({}), json!({"device": "edge2"})], &[])]
#[case::the_other_is_not_active(
    &[json!({}), json!({"device": "edge2", "peer_asn": 64_498, "status": "pending"})],
    &[],
)]
#[case::it_is_not_active_itself(
    &[json!({"status": "disabled"}), json!({"device": "edge2", "peer_asn": 64_498})],
    &[],
)]
#[case::in_routing_tables_of_their_own(
    &[json!({"vrf": "red"}), json!({"device": "edge2", "vrf": "blue", "peer_asn": 64_498})],
    &[],
)]
#[case::on_links_of_their_own(
    &[json!({"peer_ip": "fe80::1", "interface": "eth0"}), json!({"peer_ip": "fe80::1%eth1", "peer_asn": 64_498})],
    &[],
)]
#[case::on_one_link(
    &[json!({"peer_ip": "fe80::1", "interface": "eth0"}), json!({"peer_ip": "fe80::1%eth0", "peer_asn": 64_498})],
    &["session_overlap critical a b", "asn_collision high a b"],
)]
#[case::a_private_asn_of_two_owners(
    &[
        json!({"peer_asn": 64_512, "organisation": "Red"}),
        json!({"peer_asn": 64_512, "organisation": "Blue", "peer_ip": "192.0.2.9"}),
    ],
    &["asn_collision medium a b"],
)]
#[case::a_private_asn_of_one_owner(
    &[
        json!({"peer_asn": 64_512, "organisation": "Red"}),
        json!({"peer_asn": 64_512, "organisation": "RED", "peer_ip": "192.0.2.9"}),
    ],
    &[],
)]
#[case::a_private_asn_whose_owners_nobody_tells(
    &[json!({"peer_asn": 64_512, "organisation": "Red"}), json!({"peer_asn": 64_512, "peer_ip": "192.0.2.9"})],
    &[],
)]
#[case::a_public_asn_of_two_owners_is_a_matter_of_names(
    &[json!({"organisation": "Red"}), json!({"organisation": "Red Ltd", "peer_ip": "192.0.2.9"})],
    &[],
)]
#[case::a_private_asn_in_two_routing_tables(
    &[
        json!({"peer_asn": 64_512, "organisation": "Red", "vrf": "red"}),
        json!({"peer_asn": 64_512, "organisation": "Blue", "vrf": "blue", "peer_ip": "192.0.2.9"}),
    ],
    &[],
)]
fn an_asn_collision_is_one_neighbour_with_two_asns_or_one_private_asn_with_two_owners(
    #[case] peerings: &[Value],
    #[case] expected: &[&str],
) {
    assert_eq!(found(peerings), expected);
}

#[rstest]
#[case::twice(&[json!({}), json!({})], &["session_overlap critical a b"])]
#[case::three_times_is_one_finding(&[json!({}), json!({}), json!({})], &["session_overlap critical a b c"])]
#[case::for_each_family_one(
    &[json!({"address_families": ["ipv4"]}), json!({"address_families": ["ipv6"]})],
    &["session_overlap critical a b"],
)]
#[case::with_another_asn(
    &[json!({}), json!({"peer_asn": 64_498})],
    &["session_overlap critical a b", "asn_collision high a b"],
)]
#[case::of_two_devices(&[json!({}), json!({"device": "edge2"})], &[])]
#[case::one_is_disabled(&[json!({}), json!({"status": "disabled"})], &[])]
#[case::in_two_routing_tables(&[json!({}), json!({"vrf": "red"})], &[])]
fn a_session_overlap_is_a_second_session_of_a_device_to_one_neighbour(
    #[case] peerings: &[Value],
    #[case] expected: &[&str],
) {
    assert_eq!(found(peerings), expected);
}

#[rstest]
#[case::own_asn(json!({"routing_policy": {"import": {"as_path": [64_497, 64_496]}}}), &["routing_loop critical a"])]
#[case::ibgp(json!({"peer_asn": 64_496}), &[])]
#[case::on_the_way_out(json!({"routing_policy": {"export": {"as_path": [64_496, 64_496]}}}), &[])]
#[case::not_active(
    json!({"status": "pending", "routing_policy": {"import": {"as_path": [64_497, 64_496]}}}),
    &[],
)]
fn a_routing_loop_is_the_own_asn_on_what_is_taken_in(
    #[case] peering: Value,
    #[case] expected: &[&str],
) {
    assert_eq!(found(&[peering]), expected);
}

#[rstest]
#[case::no_address(json!({"peer_ip": "192.0.2.256"}), &["configuration_mismatch high a"])]
#[case::no_address_and_not_active(
    json!({"peer_ip": "192.0.2.256", "status": "disabled"}),
    &["configuration_mismatch high a"],
)]
#[case::private_address(json!({"peer_ip": "10.0.0.1"}), &["configuration_mismatch medium a"])]
#[case::unique_local_address(json!({"peer_ip": "fd00::1"}), &["configuration_mismatch medium a"])]
#[case::shared_address(json!({"peer_ip": "100.64.0.1"}), &[])]
#[case::private_address_of_a_private_asn(json!({"peer_ip": "10.0.0.1", "peer_asn": 64_512}), &[])]
#[case::private_address_over_ibgp(json!({"peer_ip": "10.0.0.1", "peer_asn": 64_496}), &[])]
#[case::private_address_in_a_vrf(json!({"peer_ip": "10.0.0.1", "vrf": "red"}), &[])]
#[case::private_address_not_active(json!({"peer_ip": "10.0.0.1", "status": "pending"}), &[])]
#[case::a_third(json!({"hold_time": 90, "keepalive": 30}), &[])]
#[case::more_than_a_third(json!({"hold_time": 90, "keepalive": 31}), &["configuration_mismatch medium a"])]
#[case::a_third_and_a_bit(json!({"hold_time": 10, "keepalive": 3}), &[])]
#[case::two_fifths(json!({"hold_time": 10, "keepalive": 4}), &["configuration_mismatch medium a"])]
#[case::both_off(json!({"hold_time": 0, "keepalive": 0}), &[])]
#[case::keepalives_of_no_hold_time(json!({"hold_time": 0, "keepalive": 30}), &["configuration_mismatch medium a"])]
#[case::shortest(json!({"hold_time": 3, "keepalive": 1}), &[])]
#[case::too_short(json!({"hold_time": 2}), &["configuration_mismatch medium a"])]
#[case::too_short_is_told_once(json!({"hold_time": 1, "keepalive": 1}), &["configuration_mismatch medium a"])]
#[case::longest(json!({"hold_time": 65_535, "keepalive": 21_845}), &[])]
#[case::one_alone_says_nothing(json!({"keepalive": 600}), &[])]
#[case::timers_of_what_is_not_active(json!({"hold_time": 2, "status": "disabled"}), &[])]
#[case::two_mistakes(
    json!({"hold_time": 9, "keepalive": 9, "peer_ip": "10.0.0.1"}),
    &["configuration_mismatch medium a", "configuration_mismatch medium a"],
)]
fn a_mismatch_is_a_value_that_no_session_can_have_or_that_contradicts_another(
    #[case] peering: Value,
    #[case] expected: &[&str],
) {
    assert_eq!(found(&[peering]), expected);
}

fn policy(direction: &str, prefix: &str, path: &str) -> Value {
    json!({"routing_policy": {direction: {"prefixes": [prefix], "as_path": path}}})
}

#[rstest]
#[case::taken_from_another(&[policy("import", "198.51.100.0/24", "")], "0 1 0 0")]
#[case::taken_from_the_holder(&[policy("import", "198.51.100.0/24", "64497 64499")], "1 0 0 0")]
#[case::a_part(&[policy("import", "198.51.100.0/25", "64497 64499")], "0 1 0 0")]
#[case::of_nobody(&[policy("import", "2001:db8::/32", "")], "0 1 0 0")]
#[case::unknown(&[policy("import", "192.0.2.0/24", "")], "0 0 1 0")]
#[case::originated(&[policy("export", "203.0.113.0/24", "")], "1 0 0 0")]
#[case::originated_and_prepended(&[policy("export", "203.0.113.0/24", "64496 64496")], "1 0 0 0")]
#[case::originated_though_of_another(&[policy("export", "198.51.100.0/24", "")], "0 1 0 0")]
#[case::a_private_asn_is_stripped(&[policy("import", "198.51.100.0/24", "64499 64512")], "1 0 0 0")]
#[case::a_private_asn_alone(&[policy("import", "198.51.100.0/24", "64512")], "0 0 0 1")]
#[case::a_set(&[policy("import", "198.51.100.0/24", "64497 {64499,64500}")], "0 1 0 0")]
#[case::handed_on(
    &[policy("import", "198.51.100.0/24", "64497 64499"), policy("export", "198.51.100.0/24", "")],
    "1 0 0 0",
)]
#[case::once_wherever_it_goes(
    &[policy("export", "198.51.100.0/24", ""), policy("export", "198.51.100.0/24", "")],
    "0 1 0 0",
)]
#[case::both_ways_of_one_peering(
    &[json!({"peer_asn": 64_496, "routing_policy": {
        "import": {"prefixes": ["198.51.100.0/24"]},
        "export": {"prefixes": ["198.51.100.0/24"], "as_path": [64_496]},
    }})],
    "0 1 0 0",
)]
fn an_origination_is_judged_once_by_who_originates_it(
    #[case] peerings: &[Value],
    #[case] valid_invalid_not_found_private: &str,
) {
    let apart = ["192.0.2.1", "192.0.2.2"].into_iter().zip(peerings);
    let apart: Vec<Value> = apart
        .map(|(address, peering)| {
            let mut peering = peering.clone();
            peering["peer_ip"] = address.into();
            peering
        })
        .collect();
    let report = check(&read(&apart), Some(&vrps()));
    let rpki = report.rpki.unwrap();
    let counts = [rpki.valid, rpki.invalid, rpki.not_found, rpki.private].map(|n| n.to_string());
    assert_eq!(counts.join(" "), valid_invalid_not_found_private);
    assert_eq!(report.findings.len(), rpki.invalid);
    for found in &report.findings {
        assert_eq!(
            (found.kind, found.severity),
            (Kind::RpkiInvalid, Severity::Critical)
        );
    }
}

#[test]
fn without_vrps_nothing_is_known_and_nothing_raised() {
    let peerings = read(&[policy("import", "198.51.100.0/24", "")]);
    for vrps in [None, Some(&Vrps::default())] {
        let report = check(&peerings, vrps);
        assert_eq!((report.rpki, report.findings), (None, Vec::new()));
    }
}

#[test]
fn what_is_not_active_originates_nothing() {
    let mut peering = policy("import", "198.51.100.0/24", "");
    peering["status"] = "pending".into();
    let report = check(&read(&[peering]), Some(&vrps()));
    assert_eq!(
        (report.active, report.rpki),
        (0, Some(Originations::default()))
    );
}

#[test]
fn a_finding_says_what_is_wrong_what_to_do_and_what_it_rests_on() {
    let report = check(
        &read(&[policy("import", "198.51.100.0/24", "")]),
        Some(&vrps()),
    );
    let expected = json!([{
        "type": "rpki_invalid",
        "severity": "critical",
        "affected_peers": ["a"],
        "description": "198.51.100.0/24 from AS64497 is RPKI-invalid: ROAs name others",
        "recommended_action": "Take it out of the policy, or ask the holder of the prefix for a ROA.",
        "metadata": {
            "prefix": "198.51.100.0/24",
            "origin_asns": [64_497],
            "reason": "roa-names-others",
            "authorized_asns": [64_499],
        },
    }]);
    assert_eq!(serde_json::to_value(&report.findings).unwrap(), expected);
}

#[test]
fn rules_are_sorted_by_name() {
    assert!(ALL.iter().map(|rule| rule.kind.name()).is_sorted());
}

prop_compose! {
    // Few values, so that they meet.
    fn any_peering()(
        device in 1..3_u8,
        address in prop::sample::select(vec!["192.0.2.1", "::ffff:192.0.2.1", "10.0.0.1", "fe80::1", "nowhere"]),
        asn in prop::sample::select(vec![64_496, 64_497, 64_498, 64_512]),
        owner in prop::sample::select(vec![None, Some("Red"), Some("Blue")]),
        status in prop::sample::select(Status::ALL.to_vec()),
        timers in prop::option::of((0..12_u16, 0..5_u16)),
        prefix in prop::option::of(prop::sample::select(vec!["198.51.100.0/24", "203.0.113.0/24"])),
        direction in prop::sample::select(vec!["import", "export"]),
        path in prop::sample::select(vec!["", "64497", "64497 64496", "64499"]),
    ) -> Value {
        json!({
            "device": format!("edge{device}"), "peer_ip": address, "peer_asn": asn, "organisation": owner,
            "status": status.name(), "hold_time": timers.map(|t| t.0), "keepalive": timers.map(|t| t.1),
            "routing_policy": {direction: {"prefixes": prefix.map(|prefix| [prefix]), "as_path": path}},
        })
    }
}

/// RFC 4271, 6.8, read aloud: a second session of one device to one address. Link-local ones stand on no interface here.
fn overlap(one: &Peering, other: &Peering) -> bool {
    let (address, same) = (one.peer_ip.address(), other.peer_ip.address());
    let both = one.is_active() && other.is_active();
    both && address.is_some() && address == same && one.device == other.device
}

proptest! {
    #[test]
    fn the_order_of_the_peerings_does_not_matter(all in prop::collection::vec(any_peering(), 0..6)) {
        let peerings = read(&all);
        let turned: Vec<Peering> = peerings.iter().rev().cloned().collect();
        prop_assert_eq!(check(&peerings, Some(&vrps())), check(&turned, Some(&vrps())));
    }

    #[test]
    fn nothing_is_told_twice_and_the_most_severe_comes_first(all in prop::collection::vec(any_peering(), 0..6)) {
        let report = check(&read(&all), Some(&vrps()));
        let told: std::collections::BTreeSet<_> = report.findings.iter().map(|of| {
            (of.kind, &of.affected_peers, &of.description)
        }).collect();
        prop_assert_eq!(told.len(), report.findings.len());
        prop_assert!(report.findings.is_sorted_by_key(|of| Reverse(of.severity)));
        for of in &report.findings {
            let rule = ALL.iter().find(|rule| rule.kind == of.kind).unwrap();
            prop_assert!(rule.severities.contains(&of.severity));
            prop_assert!(!of.affected_peers.is_empty() && of.affected_peers.is_sorted());
        }
    }

    #[test]
    fn what_is_not_active_matters_only_where_its_address_is_none(all in prop::collection::vec(any_peering(), 0..6)) {
        let peerings = read(&all);
        let matters = |of: &&Peering| of.is_active() || of.peer_ip.address().is_none();
        let fewer: Vec<Peering> = peerings.iter().filter(matters).cloned().collect();
        prop_assert_eq!(
            check(&peerings, Some(&vrps())).findings,
            check(&fewer, Some(&vrps())).findings
        );
    }

    #[test]
    fn two_sessions_overlap_exactly_when_the_rfc_says_so(all in prop::collection::vec(any_peering(), 0..6)) {
        let peerings = read(&all);
        let report = check(&peerings, None);
        for (index, one) in peerings.iter().enumerate() {
            for other in &peerings[..index] {
                let is_told = report.findings.iter().any(|of| {
                    of.kind == Kind::SessionOverlap
                        && of.affected_peers.contains(&one.id)
                        && of.affected_peers.contains(&other.id)
                });
                prop_assert_eq!(is_told, overlap(one, other));
            }
        }
    }
}
