//! Rows of windows as messages of the topic `window-results`.

use std::fmt::Display;

use weir_events::{
    position::{TopicEpoch, Version},
    v1,
};

use crate::{Aggregate, Row};

/// The message of a row that the record before `next_offset` of `source_partition` has caused.
#[must_use]
pub fn result<K: Display>(
    aggregate: &Aggregate,
    row: &Row<K>,
    epoch: TopicEpoch,
    source_partition: u32,
    next_offset: i64,
) -> v1::WindowResult {
    v1::WindowResult {
        aggregate: aggregate.name.to_owned(),
        key: row.key.to_string(),
        start_us: row.start_us,
        end_us: row.end_us,
        source_partition,
        version: Version::new(epoch, next_offset, row.is_final).0,
        r#final: row.is_final,
        measures: aggregate
            .measures
            .iter()
            .zip(row.counts)
            .map(|(name, count)| v1::Measure {
                name: (*name).to_owned(),
                count,
            })
            .collect(),
        synthetic: row.synthetic,
    }
}

/// Key of the message's record: `aggregate/key`.
#[must_use]
pub fn record_key(message: &v1::WindowResult) -> String {
    format!("{}/{}", message.aggregate, message.key)
}
