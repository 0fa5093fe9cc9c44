//! BGP messages as every decoder yields them (RFC 4271, 4), and who sent them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
    sync::Arc,
};

use crate::{
    as_path::AsPath,
    asn::Asn,
    communities::{Community, LargeCommunity},
    prefix::Prefix,
};

/// A BGP neighbour of a collector, which the event names. Ordered by ASN, then address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Its AS.
    pub asn: Asn,
    /// Its address.
    pub address: IpAddr,
}

impl Peer {
    /// A peer by address and ASN.
    #[must_use]
    pub fn new(address: IpAddr, asn: Asn) -> Self {
        Self { asn, address }
    }
}

impl fmt::Display for Peer {
    /// `192.0.2.1:64496`, the entity key of session features.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.asn)
    }
}

/// Text that is no peer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{text}\" is not a peer (want address:ASN)")]
pub struct PeerError {
    /// What was read.
    pub text: String,
}

impl FromStr for Peer {
    type Err = PeerError;

    /// Reads what `Display` writes: split at the last colon, since IPv6 has its own.
    fn from_str(text: &str) -> Result<Self, PeerError> {
        text.rsplit_once(':')
            .and_then(|(address, asn)| {
                Some(Self::new(address.parse().ok()?, Asn(asn.parse().ok()?)))
            })
            .ok_or_else(|| PeerError {
                text: text.to_owned(),
            })
    }
}

/// What an UPDATE names: a prefix, and which of the peer's paths to it (RFC 7911).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// The prefix.
    pub prefix: Prefix,
    /// ADD-PATH identifier; 0 when the session does not use it.
    pub path_id: u32,
}

impl From<Prefix> for Nlri {
    fn from(prefix: Prefix) -> Self {
        Self { prefix, path_id: 0 }
    }
}

/// The ORIGIN attribute (RFC 4271, 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteOrigin {
    /// Interior to the originating AS.
    Igp,
    /// Learned from EGP (RFC 904).
    Egp,
    /// By other means.
    Incomplete,
}

/// Who aggregated the route (RFC 4271, 5.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aggregator {
    /// Its AS.
    pub asn: Asn,
    /// Its address.
    pub address: IpAddr,
}

/// Path attributes; what is `None` or empty is not said by the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathAttributes {
    /// RFC 4271, 5.1.1.
    pub origin: Option<RouteOrigin>,
    /// RFC 4271, 5.1.2, with AS4_PATH merged in (RFC 6793).
    pub as_path: AsPath,
    /// The global one where a link-local address comes with it.
    pub next_hop: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF, of internal sessions.
    pub local_pref: Option<u32>,
    /// A less specific route was chosen over a more specific one.
    pub atomic_aggregate: bool,
    /// RFC 4271, 5.1.7.
    pub aggregator: Option<Aggregator>,
    /// RFC 1997, in the order in which they came.
    pub communities: Vec<Community>,
    /// RFC 8092, in the order in which they came.
    pub large_communities: Vec<LargeCommunity>,
    /// RFC 9234.
    pub only_to_customer: Option<Asn>,
}

/// An UPDATE (RFC 4271, 4.3) with MP_REACH_NLRI and MP_UNREACH_NLRI folded in, or an entry of a
/// RIB dump. Where one message withdraws and announces the same prefix, the announcement holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Of all that is announced; `None` when everything is withdrawn.
    pub attributes: Option<Arc<PathAttributes>>,
    /// In the order in which they came.
    pub announced: Vec<Nlri>,
    /// In the order in which they came.
    pub withdrawn: Vec<Nlri>,
    /// An entry of a RIB dump, not something the peer said just now.
    pub from_rib: bool,
}

impl Update {
    /// Announced + withdrawn prefixes: what every count of the system is in.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.announced.len() + self.withdrawn.len()
    }
}

/// Which way an OPEN went, seen from the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// By the collector.
    Sent,
    /// By the peer.
    Received,
}

/// An OPEN (RFC 4271, 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    /// `None` when the source does not say.
    pub direction: Option<Direction>,
    /// The sender's AS, its 32-bit capability preferred.
    pub asn: Asn,
    /// Seconds.
    pub hold_time: u16,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
}

/// A NOTIFICATION (RFC 4271, 4.5): the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    /// What kind of error.
    pub code: u8,
    /// Which one.
    pub subcode: u8,
}

/// States of a session (RFC 4271, 8.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// Refusing connections. RIS Live's `down`.
    Idle,
    /// Waiting for TCP. RIS Live's `connected`.
    Connect,
    /// Trying TCP.
    Active,
    /// Waiting for an OPEN.
    OpenSent,
    /// Waiting for a KEEPALIVE or NOTIFICATION.
    OpenConfirm,
    /// Exchanging routes. RIS Live's `up`.
    Established,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Routes come and go.
    Update(Update),
    /// A session begins.
    Open(Open),
    /// A session ends with an error.
    Notification(Notification),
    /// The session lives.
    Keepalive,
    /// The collector's session changed its state.
    StateChange {
        /// `None` when the source tells only the new one (RIS Live).
        from: Option<SessionState>,
        /// The new one.
        to: SessionState,
    },
    /// The peer has sent its whole table (RFC 4724), or all of its entries in a RIB dump were read.
    EndOfRib,
}

impl Body {
    /// Announced + withdrawn prefixes.
    #[must_use]
    pub fn elements(&self) -> usize {
        match self {
            Self::Update(update) => update.elements(),
            _ => 0,
        }
    }
}

/// What every decoder yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When the source says that it happened, microseconds since the Unix epoch, UTC.
    pub event_time_us: i64,
    /// Who said it.
    pub peer: Peer,
    /// What was said.
    pub body: Body,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_split_at_the_last_colon() {
        let peer: Peer = "2001:db8::1:64496".parse().unwrap();
        assert_eq!(peer, Peer::new("2001:db8::1".parse().unwrap(), Asn(64_496)));
        assert_eq!(peer.to_string(), "2001:db8::1:64496");
        assert!("192.0.2.1".parse::<Peer>().is_err());
    }

    #[test]
    fn peers_are_ordered_by_asn_first() {
        let peer = |text: &str| text.parse::<Peer>().unwrap();
        assert!(peer("203.0.113.1:64496") < peer("192.0.2.1:64497"));
        assert!(peer("192.0.2.1:64496") < peer("192.0.2.2:64496"));
    }
}
