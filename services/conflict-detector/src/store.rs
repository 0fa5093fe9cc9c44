//! The incident writer: `bgp-conflicts` to the record store, in micro-batches.
//!
//! Stateless: its only memory is the next offset, kept in the store in the same transaction as the
//! incidents, under a fence that each assignment raises (docs/detector.md 14, 15). What is written twice
//! has the same version and changes nothing. While the store is away it waits, and nothing passes
//! it: what was not stored is not acknowledged.

use std::time::Duration;

use prost::Message;
use weir_eventlog::{
    Assignment, Batch, DeadLetters, EventLog, LogError, Next, Publisher, Subscriber, TaskError,
    Ticket,
};
use weir_events::{topics, v1};
use weir_lifecycle::{
    Outlet, crash_point,
    trace::{self, Span},
};
use weir_record_store::{BlockingRecordStore, IncidentRow, RecordError};

/// Group whose committed offsets say how far the store is.
pub const GROUP: &str = "weir-incident-writer";

/// Longest that an incident waits for company before it is written.
const MICRO_BATCH: Duration = Duration::from_millis(5);
const MAX_BATCH: usize = 500;
/// Longest that a dead letter may be on its way.
const ACKNOWLEDGE: Duration = Duration::from_secs(60);

/// The log is not the one that the store was written from.
#[derive(Debug, thiserror::Error)]
#[error(
    "the incident store stands at offset {stored} of bgp-conflicts-{partition}, but the log ends at {end}: \
     the log was lost or made anew; restore it, or start with another --data folder"
)]
struct LogLost {
    partition: u32,
    stored: i64,
    end: i64,
}

/// Starts writing incidents to `store`.
pub(crate) fn start(
    log: &EventLog,
    store: BlockingRecordStore,
    publisher: Publisher,
    outlet: Outlet,
) -> Result<Subscriber, LogError> {
    let dead_letters = DeadLetters::new(publisher.clone(), "conflict-detector");
    let task = move |assignment| write(assignment, &store, &publisher, &dead_letters, &outlet);
    let topic = topics::BGP_CONFLICTS;
    Subscriber::start_sink(log, GROUP, topic, RecordError::is_overtaken, task)
}

fn write(
    mut assignment: Assignment,
    store: &BlockingRecordStore,
    publisher: &Publisher,
    dead_letters: &DeadLetters,
    outlet: &Outlet,
) -> Result<(), TaskError> {
    let partition = assignment.partition();
    let raised = outlet.insist(
        RecordError::is_transient,
        |wait| assignment.pause(wait),
        || store.raise_fence(partition),
    )?;
    let Some((fence, stored)) = raised else {
        return Ok(());
    };
    let (first, end) = assignment.log_range()?;
    if stored > end {
        return Err(LogLost {
            partition,
            stored,
            end,
        }
        .into());
    }
    let next_offset = stored.max(first);
    assignment.resume_at(next_offset)?;
    // A crash between the store and the commit must not leave the group behind for ever.
    assignment.commit(next_offset);
    loop {
        match assignment.next(MAX_BATCH, MICRO_BATCH)? {
            Next::Batch(batch) => {
                let (incidents, refused) = decode(&batch, partition, dead_letters)?;
                // What was put aside must be in the log before the position passes it.
                publisher.wait_for(refused, ACKNOWLEDGE)?;
                let spans: Vec<Span> = batch
                    .iter()
                    .filter_map(|record| {
                        let span = trace::child("incident-writer.store", record.traceparent()?)?;
                        Some(span.about(topics::BGP_CONFLICTS.name, partition, Some(record.offset)))
                    })
                    .collect();
                crash_point("writer.record.before");
                let next_offset = batch.next_offset();
                let recorded = outlet.insist(
                    RecordError::is_transient,
                    |wait| assignment.pause(wait),
                    || store.record(&incidents, partition, next_offset, fence),
                )?;
                if recorded.is_none() {
                    return Ok(());
                }
                drop(spans);
                crash_point("writer.record.after");
                assignment.commit(next_offset);
            }
            Next::Idle => {}
            Next::Revoked | Next::Lost => return Ok(()),
        }
    }
}

/// The rows of a batch. What cannot be a row is set aside, so that one record does not hold up all behind it.
fn decode(
    batch: &Batch,
    partition: u32,
    dead_letters: &DeadLetters,
) -> Result<(Vec<IncidentRow>, Ticket), TaskError> {
    let mut incidents = Vec::with_capacity(batch.len());
    let mut refused = Ticket::default();
    for record in batch.iter() {
        let (class, reason) = match v1::Incident::decode(record.payload) {
            Ok(incident) => match IncidentRow::try_from(&incident) {
                Ok(row) => {
                    incidents.push(row);
                    continue;
                }
                Err(error) => ("unfit", error.to_string()),
            },
            Err(error) => ("undecodable", error.to_string()),
        };
        let topic = topics::BGP_CONFLICTS.name;
        refused = dead_letters.send(topic, partition, &record, "decode", class, &reason)?;
    }
    Ok((incidents, refused))
}
