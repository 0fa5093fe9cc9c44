//! Contents of the knowledge that the log names, read once for all tasks of a process.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

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

/// Why a task cannot go on past a record that names a content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// The store does not answer.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// What it holds is damaged.
    #[error(transparent)]
    Damaged(KnowledgeError),
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
            Self::Objects(error) => error.is_transient(),
            Self::Missing { .. } => true,
            Self::Damaged(_) | Self::Unreadable { .. } => false,
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Library {
    place: weir_objects::Config,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Default)]
struct Shelf {
    /// Opened for the first record that names a content.
    objects: Option<Objects>,
    /// What was read last, with its hash: every partition asks for the same.
    last: BTreeMap<Kind, (Vec<u8>, Content)>,
}

impl Library {
    /// Contents below this URL.
    pub(crate) fn at(place: weir_objects::Config) -> Self {
        Self {
            place,
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
        let objects = match &shelf.objects {
            Some(objects) => objects.clone(),
            None => shelf.objects.insert(Objects::prepare(&self.place)?).clone(),
        };
        let found = knowledge::get(&objects, &named.kind, &named.content_hash);
        let bytes = match found {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return Err(LibraryError::Missing {
                    kind: named.kind.clone(),
                    place: objects.place().to_owned(),
                });
            }
            Err(KnowledgeError::Objects(error)) => return Err(error.into()),
            Err(damaged) => return Err(LibraryError::Damaged(damaged)),
        };
        let content = kind.read(&bytes);
        let content = content.map_err(|source| LibraryError::Unreadable {
            kind: named.kind.clone(),
            source,
        })?;
        let last = (named.content_hash.clone(), content.clone());
        shelf.last.insert(kind, last);
        Ok(Some(content))
    }
}
