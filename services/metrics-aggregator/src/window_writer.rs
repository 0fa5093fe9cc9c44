//! The window writer: `window-results` to the metric store.
//!
//! Stateless: its only memory is the next offset, kept in the store in the same transaction as the
//! rows, under a fence that each assignment raises (docs/detector.md 14, 15).

use std::time::Duration;

use prost::Message;
use weir_eventlog::{Assignment, Batch, DeadLetters, Next, Publisher, TaskError, Ticket};
use weir_events::{topics::WINDOW_RESULTS, v1::WindowResult};
use weir_lifecycle::crash_point;
use weir_metric_store::{MetricStore, Progress};

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

pub(crate) fn run(
    mut assignment: Assignment,
    store: &MetricStore,
    publisher: &Publisher,
    dead_letters: &DeadLetters,
) -> Result<(), TaskError> {
    let partition = assignment.partition();
    let fence = store.raise_fence(partition)?;
    let (first, end) = assignment.log_range()?;
    let stored = store.position(partition)?.unwrap_or(first);
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
                let (rows, refused) = decode(partition, &batch, dead_letters)?;
                publisher.wait_for(refused, ACKNOWLEDGE)?;
                let next_offset = batch.next_offset();
                crash_point("windows.put.before");
                store.put_many(
                    &rows,
                    Progress {
                        partition,
                        next_offset,
                        fence,
                    },
                )?;
                crash_point("windows.put.after");
                assignment.commit(next_offset);
            }
            Next::Idle => {}
            Next::Revoked | Next::Lost => return Ok(()),
        }
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
