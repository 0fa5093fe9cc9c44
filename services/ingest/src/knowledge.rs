//! What others say of prefixes and networks, brought into the log by a writer of its own: the content is
//! stored first, under its hash, then KnowledgeChanged names it (docs/detector.md 4, 9).
//!
//! A source with an end looks at the file once, before its first record, so that a replay stays equal; with
//! any other source the file is looked at again and again. A file that became unusable is told of, and what
//! was brought before it holds.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use weir_eventlog::LogError;
use weir_events::{
    time::now_us,
    v1::{KnowledgeChanged, control::Kind},
};
use weir_lifecycle::{Stop, causes};
use weir_objects::{
    Objects, ObjectsError,
    knowledge::{self, KnowledgeError as StoreError},
};
use weir_routing::roa::{RoaError, Vrps};

use crate::{
    config,
    progress::ProgressError,
    run::Context,
    writer::{Outlet, Writer},
};

/// Name of the writer of what belongs to no collector.
const WRITER: &str = "_control";

/// Kind of the only knowledge that there is so far; the detector knows it by the same name.
const VRPS: &str = "vrps";

/// Contents that no log and no checkpoint should name any more.
const KEEP: Duration = Duration::from_secs(7 * 86_400);

/// Until the log has what was brought.
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);

/// Why knowledge could not be brought.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The file cannot be read.
    #[error("cannot read the VRPs in {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("the VRPs in {path}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: RoaError,
    },
    /// It is greater than any list of VRPs.
    #[error(
        "the VRPs in {path}: {bytes} bytes are more than the {} that are read",
        knowledge::MAX_BYTES
    )]
    TooLarge {
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
    /// No thread to look again.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// A list of VRPs that was read and found to be one.
struct Found {
    content: Vec<u8>,
    hash: [u8; 32],
    as_of_us: i64,
}

fn read(path: &Path) -> Result<Found, KnowledgeError> {
    let unreadable = |source| KnowledgeError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = fs::metadata(path).map_err(unreadable)?;
    if file.len() > knowledge::MAX_BYTES {
        return Err(KnowledgeError::TooLarge {
            path: path.to_owned(),
            bytes: file.len(),
        });
    }
    let content = fs::read(path).map_err(unreadable)?;
    let vrps = Vrps::from_json(&content).map_err(|source| KnowledgeError::Unusable {
        path: path.to_owned(),
        source,
    })?;
    let as_of_us = Vrps::made_at_us(&content).unwrap_or_else(|| changed_us(&file));
    tracing::info!(path = %path.display(), vrps = vrps.len(), "read VRPs");
    Ok(Found {
        hash: knowledge::hash(&content),
        content,
        as_of_us,
    })
}

fn changed_us(file: &fs::Metadata) -> i64 {
    let since = |at: SystemTime| at.duration_since(UNIX_EPOCH).ok();
    let changed = file.modified().ok().and_then(since);
    changed.map_or(0, |at| i64::try_from(at.as_micros()).unwrap_or(i64::MAX))
}

/// Brings one file, again and again.
struct Bringer {
    path: PathBuf,
    objects: Objects,
    outlet: Outlet,
    writer: Writer,
    /// What was brought last.
    hash: [u8; 32],
    as_of_us: i64,
}

impl Bringer {
    fn bring(&mut self, found: &Found, at_us: i64) -> Result<(), KnowledgeError> {
        knowledge::put(&self.objects, VRPS, &found.content)?;
        let changed = KnowledgeChanged {
            kind: VRPS.to_owned(),
            content_hash: found.hash.to_vec(),
            as_of_us: found.as_of_us,
        };
        let kind = Kind::KnowledgeChanged(changed);
        self.writer
            .control(&mut self.outlet, kind, at_us, now_us())?;
        (self.hash, self.as_of_us) = (found.hash, found.as_of_us);
        metrics::gauge!("weir_knowledge_as_of_seconds", "kind" => VRPS)
            .set(found.as_of_us as f64 / 1e6);
        Ok(())
    }

    fn look(&mut self) -> Result<(), KnowledgeError> {
        let found = read(&self.path)?;
        if (found.hash, found.as_of_us) != (self.hash, self.as_of_us) {
            self.bring(&found, now_us())?;
            self.outlet.flush(DELIVERED_WITHIN)?;
            knowledge::prune(&self.objects, VRPS, KEEP, &self.hash)?;
        }
        Ok(())
    }

    /// Until told to stop: a file that has changed is read and brought.
    fn keep_looking(mut self, every: Duration, stop: &Stop) {
        let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
        let mut seen = changed(&self.path);
        while !stop.wait(every) {
            let now = changed(&self.path);
            if now == seen && now.is_some() {
                continue;
            }
            match self.look() {
                Ok(()) => {}
                Err(error) => {
                    metrics::counter!("weir_knowledge_failures_total", "kind" => VRPS).increment(1);
                    let error = causes(&error);
                    tracing::warn!(
                        error,
                        "no knowledge was brought; what was brought before holds"
                    );
                }
            }
            seen = now;
        }
    }
}

/// The hash of what a source with an end is to be judged by: another one makes another input.
pub(crate) fn fingerprint(config: &config::Knowledge) -> Result<Option<[u8; 32]>, KnowledgeError> {
    let path = config.vrps.as_deref();
    path.map(|path| read(path).map(|found| found.hash))
        .transpose()
}

/// Brings what the settings name before the first record of a source with an end. A run that resumes does
/// it again, under the same number: who has it already passes it over.
pub(crate) fn bring_once(context: &Context) -> Result<(), KnowledgeError> {
    let Some((mut bringer, found)) = bringer(context, 0)? else {
        return Ok(());
    };
    bringer.bring(&found, found.as_of_us)
}

/// Brings what the settings name now, and whenever it changes, until the source is told to stop.
pub(crate) fn keep_bringing(context: &Context) -> Result<Option<JoinHandle<()>>, KnowledgeError> {
    let config = &context.config.knowledge;
    if config.vrps.is_none() {
        return Ok(None);
    }
    let epoch = context.store.next_writer_epoch(WRITER)?;
    let Some((mut bringer, found)) = bringer(context, epoch)? else {
        return Ok(None);
    };
    bringer.bring(&found, now_us())?;
    let every = Duration::from_secs(config.look_seconds.max(1));
    let stop = context.stop.clone();
    let thread = std::thread::Builder::new().name("knowledge".to_owned());
    let thread = thread.spawn(move || bringer.keep_looking(every, &stop));
    thread.map(Some).map_err(KnowledgeError::Thread)
}

fn bringer(context: &Context, epoch: u64) -> Result<Option<(Bringer, Found)>, KnowledgeError> {
    let config = &context.config.knowledge;
    let Some(path) = config.vrps.clone() else {
        return Ok(None);
    };
    let found = read(&path)?;
    let bringer = Bringer {
        path,
        objects: Objects::prepare(&config.store)?,
        outlet: Outlet::new(context.publisher.clone()),
        writer: Writer::new(WRITER, epoch, context.config.synthetic),
        hash: found.hash,
        as_of_us: found.as_of_us,
    };
    Ok(Some((bringer, found)))
}
