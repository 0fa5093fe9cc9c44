//! Addresses and prefixes of the wire, to and from the standard library's.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::v1;

/// What a message from the log cannot say.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NetError {
    /// The oneof is empty.
    #[error("{what} has no address")]
    NoAddress {
        /// Name of the message.
        what: &'static str,
    },
}

impl From<Ipv6Addr> for v1::Ipv6 {
    fn from(address: Ipv6Addr) -> Self {
        let bits = address.to_bits();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the two halves of 128 bits"
        )]
        Self {
            high: (bits >> 64) as u64,
            low: bits as u64,
        }
    }
}

impl From<v1::Ipv6> for Ipv6Addr {
    fn from(wire: v1::Ipv6) -> Self {
        Self::from_bits((u128::from(wire.high) << 64) | u128::from(wire.low))
    }
}

impl From<IpAddr> for v1::IpAddress {
    fn from(address: IpAddr) -> Self {
        use v1::ip_address::Address;
        Self {
            address: Some(match address {
                IpAddr::V4(v4) => Address::Ipv4(v4.to_bits()),
                IpAddr::V6(v6) => Address::Ipv6(v6.into()),
            }),
        }
    }
}

impl TryFrom<v1::IpAddress> for IpAddr {
    type Error = NetError;

    fn try_from(wire: v1::IpAddress) -> Result<Self, NetError> {
        use v1::ip_address::Address;
        match wire.address {
            Some(Address::Ipv4(bits)) => Ok(Self::V4(Ipv4Addr::from_bits(bits))),
            Some(Address::Ipv6(halves)) => Ok(Self::V6(halves.into())),
            None => Err(NetError::NoAddress { what: "IpAddress" }),
        }
    }
}

impl v1::Prefix {
    /// A prefix of `length` bits at `address`, without ADD-PATH identifier.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Self {
        use v1::prefix::Address;
        Self {
            address: Some(match address {
                IpAddr::V4(v4) => Address::Ipv4(v4.to_bits()),
                IpAddr::V6(v6) => Address::Ipv6(v6.into()),
            }),
            length: u32::from(length),
            path_id: 0,
        }
    }

    /// The network address.
    ///
    /// # Errors
    /// When the message carries none.
    pub fn network(&self) -> Result<IpAddr, NetError> {
        use v1::prefix::Address;
        match self.address {
            Some(Address::Ipv4(bits)) => Ok(IpAddr::V4(Ipv4Addr::from_bits(bits))),
            Some(Address::Ipv6(halves)) => Ok(IpAddr::V6(halves.into())),
            None => Err(NetError::NoAddress { what: "Prefix" }),
        }
    }

    /// `198.51.100.0/24`; an empty message is shown as `?/0`.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.network().map_or_else(
            |_| format!("?/{}", self.length),
            |network| format!("{network}/{}", self.length),
        )
    }
}

impl v1::Peer {
    /// A peer by address and ASN.
    #[must_use]
    pub fn new(address: IpAddr, asn: u32) -> Self {
        Self {
            address: Some(address.into()),
            asn,
        }
    }

    /// `192.0.2.1:64496`: the entity key of session features and the key of `bgp-messages`.
    /// Split it at the last colon (IPv6).
    #[must_use]
    pub fn entity(&self) -> String {
        match self.address.map(IpAddr::try_from) {
            Some(Ok(address)) => format!("{address}:{}", self.asn),
            _ => format!("?:{}", self.asn),
        }
    }
}

impl fmt::Display for v1::IpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match IpAddr::try_from(*self) {
            Ok(address) => address.fmt(f),
            Err(_) => f.write_str("?"),
        }
    }
}
