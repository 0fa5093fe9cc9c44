//! Where a window lies in the tables, and the write timestamps that let the greater value win.
//!
//! Write timestamps are `i64` microseconds to the engine, numbers to us. A row's is its version,
//! `(topic epoch << 41) | (next offset << 1) | final`, always above zero. ScyllaDB refuses timestamps
//! more than three days ahead of its clock (`restrict_future_timestamp`): versions stay below that
//! bound up to topic epoch 800, so set it to false before.

use weir_events::{time::HOUR_US, v1::WindowResult};

use crate::MetricStoreError;

/// Windows of one key in one partition: three days of minutes.
const WINDOWS: i64 = 4096;

/// One partition of `window_partials`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place<'a> {
    pub(super) aggregate: &'a str,
    pub(super) key: &'a str,
    pub(super) width_us: i64,
    pub(super) bucket: i64,
}

impl<'a> Place<'a> {
    pub(super) fn of(row: &'a WindowResult) -> Self {
        let width_us = row.end_us.saturating_sub(row.start_us);
        Self {
            aggregate: &row.aggregate,
            key: &row.key,
            width_us,
            bucket: bucket(width_us, row.start_us),
        }
    }
}

/// Which partition of its key a window lies in. A bucket is an hour or more, so that the days that
/// are kept are at most 721 buckets, whatever the width.
pub(super) fn bucket(width_us: i64, start_us: i64) -> i64 {
    start_us.div_euclid(width_us.max(1).saturating_mul(WINDOWS).max(HOUR_US))
}

/// Write timestamp of a row.
pub(super) fn row_timestamp(row: &WindowResult) -> Result<i64, MetricStoreError> {
    match i64::try_from(row.version) {
        Ok(timestamp @ 1..) => Ok(timestamp),
        _ => Err(MetricStoreError::Version {
            aggregate: row.aggregate.clone(),
            key: row.key.clone(),
            version: row.version,
        }),
    }
}

/// Write timestamp with which the greatest bucket stays.
pub(super) fn bucket_timestamp(bucket: i64) -> i64 {
    bucket.saturating_add(1 << 40)
}

/// Write timestamp with which the greatest end stays: about its second. Ends that share a timestamp
/// share their sign, and of two values written at the same time the engines keep the greater bytes.
pub(super) fn end_timestamp(end_us: i64) -> i64 {
    (end_us >> 20) + (1 << 43) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_above_zero_and_below_the_present_and_keep_order() {
        let ends = [i64::MIN, -1, 0, 1 << 20, 1_203_878_820_000_001, i64::MAX];
        for pair in ends.windows(2) {
            assert!(end_timestamp(pair[0]) < end_timestamp(pair[1]));
        }
        assert!(end_timestamp(i64::MIN) > 0);
        assert!(end_timestamp(i64::MAX) < 1_700_000_000_000_000);
        assert!(bucket_timestamp(bucket(1, i64::MIN)) > 0);
    }

    #[test]
    fn a_version_that_is_no_timestamp_is_refused() {
        let row = |version| WindowResult {
            version,
            ..WindowResult::default()
        };
        assert!(row_timestamp(&row(0)).is_err());
        assert!(row_timestamp(&row(u64::MAX)).is_err());
        assert_eq!(row_timestamp(&row(7)).unwrap(), 7);
    }
}
