//! How the UPDATEs of a session are written: what both OPENs of its Peer Up agree on.

use std::net::IpAddr;

use bgpkit_parser::models::{
    Afi, BgpOpenMessage, CapabilityValue, ParamValue, Safi, capabilities::BgpCapabilityType,
};

use super::{Family, PeerHeader, View};
use crate::decode::bgp::{self, update::Dialect};

/// ADD-PATH (RFC 7911, 4).
const RECEIVES: u8 = 1;
const SENDS: u8 = 2;

/// What was negotiated on a session, as far as its UPDATEs show it. The default is that of two
/// speakers without capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The families that both announced (RFC 4760, 8), IPv4 first.
    families: [bool; 2],
    /// The peer sends path identifiers, the router does (RFC 7911).
    add_path_in: [bool; 2],
    add_path_out: [bool; 2],
    /// One of both announced ADD-PATH: the OPENs of a Loc-RIB are made up by its router.
    add_path_any: [bool; 2],
}

/// What one OPEN offers.
#[derive(Default)]
struct Offer {
    multiprotocol: bool,
    families: [bool; 2],
    add_path: [u8; 2],
}

impl Session {
    pub(super) fn negotiated(sent: &BgpOpenMessage, received: &BgpOpenMessage) -> Self {
        let (sent, received) = (Offer::of(sent), Offer::of(received));
        let both = |test: &dyn Fn(usize) -> bool| [test(0), test(1)];
        let has = |offer: &Offer, family: usize, bit| offer.add_path[family] & bit != 0;
        Self {
            families: both(&|family| sent.has(family) && received.has(family)),
            add_path_in: both(&|f| has(&received, f, SENDS) && has(&sent, f, RECEIVES)),
            add_path_out: both(&|f| has(&sent, f, SENDS) && has(&received, f, RECEIVES)),
            add_path_any: both(&|f| (sent.add_path[f] | received.add_path[f]) != 0),
        }
    }

    /// That of a peer at this address whose OPENs nobody heard: its own family, and no path identifiers. Whether an
    /// UPDATE has some cannot be seen in it.
    #[must_use]
    pub fn assumed(peer: IpAddr) -> Self {
        Self {
            families: [peer.is_ipv4(), peer.is_ipv6()],
            ..Self::default()
        }
    }

    /// What either has: some routers send one Peer Up for each family of a peer.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let either = |a: [bool; 2], b: [bool; 2]| [a[0] || b[0], a[1] || b[1]];
        Self {
            families: either(self.families, other.families),
            add_path_in: either(self.add_path_in, other.add_path_in),
            add_path_out: either(self.add_path_out, other.add_path_out),
            add_path_any: either(self.add_path_any, other.add_path_any),
        }
    }

    /// True when routes of the family may come, and so the end of its table.
    #[must_use]
    pub fn has(&self, family: Family) -> bool {
        self.families[usize::from(family == Family::Ipv6)]
    }

    /// How an UPDATE under this header is written. AS_PATHs are as the header says (RFC 7854, 4.2),
    /// whatever the session had.
    pub(super) fn dialect(&self, header: &PeerHeader) -> Dialect {
        Dialect {
            four_octet: !header.two_octet,
            add_path: match header.view {
                View::AdjRibInPre | View::AdjRibInPost => self.add_path_in,
                View::AdjRibOutPre | View::AdjRibOutPost => self.add_path_out,
                View::LocRib => self.add_path_any,
            },
        }
    }
}

/// What the ADD-PATH capability says of IPv4 and IPv6. The parser gives it up when it names a
/// family that the parser does not know.
fn add_path(open: &BgpOpenMessage) -> [u8; 2] {
    let mut modes = [0; 2];
    let lists = open.opt_params.iter();
    let all = lists.filter_map(|param| match &param.param_value {
        ParamValue::Capacities(list) => Some(list),
        ParamValue::Raw(_) => None,
    });
    for capability in all.flatten() {
        match &capability.value {
            CapabilityValue::AddPath(list) => {
                for entry in &list.address_families {
                    if entry.safi == Safi::Unicast && entry.afi != Afi::LinkState {
                        modes[usize::from(entry.afi == Afi::Ipv6)] = entry.send_receive as u8;
                    }
                }
            }
            CapabilityValue::Raw(octets)
                if capability.ty == BgpCapabilityType::ADD_PATH_CAPABILITY =>
            {
                for entry in octets.chunks_exact(4) {
                    let afi = u16::from_be_bytes([entry[0], entry[1]]);
                    if let Some(family) = Family::of(afi, entry[2]) {
                        modes[usize::from(family == Family::Ipv6)] = entry[3];
                    }
                }
            }
            _ => {}
        }
    }
    modes
}

impl Offer {
    fn of(open: &BgpOpenMessage) -> Self {
        let mut offer = Self::default();
        for capability in bgp::capabilities(open) {
            if let CapabilityValue::MultiprotocolExtensions(family) = capability {
                offer.multiprotocol = true;
                match (family.afi, family.safi) {
                    (Afi::Ipv4, Safi::Unicast) => offer.families[0] = true,
                    (Afi::Ipv6, Safi::Unicast) => offer.families[1] = true,
                    _ => {}
                }
            }
        }
        offer.add_path = add_path(open);
        offer
    }

    /// Without the capability a session is of IPv4 alone (RFC 4760, 8).
    fn has(&self, family: usize) -> bool {
        self.families[family] || (!self.multiprotocol && family == 0)
    }
}
