//! The embedded engine: three tables in one redb file.

use std::{path::Path, sync::Arc};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use weir_events::position::StoreFence;
use weir_features::{EntityKey, FeatureRow};

use crate::{Progress, codec, error::OnlineStoreError};

/// (view, entity) -> row.
const ROWS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("rows");
/// Source partition -> next offset.
const POSITIONS: TableDefinition<'_, u32, i64> = TableDefinition::new("positions");
/// Source partition -> fence.
const FENCES: TableDefinition<'_, u32, u64> = TableDefinition::new("fences");

#[derive(Clone)]
pub(crate) struct Backend {
    database: Arc<Database>,
}

impl Backend {
    pub(crate) fn open(path: &Path) -> Result<Self, OnlineStoreError> {
        let database = weir_embedded::open(path)?;
        let failed = "prepare its tables";
        let transaction = database
            .begin_write()
            .map_err(OnlineStoreError::engine(failed))?;
        {
            transaction
                .open_table(ROWS)
                .map_err(OnlineStoreError::engine(failed))?;
            transaction
                .open_table(POSITIONS)
                .map_err(OnlineStoreError::engine(failed))?;
            transaction
                .open_table(FENCES)
                .map_err(OnlineStoreError::engine(failed))?;
        }
        transaction
            .commit()
            .map_err(OnlineStoreError::engine(failed))?;
        Ok(Self { database })
    }

    pub(crate) fn put_many(
        &self,
        rows: &[FeatureRow],
        progress: Progress,
    ) -> Result<usize, OnlineStoreError> {
        let failed = "store rows";
        let Progress {
            partition,
            next_offset,
            fence,
        } = progress;
        let transaction = self
            .database
            .begin_write()
            .map_err(OnlineStoreError::engine(failed))?;
        let mut written = 0;
        {
            let fences = transaction
                .open_table(FENCES)
                .map_err(OnlineStoreError::engine(failed))?;
            let current = fences
                .get(partition)
                .map_err(OnlineStoreError::engine(failed))?
                .map_or(0, |value| value.value());
            if current != fence.0 {
                return Err(OnlineStoreError::fenced(partition, fence, current));
            }
            let mut table = transaction
                .open_table(ROWS)
                .map_err(OnlineStoreError::engine(failed))?;
            for row in rows {
                let key = (&*row.view, row.entity.as_str());
                let stored = table
                    .get(key)
                    .map_err(OnlineStoreError::engine(failed))?
                    .and_then(|value| codec::order(value.value()));
                if stored.is_some_and(|stored| stored >= row.order()) {
                    continue;
                }
                table
                    .insert(key, codec::encode(row).as_slice())
                    .map_err(OnlineStoreError::engine(failed))?;
                written += 1;
            }
            transaction
                .open_table(POSITIONS)
                .map_err(OnlineStoreError::engine(failed))?
                .insert(partition, next_offset)
                .map_err(OnlineStoreError::engine(failed))?;
        }
        transaction
            .commit()
            .map_err(OnlineStoreError::engine(failed))?;
        Ok(written)
    }

    pub(crate) fn position(&self, partition: u32) -> Result<Option<i64>, OnlineStoreError> {
        let failed = "read its position";
        let transaction = self
            .database
            .begin_read()
            .map_err(OnlineStoreError::engine(failed))?;
        let table = transaction
            .open_table(POSITIONS)
            .map_err(OnlineStoreError::engine(failed))?;
        let value = table
            .get(partition)
            .map_err(OnlineStoreError::engine(failed))?;
        Ok(value.map(|value| value.value()))
    }

    pub(crate) fn raise_fence(&self, partition: u32) -> Result<StoreFence, OnlineStoreError> {
        let failed = "raise the fence";
        let transaction = self
            .database
            .begin_write()
            .map_err(OnlineStoreError::engine(failed))?;
        let raised = {
            let mut table = transaction
                .open_table(FENCES)
                .map_err(OnlineStoreError::engine(failed))?;
            let raised = table
                .get(partition)
                .map_err(OnlineStoreError::engine(failed))?
                .map_or(0, |value| value.value())
                + 1;
            table
                .insert(partition, raised)
                .map_err(OnlineStoreError::engine(failed))?;
            raised
        };
        transaction
            .commit()
            .map_err(OnlineStoreError::engine(failed))?;
        Ok(StoreFence(raised))
    }

    pub(crate) fn get_many(
        &self,
        view: &str,
        entities: &[EntityKey],
    ) -> Result<Vec<Option<FeatureRow>>, OnlineStoreError> {
        let failed = "read rows";
        let transaction = self
            .database
            .begin_read()
            .map_err(OnlineStoreError::engine(failed))?;
        let table = transaction
            .open_table(ROWS)
            .map_err(OnlineStoreError::engine(failed))?;
        entities
            .iter()
            .map(|entity| {
                table
                    .get((view, entity.as_str()))
                    .map_err(OnlineStoreError::engine(failed))?
                    .map(|value| codec::decode(view, entity, value.value()))
                    .transpose()
            })
            .collect()
    }

    /// Up to `limit` entries of a view, in order of the entity.
    pub(crate) fn scan<T>(
        &self,
        view: &str,
        after: Option<&EntityKey>,
        limit: usize,
        mut take: impl FnMut(EntityKey, &[u8]) -> Result<T, OnlineStoreError>,
    ) -> Result<Vec<T>, OnlineStoreError> {
        let failed = "list rows";
        let transaction = self
            .database
            .begin_read()
            .map_err(OnlineStoreError::engine(failed))?;
        let table = transaction
            .open_table(ROWS)
            .map_err(OnlineStoreError::engine(failed))?;
        let from = after.map_or("", EntityKey::as_str);
        let mut taken = Vec::new();
        for entry in table
            .range((view, from)..)
            .map_err(OnlineStoreError::engine(failed))?
        {
            let (key, value) = entry.map_err(OnlineStoreError::engine(failed))?;
            let (found, entity) = key.value();
            if found != view || taken.len() == limit {
                break;
            }
            if after.is_some() && entity == from {
                continue;
            }
            taken.push(take(EntityKey::from(entity), value.value())?);
        }
        Ok(taken)
    }
}
