//! Messages of a small world, so that subscriptions often meet them: three collectors, three peers,
//! five ASes, prefixes that cover each other.

use std::{net::IpAddr, sync::Arc};

use proptest::{collection::vec, option, prelude::*, sample::select};
use weir_routing::{
    Aggregator, AsPath, Asn, Body, Community, Direction, Message, Nlri, Notification, Open,
    PathAttributes, Peer, Prefix, RouteOrigin, Segment, SessionState, Update,
};

pub(crate) const COLLECTORS: [&str; 3] = ["rrc00", "rrc21", "route-views.example"];
pub(crate) const PEERS: [&str; 3] = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];

pub(crate) fn asn() -> impl Strategy<Value = Asn> {
    (64_496..64_501_u32).prop_map(Asn)
}

pub(crate) fn prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![
        3 => (0..4_u8, 0..4_u8, select(vec![0, 8, 15, 16, 24])).prop_map(|(a, b, length)| {
            Prefix::new(IpAddr::from([10, a, b << 6, 0]), length).unwrap()
        }),
        1 => (0..3_u16, select(vec![0, 32, 47, 48])).prop_map(|(a, length)| {
            Prefix::new(IpAddr::from([0x2001, 0xdb8, a, 0, 0, 0, 0, 0]), length).unwrap()
        }),
    ]
}

fn path() -> impl Strategy<Value = AsPath> {
    let segment = prop_oneof![
        3 => vec(asn(), 0..4).prop_map(Segment::Sequence),
        1 => vec(asn(), 1..3).prop_map(Segment::Set),
    ];
    vec(segment, 0..3).prop_map(AsPath::new)
}

fn attributes() -> impl Strategy<Value = PathAttributes> {
    (
        option::of(select(vec![
            RouteOrigin::Igp,
            RouteOrigin::Egp,
            RouteOrigin::Incomplete,
        ])),
        path(),
        option::of(0..3_u32),
        option::of(asn()),
        vec(any::<u32>().prop_map(Community), 0..3),
    )
        .prop_map(|(origin, as_path, med, aggregator, communities)| {
            let address = [192, 0, 2, 9].into();
            PathAttributes {
                origin,
                as_path,
                med,
                aggregator: aggregator.map(|asn| Aggregator { asn, address }),
                communities,
                next_hop: Some([192, 0, 2, 7].into()),
                ..PathAttributes::default()
            }
        })
}

fn update() -> impl Strategy<Value = Update> {
    let prefixes = || vec(prefix().prop_map(Nlri::from), 0..3);
    (attributes(), prefixes(), prefixes()).prop_map(|(attributes, announced, withdrawn)| Update {
        // As every decoder has it: what is withdrawn alone has no attributes.
        attributes: (!announced.is_empty()).then(|| Arc::new(attributes)),
        announced,
        withdrawn,
        from_rib: false,
    })
}

fn body() -> impl Strategy<Value = Body> {
    let direction = select(vec![None, Some(Direction::Sent), Some(Direction::Received)]);
    let open = (direction, asn(), any::<u16>()).prop_map(|(direction, asn, hold_time)| Open {
        direction,
        asn,
        hold_time,
        router_id: [192, 0, 2, 3].into(),
    });
    let states = [
        SessionState::Idle,
        SessionState::Connect,
        SessionState::Established,
    ];
    prop_oneof![
        8 => update().prop_map(Body::Update),
        1 => open.prop_map(Body::Open),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(code, subcode)| {
            Body::Notification(Notification { code, subcode })
        }),
        1 => Just(Body::Keepalive),
        1 => select(states.to_vec()).prop_map(|to| Body::StateChange { from: None, to }),
        1 => Just(Body::EndOfRib),
    ]
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let peer = (select(PEERS.to_vec()), asn())
        .prop_map(|(address, asn)| Peer::new(address.parse().unwrap(), asn));
    // Up to 2038: further on, what a double loses begins to round to another microsecond.
    (0..i64::from(i32::MAX) * 1_000_000, peer, body()).prop_map(|(event_time_us, peer, body)| {
        Message {
            event_time_us,
            peer,
            body,
        }
    })
}
