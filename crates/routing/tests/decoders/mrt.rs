//! MRT: every type of record, and what is wrong with some.

use rstest::rstest;
use weir_routing::{
    Asn, Body, Direction, Message, Notification, Open, SessionState,
    decode::mrt::{Decoded, MrtError, Records, Skipped},
};

use crate::mrt_bytes::*;

fn decode(bytes: &[u8]) -> Vec<Result<Decoded, MrtError>> {
    Records::new(bytes).collect()
}

/// `peer +announced -withdrawn path next-hop`, one per message.
fn shown(bytes: &[u8]) -> Vec<String> {
    decode(bytes)
        .into_iter()
        .map(|item| match item {
            Ok(decoded) => show(&decoded.message),
            Err(error) => error.to_string(),
        })
        .collect()
}

fn show(message: &Message) -> String {
    let mut text = message.peer.to_string();
    match &message.body {
        Body::Update(update) => {
            for (list, sign) in [(&update.announced, '+'), (&update.withdrawn, '-')] {
                for nlri in list {
                    text += &format!(" {sign}{}", nlri.prefix);
                    if nlri.path_id != 0 {
                        text += &format!("#{}", nlri.path_id);
                    }
                }
            }
            if let Some(attributes) = &update.attributes {
                text += &format!(" [{}]", attributes.as_path);
                if let Some(hop) = attributes.next_hop {
                    text += &format!(" via {hop}");
                }
            }
            if update.from_rib {
                text += " rib";
            }
        }
        other => text += &format!(" {other:?}"),
    }
    text
}

const P4: &str = "198.51.100.0/24";
const P6: &str = "2001:db8:1::/48";

#[test]
fn an_update_folds_classic_and_multiprotocol_routes() {
    let update = update(
        &nlri(&["203.0.113.0/24"], None),
        &[usual(&[64_496, 65_550], true), vec![unreach(1, &[P6])]].concat(),
        &nlri(&[P4], None),
    );
    assert_eq!(
        shown(&said(&update)),
        [
            "192.0.2.1:64496 +198.51.100.0/24 -203.0.113.0/24 -2001:db8:1::/48 [64496 65550] via 192.0.2.1"
        ]
    );
}

#[test]
fn an_update_with_two_next_hops_is_two_messages() {
    let reach = reach(1, &["2001:db8::1", "fe80::1"], &[P6]);
    let update = update(
        &nlri(&["203.0.113.0/24"], None),
        &[usual(&[64_496], true), vec![reach]].concat(),
        &nlri(&[P4], None),
    );
    assert_eq!(
        shown(&said(&update)),
        [
            "192.0.2.1:64496 +198.51.100.0/24 -203.0.113.0/24 [64496] via 192.0.2.1",
            "192.0.2.1:64496 +2001:db8:1::/48 [64496] via 2001:db8::1",
        ]
    );
}

#[rstest]
#[case::two_octets(1, false, None, " [64496 65550]")]
#[case::two_octets_local_add_path(8, false, Some(7), "#7 [64496 65550]")]
// RFC 6793, 6: AS4_PATH must be ignored where AS_PATH has 32 bits.
#[case::four_octets(4, true, None, " [64496 23456]")]
#[case::four_octets_add_path(9, true, Some(7), "#7 [64496 23456]")]
fn as4_path_counts_on_two_octet_sessions_only(
    #[case] subtype: u16,
    #[case] four_octet: bool,
    #[case] path_id: Option<u32>,
    #[case] end: &str,
) {
    let attributes = [
        usual(&[64_496, 23_456], four_octet),
        vec![path(17, &[65_550], true)],
    ]
    .concat();
    let update = update(&[], &attributes, &nlri(&[P4], path_id));
    let body = [session("2001:db8::9", 64_496, four_octet), update].concat();
    assert_eq!(
        shown(&record(1, None, BGP4MP, subtype, &body)),
        [format!(
            "2001:db8::9:64496 +198.51.100.0/24{end} via 192.0.2.1"
        )]
    );
}

#[test]
fn extended_records_have_microseconds() {
    let body = [session("192.0.2.1", 64_496, true), message(4, &[])].concat();
    let decoded = decode(&record(10, Some(230_000), BGP4MP_ET, 4, &body));
    let decoded = decoded[0].as_ref().unwrap();
    assert_eq!(decoded.message.event_time_us, 10_230_000);
    assert_eq!(decoded.message.body, Body::Keepalive);
    assert_eq!(decoded.record, 1);
}

#[test]
fn sessions_open_change_and_end() {
    let capability = [2, 6, 65, 4, 0, 1, 0, 14];
    let open = [&[4, 0x5b, 0xa0, 0, 180, 192, 0, 2, 9, 8][..], &capability].concat();
    let states = [session("192.0.2.1", 64_496, true), vec![0, 6, 0, 1]].concat();
    let bytes = [
        said(&message(1, &open)),
        said(&message(3, &[6, 2])),
        record(10, None, BGP4MP, 5, &states),
    ]
    .concat();
    let bodies: Vec<Body> = decode(&bytes)
        .into_iter()
        .map(|item| item.unwrap().message.body)
        .collect();
    assert_eq!(
        bodies,
        [
            Body::Open(Open {
                direction: Some(Direction::Received),
                asn: Asn(65_550),
                hold_time: 180,
                router_id: [192, 0, 2, 9].into(),
            }),
            Body::Notification(Notification {
                code: 6,
                subcode: 2
            }),
            Body::StateChange {
                from: Some(SessionState::Established),
                to: SessionState::Idle,
            },
        ]
    );
}

#[test]
fn a_default_route_is_no_path_identifier() {
    let update = update(&[], &usual(&[64_496], true), &nlri(&["0.0.0.0/0"], None));
    let shown = shown(&said(&update));
    assert_eq!(shown, ["192.0.2.1:64496 +0.0.0.0/0 [64496] via 192.0.2.1"]);
}

#[rstest]
#[case::ipv4(update(&[], &[], &[]))]
#[case::ipv6(update(&[], &[unreach(1, &[])], &[]))]
fn an_empty_update_ends_the_rib(#[case] update: Vec<u8>) {
    assert_eq!(shown(&said(&update)), ["192.0.2.1:64496 EndOfRib"]);
}

#[test]
fn other_families_and_what_the_collector_sent_are_counted() {
    let multicast = update(
        &[],
        &[
            usual(&[64_496], true),
            vec![reach(2, &["2001:db8::1"], &[P6])],
        ]
        .concat(),
        &[],
    );
    let vpn = update(&[], &[attribute(15, &[0, 25, 70])], &[]);
    let sent = [
        session("192.0.2.1", 64_496, true),
        update(&[], &usual(&[64_496], true), &nlri(&[P4], None)),
    ];
    let refresh = message(5, &[0, 1, 0, 1]);
    let bytes = [
        said(&multicast),
        said(&vpn),
        record(10, None, BGP4MP, 7, &sent.concat()),
        said(&refresh),
    ]
    .concat();
    let mut records = Records::new(&bytes[..]);
    assert!(records.next().is_none());
    let wanted = Skipped {
        other_families: 2,
        sent_by_collector: 1,
        without_message: 1,
        without_peer: 0,
    };
    assert_eq!(records.skipped(), wanted);
    assert_eq!(records.records(), 4);
}

#[test]
fn a_rib_dump_names_the_peer_of_each_entry_and_ends_for_each() {
    let attributes = || usual(&[64_497, 64_499], true);
    // MP_REACH_NLRI is cut down to the next hop (RFC 6396, 4.3.4).
    let short = attribute(14, &[vec![16], octets("2001:db8::2")].concat());
    let v6 = vec![attribute(1, &[0]), path(2, &[64_498, 64_499], true), short];
    let bytes = [
        peer_index(&[
            ("192.0.2.1", 64_497),
            ("2001:db8::1", 64_498),
            ("192.0.2.3", 64_499),
        ]),
        rib(2, P4, &[(0, None, attributes())]),
        rib(4, P6, &[(1, None, v6)]),
        rib(
            8,
            P4,
            &[(0, Some(3), attributes()), (0, Some(4), attributes())],
        ),
    ]
    .concat();
    assert_eq!(
        shown(&bytes),
        [
            "192.0.2.1:64497 +198.51.100.0/24 [64497 64499] via 192.0.2.1 rib",
            "2001:db8::1:64498 +2001:db8:1::/48 [64498 64499] via 2001:db8::2 rib",
            "192.0.2.1:64497 +198.51.100.0/24#3 [64497 64499] via 192.0.2.1 rib",
            "192.0.2.1:64497 +198.51.100.0/24#4 [64497 64499] via 192.0.2.1 rib",
            "192.0.2.1:64497 EndOfRib",
            "2001:db8::1:64498 EndOfRib",
        ]
    );
    let first = decode(&bytes).swap_remove(0).unwrap();
    assert_eq!((first.record, first.message.event_time_us), (2, 21_000_000));
}

#[test]
fn an_old_dump_has_one_entry_per_record() {
    let attributes = [
        usual(&[64_496, 23_456], false),
        vec![path(17, &[65_550], true)],
    ]
    .concat();
    let bytes = table_dump(P4, "192.0.2.1", 64_496, &attributes);
    assert_eq!(
        shown(&bytes),
        [
            "192.0.2.1:64496 +198.51.100.0/24 [64496 65550] via 192.0.2.1 rib",
            "192.0.2.1:64496 EndOfRib",
        ]
    );
}

#[test]
fn type_5_is_read_as_well() {
    let body = [
        vec![0xfb, 0xf0],
        octets("192.0.2.1"),
        vec![0xfb, 0xff],
        octets("192.0.2.2"),
        update(&[], &usual(&[64_496], false), &nlri(&[P4], None))[19..].to_vec(),
    ];
    assert_eq!(
        shown(&record(1, None, BGP, 1, &body.concat())),
        ["192.0.2.1:64496 +198.51.100.0/24 [64496] via 192.0.2.1"]
    );
}

#[test]
fn a_file_that_is_cut_off_keeps_what_came_before_and_names_the_record() {
    let keepalive = said(&message(4, &[]));
    let bytes = [keepalive.clone(), keepalive.clone()].concat();
    for end in keepalive.len() + 1..bytes.len() {
        let items = decode(&bytes[..end]);
        assert_eq!(items.len(), 2, "{end}");
        assert!(items[0].is_ok());
        let error = items[1].as_ref().unwrap_err();
        assert!(
            matches!(error, MrtError::CutOff { record: 2, .. }),
            "{error}"
        );
        assert!(error.ends_input());
    }
    // A table that is cut off is not whole, so it does not end.
    let table = table_dump(P4, "192.0.2.1", 64_496, &usual(&[64_496], false));
    let items = decode(&[&table[..], &table[..9]].concat());
    assert_eq!(items.len(), 2);
}

#[rstest]
#[case::prefix_of_33_bits(said(&update(&[], &usual(&[64_496], true), &[33, 1, 2, 3, 4, 5])), "record 1 is malformed: announced prefixes of 192.0.2.1:64496")]
#[case::path_cut_short(said(&update(&[], &[attribute(1, &[0]), attribute(2, &[2, 9, 0, 0])], &nlri(&[P4], None))), "record 1 is malformed: UPDATE of 192.0.2.1:64496: AS_PATH cannot be read")]
#[case::reach_cut_short(said(&update(&[], &[attribute(14, &[0, 2, 1, 16, 1])], &[])), "record 1 is malformed: UPDATE of 192.0.2.1:64496: attribute 14 cannot be read")]
#[case::path_longer_than_the_list(said(&update(&[], &[vec![0x40, 2, 200, 2, 1]], &nlri(&[P4], None))), "record 1 is malformed: UPDATE of 192.0.2.1:64496: AS_PATH is longer than the attributes")]
#[case::unknown_type(record(1, None, 999, 0, &[1, 2, 3]), "record 1 is of a kind that is not read")]
#[case::generic_rib(record(1, None, TABLE_DUMP_V2, 6, &[0; 12]), "record 1 is of a kind that is not read")]
#[case::entry_before_the_peers(rib(2, P4, &[(0, None, usual(&[64_496], true))]), "record 1 is malformed: 198.51.100.0/24: no peer 0 in the peer index")]
fn a_bad_record_is_named_and_the_next_one_read(#[case] bad: Vec<u8>, #[case] reason: &str) {
    let items = shown(&[bad, said(&message(4, &[]))].concat());
    assert!(items[0].starts_with(reason), "{}", items[0]);
    assert_eq!(items[1..], ["192.0.2.1:64496 Keepalive"]);
}

#[test]
fn a_rib_record_with_fewer_entries_than_it_says_is_named() {
    let mut record = rib(2, P4, &[(0, None, usual(&[64_496], true))]);
    let count = 12 + 4 + 1 + 3;
    record[count + 1] = 2;
    let items = shown(&[peer_index(&[("192.0.2.1", 64_496)]), record].concat());
    assert_eq!(
        items[0],
        "192.0.2.1:64496 +198.51.100.0/24 [64496] via 192.0.2.1 rib"
    );
    assert_eq!(
        items[1],
        "record 2 is malformed: 198.51.100.0/24: 1 of 2 entries could be read"
    );
}

#[test]
fn bytes_that_are_no_mrt_end_the_input() {
    let items = decode(&[0xff; 64]);
    assert!(matches!(
        items[..],
        [Err(MrtError::TooLong {
            record: 1,
            length: u32::MAX
        })]
    ));
}

#[test]
fn reading_resumes_after_a_record_with_the_peers_of_the_table() {
    let bytes = [
        peer_index(&[("192.0.2.1", 64_496)]),
        rib(2, P4, &[(0, None, usual(&[64_496], true))]),
        rib(2, "203.0.113.0/24", &[(0, None, usual(&[64_496], true))]),
        said(&message(4, &[])),
    ]
    .concat();
    let whole: Vec<Decoded> = decode(&bytes).into_iter().map(Result::unwrap).collect();
    for after in 0..5 {
        let resumed: Vec<_> = Records::resume(&bytes[..], after)
            .map(Result::unwrap)
            .collect();
        let rest: Vec<_> = whole.iter().filter(|d| d.record > after).cloned().collect();
        assert_eq!(resumed, rest, "after {after}");
    }
}

#[test]
fn updates_without_routes_of_ours_are_not_ends_of_rib() {
    let update = update(&[], &usual(&[64_496], true), &[]);
    assert_eq!(decode(&said(&update)).len(), 0);
}
