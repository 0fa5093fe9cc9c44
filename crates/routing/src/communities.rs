//! Communities (RFC 1997) and large communities (RFC 8092).

use std::{fmt, str::FromStr};

/// Text that is no community.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{text}\" is not a community (want ASN:value)")]
pub struct CommunityError {
    /// What was read.
    pub text: String,
}

/// A community: high 16 bits ASN, low 16 bits value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// Drop traffic to this prefix (RFC 7999).
    pub const BLACKHOLE: Self = Self::new(65_535, 666);
    /// Do not advertise outside the confederation (RFC 1997).
    pub const NO_EXPORT: Self = Self::new(65_535, 0xff01);
    /// Do not advertise to any peer (RFC 1997).
    pub const NO_ADVERTISE: Self = Self::new(65_535, 0xff02);
    /// Do not advertise outside this AS of the confederation (RFC 1997).
    pub const NO_EXPORT_SUBCONFED: Self = Self::new(65_535, 0xff03);

    /// `asn:value`.
    #[must_use]
    pub const fn new(asn: u16, value: u16) -> Self {
        Self((asn as u32) << 16 | value as u32)
    }

    /// The upper half.
    #[must_use]
    pub fn asn(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The lower half.
    #[must_use]
    pub fn value(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.asn(), self.value())
    }
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        text.split_once(':')
            .and_then(|(asn, value)| Some(Self::new(asn.parse().ok()?, value.parse().ok()?)))
            .ok_or_else(|| CommunityError {
                text: text.to_owned(),
            })
    }
}

/// A large community: a 32-bit ASN and two values of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// The ASN that gives the rest its meaning.
    pub global: u32,
    /// First value.
    pub local_1: u32,
    /// Second value.
    pub local_2: u32,
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local_1, self.local_2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("64496:100", Some(Community::new(64_496, 100)))]
    #[case("65535:666", Some(Community::BLACKHOLE))]
    #[case("65536:1", None)]
    #[case("64496", None)]
    #[case("64496:", None)]
    fn text_is_asn_and_value(#[case] text: &str, #[case] community: Option<Community>) {
        assert_eq!(text.parse().ok(), community);
        if let Some(community) = community {
            assert_eq!(community.to_string(), text);
        }
    }
}
