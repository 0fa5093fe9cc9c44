//! Why the online store did not do what it was asked.

use weir_embedded::EmbeddedError;
use weir_events::position::StoreFence;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum OnlineStoreError {
    /// No engine of this name is built in.
    #[error("online store: unknown scheme {scheme}:// (want file://)")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    /// The engine failed while doing this.
    #[error("online store: cannot {what}")]
    Engine {
        /// What was being done.
        what: &'static str,
        /// What the engine said.
        source: Box<redb::Error>,
    },
    /// Another writer has taken the partition.
    #[error("online store: partition {partition} belongs to fence {current}, ours is {ours}")]
    Fenced {
        /// Partition of the source topic.
        partition: u32,
        /// The caller's fence.
        ours: u64,
        /// The fence in the store.
        current: u64,
    },
    /// A stored row is damaged, or was written by a newer version.
    #[error("online store: row of {view}/{entity} cannot be read: {reason}")]
    Corrupt {
        /// Name of the view.
        view: String,
        /// Key of the entity.
        entity: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl OnlineStoreError {
    /// True when the same call may succeed later (a full disk, an I/O error).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Engine { source, .. } if matches!(**source, redb::Error::Io(_))
        )
    }

    pub(crate) fn engine<E: Into<redb::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Engine {
            what,
            source: Box::new(source.into()),
        }
    }

    pub(crate) fn fenced(partition: u32, ours: StoreFence, current: u64) -> Self {
        Self::Fenced {
            partition,
            ours: ours.0,
            current,
        }
    }
}
