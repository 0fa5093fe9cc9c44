//! The per-peer header (RFC 7854, 4.2; RFC 8671, 4; RFC 9069, 4).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    asn::Asn,
    decode::octets::{CutShort, Octets},
};

/// The address has 16 octets.
const V: u8 = 0x80;
/// Behind the policy.
const L: u8 = 0x40;
/// AS_PATH with 16-bit ASNs.
const A: u8 = 0x20;
/// Adj-RIB-Out.
const O: u8 = 0x10;
/// Of Loc-RIB alone, in the place of V: not all of it is sent.
const F: u8 = 0x80;

/// Where a peer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    /// In the global table.
    Global,
    /// In a VRF that its route distinguisher names.
    RouteDistinguisher,
    /// In a VRF that has a number of the router's own.
    Local,
    /// The router itself: its Loc-RIB.
    LocRib,
}

/// Which table of the router is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// As the peer sent it.
    AdjRibInPre,
    /// What the router's policy left of it.
    AdjRibInPost,
    /// What would be sent to the peer, before the policy.
    AdjRibOutPre,
    /// What is sent to the peer.
    AdjRibOutPost,
    /// What the router uses.
    LocRib,
}

impl View {
    /// As metrics and logs name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AdjRibInPre => "adj-rib-in-pre",
            Self::AdjRibInPost => "adj-rib-in-post",
            Self::AdjRibOutPre => "adj-rib-out-pre",
            Self::AdjRibOutPost => "adj-rib-out-post",
            Self::LocRib => "loc-rib",
        }
    }
}

/// Of whom, and in which view, a message speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerHeader {
    /// Where the peer lives. With distinguisher and address it names the peer on its router.
    pub kind: PeerKind,
    /// Which VRF; 0 for the global table.
    pub distinguisher: u64,
    /// Of Peer Up and Down it says nothing: one of them stands for all views.
    pub view: View,
    /// Loc-RIB of which not all is sent (RFC 9069, 4.2).
    pub filtered: bool,
    /// AS_PATHs of this message have 16-bit ASNs.
    pub two_octet: bool,
    /// Of the peer; unspecified for a Loc-RIB.
    pub address: IpAddr,
    /// Of the peer; for a Loc-RIB that of the router.
    pub asn: Asn,
    /// Of the peer; for a Loc-RIB that of the router.
    pub bgp_id: Ipv4Addr,
    /// When the router received it, microseconds; `None` when it does not say.
    pub time_us: Option<i64>,
}

impl fmt::Display for PeerHeader {
    /// `192.0.2.1 AS64496`, with its VRF and `Loc-RIB` where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PeerKind::LocRib => write!(f, "Loc-RIB of {} AS{}", self.bgp_id, self.asn)?,
            _ => write!(f, "{} AS{}", self.address, self.asn)?,
        }
        if self.distinguisher != 0 {
            write!(f, " in {}", self.instance())?;
        }
        Ok(())
    }
}

impl PeerHeader {
    /// The distinguisher as people write it (RFC 4364, 4.2): `64496:7`, `192.0.2.1:7`.
    #[must_use]
    pub fn instance(&self) -> String {
        let [_, _, a, b, c, d, e, g] = self.distinguisher.to_be_bytes();
        let high = u32::from_be_bytes([a, b, c, d]);
        let low = u16::from_be_bytes([e, g]);
        match self.distinguisher >> 48 {
            0 => format!(
                "{}:{}",
                u16::from_be_bytes([a, b]),
                u32::from_be_bytes([c, d, e, g])
            ),
            1 => format!("{}:{low}", Ipv4Addr::from(high)),
            2 => format!("{high}:{low}"),
            _ => format!("{:#018x}", self.distinguisher),
        }
    }
}

/// Reads the header; the inner error is a type of peer that is not known.
pub(super) fn header(octets: &mut Octets<'_>) -> Result<Result<PeerHeader, u8>, CutShort> {
    let kind = octets.u8("peer type")?;
    let flags = octets.u8("peer flags")?;
    let distinguisher = octets.u64("peer distinguisher")?;
    let is_loc_rib = kind == 3;
    let address = octets.address("peer address", flags & V != 0 && !is_loc_rib)?;
    let asn = Asn(octets.u32("peer AS")?);
    let bgp_id = octets.ipv4("peer BGP identifier")?;
    let seconds = octets.u32("timestamp")?;
    let micros = octets.u32("microseconds")?;
    let kind = match kind {
        0 => PeerKind::Global,
        1 => PeerKind::RouteDistinguisher,
        2 => PeerKind::Local,
        3 => PeerKind::LocRib,
        unknown => return Ok(Err(unknown)),
    };
    let view = match (flags & O != 0, flags & L != 0) {
        _ if is_loc_rib => View::LocRib,
        (false, false) => View::AdjRibInPre,
        (false, true) => View::AdjRibInPost,
        (true, false) => View::AdjRibOutPre,
        (true, true) => View::AdjRibOutPost,
    };
    let time_us = i64::from(seconds) * weir_events::time::SECOND_US + i64::from(micros);
    Ok(Ok(PeerHeader {
        kind,
        distinguisher,
        view,
        filtered: is_loc_rib && flags & F != 0,
        two_octet: !is_loc_rib && flags & A != 0,
        address,
        asn,
        bgp_id,
        time_us: (seconds != 0).then_some(time_us),
    }))
}
