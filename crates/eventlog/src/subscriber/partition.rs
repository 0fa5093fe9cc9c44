//! One assigned partition, as the thread of its task sees it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use weir_events::{position::TopicEpoch, topics::Topic};

use super::{joining::Joining, waiting::OfPartition, watch::check_position};
use crate::{
    Batch, EventLog, LogError, Record,
    kafka::{
        group::{Member, Queue, Queued},
        lookup::Lookup,
        topics::epoch_of,
    },
};

/// A batch is handed over when it holds this many bytes, however few records.
const BATCH_BYTES: usize = 1 << 20;
/// Before the broker is asked again what it has not answered, or refused.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const READ_AGAIN: Duration = Duration::from_secs(5);
/// How long `resume_at` tries while the client is still taking the partition over.
const RESUME: Duration = Duration::from_secs(30);

/// What `Assignment::next` has.
#[derive(Debug)]
pub enum Next {
    /// At least one record.
    Batch(Batch),
    /// Nothing came.
    Idle,
    /// The partition is being taken away: finish, checkpoint, commit, return.
    Revoked,
    /// The partition may belong to somebody else already: publish nothing, store nothing, return.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Ours,
    Revoked,
    Lost,
}

/// Between a task's thread, the poll thread and the client.
pub(super) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    /// The queue has got something since it was last found empty.
    filled: bool,
    /// The last position the task has committed.
    committed: Option<i64>,
    /// Where something else has moved the group's position to, as far as we know.
    moved_to: Option<i64>,
    /// The position, and when the last record below it was produced (-1 = not known).
    progress: Option<(i64, i64)>,
}

impl Signal {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                phase: Phase::Ours,
                filled: false,
                committed: None,
                moved_to: None,
                progress: None,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn filled(&self) {
        self.state.lock().filled = true;
        self.changed.notify_all();
    }

    /// Moves on to `phase`; never back.
    pub(super) fn turn(&self, phase: Phase) {
        let mut state = self.state.lock();
        if state.phase != Phase::Lost {
            state.phase = phase;
        }
        self.changed.notify_all();
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    pub(super) fn committed(&self) -> Option<i64> {
        self.state.lock().committed
    }

    /// The position, and when the last record below it was produced (-1 = not known). `None` =
    /// nothing is read yet.
    pub(super) fn progress(&self) -> Option<(i64, i64)> {
        self.state.lock().progress
    }

    /// The group's position was moved to `next` by something else; false when that is known.
    pub(super) fn was_moved(&self, next: i64) -> bool {
        self.state.lock().moved_to.replace(next) != Some(next)
    }
}

/// A partition that is ours until `next` says otherwise. Owned by its task's thread.
pub struct Assignment {
    log: EventLog,
    topic: Topic,
    pub(super) partition: u32,
    member: Member,
    queue: Queue,
    signal: Arc<Signal>,
    group: String,
    waiting: OfPartition,
    /// Records handed over.
    records: metrics::Counter,
    /// When the client was last told to read where it was refused.
    asked_again: Option<Instant>,
    /// Next offset to be handed over; `None` until `resume_at`.
    position: Option<i64>,
    at_end: bool,
    /// Why nothing more can be read.
    broken: Option<LogError>,
}

impl Assignment {
    /// Before the client begins to fetch the partition.
    pub(super) fn new(
        joining: &Joining,
        member: &Member,
        partition: u32,
    ) -> Result<(Self, Arc<Signal>), LogError> {
        let signal = Arc::new(Signal::new());
        let filled = Arc::clone(&signal);
        let queue = member.queue(partition, move || filled.filled())?;
        let (group, topic) = (joining.group.clone(), joining.topic);
        let assignment = Self {
            log: joining.log.clone(),
            topic,
            partition,
            member: member.clone(),
            queue,
            signal: Arc::clone(&signal),
            records: metrics::counter!(
                "pipeline_records_in_total", "group" => group.clone(), "topic" => topic.name
            ),
            group,
            waiting: OfPartition {
                waiting: Arc::clone(&joining.shared.waiting),
                topic: topic.name,
                partition,
            },
            asked_again: None,
            position: None,
            at_end: false,
            broken: None,
        };
        Ok((assignment, signal))
    }

    /// Which partition.
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Of which topic.
    #[must_use]
    pub fn topic(&self) -> Topic {
        self.topic
    }

    /// True until the partition is being taken away.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.signal.phase() == Phase::Ours
    }

    /// Waits `pause`, or less when the partition is taken away; then false. For who tries again
    /// what an engine has refused.
    #[must_use]
    pub fn pause(&self, pause: Duration) -> bool {
        let deadline = Instant::now() + pause;
        let mut state = self.signal.state.lock();
        while state.phase == Phase::Ours {
            let changed = self.signal.changed.wait_until(&mut state, deadline);
            if changed.timed_out() {
                break;
            }
        }
        state.phase == Phase::Ours
    }

    /// The first offset that is kept, and the end. Asks the broker, and waits while it is away or
    /// refuses us.
    ///
    /// # Errors
    /// When it answers with anything else, or the partition is taken away meanwhile.
    pub fn log_range(&self) -> Result<(i64, i64), LogError> {
        self.ask(|lookup| lookup.range(self.topic.name, self.partition))
    }

    /// Where the log ends, for display: the position of who has read all, without a question.
    ///
    /// # Errors
    /// As [`Self::log_range`].
    pub fn end(&self) -> Result<i64, LogError> {
        let read_all = self.position.filter(|_| self.at_end);
        read_all.map_or_else(|| Ok(self.log_range()?.1), Ok)
    }

    /// Asks until there is an answer, or something that waiting does not heal.
    fn ask<T>(&self, question: impl Fn(&Lookup) -> Result<T, LogError>) -> Result<T, LogError> {
        loop {
            match self.log.lookup().and_then(|lookup| question(&lookup)) {
                Err(error) if error.can_heal() => {
                    self.waiting.begins(&error);
                    if !self.pause(ASK_AGAIN) {
                        return Err(self.revoked());
                    }
                }
                answer => {
                    self.waiting.is_over();
                    return answer;
                }
            }
        }
    }

    /// The record at `offset`, for the check that a checkpoint belongs to this log; `None` when
    /// the log does not hold it. Does not move the position.
    ///
    /// # Errors
    /// As [`Self::log_range`].
    pub fn read_back(&self, offset: i64) -> Result<Option<Record>, LogError> {
        self.ask(|lookup| lookup.read(self.topic.name, self.partition, offset))
    }

    /// The epoch in the `TopicStart` at offset 0 of a partition of `bgp-updates` or
    /// `bgp-messages`.
    ///
    /// # Errors
    /// When there is none, or the broker does not answer.
    pub fn topic_epoch(&self) -> Result<TopicEpoch, LogError> {
        self.read_back(0)?
            .and_then(|first| epoch_of(self.topic.name, &first.payload))
            .ok_or_else(|| LogError::NoTopicStart {
                topic: self.topic.name.to_owned(),
                partition: self.partition,
            })
    }

    /// Begins to read at `next_offset`. Exactly once, before `next`.
    ///
    /// # Errors
    /// When the offset is not in the log ([`LogError::OutOfRange`]), when the partition was taken
    /// away meanwhile ([`LogError::Revoked`]), or when the broker does not answer.
    pub fn resume_at(&mut self, next_offset: i64) -> Result<(), LogError> {
        if self.position.is_some() {
            return Err(self.misuse("resume_at was called twice"));
        }
        let (first, end) = self.log_range()?;
        if next_offset < first || next_offset > end {
            return Err(self.out_of_range(next_offset, (first, end)));
        }
        let deadline = Instant::now() + RESUME;
        loop {
            if self.signal.phase() != Phase::Ours {
                return Err(self.revoked());
            }
            match self.member.seek(self.partition, next_offset) {
                Ok(()) => break,
                // The client has not begun to fetch the partition yet.
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => {
                    let mut state = self.signal.state.lock();
                    self.signal
                        .changed
                        .wait_for(&mut state, Duration::from_millis(5));
                }
            }
        }
        self.position = Some(next_offset);
        self.at_end = next_offset == end;
        self.signal.state.lock().progress = Some((next_offset, -1));
        self.look_for_a_move();
        Ok(())
    }

    /// Before our first commit hides it.
    fn look_for_a_move(&self) {
        let committed = self
            .log
            .group_lookup(&self.group)
            .and_then(|lookup| lookup.committed_in(self.topic.name, self.partition));
        match committed {
            Ok(Some(committed)) => check_position(
                &self.group,
                &self.topic,
                self.partition,
                &self.signal,
                committed,
            ),
            Ok(None) => {}
            Err(error) => tracing::debug!(group = self.group, %error, "position not read"),
        }
    }

    /// Where something else has moved the group's position to, as seen by `resume_at` or since.
    /// It has no effect; a warning has said what would have.
    #[must_use]
    pub fn moved_to(&self) -> Option<i64> {
        self.signal.state.lock().moved_to
    }

    /// Tells the client once in a while to read on where it was refused: nothing else shows that
    /// it may again when nothing new is written.
    fn read_again(&mut self, position: i64) {
        let due = self
            .asked_again
            .is_some_and(|asked| asked.elapsed() >= READ_AGAIN);
        if due {
            self.asked_again = Some(Instant::now());
            if let Err(error) = self.member.seek(self.partition, position) {
                tracing::debug!(topic = self.topic.name, partition = self.partition, %error, "read again");
            }
        }
    }

    /// The next records, at most `max_records` of them and about 1 MiB; waits at most `wait` for
    /// the first one. [`Next::Idle`] = nothing came.
    ///
    /// # Errors
    /// When the position is no longer in the log, when records were skipped, or the client cannot read the partition at all.
    pub fn next(&mut self, max_records: usize, wait: Duration) -> Result<Next, LogError> {
        let Some(mut position) = self.position else {
            return Err(self.misuse("next was called before resume_at"));
        };
        let deadline = Instant::now() + wait;
        let mut batch = Batch::default();
        loop {
            {
                let mut state = self.signal.state.lock();
                match state.phase {
                    Phase::Ours => state.filled = false,
                    Phase::Revoked => return Ok(Next::Revoked),
                    Phase::Lost => return Ok(Next::Lost),
                }
            }
            while batch.len() < max_records.max(1) && batch.bytes() < BATCH_BYTES {
                let taken = self.queue.take(&self.topic, |queued| match queued {
                    Queued::Record(record) => {
                        self.at_end = false;
                        if record.offset > position {
                            return Taken::Skipped(record.offset);
                        }
                        // A refetch may begin before the position.
                        if record.offset == position {
                            position += 1;
                            batch.push(&record);
                        }
                        Taken::Fine
                    }
                    Queued::End => {
                        self.at_end = true;
                        Taken::Fine
                    }
                    Queued::Nothing => Taken::Empty,
                    Queued::Gone => Taken::Gone,
                    Queued::Failed(error) if error.is_transient() => Taken::More,
                    Queued::Failed(error) => Taken::Failed(error),
                });
                match taken {
                    Taken::More => {}
                    Taken::Fine => {
                        if self.asked_again.take().is_some() {
                            self.waiting.is_over();
                        }
                    }
                    // It is read on once that is over.
                    Taken::Failed(error) if error.can_heal() => {
                        self.waiting.begins(&error);
                        self.asked_again.get_or_insert_with(Instant::now);
                    }
                    Taken::Empty => break,
                    Taken::Gone => {
                        self.broken = Some(self.out_of_range(position, self.log_range()?));
                    }
                    Taken::Skipped(found) => {
                        self.broken = Some(LogError::Gap {
                            topic: self.topic.name.to_owned(),
                            partition: self.partition,
                            expected: position,
                            found,
                        });
                    }
                    Taken::Failed(error) => self.broken = Some(error),
                }
                if self.broken.is_some() {
                    break;
                }
            }
            // What was read before a failure is handed over first.
            if let Some(last) = batch.last() {
                self.position = Some(position);
                self.records.increment(batch.len() as u64);
                self.signal.state.lock().progress = Some((position, last.timestamp_ms));
                return Ok(Next::Batch(batch));
            }
            if let Some(error) = &self.broken {
                return Err(error.clone());
            }
            self.read_again(position);
            let mut state = self.signal.state.lock();
            while !state.filled && state.phase == Phase::Ours {
                if self
                    .signal
                    .changed
                    .wait_until(&mut state, deadline)
                    .timed_out()
                {
                    return Ok(match state.phase {
                        Phase::Ours => Next::Idle,
                        Phase::Revoked => Next::Revoked,
                        Phase::Lost => Next::Lost,
                    });
                }
            }
        }
    }

    /// True when everything up to the end of the log, as the broker last told it, was handed over.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    /// Has the group told the position, for display and for "caught up", soon. Does not wait; what is told last is
    /// committed before the partition is given back, unless the group refuses it until then.
    pub fn commit(&self, next_offset: i64) {
        self.signal.state.lock().committed = Some(next_offset);
    }

    fn revoked(&self) -> LogError {
        LogError::Revoked {
            topic: self.topic.name.to_owned(),
            partition: self.partition,
        }
    }

    fn misuse(&self, what: &'static str) -> LogError {
        LogError::Misuse {
            topic: self.topic.name.to_owned(),
            partition: self.partition,
            what,
        }
    }

    fn out_of_range(&self, position: i64, (first, end): (i64, i64)) -> LogError {
        LogError::OutOfRange {
            topic: self.topic.name.to_owned(),
            partition: self.partition,
            position,
            first,
            end,
        }
    }
}

/// What became of one look into the queue.
enum Taken {
    /// Nothing to speak of; there may be more.
    More,
    /// The partition is read.
    Fine,
    Empty,
    Gone,
    Skipped(i64),
    Failed(LogError),
}
