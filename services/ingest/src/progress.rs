//! How far a writer has come, kept in redb: stored only after everything below is delivered.
//!
//! Emissions are a function of the input, so the next seq of each collector is all that a restart
//! needs; file and record are for display. The ends of the log at the time of storing are kept
//! too: a log that is shorter than that was lost, truncated or made anew.

mod keeper;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use weir_embedded::EmbeddedError;
use weir_eventlog::{EventLog, LogError, admin};
use weir_events::topics::{BGP_MESSAGES, BGP_UPDATES};

use crate::{counts::Stats, input::InputFile};

pub(crate) use keeper::{Keeper, PERIOD};

const PROGRESS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("progress");
const WRITER_EPOCHS: TableDefinition<'_, &str, u64> = TableDefinition::new("writer_epochs");
/// Of each collector, the slot of the last table that was read to its end, microseconds.
const TABLES: TableDefinition<'_, &str, i64> = TableDefinition::new("tables");
const KEY: &str = "input";

/// Where one collector stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Seq at which its records of the present batch begin.
    pub(crate) first_seq: u64,
    /// Everything below is in the log.
    pub(crate) next_seq: u64,
    /// File that was read last.
    pub(crate) file: String,
    /// Its record that was read last.
    pub(crate) record: u64,
}

/// What is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Hash of the input's names, collectors and sizes and of the knowledge it is judged by; another input is
    /// refused.
    pub(crate) input: String,
    pub(crate) collectors: BTreeMap<String, Cursor>,
    /// The last Tick before the present batch.
    pub(crate) first_told_us: Option<i64>,
    /// Of a watched folder: the batch being read, and what was read before by folder.
    pub(crate) batch: Vec<InputFile>,
    pub(crate) read: BTreeMap<String, String>,
    /// End offsets of both topics when this was stored.
    pub(crate) ends: BTreeMap<String, Vec<i64>>,
    /// Set when all of the input is in the log.
    pub(crate) finished: Option<Stats>,
}

/// Why progress cannot be read, kept or gone on from.
#[derive(Debug, thiserror::Error)]
pub enum ProgressError {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    /// The store failed.
    #[error("ingest's progress cannot be {what}: {reason}")]
    Store {
        /// `read` or `stored`.
        what: &'static str,
        /// In the store's words.
        reason: String,
    },
    /// The log could not be asked or synced.
    #[error("the log does not answer: {0}")]
    Log(#[from] LogError),
    /// The log is shorter than it was.
    #[error(
        "{topic}/{partition} ends at {end}, but ingest had written up to {stored}: the log was \
         lost, truncated or made anew; remove this stream's folder to read its input again"
    )]
    LogShorter {
        /// Topic.
        topic: String,
        /// Its partition.
        partition: usize,
        /// Its end now.
        end: i64,
        /// Its end when progress was stored.
        stored: i64,
    },
    /// Another input than the one that was begun.
    #[error(
        "the input differs from the one that this stream was begun with (a file came, went or \
         changed its size, or the knowledge that it is judged by is another); give the same input, or \
         another data folder"
    )]
    OtherInput,
}

fn store(what: &'static str) -> impl Fn(redb::Error) -> ProgressError {
    move |error| ProgressError::Store {
        what,
        reason: weir_embedded::cause(error).to_string(),
    }
}

/// The file `ingest.redb` of a stream.
#[derive(Clone)]
pub(crate) struct Store {
    database: Arc<Database>,
}

impl Store {
    pub(crate) fn open(state_dir: &Path) -> Result<Self, ProgressError> {
        let database = weir_embedded::open(&state_dir.join("ingest.redb"))?;
        Ok(Self { database })
    }

    pub(crate) fn load(&self) -> Result<Option<Progress>, ProgressError> {
        let failed = store("read");
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let transaction = self.database.begin_read()?;
            match transaction.open_table(PROGRESS) {
                Ok(table) => Ok(table.get(KEY)?.map(|value| value.value().to_vec())),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        let Some(bytes) = read().map_err(&failed)? else {
            return Ok(None);
        };
        let progress = serde_json::from_slice(&bytes).map_err(|error| ProgressError::Store {
            what: "read",
            reason: error.to_string(),
        })?;
        Ok(Some(progress))
    }

    pub(crate) fn save(&self, progress: &Progress) -> Result<(), ProgressError> {
        let bytes = serde_json::to_vec(progress).map_err(|error| ProgressError::Store {
            what: "stored",
            reason: error.to_string(),
        })?;
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            transaction
                .open_table(PROGRESS)?
                .insert(KEY, bytes.as_slice())?;
            transaction.commit()?;
            Ok(())
        };
        write().map_err(store("stored"))
    }

    /// When the table of a collector was taken that was read last; `None` = none ever was.
    pub(crate) fn table(&self, collector: &str) -> Result<Option<i64>, ProgressError> {
        let read = || -> Result<Option<i64>, redb::Error> {
            let transaction = self.database.begin_read()?;
            match transaction.open_table(TABLES) {
                Ok(table) => Ok(table.get(collector)?.map(|value| value.value())),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        read().map_err(store("read"))
    }

    /// Remembers that a table of this time was read to its end, and is in the log.
    pub(crate) fn keep_table(&self, collector: &str, slot_us: i64) -> Result<(), ProgressError> {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            transaction.open_table(TABLES)?.insert(collector, slot_us)?;
            transaction.commit()?;
            Ok(())
        };
        write().map_err(store("stored"))
    }

    /// Begins a new life of a collector's writer, durably; the first is 1.
    pub(crate) fn next_writer_epoch(&self, collector: &str) -> Result<u64, ProgressError> {
        let write = || -> Result<u64, redb::Error> {
            let transaction = self.database.begin_write()?;
            let mut table = transaction.open_table(WRITER_EPOCHS)?;
            let epoch = table.get(collector)?.map_or(0, |value| value.value()) + 1;
            table.insert(collector, epoch)?;
            drop(table);
            transaction.commit()?;
            Ok(epoch)
        };
        write().map_err(store("stored"))
    }

    /// The names of all that ever wrote, `_control` among them.
    pub(crate) fn writers(&self) -> Result<Vec<String>, ProgressError> {
        let read = || -> Result<Vec<String>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = match transaction.open_table(WRITER_EPOCHS) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let names = table.iter()?;
            names.map(|entry| Ok(entry?.0.value().to_owned())).collect()
        };
        read().map_err(store("read"))
    }
}

/// The ends of both topics, as progress keeps them.
pub(crate) fn ends(log: &EventLog) -> Result<BTreeMap<String, Vec<i64>>, LogError> {
    [BGP_UPDATES, BGP_MESSAGES]
        .iter()
        .map(|topic| Ok((topic.name.to_owned(), admin::end_offsets(log, topic)?)))
        .collect()
}

impl Progress {
    /// Refuses another input, and a log that does not hold what was stored.
    pub(crate) fn check(&self, input: &str, log: &EventLog) -> Result<(), ProgressError> {
        if self.input != input {
            return Err(ProgressError::OtherInput);
        }
        let now = ends(log)?;
        for (topic, stored) in &self.ends {
            let ends = now.get(topic).map_or(&[][..], Vec::as_slice);
            for (partition, stored) in stored.iter().copied().enumerate() {
                let end = ends.get(partition).copied().unwrap_or(0);
                if end < stored {
                    return Err(ProgressError::LogShorter {
                        topic: topic.clone(),
                        partition,
                        end,
                        stored,
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_comes_back_and_epochs_rise_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.load().unwrap(), None);
        assert!(store.writers().unwrap().is_empty());
        let mut progress = Progress {
            input: "hash".to_owned(),
            ..Progress::default()
        };
        progress.collectors.insert(
            "rrc00".to_owned(),
            Cursor {
                next_seq: 7,
                ..Cursor::default()
            },
        );
        store.save(&progress).unwrap();
        assert_eq!(store.table("rrc00").unwrap(), None);
        store.keep_table("rrc00", 5).unwrap();
        assert_eq!(store.next_writer_epoch("rrc00").unwrap(), 1);
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.load().unwrap(), Some(progress));
        assert_eq!(store.table("rrc00").unwrap(), Some(5));
        assert_eq!(store.next_writer_epoch("rrc00").unwrap(), 2);
        assert_eq!(store.next_writer_epoch("rrc01").unwrap(), 1);
        assert_eq!(store.writers().unwrap(), ["rrc00", "rrc01"]);
    }
}
