//! One task: one partition of `bgp-updates`, one detector, one plain thread.
//!
//! Restore, then for ever: a batch in, its transitions and signals out, one pause of the checkpoint
//! (docs/detector.md 6, 13, 16-20). Bad records become dead letters and never stop the task.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use prost::Message;
use weir_conflicts::{Detector, Record, Transition, wire};
use weir_eventlog::{
    Assignment, Batch, DeadLetters, EventLog, Next, Publisher, RecordRef, TaskError,
    status::StatusBoard,
};
use weir_events::{
    position::TopicEpoch,
    topics::{BGP_SIGNALS, BGP_UPDATES},
    v1,
};
use weir_lifecycle::{
    crash_point,
    trace::{self, Span},
};
use weir_lookups::{Desk, Seat};
use weir_objects::Objects;
use weir_routing::Bogons;

use crate::{
    Config,
    checkpoint::{Copies, Folder, Remembered, Rolling, Standing},
    emission,
    library::Library,
    lookups,
    restore::{bring, restore},
};

/// Group whose committed offsets say how far checkpoints have come.
pub const GROUP: &str = "weir-conflict-detector";

/// Longest wait for a record before the checkpoint is looked at again.
const WAIT: Duration = Duration::from_millis(20);

/// Between two reports to the status board: counting walks over all blocks.
const REPORT: Duration = Duration::from_secs(1);

/// Longest that a partition waits for the copy of its last checkpoint before it is given back.
const COPY_WITHIN: Duration = Duration::from_secs(5);

/// What every task of an instance shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) bogons: Bogons,
    pub(crate) library: Library,
    pub(crate) checkpoints: std::path::PathBuf,
    /// Where copies of them go.
    pub(crate) copies: Option<Objects>,
    pub(crate) log: EventLog,
    pub(crate) publisher: Publisher,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) board: StatusBoard,
    /// Where tasks take questions.
    pub(crate) desk: Desk,
    /// Tasks that were restored and have been read to since the start.
    pub(crate) reading: Arc<AtomicU32>,
}

/// Runs the task of `assignment` until the partition is taken away.
pub(crate) fn run(mut assignment: Assignment, shared: &Shared) -> Result<(), TaskError> {
    let begun = Instant::now();
    let partition = assignment.partition();
    let seat = shared.desk.sit(partition);
    let mut folder = Folder::open(&shared.checkpoints, partition)?;
    let copies = shared.copies.clone();
    let copies = copies.map(|objects| Copies::new(objects, partition));
    if let Some(copies) = &copies
        && let Err(error) = bring(&assignment, &folder, copies)
    {
        // Whoever has the partition now waits instead.
        return if assignment.is_ours() {
            Err(error.into())
        } else {
            Ok(())
        };
    }
    let mut restored = restore(&assignment, &folder, |epoch: TopicEpoch| {
        let thresholds = shared.config.thresholds.clone();
        let detector = Detector::new(epoch, thresholds, shared.bogons.clone());
        if shared.config.bogons.is_some() {
            detector.keeping_bogons()
        } else {
            detector
        }
    })?;
    for named in restored.detector.lacks() {
        let library = &shared.library;
        if !library.provide(&mut restored.detector, &named, &assignment)? {
            return Ok(());
        }
    }
    crash_point("restore.loaded");
    assignment.resume_at(restored.p0)?;
    assignment.commit(restored.p0);
    crash_point("restore.resumed");

    if let Some(copies) = copies {
        folder.copy_to(copies)?;
    }
    let rolling = Rolling::new(
        folder.clone(),
        &shared.log,
        shared.publisher.clone(),
        (partition, restored.topic_epoch.0),
        Duration::from_secs(shared.config.checkpoint_seconds),
        (restored.round, restored.p0, restored.blocks),
    )?;
    rolling.meter().restored(begun.elapsed());
    let mut task = Task {
        shared,
        partition,
        detector: restored.detector,
        rolling,
        standing: Standing {
            next_offset: restored.p0,
            last: restored.last,
        },
        input_ended: false,
        reading: false,
        reported: Instant::now(),
        transitions: Vec::new(),
        encoded: Vec::new(),
        signals: metrics::counter!("weir_signals_total"),
        seat,
    };
    task.seat.open();
    loop {
        let next = assignment.next(shared.config.batch, WAIT)?;
        // The first fetch takes a while: before it, nothing is judged at once.
        if !task.reading && (matches!(next, Next::Batch(_)) || assignment.at_end()) {
            task.reading = true;
            shared.reading.fetch_add(1, Ordering::Relaxed);
        }
        match next {
            Next::Batch(batch) => {
                if !task.apply(&batch, &assignment)? {
                    return Ok(());
                }
                task.pause(&assignment)?;
            }
            Next::Idle if task.input_ended && assignment.at_end() => task.settle(&assignment)?,
            Next::Idle => task.pause(&assignment)?,
            Next::Revoked => {
                task.seat.close("is being given back");
                task.complete(&assignment)?;
                crash_point("revoke.checkpointed");
                folder.finish_copies(COPY_WITHIN);
                return Ok(());
            }
            Next::Lost => return Ok(()),
        }
        lookups::answer_waiting(&mut task.seat, &task.detector);
    }
}

struct Task<'a> {
    shared: &'a Shared,
    partition: u32,
    detector: Detector,
    rolling: Rolling,
    standing: Standing,
    /// The last control was an end of input: nothing more is expected soon.
    input_ended: bool,
    /// The log has answered.
    reading: bool,
    reported: Instant,
    transitions: Vec<Transition>,
    encoded: Vec<u8>,
    signals: metrics::Counter,
    seat: Seat,
}

impl Task<'_> {
    /// False when the partition was taken away in the middle: nothing of the batch may be kept.
    fn apply(&mut self, batch: &Batch, assignment: &Assignment) -> Result<bool, TaskError> {
        let mut last = None;
        for record in batch.iter() {
            match v1::BgpUpdate::decode(record.payload) {
                Ok(update) => {
                    last = Some(Remembered::new(record.offset, &update));
                    if !self.apply_one(update, &record, assignment)? {
                        return Ok(false);
                    }
                }
                Err(error) => self.set_aside(&record, "undecodable", &error.to_string())?,
            }
        }
        self.standing.next_offset = batch.next_offset();
        if last.is_some() {
            self.standing.last = last;
        }
        Ok(true)
    }

    fn apply_one(
        &mut self,
        update: v1::BgpUpdate,
        record: &RecordRef<'_>,
        assignment: &Assignment,
    ) -> Result<bool, TaskError> {
        use v1::{bgp_update::Body, control::Kind};
        let received = update.receive_time_us;
        match &update.body {
            Some(Body::Control(control)) => {
                self.input_ended = matches!(control.kind, Some(Kind::EndOfInput(_)));
            }
            _ => self.input_ended = false,
        }
        match wire::record(update) {
            Ok(checked) => {
                if let Some(named) = self.detector.needs(&checked) {
                    let library = &self.shared.library;
                    self.seat.close("waits for knowledge that the log names");
                    if !library.provide(&mut self.detector, named, assignment)? {
                        return Ok(false);
                    }
                    self.seat.open();
                }
                let (topic, partition) = (BGP_UPDATES.name, self.partition);
                let about = |span: Span| span.about(topic, partition, Some(record.offset));
                let sampled = record.traceparent();
                let span = sampled.and_then(|parent| trace::child("detector.judge", parent));
                let span = span.map(about);
                self.detector
                    .apply(&checked, record.offset + 1, &mut self.transitions);
                if !self.transitions.is_empty() {
                    // Incidents are rare: each is traced, if anybody collects.
                    let span = span.or_else(|| trace::root("detector.publish").map(about));
                    self.publish(received, span.as_ref())?;
                }
                self.tell(&checked, record.offset + 1)?;
            }
            Err(error) => self.set_aside(record, "invalid", &error.to_string())?,
        }
        Ok(true)
    }

    /// Effects leave at once: no sync and no database before them (docs/detector.md 13).
    fn publish(&mut self, received: i64, span: Option<&Span>) -> Result<(), TaskError> {
        for transition in self.transitions.drain(..) {
            let publisher = &self.shared.publisher;
            emission::publish(publisher, &transition, received, received, span)?;
            crash_point("detector.published");
        }
        Ok(())
    }

    /// What `record`, before `next_offset`, means for the second stage, behind what it changed here. No part of any
    /// latency: who waits for its incident waits for a second of stream time.
    fn tell(&mut self, record: &Record, next_offset: i64) -> Result<(), TaskError> {
        for telling in self.detector.tellings() {
            let to = telling.to;
            let signal = wire::telling(telling, self.partition, next_offset, record);
            self.encoded.clear();
            signal.encode(&mut self.encoded)?;
            let (publisher, key) = (&self.shared.publisher, self.partition.to_string());
            publisher.publish_encoded(BGP_SIGNALS.name, to, key.as_bytes(), &self.encoded, 0)?;
            self.signals.increment(1);
            crash_point("detector.signalled");
        }
        Ok(())
    }

    fn set_aside(&self, record: &RecordRef<'_>, class: &str, error: &str) -> Result<(), TaskError> {
        self.shared.dead_letters.send(
            BGP_UPDATES.name,
            self.partition,
            record,
            "detect",
            class,
            error,
        )?;
        Ok(())
    }

    fn pause(&mut self, assignment: &Assignment) -> Result<(), TaskError> {
        if let Some(p0) = self.rolling.pause(&mut self.detector, &self.standing)? {
            assignment.commit(p0);
            crash_point("checkpoint.committed");
        }
        if self.reported.elapsed() >= REPORT {
            self.report(assignment)?;
        }
        Ok(())
    }

    /// Nothing more is expected soon: a whole round at once, and its position again and again: a group between two
    /// generations refuses it without a word.
    fn settle(&mut self, assignment: &Assignment) -> Result<(), TaskError> {
        let is_new = self.rolling.published() < self.standing.next_offset;
        if is_new || self.reported.elapsed() >= REPORT {
            self.complete(assignment)?;
        }
        Ok(())
    }

    fn complete(&mut self, assignment: &Assignment) -> Result<(), TaskError> {
        let p0 = self.rolling.complete(&mut self.detector, &self.standing)?;
        // The counters are part of what "caught up" promises.
        self.report(assignment)?;
        assignment.commit(p0);
        crash_point("checkpoint.committed");
        Ok(())
    }

    fn report(&mut self, assignment: &Assignment) -> Result<(), TaskError> {
        self.reported = Instant::now();
        let (board, partition) = (&self.shared.board, self.partition);
        let counts = self.detector.counts();
        let end = assignment.end()?;
        board.position(BGP_UPDATES.name, partition, self.standing.next_offset, end);
        // One counter: what passes the dedupe is judged in the same call. It proves what arrived, by
        // comparison with ingest; it is no second count of what was judged.
        board.set("elements_in", partition, counts.elements);
        board.set("elements_out", partition, counts.elements);
        board.set("copies", partition, counts.copies);
        board.set("duplicates", partition, counts.duplicates);
        board.baseline(partition, counts.baseline_stable, counts.baseline_judged);
        board.vantage_points(partition, self.detector.vantage_points());
        board.event_time(self.detector.stream_time_us());
        self.rolling
            .meter()
            .watermark(self.detector.stream_time_us());
        Ok(())
    }
}
