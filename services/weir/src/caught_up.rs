//! When has everything been processed? In topological order: the end offsets W of a topic are
//! taken once its writers are done; a stage is done when it has acknowledged and checkpointed >= W,
//! which its group's committed offsets say; then its output topics (docs/detector.md 21).

use std::time::Duration;

use weir_eventlog::{EventLog, LogError, admin};
use weir_events::topics::{self, Topic};

/// A consumer group and the topic that it works off.
type Stage = (&'static str, Topic);

/// Who reads what, from the source of the log to its mouths.
pub(crate) const ORDER: [&[Stage]; 2] = [
    &[
        (weir_conflict_detector::GROUP, topics::BGP_UPDATES),
        (weir_feature_materializer::GROUP, topics::BGP_MESSAGES),
        (weir_metrics_aggregator::PEER_GROUP, topics::BGP_MESSAGES),
        (weir_metrics_aggregator::ORIGIN_GROUP, topics::BGP_UPDATES),
    ],
    &[
        (weir_conflict_detector::WRITER_GROUP, topics::BGP_CONFLICTS),
        (
            weir_feature_materializer::ONLINE_GROUP,
            topics::FEATURE_ROWS,
        ),
        (
            weir_feature_materializer::HISTORY_GROUP,
            topics::FEATURE_ROWS,
        ),
        (
            weir_metrics_aggregator::WRITER_GROUP,
            topics::WINDOW_RESULTS,
        ),
    ],
];

/// Between two looks at the offsets.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until every stage has caught up with what ingest has flushed. `keep_on` is asked between
/// two looks; its error ends the wait.
pub(crate) fn wait<E: From<LogError>>(
    log: &EventLog,
    mut keep_on: impl FnMut(Duration) -> Result<(), E>,
) -> Result<(), E> {
    for stages in ORDER {
        let mut open = Vec::new();
        for (group, topic) in stages {
            open.push((group, topic, admin::end_offsets(log, topic)?));
        }
        while !open.is_empty() {
            let mut behind = Vec::new();
            for (group, topic, ends) in open {
                if !reached(&admin::committed(log, group, topic)?, &ends) {
                    behind.push((group, topic, ends));
                }
            }
            open = behind;
            if !open.is_empty() {
                keep_on(LOOK_AGAIN)?;
            }
        }
    }
    Ok(())
}

/// An empty partition needs no commit.
fn reached(committed: &[Option<i64>], ends: &[i64]) -> bool {
    ends.iter().enumerate().all(|(partition, end)| {
        *end == 0
            || committed
                .get(partition)
                .copied()
                .flatten()
                .is_some_and(|next| next >= *end)
    })
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn a_stage_is_done_when_every_partition_with_records_is_committed_to_its_end() {
        assert!(reached(&[Some(5), None], &[5, 0]));
        assert!(!reached(&[Some(4), None], &[5, 0]));
        assert!(!reached(&[Some(5), None], &[5, 1]));
        assert!(!reached(&[], &[1]));
    }
}
