//! BMP (RFC 7854) with Adj-RIB-Out (RFC 8671) and Loc-RIB (RFC 9069): what a router says of the
//! sessions that it has.
//!
//! [`frame`] says where a message ends, [`decode`] reads one. How the UPDATEs of a peer are written
//! follows from the OPENs of its Peer Up: [`Session`] keeps that, and [`RawUpdate::read`] needs
//! it. Times are microseconds since the Unix epoch, UTC.

mod messages;
mod peer;
mod session;

use smallvec::SmallVec;

pub use self::{
    messages::{Down, Initiation, PeerUp, RawUpdate, Termination},
    peer::{PeerHeader, PeerKind, View},
    session::Session,
};
use super::octets::Octets;
pub use super::{bgp::Family, octets::CutShort};
use crate::update::Update;

/// Octets of the header of every message: version, length, type (RFC 7854, 4.1).
pub const HEADER: usize = 6;
/// A longer message is refused. The longest that can be, a Peer Up of two OPENs or a mirrored
/// message of 64 KiB, is far below.
pub const MAX_MESSAGE: usize = 1 << 20;
const VERSION: u8 = 3;

/// Why bytes are not BMP, or not what their message should hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BmpError {
    /// Another protocol, an old draft, or bytes out of step.
    #[error("version {version} where a message begins; want BMP version 3 (RFC 7854)")]
    Version {
        /// The first octet.
        version: u8,
    },
    /// A length that no message has.
    #[error("a message claims {length} octets; want {HEADER} to {limit}")]
    Length {
        /// What its header claims.
        length: u32,
        /// The greatest that is taken.
        limit: usize,
    },
    /// A field does not fit into its message.
    #[error("{message} is cut short: {source}")]
    CutShort {
        /// The kind of message.
        message: &'static str,
        /// The field.
        source: CutShort,
    },
    /// A BGP message inside cannot be read.
    #[error("{message} holds an OPEN or NOTIFICATION that cannot be read: {reason}")]
    Bgp {
        /// The kind of message.
        message: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The UPDATE of a Route Monitoring message cannot be read; its neighbours can.
    #[error("UPDATE of {peer}: {reason}")]
    Update {
        /// Whose.
        peer: String,
        /// What is wrong.
        reason: String,
    },
}

impl BmpError {
    /// True when nothing that follows on the connection can be believed; false when only this
    /// message is lost.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        !matches!(self, Self::Update { .. } | Self::Bgp { .. })
    }
}

/// One message of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BmpMessage<'a> {
    /// The first: who speaks.
    Initiation(Initiation),
    /// The last: why it ends.
    Termination(Termination),
    /// A session of the router is established.
    PeerUp(PeerHeader, Box<PeerUp>),
    /// A session of the router has ended.
    PeerDown(PeerHeader, Down),
    /// Routes of one view of a peer, to be read with its [`Session`].
    RouteMonitoring(PeerHeader, RawUpdate<'a>),
    /// Counters of a peer (RFC 7854, 4.8), which are not read: nothing depends on them.
    Statistics(PeerHeader),
    /// Messages as they were on the wire (4.7), which are not read either.
    RouteMirroring(PeerHeader),
    /// Of a type, or of a type of peer, that did not exist when this was written.
    Unknown {
        /// Type of the message.
        kind: u8,
        /// Type of the peer, when it is that one which is unknown.
        peer_type: Option<u8>,
    },
}

impl BmpMessage<'_> {
    /// Its kind, as metrics and logs name it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Initiation(_) => "initiation",
            Self::Termination(_) => "termination",
            Self::PeerUp(..) => "peer-up",
            Self::PeerDown(..) => "peer-down",
            Self::RouteMonitoring(..) => "route-monitoring",
            Self::Statistics(..) => "statistics",
            Self::RouteMirroring(..) => "route-mirroring",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// What one UPDATE says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// None, one, or two when it announces with two next hops: then the first withdraws.
    pub updates: SmallVec<[Update; 1]>,
    /// The whole table of this family was sent (RFC 4724, 2).
    pub end_of_rib: Option<Family>,
    /// It names routes of families other than IPv4 and IPv6 unicast, which are left out.
    pub other_families: bool,
}

/// How many octets the message at the front of `octets` has, header included; `None` while its
/// header is not there. At most `limit`, which is at most [`MAX_MESSAGE`].
///
/// # Errors
/// When it is not of version 3, or its length cannot be.
pub fn frame(octets: &[u8], limit: usize) -> Result<Option<usize>, BmpError> {
    // A wrong version shows before the whole header is there.
    match octets.first() {
        Some(&version) if version != VERSION => return Err(BmpError::Version { version }),
        _ => {}
    }
    let Some([_, a, b, c, d, _]) = octets.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let limit = limit.min(MAX_MESSAGE);
    let length = u32::from_be_bytes([*a, *b, *c, *d]);
    match usize::try_from(length) {
        Ok(octets) if (HEADER..=limit).contains(&octets) => Ok(Some(octets)),
        _ => Err(BmpError::Length { length, limit }),
    }
}

/// Reads one whole message, as [`frame`] cuts it.
///
/// # Errors
/// When it is not one message of version 3, or does not hold what its type asks for.
pub fn decode(message: &[u8]) -> Result<BmpMessage<'_>, BmpError> {
    let name = match message.get(HEADER - 1) {
        Some(0) => "Route Monitoring",
        Some(1) => "Statistics Report",
        Some(2) => "Peer Down",
        Some(3) => "Peer Up",
        Some(4) => "Initiation",
        Some(5) => "Termination",
        Some(6) => "Route Mirroring",
        _ => "a message",
    };
    let cut = |source| BmpError::CutShort {
        message: name,
        source,
    };
    let mut octets = Octets::new(message);
    let wanted = frame(message, MAX_MESSAGE)?.unwrap_or(HEADER);
    if wanted != message.len() {
        return Err(cut(CutShort {
            what: "message",
            at: 0,
            wanted,
            left: message.len(),
        }));
    }
    octets.take("header", HEADER).map_err(cut)?;
    let kind = message[HEADER - 1];
    match kind {
        4 => messages::initiation(octets)
            .map(BmpMessage::Initiation)
            .map_err(cut),
        5 => messages::termination(octets)
            .map(BmpMessage::Termination)
            .map_err(cut),
        0..=3 | 6 => {
            let peer = match peer::header(&mut octets).map_err(cut)? {
                Ok(peer) => peer,
                Err(peer_type) => {
                    let peer_type = Some(peer_type);
                    return Ok(BmpMessage::Unknown { kind, peer_type });
                }
            };
            messages::of_peer(kind, peer, octets).map_err(|error| error.of(name))
        }
        _ => Ok(BmpMessage::Unknown {
            kind,
            peer_type: None,
        }),
    }
}
