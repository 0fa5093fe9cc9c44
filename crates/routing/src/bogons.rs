//! Prefixes and AS numbers that have no place in the global routing table: the NLNOG bogon list
//! (<https://bgpfilterguide.nlnog.net>) as a dated value, never a global.
//!
//! Every documentation prefix and ASN is on the real list, and so are the ranges that synthetic
//! loads use; fixtures and scenarios take [`Bogons::without_documentation`] or parse their own.
//!
//! Text form: one entry per line, a prefix, an ASN (`AS` may stand before it) or a range of ASNs
//! (`64496-64511`); `#` begins a comment.

use std::{fmt, ops::RangeInclusive};

use crate::{asn::Asn, prefix::Prefix};

/// The list of 2026-11-21: <https://bgpfilterguide.nlnog.net/guides/bogon_prefixes> and
/// `bogon_asns`. `2000::/3` is not in it: what lies outside is, prefix by prefix.
const NLNOG: &str = include_str!("bogons/nlnog.txt");

/// A list of what must not be announced. Cheap to ask, immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bogons {
    // Sorted, none covers another, so that the only candidate is the last one not above.
    prefixes: Vec<Prefix>,
    // Sorted, disjoint.
    asns: Vec<RangeInclusive<u32>>,
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
        Self {
            prefixes: list
                .prefixes
                .into_iter()
                .filter(|prefix| !documentation(prefix))
                .collect(),
            asns: list
                .asns
                .into_iter()
                .filter(|range| !Asn(*range.start()).is_documentation())
                .collect(),
        }
    }

    /// A list of one's own; entries may overlap.
    pub fn new(
        prefixes: impl IntoIterator<Item = Prefix>,
        asns: impl IntoIterator<Item = RangeInclusive<u32>>,
    ) -> Self {
        let mut list = Self {
            prefixes: prefixes.into_iter().collect(),
            asns: asns.into_iter().collect(),
        };
        list.prefixes.sort_unstable();
        // What it covers follows a prefix at once.
        list.prefixes.dedup_by(|next, kept| kept.covers(next));
        list.asns.retain(|range| !range.is_empty());
        list.asns.sort_unstable_by_key(|range| *range.start());
        list.asns.dedup_by(|next, kept| {
            // Neighbours stay apart, so that a part can be left out by name.
            let overlaps = next.start() <= kept.end();
            if overlaps {
                *kept = *kept.start()..=*kept.end().max(next.end());
            }
            overlaps
        });
        list
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// Names the first line that is no entry.
    pub fn parse(text: &str) -> Result<Self, BogonsError> {
        let (mut prefixes, mut asns) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            if let Ok(prefix) = entry.parse() {
                prefixes.push(prefix);
            } else if let Some(range) = asn_range(entry) {
                asns.push(range);
            } else {
                return Err(BogonsError {
                    line: index + 1,
                    text: entry.to_owned(),
                });
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
        let after = self.prefixes.partition_point(|listed| listed <= prefix);
        let listed = self.prefixes.get(after.checked_sub(1)?)?;
        listed.covers(prefix).then_some(*listed)
    }

    /// True when the ASN is listed.
    #[must_use]
    pub fn contains_asn(&self, asn: Asn) -> bool {
        let after = self.asns.partition_point(|range| *range.start() <= asn.0);
        after
            .checked_sub(1)
            .and_then(|index| self.asns.get(index))
            .is_some_and(|range| range.contains(&asn.0))
    }

    /// The listed prefixes, sorted.
    #[must_use]
    pub fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
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

fn asn_range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<Asn>().ok().map(|asn| asn.0);
    let range = number(first)?..=number(last)?;
    (!range.is_empty()).then_some(range)
}

impl fmt::Display for Bogons {
    /// The text form, which `parse` reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for prefix in &self.prefixes {
            writeln!(f, "{prefix}")?;
        }
        for range in &self.asns {
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
        assert_eq!(Bogons::parse(&list.to_string()), Ok(list));
    }

    #[rstest]
    #[case("10.0.0.0/8\nnonsense", 2)]
    #[case("64520-64512", 1)]
    #[case("10.0.0.0/33", 1)]
    fn a_line_that_is_no_entry_is_named(#[case] text: &str, #[case] line: usize) {
        assert_eq!(Bogons::parse(text).unwrap_err().line, line);
    }

    #[test]
    fn every_line_of_the_real_list_is_read() {
        let list = Bogons::parse(NLNOG).unwrap();
        assert_eq!(Bogons::nlnog(), list);
        assert_eq!(list.prefixes.iter().filter(|p| p.is_ipv4()).count(), 15);
        assert_eq!(list.asns.len(), 9);
    }
}
