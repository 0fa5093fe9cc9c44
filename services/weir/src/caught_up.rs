//! When has everything been processed? In topological order: the end offsets W of a topic are
//! taken once its writers are done; a stage is done when it has acknowledged and checkpointed >= W,
//! which its group's committed offsets say; then its output topics (docs/detector.md 21).

use std::time::Duration;

use weir_eventlog::{EventLog, LogError, admin};
use weir_events::topics::{self, Topic};

use crate::settings::Settings;

/// A consumer group and the topic that it works off.
pub(crate) type Stage = (&'static str, Topic);

/// Who always reads what.
const ORDER: [&[Stage]; 3] = [
    &[
        (weir_conflict_detector::GROUP, topics::BGP_UPDATES),
        (weir_feature_materializer::GROUP, topics::BGP_MESSAGES),
        (weir_metrics_aggregator::PEER_GROUP, topics::BGP_MESSAGES),
        (weir_metrics_aggregator::ORIGIN_GROUP, topics::BGP_UPDATES),
    ],
    &[(
        weir_conflict_detector::CORRELATOR_GROUP,
        topics::BGP_SIGNALS,
    )],
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

/// Who reads what under these settings, from the source of the log to its mouths.
pub(crate) fn order(settings: &Settings) -> [Vec<Stage>; 3] {
    let mut order = ORDER.map(<[Stage]>::to_vec);
    let updates = &settings.conflict_detector.updates;
    if updates.keeps_any(settings.record_store.is_server()) {
        order[0].push((weir_conflict_detector::updates::GROUP, topics::BGP_UPDATES));
    }
    order
}

/// A good time between two looks at the offsets of an embedded log.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until every stage has caught up with what ingest has flushed. Between two looks `keep_on` is told who is
/// behind, and waits; its error ends the whole.
pub(crate) fn wait<E: From<LogError>>(
    log: &EventLog,
    order: &[Vec<Stage>],
    mut keep_on: impl FnMut(&[Stage]) -> Result<(), E>,
) -> Result<(), E> {
    for stages in order {
        let mut open = Vec::new();
        for stage in stages {
            open.push((*stage, admin::end_offsets(log, &stage.1)?));
        }
        loop {
            let mut behind = Vec::new();
            for (stage, ends) in open {
                if !reached(&admin::committed(log, stage.0, &stage.1)?, &ends) {
                    behind.push((stage, ends));
                }
            }
            open = behind;
            if open.is_empty() {
                break;
            }
            let who: Vec<Stage> = open.iter().map(|(stage, _)| *stage).collect();
            keep_on(&who)?;
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
    use weir_conflict_detector::updates::Keep;

    use super::*;

    #[test]
    fn the_update_writer_is_waited_for_where_the_settings_keep_updates() {
        let names = |settings: &Settings| -> Vec<&str> {
            let stages = order(settings).into_iter().flatten();
            stages.map(|(group, _)| group).collect()
        };
        let mut settings = Settings::default();
        assert!(!names(&settings).contains(&"weir-update-writer"));
        settings.record_store.url = "postgres://weir@db/weir".to_owned();
        assert!(names(&settings).contains(&"weir-update-writer"));
        settings.conflict_detector.updates.keep = Some(Keep::None);
        assert!(!names(&settings).contains(&"weir-update-writer"));
        settings.record_store.url = String::new();
        settings.conflict_detector.updates.keep = Some(Keep::All);
        assert!(names(&settings).contains(&"weir-update-writer"));
    }

    #[test]
    fn a_stage_is_done_when_every_partition_with_records_is_committed_to_its_end() {
        assert!(reached(&[Some(5), None], &[5, 0]));
        assert!(!reached(&[Some(4), None], &[5, 0]));
        assert!(!reached(&[Some(5), None], &[5, 1]));
        assert!(!reached(&[], &[1]));
    }
}
