//! One configured BGP session, as checked values.

use std::{fmt, net::IpAddr};

use weir_routing::{AsPath, Asn, Prefix};

/// A session as it is configured on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peering {
    /// What findings call it. No two of a set have the same.
    pub id: String,
    /// The router that it is configured on.
    pub device: String,
    /// The interface that the neighbour is on.
    pub interface: Option<String>,
    /// The routing table that it belongs to; `None` = the global one.
    pub vrf: Option<String>,
    /// Whose network the neighbour is, where somebody says so.
    pub organisation: Option<String>,
    /// The ASN of this end.
    pub local_asn: Asn,
    /// The ASN of the neighbour.
    pub peer_asn: Asn,
    /// The address of the neighbour.
    pub peer_ip: PeerIp,
    /// What it is there for.
    pub status: Status,
    /// Hold Time in seconds (RFC 4271, 4.2); `None` = what the device does by itself.
    pub hold_time: Option<u16>,
    /// Between two KEEPALIVEs, in seconds (RFC 4271, 4.4); `None` = what the device does by itself.
    pub keepalive: Option<u16>,
    /// Names of the address families that it carries.
    pub address_families: Vec<String>,
    /// What is taken from the neighbour.
    pub import: Policy,
    /// What is given to the neighbour.
    pub export: Policy,
}

impl Peering {
    /// True when routes are meant to flow.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    /// iBGP: both ends are of one network (RFC 4271, 1.1).
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.local_asn == self.peer_asn
    }

    /// Who is meant by the neighbour's address; `None` when it is none.
    pub(super) fn neighbour(&self) -> Option<Neighbour<'_>> {
        let address = self.peer_ip.address()?;
        let interface = self.interface.as_deref().or(self.peer_ip.zone());
        let link = (&*self.device, interface.unwrap_or_default());
        Some(Neighbour {
            vrf: self.vrf.as_deref(),
            link: is_link_local(address).then_some(link),
            address,
        })
    }
}

/// What a peering is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Routes flow, or should.
    Active,
    /// Not yet in use.
    Pending,
    /// Switched off.
    Disabled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Disabled];

    /// The name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Disabled => "disabled",
        }
    }
}

/// Which routes pass in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// These.
    pub prefixes: Vec<Prefix>,
    /// With this path, nearest AS first; empty = none is told.
    pub as_path: AsPath,
}

/// The address of a neighbour as it was written, which need not be one: `configuration_mismatch` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIp {
    text: String,
    address: Option<IpAddr>,
}

impl PeerIp {
    /// Reads what was written. A link-local address may have its zone behind it (`fe80::1%eth0`, RFC 4007, 11).
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (before, zone) = match text.split_once('%') {
            Some((before, zone)) => (before, Some(zone)),
            None => (text, None),
        };
        let address = before.parse::<IpAddr>().ok();
        let address = address.map(|address| address.to_canonical());
        let may_have = |address: &IpAddr| {
            zone.is_none_or(|zone| !zone.is_empty() && address.is_ipv6() && is_link_local(*address))
        };
        Self {
            text: text.to_owned(),
            address: address.filter(may_be_a_neighbour).filter(may_have),
        }
    }

    /// The address; `None` when no neighbour can have what was written.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    fn zone(&self) -> Option<&str> {
        self.text.split_once('%').map(|(_, zone)| zone)
    }
}

impl fmt::Display for PeerIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A neighbour's address where it means one neighbour: in its routing table, and a link-local one only on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Neighbour<'a> {
    pub(super) vrf: Option<&'a str>,
    link: Option<(&'a str, &'a str)>,
    pub(super) address: IpAddr,
}

/// RFC 3927 and RFC 4291, 2.5.6.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// One host, and another one than this.
fn may_be_a_neighbour(address: &IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || is_broadcast)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("192.0.2.1", Some("192.0.2.1"))]
    #[case("2001:DB8:0::1", Some("2001:db8::1"))]
    #[case::mapped("::ffff:192.0.2.1", Some("192.0.2.1"))]
    #[case::on_a_link("fe80::1%eth0", Some("fe80::1"))]
    #[case::a_zone_that_is_none("192.0.2.1%eth0", None)]
    #[case::a_zone_of_no_name("fe80::1%", None)]
    #[case::of_a_network("192.0.2.1/30", None)]
    #[case::a_name("edge1.example", None)]
    #[case::out_of_range("192.0.2.256", None)]
    #[case::nothing("", None)]
    #[case::anybody("0.0.0.0", None)]
    #[case::oneself("::1", None)]
    #[case::many("224.0.0.5", None)]
    #[case::all("255.255.255.255", None)]
    fn an_address_is_read_where_a_neighbour_can_have_it(
        #[case] text: &str,
        #[case] address: Option<&str>,
    ) {
        let peer = PeerIp::new(text);
        assert_eq!(peer.address(), address.map(|text| text.parse().unwrap()));
        assert_eq!(peer.to_string(), text);
    }
}
