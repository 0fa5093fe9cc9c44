//! The life of one task: restore, fold batches, publish rows, checkpoint.
//!
//! A checkpoint is committed only when every row and dead letter below it is acknowledged and the
//! embedded log is on disk (docs/detector.md 15-19).

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use weir_eventlog::{
    Assignment, Batch, DeadLetters, EventLog, LogError, Next, Publisher, TaskError, Ticket,
    status::StatusBoard,
};
use weir_events::topics::{self, WINDOW_RESULTS};
use weir_lifecycle::{crash_point, telemetry::task::TaskMeter};
use weir_objects::{
    Objects,
    snapshots::{self, Snapshots},
};

use crate::{
    config::Config,
    fold::{Fold, Stage, written_by},
    state::{StateError, TaskState},
};

/// How long an idle task waits before it looks at its checkpoint.
const IDLE: Duration = Duration::from_millis(50);
/// How long the log may take to acknowledge what a checkpoint rests on.
const ACKNOWLEDGE: Duration = Duration::from_secs(60);

/// Longest that a partition waits for its last snapshot before it is given back.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// The log is not the one that the state was made of.
#[derive(Debug, thiserror::Error)]
#[error(
    "{topic}-{partition} is not the log that the aggregator's state was made of ({what}): it was lost, truncated or \
     made anew; put the log back, or start with another --data folder"
)]
struct AnotherLog {
    topic: &'static str,
    partition: u32,
    what: String,
}

/// What the tasks of one stage share.
#[derive(Clone)]
pub(crate) struct Outlets {
    pub(crate) log: EventLog,
    pub(crate) publisher: Publisher,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) board: StatusBoard,
    pub(crate) config: Config,
    /// Folder of the state.
    pub(crate) state: PathBuf,
    /// Where snapshots of the state go.
    pub(crate) copies: Option<Objects>,
}

struct Task<S: Stage> {
    outlets: Outlets,
    fold: Fold<S>,
    state: TaskState,
    /// File of the state.
    path: PathBuf,
    meter: TaskMeter,
    /// Records beyond the allowed lateness.
    late: metrics::Counter,
    snapshots: Option<Snapshots>,
    /// Position up to which the state is stored.
    committed: i64,
    next_offset: i64,
    /// Everything up to it must be acknowledged before the next checkpoint.
    last_ticket: Ticket,
    uncommitted: u64,
    committed_at: Instant,
}

pub(crate) fn run<S: Stage>(
    mut assignment: Assignment,
    outlets: &Outlets,
) -> Result<(), TaskError> {
    let mut task = match restore::<S>(&mut assignment, outlets) {
        Ok(task) => task,
        Err(error) if assignment.is_ours() => return Err(error),
        // Whoever has the partition now waits instead.
        Err(_) => return Ok(()),
    };
    task.show(&assignment);
    loop {
        match assignment.next(outlets.config.batch, IDLE)? {
            Next::Batch(batch) => {
                task.apply(&batch)?;
                if task.is_due() {
                    task.checkpoint(&assignment)?;
                }
            }
            Next::Idle => {
                if task.uncommitted > 0 && (assignment.at_end() || task.is_due()) {
                    task.checkpoint(&assignment)?;
                }
                task.snapshot()?;
                task.tell_watermark();
            }
            Next::Revoked => {
                task.checkpoint(&assignment)?;
                task.finish_snapshots();
                outlets.board.forget(S::TOPIC.name, assignment.partition());
                return Ok(());
            }
            Next::Lost => {
                outlets.board.forget(S::TOPIC.name, assignment.partition());
                return Ok(());
            }
        }
    }
}

fn restore<S: Stage>(assignment: &mut Assignment, outlets: &Outlets) -> Result<Task<S>, TaskError> {
    let begun = Instant::now();
    let partition = assignment.partition();
    let name = format!("{}-{partition}.redb", S::TOPIC.name);
    let path = outlets.state.join(name);
    let state = TaskState::open(&path)?;
    let copies = outlets.copies.clone();
    let snapshots = copies
        .map(|objects| {
            let place = snapshots::Place {
                objects,
                folder: format!("metrics-aggregator/{}/{partition}", S::TOPIC.name),
                scratch: path.with_extension("snap"),
            };
            let brought = state.bring(&place, |pause| assignment.pause(pause))?;
            let every = Duration::from_secs(outlets.config.snapshot_seconds);
            let copied = || crash_point("aggregator.copied");
            let snapshots = Snapshots::start(place, brought.unwrap_or(0), every, copied)?;
            Ok::<_, TaskError>(snapshots)
        })
        .transpose()?;
    let rules = outlets.config.time_rules();
    let (first, end) = assignment.log_range()?;
    let (fold, next_offset) = match state.load::<S>(partition, rules)? {
        Some((fold, next_offset)) => {
            check(assignment, &fold, next_offset, first, end)?;
            (fold, next_offset)
        }
        None => (
            Fold::new(partition, assignment.topic_epoch()?, rules),
            first,
        ),
    };
    assignment.resume_at(next_offset)?;
    // A crash between checkpoint and commit must not leave the group behind for ever.
    assignment.commit(next_offset);
    let meter = TaskMeter::new("metrics-aggregator", S::TOPIC.name, partition);
    meter.restored(begun.elapsed());
    Ok(Task {
        outlets: outlets.clone(),
        fold,
        state,
        path,
        meter,
        late: metrics::counter!("pipeline_records_late_total", "topic" => S::TOPIC.name),
        snapshots,
        committed: next_offset,
        next_offset,
        last_ticket: Ticket::default(),
        uncommitted: 0,
        committed_at: Instant::now(),
    })
}

/// Nothing between the state and the log may be missing, and the record before the position must be
/// the one that the state remembers.
fn check<S: Stage>(
    assignment: &Assignment,
    fold: &Fold<S>,
    next_offset: i64,
    first: i64,
    end: i64,
) -> Result<(), TaskError> {
    let another = |what: String| AnotherLog {
        topic: S::TOPIC.name,
        partition: fold.partition,
        what,
    };
    if next_offset < first || next_offset > end {
        let what = format!("it holds offsets {first} to {end}, the state needs {next_offset}");
        return Err(another(what).into());
    }
    if first == 0 {
        let epoch = assignment.topic_epoch()?;
        if epoch != fold.epoch {
            let what = format!("topic epoch {}, the state has {}", epoch.0, fold.epoch.0);
            return Err(another(what).into());
        }
    }
    let before = next_offset - 1;
    if before < first {
        return Ok(());
    }
    let same = assignment
        .read_back(before)?
        .is_some_and(|record| written_by::<S>(record.borrow().payload) == fold.last);
    if same {
        Ok(())
    } else {
        Err(another(format!("its record at offset {before} is another one")).into())
    }
}

impl<S: Stage> Task<S> {
    fn apply(&mut self, batch: &Batch) -> Result<(), LogError> {
        let Outlets {
            publisher,
            dead_letters,
            board,
            ..
        } = &self.outlets;
        let mut rows = Vec::new();
        let mut newest = i64::MIN;
        let late_before = self.fold.counters.late_records;
        for record in batch.iter() {
            match self
                .fold
                .apply(record.offset, record.payload, &mut |row| rows.push(row))
            {
                Ok(time) => newest = newest.max(time),
                Err(refused) => {
                    let (topic, partition) = (S::TOPIC.name, self.fold.partition);
                    let text = refused.to_string();
                    self.last_ticket = dead_letters.send(
                        topic,
                        partition,
                        &record,
                        "aggregate",
                        refused.class(),
                        &text,
                    )?;
                }
            }
            for row in rows.drain(..) {
                let key = weir_windows::wire::record_key(&row);
                let partition = topics::partition(&WINDOW_RESULTS, key.as_bytes());
                self.last_ticket = publisher.publish(partition, key.as_bytes(), &row)?;
            }
        }
        crash_point("aggregator.emitted");
        self.late
            .increment(self.fold.counters.late_records - late_before);
        self.uncommitted += batch.len() as u64;
        self.next_offset = batch.next_offset();
        if newest > i64::MIN {
            board.event_time(newest);
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let config = &self.outlets.config;
        self.uncommitted >= config.checkpoint_records
            || self.committed_at.elapsed() >= Duration::from_millis(config.checkpoint_ms)
    }

    fn checkpoint(&mut self, assignment: &Assignment) -> Result<(), TaskError> {
        if self.uncommitted > 0 {
            let begun = Instant::now();
            self.outlets
                .publisher
                .wait_for(self.last_ticket, ACKNOWLEDGE)?;
            self.outlets.log.sync()?;
            crash_point("aggregator.commit.before");
            self.state.commit(&mut self.fold, self.next_offset)?;
            crash_point("aggregator.commit.after");
            assignment.commit(self.next_offset);
            self.uncommitted = 0;
            self.committed = self.next_offset;
            self.meter.checkpointed_file(begun.elapsed(), &self.path);
            self.tell_watermark();
        }
        self.snapshot()?;
        self.committed_at = Instant::now();
        self.show(assignment);
        Ok(())
    }

    fn tell_watermark(&self) {
        self.meter
            .watermark(self.fold.windows.clock().watermark_us());
    }

    /// What is stored, once in a while.
    fn snapshot(&mut self) -> Result<(), StateError> {
        if let Some(snapshots) = &mut self.snapshots
            && snapshots.is_due(self.committed)
        {
            snapshots.give(self.committed, self.state.snapshot()?);
        }
        Ok(())
    }

    fn finish_snapshots(&mut self) {
        if let Some(snapshots) = self.snapshots.take() {
            let last = || self.state.snapshot().ok();
            snapshots.finish(self.committed, SNAPSHOT_WITHIN, last);
        }
    }

    fn show(&self, assignment: &Assignment) {
        let (board, partition) = (&self.outlets.board, self.fold.partition);
        self.fold.counters.show(board, partition);
        for name in self
            .fold
            .writers
            .keys()
            .filter(|name| !name.starts_with('_'))
        {
            board.collector(name);
        }
        if let Ok(end) = assignment.end() {
            board.position(S::TOPIC.name, partition, self.next_offset, end);
        }
    }
}
