//! The online writer: rows from `feature-rows` into the online store, each batch with its place
//! in the log under one fence. It keeps no state of its own. While the store is away it waits, and
//! nothing passes it; incidents go their own way meanwhile.

mod freshness;

use std::time::Duration;

use prost::Message;
use weir_eventlog::{
    Assignment, Batch, DeadLetters, Next, Publisher, RecordRef, TaskError, status::StatusBoard,
};
use weir_events::{topics::FEATURE_ROWS, v1};
use weir_features::{FeatureRow, wire};
use weir_lifecycle::{Outlet, crash_point};
use weir_online_store::{OnlineStore, OnlineStoreError, Progress};

use self::freshness::Freshness;
use crate::{config::Config, task::ACKNOWLEDGED_WITHIN};

const SILENCE: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(crate) struct OnlineWriter {
    pub(crate) config: Config,
    pub(crate) store: OnlineStore,
    pub(crate) outlet: Outlet,
    pub(crate) publisher: Publisher,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) board: StatusBoard,
}

impl OnlineWriter {
    /// Runs until the partition is taken away.
    pub(crate) fn run(&self, mut assignment: Assignment) -> Result<(), TaskError> {
        let partition = assignment.partition();
        let Some((fence, stored)) = self.insist(&assignment, |store| {
            let fence = store.raise_fence(partition)?;
            Ok((fence, store.position(partition)?))
        })?
        else {
            return Ok(());
        };
        let start = match stored {
            Some(position) => position,
            None => assignment.log_range()?.0,
        };
        assignment.resume_at(start)?;
        assignment.commit(start);
        let end = assignment.log_range()?.1;
        self.board
            .position(FEATURE_ROWS.name, partition, start, end);
        let (mut rows_in, mut rows_out) = (0, 0);
        let mut freshness = Freshness::default();
        loop {
            match assignment.next(self.config.batch, SILENCE)? {
                Next::Batch(batch) => {
                    let rows = decode_all(&batch, partition, &self.dead_letters)?;
                    // What was put aside must be in the log before the position passes it.
                    self.publisher.flush(ACKNOWLEDGED_WITHIN)?;
                    let next_offset = batch.next_offset();
                    let progress = Progress {
                        partition,
                        next_offset,
                        fence,
                    };
                    crash_point("online.put.before");
                    let written =
                        self.insist(&assignment, |store| store.put_many(&rows, progress))?;
                    let Some(written) = written else {
                        self.board.forget(FEATURE_ROWS.name, partition);
                        return Ok(());
                    };
                    crash_point("online.put.after");
                    freshness.stored(&rows);
                    assignment.commit(next_offset);
                    rows_in += rows.len() as u64;
                    rows_out += written as u64;
                    self.board
                        .position(FEATURE_ROWS.name, partition, next_offset, next_offset);
                    self.board.set("rows_in", partition, rows_in);
                    self.board.set("rows_out", partition, rows_out);
                }
                Next::Idle => {}
                Next::Revoked | Next::Lost => {
                    self.board.forget(FEATURE_ROWS.name, partition);
                    return Ok(());
                }
            }
        }
    }
}

impl OnlineWriter {
    /// While the store is away; `None` = the partition was taken away meanwhile.
    fn insist<T>(
        &self,
        assignment: &Assignment,
        mut work: impl FnMut(&OnlineStore) -> Result<T, OnlineStoreError>,
    ) -> Result<Option<T>, OnlineStoreError> {
        self.outlet.insist(
            OnlineStoreError::is_transient,
            |wait| assignment.pause(wait),
            || work(&self.store),
        )
    }
}

fn decode_all(
    batch: &Batch,
    partition: u32,
    dead_letters: &DeadLetters,
) -> Result<Vec<FeatureRow>, TaskError> {
    let mut rows = Vec::with_capacity(batch.len());
    for record in batch.iter() {
        rows.extend(decode(&record, partition, dead_letters)?);
    }
    Ok(rows)
}

/// The row in a record; `None` when it holds none, and was sent to the dead letters.
pub(crate) fn decode(
    record: &RecordRef<'_>,
    partition: u32,
    dead_letters: &DeadLetters,
) -> Result<Option<FeatureRow>, TaskError> {
    let decoded = v1::FeatureRow::decode(record.payload)
        .map_err(|error| error.to_string())
        .and_then(|row| wire::decode(row).map_err(|error| error.to_string()));
    match decoded {
        Ok(row) => Ok(Some(row)),
        Err(reason) => {
            let topic = FEATURE_ROWS.name;
            dead_letters.send(topic, partition, record, "decode", "undecodable", &reason)?;
            Ok(None)
        }
    }
}
