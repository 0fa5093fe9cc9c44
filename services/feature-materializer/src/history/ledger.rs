//! What the history writer remembers: its place in each partition, the range of the file that it
//! is about to write, and the last version of each entity.

use std::{path::Path, sync::Arc};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use rustc_hash::FxHashMap;
use weir_embedded::EmbeddedError;
use weir_events::position::{StoreFence, Version};

/// Partition -> next offset.
const POSITIONS: TableDefinition<'_, u32, i64> = TableDefinition::new("positions");
/// Partition -> end of the range of a file that may or may not be there.
const RANGES: TableDefinition<'_, u32, i64> = TableDefinition::new("ranges");
/// Partition -> fence.
const FENCES: TableDefinition<'_, u32, u64> = TableDefinition::new("fences");
/// (partition, `view/entity`) -> version of its last row in the history.
const VERSIONS: TableDefinition<'_, (u32, &str), u64> = TableDefinition::new("versions");

/// Why the ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    /// The engine failed.
    #[error("ledger of the feature history: {0}")]
    Engine(#[from] redb::Error),
    /// Another writer has taken the partition.
    #[error("ledger of the feature history: partition {partition} belongs to another writer")]
    Fenced {
        /// Partition of `feature-rows`.
        partition: u32,
    },
}

macro_rules! from_engine {
    ($($error:ty),*) => {
        $(impl From<$error> for LedgerError {
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

pub(super) struct Ledger {
    database: Arc<Database>,
}

/// Where a partition stands.
pub(super) struct Standing {
    pub(super) next_offset: Option<i64>,
    pub(super) range_end: Option<i64>,
}

impl Ledger {
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let database = weir_embedded::open(path)?;
        let transaction = database.begin_write()?;
        transaction.open_table(POSITIONS)?;
        transaction.open_table(RANGES)?;
        transaction.open_table(FENCES)?;
        transaction.open_table(VERSIONS)?;
        transaction.commit()?;
        Ok(Self { database })
    }

    pub(super) fn raise_fence(&self, partition: u32) -> Result<StoreFence, LedgerError> {
        let transaction = self.database.begin_write()?;
        let raised = {
            let mut table = transaction.open_table(FENCES)?;
            let raised = table.get(partition)?.map_or(0, |fence| fence.value()) + 1;
            table.insert(partition, raised)?;
            raised
        };
        transaction.commit()?;
        Ok(StoreFence(raised))
    }

    pub(super) fn standing(&self, partition: u32) -> Result<Standing, LedgerError> {
        let transaction = self.database.begin_read()?;
        let read = |table| -> Result<Option<i64>, LedgerError> {
            let table = transaction.open_table(table)?;
            Ok(table.get(partition)?.map(|offset| offset.value()))
        };
        Ok(Standing {
            next_offset: read(POSITIONS)?,
            range_end: read(RANGES)?,
        })
    }

    pub(super) fn versions(
        &self,
        partition: u32,
    ) -> Result<FxHashMap<String, Version>, LedgerError> {
        let table = self.database.begin_read()?.open_table(VERSIONS)?;
        let mut versions = FxHashMap::default();
        for entry in table.range((partition, "")..(partition + 1, ""))? {
            let (key, version) = entry?;
            versions.insert(key.value().1.to_owned(), Version(version.value()));
        }
        Ok(versions)
    }

    /// A file that ends before `end` is about to be written.
    pub(super) fn promise(
        &self,
        partition: u32,
        end: i64,
        fence: StoreFence,
    ) -> Result<(), LedgerError> {
        let transaction = self.fenced(partition, fence)?;
        transaction.open_table(RANGES)?.insert(partition, end)?;
        transaction.commit()?;
        Ok(())
    }

    /// Everything before `next_offset` is in the history.
    pub(super) fn keep(
        &self,
        partition: u32,
        next_offset: i64,
        changed: &FxHashMap<String, Version>,
        fence: StoreFence,
    ) -> Result<(), LedgerError> {
        let transaction = self.fenced(partition, fence)?;
        {
            let mut versions = transaction.open_table(VERSIONS)?;
            for (key, version) in changed {
                versions.insert((partition, key.as_str()), version.0)?;
            }
            transaction
                .open_table(POSITIONS)?
                .insert(partition, next_offset)?;
            transaction.open_table(RANGES)?.remove(partition)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn fenced(&self, partition: u32, fence: StoreFence) -> Result<WriteTransaction, LedgerError> {
        let transaction = self.database.begin_write()?;
        let current = transaction
            .open_table(FENCES)?
            .get(partition)?
            .map_or(0, |current| current.value());
        if current == fence.0 {
            Ok(transaction)
        } else {
            Err(LedgerError::Fenced { partition })
        }
    }
}
