//! Lists that people keep: of prefixes (what is announced from many places at once), of networks (who scrubs the
//! traffic of others, which ASNs are route servers of exchange points), and of links (who was seen beside whom).
//!
//! Text form: one entry per line; `#` begins a comment, empty lines are passed over. Of prefixes an entry is
//! `address/length`, IPv4 or IPv6, host bits cleared; of networks an AS number (`AS` may stand before it) or a range of
//! them (`64496-64511`); of links two AS numbers in any order (`64496|64497`).

use std::ops::RangeInclusive;

use rustc_hash::FxHashSet;
use weir_events::time::parse_rfc3339;

use crate::{Asn, Prefix};

/// Most entries of a list: some times what any such list in public has.
pub const MAX_ENTRIES: usize = 1 << 20;

/// A list of prefixes that is to excuse somebody holds none of fewer bits: a slip would excuse everybody.
const SHORTEST: u8 = 8;

const A_PREFIX: &str = "a prefix, `address/length`, of 8 bits or more";
const A_LINK: &str = "two AS numbers, `64496|64497`";
const A_NETWORK: &str = "an AS number, or a range like `64496-64511`";

/// Text that is no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// A line with something else in it.
    #[error("line {line}: \"{text}\" is no entry: expected {expected}")]
    Line {
        /// From 1 on.
        line: usize,
        /// Its beginning.
        text: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// More than anybody needs.
    #[error("line {line}: more than the {MAX_ENTRIES} entries that are read")]
    TooMany {
        /// The first line that is one too many.
        line: usize,
    },
    /// Not one entry in it.
    #[error("no entry in it: expected lines of {expected}")]
    Empty {
        /// What a line should have been.
        expected: &'static str,
    },
}

/// How old a text is, by the first comment that says so before any entry (`# as of 2026-11-21`): the beginning of the
/// day in microseconds since the Unix epoch; `None` = it does not say.
#[must_use]
pub fn made_at_us(text: &[u8]) -> Option<i64> {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut comments = lines.take_while(|line| line.is_empty() || line.starts_with(b"#"));
    comments.find_map(|line| {
        let (_, day) = std::str::from_utf8(line).ok()?.split_once("as of ")?;
        parse_rfc3339(&format!("{}T00:00:00Z", day.get(..10)?))
    })
}

/// Prefixes, looked up by what lies in them. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixList {
    // Sorted, none covers another, so that the only candidate is the last one not above.
    prefixes: Vec<Prefix>,
}

impl FromIterator<Prefix> for PrefixList {
    /// What lies in another entry is no entry of its own.
    fn from_iter<I: IntoIterator<Item = Prefix>>(all: I) -> Self {
        let mut prefixes: Vec<Prefix> = all.into_iter().collect();
        prefixes.sort_unstable();
        // What it covers follows a prefix at once.
        prefixes.dedup_by(|next, kept| kept.covers(next));
        Self { prefixes }
    }
}

impl PrefixList {
    /// Reads a list.
    ///
    /// # Errors
    /// When a line is no prefix, or one of fewer than 8 bits: nothing is read then.
    pub fn parse(text: &[u8]) -> Result<Self, ListError> {
        read(text, A_PREFIX, |entry| {
            let prefix: Prefix = entry.parse().ok()?;
            (prefix.length() >= SHORTEST).then_some(prefix)
        })
    }

    /// The listed prefix that holds this one, or is it.
    #[must_use]
    pub fn covering(&self, prefix: &Prefix) -> Option<Prefix> {
        let after = self.prefixes.partition_point(|listed| listed <= prefix);
        let listed = self.prefixes.get(after.checked_sub(1)?)?;
        listed.covers(prefix).then_some(*listed)
    }

    /// The entries, sorted.
    #[must_use]
    pub fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }
}

/// Networks, by number. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsnList {
    // Sorted, disjoint.
    ranges: Vec<RangeInclusive<u32>>,
}

impl FromIterator<RangeInclusive<u32>> for AsnList {
    /// Ranges that share a number become one; empty ones are left out.
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u32>>>(all: I) -> Self {
        let all = all.into_iter().filter(|range| !range.is_empty());
        let mut ranges: Vec<_> = all.collect();
        ranges.sort_unstable_by_key(|range| *range.start());
        ranges.dedup_by(|next, kept| {
            // Neighbours stay apart, so that a part can be left out by name.
            let overlaps = next.start() <= kept.end();
            if overlaps {
                *kept = *kept.start()..=*kept.end().max(next.end());
            }
            overlaps
        });
        Self { ranges }
    }
}

impl AsnList {
    /// Reads a list.
    ///
    /// # Errors
    /// When a line is neither a number nor a range of them: nothing is read then.
    pub fn parse(text: &[u8]) -> Result<Self, ListError> {
        read(text, A_NETWORK, asn_range)
    }

    /// True when the network is listed.
    #[must_use]
    pub fn contains(&self, asn: Asn) -> bool {
        let after = self.ranges.partition_point(|range| *range.start() <= asn.0);
        let last = after.checked_sub(1).and_then(|at| self.ranges.get(at));
        last.is_some_and(|range| range.contains(&asn.0))
    }

    /// The entries, sorted.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.ranges
    }
}

/// Pairs of networks that stood side by side on paths. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkList {
    // The lesser number first.
    links: FxHashSet<(Asn, Asn)>,
}

impl FromIterator<(Asn, Asn)> for LinkList {
    fn from_iter<I: IntoIterator<Item = (Asn, Asn)>>(all: I) -> Self {
        let sorted = |(one, other): (Asn, Asn)| (one.min(other), one.max(other));
        let links = all.into_iter().map(sorted).collect();
        Self { links }
    }
}

impl LinkList {
    /// Reads a list.
    ///
    /// # Errors
    /// When a line is not two AS numbers: nothing is read then.
    pub fn parse(text: &[u8]) -> Result<Self, ListError> {
        read(text, A_LINK, |entry| {
            let (one, other) = entry.split_once('|')?;
            Some((one.trim().parse().ok()?, other.trim().parse().ok()?))
        })
    }

    /// True when the two were seen side by side.
    #[must_use]
    pub fn contains(&self, one: Asn, other: Asn) -> bool {
        self.links.contains(&(one.min(other), one.max(other)))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Each link, the lesser number first, in order.
    #[must_use]
    pub fn sorted(&self) -> Vec<(Asn, Asn)> {
        let mut links: Vec<_> = self.links.iter().copied().collect();
        links.sort_unstable();
        links
    }
}

/// Reads `64496`, `AS64496` or `64496-64511`; `None` = it is neither, or runs backwards.
pub(crate) fn asn_range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<Asn>().ok().map(|asn| asn.0);
    let range = number(first)?..=number(last)?;
    (!range.is_empty()).then_some(range)
}

/// The entries of a text with their lines, from 1 on: without comments, blanks and empty lines.
pub(crate) fn entries(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
    let entry = |line: &'_ [u8]| line.iter().position(|byte| *byte == b'#');
    lines
        .map(move |(number, line)| {
            let until = entry(line).unwrap_or(line.len());
            (number, line.get(..until).unwrap_or_default().trim_ascii())
        })
        .filter(|(_, entry)| !entry.is_empty())
}

/// What is quoted of a line that cannot be read.
pub(crate) fn quoted(entry: &[u8]) -> String {
    String::from_utf8_lossy(entry).chars().take(40).collect()
}

fn read<T, L: FromIterator<T>>(
    text: &[u8],
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<L, ListError> {
    let mut all = Vec::new();
    for (line, entry) in entries(text) {
        if all.len() == MAX_ENTRIES {
            return Err(ListError::TooMany { line });
        }
        let read = std::str::from_utf8(entry).ok().and_then(&parse);
        all.push(read.ok_or_else(|| ListError::Line {
            line,
            text: quoted(entry),
            expected,
        })?);
    }
    if all.is_empty() {
        return Err(ListError::Empty { expected });
    }
    Ok(all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "# ours\n\n# as of 2026-11-21, by hand\n10.0.0.0/8",
        Some(1_795_219_200_000_000)
    )]
    #[case("10.0.0.0/8\n# as of 2026-11-21", None)]
    #[case("# as of 2026-13-21", None)]
    #[case("# as of today", None)]
    fn a_list_may_say_how_old_it_is(#[case] text: &str, #[case] made_at_us: Option<i64>) {
        assert_eq!(super::made_at_us(text.as_bytes()), made_at_us);
    }

    const PREFIXES: &str =
        "# anycast\n198.51.100.0/24 # a name server\r\n\n  2001:db8::/32\n198.51.100.128/25\n";

    #[rstest]
    #[case::it("198.51.100.0/24", true)]
    #[case::a_part("198.51.100.0/25", true)]
    #[case::a_part_that_is_listed_too("198.51.100.192/26", true)]
    #[case::what_holds_it("198.51.0.0/16", false)]
    #[case::the_next("198.51.101.0/24", false)]
    #[case::ipv6("2001:db8:1::/48", true)]
    #[case::everything("::/0", false)]
    fn what_lies_in_an_entry_is_listed(#[case] prefix: &str, #[case] is_listed: bool) {
        let list = PrefixList::parse(PREFIXES.as_bytes()).unwrap();
        assert_eq!(list.prefixes().len(), 2);
        let prefix = prefix.parse().unwrap();
        assert_eq!(list.covering(&prefix).is_some(), is_listed);
    }

    #[rstest]
    #[case(64_495, false)]
    #[case(64_496, true)]
    #[case(64_499, true)]
    #[case(64_500, false)]
    #[case(64_511, true)]
    #[case(u32::MAX, false)]
    fn a_network_is_listed_by_number_or_range(#[case] asn: u32, #[case] is_listed: bool) {
        let list = AsnList::parse(b"AS64511 # one\n64496 - 64498\n64498-64499\n").unwrap();
        assert_eq!(list.ranges(), [64_496..=64_499, 64_511..=64_511]);
        assert_eq!(list.contains(Asn(asn)), is_listed);
    }

    #[rstest]
    #[case::a_network(
        "198.51.100.0/24\n64496",
        "line 2: \"64496\" is no entry: expected a prefix"
    )]
    #[case::cut("198.51.100.0/24\n\n198.51.1", "line 3: \"198.51.1\"")]
    #[case::everything("0.0.0.0/0", "of 8 bits or more")]
    #[case::too_long("198.51.100.0/33", "line 1")]
    #[case::nothing("# only a remark\n", "no entry in it: expected lines of a prefix")]
    fn what_is_no_list_of_prefixes_is_refused_and_named(#[case] text: &str, #[case] why: &str) {
        let error = PrefixList::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[rstest]
    #[case::a_prefix(
        b"64496\n198.51.100.0/24",
        "line 2: \"198.51.100.0/24\" is no entry: expected an AS number"
    )]
    #[case::backwards(b"64511-64496", "line 1")]
    #[case::too_great(b"4294967296", "line 1")]
    #[case::no_text(b"64496\n\xff\xfe", "line 2")]
    #[case::nothing(b"", "no entry in it: expected lines of an AS number")]
    fn what_is_no_list_of_networks_is_refused_and_named(#[case] text: &[u8], #[case] why: &str) {
        let error = AsnList::parse(text).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn a_link_is_listed_in_any_order() {
        let list = LinkList::parse(b"64497|64496 # seen\n AS64498 | 64496\n64496|64497\n").unwrap();
        assert_eq!(list.len(), 2);
        assert!(list.contains(Asn(64_496), Asn(64_497)) && list.contains(Asn(64_496), Asn(64_498)));
        assert!(!list.contains(Asn(64_497), Asn(64_498)));
        for text in ["64496", "64496|", "64496|64497|0", "64496 64497"] {
            let error = LinkList::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("expected two AS numbers"), "{error}");
        }
    }

    #[test]
    fn a_list_has_a_limit() {
        let text = "64496\n".repeat(MAX_ENTRIES + 1);
        let line = MAX_ENTRIES + 1;
        assert_eq!(
            AsnList::parse(text.as_bytes()),
            Err(ListError::TooMany { line })
        );
        assert!(AsnList::parse(&text.as_bytes()[6..]).is_ok());
    }

    fn prefix() -> impl Strategy<Value = Prefix> {
        (any::<u8>(), 8_u8..=12).prop_map(|(second, length)| {
            Prefix::new([10 + (second & 3), second, 0, 0].into(), length).unwrap()
        })
    }

    proptest! {
        #[test]
        fn a_list_says_what_going_through_it_would_say(
            prefixes in prop::collection::vec(prefix(), 1..12),
            ranges in prop::collection::vec((0_u32..40, 0_u32..6), 1..12),
            asked in prefix(),
            asn in 0_u32..50,
        ) {
            let list: PrefixList = prefixes.iter().copied().collect();
            let is_listed = prefixes.iter().any(|listed| listed.covers(&asked));
            prop_assert_eq!(list.covering(&asked).is_some(), is_listed);
            let ranges: Vec<_> = ranges.iter().map(|(first, more)| *first..=first + more).collect();
            let list: AsnList = ranges.iter().cloned().collect();
            let is_listed = ranges.iter().any(|range| range.contains(&asn));
            prop_assert_eq!(list.contains(Asn(asn)), is_listed);
        }

        #[test]
        fn what_a_list_writes_it_reads(prefixes in prop::collection::vec(prefix(), 1..12)) {
            let list: PrefixList = prefixes.into_iter().collect();
            let text: String = list.prefixes().iter().map(|prefix| format!("{prefix}\n")).collect();
            prop_assert_eq!(PrefixList::parse(text.as_bytes()), Ok(list));
        }
    }
}
