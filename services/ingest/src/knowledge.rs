//! What others say of prefixes and networks, brought into the log by a writer of its own: the content is
//! stored first, under its hash, then KnowledgeChanged names it (docs/detector.md 4, 9).
//!
//! A source with an end looks at the file once, before its first record, so that a replay stays equal; with
//! any other source the file is looked at again and again, and `rtr` listens to caches of relying parties. A file that
//! became unusable is told of, and what was brought before it holds.

mod file;
mod rtr;

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use weir_eventlog::LogError;
use weir_events::{
    time::now_us,
    v1::{KnowledgeChanged, control},
};
use weir_lifecycle::{Stop, causes};
use weir_objects::{
    Objects, ObjectsError,
    knowledge::{self, KnowledgeError as StoreError},
};
use weir_routing::knowledge::{ContentError, Kind};

use crate::{
    config,
    progress::ProgressError,
    run::Context,
    writer::{Outlet, Writer},
};
use file::File;
use rtr::{Caches, RtrError, Told};

/// Name of the writer of what belongs to no collector.
const WRITER: &str = "_control";

/// A content that was replaced so long ago is named by no checkpoint that anybody could still start from.
const KEEP: Duration = Duration::from_secs(7 * 86_400);

/// Until the log has what was brought.
const DELIVERED_WITHIN: Duration = Duration::from_secs(5);

/// What has not changed is named again: a task without a checkpoint begins with what the log still holds.
const AGAIN_AFTER: Duration = Duration::from_secs(3_600);

/// Why knowledge could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The file cannot be read.
    #[error("cannot read the {what} in {path}")]
    Unreadable {
        /// Kind of knowledge.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("the {what} in {path}")]
    Unusable {
        /// Kind of knowledge.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: ContentError,
    },
    /// It is greater than any such list.
    #[error(
        "the {what} in {path} are more than the {} bytes that are read",
        knowledge::MAX_BYTES
    )]
    TooLarge {
        /// Kind of knowledge.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Caches that cannot be asked.
    #[error(transparent)]
    Rtr(#[from] RtrError),
    /// What a cache has told makes no content.
    #[error("what a cache has told")]
    Told(#[source] ContentError),
    /// Nowhere to store it.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// It was not stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The epoch of its writer was not stored.
    #[error(transparent)]
    Progress(#[from] ProgressError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl KnowledgeError {
    /// Trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Objects(error) | Self::Store(StoreError::Objects(error)) => error.is_transient(),
            Self::Log(error) => error.is_transient(),
            Self::Unreadable { .. }
            | Self::Unusable { .. }
            | Self::TooLarge { .. }
            | Self::Rtr(_)
            | Self::Told(_)
            | Self::Store(StoreError::Damaged { .. })
            | Self::Progress(_) => false,
        }
    }
}

/// Where contents are put, and who names them.
struct Desk {
    objects: Objects,
    outlet: Outlet,
    writer: Writer,
}

impl Desk {
    fn open(context: &Context, epoch: u64) -> Result<Self, KnowledgeError> {
        let config = &context.config;
        Ok(Self {
            objects: objects(config)?,
            outlet: Outlet::new(context.publisher.clone()),
            writer: Writer::new(WRITER, epoch, config.synthetic),
        })
    }

    /// Brings a file, unless it was brought lately. `at_us`: the event time of the record, and the age of a content
    /// that does not tell its own; `None` = now, and the age of the file.
    fn bring_file(&mut self, file: &mut File, at_us: Option<i64>) -> Result<(), KnowledgeError> {
        let content = file.read()?;
        let made_at = file.kind.made_at_us(&content).or(at_us);
        let as_of_us = made_at.unwrap_or_else(|| file.changed_at_us());
        self.bring(file.kind, &mut file.brought, &content, as_of_us, at_us)
    }

    /// Brings what is of `as_of_us`, unless it was brought lately.
    fn bring(
        &mut self,
        kind: Kind,
        brought: &mut Brought,
        content: &[u8],
        as_of_us: i64,
        at_us: Option<i64>,
    ) -> Result<(), KnowledgeError> {
        let (kind, hash) = (kind.name(), knowledge::hash(content));
        if brought.last == Some((hash, as_of_us)) && !brought.is_old() {
            return Ok(());
        }
        if let Some((old, _)) = brought.last
            && old != hash
            && let Some(content) = knowledge::get(&self.objects, kind, &old)?
        {
            // Checkpoints name it for a while: it is young again.
            knowledge::put(&self.objects, kind, &content)?;
        }
        knowledge::put(&self.objects, kind, content)?;
        let changed = control::Kind::KnowledgeChanged(KnowledgeChanged {
            kind: kind.to_owned(),
            content_hash: hash.to_vec(),
            as_of_us,
        });
        let at_us = at_us.unwrap_or_else(now_us);
        self.writer
            .control(&mut self.outlet, changed, at_us, now_us())?;
        *brought = Brought {
            last: Some((hash, as_of_us)),
            at: Instant::now(),
        };
        metrics::gauge!("weir_knowledge_as_of_seconds", "kind" => kind).set(as_of_us as f64 / 1e6);
        Ok(())
    }

    /// Waits for the log to have what was brought, and forgets what nobody needs any more.
    fn settle(&mut self, kind: Kind, brought: &Brought) -> Result<(), KnowledgeError> {
        self.outlet.flush(DELIVERED_WITHIN)?;
        if let Some((hash, _)) = brought.last {
            knowledge::prune(&self.objects, kind.name(), KEEP, &hash)?;
        }
        Ok(())
    }

    /// Brings the files that have changed.
    fn look(&mut self, files: &mut [File]) {
        for file in files.iter_mut().filter(|file| file.is_due()) {
            let done = self.bring_file(file, None);
            if let Err(error) = done.and_then(|()| self.settle(file.kind, &file.brought)) {
                file.failed(&error);
            }
        }
    }

    /// Brings what a cache has told, if that is due.
    fn take(&mut self, told: &mut Told) {
        for kind in Told::KINDS {
            if let Err(error) = self.take_kind(told, kind) {
                tell(kind, &error);
            }
        }
    }

    fn take_kind(&mut self, told: &mut Told, kind: Kind) -> Result<(), KnowledgeError> {
        let Some((content, as_of_us, brought)) = told.due(kind) else {
            return Ok(());
        };
        kind.read(content).map_err(KnowledgeError::Told)?;
        self.bring(kind, brought, content, as_of_us, None)?;
        self.settle(kind, brought)
    }

    /// Until told to stop: brings files that have changed, and what caches tell.
    fn keep_bringing(
        mut self,
        mut files: Vec<File>,
        every: Duration,
        caches: Option<Caches>,
        stop: &Stop,
    ) {
        let Some(caches) = caches else {
            while !stop.wait(every) {
                self.look(&mut files);
            }
            return;
        };
        let mut told = Told::default();
        caches.listen(every, stop, |load| {
            match load {
                Some(load) => told.load = Some(load),
                None => self.look(&mut files),
            }
            self.take(&mut told);
        });
    }
}

/// What was brought last.
struct Brought {
    /// Its hash and age.
    last: Option<([u8; 32], i64)>,
    /// When that was.
    at: Instant,
}

impl Default for Brought {
    fn default() -> Self {
        Self {
            last: None,
            at: Instant::now(),
        }
    }
}

impl Brought {
    /// So long ago that a log may have forgotten it.
    fn is_old(&self) -> bool {
        self.at.elapsed() >= AGAIN_AFTER
    }
}

/// Says that nothing was brought.
fn tell(kind: Kind, error: &KnowledgeError) {
    metrics::counter!("weir_knowledge_failures_total", "kind" => kind.name()).increment(1);
    let (kind, error) = (kind.name(), causes(error));
    tracing::warn!(
        kind,
        error,
        "no knowledge was brought; what was brought before holds"
    );
}

fn objects(config: &config::Config) -> Result<Objects, KnowledgeError> {
    Ok(Objects::prepare(&config.knowledge.store)?.of_stream(&config.stream))
}

/// Hashes of what a source with an end is to be judged by, each with its kind: others make another input, and so does
/// a file that is named as another kind.
pub(crate) fn fingerprint(config: &config::Knowledge) -> Result<Vec<[u8; 32]>, KnowledgeError> {
    let files = File::all(config).into_iter();
    files
        .map(|file| {
            let kind = file.kind.name().as_bytes();
            Ok(knowledge::hash(&[kind, b"\n", &file.content()?].concat()))
        })
        .collect()
}

/// Brings what the settings name before the first record of a source with an end, which is of `begins_us`. A run
/// that resumes does it again, under the same numbers: who has it already passes it over.
pub(crate) fn bring_once(context: &Context, begins_us: i64) -> Result<(), KnowledgeError> {
    let mut desk = Desk::open(context, 0)?;
    let mut files = File::all(&context.config.knowledge);
    files
        .iter_mut()
        .try_for_each(|file| desk.bring_file(file, Some(begins_us)))
}

/// Brings what the settings name now; what is given back goes on doing so whenever it changes, until the source
/// is told to stop.
pub(crate) fn bring_now(
    context: &Context,
) -> Result<Option<impl FnOnce() + Send + use<>>, KnowledgeError> {
    let config = &context.config.knowledge;
    let mut files = File::all(config);
    let caches = Caches::named(config)?;
    if files.is_empty() && caches.is_none() {
        return Ok(None);
    }
    let mut desk = Desk::open(context, context.store.next_writer_epoch(WRITER)?)?;
    for file in &mut files {
        desk.bring_file(file, None)?;
    }
    let every = Duration::from_secs(config.look_seconds.max(1));
    let stop = context.stop.clone();
    Ok(Some(move || {
        desk.keep_bringing(files, every, caches, &stop);
    }))
}

/// Stores what the settings name, for who waits for it before ingest starts. What it says is checked by who brings
/// it.
///
/// # Errors
/// When a file cannot be read, or the store does not take it.
pub fn store(config: &config::Config) -> Result<(), KnowledgeError> {
    let files = File::all(&config.knowledge);
    if files.is_empty() {
        return Ok(());
    }
    let objects = objects(config)?;
    for file in files {
        knowledge::put(&objects, file.kind.name(), &file.content()?)?;
    }
    Ok(())
}
