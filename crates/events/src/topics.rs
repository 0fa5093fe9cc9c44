//! The only table of topics, and the only partitioner.
//!
//! `partition = topics::partition(..)` is computed here and set by the producer, because librdkafka
//! and the Java client hash differently. The partition count of a keyed topic never changes in
//! place: a new topic and a replay.

use std::net::IpAddr;

use crate::v1;

/// How long a topic keeps its records, by produce time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds; the broker's `retention.ms`.
    pub ms: i64,
}

const HOUR: Retention = Retention { ms: 3_600_000 };
const DAY: Retention = Retention { ms: 24 * HOUR.ms };

/// What a broker does with what is older than the retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// It goes.
    Delete,
    /// The last record of each key stays.
    Compact,
}

impl Cleanup {
    /// The broker's `cleanup.policy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
        }
    }
}

/// How many copies of each record there are. `None` = as many as the broker makes by default.
pub type Replication = Option<u16>;

/// From how many copies on two of them must have a record before it is acknowledged
/// (`min.insync.replicas`): then one broker may be lost, and nothing with it.
pub const SAFE_REPLICATION: u16 = 3;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Name on the broker.
    pub name: &'static str,
    /// Message of package `weir.v1` in each record.
    pub message: &'static str,
    /// What the record key holds.
    pub key: &'static str,
    /// Fixed for the life of the topic.
    pub partitions: u32,
    /// By produce time.
    pub retention: Retention,
    /// See [`Cleanup`].
    pub cleanup: Cleanup,
    /// See [`Replication`].
    pub replication: Replication,
    /// Each partition begins with a `TopicStart` that tells the topic epoch.
    pub has_epoch: bool,
    /// The service that writes it.
    pub owner: &'static str,
}

/// Routes by address block, and controls.
pub const BGP_UPDATES: Topic = Topic {
    name: "bgp-updates",
    message: "BgpUpdate",
    key: "address block",
    partitions: 8,
    retention: DAY,
    cleanup: Cleanup::Delete,
    replication: None,
    has_epoch: true,
    owner: "ingest",
};

/// Whole BGP messages by peer, and controls.
pub const BGP_MESSAGES: Topic = Topic {
    name: "bgp-messages",
    message: "BgpMessage",
    key: "peer address:ASN",
    partitions: 4,
    retention: DAY,
    cleanup: Cleanup::Delete,
    replication: None,
    has_epoch: true,
    owner: "ingest",
};

/// What the first stage of the detector tells the second.
pub const BGP_SIGNALS: Topic = Topic {
    name: "bgp-signals",
    message: "Signal",
    key: "source partition",
    partitions: 4,
    retention: DAY,
    cleanup: Cleanup::Delete,
    replication: None,
    has_epoch: true,
    owner: "conflict-detector",
};

/// States of incidents.
pub const BGP_CONFLICTS: Topic = Topic {
    name: "bgp-conflicts",
    message: "Incident",
    key: "incident id",
    partitions: 4,
    retention: DAY,
    cleanup: Cleanup::Delete,
    replication: None,
    has_epoch: false,
    owner: "conflict-detector",
};

/// Rows of feature views.
pub const FEATURE_ROWS: Topic = Topic {
    name: "feature-rows",
    message: "FeatureRow",
    key: "view/entity",
    partitions: 4,
    retention: DAY,
    cleanup: Cleanup::Delete,
    replication: None,
    has_epoch: false,
    owner: "feature-materializer",
};

/// Provisional and final windows.
pub const WINDOW_RESULTS: Topic = Topic {
    name: "window-results",
    message: "WindowResult",
    key: "aggregate/key",
    partitions: 4,
    retention: DAY,
    cleanup: Cleanup::Delete,
    replication: None,
    has_epoch: false,
    owner: "metrics-aggregator",
};

/// Heartbeats of the services.
pub const SERVICE_STATUS: Topic = Topic {
    name: "service-status",
    message: "ServiceStatus",
    key: "service/instance",
    partitions: 1,
    retention: HOUR,
    cleanup: Cleanup::Delete,
    replication: None,
    has_epoch: false,
    owner: "every service",
};

/// Every topic of ours, in the order in which events flow. A dead-letter topic stands beside each
/// (`dead_letter_topic`).
pub const ALL: [Topic; 7] = [
    BGP_UPDATES,
    BGP_MESSAGES,
    BGP_SIGNALS,
    BGP_CONFLICTS,
    FEATURE_ROWS,
    WINDOW_RESULTS,
    SERVICE_STATUS,
];

/// The row of `name`, if it is one of ours.
#[must_use]
pub fn find(name: &str) -> Option<Topic> {
    ALL.into_iter().find(|topic| topic.name == name)
}

/// Where records of `topic` go that cannot be processed: one partition, kept a week.
#[must_use]
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}.dlq")
}

/// The topic whose dead letters `name` holds, if it is named like a dead-letter topic.
#[must_use]
pub fn source_of_dead_letters(name: &str) -> Option<&str> {
    name.strip_suffix(".dlq")
}

/// Retention of every dead-letter topic.
pub const DEAD_LETTER_RETENTION: Retention = Retention { ms: 7 * DAY.ms };

/// IPv4 addresses share a block when their first 12 bits are equal: the busiest block holds 4.5 %
/// of all elements of rrc12 on 2021-01-01, where /8 blocks hold up to 17 %.
pub const IPV4_BLOCK_BITS: u8 = 12;

/// IPv6 addresses share a block when their first 24 bits are equal: over 2.36 million elements of
/// rrc12 and rrc04 on 2021-01-01 the busiest block then holds 4.3 % of all elements (8.2 % at 20
/// bits, 28 % at 16), and no prefix is shorter than its block. Above that the gain ends (2.5 % from
/// 25 bits on: one network) and prefixes begin to span blocks (0.1 % at 29 bits, 2 % at 30).
pub const IPV6_BLOCK_BITS: u8 = 24;

/// Addresses that one partition must see together, ordered: IPv4 before IPv6, then by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block(u32);

const IPV6_MARK: u32 = 1 << 31;

impl Block {
    /// The block that holds `address`; for a prefix shorter than a block, its home.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self(v4.to_bits() >> (32 - IPV4_BLOCK_BITS)),
            // 24 bits remain.
            IpAddr::V6(v6) => Self(IPV6_MARK | (v6.to_bits() >> (128 - IPV6_BLOCK_BITS)) as u32),
        }
    }

    /// True when a prefix of this length spans several blocks: judged in its home partition, sent
    /// to every other one as context.
    #[must_use]
    pub fn is_spanned_by(address: IpAddr, length: u8) -> bool {
        length
            < if address.is_ipv4() {
                IPV4_BLOCK_BITS
            } else {
                IPV6_BLOCK_BITS
            }
    }

    /// The number that keys records and names files. Not dense.
    #[must_use]
    pub fn id(self) -> u32 {
        self.0
    }

    /// The block with this number.
    #[must_use]
    pub fn from_id(id: u32) -> Self {
        Self(id)
    }

    /// The partition of `bgp-updates` that owns this block.
    #[must_use]
    pub fn partition(self) -> u32 {
        spread(u64::from(self.0), BGP_UPDATES.partitions)
    }
}

/// The partition of `topic` for a record with this key.
///
/// FNV-1a over the bytes, then a multiplicative mix, because FNV's low bits are weak.
#[must_use]
pub fn partition(topic: &Topic, key: &[u8]) -> u32 {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    spread(hash, topic.partitions)
}

fn spread(hash: u64, partitions: u32) -> u32 {
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    // Below a u32.
    (mixed % u64::from(partitions)) as u32
}

/// A message that has a topic of its own.
pub trait Event: prost::Message + Default {
    /// Its row in the table.
    const TOPIC: Topic;
}

impl Event for v1::BgpUpdate {
    const TOPIC: Topic = BGP_UPDATES;
}

impl Event for v1::BgpMessage {
    const TOPIC: Topic = BGP_MESSAGES;
}

impl Event for v1::Signal {
    const TOPIC: Topic = BGP_SIGNALS;
}

impl Event for v1::Incident {
    const TOPIC: Topic = BGP_CONFLICTS;
}

impl Event for v1::FeatureRow {
    const TOPIC: Topic = FEATURE_ROWS;
}

impl Event for v1::WindowResult {
    const TOPIC: Topic = WINDOW_RESULTS;
}

impl Event for v1::ServiceStatus {
    const TOPIC: Topic = SERVICE_STATUS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_shares_its_partition_with_everything_inside_its_block() {
        let block = |text: &str| Block::of(text.parse().unwrap());
        assert_eq!(block("10.16.0.0"), block("10.31.255.255"));
        assert_ne!(block("10.16.0.0"), block("10.32.0.0"));
        assert_eq!(block("2001:db8::"), block("2001:dff::1"));
        assert_ne!(block("2001:db8::"), block("2001:e00::"));
        assert_ne!(block("0.0.0.0"), block("::"));
    }

    #[test]
    fn a_prefix_shorter_than_a_block_spans_blocks() {
        let v4 = "10.0.0.0".parse().unwrap();
        assert!(Block::is_spanned_by(v4, IPV4_BLOCK_BITS - 1));
        assert!(!Block::is_spanned_by(v4, IPV4_BLOCK_BITS));
    }

    #[test]
    fn the_partitioner_never_changes() {
        // A change here means a new topic and a replay.
        let partitions: Vec<_> = (0..12).map(|i| Block::from_id(i).partition()).collect();
        assert_eq!(partitions, PINNED_BLOCKS);
        assert_eq!(partition(&BGP_MESSAGES, b"192.0.2.1:64496"), PINNED_KEY);
    }

    const PINNED_BLOCKS: [u32; 12] = [0, 1, 2, 4, 5, 7, 0, 2, 3, 5, 6, 0];
    const PINNED_KEY: u32 = 0;

    #[test]
    fn blocks_spread_over_all_partitions() {
        let mut counts = [0_u32; 8];
        for id in 0..4096 {
            counts[Block::from_id(id).partition() as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (400..630).contains(count)),
            "{counts:?}"
        );
    }
}
