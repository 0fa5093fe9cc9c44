//! What a task keeps in its redb file: everything below its position, in one transaction.

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
use weir_events::position::WriterSeq;
use weir_objects::{
    ObjectsError,
    snapshots::{self, Encode, Place},
};

use super::prefixes::{self, PrefixSet};
use crate::session::Session;

/// One row under "task".
const TASK: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("task");
/// Collector -> (writer epoch, seq) of its last record.
const WRITERS: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("writers");
/// `address:ASN` -> session.
const SESSIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sessions");

/// Everything that a snapshot holds.
const ALL: [&dyn Portable; 5] = [
    &TASK,
    &WRITERS,
    &SESSIONS,
    &prefixes::PREFIXES,
    &prefixes::LEFT,
];

const FORMAT: u32 = 1;

/// Why a task's state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    /// The engine failed.
    #[error("state of the feature materializer: {0}")]
    Engine(#[from] redb::Error),
    /// There is no state on this machine, and its snapshots cannot be read.
    #[error(transparent)]
    Snapshot(#[from] ObjectsError),
    /// A stored value is damaged, or was written by another version.
    #[error(
        "state of the feature materializer: {what} cannot be read; remove the stream's \
         `materializer` folder and run again to derive the features anew"
    )]
    Corrupt {
        /// Which value.
        what: String,
    },
}

macro_rules! from_engine {
    ($($error:ty),*) => {
        $(impl From<$error> for StateError {
            fn from(error: $error) -> Self {
                Self::Engine(weir_embedded::cause(error))
            }
        })*
    };
}
from_engine!(
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError
);

/// Where the task stands, and what it has counted.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Standing {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) topic_epoch: u32,
    #[prost(int64, tag = "3")]
    pub(crate) next_offset: i64,
    /// Greatest Tick, microseconds.
    #[prost(sint64, optional, tag = "4")]
    pub(crate) stream_time_us: Option<i64>,
    #[prost(uint32, tag = "5")]
    pub(crate) next_slot: u32,
    #[prost(uint64, tag = "6")]
    pub(crate) elements_in: u64,
    #[prost(uint64, tag = "7")]
    pub(crate) elements_out: u64,
    #[prost(uint64, tag = "8")]
    pub(crate) rows_out: u64,
    #[prost(uint64, tag = "9")]
    pub(crate) duplicates: u64,
    #[prost(uint64, tag = "10")]
    pub(crate) dead_letters: u64,
    #[prost(uint64, tag = "11")]
    pub(crate) messages_in: u64,
}

/// Everything that was stored.
pub(crate) struct Stored {
    pub(crate) standing: Option<Standing>,
    pub(crate) writers: Vec<(String, WriterSeq)>,
    pub(crate) sessions: Vec<(String, Session)>,
}

pub(crate) fn open(path: &Path) -> Result<(Arc<Database>, Stored), StateError> {
    let database = weir_embedded::open(path)?;
    let transaction = database.begin_write()?;
    transaction.open_table(TASK)?;
    transaction.open_table(WRITERS)?;
    transaction.open_table(SESSIONS)?;
    PrefixSet::make_tables(&transaction)?;
    transaction.commit()?;
    let stored = load(&database)?;
    Ok((database, stored))
}

/// Makes the state in the file that of its newest snapshot, when that is further than the file.
/// Returns its position.
pub(crate) fn bring(
    path: &Path,
    place: &Place,
    pause: impl Fn(Duration) -> bool,
) -> Result<Option<i64>, StateError> {
    let (database, stored) = open(path)?;
    let here = stored.standing.map(|standing| standing.next_offset);
    let take_in = |from: &mut dyn Read| portable::read_in(&database, &ALL, from);
    Ok(snapshots::bring(place, here, pause, take_in)?)
}

/// What writes a snapshot of the state as it is committed now.
pub(crate) fn snapshot(database: &Database) -> Result<Encode, StateError> {
    let transaction = database.begin_read()?;
    Ok(Box::new(move |out: &mut dyn io::Write| {
        portable::write_out(&transaction, &ALL, out)
    }))
}

fn load(database: &Database) -> Result<Stored, StateError> {
    let corrupt = |what: &str| StateError::Corrupt {
        what: what.to_owned(),
    };
    let transaction = database.begin_read()?;
    let standing = transaction
        .open_table(TASK)?
        .get("task")?
        .map(|bytes| Standing::decode(bytes.value()))
        .transpose()
        .map_err(|_| corrupt("its position"))?;
    if standing
        .as_ref()
        .is_some_and(|found| found.format != FORMAT)
    {
        return Err(corrupt("its format"));
    }
    let mut writers = Vec::new();
    for entry in transaction.open_table(WRITERS)?.iter()? {
        let (collector, last) = entry?;
        let (writer_epoch, seq) = last.value();
        writers.push((
            collector.value().to_owned(),
            WriterSeq { writer_epoch, seq },
        ));
    }
    let mut sessions = Vec::new();
    for entry in transaction.open_table(SESSIONS)?.iter()? {
        let (peer, bytes) = entry?;
        let session = Session::decode(bytes.value()).map_err(|_| corrupt(peer.value()))?;
        sessions.push((peer.value().to_owned(), session));
    }
    Ok(Stored {
        standing,
        writers,
        sessions,
    })
}

/// Stores what changed, all or nothing.
pub(crate) fn store<'a>(
    database: &Database,
    standing: &Standing,
    writers: impl Iterator<Item = (&'a str, WriterSeq)>,
    sessions: impl Iterator<Item = (String, &'a Session)>,
    prefixes: &mut PrefixSet,
) -> Result<(), StateError> {
    let transaction = database.begin_write()?;
    {
        let standing = Standing {
            format: FORMAT,
            ..standing.clone()
        };
        transaction
            .open_table(TASK)?
            .insert("task", standing.encode_to_vec().as_slice())?;
        let mut table = transaction.open_table(WRITERS)?;
        for (collector, last) in writers {
            table.insert(collector, (last.writer_epoch, last.seq))?;
        }
        let mut table = transaction.open_table(SESSIONS)?;
        for (peer, session) in sessions {
            table.insert(peer.as_str(), session.encode_to_vec().as_slice())?;
        }
        prefixes.write(&transaction)?;
    }
    transaction.commit()?;
    Ok(())
}
