//! What others say of prefixes and networks, brought into the log by a writer of its own: the content is
//! stored first, under its hash, then KnowledgeChanged names it (docs/detector.md 4, 9).
//!
//! A source with an end looks at the file once, before its first record, so that a replay stays equal; with
//! any other source the file is looked at again and again. A file that became unusable is told of, and what
//! was brought before it holds.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
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
        "the {what} in {path}: {bytes} bytes are more than the {} that are read",
        knowledge::MAX_BYTES
    )]
    TooLarge {
        /// Kind of knowledge.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
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
            | Self::Store(StoreError::Damaged { .. })
            | Self::Progress(_) => false,
        }
    }
}

/// A file of knowledge that the settings name.
struct Source {
    kind: Kind,
    path: PathBuf,
    /// When the file had changed at the last look.
    seen: Option<SystemTime>,
    /// Hash and age of what was brought last.
    brought: Option<([u8; 32], i64)>,
    /// When that was.
    brought_at: Instant,
}

/// What a file was found to hold.
struct Found {
    content: Vec<u8>,
    hash: [u8; 32],
    as_of_us: i64,
}

impl Source {
    fn all(config: &config::Knowledge) -> Vec<Self> {
        let named = |kind| match kind {
            Kind::Vrps => &config.vrps,
            Kind::Relations => &config.relations,
            Kind::Organisations => &config.organisations,
        };
        let of_kind = |kind| {
            named(kind).clone().map(|path| Self {
                kind,
                path,
                seen: None,
                brought: None,
                brought_at: Instant::now(),
            })
        };
        Kind::ALL.into_iter().filter_map(of_kind).collect()
    }

    /// Reads the file, which must hold what its kind says. A content that does not tell when it was made is of
    /// `undated_us`, else of when the file changed.
    fn read(&self, undated_us: Option<i64>) -> Result<Found, KnowledgeError> {
        let (what, path) = (self.kind.name(), &self.path);
        let unreadable = |source| KnowledgeError::Unreadable {
            what,
            path: path.clone(),
            source,
        };
        let file = fs::metadata(path).map_err(unreadable)?;
        if file.len() > knowledge::MAX_BYTES {
            return Err(KnowledgeError::TooLarge {
                what,
                path: path.clone(),
                bytes: file.len(),
            });
        }
        let content = fs::read(path).map_err(unreadable)?;
        let read = self.kind.read(&content);
        let read = read.map_err(|source| KnowledgeError::Unusable {
            what,
            path: path.clone(),
            source,
        })?;
        tracing::info!(what, path = %path.display(), entries = read.len(), "read knowledge");
        let made_at = self.kind.made_at_us(&content);
        Ok(Found {
            hash: knowledge::hash(&content),
            as_of_us: made_at.or(undated_us).unwrap_or_else(|| changed_us(&file)),
            content,
        })
    }

    /// True when the file is another one than at the last look, or was brought so long ago that a log may have
    /// forgotten it.
    fn is_due(&mut self) -> bool {
        let now = changed(&self.path);
        let same = now.is_some() && now == self.seen;
        self.seen = now;
        !same || self.brought_at.elapsed() >= AGAIN_AFTER
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}

fn changed_us(file: &fs::Metadata) -> i64 {
    let since = |at: SystemTime| at.duration_since(UNIX_EPOCH).ok();
    let changed = file.modified().ok().and_then(since);
    changed.map_or(0, |at| i64::try_from(at.as_micros()).unwrap_or(i64::MAX))
}

/// Brings what the settings name.
struct Bringer {
    sources: Vec<Source>,
    objects: Objects,
    outlet: Outlet,
    writer: Writer,
}

impl Bringer {
    fn start(context: &Context, epoch: u64) -> Result<Self, KnowledgeError> {
        let config = &context.config;
        Ok(Self {
            sources: Source::all(&config.knowledge),
            objects: Objects::prepare(&config.knowledge.store)?.of_stream(&config.stream),
            outlet: Outlet::new(context.publisher.clone()),
            writer: Writer::new(WRITER, epoch, config.synthetic),
        })
    }

    /// Brings what the source at this index holds, unless that was brought lately. `at_us`: the event time of the
    /// record, and the age of a content that does not tell its own; `None` = now, and the age of the file.
    fn bring(&mut self, index: usize, at_us: Option<i64>) -> Result<(), KnowledgeError> {
        let Some(source) = self.sources.get_mut(index) else {
            return Ok(());
        };
        source.seen = changed(&source.path);
        let found = source.read(at_us)?;
        let (kind, brought) = (source.kind.name(), (found.hash, found.as_of_us));
        let lately = source.brought_at.elapsed() < AGAIN_AFTER;
        if source.brought == Some(brought) && lately {
            return Ok(());
        }
        if let Some((old, _)) = source.brought
            && old != found.hash
            && let Some(content) = knowledge::get(&self.objects, kind, &old)?
        {
            // Checkpoints name it for a while: it is young again.
            knowledge::put(&self.objects, kind, &content)?;
        }
        knowledge::put(&self.objects, kind, &found.content)?;
        let changed = control::Kind::KnowledgeChanged(KnowledgeChanged {
            kind: kind.to_owned(),
            content_hash: found.hash.to_vec(),
            as_of_us: found.as_of_us,
        });
        let at_us = at_us.unwrap_or_else(now_us);
        self.writer
            .control(&mut self.outlet, changed, at_us, now_us())?;
        source.brought = Some(brought);
        source.brought_at = Instant::now();
        metrics::gauge!("weir_knowledge_as_of_seconds", "kind" => kind)
            .set(found.as_of_us as f64 / 1e6);
        Ok(())
    }

    /// Brings a file that has changed.
    fn look(&mut self, index: usize) -> Result<(), KnowledgeError> {
        self.bring(index, None)?;
        self.outlet.flush(DELIVERED_WITHIN)?;
        if let Some(Source {
            kind,
            brought: Some((hash, _)),
            ..
        }) = self.sources.get(index)
        {
            knowledge::prune(&self.objects, kind.name(), KEEP, hash)?;
        }
        Ok(())
    }

    /// Until told to stop: a file that has changed is read and brought.
    fn keep_looking(mut self, every: Duration, stop: &Stop) {
        while !stop.wait(every) {
            for index in 0..self.sources.len() {
                let due = self.sources.get_mut(index).is_some_and(Source::is_due);
                if due && let Err(error) = self.look(index) {
                    self.tell(index, &error);
                }
            }
        }
    }

    /// Says that nothing was brought. What may pass is tried again at the next look.
    fn tell(&mut self, index: usize, error: &KnowledgeError) {
        let Some(source) = self.sources.get_mut(index) else {
            return;
        };
        if error.is_transient() {
            source.seen = None;
        }
        let kind = source.kind.name();
        metrics::counter!("weir_knowledge_failures_total", "kind" => kind).increment(1);
        let error = causes(error);
        tracing::warn!(
            error,
            "no knowledge was brought; what was brought before holds"
        );
    }
}

/// Hashes of what a source with an end is to be judged by: others make another input.
pub(crate) fn fingerprint(config: &config::Knowledge) -> Result<Vec<[u8; 32]>, KnowledgeError> {
    let sources = Source::all(config).into_iter();
    sources
        .map(|source| source.read(None).map(|found| found.hash))
        .collect()
}

/// Brings what the settings name before the first record of a source with an end, which is of `begins_us`. A run
/// that resumes does it again, under the same numbers: who has it already passes it over.
pub(crate) fn bring_once(context: &Context, begins_us: i64) -> Result<(), KnowledgeError> {
    let mut bringer = Bringer::start(context, 0)?;
    (0..bringer.sources.len()).try_for_each(|index| bringer.bring(index, Some(begins_us)))
}

/// Brings what the settings name now; what is given back goes on doing so whenever it changes, until the source
/// is told to stop.
pub(crate) fn bring_now(
    context: &Context,
) -> Result<Option<impl FnOnce() + Send + use<>>, KnowledgeError> {
    let config = &context.config.knowledge;
    if !config.names_any() {
        return Ok(None);
    }
    let epoch = context.store.next_writer_epoch(WRITER)?;
    let mut bringer = Bringer::start(context, epoch)?;
    (0..bringer.sources.len()).try_for_each(|index| bringer.bring(index, None))?;
    let every = Duration::from_secs(config.look_seconds.max(1));
    let stop = context.stop.clone();
    Ok(Some(move || bringer.keep_looking(every, &stop)))
}

/// Stores what the settings name, for who waits for it before ingest starts.
///
/// # Errors
/// When a file is unusable, or the store does not take it.
pub fn store(config: &config::Config) -> Result<(), KnowledgeError> {
    if !config.knowledge.names_any() {
        return Ok(());
    }
    let objects = Objects::prepare(&config.knowledge.store)?.of_stream(&config.stream);
    for source in Source::all(&config.knowledge) {
        let found = source.read(None)?;
        knowledge::put(&objects, source.kind.name(), &found.content)?;
    }
    Ok(())
}
