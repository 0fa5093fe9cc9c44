//! Starts a source on a thread of its own, and what can be asked of it while it runs.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use weir_eventlog::{
    EventLog, LogError, Publisher, PublisherOptions,
    status::{Reporter, StatusBoard},
};
use weir_lifecycle::{Stop, causes};

use crate::{
    bmp,
    config::{Config, Knowledge, Source},
    counts::{Shown, Stats},
    decompress::BytesRead,
    files,
    input::InputError,
    kafka,
    knowledge::{self, KnowledgeError},
    notes::Notes,
    progress::{Keeper, ProgressError, Store},
    ris_live, watch,
};

/// Longest wait for the log to take a first record.
const CONNECT: Duration = Duration::from_secs(10);

/// Why ingest did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The input is not usable.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Progress cannot be read, or does not fit the log or the input.
    #[error(transparent)]
    Progress(#[from] ProgressError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What others say cannot be brought.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// The URL of a source is none.
    #[error(transparent)]
    RisLive(#[from] ris_live::RisLiveError),
    /// No router can connect.
    #[error(transparent)]
    Bmp(#[from] bmp::BmpError),
    /// The operating system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why a source ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Progress(#[from] ProgressError),
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    #[error("progress was not stored: {reason}")]
    NotStored { reason: String },
}

/// Ingest did not stop in time, or had failed before.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// What was read is not all in the log; a restart reads it again.
    #[error(
        "ingest did not flush within {seconds} s; what is missing is read again at the next start"
    )]
    Deadline {
        /// The deadline.
        seconds: u64,
    },
    /// It had failed.
    #[error("ingest had failed: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// How far the input has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputProgress {
    /// Compressed bytes read.
    pub bytes_read: u64,
    /// Compressed bytes of the whole input; 0 when it has no end.
    pub bytes_total: u64,
    /// Announced + withdrawn prefixes read.
    pub elements: u64,
    /// Greatest event time read.
    pub event_time_us: Option<i64>,
}

/// What every source is given.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) log: EventLog,
    pub(crate) store: Store,
    pub(crate) publisher: Publisher,
    pub(crate) stop: Stop,
    pub(crate) shown: Shown,
    pub(crate) status: StatusBoard,
    pub(crate) bytes: BytesRead,
    pub(crate) notes: Notes,
    pub(crate) waiting: Waiting,
}

/// Why a source reads nothing, for whoever asks.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<Option<String>>>);

impl Waiting {
    pub(crate) fn set(&self, reason: Option<String>) {
        *self.0.lock() = reason;
    }
}

impl Context {
    pub(crate) fn keeper(&self) -> Result<Keeper, std::io::Error> {
        Keeper::start(self.store.clone(), self.log.clone(), self.publisher.clone())
    }

    /// Shows where the run stands.
    pub(crate) fn show(&self, stats: &mut Stats) {
        self.notes.log();
        stats.broken_files = self.notes.broken_files();
        stats.warnings = self.notes.warnings();
        self.shown.show(stats);
        metrics::counter!("ingest_messages_total").absolute(stats.messages);
        metrics::counter!("ingest_elements_total").absolute(stats.elements);
        self.status.set("elements_in", 0, stats.elements);
        self.status.set("elements_out", 0, stats.elements_out);
        self.status.set("copies", 0, stats.copies);
        self.status.set("messages", 0, stats.messages);
        self.status.set("dead_letters", 0, stats.dead_letters);
        self.status.set("dropped", 0, stats.dropped);
        self.status.set("gaps", 0, stats.gaps);
        if let Some(time) = stats.last_event_us {
            self.status.event_time(time);
        }
    }
}

#[derive(Default)]
struct Ended {
    finished: AtomicBool,
    over: Mutex<Option<Result<(), String>>>,
    changed: Condvar,
}

/// A source at work. Dropping it stops it without waiting for the log.
pub struct Running {
    stop: Stop,
    /// The source, and who brings knowledge.
    threads: [Option<JoinHandle<()>>; 2],
    ended: Arc<Ended>,
    shown: Shown,
    bytes: BytesRead,
    bytes_total: u64,
    listening: Option<SocketAddr>,
    waiting: Waiting,
    status: StatusBoard,
    publisher: Publisher,
    _reporter: Reporter,
}

/// How a source's thread ends.
pub(crate) enum Outcome {
    /// All of the input is in the log.
    Finished,
    /// It was told to stop; everything read is in the log.
    Stopped,
}

/// What a source does on its thread.
pub(crate) type Task = Box<dyn FnOnce() -> Result<Outcome, RunError> + Send>;

/// Starts reading `config.source` into `log`. Progress and the epochs of writers are kept in
/// `state_dir/ingest.redb`. The topics must exist (`weir_eventlog::admin::ensure_topics`).
///
/// Files are looked at before this returns: unusable input is an error here, not later.
///
/// # Errors
/// When the input is unusable, progress does not fit the input or the log, or there is no log.
pub fn start(config: Config, log: &EventLog, state_dir: &Path) -> Result<Running, StartError> {
    let is_scenario = matches!(config.source, Source::Scenario(_));
    let synthetic = config.synthetic || is_scenario;
    let mut config = Config {
        synthetic,
        ..config
    };
    if is_scenario {
        // What others say today has nothing to do with a story of old.
        config.knowledge = Knowledge::default();
    }
    let options = PublisherOptions {
        max_in_flight: config.max_in_flight,
        on_delivery: None,
    };
    let publisher = Publisher::connect(log, options)?;
    let context = Context {
        status: StatusBoard::new("ingest", &config.instance, &config.stream, synthetic),
        log: log.clone(),
        store: Store::open(state_dir)?,
        publisher: publisher.clone(),
        stop: Stop::new(),
        shown: Shown::default(),
        bytes: BytesRead::default(),
        notes: Notes::default(),
        waiting: Waiting::default(),
        config,
    };
    let has_end = matches!(
        context.config.source,
        Source::Files(_) | Source::Scenario(_)
    );
    let knowledge = if has_end {
        if context.config.knowledge.rtr.is_some() {
            tracing::warn!("no cache is asked by RTR: a source with an end is judged by files");
        }
        None
    } else {
        knowledge::bring_now(&context)?
    };
    let (stop, shown) = (context.stop.clone(), context.shown.clone());
    let (bytes, status) = (context.bytes.clone(), context.status.clone());
    let waiting = context.waiting.clone();
    let mut listening = None;
    let (task, bytes_total): (Task, u64) = match context.config.source.clone() {
        Source::Files(source) => files::prepare(context, &source)?,
        Source::Scenario(source) => files::prepare_scenario(context, &source)?,
        Source::Watch(source) => (watch::prepare(context, source)?, 0),
        Source::RisLive(source) => (ris_live::prepare(context, source, state_dir)?, 0),
        Source::Bmp(source) => {
            let (task, address) = bmp::prepare(context, source)?;
            listening = Some(address);
            (task, 0)
        }
        Source::Kafka(source) => (kafka::prepare(context, &source)?, 0),
    };
    // What is paced or live must not wait for the publisher's first connection.
    status.publish(&publisher)?;
    publisher.flush(CONNECT)?;
    let ended = Arc::new(Ended::default());
    let own = Arc::clone(&ended);
    let thread = std::thread::Builder::new()
        .name("ingest".to_owned())
        .spawn(move || own.run(task))?;
    let bringing = || std::thread::Builder::new().name("knowledge".to_owned());
    let knowledge = knowledge.map(|bring| bringing().spawn(bring)).transpose()?;
    Ok(Running {
        stop,
        threads: [Some(thread), knowledge],
        ended,
        shown,
        bytes,
        bytes_total,
        listening,
        waiting,
        _reporter: status.report(log)?,
        status,
        publisher,
    })
}

impl Ended {
    fn run(&self, task: Task) {
        let over = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(task)) {
            Ok(Ok(outcome)) => {
                let finished = matches!(outcome, Outcome::Finished);
                self.finished.store(finished, Ordering::Release);
                Ok(())
            }
            Ok(Err(error)) => {
                let error = causes(&error);
                tracing::error!(error, "ingest has failed");
                Err(error)
            }
            Err(_) => Err("ingest panicked".to_owned()),
        };
        *self.over.lock() = Some(over);
        self.changed.notify_all();
    }
}

impl Running {
    /// True when all of the input is in the log and that is stored. Never for a live source.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.ended.finished.load(Ordering::Acquire)
    }

    /// Waits until the input is finished, or the source has failed or stopped; true = finished.
    #[must_use]
    pub fn wait_finished(&self, timeout: Duration) -> bool {
        self.wait_over(timeout);
        self.finished()
    }

    fn wait_over(&self, timeout: Duration) -> bool {
        const LONGEST: Duration = Duration::from_secs(365 * 86_400);
        let deadline = Instant::now() + timeout.min(LONGEST);
        let mut over = self.ended.over.lock();
        while over.is_none() {
            if self
                .ended
                .changed
                .wait_until(&mut over, deadline)
                .timed_out()
            {
                return over.is_some();
            }
        }
        true
    }

    /// How far the input has been read; for a progress bar.
    #[must_use]
    pub fn progress(&self) -> InputProgress {
        let stats = self.shown.get();
        InputProgress {
            bytes_read: if self.finished() {
                self.bytes_total
            } else {
                self.bytes.get().min(self.bytes_total)
            },
            bytes_total: self.bytes_total,
            elements: stats.elements,
            event_time_us: stats.last_event_us,
        }
    }

    /// Where routers connect, when they do.
    #[must_use]
    pub fn listening(&self) -> Option<SocketAddr> {
        self.listening
    }

    /// Why nothing is read, and what to do about it, where the source can tell; it goes on by
    /// itself.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        self.waiting.0.lock().clone()
    }

    /// What was counted, as of a second ago or so; exact once finished or stopped.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shown.get()
    }

    /// What ingest tells on `service-status`.
    #[must_use]
    pub fn status(&self) -> &StatusBoard {
        &self.status
    }

    /// Why it has failed, if it has. Nothing later is in the log.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match &*self.ended.over.lock() {
            Some(Err(reason)) => Some(reason.clone()),
            _ => self.publisher.failure().map(|error| error.to_string()),
        }
    }

    /// Stops reading, waits until everything read is in the log, and stores that.
    ///
    /// # Errors
    /// When that took longer than `deadline`, or the source had failed.
    pub fn stop(mut self, deadline: Duration) -> Result<(), StopError> {
        self.stop.set();
        if !self.wait_over(deadline) {
            self.publisher
                .abandon("ingest was told to stop and its deadline passed");
            self.join();
            return Err(StopError::Deadline {
                seconds: deadline.as_secs(),
            });
        }
        self.join();
        match self.failure() {
            Some(reason) => Err(StopError::Failed { reason }),
            None => Ok(()),
        }
    }

    fn join(&mut self) {
        for thread in self.threads.iter_mut().filter_map(Option::take) {
            if thread.join().is_err() {
                tracing::error!("a thread of ingest panicked");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.set();
        if self.threads.iter().any(Option::is_some) {
            self.publisher.abandon("ingest was dropped");
            self.join();
        }
    }
}
