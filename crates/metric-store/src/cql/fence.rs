//! Positions and fences: one row per source partition, changed by conditional writes only.

use weir_events::position::StoreFence;

use super::link::{Link, applied};
use crate::{MetricStoreError, Progress};

const READ: &str = "read its position";
const RAISE: &str = "raise the fence";
const MOVE: &str = "store its position";

/// (fence, next offset) of a partition.
type State = (i64, Option<i64>);

impl Link {
    pub(super) async fn position(&self, partition: u32) -> Result<Option<i64>, MetricStoreError> {
        Ok(self.state(READ, partition).await?.1)
    }

    pub(super) async fn raise_fence(&self, partition: u32) -> Result<StoreFence, MetricStoreError> {
        let number = i64::from(partition);
        loop {
            let (fence, _) = self.state(RAISE, partition).await?;
            // An answer that was lost and is asked for again only raises the fence further.
            let rows = if fence == 0 {
                let first = &self.statements.first_fence;
                self.rows(RAISE, first, (number,)).await?
            } else {
                let next = &self.statements.next_fence;
                self.rows(RAISE, next, (fence + 1, number, fence)).await?
            };
            if applied(&rows) {
                return Ok(StoreFence((fence + 1).unsigned_abs()));
            }
        }
    }

    /// Refuses a writer whose fence is not the newest, before it writes anything.
    pub(super) async fn check_fence(&self, progress: &Progress) -> Result<(), MetricStoreError> {
        let number = i64::from(progress.partition);
        let rows = self.rows(MOVE, &self.statements.fence, (number,)).await?;
        let found = rows.maybe_first_row::<(Option<i64>,)>();
        let found = found.map_err(|error| self.unreadable(MOVE, &error))?;
        let fence = found.and_then(|(fence,)| fence).unwrap_or(0);
        belongs(progress, fence)
    }

    /// Stores the position while the fence is ours and, where we know it, the last position is still
    /// there: an engine that lost it may have lost rows before it.
    pub(super) async fn move_on(
        &self,
        progress: &Progress,
        last: Option<i64>,
    ) -> Result<(), MetricStoreError> {
        let (next, number) = (progress.next_offset, i64::from(progress.partition));
        let fence = progress.fence.0.cast_signed();
        let rows = if let Some(last) = last {
            let statement = &self.statements.move_from;
            self.rows(MOVE, statement, (next, number, fence, last))
                .await?
        } else {
            let statement = &self.statements.move_on;
            self.rows(MOVE, statement, (next, number, fence)).await?
        };
        if applied(&rows) {
            return Ok(());
        }
        let (fence, found) = self.state(MOVE, progress.partition).await?;
        belongs(progress, fence)?;
        // Done by a first attempt whose answer was lost.
        if found == Some(next) {
            return Ok(());
        }
        Err(MetricStoreError::Rewound {
            partition: progress.partition,
            expected: last.unwrap_or(next),
            found,
        })
    }

    async fn state(&self, what: &'static str, partition: u32) -> Result<State, MetricStoreError> {
        let statement = &self.statements.progress;
        let rows = self.rows(what, statement, (i64::from(partition),)).await?;
        let found = rows.maybe_first_row::<(Option<i64>, Option<i64>)>();
        let found = found.map_err(|error| self.unreadable(what, &error))?;
        Ok(found.map_or((0, None), |(fence, next)| (fence.unwrap_or(0), next)))
    }
}

fn belongs(progress: &Progress, fence: i64) -> Result<(), MetricStoreError> {
    if fence.unsigned_abs() == progress.fence.0 {
        return Ok(());
    }
    Err(fenced(progress, fence))
}

fn fenced(progress: &Progress, fence: i64) -> MetricStoreError {
    MetricStoreError::Fenced {
        partition: progress.partition,
        ours: progress.fence.0,
        current: fence.unsigned_abs(),
    }
}
