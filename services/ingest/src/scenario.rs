//! The bundled scenario: the hijack of 208.65.153.0/24 on 2008-02-24, told again from the public
//! record among made-up background routes. Everything in it is marked `synthetic`.
//!
//! The times and the three ASNs of the incident are those of the timeline that RIPE NCC published
//! ("YouTube Hijacking: A RIPE NCC RIS case study", 2008): 18:47 AS17557 announces the /24 through
//! AS3491; 20:07 AS36561 answers with the same /24; 20:18 with two /25s; 20:51 the hijacked routes
//! carry one more 17557; 21:01 AS3491 withdraws them. The vantage points, the transit networks and
//! every other prefix are invented, from ranges that nobody originates on the Internet.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use weir_events::time::SECOND_US;
use weir_routing::{
    AsPath, Asn, Body, Bogons, Message, Nlri, PathAttributes, Peer, Prefix, RouteOrigin, Segment,
    Update,
};

/// Name of the scenario's only collector.
pub const COLLECTOR: &str = "scenario-2008";

/// 2008-02-24T18:45:00Z: two minutes before the first hijacked announcement.
const START_US: i64 = 1_203_878_700 * SECOND_US;
/// Ten minutes after the last one is withdrawn.
const SECONDS: i64 = 146 * 60;

const YOUTUBE: u32 = 36_561;
const PAKISTAN_TELECOM: u32 = 17_557;
const PCCW: u32 = 3_491;

/// Vantage points: documentation ASNs at documentation addresses.
const PEERS: u32 = 16;
/// Background prefixes, each with an origin of its own range of private ASNs.
const BACKGROUND: u32 = 600;
/// Background updates per second of event time.
const CHURN: u32 = 3;

/// The messages of the scenario in order of time; the same at each run.
pub struct Scenario {
    second: i64,
    ready: std::vec::IntoIter<Message>,
    dice: Dice,
}

/// Starts the scenario at its routing tables, then its first second.
#[must_use]
pub fn messages() -> Scenario {
    Scenario {
        second: 0,
        ready: tables().into_iter(),
        dice: Dice(0x5eed),
    }
}

/// The list of bogons for this stream: its vantage points and background come from ranges that are
/// bogus on the Internet, so nothing is bogus here.
#[must_use]
pub fn bogons() -> Bogons {
    Bogons::default()
}

impl Iterator for Scenario {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.next() {
                return Some(message);
            }
            if self.second == SECONDS {
                return None;
            }
            self.ready = self.one_second(self.second).into_iter();
            self.second += 1;
        }
    }
}

impl Scenario {
    /// Background first, then what the record tells of this second.
    fn one_second(&mut self, second: i64) -> Vec<Message> {
        let at = START_US + second * SECOND_US;
        let mut messages: Vec<_> = (0..CHURN)
            .map(|turn| {
                let peer = self.dice.below(PEERS);
                let route = self.dice.below(BACKGROUND);
                let detour = self.dice.below(4);
                let gone = self.dice.below(40) == 0;
                let at = at + i64::from(turn) * 250_000;
                if gone {
                    withdraw(at, peer, background_prefix(route))
                } else {
                    announce(
                        at,
                        peer,
                        background_prefix(route),
                        &background_path(peer, route, detour),
                    )
                }
            })
            .collect();
        messages.extend(
            (0..PEERS)
                .flat_map(|peer| told(second, peer))
                .map(|mut message| {
                    message.event_time_us += at + 900_000;
                    message
                }),
        );
        messages
    }
}

/// Routing tables of every vantage point, as a RIB dump would give them: the baseline.
fn tables() -> Vec<Message> {
    let mut messages = Vec::new();
    for peer in 0..PEERS {
        let routes = (0..BACKGROUND)
            .map(|route| (background_prefix(route), background_path(peer, route, 0)))
            .chain([(youtube(22), route_to(peer, &[YOUTUBE]))]);
        messages.extend(routes.map(|(prefix, path)| {
            let mut message = announce(START_US, peer, prefix, &path);
            if let Body::Update(update) = &mut message.body {
                update.from_rib = true;
            }
            message
        }));
    }
    messages.extend((0..PEERS).map(|peer| Message {
        event_time_us: START_US,
        peer: vantage_point(peer),
        body: Body::EndOfRib,
    }));
    messages
}

/// What one vantage point says in one second of the incident; times are relative to that second.
fn told(second: i64, peer: u32) -> Vec<Message> {
    let hour = |hours: i64, minutes: i64| (hours - 18) * 3_600 + (minutes - 45) * 60;
    // The news needs about five seconds from one vantage point to the next.
    let heard = |at: i64| second == at + i64::from(peer) * 5;
    let hijacked = youtube(24);
    // After 20:07 every second vantage point prefers the rightful /24.
    let returns = peer.is_multiple_of(2);

    if heard(hour(18, 47)) {
        vec![announce(
            0,
            peer,
            hijacked,
            &route_to(peer, &[PCCW, PAKISTAN_TELECOM]),
        )]
    } else if heard(hour(20, 7)) && returns {
        vec![announce(0, peer, hijacked, &route_to(peer, &[YOUTUBE]))]
    } else if heard(hour(20, 18)) {
        let halves = [
            youtube(25),
            prefix(Ipv4Addr::new(208, 65, 153, 128).into(), 25),
        ];
        halves
            .map(|half| announce(0, peer, half, &route_to(peer, &[YOUTUBE])))
            .into()
    } else if heard(hour(20, 51)) && !returns {
        let prepended = [PCCW, PAKISTAN_TELECOM, PAKISTAN_TELECOM];
        vec![announce(0, peer, hijacked, &route_to(peer, &prepended))]
    } else if heard(hour(21, 1)) && !returns {
        vec![announce(0, peer, hijacked, &route_to(peer, &[YOUTUBE]))]
    } else {
        vec![]
    }
}

fn youtube(length: u8) -> Prefix {
    let third = if length == 22 { 152 } else { 153 };
    prefix(Ipv4Addr::new(208, 65, third, 0).into(), length)
}

/// Half of the background is IPv4 /20s of 10/8, a third /24s of 198.18/15, the rest IPv6 /44s of
/// 2001:db8::/32; no two are equal and none covers another.
fn background_prefix(route: u32) -> Prefix {
    let (group, place) = (route / 6, route % 6);
    match place {
        0..3 => {
            let network = Ipv4Addr::new(10, 0, 0, 0).to_bits() | ((group * 3 + place) << 12);
            prefix(Ipv4Addr::from_bits(network).into(), 20)
        }
        3 | 4 => {
            let network = Ipv4Addr::new(198, 18, 0, 0).to_bits() | ((group * 2 + place - 3) << 8);
            prefix(Ipv4Addr::from_bits(network).into(), 24)
        }
        _ => {
            let network = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0).to_bits()
                | (u128::from(group) << 84);
            prefix(Ipv6Addr::from_bits(network).into(), 44)
        }
    }
}

/// A path of the made-up Internet: vantage point, transit (another one for each detour), origin.
fn background_path(peer: u32, route: u32, detour: u32) -> AsPath {
    let transit = 64_600 + (route + peer + detour * 7) % 24;
    let origin = 64_700 + route % 300;
    if detour == 3 {
        route_to(peer, &[transit, 64_650 + route % 16, origin])
    } else {
        route_to(peer, &[transit, origin])
    }
}

/// The path of `peer` to an origin behind its own upstream.
fn route_to(peer: u32, tail: &[u32]) -> AsPath {
    let upstream = 64_580 + peer % 4;
    let asns = [vantage_point(peer).asn.0, upstream]
        .into_iter()
        .chain(tail.iter().copied());
    AsPath::new([Segment::Sequence(asns.map(Asn).collect())])
}

fn vantage_point(peer: u32) -> Peer {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(192, 0, 2, 1).to_bits() + peer);
    Peer::new(IpAddr::V4(address), Asn(64_496 + peer))
}

fn announce(at: i64, peer: u32, prefix: Prefix, path: &AsPath) -> Message {
    let attributes = PathAttributes {
        origin: Some(RouteOrigin::Igp),
        as_path: path.clone(),
        next_hop: Some(vantage_point(peer).address),
        ..PathAttributes::default()
    };
    update(
        at,
        peer,
        Update {
            attributes: Some(Arc::new(attributes)),
            announced: vec![Nlri::from(prefix)],
            ..Update::default()
        },
    )
}

fn withdraw(at: i64, peer: u32, prefix: Prefix) -> Message {
    update(
        at,
        peer,
        Update {
            withdrawn: vec![Nlri::from(prefix)],
            ..Update::default()
        },
    )
}

fn update(at: i64, peer: u32, update: Update) -> Message {
    Message {
        event_time_us: at,
        peer: vantage_point(peer),
        body: Body::Update(update),
    }
}

#[expect(
    clippy::expect_used,
    reason = "every length is a constant of this file"
)]
fn prefix(address: IpAddr, length: u8) -> Prefix {
    Prefix::new(address, length).expect("a length that fits its family")
}

/// Marsaglia's xorshift: the same background at each run, on each machine.
struct Dice(u32);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % bound
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn hijacked_routes() -> Vec<(i64, Message)> {
        messages()
            .map(|message| ((message.event_time_us - START_US) / SECOND_US, message))
            .filter(|(_, message)| match &message.body {
                Body::Update(update) => update.attributes.as_ref().is_some_and(|attributes| {
                    attributes
                        .as_path
                        .asns()
                        .any(|asn| asn.0 == PAKISTAN_TELECOM)
                }),
                _ => false,
            })
            .collect()
    }

    #[test]
    fn the_hijack_begins_at_18_47_and_its_last_route_is_announced_before_21_01() {
        let routes = hijacked_routes();
        assert_eq!(routes.first().map(|(second, _)| *second), Some(120));
        assert!(
            routes
                .last()
                .is_some_and(|(second, _)| *second < (2 * 60 + 16) * 60)
        );
        let peers: BTreeSet<_> = routes.iter().map(|(_, message)| message.peer).collect();
        assert_eq!(peers.len(), PEERS as usize);
    }

    #[test]
    fn time_never_runs_back() {
        let mut last = i64::MIN;
        for message in messages() {
            assert!(message.event_time_us >= last);
            last = message.event_time_us;
        }
    }

    #[test]
    fn two_runs_are_equal() {
        assert!(messages().eq(messages()));
    }
}
