//! A task's state on disk: cells, time, dedupe, counters and position in one redb transaction.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use prost::Message;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use weir_embedded::{
    EmbeddedError,
    portable::{self, Portable},
};
use weir_events::position::{TopicEpoch, WriterSeq};
use weir_objects::{
    ObjectsError,
    snapshots::{self, Encode, Place},
};
use weir_windows::{Cell, Change, ClockState, CollectorState, TimeRules, Windows};

use crate::{
    counters::Counters,
    fold::{Fold, Stage},
};

/// (width, start, key) -> counts (8 bytes each, little endian), then a byte of flags.
const CELLS: TableDefinition<'_, (i64, i64, &str), &[u8]> = TableDefinition::new("cells");
/// One entry: everything else.
const TASK: TableDefinition<'_, (), &[u8]> = TableDefinition::new("task");

/// Everything that a snapshot holds.
const ALL: [&dyn Portable; 2] = [&CELLS, &TASK];

const PENDING: u8 = 1;
const SYNTHETIC: u8 = 2;

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    #[error(transparent)]
    Snapshot(#[from] ObjectsError),
    #[error("cannot {what} the aggregator's state")]
    Engine {
        what: &'static str,
        source: Box<redb::Error>,
    },
    #[error(
        "the aggregator's state cannot be read: {what}; it was written by another version, or is damaged"
    )]
    Corrupt { what: String },
}

fn engine<T, E: Into<redb::Error>>(
    result: Result<T, E>,
    what: &'static str,
) -> Result<T, StateError> {
    result.map_err(|error| StateError::Engine {
        what,
        source: Box::new(weir_embedded::cause(error)),
    })
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct WriterRecord {
    #[prost(string, tag = "1")]
    collector: String,
    #[prost(uint64, tag = "2")]
    writer_epoch: u64,
    #[prost(uint64, tag = "3")]
    seq: u64,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct CollectorRecord {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(sint64, tag = "2")]
    mark_us: i64,
    #[prost(bool, tag = "3")]
    ended: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct TaskRecord {
    #[prost(int64, tag = "1")]
    next_offset: i64,
    #[prost(uint32, tag = "2")]
    topic_epoch: u32,
    #[prost(message, optional, tag = "3")]
    last: Option<WriterRecord>,
    #[prost(message, repeated, tag = "4")]
    writers: Vec<WriterRecord>,
    #[prost(message, repeated, tag = "5")]
    collectors: Vec<CollectorRecord>,
    #[prost(sint64, tag = "6")]
    stream_time_us: i64,
    #[prost(sint64, tag = "7")]
    watermark_us: i64,
    #[prost(message, optional, tag = "8")]
    counters: Option<Counters>,
}

/// The file of one task.
pub(crate) struct TaskState {
    database: Arc<Database>,
}

impl TaskState {
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        let database = weir_embedded::open(path)?;
        let transaction = engine(database.begin_write(), "prepare")?;
        engine(transaction.open_table(CELLS), "prepare")?;
        engine(transaction.open_table(TASK), "prepare")?;
        engine(transaction.commit(), "prepare")?;
        Ok(Self { database })
    }

    /// Makes the state that of its newest snapshot, when that is further. Returns its position.
    pub(crate) fn bring(
        &self,
        place: &Place,
        pause: impl Fn(Duration) -> bool,
    ) -> Result<Option<i64>, StateError> {
        let here = self.record()?.map(|record| record.next_offset);
        let take_in = |from: &mut dyn Read| portable::read_in(&self.database, &ALL, from);
        Ok(snapshots::bring(place, here, pause, take_in)?)
    }

    /// What writes a snapshot of the state as it is committed now.
    pub(crate) fn snapshot(&self) -> Result<Encode, StateError> {
        let transaction = engine(self.database.begin_read(), "read")?;
        Ok(Box::new(move |out: &mut dyn io::Write| {
            portable::write_out(&transaction, &ALL, out)
        }))
    }

    fn record(&self) -> Result<Option<TaskRecord>, StateError> {
        let transaction = engine(self.database.begin_read(), "read")?;
        let task = engine(transaction.open_table(TASK), "read")?;
        let Some(record) = engine(task.get(()), "read")? else {
            return Ok(None);
        };
        let record = TaskRecord::decode(record.value()).map_err(|error| StateError::Corrupt {
            what: error.to_string(),
        })?;
        Ok(Some(record))
    }

    /// The fold as it was committed, and its next offset; `None` when nothing was.
    pub(crate) fn load<S: Stage>(
        &self,
        partition: u32,
        rules: TimeRules,
    ) -> Result<Option<(Fold<S>, i64)>, StateError> {
        let what = "read";
        let Some(record) = self.record()? else {
            return Ok(None);
        };
        let transaction = engine(self.database.begin_read(), what)?;
        let table = engine(transaction.open_table(CELLS), what)?;
        let mut cells = Vec::new();
        for entry in engine(table.iter(), what)? {
            let (key, value) = engine(entry, what)?;
            let (width_us, start_us, key) = key.value();
            let (Ok(parsed), Some(cell)) = (key.parse::<S::Key>(), decode(value.value())) else {
                return Err(StateError::Corrupt {
                    what: format!("cell of {key}"),
                });
            };
            cells.push((width_us, start_us, parsed, cell));
        }
        let clock = ClockState {
            collectors: record.collectors.into_iter().map(collector).collect(),
            stream_time_us: record.stream_time_us,
            watermark_us: record.watermark_us,
        };
        let fold = Fold {
            partition,
            epoch: TopicEpoch(record.topic_epoch),
            windows: Windows::restore(S::AGGREGATE, rules, clock, cells),
            writers: record.writers.into_iter().map(writer).collect(),
            counters: record.counters.unwrap_or_default(),
            last: record.last.map(writer).unwrap_or_default(),
        };
        Ok(Some((fold, record.next_offset)))
    }

    /// Writes what has changed since the last call, with the position, in one transaction.
    pub(crate) fn commit<S: Stage>(
        &self,
        fold: &mut Fold<S>,
        next_offset: i64,
    ) -> Result<(), StateError> {
        let what = "write";
        let mut changes = Vec::new();
        fold.windows.take_changes(|change| changes.push(change));
        let transaction = engine(self.database.begin_write(), what)?;
        {
            let mut table = engine(transaction.open_table(CELLS), what)?;
            for change in changes {
                match change {
                    Change::Put {
                        width_us,
                        start_us,
                        key,
                        cell,
                    } => {
                        let key = key.to_string();
                        engine(
                            table.insert(
                                (width_us, start_us, key.as_str()),
                                encode(&cell).as_slice(),
                            ),
                            what,
                        )?;
                    }
                    Change::Drop { width_us, start_us } => {
                        let window = (width_us, start_us, "")..(width_us, start_us + 1, "");
                        engine(table.retain_in(window, |_, _| false), what)?;
                    }
                }
            }
            let record = task_record(fold, next_offset).encode_to_vec();
            engine(
                engine(transaction.open_table(TASK), what)?.insert((), record.as_slice()),
                what,
            )?;
        }
        engine(transaction.commit(), what)
    }
}

fn task_record<S: Stage>(fold: &Fold<S>, next_offset: i64) -> TaskRecord {
    let clock = fold.windows.clock().state();
    TaskRecord {
        next_offset,
        topic_epoch: fold.epoch.0,
        last: Some(writer_record(&fold.last.0, fold.last.1)),
        writers: fold
            .writers
            .iter()
            .map(|(name, seq)| writer_record(name, *seq))
            .collect(),
        collectors: clock
            .collectors
            .iter()
            .map(|collector| CollectorRecord {
                name: collector.name.clone(),
                mark_us: collector.mark_us,
                ended: collector.ended,
            })
            .collect(),
        stream_time_us: clock.stream_time_us,
        watermark_us: clock.watermark_us,
        counters: Some(fold.counters.clone()),
    }
}

fn writer_record(collector: &str, seq: WriterSeq) -> WriterRecord {
    WriterRecord {
        collector: collector.to_owned(),
        writer_epoch: seq.writer_epoch,
        seq: seq.seq,
    }
}

fn writer(record: WriterRecord) -> (String, WriterSeq) {
    (
        record.collector,
        WriterSeq {
            writer_epoch: record.writer_epoch,
            seq: record.seq,
        },
    )
}

fn collector(record: CollectorRecord) -> CollectorState {
    CollectorState {
        name: record.name,
        mark_us: record.mark_us,
        ended: record.ended,
    }
}

fn encode(cell: &Cell) -> Vec<u8> {
    let mut bytes: Vec<u8> = cell
        .counts
        .iter()
        .flat_map(|count| count.to_le_bytes())
        .collect();
    bytes.push(if cell.pending { PENDING } else { 0 } | if cell.synthetic { SYNTHETIC } else { 0 });
    bytes
}

fn decode(bytes: &[u8]) -> Option<Cell> {
    let (flags, counts) = bytes.split_last()?;
    let mut cell = Cell::restored(
        Default::default(),
        flags & PENDING != 0,
        flags & SYNTHETIC != 0,
    );
    let (counts, rest) = counts.as_chunks::<8>();
    if !rest.is_empty() || counts.len() != cell.counts.len() {
        return None;
    }
    for (count, bytes) in cell.counts.iter_mut().zip(counts) {
        *count = u64::from_le_bytes(*bytes);
    }
    Some(cell)
}

#[cfg(test)]
mod tests;
