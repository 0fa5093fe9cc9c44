//! BMP: every type of message, how the OPENs decide about UPDATEs, and what is wrong with some.

use rstest::rstest;
use weir_routing::{
    Asn, Direction, Notification, Open, Update,
    decode::bmp::{
        self, BmpError, BmpMessage, Down, Family, MAX_MESSAGE, PeerHeader, PeerKind, PeerUp,
        Routes, Session, View,
    },
};

use crate::{bmp_bytes::*, mrt_bytes::*};

pub(crate) const P4: &str = "198.51.100.0/24";
pub(crate) const P6: &str = "2001:db8:1::/48";

pub(crate) fn decode(bytes: &[u8]) -> BmpMessage<'_> {
    assert_eq!(bmp::frame(bytes, MAX_MESSAGE), Ok(Some(bytes.len())));
    bmp::decode(bytes).unwrap()
}

pub(crate) fn up(bytes: &[u8]) -> (PeerHeader, PeerUp) {
    match decode(bytes) {
        BmpMessage::PeerUp(peer, up) => (peer, *up),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn agreed(sent: &[Vec<u8>], received: &[Vec<u8>]) -> Session {
    let (sent, received) = (open(64_511, sent), open(64_496, received));
    up(&peer_up(&usual_peer(0), &sent, &received, &[]))
        .1
        .session
}

pub(crate) fn usual_session() -> Session {
    let both = [unicast(1), unicast(2), four_octet(64_496)];
    agreed(&both, &both)
}

pub(crate) fn routes(flags: u8, update: &[u8], session: &Session) -> Result<Routes, BmpError> {
    match decode(&monitoring(&usual_peer(flags), update)) {
        BmpMessage::RouteMonitoring(peer, raw) => raw.read(&peer, session),
        other => panic!("{other:?}"),
    }
}

/// `+announced -withdrawn [path] via next-hop`.
pub(crate) fn show(update: &Update) -> String {
    let mut words = Vec::new();
    for (list, sign) in [(&update.announced, '+'), (&update.withdrawn, '-')] {
        for nlri in list {
            words.push(match nlri.path_id {
                0 => format!("{sign}{}", nlri.prefix),
                id => format!("{sign}{}#{id}", nlri.prefix),
            });
        }
    }
    if let Some(attributes) = &update.attributes {
        words.push(format!("[{}]", attributes.as_path));
        words.extend(attributes.next_hop.map(|hop| format!("via {hop}")));
    }
    words.join(" ")
}

pub(crate) fn shown(routes: Result<Routes, BmpError>) -> Vec<String> {
    routes.unwrap().updates.iter().map(show).collect()
}

#[test]
fn an_initiation_names_the_router() {
    let body = [
        tlv(1, b"a router\x1b[2J\r\n"),
        tlv(2, b"edge1"),
        tlv(0, b"hello"),
        tlv(0, b"there"),
        tlv(99, b"?"),
    ];
    let BmpMessage::Initiation(told) = decode_owned(bmp(INITIATION, &body.concat())) else {
        panic!("no Initiation")
    };
    assert_eq!(told.name.as_deref(), Some("edge1"));
    assert_eq!(told.description.as_deref(), Some("a router[2J"));
    assert_eq!(
        (told.texts, told.unknown),
        (vec!["hello".to_owned(), "there".to_owned()], 1)
    );
}

/// For messages without borrowed parts.
fn decode_owned(bytes: Vec<u8>) -> BmpMessage<'static> {
    decode(Vec::leak(bytes))
}

#[rstest]
#[case(&[0, 0], "administratively closed")]
#[case(&[0, 3], "redundant connection")]
#[case(&[0, 1], "unspecified")]
#[case(&[1, 0], "unspecified")]
fn a_termination_says_why(#[case] reason: &[u8], #[case] words: &str) {
    let body = [tlv(0, b"bye"), tlv(1, reason)].concat();
    match decode_owned(bmp(TERMINATION, &body)) {
        BmpMessage::Termination(told) => {
            assert_eq!(told.words(), words);
            assert_eq!(told.texts, ["bye"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_up_has_both_opens_and_what_they_agree_on() {
    let header = header(0, 0, 0, "2001:db8::1", 65_550);
    let bytes = peer_up(
        &header,
        &usual_open(64_511),
        &usual_open(65_550),
        &tlv(0, b"x"),
    );
    let (peer, up) = up(&bytes);
    assert_eq!(
        (peer.kind, peer.address, peer.asn, peer.time_us),
        (
            PeerKind::Global,
            "2001:db8::1".parse().unwrap(),
            Asn(65_550),
            Some(10_250_000)
        )
    );
    assert_eq!(up.local_address.to_string(), "2001:db8::250");
    assert_eq!((up.local_port, up.remote_port), (179, 0x8000));
    let open = |direction, asn| Open {
        direction: Some(direction),
        asn: Asn(asn),
        hold_time: 180,
        router_id: [192, 0, 2, 9].into(),
    };
    assert_eq!(up.sent, open(Direction::Sent, 64_511));
    assert_eq!(up.received, open(Direction::Received, 65_550));
    assert!(Family::ALL.into_iter().all(|family| up.session.has(family)));
    assert_eq!((up.texts, up.unknown), (vec!["x".to_owned()], 0));
}

#[rstest]
// RFC 4760, 8: no capability, IPv4.
#[case(&[], &[], [true, false])]
#[case(&[unicast(1), unicast(2)], &[unicast(2)], [false, true])]
#[case(&[unicast(2)], &[], [false, false])]
#[case(&[unicast(1)], &[], [true, false])]
fn a_session_has_the_families_that_both_sides_announced(
    #[case] sent: &[Vec<u8>],
    #[case] received: &[Vec<u8>],
    #[case] has: [bool; 2],
) {
    let session = agreed(sent, received);
    assert_eq!(Family::ALL.map(|family| session.has(family)), has);
}

#[test]
fn a_loc_rib_is_a_peer_of_its_own_and_its_f_flag_is_no_v_flag() {
    let header = header(3, V, 0, "0.0.0.0", 64_511);
    let bytes = peer_up(
        &header,
        &usual_open(64_511),
        &usual_open(64_511),
        &tlv(3, b"global"),
    );
    let (peer, up) = up(&bytes);
    assert_eq!((peer.kind, peer.view), (PeerKind::LocRib, View::LocRib));
    assert!(peer.filtered && !peer.two_octet);
    assert!(peer.address.is_unspecified() && peer.address.is_ipv4());
    assert_eq!(up.table.as_deref(), Some("global"));
    assert_eq!(peer.to_string(), "Loc-RIB of 192.0.2.9 AS64511");
}

#[rstest]
#[case(0, View::AdjRibInPre)]
#[case(L, View::AdjRibInPost)]
#[case(O, View::AdjRibOutPre)]
#[case(O | L | A, View::AdjRibOutPost)]
fn flags_tell_the_view(#[case] flags: u8, #[case] view: View) {
    let update = update(&[], &[], &[]);
    match decode(&monitoring(&usual_peer(flags), &update)) {
        BmpMessage::RouteMonitoring(peer, _) => {
            assert_eq!((peer.view, peer.two_octet), (view, flags & A != 0));
        }
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case(0x0000_fbf0_0000_0007, "64496:7")]
#[case(0x0001_c000_0201_0007, "192.0.2.1:7")]
#[case(0x0002_0001_000e_0007, "65550:7")]
#[case(0x0009_0000_0000_0001, "0x0009000000000001")]
fn a_distinguisher_is_shown_as_people_write_it(#[case] value: u64, #[case] text: &str) {
    let bytes = monitoring(
        &header(1, 0, value, "192.0.2.1", 64_496),
        &update(&[], &[], &[]),
    );
    match decode(&bytes) {
        BmpMessage::RouteMonitoring(peer, _) => {
            assert_eq!(peer.kind, PeerKind::RouteDistinguisher);
            assert_eq!(peer.instance(), text);
            assert_eq!(peer.to_string(), format!("192.0.2.1 AS64496 in {text}"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_time_of_zero_is_not_known() {
    let mut bytes = monitoring(&usual_peer(0), &update(&[], &[], &[]));
    bytes[6 + 34..6 + 42].fill(0);
    match decode(&bytes) {
        BmpMessage::RouteMonitoring(peer, _) => assert_eq!(peer.time_us, None),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case(&[1], &message(3, &[6, 2, 9]), Down::LocalNotification(Notification { code: 6, subcode: 2 }))]
#[case(&[2], &[0, 24], Down::LocalEvent(24))]
#[case(&[3], &message(3, &[6, 4]), Down::RemoteNotification(Notification { code: 6, subcode: 4 }))]
#[case(&[4], &[], Down::Remote)]
#[case(&[5], &[], Down::Deconfigured)]
#[case(&[6], &tlv(3, b"global"), Down::LocalClosed)]
#[case(&[200], b"any", Down::Unknown(200))]
fn a_peer_down_says_why(#[case] reason: &[u8], #[case] data: &[u8], #[case] down: Down) {
    let bytes = bmp(PEER_DOWN, &[&usual_peer(0), reason, data].concat());
    match decode(&bytes) {
        BmpMessage::PeerDown(_, told) => assert_eq!(told, down),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case(STATISTICS, b"\0\0\0\x05 and fewer counters")]
#[case(STATISTICS, b"")]
#[case(ROUTE_MIRRORING, b"\0\x01\0\x09 cut")]
fn what_nobody_reads_ends_no_session(#[case] kind: u8, #[case] body: &[u8]) {
    match decode(&bmp(kind, &[&usual_peer(0), body].concat())) {
        BmpMessage::Statistics(_) => assert_eq!(kind, STATISTICS),
        BmpMessage::RouteMirroring(_) => assert_eq!(kind, ROUTE_MIRRORING),
        other => panic!("{other:?}"),
    }
}

#[test]
fn types_of_messages_and_of_peers_that_are_not_known_are_skipped() {
    let unknown = |kind, peer_type| BmpMessage::Unknown { kind, peer_type };
    assert_eq!(decode_owned(bmp(77, b"anything")), unknown(77, None));
    let header = header(9, 0, 0, "192.0.2.1", 64_496);
    assert_eq!(
        decode_owned(monitoring(&header, b"anything")),
        unknown(0, Some(9))
    );
}

#[rstest]
#[case(
    b"GET / HTTP/1.1",
    "version 71 where a message begins; want BMP version 3 (RFC 7854)"
)]
#[case(&[1, 0, 0, 0, 48, 0], "version 1 where a message begins; want BMP version 3 (RFC 7854)")]
#[case(&[3, 0, 0, 0, 5, 0], "a message claims 5 octets; want 6 to 1000")]
#[case(&[3, 0, 0, 3, 0xe9, 0], "a message claims 1001 octets; want 6 to 1000")]
#[case(&[3, 0xff, 0xff, 0xff, 0xff, 0], "a message claims 4294967295 octets; want 6 to 1000")]
fn what_is_no_bmp_is_refused_by_its_header(#[case] bytes: &[u8], #[case] error: &str) {
    assert_eq!(bmp::frame(bytes, 1000).unwrap_err().to_string(), error);
}

/// One of each type, with all that it may hold.
fn one_of_each() -> Vec<Vec<u8>> {
    let peer = usual_peer(0);
    let reach = reach(1, &["2001:db8::1"], &[P6]);
    let attributes = [usual(&[64_496], true), vec![reach, unreach(1, &[P6])]].concat();
    let update = update(&nlri(&[P4], None), &attributes, &nlri(&[P4], None));
    let counters = [tlv(0, &[0; 4]), tlv(9, &[0; 11])].concat();
    vec![
        bmp(INITIATION, &[tlv(1, b"d"), tlv(2, b"n")].concat()),
        bmp(TERMINATION, &tlv(1, &[0, 1])),
        peer_up(
            &peer,
            &usual_open(64_511),
            &usual_open(64_496),
            &tlv(0, b"x"),
        ),
        bmp(PEER_DOWN, &[&peer[..], &[1], &message(3, &[6, 2])].concat()),
        monitoring(&peer, &update),
        bmp(STATISTICS, &[&peer[..], &[0, 0, 0, 2], &counters].concat()),
        bmp(ROUTE_MIRRORING, &[peer, tlv(0, &update)].concat()),
    ]
}

/// Reads all of it, UPDATEs too.
fn read(bytes: &[u8]) -> Result<(), BmpError> {
    match bmp::decode(bytes)? {
        BmpMessage::RouteMonitoring(peer, raw) => raw.read(&peer, &usual_session()).map(drop),
        _ => Ok(()),
    }
}

#[test]
fn a_message_cut_at_any_octet_is_waited_for_or_refused() {
    for whole in one_of_each() {
        read(&whole).unwrap();
        let mut good = Vec::new();
        for cut in 0..whole.len() {
            let expected = (cut >= 6).then_some(whole.len());
            assert_eq!(bmp::frame(&whole[..cut], MAX_MESSAGE), Ok(expected));
            assert!(bmp::decode(&whole[..cut]).is_err());
            if cut >= 6 {
                // A router that really sends so little: the header says so.
                let mut short = whole[..cut].to_vec();
                short[1..5].copy_from_slice(&u32::try_from(cut).unwrap().to_be_bytes());
                if read(&short).is_ok() {
                    good.push(cut);
                }
            }
        }
        // Between two pieces of information a message may end.
        let ends = match whole[5] {
            INITIATION => vec![6, 11],
            TERMINATION => vec![6],
            PEER_UP => vec![whole.len() - 5],
            // Down it is, whatever can be read of why.
            PEER_DOWN => (49..whole.len()).collect(),
            // What is not read cannot be short.
            STATISTICS | ROUTE_MIRRORING => (48..whole.len()).collect(),
            // Where the code of the NOTIFICATION stands, all of it is there or nothing.
            _ => vec![],
        };
        assert_eq!(good, ends, "type {}", whole[5]);
    }
}

#[test]
fn a_peer_up_without_opens_costs_that_message_only() {
    let error = bmp::decode(&peer_up(&usual_peer(0), &message(4, &[]), &[], &[])).unwrap_err();
    assert!(!error.ends_session());
    assert_eq!(
        error.to_string(),
        "Peer Up holds an OPEN or NOTIFICATION that cannot be read: \
         a BGP message of type 4 stands in the place of an OPEN"
    );
}
