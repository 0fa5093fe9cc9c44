//! The second stage: one task per partition of `bgp-signals`, one correlator, one plain thread (docs/detector.md 20).
//!
//! Restore, then for ever: a batch of signals in, what they change out. What a correlator remembers is kept in one file
//! with its position, in one transaction, once all that it emitted is acknowledged and the embedded log is on disk
//! (15-19). Bad records become dead letters and never stop the task.

mod cadence;
mod state;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use prost::Message;
use weir_conflicts::{Correlator, Transition, wire};
use weir_eventlog::{
    Assignment, Batch, DeadLetters, EventLog, Next, Publisher, RecordRef, TaskError, Ticket,
    status::StatusBoard,
};
use weir_events::{position::TopicEpoch, time::SECOND_US, topics::BGP_SIGNALS, v1};
use weir_lifecycle::{crash_point, telemetry::task::TaskMeter, trace};
use weir_objects::{
    Objects,
    snapshots::{self, Snapshots},
};

use crate::{Config, emission};
use cadence::Cadence;
use state::{Place, StateError, TaskRecord, TaskState};

/// Group whose committed offsets say how far the states of the second stage have come.
pub const GROUP: &str = "weir-conflict-correlator";

/// Longest wait for a record before the checkpoint is looked at again.
const WAIT: Duration = Duration::from_millis(20);
/// Between two reports to the status board.
const REPORT: Duration = Duration::from_secs(1);
/// How long the log may take to acknowledge what a checkpoint rests on.
const ACKNOWLEDGE: Duration = Duration::from_secs(60);
/// Longest that a partition waits for its last snapshot before it is given back.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(5);

/// The log is not the one that the state was made of.
#[derive(Debug, thiserror::Error)]
#[error(
    "bgp-signals-{partition} is not the log that the state of the detector's second stage was made of ({what}): it was \
     lost, truncated or made anew; put the log back, or start with another --data folder (and url of \
     [checkpoint_store])"
)]
struct AnotherLog {
    partition: u32,
    what: String,
}

/// What every task of the second stage shares.
#[derive(Clone)]
pub(crate) struct Outlets {
    pub(crate) config: Config,
    /// Folder of the states.
    pub(crate) checkpoints: PathBuf,
    /// Where snapshots of them go.
    pub(crate) copies: Option<Objects>,
    pub(crate) log: EventLog,
    pub(crate) publisher: Publisher,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) board: StatusBoard,
    /// Tasks that were restored and have been read to since the start.
    pub(crate) reading: Arc<AtomicU32>,
}

struct Task<'a> {
    outlets: &'a Outlets,
    partition: u32,
    epoch: TopicEpoch,
    correlator: Correlator,
    state: TaskState,
    /// File of the state.
    path: PathBuf,
    meter: TaskMeter,
    snapshots: Option<Snapshots>,
    /// Position up to which the state is stored.
    committed: i64,
    cadence: Cadence,
    next_offset: i64,
    /// The record before it.
    last: Place,
    /// Everything up to it must be acknowledged before the next checkpoint.
    last_ticket: Ticket,
    /// The log has answered.
    reading: bool,
    reported: Instant,
    transitions: Vec<Transition>,
}

/// Runs the task of `assignment` until the partition is taken away.
pub(crate) fn run(mut assignment: Assignment, outlets: &Outlets) -> Result<(), TaskError> {
    let mut task = match restore(&mut assignment, outlets) {
        Ok(task) => task,
        Err(error) if assignment.is_ours() => return Err(error),
        // Whoever has the partition now waits instead.
        Err(_) => return Ok(()),
    };
    loop {
        let next = assignment.next(outlets.config.batch, WAIT)?;
        if !task.reading && (matches!(next, Next::Batch(_)) || assignment.at_end()) {
            task.reading = true;
            outlets.reading.fetch_add(1, Ordering::Relaxed);
        }
        let is_idle = matches!(next, Next::Idle);
        match next {
            Next::Batch(batch) => task.apply(&batch)?,
            Next::Idle => {}
            Next::Revoked => {
                task.checkpoint(&assignment)?;
                task.finish_snapshots();
                outlets
                    .board
                    .forget(BGP_SIGNALS.name, assignment.partition());
                return Ok(());
            }
            Next::Lost => {
                outlets
                    .board
                    .forget(BGP_SIGNALS.name, assignment.partition());
                return Ok(());
            }
        }
        task.pause(&assignment, is_idle)?;
    }
}

fn restore<'a>(assignment: &mut Assignment, outlets: &'a Outlets) -> Result<Task<'a>, TaskError> {
    let begun = Instant::now();
    let partition = assignment.partition();
    let path = outlets
        .checkpoints
        .join(format!("signals-{partition}.redb"));
    let state = TaskState::open(&path)?;
    let every = Duration::from_secs(outlets.config.checkpoint_seconds);
    let copies = outlets.copies.clone();
    let snapshots = copies
        .map(|objects| {
            let place = snapshots::Place {
                objects,
                folder: format!("conflict-detector/{}/{partition}", BGP_SIGNALS.name),
                scratch: path.with_extension("snap"),
            };
            let brought = state.bring(&place, |pause| assignment.pause(pause))?;
            let copied = || crash_point("correlator.copied");
            let snapshots = Snapshots::start(place, brought.unwrap_or(0), every, copied)?;
            Ok::<_, TaskError>(snapshots)
        })
        .transpose()?;
    let (first, end) = assignment.log_range()?;
    let found = state.record()?;
    if let Some(record) = &found {
        check(assignment, record, first, end)?;
    }
    let epoch = match &found {
        Some(record) => TopicEpoch(record.topic_epoch),
        None => assignment.topic_epoch()?,
    };
    let mut correlator = Correlator::new(epoch, outlets.config.thresholds.clone());
    state.restore(&mut correlator)?;
    let record = found.unwrap_or(TaskRecord {
        next_offset: first,
        ..TaskRecord::default()
    });
    crash_point("correlator.restored");
    assignment.resume_at(record.next_offset)?;
    // A crash between checkpoint and commit must not leave the group behind for ever.
    assignment.commit(record.next_offset);
    let meter = TaskMeter::new("conflict-correlator", BGP_SIGNALS.name, partition);
    meter.restored(begun.elapsed());
    Ok(Task {
        outlets,
        partition,
        epoch,
        correlator,
        state,
        path,
        meter,
        snapshots,
        committed: record.next_offset,
        cadence: Cadence::new(every, Instant::now()),
        next_offset: record.next_offset,
        last: record.last.unwrap_or_default(),
        last_ticket: Ticket::default(),
        reading: false,
        reported: Instant::now(),
        transitions: Vec::new(),
    })
}

/// Nothing between the state and the log may be missing, and the record before the position must be the one that the
/// state remembers.
fn check(
    assignment: &Assignment,
    record: &TaskRecord,
    first: i64,
    end: i64,
) -> Result<(), TaskError> {
    let another = |what: String| AnotherLog {
        partition: assignment.partition(),
        what,
    };
    let next_offset = record.next_offset;
    if next_offset < first || next_offset > end {
        let what = format!("it holds offsets {first} to {end}, the state needs {next_offset}");
        return Err(another(what).into());
    }
    if first == 0 {
        let epoch = assignment.topic_epoch()?.0;
        if epoch != record.topic_epoch {
            let what = format!("topic epoch {epoch}, the state has {}", record.topic_epoch);
            return Err(another(what).into());
        }
    }
    let before = next_offset - 1;
    if before < first {
        return Ok(());
    }
    let remembered = record.last.unwrap_or_default();
    let same = assignment
        .read_back(before)?
        .is_some_and(|found| Place::in_record(found.borrow().payload) == remembered);
    if same {
        Ok(())
    } else {
        Err(another(format!("its record at offset {before} is another one")).into())
    }
}

impl Task<'_> {
    fn apply(&mut self, batch: &Batch) -> Result<(), TaskError> {
        for record in batch.iter() {
            match v1::Signal::decode(record.payload) {
                Ok(signal) => {
                    self.last = Place::of(&signal);
                    self.apply_one(signal, &record)?;
                }
                Err(error) => {
                    self.last = Place::default();
                    self.set_aside(&record, "undecodable", &error.to_string())?;
                }
            }
        }
        self.next_offset = batch.next_offset();
        crash_point("correlator.emitted");
        Ok(())
    }

    fn apply_one(&mut self, signal: v1::Signal, record: &RecordRef<'_>) -> Result<(), TaskError> {
        let received_us = signal.receive_time_us;
        match wire::signal_back(signal) {
            Ok(Some(signal)) => {
                self.correlator.apply(signal, &mut self.transitions);
                self.publish(received_us, record.offset)
            }
            // The first of a partition.
            Ok(None) => Ok(()),
            Err(error) => self.set_aside(record, "invalid", &error.to_string()),
        }
    }

    fn publish(&mut self, received_us: i64, offset: i64) -> Result<(), TaskError> {
        if self.transitions.is_empty() {
            return Ok(());
        }
        let span = trace::root("correlator.publish");
        let span = span.map(|span| span.about(BGP_SIGNALS.name, self.partition, Some(offset)));
        for transition in self.transitions.drain(..) {
            let publisher = &self.outlets.publisher;
            // It waited for a second of stream time: no latency of ours.
            self.last_ticket =
                emission::publish(publisher, &transition, received_us, 0, span.as_ref())?;
        }
        Ok(())
    }

    fn set_aside(
        &mut self,
        record: &RecordRef<'_>,
        class: &str,
        error: &str,
    ) -> Result<(), TaskError> {
        self.last_ticket = self.outlets.dead_letters.send(
            BGP_SIGNALS.name,
            self.partition,
            record,
            "correlate",
            class,
            error,
        )?;
        Ok(())
    }

    fn pause(&mut self, assignment: &Assignment, is_idle: bool) -> Result<(), TaskError> {
        let has_read_all = is_idle && assignment.at_end();
        if self.cadence.is_due(has_read_all, Instant::now()) {
            self.checkpoint(assignment)?;
        }
        if self.reported.elapsed() >= REPORT {
            self.report(assignment);
        }
        self.snapshot()?;
        Ok(())
    }

    fn checkpoint(&mut self, assignment: &Assignment) -> Result<(), TaskError> {
        if self.next_offset == self.committed {
            self.cadence.skipped(Instant::now());
            return Ok(());
        }
        let begun = Instant::now();
        let publisher = &self.outlets.publisher;
        publisher.wait_for(self.last_ticket, ACKNOWLEDGE)?;
        self.outlets.log.sync()?;
        let acknowledged = Instant::now();
        crash_point("correlator.commit.before");
        let record = TaskRecord {
            next_offset: self.next_offset,
            topic_epoch: self.epoch.0,
            last: Some(self.last),
        };
        self.state
            .commit(&self.correlator.changed_pages(), &record)?;
        crash_point("correlator.commit.after");
        self.cadence.made(acknowledged.elapsed(), Instant::now());
        self.committed = self.next_offset;
        self.meter.checkpointed_file(begun.elapsed(), &self.path);
        // The counters are part of what "caught up" promises.
        self.report(assignment);
        assignment.commit(self.next_offset);
        Ok(())
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

    fn report(&mut self, assignment: &Assignment) {
        self.reported = Instant::now();
        let (board, partition) = (&self.outlets.board, self.partition);
        if let Ok(end) = assignment.end() {
            board.position(BGP_SIGNALS.name, partition, self.next_offset, end);
        }
        let counts = self.correlator.counts();
        board.set("signals", partition, counts.signals);
        board.set("duplicates", partition, counts.duplicates);
        board.set("pending", partition, counts.pending);
        board.set("open", partition, counts.open);
        if let Some(below_s) = self.correlator.taken_below_s() {
            let below_us = below_s.saturating_mul(SECOND_US);
            board.event_time(below_us);
            self.meter.watermark(below_us);
        }
    }
}
