//! Positions, fences and the topic epoch on SQLite.

use sqlx::{Row, SqliteConnection};
use weir_events::position::{StoreFence, TopicEpoch};

use super::{Sqlite, open};
use crate::{
    RecordError,
    positions::{STREAM, Sink},
};

const POSITION: &str = "
INSERT INTO sink_positions (sink, partition, next_offset, fence) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (sink, partition) DO UPDATE SET next_offset = excluded.next_offset, fence = excluded.fence";

/// The name of a sink in the table.
fn name(sink: Sink) -> &'static str {
    match sink {
        Sink::Incidents => "incidents",
        Sink::Updates => "updates",
    }
}

impl Sqlite {
    pub(crate) async fn position(
        &self,
        sink: Sink,
        partition: u32,
    ) -> Result<Option<i64>, RecordError> {
        sqlx::query_scalar(
            "SELECT next_offset FROM sink_positions WHERE sink = ?1 AND partition = ?2",
        )
        .bind(name(sink))
        .bind(partition)
        .fetch_optional(&self.readers)
        .await
        .map_err(RecordError::statement("read a position"))
    }

    pub(crate) async fn raise_fence(
        &self,
        sink: Sink,
        partition: u32,
    ) -> Result<(StoreFence, i64), RecordError> {
        let mut guard = self.writer.lock().await;
        let row = sqlx::query(
            "INSERT INTO sink_positions (sink, partition, next_offset, fence) VALUES (?1, ?2, 0, 1)
             ON CONFLICT (sink, partition) DO UPDATE SET fence = fence + 1
             RETURNING fence, next_offset",
        )
        .bind(name(sink))
        .bind(partition)
        .fetch_one(open(&mut guard)?)
        .await
        .map_err(RecordError::statement("raise a fence"))?;
        Ok((StoreFence(row.get::<i64, _>(0).cast_unsigned()), row.get(1)))
    }

    /// The epoch that was told, and the greatest version of any row.
    pub(crate) async fn epochs(&self) -> Result<(Option<i64>, Option<i64>), RecordError> {
        sqlx::query_as(
            "SELECT (SELECT max(topic_epoch) FROM streams), (SELECT max(version) FROM incidents)",
        )
        .fetch_one(&self.readers)
        .await
        .map_err(RecordError::statement("read the topic epoch"))
    }

    pub(crate) async fn raise_epoch(&self, at_least: TopicEpoch) -> Result<(), RecordError> {
        let mut guard = self.writer.lock().await;
        sqlx::query(
            "INSERT INTO streams (stream, topic_epoch) VALUES (?1, ?2)
             ON CONFLICT (stream) DO UPDATE SET topic_epoch = max(topic_epoch, excluded.topic_epoch)",
        )
        .bind(STREAM)
        .bind(at_least.0)
        .execute(open(&mut guard)?)
        .await
        .map_err(RecordError::statement("raise the topic epoch"))?;
        Ok(())
    }
}

/// Inside the transaction of a batch: moves the position, unless a later assignment has begun.
pub(super) async fn advance(
    transaction: &mut SqliteConnection,
    sink: Sink,
    partition: u32,
    next_offset: i64,
    fence: StoreFence,
) -> Result<(), RecordError> {
    let current: Option<i64> =
        sqlx::query_scalar("SELECT fence FROM sink_positions WHERE sink = ?1 AND partition = ?2")
            .bind(name(sink))
            .bind(partition)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(RecordError::statement("read a fence"))?;
    let current = StoreFence(current.unwrap_or_default().cast_unsigned());
    if fence < current {
        return Err(RecordError::Fenced {
            partition,
            held: fence,
            current,
        });
    }
    sqlx::query(POSITION)
        .bind(name(sink))
        .bind(partition)
        .bind(next_offset)
        .bind(fence.0.cast_signed())
        .execute(transaction)
        .await
        .map_err(RecordError::statement("move a position"))?;
    Ok(())
}
