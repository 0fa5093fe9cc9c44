//! The embedded engine: rows, their order of age, positions and fences in one redb file.

use std::{path::Path, sync::Arc};

use prost::Message;
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use weir_events::{position::StoreFence, v1::WindowResult};

use crate::{Keys, MetricStore, MetricStoreError, Progress, Query, Window, window::gather};

/// (aggregate, key, width, start, source partition).
type RowKey<'a> = (&'a str, &'a str, i64, i64, u32);
/// Row key -> version (8 bytes, little endian), then the `WindowResult`.
const ROWS: TableDefinition<'_, RowKey<'_>, &[u8]> = TableDefinition::new("windows");
/// (end, row key): what is oldest.
const AGES: TableDefinition<'_, (i64, RowKey<'_>), ()> = TableDefinition::new("ages");
/// One entry: the greatest end ever stored.
const NEWEST: TableDefinition<'_, (), i64> = TableDefinition::new("newest");
const POSITIONS: TableDefinition<'_, u32, i64> = TableDefinition::new("positions");
const FENCES: TableDefinition<'_, u32, u64> = TableDefinition::new("fences");

/// Most old rows that one `put_many` deletes, so that it stays short.
const SWEEP: usize = 4096;

const WRITE: &str = "store windows";
const READ: &str = "read windows";

fn engine<T, E: Into<redb::Error>>(
    result: Result<T, E>,
    what: &'static str,
) -> Result<T, MetricStoreError> {
    result.map_err(MetricStoreError::engine(what))
}

#[derive(Clone)]
pub(crate) struct Backend {
    database: Arc<Database>,
}

impl Backend {
    pub(crate) fn open(path: &Path) -> Result<Self, MetricStoreError> {
        let database = weir_embedded::open(path)?;
        let what = "prepare its tables";
        let transaction = engine(database.begin_write(), what)?;
        engine(transaction.open_table(ROWS), what)?;
        engine(transaction.open_table(AGES), what)?;
        engine(transaction.open_table(NEWEST), what)?;
        engine(transaction.open_table(POSITIONS), what)?;
        engine(transaction.open_table(FENCES), what)?;
        engine(transaction.commit(), what)?;
        Ok(Self { database })
    }

    pub(crate) fn put_many(
        &self,
        rows: &[WindowResult],
        progress: Progress,
    ) -> Result<(), MetricStoreError> {
        let transaction = engine(self.database.begin_write(), WRITE)?;
        check_fence(&transaction, &progress)?;
        let horizon = raise_newest(&transaction, rows)?;
        {
            let mut table = engine(transaction.open_table(ROWS), WRITE)?;
            let mut ages = engine(transaction.open_table(AGES), WRITE)?;
            for row in rows.iter().filter(|row| row.end_us > horizon) {
                put(&mut table, &mut ages, row)?;
            }
            sweep(&mut table, &mut ages, horizon)?;
        }
        engine(
            engine(transaction.open_table(POSITIONS), WRITE)?
                .insert(progress.partition, progress.next_offset),
            WRITE,
        )?;
        engine(transaction.commit(), WRITE)
    }

    pub(crate) fn position(&self, partition: u32) -> Result<Option<i64>, MetricStoreError> {
        let what = "read its position";
        let transaction = engine(self.database.begin_read(), what)?;
        let table = engine(transaction.open_table(POSITIONS), what)?;
        Ok(engine(table.get(partition), what)?.map(|value| value.value()))
    }

    pub(crate) fn raise_fence(&self, partition: u32) -> Result<StoreFence, MetricStoreError> {
        let what = "raise the fence";
        let transaction = engine(self.database.begin_write(), what)?;
        let fence = {
            let mut table = engine(transaction.open_table(FENCES), what)?;
            let fence = engine(table.get(partition), what)?.map_or(0, |value| value.value()) + 1;
            engine(table.insert(partition, fence), what)?;
            fence
        };
        engine(transaction.commit(), what)?;
        Ok(StoreFence(fence))
    }

    pub(crate) fn query(&self, query: &Query<'_>) -> Result<Vec<Window>, MetricStoreError> {
        let transaction = engine(self.database.begin_read(), READ)?;
        let table = engine(transaction.open_table(ROWS), READ)?;
        let horizon = horizon(engine(transaction.open_table(NEWEST), READ)?)?;
        let wanted = query.from_us..query.to_us;
        let mut windows: Vec<Window> = Vec::new();
        if query.limit == 0 || wanted.is_empty() {
            return Ok(windows);
        }
        // One key is one range; the next key is found by searching behind the last.
        let mut next = query.keys.first().to_owned();
        loop {
            let from = (
                query.aggregate,
                next.as_str(),
                query.width_us,
                wanted.start,
                0,
            );
            let Some(entry) = engine(table.range(from..), READ)?.next() else {
                return Ok(windows);
            };
            let (found, _) = engine(entry, READ)?;
            let (aggregate, key, width, start, _) = found.value();
            if aggregate != query.aggregate || !query.keys.holds(key) {
                return Ok(windows);
            }
            let key = key.to_owned();
            if key != next {
                // The search ended at another key: look at that one from the wanted start.
                next = key;
                continue;
            }
            if width == query.width_us && start < wanted.end {
                let from = (query.aggregate, key.as_str(), width, start, 0);
                let to = (query.aggregate, key.as_str(), width, wanted.end, 0);
                for entry in engine(table.range(from..to), READ)? {
                    let (_, value) = engine(entry, READ)?;
                    let partial = decode(value.value(), query.aggregate, &key)?;
                    if !gather(&mut windows, partial, horizon, query.limit) {
                        return Ok(windows);
                    }
                }
            }
            if matches!(query.keys, Keys::One(_)) {
                return Ok(windows);
            }
            next = key + "\0";
        }
    }

    pub(crate) fn keys(
        &self,
        aggregate: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError> {
        let transaction = engine(self.database.begin_read(), READ)?;
        let table = engine(transaction.open_table(ROWS), READ)?;
        let mut keys: Vec<String> = Vec::new();
        let mut next = after.map_or_else(String::new, |after| format!("{after}\0"));
        while keys.len() < limit {
            let from = (aggregate, next.as_str(), i64::MIN, i64::MIN, 0);
            let Some(entry) = engine(table.range(from..), READ)?.next() else {
                break;
            };
            let (found, _) = engine(entry, READ)?;
            let (of, key, ..) = found.value();
            if of != aggregate {
                break;
            }
            keys.push(key.to_owned());
            next = format!("{key}\0");
        }
        Ok(keys)
    }

    pub(crate) fn export(&self, mut each: impl FnMut(Window)) -> Result<(), MetricStoreError> {
        let transaction = engine(self.database.begin_read(), READ)?;
        let table = engine(transaction.open_table(ROWS), READ)?;
        let horizon = horizon(engine(transaction.open_table(NEWEST), READ)?)?;
        let mut window: Vec<Window> = Vec::with_capacity(1);
        for entry in engine(table.iter(), READ)? {
            let (key, value) = engine(entry, READ)?;
            let (aggregate, key, ..) = key.value();
            let partial = decode(value.value(), aggregate, key)?;
            if !gather(&mut window, partial.clone(), horizon, 1) {
                window.drain(..).for_each(&mut each);
                gather(&mut window, partial, horizon, 1);
            }
        }
        window.drain(..).for_each(&mut each);
        Ok(())
    }
}

fn check_fence(
    transaction: &WriteTransaction,
    progress: &Progress,
) -> Result<(), MetricStoreError> {
    let fences = engine(transaction.open_table(FENCES), WRITE)?;
    let current = engine(fences.get(progress.partition), WRITE)?.map_or(0, |value| value.value());
    if current == progress.fence.0 {
        return Ok(());
    }
    Err(MetricStoreError::Fenced {
        partition: progress.partition,
        ours: progress.fence.0,
        current,
    })
}

/// Notes the greatest end; windows that end at or before what is returned are no longer kept.
fn raise_newest(
    transaction: &WriteTransaction,
    rows: &[WindowResult],
) -> Result<i64, MetricStoreError> {
    let mut newest = engine(transaction.open_table(NEWEST), WRITE)?;
    let stored = engine(newest.get(()), WRITE)?.map_or(i64::MIN, |value| value.value());
    let greatest = rows.iter().map(|row| row.end_us).fold(stored, i64::max);
    if greatest > stored {
        engine(newest.insert((), greatest), WRITE)?;
    }
    horizon(newest)
}

fn horizon(newest: impl ReadableTable<(), i64>) -> Result<i64, MetricStoreError> {
    let newest = engine(newest.get(()), READ)?.map_or(i64::MIN, |value| value.value());
    Ok(newest.saturating_sub(MetricStore::RETENTION_US))
}

fn put(
    rows: &mut Table<'_, RowKey<'static>, &'static [u8]>,
    ages: &mut Table<'_, (i64, RowKey<'static>), ()>,
    row: &WindowResult,
) -> Result<(), MetricStoreError> {
    let width = row.end_us.saturating_sub(row.start_us);
    let key = (
        &*row.aggregate,
        &*row.key,
        width,
        row.start_us,
        row.source_partition,
    );
    let stored = engine(rows.get(key), WRITE)?.map(|value| version(value.value()));
    if stored.is_some_and(|stored| stored >= row.version) {
        return Ok(());
    }
    if stored.is_none() {
        engine(ages.insert((row.end_us, key), ()), WRITE)?;
    }
    let mut value = row.version.to_le_bytes().to_vec();
    value.reserve(row.encoded_len());
    row.encode_raw(&mut value);
    engine(rows.insert(key, value.as_slice()), WRITE)?;
    Ok(())
}

fn sweep(
    rows: &mut Table<'_, RowKey<'static>, &'static [u8]>,
    ages: &mut Table<'_, (i64, RowKey<'static>), ()>,
    horizon: i64,
) -> Result<(), MetricStoreError> {
    for _ in 0..SWEEP {
        let oldest = engine(ages.first(), WRITE)?.is_some_and(|(age, _)| age.value().0 <= horizon);
        if !oldest {
            return Ok(());
        }
        if let Some((age, _)) = engine(ages.pop_first(), WRITE)? {
            engine(rows.remove(age.value().1), WRITE)?;
        }
    }
    Ok(())
}

/// Version of a stored row; 0 when it is too short to have one.
fn version(value: &[u8]) -> u64 {
    value
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn decode(value: &[u8], aggregate: &str, key: &str) -> Result<WindowResult, MetricStoreError> {
    WindowResult::decode(value.get(8..).unwrap_or_default()).map_err(|error| {
        MetricStoreError::Corrupt {
            aggregate: aggregate.to_owned(),
            key: key.to_owned(),
            reason: error.to_string(),
        }
    })
}
