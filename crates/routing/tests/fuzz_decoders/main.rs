//! Decoders never panic and always end, whatever the bytes: good input, mutated, for
//! `WEIR_FUZZ_SECONDS` (2 by default) each.

#![expect(
    clippy::unwrap_used,
    reason = "a test, also outside its test functions"
)]

#[path = "../decoders/bmp_bytes.rs"]
mod bmp_bytes;
mod knowledge;
#[path = "../decoders/mrt_bytes.rs"]
mod mrt_bytes;

use std::time::{Duration, Instant};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use weir_events::v1;
use weir_routing::{
    Asn, Bogons, Peer, Prefix,
    decode::{
        bmp::{self, BmpMessage, Session},
        json,
        mrt::Records,
        openbmp, ris_live,
    },
    ris_live::{Filters, Record, Request, Told, frame, request},
    wire,
};

use mrt_bytes::*;

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Drop(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let edge = prop_oneof![
        Just(0_u8),
        Just(1),
        Just(0x7f),
        Just(0x80),
        Just(0xff),
        any::<u8>()
    ];
    prop_oneof![
        4 => (any::<prop::sample::Index>(), edge).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => any::<prop::sample::Index>().prop_map(Change::Cut),
        1 => any::<prop::sample::Index>().prop_map(Change::Drop),
        1 => (any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (any::<prop::sample::Index>(), 1_u8..40).prop_map(|(at, n)| Change::Repeat(at, n)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Set(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Change::Drop(at) => {
            bytes.remove(at.index(bytes.len()));
        }
        Change::Insert(at, new) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, new.iter().copied());
        }
        Change::Repeat(at, times) => {
            let at = at.index(bytes.len());
            let piece: Vec<u8> = bytes[at..]
                .iter()
                .take(usize::from(*times))
                .copied()
                .collect();
            bytes.splice(at..at, piece);
        }
    }
}

/// Feeds mutants of `corpus` to `target` until the time is over. The seed is fixed, so that a
/// failure comes again; more time means more inputs.
fn fuzz(corpus: &[Vec<u8>], target: impl Fn(&[u8])) {
    let seconds = std::env::var("WEIR_FUZZ_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mutations = (
        any::<prop::sample::Index>(),
        prop::collection::vec(change(), 0..6),
    );
    for input in corpus {
        target(input);
    }
    while Instant::now() < until {
        let (which, changes) = mutations.new_tree(&mut runner).unwrap().current();
        let mut input = corpus[which.index(corpus.len())].clone();
        for change in &changes {
            apply(&mut input, change);
        }
        target(&input);
    }
}

fn messages() -> Vec<Vec<u8>> {
    let v6 = [
        usual(&[64_496], true),
        vec![reach(1, &["2001:db8::1"], &["2001:db8:1::/48"])],
    ]
    .concat();
    let more = [
        usual(&[64_496, 64_497], true),
        vec![
            attribute(4, &[0, 0, 0, 1]),
            attribute(7, &[0, 0, 0xfb, 0xf0, 192, 0, 2, 1]),
            attribute(8, &[0xff, 0xff, 2, 0x9a]),
            attribute(16, &[0, 2, 0xfb, 0xf0, 0, 0, 0, 1]),
            attribute(17, &[2, 1, 0, 1, 0, 14]),
            attribute(32, &[0; 12]),
            attribute(35, &[0, 0, 0xfb, 0xf0]),
            attribute(29, &[4, 3, 0, 1, 9]),
            attribute(23, &[0, 8, 0, 2, 1, 0]),
            attribute(40, &[1, 0, 7, 0, 0, 0, 0, 0, 0, 0]),
            attribute(36, &[1, 0, 0, 0, 1, 0, 1, 1]),
        ],
    ]
    .concat();
    vec![
        said(&update(
            &nlri(&["203.0.113.0/24"], None),
            &v6,
            &nlri(&["198.51.100.0/24"], None),
        )),
        said(&update(&[], &more, &nlri(&["198.51.100.0/24"], None))),
        said(&update(
            &[],
            &[attribute(14, &[0, 1, 133, 0, 0, 3, 1, 24, 1])],
            &[],
        )),
        said(&update(
            &[],
            &[attribute(
                14,
                &[0x40, 4, 71, 4, 1, 2, 3, 4, 0, 0, 1, 0, 2, 0, 0],
            )],
            &[],
        )),
        said(&update(
            &[],
            &[attribute(
                14,
                &[0, 1, 4, 4, 1, 2, 3, 4, 0, 48, 0, 0, 0x11, 198, 51, 100],
            )],
            &[],
        )),
        said(&message(
            1,
            &[
                4, 0x5b, 0xa0, 0, 180, 192, 0, 2, 9, 8, 2, 6, 65, 4, 0, 1, 0, 14,
            ],
        )),
        said(&message(3, &[6, 2])),
        said(&message(5, &[0, 1, 0, 1])),
    ]
}

#[test]
fn mrt_never_panics_and_always_ends() {
    let tables = [
        peer_index(&[("192.0.2.1", 64_497), ("2001:db8::1", 64_498)]),
        rib(2, "198.51.100.0/24", &[(0, None, usual(&[64_497], true))]),
        rib(
            8,
            "198.51.100.0/24",
            &[(0, Some(3), usual(&[64_497], true))],
        ),
    ];
    let old = table_dump(
        "198.51.100.0/24",
        "192.0.2.1",
        64_496,
        &usual(&[64_496], false),
    );
    let mut corpus = messages();
    corpus.push(tables.concat());
    corpus.push([old.clone(), old].concat());
    fuzz(&corpus, |bytes| {
        // A record has a header of 12 bytes; a message of ours at least a byte.
        let items = Records::new(bytes).inspect(|item| {
            if let Err(error) = item {
                assert!(!error.to_string().contains("panicked"), "{bytes:?}");
            }
        });
        assert!(items.count() <= bytes.len() + 2);
    });
}

/// A session of a router: each type of message, with ADD-PATH for one family.
fn bmp_session() -> Vec<Vec<u8>> {
    use bmp_bytes::*;
    let peer = usual_peer(0);
    let loc_rib = header(3, V, 7, "0.0.0.0", 64_511);
    let offer = |asn| open(asn, &[unicast(1), four_octet(asn), add_path(&[(2, 1, 3)])]);
    let attributes = [
        usual(&[64_496], true),
        vec![reach_paths(
            "2001:db8::1",
            &["2001:db8:1::/48", "::/0"],
            Some(7),
        )],
    ];
    let update = update(
        &nlri(&["203.0.113.0/24"], None),
        &attributes.concat(),
        &nlri(&["198.51.100.0/24"], None),
    );
    let counters = [tlv(0, &[0; 4]), tlv(8, &[0; 8]), tlv(9, &[0; 11])].concat();
    vec![
        bmp(INITIATION, &[tlv(1, b"router"), tlv(2, b"edge1")].concat()),
        peer_up(&peer, &offer(64_511), &offer(64_496), &tlv(0, b"x")),
        peer_up(&loc_rib, &offer(64_511), &offer(64_511), &tlv(3, b"vrf")),
        monitoring(&peer, &update),
        monitoring(&loc_rib, &update),
        monitoring(&usual_peer(A | L | O), &message(2, &[0; 4])),
        bmp(STATISTICS, &[&peer[..], &[0, 0, 0, 3], &counters].concat()),
        bmp(
            ROUTE_MIRRORING,
            &[&peer[..], &tlv(0, &update), &tlv(1, &[0, 1])].concat(),
        ),
        bmp(PEER_DOWN, &[&peer[..], &[1], &message(3, &[6, 2])].concat()),
        bmp(TERMINATION, &tlv(1, &[0, 1])),
    ]
}

#[test]
fn bmp_never_panics_and_always_ends() {
    let session = bmp_session();
    let mut corpus = session.clone();
    corpus.push(session.concat());
    fuzz(&corpus, |bytes| {
        let mut rest = bytes;
        let mut agreed = Session::default();
        // A message has six octets at least.
        let mut most = bytes.len() / bmp::HEADER + 1;
        while let Ok(Some(length)) = bmp::frame(rest, bmp::MAX_MESSAGE) {
            let Some((message, after)) = rest.split_at_checked(length) else {
                break;
            };
            rest = after;
            most -= 1;
            match bmp::decode(message) {
                Ok(BmpMessage::PeerUp(_, up)) => agreed = up.session,
                Ok(BmpMessage::RouteMonitoring(peer, raw)) => {
                    if let Err(error) = raw.read(&peer, &agreed) {
                        assert!(!error.to_string().contains("panicked"), "{bytes:?}");
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
        assert!(most > 0);
    });
}

#[test]
fn openbmp_never_panics() {
    let routers = ["192.0.2.250", "2001:db8::250"].into_iter().cycle();
    let corpus: Vec<Vec<u8>> = bmp_session()
        .iter()
        .zip(routers)
        .map(|(message, router)| bmp_bytes::openbmp("route-views.example", router, 10, message))
        .collect();
    fuzz(&corpus, |bytes| {
        if let Ok(frame) = openbmp::decode(bytes) {
            assert!(bytes.ends_with(frame.message));
            let _ = bmp::decode(frame.message);
        }
    });
}

#[test]
fn ris_live_never_panics() {
    let corpus = [
        r#"{"type":"ris_message","data":{"timestamp":1700000000.25,"peer":"192.0.2.1","peer_asn":"64496","id":"a","host":"rrc21","type":"UPDATE","path":[64496,[1,2]],"community":[[1,2]],"origin":"igp","med":1,"aggregator":"1:192.0.2.1","announcements":[{"next_hop":"2001:db8::1,fe80::1","prefixes":["2001:db8::/32"]}],"withdrawals":["10.0.0.0/8"]}}"#,
        r#"{"type":"ris_message","data":{"timestamp":1,"peer":"::1","peer_asn":1,"type":"OPEN","direction":"sent","asn":1,"hold_time":9,"router_id":"192.0.2.1"}}"#,
        r#"{"type":"ris_rrc_list","data":["rrc00"]}"#,
    ]
    .map(|text| text.as_bytes().to_vec());
    fuzz(&corpus, |bytes| {
        let _ = ris_live::decode(bytes);
        let _ = json::decode(bytes);
    });
}

#[test]
fn subscriptions_to_ris_live_never_panic() {
    let corpus = [
        r#"{"type":"ris_subscribe","data":{"host":"rrc21","type":"UPDATE","require":"path","peer":"192.0.2.1","path":"!^64496,[1,2],3$","prefix":["198.51.100.0/24","2001:db8::/32"],"moreSpecific":true,"lessSpecific":true,"socketOptions":{"includeRaw":true,"acknowledge":true}}}"#,
        r#"{"type":"ris_unsubscribe","data":{"path":64496}}"#,
        r#"{"type":"request_rrc_list"}"#,
        r#"{"type":"ping","data":null}"#,
    ]
    .map(|text| text.as_bytes().to_vec());
    let said: Vec<_> = messages()
        .iter()
        .flat_map(|bytes| Records::new(&bytes[..]))
        .filter_map(|item| Some(item.ok()?.message))
        .collect();
    fuzz(&corpus, |bytes| {
        let Ok(Request::Subscribe { subscriptions, .. }) = request(bytes) else {
            return;
        };
        let mut filters = Filters::new(8);
        if filters.add(&subscriptions).is_err() {
            return;
        }
        for message in &said {
            let told = Told::of(Record {
                collector: "rrc21",
                writer_epoch: 0,
                seq: 0,
                synthetic: false,
                message,
            });
            if let Some(told) = told.filter(|told| filters.want(told)) {
                let line = frame::message(&told);
                assert!(ris_live::decode(line.as_bytes()).is_ok(), "{line}");
            }
        }
        for one in &subscriptions {
            filters.remove(one);
        }
        assert!(filters.is_empty());
    });
}

#[test]
fn json_never_panics() {
    let corpus = [
        r#"[{"type":"UPDATE","timestamp":1.5,"peer":{"ip":"192.0.2.1","asn":1},"announce":{"prefix":["10.0.0.0/8"],"as_path":"1 {2}","communities":["1:2",[1,2]]}}]"#,
        r#"{"type":"withdraw","peer_ip":"192.0.2.1","peer_asn":65001,"prefix":"192.0.2.0/24","timestamp":"2024-01-01T00:00:00Z"}"#,
    ]
    .map(|text| text.as_bytes().to_vec());
    fuzz(&corpus, |bytes| {
        let _ = json::decode(bytes);
    });
}

#[test]
fn text_never_panics() {
    let corpus = [
        "10.0.0.0/8",
        "2001:db8::/32",
        "64496-64511 # x\n10.0.0.0/8",
        "192.0.2.1:64496",
        "1.10",
    ]
    .map(|text| text.as_bytes().to_vec());
    fuzz(&corpus, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let _ = (
            text.parse::<Prefix>(),
            text.parse::<Peer>(),
            text.parse::<Asn>(),
        );
        let _ = Bogons::parse(bytes);
    });
}

#[test]
fn records_of_the_log_never_panic() {
    use prost::Message as _;
    let corpus: Vec<Vec<u8>> = messages()
        .iter()
        .flat_map(|bytes| Records::new(&bytes[..]))
        .filter_map(|item| item.ok())
        .map(|decoded| {
            v1::BgpMessage {
                peer: Some(decoded.message.peer.into()),
                body: Some(wire::body(&decoded.message)),
                ..v1::BgpMessage::default()
            }
            .encode_to_vec()
        })
        .collect();
    fuzz(&corpus, |bytes| {
        if let Ok(record) = v1::BgpMessage::decode(bytes) {
            let _ = wire::message(record);
        }
        if let Ok(record) = v1::Routes::decode(bytes) {
            let _ = wire::routes(record);
        }
    });
}
