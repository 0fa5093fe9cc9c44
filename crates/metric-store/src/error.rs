//! Why the metric store did not do what it was asked.

use weir_embedded::EmbeddedError;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum MetricStoreError {
    /// No engine of this name is built in.
    #[error("metric store: unknown scheme {scheme}:// (want file://, cql:// or cqls://)")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// The URL or a setting beside it cannot be right.
    #[error("metric store: {url}: {reason}")]
    Url {
        /// The URL without who and password.
        url: String,
        /// What is wrong, and what is wanted.
        reason: String,
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
    /// The nodes do not answer, or cannot now: try again.
    #[error(
        "metric store: cannot {what}, {hosts} did not serve us: {reason}; check that the nodes \
         are up, and url of [metric_store]"
    )]
    Away {
        /// What was being done.
        what: &'static str,
        /// The contact points.
        hosts: String,
        /// What was seen.
        reason: String,
    },
    /// The nodes say no: trying again is useless.
    #[error("metric store: cannot {what}, {hosts} refused: {reason}; {next}")]
    Refused {
        /// What was being done.
        what: &'static str,
        /// The contact points.
        hosts: String,
        /// What they said.
        reason: String,
        /// What to do about it.
        next: &'static str,
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
    /// The engine lost what it had acknowledged: one node killed with its commit log not yet synced.
    #[error(
        "metric store: partition {partition} stands at {found:?}, we had written {expected}: the engine \
         lost acknowledged writes; raise the fence and resume from its position"
    )]
    Rewound {
        /// Partition of `window-results`.
        partition: u32,
        /// The position that was acknowledged.
        expected: i64,
        /// The position that is there.
        found: Option<i64>,
    },
    /// A row has a version that cannot be a write timestamp.
    #[error(
        "metric store: window of {aggregate}/{key} has version {version}, outside 1..2^63; its writer is broken"
    )]
    Version {
        /// Name of the aggregate.
        aggregate: String,
        /// Key of the row.
        key: String,
        /// Its version.
        version: u64,
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
    /// True when the same call may succeed later (nodes that are away, overloaded or still starting).
    /// `Fenced` and `Rewound` are not: the partition must be taken anew. Nor is an error of the embedded
    /// file, a full disk too: redb refuses every call after it until the file is opened again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }

    /// True when the writer has to take its partition anew: raise the fence, and go on from the
    /// store's position.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        matches!(self, Self::Fenced { .. } | Self::Rewound { .. })
    }

    pub(crate) fn engine<E: Into<redb::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Engine {
            what,
            source: Box::new(weir_embedded::cause(source)),
        }
    }
}
