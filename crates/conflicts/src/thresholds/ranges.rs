//! What each threshold may be. Outside of it nothing breaks, but nobody can have meant it: rules that are to be
//! tried are held against this before a long replay begins.

use std::ops::RangeInclusive;

use weir_routing::Asn;

use super::Thresholds;
use crate::damping;

/// A threshold that nobody can have meant.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RangeError {
    /// Too small or too great.
    #[error("`{key}` is {value}: expected {least} to {most}{unit}")]
    Outside {
        /// The threshold.
        key: &'static str,
        /// What was written.
        value: u64,
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
        /// What it counts, after a space.
        unit: &'static str,
    },
    /// Two thresholds that contradict each other.
    #[error("`{key}` is {value}: expected {relation} `{other}`, which is {limit}")]
    Order {
        /// The threshold.
        key: &'static str,
        /// What it is.
        value: u64,
        /// How it must lie to the other.
        relation: &'static str,
        /// The other one.
        other: &'static str,
        /// What that is.
        limit: u64,
    },
    /// A list that is too long.
    #[error("`{key}` has {entries} entries: expected {most} at most")]
    Long {
        /// The list.
        key: &'static str,
        /// How many stand in it.
        entries: usize,
        /// The most that may.
        most: usize,
    },
    /// AS 0 may stand nowhere (RFC 7607).
    #[error("`tier1` has AS 0, which is no network (RFC 7607)")]
    NoNetwork,
}

/// Ten years; longer than any archive.
const LONG_S: u64 = 10 * 366 * 86_400;
/// More vantage points than all public collectors have.
const PEERS: u64 = 10_000;
/// More prefixes than any table has.
const PREFIXES: u64 = 100_000_000;
/// The ASNs of 4 octets that fit into an UPDATE of 65535 octets (RFC 8654).
const PATH: u64 = 16_384;
/// The most entries of a list: they are gone through one by one.
const ENTRIES: usize = 10_000;

impl Thresholds {
    /// Every value that nobody can have meant, with what it may be.
    #[must_use]
    pub fn faults(&self) -> Vec<RangeError> {
        let numbers = self.numbers().into_iter();
        let outside = numbers.filter(|(_, value, range, _)| !range.contains(value));
        let outside = outside.map(|(key, value, range, unit)| RangeError::Outside {
            key,
            value,
            least: *range.start(),
            most: *range.end(),
            unit,
        });
        let lists = [("beacons", self.beacons.len()), ("tier1", self.tier1.len())];
        let long = lists.into_iter().filter(|(_, entries)| *entries > ENTRIES);
        let long = long.map(|(key, entries)| RangeError::Long {
            key,
            entries,
            most: ENTRIES,
        });
        let no_network = self.is_tier1(Asn(0)).then_some(RangeError::NoNetwork);
        outside
            .chain(self.contradictions())
            .chain(long)
            .chain(no_network)
            .collect()
    }

    /// Each number, with what it may be.
    fn numbers(&self) -> [(&'static str, u64, RangeInclusive<u64>, &'static str); 29] {
        let merit = u64::from(damping::CEILING);
        let (s, asns, bits, percent) = (" seconds", " ASNs", " bits", " percent");
        [
            (
                "confirm_at",
                self.confirm_at.into(),
                1..=PEERS,
                " peer ASNs",
            ),
            ("stable_after_s", self.stable_after_s.into(), 0..=LONG_S, s),
            (
                "settled_after_s",
                self.settled_after_s.into(),
                0..=LONG_S,
                s,
            ),
            (
                "reopen_within_s",
                self.reopen_within_s.into(),
                0..=LONG_S,
                s,
            ),
            ("fade_after_s", self.fade_after_s.into(), 1..=LONG_S, s),
            ("history_s", self.history_s.into(), 1..=LONG_S, s),
            ("long_path_over", count(self.long_path_over), 1..=PATH, asns),
            (
                "overlong_path_over",
                count(self.overlong_path_over),
                1..=PATH,
                asns,
            ),
            ("prepended_over", count(self.prepended_over), 1..=PATH, asns),
            ("longest_ipv4", self.longest_ipv4.into(), 1..=32, bits),
            ("longest_ipv6", self.longest_ipv6.into(), 1..=128, bits),
            (
                "flap_begins_at",
                self.flap_begins_at.into(),
                1..=merit,
                " points",
            ),
            (
                "flap_half_life_s",
                self.flap_half_life_s.into(),
                1..=86_400,
                s,
            ),
            (
                "visibility_lost_below_percent",
                self.visibility_lost_below_percent.into(),
                1..=100,
                percent,
            ),
            (
                "visibility_lost_after_s",
                self.visibility_lost_after_s.into(),
                0..=86_400,
                s,
            ),
            (
                "visibility_least_peers",
                self.visibility_least_peers.into(),
                1..=PEERS,
                " vantage points",
            ),
            (
                "visibility_remembered_s",
                self.visibility_remembered_s.into(),
                1..=LONG_S,
                s,
            ),
            (
                "full_feed_percent",
                self.full_feed_percent.into(),
                0..=100,
                percent,
            ),
            (
                "rpki_stale_after_s",
                self.rpki_stale_after_s.into(),
                0..=LONG_S,
                s,
            ),
            (
                "relations_stale_after_s",
                self.relations_stale_after_s.into(),
                0..=LONG_S,
                s,
            ),
            (
                "mass_at_least",
                self.mass_at_least.into(),
                2..=PREFIXES,
                " incidents",
            ),
            ("mass_within_s", self.mass_within_s.into(), 1..=86_400, s),
            (
                "outage_lost_percent",
                self.outage_lost_percent.into(),
                1..=100,
                " per cent",
            ),
            (
                "outage_within_s",
                self.outage_within_s.into(),
                1..=86_400,
                s,
            ),
            (
                "outage_least_prefixes",
                self.outage_least_prefixes.into(),
                1..=PREFIXES,
                " prefixes",
            ),
            (
                "peer_silent_after_s",
                self.peer_silent_after_s.into(),
                1..=LONG_S,
                s,
            ),
            (
                "peer_said_again_over",
                self.peer_said_again_over.into(),
                1..=PREFIXES,
                " prefixes",
            ),
            (
                "peer_clock_off_by_s",
                self.peer_clock_off_by_s.into(),
                1..=LONG_S,
                s,
            ),
            (
                "links_learned_after_s",
                self.links_learned_after_s.into(),
                0..=LONG_S,
                s,
            ),
        ]
    }

    fn contradictions(&self) -> impl Iterator<Item = RangeError> {
        let (begins, ends) = (self.flap_begins_at.into(), self.flap_ends_below.into());
        let flap = (!(1..=begins).contains(&ends)).then_some(RangeError::Order {
            key: "flap_ends_below",
            value: ends,
            relation: "1 to",
            other: "flap_begins_at",
            limit: begins,
        });
        let (long, overlong) = (count(self.long_path_over), count(self.overlong_path_over));
        let path = (overlong < long).then_some(RangeError::Order {
            key: "overlong_path_over",
            value: overlong,
            relation: "no less than",
            other: "long_path_over",
            limit: long,
        });
        flap.into_iter().chain(path)
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_defaults_are_within_their_ranges() {
        assert_eq!(Thresholds::default().faults(), []);
    }

    #[rstest]
    #[case(|t: &mut Thresholds| t.confirm_at = 0, "`confirm_at` is 0: expected 1 to 10000 peer ASNs")]
    #[case(|t: &mut Thresholds| t.longest_ipv4 = 33, "`longest_ipv4` is 33: expected 1 to 32 bits")]
    #[case(|t: &mut Thresholds| t.fade_after_s = 0, "`fade_after_s` is 0: expected 1 to 316224000 seconds")]
    #[case(|t: &mut Thresholds| t.history_s = u32::MAX, "`history_s` is 4294967295: expected 1 to 316224000 seconds")]
    #[case(|t: &mut Thresholds| t.flap_begins_at = 12_001, "`flap_begins_at` is 12001: expected 1 to 12000 points")]
    #[case(|t: &mut Thresholds| t.flap_ends_below = 6_001, "`flap_ends_below` is 6001: expected 1 to `flap_begins_at`, which is 6000")]
    #[case(|t: &mut Thresholds| t.long_path_over = 101, "`overlong_path_over` is 100: expected no less than `long_path_over`, which is 101")]
    #[case(|t: &mut Thresholds| t.tier1 = vec![1; 10_001], "`tier1` has 10001 entries: expected 10000 at most")]
    #[case(|t: &mut Thresholds| t.tier1.push(0), "`tier1` has AS 0, which is no network (RFC 7607)")]
    fn a_threshold_that_nobody_can_have_meant_is_refused_with_what_it_may_be(
        #[case] spoil: fn(&mut Thresholds),
        #[case] told: &str,
    ) {
        let mut thresholds = Thresholds::default();
        spoil(&mut thresholds);
        let faults: Vec<_> = thresholds
            .faults()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(faults, [told]);
    }
}
