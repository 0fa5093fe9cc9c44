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
use weir_lifecycle::{crash_point, telemetry::task::TaskMeter};
use weir_objects::{
    Objects,
    snapshots::{self, Snapshots},
};

use crate::{
    config::Config,
    fold::{self, Fold, FoldError},
};

/// How long acknowledgements may take before the task gives up.
pub(crate) const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
/// How long to wait for a record before looking around.
const SILENCE: Duration = Duration::from_millis(100);

/// Longest that a partition waits for its last snapshot before it is given back.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// The log is not the one that the state was derived from.
#[derive(Debug, thiserror::Error)]
#[error(
    "the state in {state} was derived from {topic}/{partition} of topic epoch {stored}, the log is \
     of epoch {found}: the topic was made anew; remove the stream's `materializer` folder (and its \
     copies in [checkpoint_store]) and run again"
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
    /// Where snapshots of the state go.
    pub(crate) copies: Option<Objects>,
}

impl Materializer {
    /// Runs until the partition is taken away.
    pub(crate) fn run(&self, mut assignment: Assignment) -> Result<(), TaskError> {
        let begun = Instant::now();
        let path = self.folder.join(format!("{}.redb", assignment.partition()));
        let snapshots = match self.restore(&assignment, &path) {
            Ok(snapshots) => snapshots,
            Err(error) if assignment.is_ours() => return Err(error),
            // Whoever has the partition now waits instead.
            Err(_) => return Ok(()),
        };
        let mut fold = Fold::open(&path, assignment.partition())?;
        resume(&mut assignment, &mut fold, &path)?;
        let meter = TaskMeter::new(
            "feature-materializer",
            BGP_MESSAGES.name,
            assignment.partition(),
        );
        meter.restored(begun.elapsed());
        let mut task = Task {
            of: self,
            end: fold.standing().next_offset,
            committed: fold.standing().next_offset,
            told: None,
            last: None,
            since: Instant::now(),
            fold,
            path,
            meter,
            snapshots,
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
                    task.tell_watermark();
                    if assignment.at_end() || task.is_due() {
                        task.commit(&assignment)?;
                    }
                }
                Next::Revoked => {
                    task.commit(&assignment)?;
                    task.finish_snapshots();
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

impl Materializer {
    /// Takes the newest snapshot when it is further than the state on this machine.
    fn restore(
        &self,
        assignment: &Assignment,
        path: &Path,
    ) -> Result<Option<Snapshots>, TaskError> {
        let Some(objects) = self.copies.clone() else {
            return Ok(None);
        };
        let partition = assignment.partition();
        let place = snapshots::Place {
            objects,
            folder: format!("feature-materializer/{}/{partition}", BGP_MESSAGES.name),
            scratch: path.with_extension("snap"),
        };
        let brought = fold::bring(path, &place, |pause| assignment.pause(pause))?;
        let every = Duration::from_secs(self.config.snapshot_seconds);
        let copied = || crash_point("materializer.copied");
        let snapshots = Snapshots::start(place, brought.unwrap_or(0), every, copied)?;
        Ok(Some(snapshots))
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
    /// File of the state.
    path: PathBuf,
    meter: TaskMeter,
    snapshots: Option<Snapshots>,
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
            let begun = Instant::now();
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
            self.meter.checkpointed_file(begun.elapsed(), &self.path);
            self.tell_watermark();
        }
        if self.told != Some(next_offset) {
            assignment.commit(next_offset);
            self.told = Some(next_offset);
            self.report(assignment);
        }
        if let Some(snapshots) = &mut self.snapshots
            && snapshots.is_due(self.committed)
        {
            snapshots.give(self.committed, self.fold.snapshot()?);
        }
        self.since = Instant::now();
        Ok(())
    }

    fn tell_watermark(&self) {
        if let Some(stream_time_us) = self.fold.standing().stream_time_us {
            self.meter.watermark(stream_time_us);
        }
    }

    fn finish_snapshots(&mut self) {
        if let Some(snapshots) = self.snapshots.take() {
            let last = || self.fold.snapshot().ok();
            snapshots.finish(self.committed, SNAPSHOT_WITHIN, last);
        }
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
