//! What the history writer remembers: its place in each partition, the range of the file that it
//! is about to write, and the last version of each entity.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use prost::Message;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use rustc_hash::FxHashMap;
use weir_embedded::EmbeddedError;
use weir_events::position::{StoreFence, Version};
use weir_objects::{ObjectsError, snapshots::Encode};

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
    /// The copies that other machines rest on cannot be read or written.
    #[error(transparent)]
    Copies(#[from] ObjectsError),
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

/// A partition in a snapshot: everything below `next_offset`.
#[derive(Clone, PartialEq, prost::Message)]
struct Kept {
    #[prost(int64, tag = "1")]
    next_offset: i64,
    #[prost(btree_map = "string, uint64", tag = "2")]
    versions: BTreeMap<String, u64>,
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

    /// What another machine needs to go on from here.
    pub(super) fn snapshot(&self, partition: u32, next_offset: i64) -> Result<Encode, LedgerError> {
        let versions = self.versions(partition)?;
        let versions = versions.into_iter().map(|(key, version)| (key, version.0));
        let kept = Kept {
            next_offset,
            versions: versions.collect(),
        };
        Ok(Box::new(move |to: &mut dyn Write| {
            to.write_all(&kept.encode_to_vec())
        }))
    }

    /// Makes the partition what a snapshot says. The fence stays.
    pub(super) fn take_in(&self, partition: u32, from: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        let kept = Kept::decode(bytes.as_slice()).map_err(io::Error::other)?;
        self.replace(partition, &kept).map_err(io::Error::other)
    }

    fn replace(&self, partition: u32, kept: &Kept) -> Result<(), LedgerError> {
        let transaction = self.database.begin_write()?;
        {
            let mut versions = transaction.open_table(VERSIONS)?;
            versions.retain_in((partition, "")..(partition + 1, ""), |_, _| false)?;
            for (key, version) in &kept.versions {
                versions.insert((partition, key.as_str()), *version)?;
            }
            let mut positions = transaction.open_table(POSITIONS)?;
            positions.insert(partition, kept.next_offset)?;
            transaction.open_table(RANGES)?.remove(partition)?;
        }
        transaction.commit()?;
        Ok(())
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
