//! Route origin validation (RFC 6811): who may originate a prefix, by the validated payloads (VRPs) that a
//! relying party made of the RPKI.
//!
//! Text form: the JSON of rpki-client, Routinator and StayRTR (`roas`), or a bare list of the same entries.

mod json;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{Asn, Origin, Prefix};

pub use json::RoaError;

/// One validated ROA payload: `asn` may originate `prefix` and its parts of at most `max_length` bits. AS0
/// stands for nobody (RFC 6483, 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrp {
    /// What may be originated.
    pub prefix: Prefix,
    /// Bits of the longest part, not below the prefix's own.
    pub max_length: u8,
    /// By whom.
    pub asn: Asn,
}

/// What the VRPs say of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Validity {
    /// No VRP covers the prefix.
    NotFound,
    /// One that covers it names the origin and allows the length.
    Valid,
    /// Some cover it, none of them matches.
    Invalid(Mismatch),
}

/// Why no VRP matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mismatch {
    /// The origin is named, but not for parts this long.
    Length,
    /// Others are named.
    Asn,
    /// Nobody may originate it.
    As0,
}

/// A set of VRPs, looked up by prefix. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vrps {
    // Who, and up to which length.
    by_prefix: FxHashMap<Prefix, SmallVec<[(Asn, u8); 1]>>,
    // Lengths that occur, ascending: IPv4, then IPv6.
    lengths: [Vec<u8>; 2],
}

impl FromIterator<Vrp> for Vrps {
    /// Repeated entries count once.
    fn from_iter<I: IntoIterator<Item = Vrp>>(all: I) -> Self {
        let mut vrps = Self::default();
        for vrp in all {
            let named = vrps.by_prefix.entry(vrp.prefix).or_default();
            let new = (vrp.asn, vrp.max_length);
            if !named.contains(&new) {
                named.push(new);
            }
            let lengths = &mut vrps.lengths[family(&vrp.prefix)];
            if let Err(at) = lengths.binary_search(&vrp.prefix.length()) {
                lengths.insert(at, vrp.prefix.length());
            }
        }
        vrps
    }
}

impl Vrps {
    /// Reads the JSON of a relying party.
    ///
    /// # Errors
    /// When the text is cut, or an entry is none: nothing is read of it then.
    pub fn from_json(text: &[u8]) -> Result<Self, RoaError> {
        Ok(json::read(text)?.into_iter().collect())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_prefix.values().map(SmallVec::len).sum()
    }

    /// True when there are none: then nothing is known, not everything allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }

    /// Judges an announcement. An AS_SET is no origin that could be named, and so never valid
    /// (RFC 6811, 2); neither is AS0.
    #[must_use]
    pub fn validate(&self, prefix: &Prefix, origin: &Origin) -> Validity {
        let origin = match origin {
            Origin::As(asn) if asn.0 != 0 => Some(*asn),
            Origin::As(_) | Origin::Set(_) => None,
        };
        let mut found = Validity::NotFound;
        for (asn, max_length) in self.covering(prefix) {
            let mismatch = if origin == Some(asn) {
                if prefix.length() <= max_length {
                    return Validity::Valid;
                }
                Mismatch::Length
            } else if asn.0 == 0 {
                Mismatch::As0
            } else {
                Mismatch::Asn
            };
            // The first in the order of `Mismatch` says most.
            found = match found {
                Validity::Invalid(before) => Validity::Invalid(before.min(mismatch)),
                _ => Validity::Invalid(mismatch),
            };
        }
        found
    }

    /// Who may originate the prefix or what it is a part of, whatever its length, ascending. Nobody (AS0) is
    /// left out.
    #[must_use]
    pub fn authorized(&self, prefix: &Prefix) -> Vec<Asn> {
        let named = self.covering(prefix).map(|(asn, _)| asn);
        let mut asns: Vec<Asn> = named.filter(|asn| asn.0 != 0).collect();
        asns.sort_unstable();
        asns.dedup();
        asns
    }

    /// The longest part of the prefix, or the prefix itself, that a network may originate, in bits; `None` = not even
    /// the prefix.
    #[must_use]
    pub fn longest_part(&self, prefix: &Prefix, asn: Asn) -> Option<u8> {
        let lengths = self.covering(prefix).filter(|(named, _)| *named == asn);
        let longest = lengths.map(|(_, max_length)| max_length).max();
        longest.filter(|longest| *longest >= prefix.length())
    }

    /// Every VRP, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Vrp> + '_ {
        self.by_prefix.iter().flat_map(|(prefix, named)| {
            named.iter().map(|(asn, max_length)| Vrp {
                prefix: *prefix,
                max_length: *max_length,
                asn: *asn,
            })
        })
    }

    /// Those that cover the prefix, the shortest first: who, and up to which length.
    fn covering(&self, prefix: &Prefix) -> impl Iterator<Item = (Asn, u8)> + '_ {
        let prefix = *prefix;
        self.lengths[family(&prefix)]
            .iter()
            .take_while(move |length| **length <= prefix.length())
            .filter_map(move |length| self.by_prefix.get(&prefix.truncated(*length)))
            .flatten()
            .copied()
    }
}

fn family(prefix: &Prefix) -> usize {
    usize::from(!prefix.is_ipv4())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn vrp(prefix: &str, max_length: u8, asn: u32) -> Vrp {
        Vrp {
            prefix: prefix.parse().unwrap(),
            max_length,
            asn: Asn(asn),
        }
    }

    /// Two networks, one of them with parts; one range for nobody; IPv6.
    fn some() -> Vrps {
        let all = [
            vrp("198.18.0.0/16", 20, 64_500),
            vrp("198.18.0.0/16", 16, 64_501),
            vrp("198.18.32.0/20", 24, 64_502),
            vrp("198.19.0.0/16", 32, 0),
            vrp("198.19.7.0/24", 24, 64_503),
            vrp("2001:db8::/32", 48, 64_500),
        ];
        all.into_iter().collect()
    }

    #[rstest]
    #[case::named("198.18.0.0/16", "64500", Validity::Valid)]
    #[case::a_part_that_may_be("198.18.16.0/20", "64500", Validity::Valid)]
    #[case::a_part_too_long("198.18.16.0/21", "64500", Validity::Invalid(Mismatch::Length))]
    #[case::no_part_may_be("198.18.16.0/20", "64501", Validity::Invalid(Mismatch::Length))]
    #[case::another("198.18.0.0/16", "64502", Validity::Invalid(Mismatch::Asn))]
    #[case::of_the_nearer("198.18.33.0/24", "64502", Validity::Valid)]
    #[case::of_the_farther("198.18.32.0/20", "64500", Validity::Valid)]
    #[case::of_neither("198.18.33.0/24", "64501", Validity::Invalid(Mismatch::Length))]
    #[case::for_nobody("198.19.8.0/24", "64503", Validity::Invalid(Mismatch::As0))]
    #[case::nobody_but_one("198.19.7.0/24", "64503", Validity::Valid)]
    #[case::as0_itself("198.19.8.0/24", "0", Validity::Invalid(Mismatch::As0))]
    #[case::a_set("198.18.0.0/16", "{64500,64501}", Validity::Invalid(Mismatch::Asn))]
    #[case::not_covered("198.51.100.0/24", "64500", Validity::NotFound)]
    #[case::less_specific("198.0.0.0/8", "64500", Validity::NotFound)]
    #[case::ipv6("2001:db8:1::/48", "64500", Validity::Valid)]
    #[case::ipv6_too_long("2001:db8:1::/49", "64500", Validity::Invalid(Mismatch::Length))]
    #[case::the_other_family("::/0", "64500", Validity::NotFound)]
    fn an_announcement_is_judged(
        #[case] prefix: &str,
        #[case] path: &str,
        #[case] expected: Validity,
    ) {
        let path: crate::AsPath = path.parse().unwrap();
        let found = some().validate(&prefix.parse().unwrap(), &path.origin().unwrap());
        assert_eq!(found, expected);
    }

    /// RFC 6811, 2, read aloud.
    fn by_the_letter(all: &[Vrp], prefix: &Prefix, asn: Asn) -> Validity {
        let covering = all.iter().filter(|vrp| vrp.prefix.covers(prefix));
        let matching =
            |vrp: &&Vrp| vrp.asn == asn && asn.0 != 0 && prefix.length() <= vrp.max_length;
        if covering.clone().any(|vrp| matching(&vrp)) {
            return Validity::Valid;
        }
        let why = covering.map(|vrp| match vrp.asn {
            Asn(0) => Mismatch::As0,
            named if named == asn => Mismatch::Length,
            _ => Mismatch::Asn,
        });
        why.min().map_or(Validity::NotFound, Validity::Invalid)
    }

    prop_compose! {
        // Few bits, so that they meet.
        fn any_vrp()(bits in any::<u8>(), length in 0..=10_u8, more in 0..4_u8, asn in 0..4_u32) -> Vrp {
            let address = std::net::Ipv4Addr::new(bits & 0b1100_0001, bits << 6, 0, 0);
            let prefix = Prefix::new(address.into(), length).unwrap();
            Vrp { prefix, max_length: length + more, asn: Asn(asn) }
        }
    }

    #[rstest]
    #[case::to_the_maximum("198.18.0.0/16", 64_500, Some(20))]
    #[case::of_a_part("198.18.16.0/20", 64_500, Some(20))]
    #[case::of_a_part_too_long("198.18.16.0/21", 64_500, None)]
    #[case::of_another("198.18.32.0/20", 64_501, None)]
    #[case::of_nobody("192.0.2.0/24", 64_500, None)]
    fn the_longest_part_is_that_of_the_network(
        #[case] of: &str,
        #[case] asn: u32,
        #[case] longest: Option<u8>,
    ) {
        let of = of.parse().unwrap();
        assert_eq!(some().longest_part(&of, Asn(asn)), longest);
    }

    #[test]
    fn every_vrp_is_given_back() {
        let all = some();
        assert_eq!(all.iter().count(), all.len());
        assert_eq!(all.iter().collect::<Vrps>().len(), all.len());
        let nobody: Vec<Vrp> = all.iter().filter(|vrp| vrp.asn.0 == 0).collect();
        assert_eq!(nobody, [vrp("198.19.0.0/16", 32, 0)]);
    }

    proptest! {
        #[test]
        fn the_look_up_says_what_the_rfc_says(all in prop::collection::vec(any_vrp(), 0..12), asked in any_vrp()) {
            let vrps: Vrps = all.iter().copied().collect();
            let found = vrps.validate(&asked.prefix, &Origin::As(asked.asn));
            prop_assert_eq!(found, by_the_letter(&all, &asked.prefix, asked.asn));
        }
    }
}
