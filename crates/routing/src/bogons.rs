//! Prefixes and AS numbers that have no place in the global routing table: the NLNOG bogon list
//! (<https://bgpfilterguide.nlnog.net>) as a dated value, never a global.
//!
//! Every documentation prefix and ASN is on the real list, and so are the ranges that synthetic
//! loads use; fixtures and scenarios take [`Bogons::without_documentation`] or parse their own.
//!
//! Text form: one entry per line, a prefix, an ASN (`AS` may stand before it) or a range of ASNs
//! (`64496-64511`); `#` begins a comment. A comment before the first entry may say how old it is: `as of 2026-11-21`.

use std::{fmt, ops::RangeInclusive};

use crate::{
    asn::Asn,
    delegated::Delegated,
    lists::{self, AsnList, PrefixList, asn_range},
    prefix::Prefix,
};

/// The list of 2026-11-21: <https://bgpfilterguide.nlnog.net/guides/bogon_prefixes> and
/// `bogon_asns`. `2000::/3` is not in it: what lies outside is, prefix by prefix.
const NLNOG: &str = include_str!("bogons/nlnog.txt");

/// A list of what must not be announced. Cheap to ask, immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bogons {
    prefixes: PrefixList,
    asns: AsnList,
}

/// A line that is no entry.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: \"{text}\" is not a prefix, an AS number or a range of AS numbers")]
pub struct BogonsError {
    /// Counted from 1.
    pub line: usize,
    /// What was read.
    pub text: String,
}

impl Bogons {
    /// The real list.
    #[must_use]
    pub fn nlnog() -> Self {
        // A test reads every line of it.
        Self::parse(NLNOG).unwrap_or_default()
    }

    /// The real list without documentation prefixes (RFC 5737, 3849, 9637) and ASNs (RFC 5398),
    /// for fixtures. 10/8, 198.18/15, 240/4, fc00::/7 and private ASNs stay on it: a synthetic
    /// load that uses them brings its own list ([`Bogons::new`]).
    #[must_use]
    pub fn without_documentation() -> Self {
        let list = Self::nlnog();
        let documentation =
            |prefix: &Prefix| DOCUMENTATION.iter().any(|text| text.parse() == Ok(*prefix));
        let (prefixes, asns) = (list.prefixes.prefixes(), list.asns.ranges());
        let prefixes = prefixes.iter().filter(|prefix| !documentation(prefix));
        let asns = asns
            .iter()
            .filter(|range| !Asn(*range.start()).is_documentation());
        Self::new(prefixes.copied(), asns.cloned())
    }

    /// A list of one's own; entries may overlap.
    pub fn new(
        prefixes: impl IntoIterator<Item = Prefix>,
        asns: impl IntoIterator<Item = RangeInclusive<u32>>,
    ) -> Self {
        Self {
            prefixes: prefixes.into_iter().collect(),
            asns: asns.into_iter().collect(),
        }
    }

    /// This list, and what these registries have given to nobody.
    #[must_use]
    pub fn and_unallocated(self, registries: &[Delegated]) -> Self {
        let prefixes = registries.iter().flat_map(|file| &file.prefixes);
        let asns = registries.iter().flat_map(|file| &file.asns);
        Self::new(
            self.prefixes().iter().chain(prefixes).copied(),
            self.asns.ranges().iter().chain(asns).cloned(),
        )
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// Names the first line that is no entry.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, BogonsError> {
        let (mut prefixes, mut asns) = (Vec::new(), Vec::new());
        for (line, entry) in lists::entries(text.as_ref()) {
            let as_text = std::str::from_utf8(entry).unwrap_or_default();
            if let Some(prefix) = Prefix::from_ascii(entry) {
                prefixes.push(prefix);
            } else if let Some(range) = asn_range(as_text) {
                asns.push(range);
            } else {
                let text = lists::quoted(entry);
                return Err(BogonsError { line, text });
            }
        }
        Ok(Self::new(prefixes, asns))
    }

    /// True when the prefix lies inside a listed one. A covering prefix, like a default route, is
    /// not a bogon.
    #[must_use]
    pub fn contains(&self, prefix: &Prefix) -> bool {
        self.covering(prefix).is_some()
    }

    /// The listed prefix that holds this one.
    #[must_use]
    pub fn covering(&self, prefix: &Prefix) -> Option<Prefix> {
        self.prefixes.covering(prefix)
    }

    /// True when the ASN is listed.
    #[must_use]
    pub fn contains_asn(&self, asn: Asn) -> bool {
        self.asns.contains(asn)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prefixes().len() + self.asns.ranges().len()
    }

    /// True when nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The listed prefixes, sorted.
    #[must_use]
    pub fn prefixes(&self) -> &[Prefix] {
        self.prefixes.prefixes()
    }
}

/// RFC 5737, 3849 and 9637.
const DOCUMENTATION: [&str; 5] = [
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001:db8::/32",
    "3fff::/20",
];

impl fmt::Display for Bogons {
    /// The text form, which `parse` reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for prefix in self.prefixes() {
            writeln!(f, "{prefix}")?;
        }
        for range in self.asns.ranges() {
            match (range.start(), range.end()) {
                (first, last) if first == last => writeln!(f, "{first}")?,
                (first, last) => writeln!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[rstest]
    #[case("10.0.0.0/8", true)]
    #[case("10.1.2.0/24", true)]
    #[case("0.0.0.0/0", false)]
    #[case("8.0.0.0/6", false)]
    #[case("100.63.0.0/16", false)]
    #[case("100.127.255.0/24", true)]
    #[case("192.0.2.0/24", true)]
    #[case("198.51.100.0/25", true)]
    #[case("239.1.1.0/24", true)]
    #[case("255.255.255.255/32", true)]
    #[case("::/0", false)]
    #[case("2000::/3", false)]
    #[case("2001:db8::/32", true)]
    #[case("2001:67c::/32", false)]
    #[case("2003::/19", false)]
    #[case("3ffe:1::/32", true)]
    #[case("4000::/3", true)]
    #[case("5f00::/16", true)]
    #[case("7000::/16", true)]
    #[case("a000::/16", true)]
    #[case("1000::/16", true)]
    #[case("fe80::/64", true)]
    fn the_real_list_knows_what_has_no_place(#[case] text: &str, #[case] bogon: bool) {
        assert_eq!(Bogons::nlnog().contains(&prefix(text)), bogon, "{text}");
    }

    #[rstest]
    #[case(0, true)]
    #[case(1, false)]
    #[case(23_456, true)]
    #[case(64_495, false)]
    #[case(64_496, true)]
    #[case(65_535, true)]
    #[case(131_071, true)]
    #[case(131_072, false)]
    #[case(4_199_999_999, false)]
    #[case(4_200_000_000, true)]
    #[case(u32::MAX, true)]
    fn the_real_list_knows_its_asns(#[case] asn: u32, #[case] bogon: bool) {
        assert_eq!(Bogons::nlnog().contains_asn(Asn(asn)), bogon);
    }

    #[test]
    fn fixtures_may_use_documentation_ranges_but_nothing_else() {
        let list = Bogons::without_documentation();
        for text in DOCUMENTATION {
            assert!(!list.contains(&prefix(text)), "{text}");
        }
        assert!(list.contains(&prefix("10.0.0.0/8")));
        for asn in [64_496, 64_511, 65_536, 65_551] {
            assert!(!list.contains_asn(Asn(asn)), "{asn}");
        }
        for asn in [64_512, 65_535, 65_552] {
            assert!(list.contains_asn(Asn(asn)), "{asn}");
        }
    }

    #[test]
    fn text_may_have_comments_ranges_and_overlaps() {
        let list = Bogons::parse(
            "# ours\n10.0.0.0/8 # private\n10.1.0.0/16\n\n AS64512 - 64520\n64518-64530\n7\n",
        )
        .unwrap();
        assert_eq!(list.to_string(), "10.0.0.0/8\n7\n64512-64530\n");
        assert_eq!(Bogons::parse(list.to_string()), Ok(list));
    }

    #[rstest]
    #[case("10.0.0.0/8\nnonsense", 2)]
    #[case("64520-64512", 1)]
    #[case("10.0.0.0/33", 1)]
    fn a_line_that_is_no_entry_is_named(#[case] text: &str, #[case] line: usize) {
        assert_eq!(Bogons::parse(text).unwrap_err().line, line);
    }

    #[test]
    fn what_registries_have_given_to_nobody_is_added() {
        let file =
            b"2|r|1|3|0|20261120|+0\nr||ipv4|198.51.100.0|768||available\nr||asn|7|2||reserved\n\
                     r||ipv6|2001:db8::|32||allocated";
        let file = Delegated::parse(file).unwrap();
        let list = Bogons::parse("198.51.102.0/23\n8-9").unwrap();
        let both = list.and_unallocated(&[file]);
        assert_eq!(both.to_string(), "198.51.100.0/23\n198.51.102.0/23\n7-9\n");
        assert_eq!(both.len(), 3);
    }

    #[test]
    fn the_built_in_list_says_how_old_it_is() {
        let made_at_us = lists::made_at_us(NLNOG.as_bytes());
        assert_eq!(made_at_us, Some(1_795_219_200_000_000));
    }

    #[test]
    fn every_line_of_the_real_list_is_read() {
        let list = Bogons::parse(NLNOG).unwrap();
        assert_eq!(Bogons::nlnog(), list);
        assert_eq!(list.prefixes().iter().filter(|p| p.is_ipv4()).count(), 15);
        assert_eq!(list.asns.ranges().len(), 9);
    }
}
