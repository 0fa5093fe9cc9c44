//! BMP: how the OPENs of a session decide about its UPDATEs, and what is wrong with some.

use rstest::rstest;
use weir_routing::decode::bmp::{Family, Session};

use crate::{bmp::*, bmp_bytes::*, mrt_bytes::*};

#[test]
fn one_peer_up_for_each_family_makes_one_session() {
    let of = |afi| {
        let offer = [unicast(afi), add_path(&[(afi, 1, 3)])];
        agreed(&offer, &offer)
    };
    let both = of(1).and(of(2));
    assert!(Family::ALL.into_iter().all(|family| both.has(family)));
    let update = update(
        &nlri(&[P4], Some(7)),
        &[attribute(
            15,
            &[&[0, 2, 1][..], &nlri(&[P6], Some(8))].concat(),
        )],
        &[],
    );
    assert_eq!(
        shown(routes(0, &update, &both)),
        ["-198.51.100.0/24#7 -2001:db8:1::/48#8"]
    );
}

#[test]
fn an_assumed_session_has_the_family_of_its_peer_and_no_path_identifiers() {
    for (peer, families) in [("192.0.2.1", [true, false]), ("2001:db8::1", [false, true])] {
        let assumed = Session::assumed(peer.parse().unwrap());
        assert_eq!(Family::ALL.map(|family| assumed.has(family)), families);
        let both = [attribute(
            15,
            &[&[0, 2, 1][..], &nlri(&[P6], None)].concat(),
        )];
        let update = update(&nlri(&[P4], None), &both, &[]);
        let withdrawn = ["-198.51.100.0/24 -2001:db8:1::/48"];
        assert_eq!(shown(routes(0, &update, &assumed)), withdrawn);
    }
}

#[test]
fn an_update_folds_as_that_of_a_file_does() {
    let update = update(
        &nlri(&["203.0.113.0/24"], None),
        &[
            usual(&[64_496, 65_550], true),
            vec![reach(1, &["2001:db8::1", "fe80::1"], &[P6])],
            vec![unreach(1, &["2001:db8:2::/48"])],
        ]
        .concat(),
        &nlri(&[P4], None),
    );
    assert_eq!(
        shown(routes(0, &update, &usual_session())),
        [
            "+198.51.100.0/24 -203.0.113.0/24 -2001:db8:2::/48 [64496 65550] via 192.0.2.1",
            "+2001:db8:1::/48 [64496 65550] via 2001:db8::1",
        ]
    );
}

#[test]
fn the_a_flag_says_that_asns_have_two_octets_and_as4_path_counts() {
    let attributes = [
        usual(&[64_496, 23_456], false),
        vec![path(17, &[65_550], true)],
    ]
    .concat();
    let update = update(&[], &attributes, &nlri(&[P4], None));
    let expected = ["+198.51.100.0/24 [64496 65550] via 192.0.2.1"];
    assert_eq!(shown(routes(A, &update, &usual_session())), expected);
    // Some routers forget the flag.
    assert_eq!(shown(routes(0, &update, &usual_session())), expected);
}

#[rstest]
// What the peer may send and the router takes.
#[case(&[(1, 1, 1)], &[(1, 1, 2)], 0, true)]
#[case(&[(1, 1, 3)], &[(1, 1, 3)], 0, true)]
#[case(&[(1, 1, 3)], &[(1, 1, 3)], L, true)]
#[case(&[(1, 1, 2)], &[(1, 1, 1)], 0, false)]
#[case(&[(1, 1, 2)], &[(1, 1, 1)], O, true)]
#[case(&[(1, 1, 1)], &[(1, 1, 2)], O, false)]
#[case(&[(1, 1, 3)], &[], 0, false)]
#[case(&[(2, 1, 3)], &[(2, 1, 3)], 0, false)]
// A family that nobody knows does not hide the others.
#[case(&[(9, 99, 3), (1, 1, 3)], &[(9, 99, 3), (1, 1, 3)], 0, true)]
fn path_identifiers_are_read_where_both_sides_agreed(
    #[case] sent: &[(u8, u8, u8)],
    #[case] received: &[(u8, u8, u8)],
    #[case] flags: u8,
    #[case] has: bool,
) {
    let session = agreed(&[add_path(sent)], &[add_path(received)]);
    let id = has.then_some(7);
    let update = update(
        &nlri(&["203.0.113.0/24"], id),
        &usual(&[64_496], true),
        &nlri(&[P4], id),
    );
    let mark = if has { "#7" } else { "" };
    assert_eq!(
        shown(routes(flags, &update, &session)),
        [format!(
            "+198.51.100.0/24{mark} -203.0.113.0/24{mark} [64496] via 192.0.2.1"
        )]
    );
}

#[test]
fn path_identifiers_are_of_one_family_and_not_of_the_other() {
    let session = agreed(&[add_path(&[(2, 1, 3)])], &[add_path(&[(2, 1, 3)])]);
    let attributes = [
        usual(&[64_496], true),
        vec![reach_paths("2001:db8::1", &[P6, "::/0"], Some(9))],
    ];
    let update = update(&[], &attributes.concat(), &nlri(&["0.0.0.0/0", P4], None));
    assert_eq!(
        shown(routes(0, &update, &session)),
        [
            "+0.0.0.0/0 +198.51.100.0/24 [64496] via 192.0.2.1",
            "+2001:db8:1::/48#9 +::/0#9 [64496] via 2001:db8::1",
        ]
    );
}

#[rstest]
#[case(&[], Some(Family::Ipv4), false)]
#[case(&[attribute(15, &[0, 1, 1])], Some(Family::Ipv4), false)]
#[case(&[unreach(1, &[])], Some(Family::Ipv6), false)]
// Of VPNs: not ours.
#[case(&[unreach(128, &[])], None, true)]
// Attributes without a prefix say nothing.
#[case(&usual(&[64_496], true), None, false)]
fn the_end_of_a_table_is_known_by_its_family(
    #[case] attributes: &[Vec<u8>],
    #[case] family: Option<Family>,
    #[case] other_families: bool,
) {
    let told = routes(0, &update(&[], attributes, &[]), &usual_session()).unwrap();
    assert_eq!(
        (told.end_of_rib, told.other_families),
        (family, other_families)
    );
    assert!(told.updates.is_empty());
}

#[rstest]
#[case::no_marker(0, 0, "its marker is not all ones")]
#[case::length_of_nothing(17, 5, "its length is 5, less than its header")]
#[case::no_update(18, 4, "a BGP message of type 4 stands in its place")]
#[case::withdrawn_too_long(20, 200, "withdrawn routes at octet 2 wants 200 octets, 32 are left")]
#[case::attributes_too_long(25, 200, "path attributes at octet 7 wants 200 octets, 27 are left")]
#[case::attribute_too_long(
    29,
    90,
    "value of an attribute at octet 4 wants 90 octets, 19 are left"
)]
#[case::prefix_too_long(49, 33, "a prefix of 33 bits of Ipv4")]
#[case::prefix_cut(49, 32, "prefix at octet 1 wants 4 octets, 3 are left")]
fn an_update_that_is_wrong_is_refused_alone(
    #[case] at: usize,
    #[case] octet: u8,
    #[case] reason: &str,
) {
    let mut update = update(
        &nlri(&["203.0.0.0/16"], None),
        &usual(&[64_496], true),
        &nlri(&[P4], None),
    );
    update[at] = octet;
    let error = routes(0, &update, &usual_session()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("UPDATE of 192.0.2.1 AS64496: {reason}")
    );
    assert!(!error.ends_session());
}

#[test]
fn what_a_router_puts_behind_an_update_is_not_read() {
    let update = [update(&nlri(&[P4], None), &[], &[]), tlv(0xea62, &[0; 4])].concat();
    assert_eq!(
        shown(routes(0, &update, &usual_session())),
        ["-198.51.100.0/24"]
    );
}

#[test]
fn an_attribute_of_routes_that_stands_there_twice_is_refused() {
    let twice = update(&[], &[unreach(1, &[P6]), unreach(1, &[P6])], &[]);
    let error = routes(0, &twice, &usual_session()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("attribute 15 stands there twice")
    );
}

mod round_trip {
    use proptest::prelude::*;
    use weir_routing::{Nlri, Prefix};

    use super::*;

    fn list(is_ipv4: bool) -> impl Strategy<Value = Vec<(Prefix, u32)>> {
        let most = if is_ipv4 { 32_u8 } else { 128 };
        let one = (any::<u128>(), 0..=most, any::<u32>()).prop_map(move |(bits, length, id)| {
            let address = if is_ipv4 {
                std::net::Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap()).into()
            } else {
                std::net::IpAddr::V6(std::net::Ipv6Addr::from_bits(bits))
            };
            (Prefix::new(address, length).unwrap(), id)
        });
        prop::collection::vec(one, 0..20)
    }

    fn wire(list: &[(Prefix, u32)], paths: bool) -> Vec<u8> {
        list.iter()
            .flat_map(|(prefix, id)| nlri(&[&prefix.to_string()], paths.then_some(*id)))
            .collect()
    }

    fn read(list: &[(Prefix, u32)], paths: bool) -> Vec<Nlri> {
        let one = |(prefix, id): &(Prefix, u32)| Nlri {
            prefix: *prefix,
            path_id: if paths { *id } else { 0 },
        };
        list.iter().map(one).collect()
    }

    proptest! {
        /// Default routes and host routes in any place, with and without path identifiers.
        #[test]
        fn prefixes_come_back_as_they_were_sent(
            lists in (list(true), list(true), list(false), list(false)),
            paths in any::<[bool; 2]>(),
            post in any::<bool>(),
        ) {
            let (withdrawn4, announced4, withdrawn6, announced6) = lists;
            let entries: Vec<(u8, u8, u8)> =
                (1..=2).filter(|afi| paths[usize::from(*afi) - 1]).map(|afi| (afi, 1, 3)).collect();
            let capabilities = [unicast(1), unicast(2), add_path(&entries)];
            let session = agreed(&capabilities, &capabilities);
            let hop = octets("2001:db8::1");
            let reach = [&[0, 2, 1, 16][..], &hop, &[0], &wire(&announced6, paths[1])].concat();
            let unreach = [&[0, 2, 1][..], &wire(&withdrawn6, paths[1])].concat();
            let mut attributes = usual(&[64_496], true);
            attributes.push(attribute(14, &reach));
            attributes.push(attribute(15, &unreach));
            let update = update(&wire(&withdrawn4, paths[0]), &attributes, &wire(&announced4, paths[0]));
            let told = routes(if post { L } else { 0 }, &update, &session).unwrap();
            let announced: Vec<Nlri> =
                told.updates.iter().flat_map(|update| update.announced.clone()).collect();
            let withdrawn: Vec<Nlri> =
                told.updates.iter().flat_map(|update| update.withdrawn.clone()).collect();
            let both = |a: &[_], b: &[_]| [read(a, paths[0]), read(b, paths[1])].concat();
            prop_assert_eq!(announced, both(&announced4, &announced6));
            prop_assert_eq!(withdrawn, both(&withdrawn4, &withdrawn6));
        }
    }
}
