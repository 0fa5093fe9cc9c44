//! Every number that a rule or the life of an incident turns on, as one value.

mod ranges;

pub use ranges::RangeError;

use serde::{Deserialize, Serialize};
use weir_events::time::SECOND_US;
use weir_routing::{Asn, Prefix};

/// Thresholds of the detector. Times are stream time (the greatest Tick) in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// K: an incident is confirmed when peers of so many distinct ASNs carry it in routes that are
    /// not stale. 1 confirms at once; 0 is read as 1.
    pub confirm_at: u32,
    /// An origin this old is stable.
    pub stable_after_s: u32,
    /// A covering prefix known for less is no ground for a sub-prefix incident: it is counted. A route that has stood
    /// for less says nothing of who carries whom.
    pub settled_after_s: u32,
    /// An incident that ended less than this ago is re-opened under its id.
    pub reopen_within_s: u32,
    /// A suspected incident without any change for this long has faded.
    pub fade_after_s: u32,
    /// An origin that was last seen before this is forgotten.
    pub history_s: u32,
    /// A path of a greater length (RFC 4271, 9.1.2.2 a: prepends count each, a set once) is long.
    pub long_path_over: usize,
    /// A path with more ASNs than this is a danger to routers that are old.
    pub overlong_path_over: usize,
    /// An ASN that stands more often than this in a row makes a path long.
    pub prepended_over: usize,
    /// A longer IPv4 prefix is too specific for the global table.
    pub longest_ipv4: u8,
    /// A longer IPv6 prefix is too specific for the global table.
    pub longest_ipv6: u8,
    /// A route with as many points flaps (RFC 2439: 1000 for a withdrawal, 500 for another path; none when the route
    /// before had stood for a half-life). Below 6000 it is mostly routers that look for another way after one change
    /// (RFC 7196, 4) ...
    pub flap_begins_at: u32,
    /// ... until it has less than this.
    pub flap_ends_below: u32,
    /// In so many seconds half of the points go.
    pub flap_half_life_s: u32,
    /// Of the full-feed vantage points that carried a prefix, so many in a hundred must carry it still; with fewer, ...
    pub visibility_lost_below_percent: u32,
    /// ... for so many seconds, its visibility is lost.
    pub visibility_lost_after_s: u32,
    /// Of fewer vantage points that carried it, nothing is said.
    pub visibility_least_peers: u32,
    /// Who withdrew a prefix so many seconds ago does not have to carry it any more.
    pub visibility_remembered_s: u32,
    /// A vantage point is one of the full feed when it has so many in a hundred of the prefixes of an address block that
    /// the last of `visibility_least_peers` has.
    pub full_feed_percent: u32,
    /// Prefixes that are announced and withdrawn on purpose, to be watched.
    pub beacons: Vec<Prefix>,
    /// VRPs and ASPAs of longer ago raise nothing.
    pub rpki_stale_after_s: u32,
    /// Lists of relations of longer ago raise nothing: who buys from whom changes, and lists are made anew each month.
    pub relations_stale_after_s: u32,
    /// Who stands beside whom has to be seen for as long before anything about it is strange, if no RIB tells it.
    pub links_learned_after_s: u32,
    /// So many incidents of one suspect, and of one victim where that is what they are about ...
    pub mass_at_least: u32,
    /// ... within as many seconds are one.
    pub mass_within_s: u32,
    /// An origin that loses so many of a hundred prefixes ...
    pub outage_lost_percent: u32,
    /// ... within as many seconds is cut off ...
    pub outage_within_s: u32,
    /// ... if it had as many.
    pub outage_least_prefixes: u32,
    /// A vantage point that is silent for less is not.
    pub peer_silent_after_s: u32,
    /// A vantage point that announces so many prefixes within a minute as they were says its table again.
    pub peer_said_again_over: u32,
    /// A vantage point's clock may be off by as much.
    pub peer_clock_off_by_s: u32,
    /// Networks that buy transit from nobody.
    pub tier1: Vec<u32>,
}

/// The networks that are commonly said to be free of transit: a default to be corrected, not a source.
const TIER1: [u32; 16] = [
    174, 701, 1239, 1299, 2914, 3257, 3320, 3356, 3491, 5511, 6453, 6461, 6762, 6830, 7018, 12_956,
];

/// Routing beacons of RIPE RIS, with the anchors beside them.
const BEACONS: [&str; 3] = ["84.205.64.0/19", "93.175.144.0/20", "2001:7fb:fe00::/40"];

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            confirm_at: 3,
            stable_after_s: 86_400,
            settled_after_s: 600,
            reopen_within_s: 600,
            fade_after_s: 3_600,
            history_s: 30 * 86_400,
            long_path_over: 50,
            overlong_path_over: 100,
            prepended_over: 15,
            longest_ipv4: 24,
            longest_ipv6: 48,
            flap_begins_at: 6_000,
            flap_ends_below: 750,
            flap_half_life_s: 900,
            visibility_lost_below_percent: 50,
            visibility_lost_after_s: 60,
            visibility_least_peers: 10,
            visibility_remembered_s: 86_400,
            full_feed_percent: 20,
            beacons: BEACONS
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
            rpki_stale_after_s: 7_200,
            relations_stale_after_s: 120 * 86_400,
            links_learned_after_s: 7 * 86_400,
            mass_at_least: 20,
            mass_within_s: 300,
            outage_lost_percent: 50,
            outage_within_s: 300,
            outage_least_prefixes: 10,
            peer_silent_after_s: 60,
            peer_said_again_over: 1_000,
            peer_clock_off_by_s: 60,
            tier1: TIER1.to_vec(),
        }
    }
}

impl Thresholds {
    /// K, at least 1.
    #[must_use]
    pub fn peers_to_confirm(&self) -> usize {
        usize::try_from(self.confirm_at.max(1)).unwrap_or(usize::MAX)
    }

    /// True for a default route, and for what is too specific for the global table.
    #[must_use]
    pub fn is_odd_length(&self, prefix: &Prefix) -> bool {
        let longest = if prefix.is_ipv4() {
            self.longest_ipv4
        } else {
            self.longest_ipv6
        };
        prefix.is_default() || prefix.length() > longest
    }

    /// True for what is announced and withdrawn on purpose.
    #[must_use]
    pub fn is_beacon(&self, prefix: &Prefix) -> bool {
        self.beacons.iter().any(|beacon| beacon.covers(prefix))
    }

    /// True for a network that buys transit from nobody.
    #[must_use]
    pub fn is_tier1(&self, asn: Asn) -> bool {
        self.tier1.contains(&asn.0)
    }

    /// Age of a stable origin in microseconds.
    #[must_use]
    pub fn stable_after_us(&self) -> i64 {
        i64::from(self.stable_after_s) * SECOND_US
    }

    /// Age of a settled covering prefix in microseconds.
    #[must_use]
    pub fn settled_after_us(&self) -> i64 {
        i64::from(self.settled_after_s) * SECOND_US
    }

    /// Window of re-opening in microseconds.
    #[must_use]
    pub fn reopen_within_us(&self) -> i64 {
        i64::from(self.reopen_within_s) * SECOND_US
    }

    /// Silence after which a suspicion fades, in microseconds.
    #[must_use]
    pub fn fade_after_us(&self) -> i64 {
        i64::from(self.fade_after_s) * SECOND_US
    }

    /// Time in which half of the points of a restless route go, in microseconds.
    #[must_use]
    pub fn flap_half_life_us(&self) -> i64 {
        i64::from(self.flap_half_life_s.max(1)) * SECOND_US
    }

    /// How long too few must have carried a prefix, in microseconds.
    #[must_use]
    pub fn visibility_lost_after_us(&self) -> i64 {
        i64::from(self.visibility_lost_after_s) * SECOND_US
    }

    /// How long a withdrawal counts as a loss, in microseconds.
    #[must_use]
    pub fn visibility_remembered_us(&self) -> i64 {
        i64::from(self.visibility_remembered_s) * SECOND_US
    }

    /// Age at which VRPs and ASPAs are stale, in microseconds.
    #[must_use]
    pub fn rpki_stale_after_us(&self) -> i64 {
        i64::from(self.rpki_stale_after_s) * SECOND_US
    }

    /// Age at which a list of relations is stale, in microseconds.
    #[must_use]
    pub fn relations_stale_after_us(&self) -> i64 {
        i64::from(self.relations_stale_after_s) * SECOND_US
    }

    /// How long links are learned, in microseconds.
    #[must_use]
    pub fn links_learned_after_us(&self) -> i64 {
        i64::from(self.links_learned_after_s) * SECOND_US
    }

    /// Life of an origin after it was last seen, in microseconds.
    #[must_use]
    pub fn history_us(&self) -> i64 {
        i64::from(self.history_s) * SECOND_US
    }
}
