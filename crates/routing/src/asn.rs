//! Autonomous system numbers, 32 bits (RFC 6793), shown as plain decimal (RFC 5396).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An autonomous system number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Asn(pub u32);

impl Asn {
    /// Stands in for a 32-bit ASN in front of a 16-bit speaker (RFC 6793).
    pub const TRANS: Self = Self(23456);

    /// For private use (RFC 6996): 64512-65534 and 4200000000-4294967294.
    #[must_use]
    pub fn is_private(self) -> bool {
        matches!(self.0, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
    }

    /// For documentation (RFC 5398): 64496-64511 and 65536-65551.
    #[must_use]
    pub fn is_documentation(self) -> bool {
        matches!(self.0, 64_496..=64_511 | 65_536..=65_551)
    }

    /// Never on the Internet: 0 (RFC 7607), 65535 and 4294967295 (RFC 7300), 23456 (RFC 6793).
    #[must_use]
    pub fn is_reserved(self) -> bool {
        matches!(self.0, 0 | 65_535 | u32::MAX) || self == Self::TRANS
    }

    /// Fits in 16 bits.
    #[must_use]
    pub fn is_two_octet(self) -> bool {
        self.0 <= 0xffff
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for Asn {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// Text that is no ASN.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{text}\" is not an AS number")]
pub struct AsnError {
    /// What was read.
    pub text: String,
}

impl FromStr for Asn {
    type Err = AsnError;

    /// `64496`, `AS64496` or, as RFC 5396 has it in asdot, `1.10`.
    fn from_str(text: &str) -> Result<Self, AsnError> {
        let digits = text
            .strip_prefix("AS")
            .or_else(|| text.strip_prefix("as"))
            .unwrap_or(text);
        let number = |digits: &str| {
            // `u32::from_str` takes a leading '+', which no ASN has.
            if digits.starts_with('+') {
                return None;
            }
            digits.parse::<u32>().ok()
        };
        let parsed = match digits.split_once('.') {
            None => number(digits),
            Some((high, low)) => match (number(high), number(low)) {
                (Some(high @ 0..=0xffff), Some(low @ 0..=0xffff)) => Some((high << 16) | low),
                _ => None,
            },
        };
        parsed.map(Self).ok_or_else(|| AsnError {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("64496", Some(64_496))]
    #[case("AS64496", Some(64_496))]
    #[case("1.10", Some(65_546))]
    #[case("4294967295", Some(u32::MAX))]
    #[case("4294967296", None)]
    #[case("1.65536", None)]
    #[case("+1", None)]
    #[case("-1", None)]
    #[case("", None)]
    #[case("AS", None)]
    fn text_is_read_in_plain_and_dotted_form(#[case] text: &str, #[case] asn: Option<u32>) {
        assert_eq!(text.parse().ok(), asn.map(Asn));
    }

    #[rstest]
    #[case(64_511, false, true)]
    #[case(64_512, true, false)]
    #[case(65_534, true, false)]
    #[case(65_535, false, false)]
    #[case(65_551, false, true)]
    #[case(4_199_999_999, false, false)]
    #[case(4_200_000_000, true, false)]
    fn ranges_end_where_the_rfcs_say(
        #[case] asn: u32,
        #[case] private: bool,
        #[case] documentation: bool,
    ) {
        assert_eq!(Asn(asn).is_private(), private);
        assert_eq!(Asn(asn).is_documentation(), documentation);
    }
}
