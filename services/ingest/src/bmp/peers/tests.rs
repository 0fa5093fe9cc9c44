//! Which views of a router are taken, and what of them is a dump, on messages made by hand.

use weir_routing::decode::bmp::{self, BmpMessage};

use super::*;
use crate::{bmp_bytes::*, mrt_bytes::*};

const P: &str = "198.51.100.0/24";
const Q: &str = "203.0.113.0/24";
const P6: &str = "2001:db8:1::/48";
const BOUND_US: i64 = 1_000_000;

fn peers() -> Peers {
    let rules = Rules {
        dump_us: BOUND_US,
        ..Rules::default()
    };
    Peers::new(rules, [192, 0, 2, 250].into())
}

/// What becomes of one message at this time: `peer` and what it says, or why it is left.
fn hear_at(peers: &mut Peers, message: &[u8], now_us: i64) -> Vec<String> {
    let said = match bmp::decode(message).unwrap() {
        BmpMessage::PeerUp(header, up) => peers.up(&header, &up, now_us),
        BmpMessage::PeerDown(header, down) => peers.down(&header, down),
        BmpMessage::RouteMonitoring(header, raw) => match peers.routes(&header, &raw, now_us) {
            Heard::Said { said, late } => {
                let mut shown = shown(said);
                shown.extend(late.map(|peer| format!("{peer} is late")));
                return shown;
            }
            Heard::NotTaken(reason) => Err(reason),
            Heard::Undecodable(error) => return vec![error.to_string()],
        },
        other => panic!("{other:?}"),
    };
    said.map_or_else(|reason| vec![reason.name().to_owned()], shown)
}

fn hear(peers: &mut Peers, message: &[u8]) -> Vec<String> {
    hear_at(peers, message, 0)
}

fn shown(said: Said) -> Vec<String> {
    said.into_iter()
        .map(|(peer, body)| {
            let what = match body {
                Body::Update(update) => {
                    let signed = |sign, list: &[Nlri]| -> String {
                        list.iter()
                            .map(|nlri| format!("{sign}{} ", nlri.prefix))
                            .collect()
                    };
                    let mark = if update.from_rib { "rib" } else { "news" };
                    assert_eq!(update.attributes.is_some(), !update.announced.is_empty());
                    signed('+', &update.announced) + &signed('-', &update.withdrawn) + mark
                }
                Body::Open(open) => format!("OPEN of {}", open.asn),
                Body::StateChange { to, .. } => format!("{to:?}"),
                other => format!("{other:?}"),
            };
            format!("{peer} {what}")
        })
        .collect()
}

fn up(header: &[u8], asn: u32) -> Vec<u8> {
    peer_up(header, &usual_open(64_511), &usual_open(asn), &[])
}

fn announce(header: &[u8], prefixes: &[&str]) -> Vec<u8> {
    let update = update(&[], &usual(&[64_496], true), &nlri(prefixes, None));
    monitoring(header, &update)
}

fn withdraw(header: &[u8], prefix: &str) -> Vec<u8> {
    monitoring(header, &update(&nlri(&[prefix], None), &[], &[]))
}

/// The end of the IPv4 table, of the IPv6 table.
fn ends(header: &[u8]) -> [Vec<u8>; 2] {
    [
        monitoring(header, &update(&[], &[], &[])),
        monitoring(header, &update(&[], &[unreach(1, &[])], &[])),
    ]
}

/// A router with one peer that is up.
fn with_peer() -> Peers {
    let mut peers = peers();
    let opens = hear(&mut peers, &up(&usual_peer(0), 64_496));
    assert_eq!(
        opens,
        [
            "192.0.2.1:64496 OPEN of 64496",
            "192.0.2.1:64496 OPEN of 64511"
        ]
    );
    peers
}

#[test]
fn a_dump_is_one_until_the_tables_of_all_families_have_ended() {
    let mut peers = with_peer();
    let peer = usual_peer(0);
    let [end4, end6] = ends(&peer);
    assert_eq!(
        hear(&mut peers, &announce(&peer, &[P, Q])),
        ["192.0.2.1:64496 +198.51.100.0/24 +203.0.113.0/24 rib"]
    );
    assert_eq!(hear(&mut peers, &end4), [""; 0]);
    assert_eq!(
        hear(&mut peers, &announce(&peer, &[P])),
        ["192.0.2.1:64496 +198.51.100.0/24 news"]
    );
    let reach = [
        usual(&[64_496], true),
        vec![reach(1, &["2001:db8::1"], &[P6])],
    ]
    .concat();
    let v6 = monitoring(&peer, &update(&[], &reach, &[]));
    assert_eq!(
        hear(&mut peers, &v6),
        ["192.0.2.1:64496 +2001:db8:1::/48 rib"]
    );
    assert_eq!(hear(&mut peers, &end6), ["192.0.2.1:64496 EndOfRib"]);
    assert_eq!(
        hear(&mut peers, &v6),
        ["192.0.2.1:64496 +2001:db8:1::/48 news"]
    );
    // Once is enough.
    assert_eq!(hear(&mut peers, &end6), [""; 0]);
    assert_eq!(peers.dumped, 0);
}

#[test]
fn what_a_dump_names_again_or_withdraws_is_news() {
    let mut peers = with_peer();
    let peer = usual_peer(0);
    hear(&mut peers, &announce(&peer, &[P]));
    assert_eq!(
        hear(&mut peers, &announce(&peer, &[P, Q])),
        [
            "192.0.2.1:64496 +198.51.100.0/24 news",
            "192.0.2.1:64496 +203.0.113.0/24 rib"
        ]
    );
    assert_eq!(
        hear(&mut peers, &withdraw(&peer, P)),
        ["192.0.2.1:64496 -198.51.100.0/24 news"]
    );
    assert_eq!(peers.dumped, 2);
}

#[test]
fn a_table_that_does_not_end_counts_as_live_after_its_bound_and_is_named_once() {
    let mut peers = with_peer();
    let peer = usual_peer(0);
    let rib = ["192.0.2.1:64496 +198.51.100.0/24 rib"];
    assert_eq!(hear_at(&mut peers, &announce(&peer, &[P]), BOUND_US), rib);
    let news = "192.0.2.1:64496 +203.0.113.0/24 news";
    let late = BOUND_US + 1;
    assert_eq!(
        hear_at(&mut peers, &announce(&peer, &[Q]), late),
        [news, "192.0.2.1:64496 is late"]
    );
    assert_eq!(hear_at(&mut peers, &announce(&peer, &[Q]), late), [news]);
    // It may end yet.
    let [end4, end6] = ends(&peer);
    assert_eq!(hear_at(&mut peers, &end4, late), [""; 0]);
    assert_eq!(
        hear_at(&mut peers, &end6, late),
        ["192.0.2.1:64496 EndOfRib"]
    );
}

#[test]
fn before_the_policy_is_taken_and_behind_it_only_when_there_is_nothing_else() {
    let mut peers = with_peer();
    let (pre, post) = (usual_peer(0), usual_peer(L));
    let said = ["192.0.2.1:64496 +198.51.100.0/24 rib"];
    assert_eq!(hear(&mut peers, &announce(&post, &[P])), said);
    for end in ends(&post) {
        hear(&mut peers, &end);
    }
    // An end is no table.
    assert_eq!(hear(&mut peers, &ends(&pre)[0]), ["view"]);
    // The other one comes after all: its table is the whole.
    assert_eq!(hear(&mut peers, &announce(&pre, &[P])), said);
    assert_eq!(hear(&mut peers, &announce(&post, &[P])), ["view"]);
    assert_eq!(hear(&mut peers, &ends(&post)[0]), ["view"]);
    assert_eq!(hear(&mut peers, &ends(&pre)[0]), [""; 0]);
    assert_eq!(
        hear(&mut peers, &ends(&pre)[1]),
        ["192.0.2.1:64496 EndOfRib"]
    );
}

#[test]
fn a_view_that_only_ended_gives_way_to_one_with_routes() {
    let mut peers = with_peer();
    hear(&mut peers, &ends(&usual_peer(0))[0]);
    assert_eq!(
        hear(&mut peers, &announce(&usual_peer(L), &[P])),
        ["192.0.2.1:64496 +198.51.100.0/24 rib"]
    );
}

#[test]
fn tables_of_a_collector_that_was_heard_before_are_news() {
    let mut peers = peers();
    peers.seed_no_more();
    hear(&mut peers, &up(&usual_peer(0), 64_496));
    assert_eq!(
        hear(&mut peers, &announce(&usual_peer(0), &[P])),
        ["192.0.2.1:64496 +198.51.100.0/24 news"]
    );
}

#[test]
fn a_loc_rib_is_a_peer_of_its_own() {
    let mut peers = with_peer();
    let loc_rib = header(3, V, 0, "0.0.0.0", 64_511);
    assert_eq!(
        hear(&mut peers, &up(&loc_rib, 64_511)),
        ["192.0.2.9:64511 OPEN of 64511"; 2]
    );
    // One Peer Up for each family.
    assert_eq!(hear(&mut peers, &up(&loc_rib, 64_511)), [""; 0]);
    assert_eq!(
        hear(&mut peers, &announce(&loc_rib, &[P])),
        ["192.0.2.9:64511 +198.51.100.0/24 rib"]
    );
    let down = bmp(PEER_DOWN, &[&loc_rib[..], &[6]].concat());
    assert_eq!(hear(&mut peers, &down), ["192.0.2.9:64511 Idle"]);
}

#[test]
fn what_is_sent_on_is_taken_where_it_is_asked_for() {
    let out = usual_peer(O | L);
    let mut peers = with_peer();
    assert_eq!(hear(&mut peers, &announce(&out, &[P])), ["view"]);

    let mut peers = self::peers();
    peers.rules.adj_rib_out = true;
    assert_eq!(
        hear(&mut peers, &up(&usual_peer(0), 64_496)),
        [
            "192.0.2.1:64496 OPEN of 64496",
            "192.0.2.1:64496 OPEN of 64511",
            "192.0.2.1:64511 Established"
        ]
    );
    assert_eq!(
        hear(&mut peers, &announce(&out, &[P])),
        ["192.0.2.1:64511 +198.51.100.0/24 rib"]
    );
    // Not the same as before its policy, nor as what the peer says.
    assert_eq!(hear(&mut peers, &announce(&usual_peer(O), &[P])), ["view"]);
    assert_eq!(
        hear(&mut peers, &announce(&usual_peer(0), &[P])),
        ["192.0.2.1:64496 +198.51.100.0/24 rib"]
    );
    // An internal neighbour: what it says and what it is told would be one peer.
    let internal = header(0, 0, 0, "192.0.2.2", 64_511);
    assert_eq!(
        hear(&mut peers, &up(&internal, 64_511)),
        ["192.0.2.2:64511 OPEN of 64511"; 2]
    );
    let out = header(0, O | L, 0, "192.0.2.2", 64_511);
    assert_eq!(hear(&mut peers, &announce(&out, &[P])), ["same-peer"]);
}

#[test]
fn peers_of_vrfs_are_taken_where_they_are_asked_for_and_none_twice() {
    let vrf = header(1, 0, 0x0000_fbf0_0000_0007, "192.0.2.1", 64_496);
    let mut peers = with_peer();
    assert_eq!(hear(&mut peers, &up(&vrf, 64_496)), ["instance"]);
    assert_eq!(hear(&mut peers, &announce(&vrf, &[P])), ["instance"]);
    peers.rules.distinguishers = vec!["64496:7".to_owned()];
    // The same address and AS in the global table.
    assert_eq!(hear(&mut peers, &up(&vrf, 64_496)), ["same-peer"]);
    assert_eq!(hear(&mut peers, &announce(&vrf, &[P])), ["same-peer"]);
    let other = header(1, 0, 0x0000_fbf0_0000_0007, "192.0.2.2", 64_496);
    assert_eq!(hear(&mut peers, &up(&other, 64_496)).len(), 2);
}

#[test]
fn a_session_that_is_told_twice_is_one_and_a_new_one_is_new() {
    let mut peers = with_peer();
    let post = usual_peer(L);
    assert_eq!(hear(&mut peers, &up(&post, 64_496)), [""; 0]);
    hear(&mut peers, &announce(&usual_peer(0), &[P]));
    let mut later = usual_peer(0);
    later[34..38].copy_from_slice(&11_u32.to_be_bytes());
    assert_eq!(hear(&mut peers, &up(&later, 64_496)).len(), 2);
    assert_eq!(
        (peers.states.len(), peers.speakers.len(), peers.dumped),
        (1, 1, 0)
    );
    assert_eq!(
        hear(&mut peers, &announce(&usual_peer(0), &[P])),
        ["192.0.2.1:64496 +198.51.100.0/24 news"],
        "a later table"
    );
}

#[test]
fn a_peer_that_is_not_up_says_nothing() {
    let mut peers = with_peer();
    let stranger = header(0, 0, 0, "192.0.2.77", 64_496);
    assert_eq!(hear(&mut peers, &announce(&stranger, &[P])), ["no-peer-up"]);
    let down = |header: &[u8], rest: &[u8]| bmp(PEER_DOWN, &[header, rest].concat());
    assert_eq!(hear(&mut peers, &down(&stranger, &[4])), ["no-peer-up"]);
    let nobody = header(0, 0, 0, "0.0.0.0", 0);
    assert_eq!(hear(&mut peers, &announce(&nobody, &[P])), ["no-address"]);

    let ends = [&[3][..], &message(3, &[6, 4])].concat();
    assert_eq!(
        hear(&mut peers, &down(&usual_peer(0), &ends)),
        ["192.0.2.1:64496 Notification(Notification { code: 6, subcode: 4 })"]
    );
    assert_eq!(
        hear(&mut peers, &announce(&usual_peer(0), &[P])),
        ["no-peer-up"]
    );
    assert!(peers.speakers.is_empty());
}

/// As [`hear`], of a router that is heard from somewhere in the middle.
fn overhear(peers: &mut Peers, message: &[u8]) -> Vec<String> {
    if let BmpMessage::PeerDown(header, _) | BmpMessage::RouteMonitoring(header, _) =
        bmp::decode(message).unwrap()
        && let Err(reason) = peers.assume(&header, 0)
    {
        return vec![reason.name().to_owned()];
    }
    hear(peers, message)
}

#[test]
fn an_assumed_session_says_nothing_of_itself_and_does_not_seed() {
    let mut peers = peers();
    let peer = usual_peer(0);
    let news = ["192.0.2.1:64496 +198.51.100.0/24 news"];
    assert_eq!(overhear(&mut peers, &announce(&peer, &[P])), news);
    // Its own family is all that is waited for.
    let [end4, end6] = ends(&peer);
    assert_eq!(overhear(&mut peers, &end6), [""; 0]);
    let end = ["192.0.2.1:64496 EndOfRib"];
    assert_eq!(overhear(&mut peers, &end4), end);
    // A session that was seen to begin is another one; its table is not the first.
    let opens = overhear(&mut peers, &up(&peer, 64_496));
    assert_eq!(opens.len(), 2, "{opens:?}");
    assert_eq!(overhear(&mut peers, &announce(&peer, &[P])), news);
    let down = bmp(PEER_DOWN, &[&peer[..], &[4]].concat());
    for _ in 0..2 {
        assert_eq!(overhear(&mut peers, &down), ["192.0.2.1:64496 Idle"]);
    }
    assert!(peers.states.is_empty() && peers.speakers.is_empty());
}

#[test]
fn path_identifiers_of_an_assumed_session_are_no_default_routes() {
    let mut peers = peers();
    let offer = |asn| open(asn, &[unicast(1), four_octet(asn), add_path(&[(1, 1, 3)])]);
    let with_paths = update(&[], &usual(&[64_496], true), &nlri(&["0.0.0.0/0"], Some(7)));
    let message = monitoring(&usual_peer(0), &with_paths);
    let said = overhear(&mut peers, &message).concat();
    assert!(
        said.contains("no Peer Up of its session was heard"),
        "{said}"
    );
    let up = peer_up(&usual_peer(0), &offer(64_511), &offer(64_496), &[]);
    assert_eq!(overhear(&mut peers, &up).len(), 2);
    let routes = ["192.0.2.1:64496 +0.0.0.0/0 news"];
    assert_eq!(overhear(&mut peers, &message), routes);
    // One default route is one.
    let mut peers = self::peers();
    let default = announce(&usual_peer(0), &["0.0.0.0/0", P]);
    let routes = ["192.0.2.1:64496 +0.0.0.0/0 +198.51.100.0/24 news"];
    assert_eq!(overhear(&mut peers, &default), routes);
}

#[test]
fn who_is_not_taken_has_no_assumed_session_either() {
    let mut peers = peers();
    let vrf = header(1, 0, 7, "192.0.2.1", 64_496);
    let nobody = header(0, 0, 0, "0.0.0.0", 0);
    assert_eq!(overhear(&mut peers, &announce(&vrf, &[P])), ["instance"]);
    assert_eq!(
        overhear(&mut peers, &announce(&nobody, &[P])),
        ["no-address"]
    );
    assert!(peers.states.is_empty());
}

#[test]
fn an_interruption_forgets_who_has_said_nothing_since() {
    let mut peers = peers();
    for (address, heard_us) in [("192.0.2.3", 5), ("192.0.2.2", 20), ("192.0.2.1", 9)] {
        let message = up(&header(0, 0, 0, address, 64_496), 64_496);
        hear_at(&mut peers, &message, heard_us);
    }
    hear_at(&mut peers, &announce(&usual_peer(0), &[P]), 10);
    let silent = peers.interrupted(10);
    let names: Vec<String> = silent.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["192.0.2.3:64496"]);
    assert_eq!(peers.interrupted(100).len(), 2);
    assert_eq!(
        (peers.states.len(), peers.speakers.len(), peers.dumped),
        (0, 0, 0)
    );
}

#[test]
fn other_families_and_broken_updates_are_told_apart() {
    let mut peers = with_peer();
    let vpn = monitoring(&usual_peer(0), &update(&[], &[unreach(128, &[])], &[]));
    assert_eq!(hear(&mut peers, &vpn), ["family"]);
    let broken = monitoring(&usual_peer(0), &message(2, &[0, 1]));
    assert_eq!(
        hear(&mut peers, &broken),
        ["UPDATE of 192.0.2.1 AS64496: withdrawn routes at octet 2 wants 1 octets, 0 are left"]
    );
}

mod in_any_order {
    use proptest::prelude::*;

    use super::*;

    /// What two neighbours, one of them internal, and the router itself may say.
    fn messages() -> Vec<Vec<u8>> {
        let views = [0, L, O, O | L];
        let mut all = Vec::new();
        for (address, asn) in [("192.0.2.1", 64_496), ("192.0.2.2", 64_511)] {
            let of = |flags| header(0, flags, 0, address, asn);
            all.push(up(&of(0), asn));
            all.push(bmp(PEER_DOWN, &[&of(0)[..], &[4]].concat()));
            for flags in views {
                all.push(announce(&of(flags), &[P, Q]));
                all.push(withdraw(&of(flags), P));
                all.extend(ends(&of(flags)));
            }
        }
        let loc_rib = header(3, 0, 0, "0.0.0.0", 64_511);
        all.push(up(&loc_rib, 64_511));
        all.push(announce(&loc_rib, &[P]));
        all.extend(ends(&loc_rib));
        all
    }

    proptest! {
        /// Who speaks has a voice of its own, what unfinished dumps hold is what is counted, and a
        /// dump withdraws nothing.
        #[test]
        fn the_books_are_right(
            order in prop::collection::vec((any::<prop::sample::Index>(), 0..BOUND_US), 0..60),
            adj_rib_out in any::<bool>(),
            assumes in any::<bool>(),
        ) {
            let messages = messages();
            let mut peers = peers();
            peers.rules.adj_rib_out = adj_rib_out;
            let mut now_us = 0;
            for (which, pause) in order {
                now_us += pause;
                let message = &messages[which.index(messages.len())];
                if let BmpMessage::RouteMonitoring(header, _) = bmp::decode(message).unwrap()
                    && assumes
                {
                    let _ = peers.assume(&header, now_us);
                }
                for said in hear_at(&mut peers, message, now_us) {
                    prop_assert!(!(said.ends_with("rib") && said.contains(" -")));
                }
                let voices = || peers.states.values().flat_map(|state| state.voices.iter().flatten());
                prop_assert_eq!(peers.dumped, voices().map(|voice| voice.seen.len()).sum::<usize>());
                prop_assert_eq!(peers.speakers.len(), voices().count());
                prop_assert!(voices().all(|voice| peers.speakers.contains_key(&voice.peer)));
                prop_assert!(voices().all(|v| v.dumping != [false; 2] || v.seen.is_empty()));
            }
        }
    }
}
