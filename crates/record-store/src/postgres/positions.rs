//! Positions, fences and the topic epoch on PostgreSQL.

use sqlx::PgConnection;
use weir_events::position::{StoreFence, TopicEpoch};

use super::{Postgres, columns};
use crate::{
    RecordError,
    positions::{STREAM, Sink},
};

/// No row comes out of it when a later assignment has raised the fence.
pub(crate) const ADVANCE: &str = "
INSERT INTO sink_positions AS t (topic, partition, next_offset, fence) VALUES ($1, $2, $3, $4)
ON CONFLICT (topic, partition)
DO UPDATE SET next_offset = excluded.next_offset, fence = excluded.fence
WHERE t.fence <= excluded.fence";

impl Postgres {
    pub(crate) async fn position(
        &self,
        sink: Sink,
        partition: u32,
    ) -> Result<Option<i64>, RecordError> {
        let action = "read a position";
        self.tried(action, || async move {
            sqlx::query_scalar(
                "SELECT next_offset FROM sink_positions WHERE topic = $1 AND partition = $2",
            )
            .bind(sink.topic())
            .bind(columns::int(partition))
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed(action))
        })
        .await
    }

    pub(crate) async fn raise_fence(
        &self,
        sink: Sink,
        partition: u32,
    ) -> Result<(StoreFence, i64), RecordError> {
        let action = "raise a fence";
        let (fence, position): (i64, i64) = self
            .tried(action, || async move {
                sqlx::query_as(
                    "INSERT INTO sink_positions AS t (topic, partition, next_offset, fence)
                     VALUES ($1, $2, 0, 1)
                     ON CONFLICT (topic, partition) DO UPDATE SET fence = t.fence + 1
                     RETURNING fence, next_offset",
                )
                .bind(sink.topic())
                .bind(columns::int(partition))
                .fetch_one(&self.pool)
                .await
                .map_err(self.failed(action))
            })
            .await?;
        Ok((StoreFence(fence.cast_unsigned()), position))
    }

    /// The epoch that was told, and the greatest version of any row.
    pub(crate) async fn epochs(&self) -> Result<(Option<i64>, Option<i64>), RecordError> {
        let action = "read the topic epoch";
        self.tried(action, || async move {
            sqlx::query_as(
                "SELECT (SELECT max(topic_epoch) FROM streams),
                        (SELECT max(version) FROM bgp_conflicts)",
            )
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed(action))
        })
        .await
    }

    pub(crate) async fn raise_epoch(&self, at_least: TopicEpoch) -> Result<(), RecordError> {
        let action = "raise the topic epoch";
        self.tried(action, || async move {
            sqlx::query(
                "INSERT INTO streams AS t (stream, topic_epoch) VALUES ($1, $2)
                 ON CONFLICT (stream)
                 DO UPDATE SET topic_epoch = greatest(t.topic_epoch, excluded.topic_epoch)",
            )
            .bind(STREAM)
            .bind(i64::from(at_least.0))
            .execute(&self.pool)
            .await
            .map_err(self.failed(action))
        })
        .await?;
        Ok(())
    }

    /// Inside the transaction of a batch, first: moves the position, and with it locks the row
    /// against other writers, unless a later assignment has begun.
    pub(super) async fn advance(
        &self,
        transaction: &mut PgConnection,
        sink: Sink,
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<(), RecordError> {
        let action = "move a position";
        let moved = sqlx::query(ADVANCE)
            .bind(sink.topic())
            .bind(columns::int(partition))
            .bind(next_offset)
            .bind(fence.0.cast_signed())
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(action))?;
        if moved.rows_affected() == 1 {
            return Ok(());
        }
        let current: i64 = sqlx::query_scalar(
            "SELECT fence FROM sink_positions WHERE topic = $1 AND partition = $2",
        )
        .bind(sink.topic())
        .bind(columns::int(partition))
        .fetch_one(transaction)
        .await
        .map_err(self.failed(action))?;
        Err(RecordError::Fenced {
            partition,
            held: fence,
            current: StoreFence(current.cast_unsigned()),
        })
    }
}
