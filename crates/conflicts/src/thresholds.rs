//! Every number that a rule or the life of an incident turns on, as one value.

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
    /// A covering prefix known for less is no ground for a sub-prefix incident: it is counted.
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
    /// VRPs of longer ago raise nothing.
    pub vrps_stale_after_s: u32,
    /// Networks that buy transit from nobody.
    pub tier1: Vec<u32>,
}

/// The networks that are commonly said to be free of transit: a default to be corrected, not a source.
const TIER1: [u32; 16] = [
    174, 701, 1239, 1299, 2914, 3257, 3320, 3356, 3491, 5511, 6453, 6461, 6762, 6830, 7018, 12_956,
];

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
            vrps_stale_after_s: 7_200,
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

    /// Age at which VRPs are stale, in microseconds.
    #[must_use]
    pub fn vrps_stale_after_us(&self) -> i64 {
        i64::from(self.vrps_stale_after_s) * SECOND_US
    }

    /// Life of an origin after it was last seen, in microseconds.
    #[must_use]
    pub fn history_us(&self) -> i64 {
        i64::from(self.history_s) * SECOND_US
    }
}
