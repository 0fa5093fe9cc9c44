//! The embedded engine: three tables in one redb file.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use weir_events::position::StoreFence;
use weir_features::{EntityKey, FeatureRow};

use crate::{Progress, codec, error::OnlineStoreError};

/// (view, entity) -> row.
const ROWS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("rows");
/// Source partition -> next offset.
const POSITIONS: TableDefinition<'_, u32, i64> = TableDefinition::new("positions");
/// Source partition -> fence.
const FENCES: TableDefinition<'_, u32, u64> = TableDefinition::new("fences");

/// Between two transactions that wait for the disk. What a crash takes back since the last of them is taken back with
/// its position, and read from the log again; a wait for each batch would slow down every other write to this disk.
const DURABLE_EVERY: Duration = Duration::from_millis(500);

/// When rows were made durable last, and whether some have not been since.
struct Durable {
    at: Instant,
    waits: bool,
}

#[derive(Clone)]
pub(crate) struct Backend {
    database: Arc<Database>,
    durable: Arc<Mutex<Durable>>,
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
        Ok(Self {
            database,
            durable: Arc::new(Mutex::new(Durable {
                at: Instant::now(),
                waits: false,
            })),
        })
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
        let mut transaction = self
            .database
            .begin_write()
            .map_err(OnlineStoreError::engine(failed))?;
        transaction
            .set_durability(self.durability())
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

    /// How the transaction that has begun ends; one is under way at a time.
    fn durability(&self) -> Durability {
        let mut durable = self.durable.lock();
        durable.waits = durable.at.elapsed() < DURABLE_EVERY;
        if durable.waits {
            return Durability::None;
        }
        durable.at = Instant::now();
        Durability::Immediate
    }

    pub(crate) fn settle(&self) -> Result<(), OnlineStoreError> {
        {
            let durable = self.durable.lock();
            if !durable.waits || durable.at.elapsed() < DURABLE_EVERY {
                return Ok(());
            }
        }
        let failed = "make its rows durable";
        let mut transaction = self
            .database
            .begin_write()
            .map_err(OnlineStoreError::engine(failed))?;
        transaction
            .set_durability(self.durability())
            .map_err(OnlineStoreError::engine(failed))?;
        transaction
            .commit()
            .map_err(OnlineStoreError::engine(failed))
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

#[cfg(test)]
mod tests {
    use weir_events::position::{TopicEpoch, Version};

    use super::*;

    fn row(next_offset: i64) -> FeatureRow {
        FeatureRow {
            view: "view".to_owned().into(),
            entity: "entity".into(),
            event_time_us: 0,
            version: Version::new(TopicEpoch(1), next_offset, false),
            features: Vec::new(),
            synthetic: false,
        }
    }

    /// What a crash of the machine would leave: the file as it is, with nobody who closes it.
    fn left(folder: &Path, name: &str) -> (Option<i64>, Option<i64>) {
        let copy = folder.join(name);
        std::fs::copy(folder.join("online.redb"), &copy).unwrap();
        let backend = Backend::open(&copy).unwrap();
        let rows = backend.get_many("view", &["entity".into()]).unwrap();
        let order = rows[0].as_ref().map(|row| row.version.next_offset());
        (backend.position(0).unwrap(), order)
    }

    #[test]
    fn a_crash_takes_rows_back_together_with_their_position() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let backend = Backend::open(&folder.join("online.redb")).unwrap();
        let fence = backend.raise_fence(0).unwrap();
        let put = |next_offset| {
            let progress = Progress {
                partition: 0,
                next_offset,
                fence,
            };
            backend.put_many(&[row(next_offset)], progress).unwrap();
        };
        put(1);
        assert_eq!(left(folder, "at-once"), (None, None));
        let wait = || backend.durable.lock().at -= DURABLE_EVERY;
        wait();
        put(2);
        put(3);
        assert_eq!(left(folder, "later"), (Some(2), Some(2)));
        backend.settle().unwrap();
        assert_eq!(left(folder, "too-soon"), (Some(2), Some(2)));
        wait();
        backend.settle().unwrap();
        assert_eq!(left(folder, "settled"), (Some(3), Some(3)));
        put(4);
        drop(backend);
        assert_eq!(left(folder, "closed"), (Some(4), Some(4)));
    }
}
