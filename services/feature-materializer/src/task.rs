//! One task: a partition of `bgp-messages`, folded, its rows published, its state committed.
//!
//! Rows leave before the state that has them behind it: a crash between the two makes the task
//! publish the same rows again, with the same versions, which every reader drops.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use weir_eventlog::{
    Assignment, DeadLetters, EventLog, Next, Publisher, RecordRef, TaskError, Ticket,
    status::StatusBoard,
};
use weir_events::{
    position::TopicEpoch,
    topics::{self, BGP_MESSAGES, FEATURE_ROWS},
};
use weir_features::wire;
use weir_lifecycle::crash_point;

use crate::{
    config::Config,
    fold::{Fold, FoldError},
};

/// How long acknowledgements may take before the task gives up.
pub(crate) const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
/// How long to wait for a record before looking around.
const SILENCE: Duration = Duration::from_millis(100);

/// The log is not the one that the state was derived from.
#[derive(Debug, thiserror::Error)]
#[error(
    "the state in {state} was derived from {topic}/{partition} of topic epoch {stored}, the log is \
     of epoch {found}: the topic was made anew; remove the stream's `materializer` folder and run \
     again"
)]
struct OtherLog {
    state: PathBuf,
    topic: &'static str,
    partition: u32,
    stored: u32,
    found: u32,
}

/// What every task of the service shares.
#[derive(Clone)]
pub(crate) struct Materializer {
    pub(crate) config: Config,
    pub(crate) log: EventLog,
    pub(crate) publisher: Publisher,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) board: StatusBoard,
    /// Folder of the state.
    pub(crate) folder: PathBuf,
}

impl Materializer {
    /// Runs until the partition is taken away.
    pub(crate) fn run(&self, mut assignment: Assignment) -> Result<(), TaskError> {
        let path = self.folder.join(format!("{}.redb", assignment.partition()));
        let mut fold = Fold::open(&path, assignment.partition())?;
        resume(&mut assignment, &mut fold, &path)?;
        let mut task = Task {
            of: self,
            end: fold.standing().next_offset,
            committed: fold.standing().next_offset,
            told: None,
            last: None,
            since: Instant::now(),
            fold,
        };
        task.report(&assignment);
        loop {
            match assignment.next(self.config.batch, SILENCE)? {
                Next::Batch(batch) => {
                    for record in batch.iter() {
                        task.apply(&assignment, &record)?;
                    }
                    task.end = task.end.max(batch.next_offset());
                    if task.is_due() {
                        task.commit(&assignment)?;
                    }
                }
                Next::Idle => {
                    if assignment.at_end() || task.is_due() {
                        task.commit(&assignment)?;
                    }
                }
                Next::Revoked => {
                    task.commit(&assignment)?;
                    self.board.forget(BGP_MESSAGES.name, assignment.partition());
                    return Ok(());
                }
                Next::Lost => {
                    self.board.forget(BGP_MESSAGES.name, assignment.partition());
                    return Ok(());
                }
            }
        }
    }
}

/// Checks that the state belongs to this log, and goes to its place in it.
fn resume(assignment: &mut Assignment, fold: &mut Fold, path: &Path) -> Result<(), TaskError> {
    let epoch = assignment.topic_epoch()?;
    let stored = fold.standing();
    if stored.next_offset > 0 && TopicEpoch(stored.topic_epoch) != epoch {
        return Err(Box::new(OtherLog {
            state: path.to_owned(),
            topic: BGP_MESSAGES.name,
            partition: assignment.partition(),
            stored: stored.topic_epoch,
            found: epoch.0,
        }));
    }
    let next_offset = stored.next_offset;
    fold.begin(epoch);
    // Refuses a position that the log does not hold.
    assignment.resume_at(next_offset)?;
    Ok(())
}

struct Task<'a> {
    of: &'a Materializer,
    fold: Fold,
    /// Position up to which the state is stored.
    committed: i64,
    /// Position that the group was told.
    told: Option<i64>,
    end: i64,
    last: Option<Ticket>,
    since: Instant,
}

impl Task<'_> {
    fn apply(&mut self, assignment: &Assignment, record: &RecordRef<'_>) -> Result<(), TaskError> {
        match self.fold.apply(record.offset, record.payload) {
            Ok(()) => {}
            Err(FoldError::Record { reason }) => {
                self.last = Some(self.of.dead_letters.send(
                    BGP_MESSAGES.name,
                    assignment.partition(),
                    record,
                    "decode",
                    "undecodable",
                    &reason,
                )?);
            }
            Err(FoldError::State(error)) => return Err(error.into()),
        }
        for row in self.fold.take_rows() {
            let key = row.record_key();
            let partition = topics::partition(&FEATURE_ROWS, key.as_bytes());
            let ticket =
                self.of
                    .publisher
                    .publish(partition, key.as_bytes(), &wire::encode(&row))?;
            self.last = Some(ticket);
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let records = self.fold.standing().next_offset - self.committed;
        records.unsigned_abs() >= self.of.config.checkpoint_records
            || (records > 0
                && self.since.elapsed() >= Duration::from_millis(self.of.config.checkpoint_ms))
    }

    fn commit(&mut self, assignment: &Assignment) -> Result<(), TaskError> {
        let next_offset = self.fold.standing().next_offset;
        if next_offset > self.committed {
            if let Some(last) = self.last.take() {
                self.of.publisher.wait_for(last, ACKNOWLEDGED_WITHIN)?;
            }
            crash_point("materializer.emitted");
            // What the state rests on must not be less durable than the state.
            self.of.log.sync()?;
            crash_point("materializer.commit.before");
            self.fold.commit()?;
            crash_point("materializer.commit.after");
            self.committed = next_offset;
        }
        if self.told != Some(next_offset) {
            assignment.commit(next_offset);
            self.told = Some(next_offset);
            self.report(assignment);
        }
        self.since = Instant::now();
        Ok(())
    }

    fn report(&self, assignment: &Assignment) {
        let standing = self.fold.standing();
        let (board, partition) = (&self.of.board, assignment.partition());
        board.position(
            BGP_MESSAGES.name,
            partition,
            standing.next_offset,
            self.end.max(standing.next_offset),
        );
        if let Some(stream_time_us) = standing.stream_time_us {
            board.event_time(stream_time_us);
        }
        for (counter, value) in [
            ("elements_in", standing.elements_in),
            ("elements_out", standing.elements_out),
            ("copies", 0),
            ("messages_in", standing.messages_in),
            ("rows_out", standing.rows_out),
            ("duplicates", standing.duplicates),
            ("dead_letters", standing.dead_letters),
            ("sessions", self.fold.sessions() as u64),
        ] {
            board.set(counter, partition, value);
        }
    }
}
