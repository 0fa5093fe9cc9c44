//! Address prefixes, IPv4 and IPv6, whose host bits are always zero (RFC 4271, 4.3; RFC 4291, 2.3).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use weir_events::topics::Block;

/// An address prefix. Ordered: IPv4 before IPv6, then by address, then the shorter first, so that
/// a prefix stands right before everything that it covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    family: Family,
    // The address, left-aligned in 128 bits. Two halves keep the whole at 24 bytes.
    high: u64,
    low: u64,
    length: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Family {
    V4,
    V6,
}

/// What is no prefix.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PrefixError {
    /// More bits than the address has.
    #[error("prefix length {length} is above the {limit} bits of {address}")]
    TooLong {
        /// The address.
        address: IpAddr,
        /// The length.
        length: u8,
        /// Bits of the address family.
        limit: u8,
    },
    /// Not `address/length`.
    #[error("\"{text}\" is not a prefix (want address/length)")]
    NotAPrefix {
        /// What was read.
        text: String,
    },
}

impl Prefix {
    /// The prefix of `length` bits that holds `address`; the bits behind it are cleared, as a BGP
    /// speaker must ignore them (RFC 4271, 4.3).
    ///
    /// # Errors
    /// When the length is above 32 (IPv4) or 128 (IPv6).
    #[inline]
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        let (family, bits, limit) = match address {
            IpAddr::V4(v4) => (Family::V4, u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (Family::V6, v6.to_bits(), 128),
        };
        if length > limit {
            return Err(PrefixError::TooLong {
                address,
                length,
                limit,
            });
        }
        Ok(Self::from_parts(family, bits, length))
    }

    #[inline]
    fn from_parts(family: Family, bits: u128, length: u8) -> Self {
        let bits = bits & mask(length);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the two halves of 128 bits"
        )]
        Self {
            family,
            high: (bits >> 64) as u64,
            low: bits as u64,
            length,
        }
    }

    /// The network address.
    #[inline]
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match self.family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from_bits((self.high >> 32) as u32)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(self.bits())),
        }
    }

    /// Number of bits, 0-32 or 0-128.
    #[inline]
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }

    /// True for IPv4.
    #[inline]
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.family == Family::V4
    }

    /// The address, left-aligned in 128 bits (an IPv4 address in the upper 32), for tries.
    #[inline]
    #[must_use]
    pub fn bits(&self) -> u128 {
        (u128::from(self.high) << 64) | u128::from(self.low)
    }

    /// Everything: `0.0.0.0/0` or `::/0`.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.length == 0
    }

    /// True when every address of `other` is in this prefix; equal prefixes cover each other.
    #[inline]
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.family == other.family
            && self.length <= other.length
            && (self.bits() ^ other.bits()) & mask(self.length) == 0
    }

    /// True when the address is in this prefix.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (family, bits) = match address {
            IpAddr::V4(v4) => (Family::V4, u128::from(v4.to_bits()) << 96),
            IpAddr::V6(v6) => (Family::V6, v6.to_bits()),
        };
        self.family == family && (self.bits() ^ bits) & mask(self.length) == 0
    }

    /// The covering prefix of `length` bits; this one when it is no longer than that.
    #[inline]
    #[must_use]
    pub fn truncated(&self, length: u8) -> Self {
        Self::from_parts(self.family, self.bits(), length.min(self.length))
    }

    /// The covering prefix of one bit less; none for a default route.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.length
            .checked_sub(1)
            .map(|length| self.truncated(length))
    }

    /// The address block that owns it; for a prefix that spans several, its home.
    #[inline]
    #[must_use]
    pub fn block(&self) -> Block {
        Block::of(self.address())
    }

    /// Shorter than a block: judged at home, known to every partition as context.
    #[inline]
    #[must_use]
    pub fn spans_blocks(&self) -> bool {
        Block::is_spanned_by(self.address(), self.length)
    }
}

#[inline]
fn mask(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length))
        .unwrap_or_default()
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.length)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// `198.51.100.0/24` or `2001:db8::/32`; host bits are cleared.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        Self::from_ascii(text.as_bytes()).ok_or_else(|| {
            // The slow way, to say which of the two is wrong.
            text.split_once('/')
                .and_then(|(address, length)| {
                    let address = address.parse().ok()?;
                    Self::new(address, length.parse().ok()?).err()
                })
                .unwrap_or_else(|| PrefixError::NotAPrefix {
                    text: text.to_owned(),
                })
        })
    }
}

impl Prefix {
    /// Reads `address/length` from bytes, without saying what is wrong with them.
    #[must_use]
    pub fn from_ascii(text: &[u8]) -> Option<Self> {
        let slash = text.iter().rposition(|byte| *byte == b'/')?;
        let (address, digits) = (&text[..slash], &text[slash + 1..]);
        if digits.is_empty() || digits.len() > 3 {
            return None;
        }
        let mut length = 0_u16;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            length = length * 10 + u16::from(digit - b'0');
        }
        let address = std::str::from_utf8(address).ok()?;
        let address: IpAddr = if address.contains(':') {
            address.parse::<Ipv6Addr>().ok()?.into()
        } else {
            address.parse::<Ipv4Addr>().ok()?.into()
        };
        Self::new(address, u8::try_from(length).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[rstest]
    #[case("198.51.100.0/24", "198.51.100.0/24")]
    #[case("198.51.100.255/24", "198.51.100.0/24")]
    #[case("0.0.0.0/0", "0.0.0.0/0")]
    #[case("255.255.255.255/32", "255.255.255.255/32")]
    #[case("2001:DB8:0::1/32", "2001:db8::/32")]
    #[case("::/0", "::/0")]
    #[case("2001:db8::1/128", "2001:db8::1/128")]
    fn host_bits_are_cleared(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(prefix(text).to_string(), shown);
    }

    #[rstest]
    #[case(
        "198.51.100.0/33",
        "prefix length 33 is above the 32 bits of 198.51.100.0"
    )]
    #[case(
        "2001:db8::/129",
        "prefix length 129 is above the 128 bits of 2001:db8::"
    )]
    #[case(
        "198.51.100.0",
        "\"198.51.100.0\" is not a prefix (want address/length)"
    )]
    #[case(
        "198.51.100/24",
        "\"198.51.100/24\" is not a prefix (want address/length)"
    )]
    #[case(
        "198.51.100.0/",
        "\"198.51.100.0/\" is not a prefix (want address/length)"
    )]
    #[case(
        "198.51.100.0/ 8",
        "\"198.51.100.0/ 8\" is not a prefix (want address/length)"
    )]
    #[case("/8", "\"/8\" is not a prefix (want address/length)")]
    fn what_is_no_prefix_is_refused_with_the_reason(#[case] text: &str, #[case] reason: &str) {
        assert_eq!(text.parse::<Prefix>().unwrap_err().to_string(), reason);
    }

    #[test]
    fn a_prefix_stands_right_before_what_it_covers() {
        let mut prefixes = [
            "10.1.0.0/16",
            "2001:db8::/32",
            "10.0.0.0/8",
            "10.0.0.0/16",
            "9.0.0.0/8",
        ]
        .map(prefix);
        prefixes.sort_unstable();
        assert_eq!(
            prefixes.map(|p| p.to_string()),
            [
                "9.0.0.0/8",
                "10.0.0.0/8",
                "10.0.0.0/16",
                "10.1.0.0/16",
                "2001:db8::/32"
            ]
        );
    }

    #[test]
    fn families_do_not_cover_each_other() {
        assert!(!prefix("::/0").covers(&prefix("0.0.0.0/0")));
        assert!(!prefix("0.0.0.0/0").contains("::1".parse().unwrap()));
    }

    #[test]
    fn a_prefix_is_small() {
        assert_eq!(size_of::<Prefix>(), 24);
    }

    proptest! {
        #[test]
        fn text_comes_back_equal(prefix in any_prefix()) {
            prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
        }

        #[test]
        fn covers_is_a_partial_order(a in any_prefix(), b in any_prefix(), c in any_prefix()) {
            prop_assert!(a.covers(&a));
            if a.covers(&b) && b.covers(&a) { prop_assert_eq!(a, b); }
            if a.covers(&b) && b.covers(&c) { prop_assert!(a.covers(&c)); }
        }

        #[test]
        fn a_prefix_is_covered_by_its_truncations_and_no_others(a in any_prefix(), length in 0_u8..=128) {
            let shorter = a.truncated(length);
            prop_assert!(shorter.covers(&a));
            prop_assert!(shorter <= a);
            prop_assert_eq!(a.covers(&shorter), shorter == a);
            prop_assert_eq!(a.parent().is_none(), a.is_default());
        }

        #[test]
        fn covering_and_order_agree(a in any_prefix(), b in any_prefix()) {
            if a.covers(&b) { prop_assert!(a <= b); }
            prop_assert_eq!(a.covers(&b), a.length() <= b.length() && a.contains(b.address()));
        }
    }

    /// Few address bits, so that pairs are often related.
    fn any_prefix() -> impl Strategy<Value = Prefix> {
        prop_oneof![
            (any::<u32>(), 0_u8..=32).prop_map(|(bits, length)| {
                Prefix::new(Ipv4Addr::from_bits(bits & 0xc0a8_0103).into(), length).unwrap()
            }),
            (any::<u128>(), 0_u8..=128).prop_map(|(bits, length)| {
                let bits = bits & (0x2001_0db8_u128 << 96 | 3);
                Prefix::new(Ipv6Addr::from_bits(bits).into(), length).unwrap()
            }),
        ]
    }
}
