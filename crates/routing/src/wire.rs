//! To and from the messages of the log: the only place that names protobuf types.
//!
//! Ingest turns each [`Message`] into the body of one `BgpMessage` ([`body`]) and, for an UPDATE,
//! into one `Routes` per address block ([`split`]); readers turn them back ([`message`],
//! [`routes`]). What comes back is checked: lengths, families, ranges.

use std::{net::IpAddr, net::Ipv4Addr, sync::Arc};

use weir_events::{
    net::NetError,
    topics::{BGP_UPDATES, Block},
    v1,
};

use crate::{
    as_path::{AsPath, Segment},
    asn::Asn,
    communities::{Community, LargeCommunity},
    prefix::{Prefix, PrefixError},
    update::{
        Aggregator, Body, Direction, Message, Nlri, Notification, Open, PathAttributes, Peer,
        RouteOrigin, SessionState, Update,
    },
};

/// A message of the log that says nothing we could believe.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// A field that must be there is not.
    #[error("{what} is missing")]
    Missing {
        /// Name of the field.
        what: &'static str,
    },
    /// A number outside the field's range.
    #[error("{what} {value} is out of range")]
    OutOfRange {
        /// Name of the field.
        what: &'static str,
        /// Its value.
        value: i64,
    },
    /// An impossible prefix.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// An address without bytes.
    #[error(transparent)]
    Address(#[from] NetError),
    /// A control, which is no message of a peer.
    #[error("the record is a control, not a BGP message")]
    Control,
}

/// The part of one UPDATE that goes to one partition under one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// Keys the record. Of a context copy: the home of its first prefix.
    pub block: Block,
    /// Where it goes.
    pub partition: u32,
    /// What goes there.
    pub routes: v1::Routes,
}

/// A `Routes` message, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// Who said it.
    pub peer: Peer,
    /// Its part of the UPDATE.
    pub update: Update,
    /// A copy for covering look-ups only.
    pub context: bool,
}

/// Cuts an UPDATE into one share per address block, in the order in which the blocks first appear,
/// followed by the context copies: prefixes that span several blocks go to their home like any
/// other, and once more, marked, to every partition that is not their home.
#[must_use]
pub fn split(peer: Peer, update: &Update) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    let mut spanning = false;
    let lists = [(&update.announced, true), (&update.withdrawn, false)];
    for (nlris, announced) in lists {
        // Neighbours in an UPDATE are mostly neighbours in address: start at the last share.
        let mut last = 0;
        for nlri in nlris {
            spanning |= nlri.prefix.spans_blocks();
            let block = nlri.prefix.block();
            if shares.get(last).is_none_or(|share| share.block != block) {
                last = shares
                    .iter()
                    .position(|share| share.block == block)
                    .unwrap_or_else(|| {
                        shares.push(Share::empty(
                            peer,
                            block,
                            block.partition(),
                            update.from_rib,
                        ));
                        shares.len() - 1
                    });
            }
            if let Some(share) = shares.get_mut(last) {
                share.push(nlri, announced);
            }
        }
    }
    if spanning {
        for partition in 0..BGP_UPDATES.partitions {
            let mut copy: Option<Share> = None;
            for (nlris, announced) in lists {
                for nlri in nlris.iter().filter(|nlri| nlri.prefix.spans_blocks()) {
                    let home = nlri.prefix.block();
                    if home.partition() != partition {
                        copy.get_or_insert_with(|| {
                            let mut share = Share::empty(peer, home, partition, update.from_rib);
                            share.routes.context = true;
                            share
                        })
                        .push(nlri, announced);
                    }
                }
            }
            shares.extend(copy);
        }
    }
    if let Some(attributes) = &update.attributes {
        let mut attributes = Some(path_attributes(attributes));
        let mut left = shares.iter().filter(|s| s.announces()).count();
        for share in shares.iter_mut().filter(|s| s.announces()) {
            left -= 1;
            share.routes.attributes = if left == 0 {
                attributes.take()
            } else {
                attributes.clone()
            };
        }
    }
    shares
}

impl Share {
    fn empty(peer: Peer, block: Block, partition: u32, from_rib: bool) -> Self {
        let routes = v1::Routes {
            peer: Some(peer.into()),
            from_rib,
            ..v1::Routes::default()
        };
        Self {
            block,
            partition,
            routes,
        }
    }

    fn push(&mut self, nlri: &Nlri, announced: bool) {
        let prefix = v1::Prefix::from(*nlri);
        if announced {
            self.routes.announced.push(prefix);
        } else {
            self.routes.withdrawn.push(prefix);
        }
    }

    fn announces(&self) -> bool {
        !self.routes.announced.is_empty()
    }
}

/// Checks a `Routes` message.
///
/// # Errors
/// When it names no peer or holds an impossible prefix or number.
pub fn routes(wire: v1::Routes) -> Result<Routes, WireError> {
    Ok(Routes {
        peer: peer(wire.peer)?,
        update: Update {
            attributes: attributes(wire.attributes)?,
            announced: nlris(&wire.announced)?,
            withdrawn: nlris(&wire.withdrawn)?,
            from_rib: wire.from_rib,
        },
        context: wire.context,
    })
}

/// The body of a `BgpMessage`. An end of RIB is a control.
#[must_use]
pub fn body(message: &Message) -> v1::bgp_message::Body {
    use v1::bgp_message::Body as Wire;
    match &message.body {
        Body::Update(update) => Wire::Update(v1::Update {
            attributes: update.attributes.as_deref().map(path_attributes),
            announced: update.announced.iter().map(|n| (*n).into()).collect(),
            withdrawn: update.withdrawn.iter().map(|n| (*n).into()).collect(),
            from_rib: update.from_rib,
        }),
        Body::Open(open) => Wire::Open(v1::Open {
            direction: match open.direction {
                None => v1::open::Direction::Unspecified,
                Some(Direction::Sent) => v1::open::Direction::Sent,
                Some(Direction::Received) => v1::open::Direction::Received,
            }
            .into(),
            asn: open.asn.0,
            hold_time: open.hold_time.into(),
            router_id: open.router_id.to_bits(),
        }),
        Body::Notification(notification) => Wire::Notification(v1::Notification {
            code: notification.code.into(),
            subcode: notification.subcode.into(),
        }),
        Body::Keepalive => Wire::Keepalive(v1::Keepalive {}),
        Body::StateChange { from, to } => Wire::StateChange(v1::StateChange {
            from: state_to_wire(*from).into(),
            to: state_to_wire(Some(*to)).into(),
        }),
        Body::EndOfRib => Wire::Control(v1::Control {
            kind: Some(v1::control::Kind::EndOfRib(v1::EndOfRib {
                peer: Some(message.peer.into()),
                table_us: 0,
            })),
        }),
    }
}

/// Checks a `BgpMessage`.
///
/// # Errors
/// `WireError::Control` for every control but a peer's end of RIB; the others when it names no
/// peer, has no body, or holds an impossible prefix or number.
pub fn message(wire: v1::BgpMessage) -> Result<Message, WireError> {
    use v1::bgp_message::Body as Wire;
    let mut sender = wire.peer;
    let body = match wire.body.ok_or(WireError::Missing { what: "body" })? {
        Wire::Update(update) => Body::Update(Update {
            attributes: attributes(update.attributes)?,
            announced: nlris(&update.announced)?,
            withdrawn: nlris(&update.withdrawn)?,
            from_rib: update.from_rib,
        }),
        Wire::Open(open) => Body::Open(Open {
            direction: match v1::open::Direction::try_from(open.direction) {
                Ok(v1::open::Direction::Unspecified) => None,
                Ok(v1::open::Direction::Sent) => Some(Direction::Sent),
                Ok(v1::open::Direction::Received) => Some(Direction::Received),
                Err(_) => return out_of_range("direction", open.direction),
            },
            asn: Asn(open.asn),
            hold_time: narrow("hold time", open.hold_time)?,
            router_id: Ipv4Addr::from_bits(open.router_id),
        }),
        Wire::Notification(notification) => Body::Notification(Notification {
            code: narrow("notification code", notification.code)?,
            subcode: narrow("notification subcode", notification.subcode)?,
        }),
        Wire::Keepalive(v1::Keepalive {}) => Body::Keepalive,
        Wire::StateChange(change) => Body::StateChange {
            from: state(change.from)?,
            to: state(change.to)?.ok_or(WireError::Missing { what: "new state" })?,
        },
        Wire::Control(v1::Control {
            kind:
                Some(v1::control::Kind::EndOfRib(v1::EndOfRib {
                    peer: Some(peer), ..
                })),
        }) => {
            sender = Some(peer);
            Body::EndOfRib
        }
        Wire::Control(_) => return Err(WireError::Control),
    };
    Ok(Message {
        event_time_us: wire.event_time_us,
        peer: peer(sender)?,
        body,
    })
}

/// Checks a peer; a field that is not there is an error.
///
/// # Errors
/// When it or its address is missing.
pub fn peer(wire: Option<v1::Peer>) -> Result<Peer, WireError> {
    let wire = wire.ok_or(WireError::Missing { what: "peer" })?;
    let address = wire.address.ok_or(WireError::Missing {
        what: "peer address",
    })?;
    Ok(Peer::new(address.try_into()?, Asn(wire.asn)))
}

impl From<Peer> for v1::Peer {
    fn from(peer: Peer) -> Self {
        Self::new(peer.address, peer.asn.0)
    }
}

impl From<Prefix> for v1::Prefix {
    fn from(prefix: Prefix) -> Self {
        Self::new(prefix.address(), prefix.length())
    }
}

impl TryFrom<&v1::Prefix> for Prefix {
    type Error = WireError;

    fn try_from(wire: &v1::Prefix) -> Result<Self, WireError> {
        let length = narrow("prefix length", wire.length)?;
        Ok(Self::new(wire.network()?, length)?)
    }
}

impl From<Nlri> for v1::Prefix {
    fn from(nlri: Nlri) -> Self {
        let mut wire = Self::from(nlri.prefix);
        wire.path_id = nlri.path_id;
        wire
    }
}

fn nlris(wire: &[v1::Prefix]) -> Result<Vec<Nlri>, WireError> {
    wire.iter()
        .map(|wire| {
            Ok(Nlri {
                prefix: wire.try_into()?,
                path_id: wire.path_id,
            })
        })
        .collect()
}

fn path_attributes(attributes: &PathAttributes) -> v1::PathAttributes {
    use v1::path_attributes::Origin;
    v1::PathAttributes {
        origin: match attributes.origin {
            None => Origin::Unspecified,
            Some(RouteOrigin::Igp) => Origin::Igp,
            Some(RouteOrigin::Egp) => Origin::Egp,
            Some(RouteOrigin::Incomplete) => Origin::Incomplete,
        }
        .into(),
        as_path: path_segments(&attributes.as_path),
        next_hop: attributes.next_hop.map(Into::into),
        multi_exit_disc: attributes.med,
        local_pref: attributes.local_pref,
        atomic_aggregate: attributes.atomic_aggregate,
        aggregator: attributes.aggregator.map(|aggregator| v1::Aggregator {
            asn: aggregator.asn.0,
            address: Some(aggregator.address.into()),
        }),
        communities: attributes.communities.iter().map(|c| c.0).collect(),
        large_communities: attributes
            .large_communities
            .iter()
            .map(|community| v1::LargeCommunity {
                global: community.global,
                local_1: community.local_1,
                local_2: community.local_2,
            })
            .collect(),
        only_to_customer: attributes.only_to_customer.map(|asn| asn.0),
    }
}

/// The segments of a path, as incidents and features carry them too.
#[must_use]
pub fn path_segments(path: &AsPath) -> Vec<v1::PathSegment> {
    use v1::path_segment::Kind;
    path.segments()
        .iter()
        .map(|segment| v1::PathSegment {
            kind: match segment {
                Segment::Sequence(_) => Kind::Sequence,
                Segment::Set(_) => Kind::Set,
                Segment::ConfedSequence(_) => Kind::ConfedSequence,
                Segment::ConfedSet(_) => Kind::ConfedSet,
            }
            .into(),
            asns: segment.asns().iter().map(|asn| asn.0).collect(),
        })
        .collect()
}

/// Checks the segments of a path.
///
/// # Errors
/// When a segment is of no known kind.
pub fn as_path(wire: Vec<v1::PathSegment>) -> Result<AsPath, WireError> {
    use v1::path_segment::Kind;
    let mut path = AsPath::default();
    for segment in wire {
        let asns = segment.asns.into_iter().map(Asn).collect();
        path.push(match Kind::try_from(segment.kind) {
            Ok(Kind::Sequence) => Segment::Sequence(asns),
            Ok(Kind::Set) => Segment::Set(asns),
            Ok(Kind::ConfedSequence) => Segment::ConfedSequence(asns),
            Ok(Kind::ConfedSet) => Segment::ConfedSet(asns),
            Err(_) => return out_of_range("path segment kind", segment.kind),
        });
    }
    Ok(path)
}

fn attributes(wire: Option<v1::PathAttributes>) -> Result<Option<Arc<PathAttributes>>, WireError> {
    use v1::path_attributes::Origin;
    let Some(wire) = wire else { return Ok(None) };
    Ok(Some(Arc::new(PathAttributes {
        origin: match Origin::try_from(wire.origin) {
            Ok(Origin::Unspecified) => None,
            Ok(Origin::Igp) => Some(RouteOrigin::Igp),
            Ok(Origin::Egp) => Some(RouteOrigin::Egp),
            Ok(Origin::Incomplete) => Some(RouteOrigin::Incomplete),
            Err(_) => return out_of_range("origin", wire.origin),
        },
        as_path: as_path(wire.as_path)?,
        next_hop: wire.next_hop.map(IpAddr::try_from).transpose()?,
        med: wire.multi_exit_disc,
        local_pref: wire.local_pref,
        atomic_aggregate: wire.atomic_aggregate,
        aggregator: wire.aggregator.map(aggregator).transpose()?,
        communities: wire.communities.into_iter().map(Community).collect(),
        large_communities: wire
            .large_communities
            .iter()
            .map(|community| LargeCommunity {
                global: community.global,
                local_1: community.local_1,
                local_2: community.local_2,
            })
            .collect(),
        only_to_customer: wire.only_to_customer.map(Asn),
    })))
}

fn aggregator(wire: v1::Aggregator) -> Result<Aggregator, WireError> {
    let address = wire.address.ok_or(WireError::Missing {
        what: "aggregator address",
    })?;
    Ok(Aggregator {
        asn: Asn(wire.asn),
        address: address.try_into()?,
    })
}

fn state_to_wire(state: Option<SessionState>) -> v1::state_change::State {
    use v1::state_change::State;
    match state {
        None => State::Unspecified,
        Some(SessionState::Idle) => State::Idle,
        Some(SessionState::Connect) => State::Connect,
        Some(SessionState::Active) => State::Active,
        Some(SessionState::OpenSent) => State::OpenSent,
        Some(SessionState::OpenConfirm) => State::OpenConfirm,
        Some(SessionState::Established) => State::Established,
    }
}

fn state(wire: i32) -> Result<Option<SessionState>, WireError> {
    use v1::state_change::State;
    Ok(match State::try_from(wire) {
        Ok(State::Unspecified) => None,
        Ok(State::Idle) => Some(SessionState::Idle),
        Ok(State::Connect) => Some(SessionState::Connect),
        Ok(State::Active) => Some(SessionState::Active),
        Ok(State::OpenSent) => Some(SessionState::OpenSent),
        Ok(State::OpenConfirm) => Some(SessionState::OpenConfirm),
        Ok(State::Established) => Some(SessionState::Established),
        Err(_) => return out_of_range("session state", wire),
    })
}

fn narrow<T: TryFrom<u32>>(what: &'static str, value: u32) -> Result<T, WireError> {
    T::try_from(value).or_else(|_| out_of_range(what, value))
}

fn out_of_range<T>(what: &'static str, value: impl Into<i64>) -> Result<T, WireError> {
    Err(WireError::OutOfRange {
        what,
        value: value.into(),
    })
}
