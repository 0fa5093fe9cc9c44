//! The window writer: `window-results` to the metric store.
//!
//! Stateless: its only memory is the next offset, kept in the store in the same transaction as the
//! rows, under a fence that each assignment raises (docs/detector.md 14, 15). While the store is away
//! it waits, and nothing passes it.

use std::time::Duration;

use prost::Message;
use weir_eventlog::{Assignment, Batch, DeadLetters, Next, Publisher, TaskError, Ticket};
use weir_events::{topics::WINDOW_RESULTS, v1::WindowResult};
use weir_lifecycle::{Outlet, crash_point};
use weir_metric_store::{MetricStore, MetricStoreError, Progress};

const IDLE: Duration = Duration::from_millis(100);
const ACKNOWLEDGE: Duration = Duration::from_secs(60);
const MAX_BATCH: usize = 4096;

/// The log is not the one that the store was written from.
#[derive(Debug, thiserror::Error)]
#[error(
    "the metric store stands at offset {stored} of window-results-{partition}, but the log holds {first} to {end}: the \
     log was lost or made anew; restore it, or start with another --data folder"
)]
struct AnotherLog {
    partition: u32,
    stored: i64,
    first: i64,
    end: i64,
}

/// What the writers of all partitions share.
#[derive(Clone)]
pub(crate) struct WindowWriter {
    pub(crate) store: MetricStore,
    pub(crate) publisher: Publisher,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) outlet: Outlet,
}

impl WindowWriter {
    /// Runs until the partition is taken away.
    pub(crate) fn run(&self, mut assignment: Assignment) -> Result<(), TaskError> {
        let partition = assignment.partition();
        let (first, end) = assignment.log_range()?;
        let Some((fence, stored)) = self.insist(&assignment, |store| {
            let fence = store.raise_fence(partition)?;
            Ok((fence, store.position(partition)?))
        })?
        else {
            return Ok(());
        };
        let stored = stored.unwrap_or(first);
        if stored > end || stored < first {
            return Err(AnotherLog {
                partition,
                stored,
                first,
                end,
            }
            .into());
        }
        assignment.resume_at(stored)?;
        // A crash between the store and the commit must not leave the group behind for ever.
        assignment.commit(stored);
        loop {
            match assignment.next(MAX_BATCH, IDLE)? {
                Next::Batch(batch) => {
                    let (rows, refused) = decode(partition, &batch, &self.dead_letters)?;
                    self.publisher.wait_for(refused, ACKNOWLEDGE)?;
                    let next_offset = batch.next_offset();
                    let progress = Progress {
                        partition,
                        next_offset,
                        fence,
                    };
                    crash_point("windows.put.before");
                    let put = self.insist(&assignment, |store| store.put_many(&rows, progress))?;
                    if put.is_none() {
                        return Ok(());
                    }
                    crash_point("windows.put.after");
                    assignment.commit(next_offset);
                }
                Next::Idle => {}
                Next::Revoked | Next::Lost => return Ok(()),
            }
        }
    }

    /// While the store is away; `None` = the partition was taken away meanwhile.
    fn insist<T>(
        &self,
        assignment: &Assignment,
        mut work: impl FnMut(&MetricStore) -> Result<T, MetricStoreError>,
    ) -> Result<Option<T>, MetricStoreError> {
        self.outlet.insist(
            MetricStoreError::is_transient,
            |wait| assignment.pause(wait),
            || work(&self.store),
        )
    }
}

fn decode(
    partition: u32,
    batch: &Batch,
    dead_letters: &DeadLetters,
) -> Result<(Vec<WindowResult>, Ticket), TaskError> {
    let mut rows = Vec::with_capacity(batch.len());
    let mut refused = Ticket::default();
    for record in batch.iter() {
        match WindowResult::decode(record.payload) {
            Ok(row) => rows.push(row),
            Err(error) => {
                let text = error.to_string();
                refused = dead_letters.send(
                    WINDOW_RESULTS.name,
                    partition,
                    &record,
                    "decode",
                    "undecodable",
                    &text,
                )?;
            }
        }
    }
    Ok((rows, refused))
}
