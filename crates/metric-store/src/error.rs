//! Why the metric store did not do what it was asked.

use weir_embedded::EmbeddedError;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum MetricStoreError {
    /// No engine of this name is built in.
    #[error("metric store: unknown scheme {scheme}:// (want file://)")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    /// The engine failed while doing this.
    #[error("metric store: cannot {what}")]
    Engine {
        /// What was being done.
        what: &'static str,
        /// What the engine said.
        source: Box<redb::Error>,
    },
    /// Another writer has taken the partition.
    #[error("metric store: partition {partition} belongs to fence {current}, ours is {ours}")]
    Fenced {
        /// Partition of `window-results`.
        partition: u32,
        /// The caller's fence.
        ours: u64,
        /// The fence in the store.
        current: u64,
    },
    /// A stored row is damaged, or was written by a newer version.
    #[error("metric store: window of {aggregate}/{key} cannot be read: {reason}")]
    Corrupt {
        /// Name of the aggregate.
        aggregate: String,
        /// Key of the row.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl MetricStoreError {
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
}
