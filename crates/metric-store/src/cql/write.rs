//! Rows in: batches within a partition, many at a time; then the position.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::statement::batch::{Batch, BatchType};
use weir_events::v1::WindowResult;

use super::{
    errors::failed,
    link::Link,
    place::{Place, bucket_timestamp, end_timestamp, row_timestamp},
};
use crate::{MetricStoreError, Progress};

const WHAT: &str = "store windows";
/// Most rows of one batch: some 16 kB.
const BATCH: usize = 64;
/// Statements on their way at once.
const FLIGHT: usize = 64;
/// A key's row is written anew after so long, so that it outlives the rows it leads to.
const REFRESH: Duration = Duration::from_secs(12 * 3600);
/// Keys whose row is known to be there; beyond this all are forgotten.
const KNOWN: usize = 1 << 20;

/// What this process has written lately and need not write again.
#[derive(Default)]
pub(super) struct Written(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    newest_us: Option<i64>,
    /// (partition, fence) -> position.
    positions: HashMap<(u32, u64), i64>,
    /// (aggregate, key, width) -> (last bucket, when).
    keys: HashMap<(String, String, i64), (i64, Instant)>,
}

impl Written {
    fn covers_end(&self, end_us: i64) -> bool {
        self.inner()
            .newest_us
            .is_some_and(|newest| newest >= end_us)
    }

    fn covers(&self, place: &Place<'_>) -> bool {
        let key = (
            place.aggregate.to_owned(),
            place.key.to_owned(),
            place.width_us,
        );
        let inner = self.inner();
        let known = inner.keys.get(&key);
        known.is_some_and(|(last, when)| *last >= place.bucket && when.elapsed() < REFRESH)
    }

    fn note(&self, end_us: i64, places: &[&Place<'_>]) {
        let mut inner = self.inner();
        inner.newest_us = inner.newest_us.max(Some(end_us));
        if inner.keys.len() > KNOWN {
            inner.keys.clear();
        }
        let now = Instant::now();
        for place in places {
            let key = (
                place.aggregate.to_owned(),
                place.key.to_owned(),
                place.width_us,
            );
            let known = inner.keys.entry(key).or_insert((place.bucket, now));
            *known = (known.0.max(place.bucket), now);
        }
    }

    fn position(&self, progress: &Progress) -> Option<i64> {
        let place = (progress.partition, progress.fence.0);
        self.inner().positions.get(&place).copied()
    }

    fn moved(&self, progress: &Progress) {
        let mut inner = self.inner();
        inner
            .positions
            .retain(|(partition, _), _| *partition != progress.partition);
        let place = (progress.partition, progress.fence.0);
        inner.positions.insert(place, progress.next_offset);
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row with its write timestamp.
type Dated<'a> = (&'a WindowResult, i64);

/// One request.
enum Job<'a> {
    Newest(i64),
    Key(&'a Place<'a>),
    Rows(&'a Place<'a>, &'a [Dated<'a>]),
}

impl Link {
    pub(super) async fn put_many(
        &self,
        written: &Written,
        rows: &[WindowResult],
        progress: Progress,
    ) -> Result<(), MetricStoreError> {
        let mut places: HashMap<Place<'_>, Vec<Dated<'_>>> = HashMap::new();
        for row in rows {
            let dated = (row, row_timestamp(row)?);
            places.entry(Place::of(row)).or_default().push(dated);
        }
        self.check_fence(&progress).await?;
        let new: Vec<_> = places
            .keys()
            .filter(|place| !written.covers(place))
            .collect();
        let end = rows.iter().map(|row| row.end_us).max();
        let newest = end.filter(|end| !written.covers_end(*end)).map(Job::Newest);
        let keys = new.iter().map(|place| Job::Key(place));
        let batches = places
            .iter()
            .flat_map(|(place, rows)| rows.chunks(BATCH).map(move |rows| Job::Rows(place, rows)));
        stream::iter(newest.into_iter().chain(keys).chain(batches))
            .map(|job| self.run(job))
            .buffer_unordered(FLIGHT)
            .try_collect::<()>()
            .await?;
        if let Some(end) = end {
            written.note(end, &new);
        }
        let last = written.position(&progress);
        self.move_on(&progress, last).await?;
        written.moved(&progress);
        Ok(())
    }

    async fn run(&self, job: Job<'_>) -> Result<(), MetricStoreError> {
        match job {
            Job::Newest(end_us) => {
                let values = (end_us, end_timestamp(end_us));
                self.execute(WHAT, &self.statements.put_newest, values)
                    .await?;
            }
            Job::Key(place) => {
                let Place {
                    aggregate,
                    key,
                    width_us,
                    bucket,
                } = place;
                let timestamp = bucket_timestamp(*bucket);
                // The rows behind it may be written for another half day before it is refreshed.
                let ttl = if self.ttl_s == 0 {
                    0
                } else {
                    self.ttl_s + 86_400
                };
                let values = (aggregate, key, width_us, bucket, timestamp, ttl);
                self.execute(WHAT, &self.statements.put_key, values).await?;
            }
            Job::Rows(place, [row]) => {
                let values = self.values(place, row);
                self.execute(WHAT, &self.statements.put_partial, values)
                    .await?;
            }
            Job::Rows(place, rows) => self.batch(place, rows).await?,
        }
        Ok(())
    }

    async fn batch(&self, place: &Place<'_>, rows: &[Dated<'_>]) -> Result<(), MetricStoreError> {
        let statement = self.statements.put_partial.clone();
        let mut batch =
            Batch::new_with_statements(BatchType::Unlogged, vec![statement.into(); rows.len()]);
        batch.set_is_idempotent(true);
        let values: Vec<_> = rows.iter().map(|row| self.values(place, row)).collect();
        self.patiently(async || {
            let result = self.session.batch(&batch, &values).await;
            result.map_err(failed(WHAT, &self.hosts))
        })
        .await?;
        Ok(())
    }

    fn values<'a>(&self, place: &Place<'a>, (row, timestamp): &Dated<'a>) -> Values<'a> {
        let measures = row.measures.iter();
        let measures = measures.map(|measure| (&*measure.name, measure.count.cast_signed()));
        (
            place.aggregate,
            place.key,
            place.width_us,
            place.bucket,
            row.start_us,
            i64::from(row.source_partition),
            row.r#final,
            row.synthetic,
            measures.collect(),
            *timestamp,
            self.ttl_s,
        )
    }
}

type Values<'a> = (
    &'a str,
    &'a str,
    i64,
    i64,
    i64,
    i64,
    bool,
    bool,
    Vec<(&'a str, i64)>,
    i64,
    i32,
);
