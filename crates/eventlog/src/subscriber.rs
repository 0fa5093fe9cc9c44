//! Reads a topic as a member of a group: a poll thread, and one plain thread per assigned
//! partition, which owns its state, its position and its pace.
//!
//! A task's thread runs `task` from assignment to revocation. It restores, says where to resume
//! (`resume_at`), and takes batches. Records wait in the client's bounded queue of the partition;
//! a task that is slow stops the fetching of its own partition only, and the poll thread never
//! waits for it. On [`Next::Revoked`] it finishes, checkpoints, commits and returns; the partition
//! is given back afterwards. On [`Next::Lost`] another may own it already: publish nothing.

mod ends;
mod joining;
mod members;
mod partition;
mod positions;
mod retakes;
mod waiting;
mod watch;

use std::{
    collections::BTreeMap,
    error::Error,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use weir_events::topics::Topic;

use crate::{EventLog, LogError};
use joining::Joining;
use members::Members;
use partition::Signal;
pub use partition::{Assignment, Next};
use retakes::Overtaken;
use waiting::Waiting;
use watch::Watch;

/// What a task returns when it cannot go on.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// How much longer than its tasks the client itself may take to leave the group.
const LEAVE: Duration = Duration::from_secs(2);

pub(crate) type Task = dyn Fn(Assignment) -> Result<(), TaskError> + Send + Sync;

/// A running member of a group. Dropping it stops it without a deadline.
pub struct Subscriber {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Between the handle and the poll thread.
#[derive(Default)]
pub(crate) struct Shared {
    /// When to be done, once asked to stop.
    stop_by: Mutex<Option<Instant>>,
    failure: Mutex<Option<String>>,
    /// Why nothing is read, for now.
    waiting: Arc<Waiting>,
    /// The partitions that have a task.
    held: Mutex<BTreeMap<u32, Arc<Signal>>>,
    /// The poll thread has left the group.
    left: Mutex<bool>,
    changed: Condvar,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stop_by.lock().is_some()
    }

    fn leave(&self) {
        *self.left.lock() = true;
        self.changed.notify_all();
    }

    /// True when the poll thread has left by `deadline`.
    fn has_left(&self, deadline: Instant) -> bool {
        let mut left = self.left.lock();
        while !*left && !self.changed.wait_until(&mut left, deadline).timed_out() {}
        *left
    }

    fn fail(&self, reason: &str) {
        let mut failure = self.failure.lock();
        if failure.is_none() {
            *failure = Some(reason.to_owned());
        }
    }
}

impl Subscriber {
    /// Joins `group` for `topic`; `task` runs once per assignment of a partition, on its thread.
    ///
    /// A task that returns an error, panics, or returns before its partition was taken away marks
    /// the subscriber as failed: its partition stands still, the others go on until `stop`.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(
        log: &EventLog,
        group: &str,
        topic: Topic,
        task: impl Fn(Assignment) -> Result<(), TaskError> + Send + Sync + 'static,
    ) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let watch = Watch {
            log: log.clone(),
            group: group.to_owned(),
            topic,
            shared: Arc::clone(&shared),
        };
        let joining = Joining {
            log: log.clone(),
            group: group.to_owned(),
            topic,
            instance: log.instance(group),
            shared: Arc::clone(&shared),
        };
        let thread = spawn(format!("{group}-poll"), {
            let shared = Arc::clone(&shared);
            let task = Arc::new(task);
            move || {
                if let Some(member) = joining.join() {
                    Members::new(joining, member, task).run();
                }
                shared.leave();
            }
        })?;
        // It ends by itself, when the question in hand is answered.
        let _ends_by_itself = spawn(format!("{group}-watch"), move || watch.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// As [`Self::start`], for a sink that keeps its position in its store, under a fence.
    ///
    /// A task that ends with an error of its store of which `is_overtaken` is true is no failure: it
    /// runs again over the same partition, from the fence on, for as long as the partition is ours,
    /// after a wait that grows each time. Counted in `weir_partition_retaken_total`.
    ///
    /// # Errors
    /// As there.
    pub fn start_sink<E: Error + 'static>(
        log: &EventLog,
        group: &str,
        topic: Topic,
        is_overtaken: impl Fn(&E) -> bool + Send + Sync + 'static,
        task: impl Fn(Assignment) -> Result<(), TaskError> + Send + Sync + 'static,
    ) -> Result<Self, LogError> {
        Self::start(log, group, topic, move |assignment| {
            task(assignment).map_err(|error| match error.downcast_ref::<E>() {
                Some(refused) if is_overtaken(refused) => Overtaken(error).into(),
                _ => error,
            })
        })
    }

    /// Takes everything back: tasks see [`Next::Revoked`], finish and return, their positions are
    /// committed, the group is left. Past `deadline` they see [`Next::Lost`] and are left behind.
    ///
    /// # Errors
    /// When a task failed or did not end in time.
    pub fn stop(mut self, deadline: Duration) -> Result<(), LogError> {
        let stop_by = Instant::now() + deadline;
        *self.shared.stop_by.lock() = Some(stop_by);
        if let Some(thread) = self.thread.take() {
            // A broker that is gone must not hold us up: then the group learns by its own clock.
            if !self.shared.has_left(stop_by + LEAVE) && !thread.is_finished() {
                self.shared.fail("the group could not be left in time");
            } else if thread.join().is_err() {
                self.shared.fail("the poll thread panicked");
            }
        }
        self.failure()
            .map_or(Ok(()), |reason| Err(LogError::Task { reason }))
    }

    /// Why nothing is read although nothing has failed: the brokers are away, refuse our name, an
    /// ACL is missing, the topic does not exist. With the next step. It goes on by itself once that
    /// is over.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        self.shared.waiting.text()
    }

    /// The first failure of a task, or of the group as a whole.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.failure.lock().clone()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            *self.shared.stop_by.lock() = Some(Instant::now() + members::REVOKE_BUDGET);
            if thread.join().is_err() {
                tracing::error!("the poll thread of a subscriber panicked");
            }
        }
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .map_err(|error| LogError::Thread {
            reason: error.to_string(),
        })
}
