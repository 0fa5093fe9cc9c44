//! Setting a group back. Who holds the position decides how (docs/detector.md 15): a sink without state
//! keeps it in its store, under a fence; a task with state in its checkpoint, which no offset may
//! contradict; a reader of foreign topics in the group alone.

use clap::Args;
use weir_eventlog::{EventLog, admin};
use weir_events::{time, topics};
use weir_ingest::{Source, config::Kafka};
use weir_metric_store::MetricStore;
use weir_online_store::OnlineStore;
use weir_record_store::BlockingRecordStore;

use crate::{
    progress::{Failure, say},
    settings::Settings,
};

#[derive(Debug, Clone, Args)]
pub(crate) struct SeekArguments {
    /// The group, as `weir pipelines list` names it.
    #[arg(value_name = "GROUP")]
    group: String,
    /// To the first record produced at or after this time (RFC 3339).
    #[arg(long, value_name = "T", required_unless_present_any = ["to_offset", "to_beginning"])]
    to_time: Option<String>,
    /// To this offset in each partition.
    #[arg(long, value_name = "N", conflicts_with = "to_time")]
    to_offset: Option<i64>,
    /// To the first record that is kept.
    #[arg(long, conflicts_with_all = ["to_time", "to_offset"])]
    to_beginning: bool,
    /// Only in this partition.
    #[arg(long, value_name = "P")]
    partition: Option<u32>,
    /// Do it; without this the moves are only told.
    #[arg(long)]
    yes: bool,
}

/// Who holds the position of a group.
enum Holder {
    /// Its store; reading again repeats upserts that change nothing.
    Store(Store, &'static str),
    /// The group itself: a reader of topics of others.
    Group(Vec<String>),
}

/// A sink's store, open.
enum Store {
    Records(BlockingRecordStore),
    Updates(BlockingRecordStore),
    Online(OnlineStore),
    Metrics(MetricStore),
}

/// One partition that moves.
struct Move {
    partition: u32,
    from: Option<i64>,
    to: i64,
}

pub(super) fn seek(
    log: &EventLog,
    settings: &Settings,
    arguments: &SeekArguments,
) -> Result<(), Failure> {
    match holder(settings, &arguments.group)? {
        Holder::Store(store, topic) => {
            let moves = moves(log, arguments, topic, |partition| store.position(partition))?;
            carry_out(log, arguments, topic, &moves, |to| store.set_position(to))
        }
        Holder::Group(names) => names.iter().try_for_each(|topic| {
            let committed = |partition: u32| {
                let found = admin::positions(log, &arguments.group, topic, partition + 1)?;
                Ok(found.into_iter().next_back().flatten())
            };
            let moves = moves(log, arguments, topic, committed)?;
            carry_out(log, arguments, topic, &moves, |_| Ok(()))
        }),
    }
}

fn holder(settings: &Settings, group: &str) -> Result<Holder, Failure> {
    let named = |url: &str, table: &str| {
        if url.is_empty() {
            Err(Failure::Unusable(format!(
                "[{table}] url is not set: the store of {group} is not known"
            )))
        } else {
            Ok(())
        }
    };
    let records = || {
        named(&settings.record_store.url, "record_store")?;
        BlockingRecordStore::connect(&settings.record_store).map_err(Failure::broken)
    };
    if group == weir_conflict_detector::WRITER_GROUP {
        let store = Store::Records(records()?);
        return Ok(Holder::Store(store, topics::BGP_CONFLICTS.name));
    }
    if group == weir_conflict_detector::updates::GROUP {
        let store = Store::Updates(records()?);
        return Ok(Holder::Store(store, topics::BGP_UPDATES.name));
    }
    if group == weir_feature_materializer::ONLINE_GROUP {
        named(&settings.online_store.url, "online_store")?;
        let store = OnlineStore::connect(&settings.online_store).map_err(Failure::broken)?;
        return Ok(Holder::Store(
            Store::Online(store),
            topics::FEATURE_ROWS.name,
        ));
    }
    if group == weir_metrics_aggregator::WRITER_GROUP {
        named(&settings.metric_store.url, "metric_store")?;
        let store = MetricStore::connect(&settings.metric_store).map_err(Failure::broken)?;
        return Ok(Holder::Store(
            Store::Metrics(store),
            topics::WINDOW_RESULTS.name,
        ));
    }
    if let Some(why) = with_state(group) {
        return Err(Failure::Unusable(format!("{group} {why}")));
    }
    if let Source::Kafka(Kafka {
        cluster: Some(cluster),
        ..
    }) = &settings.ingest.source
        && cluster.group_id == group
    {
        return Err(Failure::Unusable(format!(
            "{group} reads the cluster of [ingest.source.cluster], where others may read too: move it there, with \
             that cluster's own tools, while ingest is stopped"
        )));
    }
    if let Some(kafka) = settings.kafka()
        && kafka.group_id == group
    {
        return Ok(Holder::Group(kafka.foreign_topics()));
    }
    Err(Failure::Unusable(format!(
        "{group} is no group of ours: `weir pipelines list` names them"
    )))
}

/// Why the group of a task with state is not moved, and what does it right.
fn with_state(group: &str) -> Option<&'static str> {
    let tasks = [
        weir_conflict_detector::GROUP,
        weir_conflict_detector::CORRELATOR_GROUP,
        weir_feature_materializer::GROUP,
        weir_metrics_aggregator::PEER_GROUP,
        weir_metrics_aggregator::ORIGIN_GROUP,
    ];
    if group == weir_feature_materializer::HISTORY_GROUP {
        return Some(
            "writes files that are never written twice, and its ledger (in the materializer's state folder) \
             knows up to where: it is not moved. To write history anew, stop it, remove its ledger and the \
             files, and start it",
        );
    }
    tasks.contains(&group).then_some(
        "keeps state that belongs to its position, in its checkpoint: moved alone it would count records \
         twice or miss them. To compute again, stop every process of the service and remove its checkpoints \
         (its state folder, and its names in [checkpoint_store]); it then begins with the first record that \
         the log keeps, and what it emits again changes nothing in the stores. The checkpoint before the \
         newest is kept too: removing only the newest manifest goes back one round",
    )
}

fn moves(
    log: &EventLog,
    arguments: &SeekArguments,
    topic: &str,
    position: impl Fn(u32) -> Result<Option<i64>, Failure>,
) -> Result<Vec<Move>, Failure> {
    let found = admin::describe(log, topic)?;
    let found = found.ok_or_else(|| Failure::Broken(format!("there is no topic {topic}")))?;
    let count = u32::try_from(found.partitions.len()).unwrap_or(u32::MAX);
    let at = match &arguments.to_time {
        None => None,
        Some(text) => {
            let micros = time::parse_rfc3339(text).ok_or_else(|| {
                Failure::Unusable(format!("{text} is no time such as 2026-01-31T12:00:00Z"))
            })?;
            Some(admin::offsets_at(
                log,
                topic,
                count,
                micros.div_euclid(1_000),
            )?)
        }
    };
    let mut moves = Vec::new();
    for partition in &found.partitions {
        if arguments.partition.is_some_and(|only| only != partition.id) {
            continue;
        }
        let (first, end) = partition.range.unwrap_or_default();
        let to = match (&at, arguments.to_offset) {
            (Some(at), _) => at
                .get(partition.id as usize)
                .copied()
                .flatten()
                .unwrap_or(end),
            (None, Some(offset)) => offset,
            (None, None) => first,
        };
        moves.push(Move {
            partition: partition.id,
            from: position(partition.id)?,
            to: to.clamp(first, end),
        });
    }
    moves.retain(|one| one.from != Some(one.to));
    Ok(moves)
}

/// The group first: brokers refuse it while anybody reads in it. The store then decides.
fn carry_out(
    log: &EventLog,
    arguments: &SeekArguments,
    topic: &str,
    moves: &[Move],
    set_position: impl Fn(&Move) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for one in moves {
        let from = one
            .from
            .map_or("the beginning".to_owned(), |from| from.to_string());
        let skipped = one.to - one.from.unwrap_or(0);
        let note = match skipped {
            ..=0 => String::new(),
            skipped => format!(" (skips {skipped} records)"),
        };
        say(&format!(
            "{topic}/{}: {from} -> {}{note}",
            one.partition, one.to
        ));
    }
    if moves.is_empty() {
        say(&format!("{topic}: nothing to move"));
        return Ok(());
    }
    if !arguments.yes {
        say("nothing was moved: add --yes to do it");
        return Ok(());
    }
    let positions: Vec<_> = moves.iter().map(|one| (one.partition, one.to)).collect();
    admin::move_group(log, &arguments.group, topic, &positions).map_err(Failure::broken)?;
    moves.iter().try_for_each(set_position)?;
    say(&format!(
        "{} moved; start its service again",
        arguments.group
    ));
    Ok(())
}

impl Store {
    fn position(&self, partition: u32) -> Result<Option<i64>, Failure> {
        match self {
            Self::Records(store) => store.position(partition).map_err(Failure::broken),
            Self::Updates(store) => store.update_position(partition).map_err(Failure::broken),
            Self::Online(store) => store.position(partition).map_err(Failure::broken),
            Self::Metrics(store) => store.position(partition).map_err(Failure::broken),
        }
    }

    /// Under a fence of its own: a writer that was thought dead writes nothing more.
    fn set_position(&self, to: &Move) -> Result<(), Failure> {
        let (partition, next_offset) = (to.partition, to.to);
        match self {
            Self::Records(store) => {
                let (fence, _) = store.raise_fence(partition).map_err(Failure::broken)?;
                store
                    .record(&[], partition, next_offset, fence)
                    .map_err(Failure::broken)
            }
            Self::Updates(store) => {
                let raised = store.raise_update_fence(partition);
                let (fence, _) = raised.map_err(Failure::broken)?;
                store
                    .record_updates(&[], partition, next_offset, fence)
                    .map(drop)
                    .map_err(Failure::broken)
            }
            Self::Online(store) => {
                let progress = weir_online_store::Progress {
                    partition,
                    next_offset,
                    fence: store.raise_fence(partition).map_err(Failure::broken)?,
                };
                store
                    .put_many(&[], progress)
                    .map(drop)
                    .map_err(Failure::broken)
            }
            Self::Metrics(store) => {
                let progress = weir_metric_store::Progress {
                    partition,
                    next_offset,
                    fence: store.raise_fence(partition).map_err(Failure::broken)?,
                };
                store
                    .put_many(&[], progress)
                    .map(drop)
                    .map_err(Failure::broken)
            }
        }
    }
}
