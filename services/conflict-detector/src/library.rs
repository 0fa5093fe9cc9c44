//! Contents of the knowledge that the log names, read once for all tasks of a process.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use weir_conflicts::{Detector, record::Knowledge};
use weir_eventlog::Assignment;
use weir_lifecycle::causes;
use weir_objects::{
    Objects, ObjectsError,
    knowledge::{self, KnowledgeError},
};
use weir_routing::knowledge::{Content, ContentError, Kind};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Copies that were made so long ago are named by none of our checkpoints any more.
const KEEP: Duration = Duration::from_secs(7 * 86_400);

/// Why a task cannot go on past a record that names a content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// The store does not answer.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// What it holds is damaged, or it does not answer.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// It is whole, and not what its kind says.
    #[error("{kind} that the log names cannot be read")]
    Unreadable {
        /// What it is about.
        kind: String,
        /// What is wrong.
        source: ContentError,
    },
    /// It is not there, though the log names it.
    #[error(
        "{kind} that the log names are not at {place}: ingest must use the same [checkpoint_store]"
    )]
    Missing {
        /// What it is about.
        kind: String,
        /// Where they should be.
        place: String,
    },
}

impl LibraryError {
    /// Waiting may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Objects(error) | Self::Knowledge(KnowledgeError::Objects(error)) => {
                error.is_transient()
            }
            Self::Missing { .. } => true,
            Self::Knowledge(KnowledgeError::Damaged { .. }) | Self::Unreadable { .. } => false,
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Library {
    place: weir_objects::Config,
    stream: String,
    /// Folder of copies of what was read, so that a restart needs nobody.
    own: PathBuf,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    /// Our own copies, and where ingest puts them: opened for the first record that names a content.
    own: Option<Objects>,
    objects: Option<Objects>,
    /// What was read last, with its hash: every partition asks for the same.
    last: BTreeMap<Kind, (Vec<u8>, Content)>,
}

impl Library {
    /// Contents of a stream below this URL, with copies in the folder of the checkpoints.
    pub(crate) fn at(place: weir_objects::Config, stream: &str, checkpoints: &Path) -> Self {
        Self {
            place,
            stream: stream.to_owned(),
            own: checkpoints.to_owned(),
            shelf: Arc::default(),
        }
    }

    /// Gives the detector what is named, if need be after waiting: it judges nothing further without. False =
    /// the partition was taken away meanwhile.
    pub(crate) fn provide(
        &self,
        detector: &mut Detector,
        named: &Knowledge,
        assignment: &Assignment,
    ) -> Result<bool, LibraryError> {
        let mut wait = FIRST_WAIT;
        loop {
            match self.get(named) {
                Ok(content) => {
                    if let Some(content) = content {
                        detector.provide(&named.content_hash, content);
                    }
                    return Ok(true);
                }
                Err(error) if error.is_transient() => {
                    if wait == FIRST_WAIT {
                        let (error, partition) = (causes(&error), assignment.partition());
                        tracing::warn!(error, partition, "waiting for what the log names");
                    }
                }
                Err(error) => return Err(error),
            }
            if !assignment.pause(wait) {
                return Ok(false);
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// The content; `None` = this version knows no such kind.
    pub(crate) fn get(&self, named: &Knowledge) -> Result<Option<Content>, LibraryError> {
        let Some(kind) = Kind::from_name(&named.kind) else {
            return Ok(None);
        };
        let mut shelf = self.shelf.lock();
        if let Some((hash, content)) = shelf.last.get(&kind)
            && *hash == named.content_hash
        {
            return Ok(Some(content.clone()));
        }
        let bytes = self.bytes(&mut shelf, named)?;
        let content = kind.read(&bytes);
        let content = content.map_err(|source| LibraryError::Unreadable {
            kind: named.kind.clone(),
            source,
        })?;
        let last = (named.content_hash.clone(), content.clone());
        shelf.last.insert(kind, last);
        Ok(Some(content))
    }

    /// From our own copies, else from where ingest puts them.
    fn bytes(&self, shelf: &mut Shelf, named: &Knowledge) -> Result<Vec<u8>, LibraryError> {
        let (kind, hash) = (&named.kind, &named.content_hash);
        let own = match &shelf.own {
            Some(own) => own.clone(),
            None => {
                let own = Objects::open(&format!("file://{}", self.own.display()))?;
                shelf.own.insert(own).clone()
            }
        };
        // A damaged copy is no loss.
        if let Ok(Some(bytes)) = knowledge::get(&own, kind, hash) {
            return Ok(bytes);
        }
        let objects = match &shelf.objects {
            Some(objects) => objects.clone(),
            None => {
                let objects = Objects::prepare(&self.place)?.of_stream(&self.stream);
                shelf.objects.insert(objects).clone()
            }
        };
        let Some(bytes) = knowledge::get(&objects, kind, hash)? else {
            return Err(LibraryError::Missing {
                kind: kind.clone(),
                place: objects.place().to_owned(),
            });
        };
        knowledge::put(&own, kind, &bytes)?;
        knowledge::prune(&own, kind, KEEP, hash)?;
        Ok(bytes)
    }
}
