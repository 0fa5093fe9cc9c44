//! BGP messages as MRT and BMP carry them: attributes by `bgpkit-parser` ([`attributes`]), lists
//! of prefixes read exactly where the session is known ([`update`]), and what both are folded
//! into.

pub(crate) mod attributes;
pub(crate) mod update;

use std::sync::Arc;

use bgpkit_parser::models::{BgpOpenMessage, CapabilityValue, ParamValue};
use smallvec::SmallVec;

use self::attributes::{Parts, asn_of};
use crate::{
    asn::Asn,
    update::{Direction, Nlri, Open, Update},
};

/// The families whose unicast routes are routes to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 unicast (AFI 1, SAFI 1).
    Ipv4,
    /// IPv6 unicast (AFI 2, SAFI 1).
    Ipv6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// By address family identifier and subsequent one.
    pub(crate) fn of(afi: u16, safi: u8) -> Option<Self> {
        match (afi, safi) {
            (1, 1) => Some(Self::Ipv4),
            (2, 1) => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// The longest prefix, in bits.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

/// What one UPDATE says.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// None, one, or two when it announces with two next hops: then the first withdraws.
    pub(crate) updates: SmallVec<[Update; 1]>,
    /// It is the end of the table of this family (RFC 4724, 2).
    pub(crate) end_of_rib: Option<Family>,
    /// It names routes of families that are not ours.
    pub(crate) other_families: bool,
}

/// Folds classic and multiprotocol routes (RFC 4760) into updates.
pub(crate) fn fold(mut parts: Parts, mut announced: Vec<Nlri>, mut withdrawn: Vec<Nlri>) -> Folded {
    let mut folded = Folded {
        other_families: parts.other_families,
        ..Folded::default()
    };
    withdrawn.append(&mut parts.unreached);
    if announced.is_empty() && parts.reached.is_empty() && withdrawn.is_empty() {
        // RFC 4724, 2: nothing, or nothing but an empty MP_UNREACH_NLRI.
        if parts.none {
            folded.end_of_rib = Some(Family::Ipv4);
        } else if parts.has_unreach && !parts.other_families {
            folded.end_of_rib = parts.unreach_family;
        }
        return folded;
    }
    if !announced.is_empty() && !parts.reached.is_empty() {
        if parts.reached_next_hop == parts.attributes.next_hop {
            announced.append(&mut parts.reached);
        } else {
            folded.updates.push(Update {
                attributes: Some(Arc::new(parts.attributes.clone())),
                announced: std::mem::take(&mut announced),
                withdrawn: std::mem::take(&mut withdrawn),
                from_rib: false,
            });
        }
    }
    if announced.is_empty() {
        announced = parts.reached;
        parts.attributes.next_hop = parts.reached_next_hop;
    }
    folded.updates.push(Update {
        attributes: (!announced.is_empty()).then(|| Arc::new(parts.attributes)),
        announced,
        withdrawn,
        from_rib: false,
    });
    folded
}

/// An OPEN as the log knows it.
pub(crate) fn open(open: &BgpOpenMessage, direction: Direction) -> Open {
    let four_octet = capabilities(open).find_map(|capability| match capability {
        CapabilityValue::FourOctetAs(value) => Some(Asn(value.asn)),
        _ => None,
    });
    Open {
        direction: Some(direction),
        asn: four_octet.unwrap_or_else(|| asn_of(open.asn)),
        hold_time: open.hold_time,
        router_id: open.bgp_identifier,
    }
}

/// The capabilities of an OPEN (RFC 5492).
pub(crate) fn capabilities(open: &BgpOpenMessage) -> impl Iterator<Item = &CapabilityValue> {
    let lists = open
        .opt_params
        .iter()
        .filter_map(|param| match &param.param_value {
            ParamValue::Capacities(list) => Some(list),
            ParamValue::Raw(_) => None,
        });
    lists.flatten().map(|capability| &capability.value)
}
