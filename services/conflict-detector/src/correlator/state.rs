//! What a correlator remembers, on disk: the pages that changed and its position, in one redb transaction.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use prost::Message;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use weir_conflicts::{Correlator, snapshot::SnapshotError};
use weir_embedded::{
    EmbeddedError,
    portable::{self, Portable},
};
use weir_events::v1;
use weir_objects::{
    ObjectsError,
    snapshots::{self, Encode},
};

/// Number -> page.
const PAGES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("pages");
/// One entry: where the task stands.
const TASK: TableDefinition<'_, (), &[u8]> = TableDefinition::new("task");

/// Everything that a snapshot holds.
const ALL: [&dyn Portable; 2] = [&PAGES, &TASK];

/// Why state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    #[error(transparent)]
    Snapshot(#[from] ObjectsError),
    #[error("cannot {what} the state of the detector's second stage")]
    Engine {
        what: &'static str,
        source: Box<redb::Error>,
    },
    #[error(
        "the state of the detector's second stage cannot be read: it was written by another version, or is damaged"
    )]
    Task(#[from] prost::DecodeError),
    #[error(
        "page {page} of the state of the detector's second stage cannot be read: it was written by another version, or \
         is damaged"
    )]
    Page { page: u32, source: SnapshotError },
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

/// Enough of one record to tell whether a log is the one that a state was made of; nothing of a record that tells
/// nothing.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Place {
    /// Partition of `bgp-updates`.
    #[prost(uint32, tag = "1")]
    source: u32,
    #[prost(int64, tag = "2")]
    position: i64,
    #[prost(uint32, tag = "3")]
    index: u32,
}

impl Place {
    /// Of a signal.
    pub(super) fn of(signal: &v1::Signal) -> Self {
        Self {
            source: signal.source_partition,
            position: signal.position,
            index: signal.index,
        }
    }

    /// Of the signal in a record.
    pub(super) fn in_record(payload: &[u8]) -> Self {
        v1::Signal::decode(payload).map_or_else(|_| Self::default(), |signal| Self::of(&signal))
    }
}

/// Where a task stands.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct TaskRecord {
    #[prost(int64, tag = "1")]
    pub(super) next_offset: i64,
    #[prost(uint32, tag = "2")]
    pub(super) topic_epoch: u32,
    /// The record before `next_offset`.
    #[prost(message, optional, tag = "3")]
    pub(super) last: Option<Place>,
}

/// The file of one task.
pub(super) struct TaskState {
    database: Arc<Database>,
}

impl TaskState {
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        let database = weir_embedded::open(path)?;
        let transaction = engine(database.begin_write(), "prepare")?;
        engine(transaction.open_table(PAGES), "prepare")?;
        engine(transaction.open_table(TASK), "prepare")?;
        engine(transaction.commit(), "prepare")?;
        Ok(Self { database })
    }

    /// Makes the state that of its newest snapshot, when that is further. Returns its position.
    pub(super) fn bring(
        &self,
        place: &snapshots::Place,
        pause: impl Fn(Duration) -> bool,
    ) -> Result<Option<i64>, StateError> {
        let here = self.record()?.map(|record| record.next_offset);
        let take_in = |from: &mut dyn Read| portable::read_in(&self.database, &ALL, from);
        Ok(snapshots::bring(place, here, pause, take_in)?)
    }

    /// What writes a snapshot of the state as it is committed now.
    pub(super) fn snapshot(&self) -> Result<Encode, StateError> {
        let transaction = engine(self.database.begin_read(), "read")?;
        Ok(Box::new(move |out: &mut dyn io::Write| {
            portable::write_out(&transaction, &ALL, out)
        }))
    }

    /// Where the task stood when it was committed last; `None` when it never was.
    pub(super) fn record(&self) -> Result<Option<TaskRecord>, StateError> {
        let transaction = engine(self.database.begin_read(), "read")?;
        let task = engine(transaction.open_table(TASK), "read")?;
        let Some(record) = engine(task.get(()), "read")? else {
            return Ok(None);
        };
        Ok(Some(TaskRecord::decode(record.value())?))
    }

    /// Gives `correlator` back what was committed, the first page first.
    pub(super) fn restore(&self, correlator: &mut Correlator) -> Result<(), StateError> {
        let transaction = engine(self.database.begin_read(), "read")?;
        let pages = engine(transaction.open_table(PAGES), "read")?;
        for entry in engine(pages.iter(), "read")? {
            let (page, bytes) = engine(entry, "read")?;
            let page = page.value();
            correlator
                .restore_page(page, bytes.value())
                .map_err(|source| StateError::Page { page, source })?;
        }
        Ok(())
    }

    /// Writes pages, and where the task stands, in one transaction.
    pub(super) fn commit(
        &self,
        pages: &[(u32, Vec<u8>)],
        record: &TaskRecord,
    ) -> Result<(), StateError> {
        let what = "write";
        let transaction = engine(self.database.begin_write(), what)?;
        {
            let mut table = engine(transaction.open_table(PAGES), what)?;
            for (page, bytes) in pages {
                engine(table.insert(page, bytes.as_slice()), what)?;
            }
            let mut task = engine(transaction.open_table(TASK), what)?;
            engine(task.insert((), record.encode_to_vec().as_slice()), what)?;
        }
        engine(transaction.commit(), what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(position: i64) -> v1::Signal {
        v1::Signal {
            source_partition: 3,
            position,
            index: 1,
            ..Default::default()
        }
    }

    #[test]
    fn pages_and_position_are_read_back_together() {
        let folder = tempfile::tempdir().unwrap();
        let state = TaskState::open(&folder.path().join("signals-0.redb")).unwrap();
        assert_eq!(state.record().unwrap(), None);
        for next_offset in [7, 9] {
            let record = TaskRecord {
                next_offset,
                topic_epoch: 2,
                last: Some(Place::of(&signal(next_offset * 10))),
            };
            let pages = [(0, vec![1]), (5, vec![2])];
            state.commit(&pages, &record).unwrap();
            assert_eq!(state.record().unwrap(), Some(record));
        }
    }

    #[test]
    fn a_record_is_told_by_its_signal_and_one_without_tells_nothing() {
        let of_record = Place::in_record(&signal(40).encode_to_vec());
        assert_eq!(of_record, Place::of(&signal(40)));
        assert_ne!(of_record, Place::of(&signal(41)));
        assert_eq!(Place::in_record(b"\xff"), Place::default());
    }
}
