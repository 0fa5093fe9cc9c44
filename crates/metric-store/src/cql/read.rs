//! Windows out: partitions in order, a few read ahead, partials summed as they come.

use std::ops::Range;

use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::{
    deserialize::row::DeserializeRow, serialize::row::SerializeRow,
    statement::prepared::PreparedStatement,
};
use weir_events::v1::{Measure, WindowResult};

use super::{link::Link, place::bucket};
use crate::{Keys, MetricStore, MetricStoreError, Query, Window, window::gather};

const WHAT: &str = "read windows";
/// Partitions that are read at once.
const AHEAD: usize = 16;

/// A key's row: (key, width, last bucket).
type KeyRow = (String, i64, i64);
/// A partial as stored: (start, source partition, final, synthetic, measures).
type Partial = (i64, i64, bool, bool, Option<Vec<(String, i64)>>);

/// One partition of `window_partials`, and the starts that are wanted of it.
struct Slice {
    key: String,
    width_us: i64,
    bucket: i64,
}

impl Link {
    pub(super) async fn query(&self, query: &Query<'_>) -> Result<Vec<Window>, MetricStoreError> {
        let mut windows = Vec::new();
        let wanted = query.from_us..query.to_us;
        let Some(horizon) = self.horizon().await? else {
            return Ok(windows);
        };
        if query.limit == 0 || wanted.is_empty() {
            return Ok(windows);
        }
        let aggregate = query.aggregate;
        let mut push = |partial: WindowResult| gather(&mut windows, partial, horizon, query.limit);
        if let Keys::One(key) = query.keys {
            let values = (aggregate, key, query.width_us);
            let rows: Vec<(i64,)> = self.all(&self.statements.last_bucket, values).await?;
            let keys = rows
                .into_iter()
                .map(|(last,)| (key.to_owned(), query.width_us, last));
            let slices = keys.flat_map(|key| slices(key, &wanted, horizon));
            self.walk(aggregate, slices, &wanted, &mut push).await?;
            return Ok(windows);
        }
        let mut after = (query.keys.first().to_owned(), i64::MIN);
        loop {
            let chunk = self.keys_after(aggregate, &after).await?;
            let Some((key, width, _)) = chunk.last() else {
                return Ok(windows);
            };
            let more = query.keys.holds(key);
            after = (key.clone(), *width);
            let keys = chunk
                .into_iter()
                .filter(|(key, width, _)| *width == query.width_us && query.keys.holds(key));
            let slices = keys.flat_map(|key| slices(key, &wanted, horizon));
            if !self.walk(aggregate, slices, &wanted, &mut push).await? || !more {
                return Ok(windows);
            }
        }
    }

    pub(super) async fn keys(
        &self,
        aggregate: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError> {
        let mut keys: Vec<String> = Vec::new();
        let Some(horizon) = self.horizon().await? else {
            return Ok(keys);
        };
        let mut after = after.map_or((String::new(), i64::MIN), |key| (key.to_owned(), i64::MAX));
        while keys.len() < limit {
            let chunk = self.keys_after(aggregate, &after).await?;
            let Some((key, width, _)) = chunk.last() else {
                break;
            };
            after = (key.clone(), *width);
            for row in chunk {
                if keys.len() < limit
                    && keys.last() != Some(&row.0)
                    && self.has_windows(aggregate, &row, horizon).await?
                {
                    keys.push(row.0);
                }
            }
        }
        Ok(keys)
    }

    pub(super) async fn export(
        &self,
        mut each: impl FnMut(Window),
    ) -> Result<(), MetricStoreError> {
        let Some(horizon) = self.horizon().await? else {
            return Ok(());
        };
        let found: Vec<(String,)> = self.all(&self.statements.aggregates, ()).await?;
        let mut aggregates: Vec<String> = found.into_iter().map(|(aggregate,)| aggregate).collect();
        aggregates.sort_unstable();
        let every = i64::MIN..i64::MAX;
        let mut window: Vec<Window> = Vec::new();
        for aggregate in &aggregates {
            let mut after = (String::new(), i64::MIN);
            loop {
                let chunk = self.keys_after(aggregate, &after).await?;
                let Some((key, width, _)) = chunk.last() else {
                    break;
                };
                after = (key.clone(), *width);
                let slices = chunk
                    .into_iter()
                    .flat_map(|key| slices(key, &every, horizon));
                let mut push = |partial: WindowResult| {
                    if window
                        .first()
                        .is_some_and(|last| !last.same_window(&partial))
                    {
                        window.drain(..).for_each(&mut each);
                    }
                    gather(&mut window, partial, horizon, 1)
                };
                self.walk(aggregate, slices, &every, &mut push).await?;
            }
        }
        window.drain(..).for_each(&mut each);
        Ok(())
    }

    /// Hands over the partials of these slices, in their order, until `push` has enough: then false.
    async fn walk(
        &self,
        aggregate: &str,
        slices: impl Iterator<Item = Slice>,
        starts: &Range<i64>,
        push: &mut impl FnMut(WindowResult) -> bool,
    ) -> Result<bool, MetricStoreError> {
        let mut read = stream::iter(slices)
            .map(|slice| self.read(aggregate, slice, starts))
            .buffered(AHEAD);
        while let Some(partials) = read.try_next().await? {
            for partial in partials {
                if !push(partial) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn read(
        &self,
        aggregate: &str,
        slice: Slice,
        starts: &Range<i64>,
    ) -> Result<Vec<WindowResult>, MetricStoreError> {
        let Slice {
            key,
            width_us,
            bucket,
        } = slice;
        let values = (aggregate, &key, width_us, bucket, starts.start, starts.end);
        let partials: Vec<Partial> = self.all(&self.statements.partials, values).await?;
        let row = |(start_us, partition, is_final, synthetic, measures): Partial| WindowResult {
            aggregate: aggregate.to_owned(),
            key: key.clone(),
            start_us,
            end_us: start_us.saturating_add(width_us),
            source_partition: u32::try_from(partition).unwrap_or(u32::MAX),
            version: 0,
            r#final: is_final,
            measures: measures
                .unwrap_or_default()
                .into_iter()
                .map(|(name, count)| Measure {
                    name,
                    count: count.cast_unsigned(),
                })
                .collect(),
            synthetic,
        };
        Ok(partials.into_iter().map(row).collect())
    }

    /// True when a window of this key is kept still.
    async fn has_windows(
        &self,
        aggregate: &str,
        row: &KeyRow,
        horizon: i64,
    ) -> Result<bool, MetricStoreError> {
        let (key, width_us, last) = row;
        let oldest = oldest_start(*width_us, horizon);
        let border = bucket(*width_us, oldest);
        if *last != border {
            return Ok(*last > border);
        }
        let slice = Slice {
            key: key.clone(),
            width_us: *width_us,
            bucket: border,
        };
        let kept = self.read(aggregate, slice, &(oldest..i64::MAX)).await?;
        Ok(!kept.is_empty())
    }

    /// Rows of keys behind this (key, width).
    async fn keys_after(
        &self,
        aggregate: &str,
        (key, width): &(String, i64),
    ) -> Result<Vec<KeyRow>, MetricStoreError> {
        let values = (aggregate, key, width);
        self.all(&self.statements.keys_from, values).await
    }

    /// Windows that end at or before this are no longer kept; none = nothing was ever stored.
    async fn horizon(&self) -> Result<Option<i64>, MetricStoreError> {
        let newest: Vec<(i64,)> = self.all(&self.statements.newest, ()).await?;
        let newest = newest.first();
        Ok(newest.map(|(end_us,)| end_us.saturating_sub(MetricStore::RETENTION_US)))
    }

    async fn all<R: for<'f, 'm> DeserializeRow<'f, 'm>>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, MetricStoreError> {
        let rows = self.rows(WHAT, statement, values).await?;
        let rows = rows
            .rows::<R>()
            .map_err(|error| self.unreadable(WHAT, &error))?;
        rows.collect::<Result<_, _>>()
            .map_err(|error| self.unreadable(WHAT, &error))
    }
}

/// The first start of a window that is kept.
fn oldest_start(width_us: i64, horizon: i64) -> i64 {
    horizon.saturating_sub(width_us).saturating_add(1)
}

/// The partitions of a key that may hold windows that start in `starts` and are kept.
fn slices(
    (key, width_us, last): KeyRow,
    starts: &Range<i64>,
    horizon: i64,
) -> impl Iterator<Item = Slice> + use<> {
    let first = bucket(width_us, starts.start.max(oldest_start(width_us, horizon)));
    let last = last.min(bucket(width_us, starts.end.saturating_sub(1)));
    (first..=last).map(move |bucket| Slice {
        key: key.clone(),
        width_us,
        bucket,
    })
}
