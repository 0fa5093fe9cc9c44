//! The summary of a replay: counts, times and latencies, as JSON. Fields are added, never renamed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rules::Tried;

/// What `--summary` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Announced + withdrawn prefixes as read.
    pub(crate) elements: u64,
    pub(crate) announcements: u64,
    pub(crate) withdrawals: u64,
    /// BGP messages of every kind, RIB entries included.
    pub(crate) messages: u64,
    /// Records that could not be processed, over all topics.
    pub(crate) dead_letters: u64,
    pub(crate) peers: u64,
    pub(crate) prefixes: u64,
    /// Prefixes that had a stable origin when first judged, of those judged; 0 when none was.
    pub(crate) baseline_share: f64,
    pub(crate) incidents: BTreeMap<String, Counts>,
    /// Event time from the first record to the last.
    pub(crate) stream_seconds: f64,
    pub(crate) wall_seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) stages: BTreeMap<String, Stage>,
    /// Bytes released by the pacer -> delivery report; null at max speed, where nothing paces.
    pub(crate) detect_latency_ms: Option<Latency>,
    /// The rules that were tried, where some were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rules: Option<Tried>,
}

/// Incidents of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// All that were opened.
    pub(crate) suspected: u64,
    /// Of those, confirmed at some time.
    pub(crate) confirmed: u64,
    /// Of those, over now.
    pub(crate) ended: u64,
}

/// Elements that went into and came out of one stage, and the copies that it sent or received for
/// covering look-ups only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stage {
    #[serde(rename = "in")]
    pub(crate) elements_in: u64,
    #[serde(rename = "out")]
    pub(crate) elements_out: u64,
    pub(crate) copies: u64,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Stage {
    /// From the counters of a service's status.
    pub(crate) fn of(counters: &BTreeMap<String, u64>) -> Self {
        let count = |name: &str| counters.get(name).copied().unwrap_or(0);
        Self {
            elements_in: count("elements_in"),
            elements_out: count("elements_out"),
            copies: count("copies"),
        }
    }
}
