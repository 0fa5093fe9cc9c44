//! Why the online store did not do what it was asked.

use std::path::PathBuf;

use weir_embedded::EmbeddedError;
use weir_events::position::StoreFence;

/// Why a call failed. Nothing in it tells a password.
#[derive(Debug, thiserror::Error)]
pub enum OnlineStoreError {
    /// No engine of this name is built in.
    #[error(
        "online store: unknown scheme {scheme}:// (want file:// or redis://; with TLS rediss://; \
         redis-cluster://, redis-sentinel://)"
    )]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// The URL, or a variable that makes it, is not as it should be.
    #[error("online store: {url}: {reason}")]
    Url {
        /// The URL without its login, or the name of the variable.
        url: String,
        /// What is wrong, and what is wanted.
        reason: String,
    },
    /// A certificate or key cannot be used.
    #[error(
        "online store: cannot use the certificate or key in {file}: {reason}; check ca_file, \
         client_cert_file and client_key_file"
    )]
    Certificate {
        /// Where it should be.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] EmbeddedError),
    /// The embedded engine failed while doing this.
    #[error("online store: cannot {what}")]
    Engine {
        /// What was being done.
        what: &'static str,
        /// What the engine said.
        source: Box<redb::Error>,
    },
    /// The thread for input and output could not start.
    #[error("online store: its own thread could not start")]
    Thread(#[source] std::io::Error),
    /// The server is away, starting, failing over or overloaded.
    #[error(
        "online store at {place}: cannot {what}: {reason}; it may come back, else see that the \
         server runs, is reachable at url of [online_store] and has room"
    )]
    Away {
        /// Host and port.
        place: String,
        /// What was being done.
        what: &'static str,
        /// What was heard.
        reason: String,
    },
    /// The server does not let us.
    #[error(
        "online store at {place}: not allowed to {what}: {reason}; check username, password and \
         the user's ACL"
    )]
    Denied {
        /// Host and port.
        place: String,
        /// What was being done.
        what: &'static str,
        /// What the server said.
        reason: String,
    },
    /// No safe connection.
    #[error(
        "online store at {place}: TLS failed: {reason}; check ca_file, client_cert_file, the host name \
         in the URL and the server's certificate"
    )]
    Tls {
        /// Host and port.
        place: String,
        /// What rustls said.
        reason: String,
    },
    /// The server refuses a command for another reason.
    #[error(
        "online store at {place}: cannot {what}: {reason}; see that the server is a Redis 6 or \
         newer and that nothing else uses our keys"
    )]
    Refused {
        /// Host and port.
        place: String,
        /// What was being done.
        what: &'static str,
        /// What the server said.
        reason: String,
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
    /// The store has lost writes that it had acknowledged: restored, restarted without its file,
    /// or failed over to a replica that lagged.
    #[error(
        "online store: partition {partition} stands at {found}, we had written {expected}: the \
         server lost acknowledged writes; raise the fence and resume from its position"
    )]
    Rewound {
        /// Partition of the source topic.
        partition: u32,
        /// Fence and position as they should be.
        expected: String,
        /// Fence and position as they are.
        found: String,
    },
    /// A row cannot be kept.
    #[error("online store: row of {view}/{entity} cannot be stored: {reason}")]
    Unfit {
        /// Name of the view.
        view: String,
        /// Key of the entity.
        entity: String,
        /// What is wrong with it.
        reason: &'static str,
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
    /// True when the same call may succeed later (an engine that is away). `Fenced` and `Rewound` are
    /// not: the writer has to take the partition anew. Nor is an error of the embedded file, a full disk
    /// too: redb refuses every call after it until the file is opened again.
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

    pub(crate) fn fenced(partition: u32, ours: StoreFence, current: u64) -> Self {
        Self::Fenced {
            partition,
            ours: ours.0,
            current,
        }
    }
}
