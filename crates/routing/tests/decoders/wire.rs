//! The way to the log and back: nothing is lost, and every share goes where it belongs.

use std::{net::IpAddr, sync::Arc};

use proptest::{collection::vec, option, prelude::*};
use prost::Message as _;
use weir_events::{topics::BGP_UPDATES, v1};
use weir_routing::{
    Aggregator, AsPath, Asn, Body, Community, Direction, LargeCommunity, Message, Nlri,
    Notification, Open, PathAttributes, Peer, Prefix, RouteOrigin, Segment, SessionState, Update,
    wire::{self, WireError},
};

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
    ]
}

pub(crate) fn nlri() -> impl Strategy<Value = Nlri> {
    (address(), 0_u8..=128, any::<u32>()).prop_map(|(address, length, path_id)| {
        let limit = if address.is_ipv4() { 32 } else { 128 };
        let prefix = Prefix::new(address, length.min(limit)).unwrap();
        Nlri { prefix, path_id }
    })
}

fn peer() -> impl Strategy<Value = Peer> {
    (address(), any::<u32>()).prop_map(|(address, asn)| Peer::new(address, Asn(asn)))
}

fn path() -> impl Strategy<Value = AsPath> {
    let asns = || vec(any::<u32>().prop_map(Asn), 0..4);
    let segment = prop_oneof![
        asns().prop_map(Segment::Sequence),
        asns().prop_map(Segment::Set),
        asns().prop_map(Segment::ConfedSequence),
        asns().prop_map(Segment::ConfedSet),
    ];
    vec(segment, 0..4).prop_map(AsPath::new)
}

fn attributes() -> impl Strategy<Value = PathAttributes> {
    let origin = option::of(prop_oneof![
        Just(RouteOrigin::Igp),
        Just(RouteOrigin::Egp),
        Just(RouteOrigin::Incomplete)
    ]);
    let aggregator = (any::<u32>(), address()).prop_map(|(asn, address)| Aggregator {
        asn: Asn(asn),
        address,
    });
    let large = any::<[u32; 3]>().prop_map(|[global, local_1, local_2]| LargeCommunity {
        global,
        local_1,
        local_2,
    });
    let numbers = any::<(Option<u32>, Option<u32>, bool, Option<u32>)>();
    let communities = vec(any::<u32>().prop_map(Community), 0..4);
    let lists = (communities, vec(large, 0..3));
    (
        origin,
        path(),
        option::of(address()),
        option::of(aggregator),
        numbers,
        lists,
    )
        .prop_map(
            |(origin, as_path, next_hop, aggregator, numbers, lists)| PathAttributes {
                origin,
                as_path,
                next_hop,
                aggregator,
                med: numbers.0,
                local_pref: numbers.1,
                atomic_aggregate: numbers.2,
                only_to_customer: numbers.3.map(Asn),
                communities: lists.0,
                large_communities: lists.1,
            },
        )
}

pub(crate) fn update() -> impl Strategy<Value = Update> {
    let lists = (vec(nlri(), 0..6), vec(nlri(), 0..6));
    (lists, attributes(), any::<bool>()).prop_map(
        |((announced, withdrawn), attributes, from_rib)| Update {
            attributes: (!announced.is_empty()).then(|| Arc::new(attributes)),
            announced,
            withdrawn,
            from_rib,
        },
    )
}

fn state() -> impl Strategy<Value = SessionState> {
    prop_oneof![
        Just(SessionState::Idle),
        Just(SessionState::Connect),
        Just(SessionState::Active),
        Just(SessionState::OpenSent),
        Just(SessionState::OpenConfirm),
        Just(SessionState::Established),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let direction = option::of(prop_oneof![
        Just(Direction::Sent),
        Just(Direction::Received)
    ]);
    let body = prop_oneof![
        4 => update().prop_map(Body::Update),
        1 => (direction, any::<(u32, u16, u32)>()).prop_map(|(direction, (asn, hold_time, id))| {
            Body::Open(Open { direction, asn: Asn(asn), hold_time, router_id: id.into() })
        }),
        1 => any::<(u8, u8)>().prop_map(|(code, subcode)| Body::Notification(Notification { code, subcode })),
        1 => Just(Body::Keepalive),
        1 => (option::of(state()), state()).prop_map(|(from, to)| Body::StateChange { from, to }),
        1 => Just(Body::EndOfRib),
    ];
    (any::<i64>(), peer(), body).prop_map(|(event_time_us, peer, body)| Message {
        event_time_us,
        peer,
        body,
    })
}

/// As ingest writes it, through bytes and back.
fn logged(message: &Message) -> v1::BgpMessage {
    let record = v1::BgpMessage {
        collector: "rrc00".to_owned(),
        event_time_us: message.event_time_us,
        peer: Some(message.peer.into()),
        body: Some(wire::body(message)),
        ..v1::BgpMessage::default()
    };
    v1::BgpMessage::decode(&record.encode_to_vec()[..]).unwrap()
}

proptest! {
    #[test]
    fn a_message_comes_back_equal(message in message()) {
        prop_assert_eq!(wire::message(logged(&message)), Ok(message));
    }

    #[test]
    fn shares_hold_every_prefix_once_at_home_and_spanning_ones_as_context_elsewhere(
        peer in peer(), update in update()
    ) {
        let mut announced = Vec::new();
        let mut withdrawn = Vec::new();
        let mut context = 0;
        for share in wire::split(peer, &update) {
            let (block, partition) = (share.block, share.partition);
            let share = wire::routes(share.routes).unwrap();
            prop_assert_eq!(share.peer, peer);
            prop_assert_eq!(share.update.from_rib, update.from_rib);
            prop_assert!(share.update.elements() > 0);
            let attributes = (!share.update.announced.is_empty()).then_some(&update.attributes);
            prop_assert_eq!(&share.update.attributes, attributes.unwrap_or(&None));
            for nlri in share.update.announced.iter().chain(&share.update.withdrawn) {
                if share.context {
                    prop_assert!(nlri.prefix.spans_blocks());
                    prop_assert_ne!(nlri.prefix.block().partition(), partition);
                    context += 1;
                } else {
                    prop_assert_eq!(nlri.prefix.block(), block);
                    prop_assert_eq!(block.partition(), partition);
                }
            }
            if !share.context {
                announced.extend(share.update.announced);
                withdrawn.extend(share.update.withdrawn);
            }
        }
        let spanning = |list: &[Nlri]| list.iter().filter(|n| n.prefix.spans_blocks()).count();
        let copies = (spanning(&update.announced) + spanning(&update.withdrawn))
            * (BGP_UPDATES.partitions as usize - 1);
        prop_assert_eq!(context, copies);
        let sorted = |mut list: Vec<Nlri>| { list.sort_unstable(); list };
        prop_assert_eq!(sorted(announced), sorted(update.announced));
        prop_assert_eq!(sorted(withdrawn), sorted(update.withdrawn));
    }
}

#[test]
fn a_share_keeps_the_order_of_its_prefixes() {
    let nlri = |text: &str| Nlri::from(text.parse::<Prefix>().unwrap());
    let list = ["10.0.2.0/24", "172.16.0.0/16", "10.0.1.0/24"].map(nlri);
    let update = Update {
        withdrawn: list.to_vec(),
        ..Update::default()
    };
    let shares = wire::split("192.0.2.1:64496".parse().unwrap(), &update);
    assert_eq!(shares.len(), 2);
    let first: Vec<_> = shares[0]
        .routes
        .withdrawn
        .iter()
        .map(v1::Prefix::to_text)
        .collect();
    assert_eq!(first, ["10.0.2.0/24", "10.0.1.0/24"]);
}

#[test]
fn what_the_log_cannot_mean_is_refused() {
    let peer: Peer = "192.0.2.1:64496".parse().unwrap();
    let routes = |change: fn(&mut v1::Routes)| {
        let mut routes = v1::Routes {
            peer: Some(peer.into()),
            announced: vec![v1::Prefix::new([198, 51, 100, 0].into(), 24)],
            attributes: Some(v1::PathAttributes::default()),
            ..v1::Routes::default()
        };
        change(&mut routes);
        wire::routes(routes)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let refused = |reason: &str| Err(reason.to_owned());
    assert_eq!(routes(|_| ()), Ok(()));
    assert_eq!(routes(|r| r.peer = None), refused("peer is missing"));
    assert_eq!(
        routes(|r| r.announced[0].length = 33),
        refused("prefix length 33 is above the 32 bits of 198.51.100.0")
    );
    assert_eq!(
        routes(|r| r.announced[0].length = 256),
        refused("prefix length 256 is out of range")
    );
    assert_eq!(
        routes(|r| r.announced[0].address = None),
        refused("Prefix has no address")
    );
    assert_eq!(
        routes(|r| r.attributes = Some(v1::PathAttributes {
            origin: 9,
            ..Default::default()
        })),
        refused("origin 9 is out of range")
    );
    let control = v1::BgpMessage {
        body: Some(v1::bgp_message::Body::Control(v1::Control::default())),
        ..v1::BgpMessage::default()
    };
    assert_eq!(wire::message(control), Err(WireError::Control));
}
