//! Positions in the log and the numbers derived from them.
//!
//! Three numbers must not be mistaken for each other: the *writer epoch* of a source, the *topic
//! epoch* of a topic, and the *store fence* of a sink. Each has its own type or field name.

use std::fmt;

/// Which life of a topic a partition belongs to: 1 + the greatest that the stores knew when the
/// topic was made. Stands in the first record of every partition (`TopicStart`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicEpoch(pub u32);

/// Rises each time that a partition of a sink is assigned; a writer with a smaller fence is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreFence(pub u64);

/// A place in one partition: the offset of the next record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Partition of the topic at hand.
    pub partition: u32,
    /// Offset of the next record to be processed.
    pub next_offset: i64,
}

/// Identifies one emission of one writer, whatever its offset: a record that was sent twice has
/// the same `WriterSeq`. Ordered by (writer epoch, seq).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterSeq {
    /// Durable counter of the writer's lives; a lower one is fenced.
    pub writer_epoch: u64,
    /// Counts emissions.
    pub seq: u64,
}

/// Total order of the states of one key: `(topic epoch << 41) | (next offset << 1) | final`.
///
/// A function of the log alone, so that a replay writes the same version with the same bytes and
/// every store may ignore what is not greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// Offsets must stay below this bound, so that a version never mixes with its epoch.
pub const MAX_OFFSET: i64 = 1 << 40;

impl Version {
    /// Version of an effect of the record before `next_offset`.
    ///
    /// Offsets outside `0..MAX_OFFSET` are clamped: a log reaches 2^40 records after 34 years at
    /// a thousand records per second.
    #[must_use]
    pub fn new(epoch: TopicEpoch, next_offset: i64, is_final: bool) -> Self {
        let offset = next_offset.clamp(0, MAX_OFFSET - 1).unsigned_abs();
        Self((u64::from(epoch.0) << 41) | (offset << 1) | u64::from(is_final))
    }

    /// The topic epoch in this version.
    #[must_use]
    pub fn epoch(self) -> TopicEpoch {
        TopicEpoch(u32::try_from(self.0 >> 41).unwrap_or(u32::MAX))
    }

    /// The next offset in this version.
    #[must_use]
    pub fn next_offset(self) -> i64 {
        i64::try_from((self.0 >> 1) & (MAX_OFFSET.unsigned_abs() - 1)).unwrap_or(i64::MAX)
    }

    /// True when the value will not change any more unless late records are allowed to.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.0 & 1 == 1
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_by_epoch_then_offset_then_final() {
        let v = |e, o, f| Version::new(TopicEpoch(e), o, f);
        assert!(v(1, 5, false) < v(1, 5, true));
        assert!(v(1, 5, true) < v(1, 6, false));
        assert!(v(1, MAX_OFFSET - 1, true) < v(2, 0, false));
    }

    #[test]
    fn a_version_gives_back_its_parts() {
        let version = Version::new(TopicEpoch(7), 123_456, true);
        assert_eq!(version.epoch(), TopicEpoch(7));
        assert_eq!(version.next_offset(), 123_456);
        assert!(version.is_final());
    }
}
