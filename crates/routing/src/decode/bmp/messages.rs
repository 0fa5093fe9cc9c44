//! What stands behind the headers, by type of message (RFC 7854, 4.3-4.10; RFC 9069, 5;
//! RFC 9736). Lists of type, length and value hold what is known of them; what is not is counted.

use std::{
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bgpkit_parser::{
    models::{AsnLength, BgpMessage, BgpOpenMessage},
    parser::bgp::parse_bgp_message,
};
use bytes::Bytes;

use super::{BmpError, BmpMessage, PeerHeader, Routes, Session};
use crate::{
    decode::{
        bgp::{self, update},
        octets::{CutShort, Octets},
    },
    update::{Direction, Notification, Open},
};

/// A text longer than this is cut.
const MOST_TEXT: usize = 1024;
/// Of texts, no more are kept.
const MOST_KEPT: usize = 256;
const OPEN: u8 = 1;
const NOTIFICATION: u8 = 3;

/// Who speaks (RFC 7854, 4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Initiation {
    /// sysName (RFC 1213); without control characters, at most 1024 octets, as every text here.
    pub name: Option<String>,
    /// sysDescr (RFC 1213).
    pub description: Option<String>,
    /// Free text.
    pub texts: Vec<String>,
    /// Pieces of information of a type that is not known.
    pub unknown: u32,
}

/// Why a router ends its connection (RFC 7854, 4.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Termination {
    /// 0 administratively closed, 1 unspecified, 2 out of resources, 3 redundant connection,
    /// 4 permanently administratively closed.
    pub reason: Option<u16>,
    /// Free text.
    pub texts: Vec<String>,
    /// Pieces of information of a type that is not known.
    pub unknown: u32,
}

impl Termination {
    /// The reason in words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self.reason {
            Some(0) => "administratively closed",
            Some(2) => "out of resources",
            Some(3) => "redundant connection",
            Some(4) => "permanently administratively closed",
            _ => "unspecified",
        }
    }
}

/// A session of the router (RFC 7854, 4.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerUp {
    /// Of the router on this session; unspecified for a Loc-RIB.
    pub local_address: IpAddr,
    /// Of the router.
    pub local_port: u16,
    /// Of the peer.
    pub remote_port: u16,
    /// What the router said.
    pub sent: Open,
    /// What the peer said.
    pub received: Open,
    /// What both agree on.
    pub session: Session,
    /// Name of the VRF or table (RFC 9069, 5.2.1).
    pub table: Option<String>,
    /// Free text.
    pub texts: Vec<String>,
    /// Pieces of information of a type that is not known.
    pub unknown: u32,
}

/// Why a session of the router has ended (RFC 7854, 4.9; RFC 9069, 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// 1: the router sent this.
    LocalNotification(Notification),
    /// 2: the router closed it for this event of its state machine (RFC 4271, 8.1); 0 = none.
    LocalEvent(u16),
    /// 3: the peer sent this.
    RemoteNotification(Notification),
    /// 4: the peer closed it without a word.
    Remote,
    /// 5: it is not monitored any more; the session may go on.
    Deconfigured,
    /// 6: the router closed it: a Loc-RIB that is not there any more.
    LocalClosed,
    /// Any other.
    Unknown(u8),
}

/// An UPDATE that waits for the [`Session`] which says how it is written. What some routers put
/// behind it is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawUpdate<'a>(&'a [u8]);

impl RawUpdate<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not one UPDATE, or a list in it does not end where it should.
    pub fn read(&self, peer: &PeerHeader, session: &Session) -> Result<Routes, BmpError> {
        let dialect = session.dialect(peer);
        let mut read = update::read(self.0, dialect);
        if read.is_err() && dialect.four_octet {
            // Some routers write 16-bit ASNs and forget to say so; both ways at once fit no path.
            let old = update::Dialect {
                four_octet: false,
                ..dialect
            };
            read = update::read(self.0, old).or(read);
        }
        let folded = read.map_err(|reason| BmpError::Update {
            peer: peer.to_string(),
            reason,
        })?;
        Ok(Routes {
            updates: folded.updates,
            end_of_rib: folded.end_of_rib,
            other_families: folded.other_families,
        })
    }
}

/// Why a message of a peer cannot be read.
pub(super) enum Failed {
    CutShort(CutShort),
    Bgp(String),
}

impl From<CutShort> for Failed {
    fn from(error: CutShort) -> Self {
        Self::CutShort(error)
    }
}

impl Failed {
    pub(super) fn of(self, message: &'static str) -> BmpError {
        match self {
            Self::CutShort(source) => BmpError::CutShort { message, source },
            Self::Bgp(reason) => BmpError::Bgp { message, reason },
        }
    }
}

pub(super) fn initiation(mut octets: Octets<'_>) -> Result<Initiation, CutShort> {
    let mut told = Initiation::default();
    while !octets.is_empty() {
        match information(&mut octets)? {
            (0, value) => keep(&mut told.texts, value, &mut told.unknown),
            (1, value) => told.description = Some(text(value)),
            (2, value) => told.name = Some(text(value)),
            _ => told.unknown += 1,
        }
    }
    Ok(told)
}

pub(super) fn termination(mut octets: Octets<'_>) -> Result<Termination, CutShort> {
    let mut told = Termination::default();
    while !octets.is_empty() {
        match information(&mut octets)? {
            (0, value) => keep(&mut told.texts, value, &mut told.unknown),
            (1, [high, low]) => told.reason = Some(u16::from_be_bytes([*high, *low])),
            _ => told.unknown += 1,
        }
    }
    Ok(told)
}

/// Reads what stands behind the per-peer header of a message of this type.
pub(super) fn of_peer(
    kind: u8,
    peer: PeerHeader,
    mut octets: Octets<'_>,
) -> Result<BmpMessage<'_>, Failed> {
    Ok(match kind {
        0 => BmpMessage::RouteMonitoring(peer, RawUpdate(octets.rest())),
        1 => BmpMessage::Statistics(peer),
        2 => BmpMessage::PeerDown(peer, down(octets)?),
        3 => BmpMessage::PeerUp(peer, Box::new(peer_up(&peer, octets)?)),
        _ => BmpMessage::RouteMirroring(peer),
    })
}

fn peer_up(peer: &PeerHeader, mut octets: Octets<'_>) -> Result<PeerUp, Failed> {
    let is_ipv6 = peer.address.is_ipv6();
    let local_address = octets.address("local address", is_ipv6)?;
    let local_port = octets.u16("local port")?;
    let remote_port = octets.u16("remote port")?;
    let sent = open(&mut octets)?;
    let received = open(&mut octets)?;
    let mut up = PeerUp {
        local_address,
        local_port,
        remote_port,
        sent: bgp::open(&sent, Direction::Sent),
        received: bgp::open(&received, Direction::Received),
        session: Session::negotiated(&sent, &received),
        table: None,
        texts: Vec::new(),
        unknown: 0,
    };
    while !octets.is_empty() {
        match information(&mut octets)? {
            (0, value) => keep(&mut up.texts, value, &mut up.unknown),
            (3, value) => up.table = Some(text(value)),
            _ => up.unknown += 1,
        }
    }
    Ok(up)
}

fn open(octets: &mut Octets<'_>) -> Result<BgpOpenMessage, Failed> {
    let (kind, message) = update::message(octets).map_err(Failed::Bgp)?;
    if kind != OPEN {
        let reason = format!("a BGP message of type {kind} stands in the place of an OPEN");
        return Err(Failed::Bgp(reason));
    }
    let mut message = Bytes::copy_from_slice(message);
    // As for UPDATEs: one message must not end the process.
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        parse_bgp_message(&mut message, false, &AsnLength::Bits16)
    }));
    match parsed {
        Ok(Ok(BgpMessage::Open(open))) => Ok(open),
        Ok(Ok(_)) => Err(Failed::Bgp("no OPEN".to_owned())),
        Ok(Err(error)) => Err(Failed::Bgp(error.to_string())),
        Err(_) => Err(Failed::Bgp("the parser panicked".to_owned())),
    }
}

fn down(mut octets: Octets<'_>) -> Result<Down, Failed> {
    Ok(match octets.u8("reason")? {
        1 => notification(octets).map_or(Down::Unknown(1), Down::LocalNotification),
        2 => Down::LocalEvent(octets.u16("event")?),
        3 => notification(octets).map_or(Down::Unknown(3), Down::RemoteNotification),
        4 => Down::Remote,
        5 => Down::Deconfigured,
        6 => Down::LocalClosed,
        unknown => Down::Unknown(unknown),
    })
}

fn notification(mut octets: Octets<'_>) -> Result<Notification, Failed> {
    let (kind, message) = update::message(&mut octets).map_err(Failed::Bgp)?;
    match message.get(update::HEADER..) {
        Some([code, subcode, ..]) if kind == NOTIFICATION => Ok(Notification {
            code: *code,
            subcode: *subcode,
        }),
        _ => Err(Failed::Bgp(format!(
            "a BGP message of type {kind} and {} octets is no NOTIFICATION",
            message.len()
        ))),
    }
}

/// A piece of information: its type and value.
fn information<'a>(octets: &mut Octets<'a>) -> Result<(u16, &'a [u8]), CutShort> {
    let kind = octets.u16("type of information")?;
    let length = octets.u16("length of information")?;
    Ok((kind, octets.take("information", length.into())?))
}

fn keep(texts: &mut Vec<String>, value: &[u8], unknown: &mut u32) {
    if texts.len() < MOST_KEPT {
        texts.push(text(value));
    } else {
        *unknown += 1;
    }
}

/// Text for logs and names: what would move a terminal's cursor is left out.
fn text(value: &[u8]) -> String {
    let value = value.get(..MOST_TEXT).unwrap_or(value);
    let text = String::from_utf8_lossy(value);
    text.chars().filter(|c| !c.is_control()).collect()
}
